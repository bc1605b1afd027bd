"""Structs that contain themselves: comparing, printing and checking them has an end."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from appliance.converters.json import JsonConverter
from appliance.data import Field, Schema, SourceRecord, Struct, Type
from appliance.data.projector import project, projector
from appliance.data.recursive import Knot, back_references, node_of
from appliance.data.struct import unwrap, wrap
from appliance.errors import DataError


def node(name: str = "Node", *, inner: Type = Type.INT32, width: int = 1) -> Schema:
    """Give a struct with a number, an optional next one and a list of others, of some names."""
    knot = Knot()
    fields = [("v", Schema(inner)), ("next", knot.reference().replace(optional=True))]
    fields += [
        (f"others{i}", Schema(Type.ARRAY, value_schema=knot.reference())) for i in range(width)
    ]
    made = tuple(Field(name, index, schema) for index, (name, schema) in enumerate(fields))
    return knot.tie(Schema(Type.STRUCT, name=name, fields=made))


ROW: Any = (1, (2, None, []), [(3, (4, None, []), [])])


def test_equal_structs_are_equal_and_hash_alike():
    """However they were made; many references cost no more than one."""
    assert node() == node()
    assert hash(node()) == hash(node())
    assert node(width=40) == node(width=40)
    assert node().fields[1].schema == node().fields[1].schema


@pytest.mark.parametrize("other", [node("Other"), node(inner=Type.INT64), node(width=2)])
def test_structs_that_differ_anywhere_are_not_equal(other):
    """In their name, or in a field; on either side."""
    assert node() != other
    assert other != node()
    assert node().fields[1].schema != other.fields[1].schema
    assert node() == node()


def test_a_reference_has_the_fields_of_its_struct_and_its_own_attributes():
    """Only other fields make it another struct."""
    schema = node()
    reference = schema.fields[1].schema

    assert (reference.name, reference.optional, reference.fields) == ("Node", True, schema.fields)
    assert reference.replace(optional=False) == schema.fields[2].schema.value_schema
    assert back_references(reference.replace(doc="x")) == {node_of(schema)}
    assert reference.replace(fields=()).fields == ()
    assert repr(schema) == repr(reference) == "Schema{Node:STRUCT}"


def test_values_are_checked_as_deep_as_they_go():
    """A struct is made, printed and compared like any other."""
    schema = node()
    struct = wrap(schema, ROW)

    struct.validate()

    assert unwrap(struct) == ROW
    assert struct == wrap(node(), ROW)
    assert str(struct.get("next")) == "Struct{v=2,others0=[]}"
    bad = Struct(schema.fields[1].schema, {"v": 5})
    with pytest.raises(DataError, match="null used for required"):
        struct.put("next", bad)


def test_a_row_is_projected_as_deep_as_it_goes():
    """Numbers become wider inside too."""
    narrow, wide = node(), node(inner=Type.INT64)

    assert projector(narrow, node())(ROW) == ROW
    assert unwrap(project(narrow, wrap(narrow, ROW), wide)) == ROW


def test_only_a_struct_may_contain_itself():
    """A list of itself has nothing to hold on to."""
    knot = Knot()
    with pytest.raises(DataError, match="other than in a struct"):
        knot.tie(Schema(Type.ARRAY, value_schema=knot.reference()))


def test_plain_json_holds_it_and_json_with_a_schema_does_not():
    """The error says what to do."""
    with_schema, plain = JsonConverter(), JsonConverter()
    with_schema.configure({})
    plain.configure({"schemas.enable": "false"})

    (payload,) = plain.encoder("t", node())([ROW], ())

    assert payload == (
        b'{"v":1,"next":{"v":2,"next":null,"others0":[]},'
        b'"others0":[{"v":3,"next":{"v":4,"next":null,"others0":[]},"others0":[]}]}'
    )
    with pytest.raises(DataError, match=r"contains itself: .* set schemas\.enable=false"):
        with_schema.encoder("t", node())


def test_a_value_that_is_nested_too_deeply_is_a_data_error():
    """No error without words, whatever the depth."""
    plain = JsonConverter()
    plain.configure({"schemas.enable": "false"})
    row: Any = (0, None, [])
    for number in range(20_000):
        row = (number, row, [])
    with pytest.raises(DataError, match="nested too deeply"):
        plain.encoder("t", node())([row], ())


def test_what_cannot_hold_it_says_so():
    """Flatten would never end, Parquet has no such type."""
    from appliance.connectors.storage.arrow import arrow_schema

    with pytest.raises(DataError, match="Parquet cannot hold it"):
        arrow_schema(node())


SHAPERS = (
    "flatten:Value",
    "debezium.geometries:SwapGeometryCoordinates",
    "debezium.vectors:VectorToJsonConverter",
)


@pytest.mark.parametrize("target", SHAPERS)
@pytest.mark.parametrize("is_inside", [False, True])
def test_a_transform_that_goes_into_structs_refuses_one_without_an_end(target, is_inside):
    """One clear error of the record, which the connector's error policy handles."""
    module, _, name = target.partition(":")
    transform = getattr(importlib.import_module(f"appliance.transforms.{module}"), name)()
    transform.configure({})
    schema = node()
    value = wrap(schema, ROW)
    if is_inside:
        schema = Schema(Type.STRUCT, fields=(Field("inner", 0, node()),))
        value = wrap(schema, (ROW,))

    with pytest.raises(DataError, match="The struct Node contains itself: "):
        transform.apply(SourceRecord("t", 0, None, None, schema, value))
