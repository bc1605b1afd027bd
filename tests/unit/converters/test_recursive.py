"""Records that contain themselves through the built-in registry, with each of the three converters."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.converters.avro import AvroConverter
from appliance.converters.protobuf import ProtobufConverter
from appliance.converters.registry_json import JsonSchemaConverter
from appliance.data import Field, Schema, Type
from appliance.data.recursive import BackReference, Knot
from appliance.errors import DataError
from tests.unit.converters.local_registry import LocalRegistry, configured

CONVERTERS = [AvroConverter, JsonSchemaConverter, ProtobufConverter]
AVRO: dict[str, Any] = {
    "type": "record",
    "name": "Node",
    "namespace": "acme",
    "fields": [
        {"name": "v", "type": "int"},
        {"name": "next", "type": ["null", "Node"], "default": None},
        {"name": "kids", "type": {"type": "array", "items": "Node"}},
    ],
}
AVRO_VALUE = {
    "v": 1,
    "next": {"v": 2, "next": None, "kids": []},
    "kids": [{"v": 3, "next": {"v": 4, "next": None, "kids": []}, "kids": []}],
}
ROW: Any = (1, (2, None, []), [(3, (4, None, []), [])])


def register(converter: Any, text: str, kind: str) -> int:
    body = {"schema": text, "schemaType": kind}
    answer = converter._client.request("POST", "/subjects/t-value/versions", body)
    return int(answer["id"])


def head(schema_id: int) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big")


def text_of(converter: Any, subject: str = "u-value") -> str:
    return str(converter._client.request("GET", f"/subjects/{subject}/versions/1")["schema"])


def test_an_avro_record_is_read_and_written_with_its_name_inside():
    """The text is the one Confluent's converter writes."""
    converter = configured(AvroConverter)
    schema_id = register(converter, json.dumps(AVRO), "AVRO")
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(AVRO), AVRO_VALUE)

    (run,) = converter.decode("t", [head(schema_id) + body.getvalue()])
    (payload,) = converter.encoder("u", run.schema)(run.rows, ())

    inside = run.schema.field("next").schema
    assert run.rows == [ROW]
    assert (type(inside), inside.name, inside.optional) == (BackReference, "acme.Node", True)
    assert payload[5:] == body.getvalue()
    assert json.loads(text_of(converter)) == {
        **AVRO,
        "connect.version": 1,
        "connect.name": "acme.Node",
    }


def test_avro_records_may_contain_each_other():
    """Each has its definition once, wherever it is met first."""
    inner = {"type": "record", "name": "B", "fields": [{"name": "a", "type": ["null", "A"]}]}
    schema = {
        "type": "record",
        "name": "Root",
        "fields": [
            {"name": "a", "type": {"type": "record", "name": "A", "fields": [
                {"name": "bs", "type": {"type": "map", "values": inner}}]}},
            {"name": "b", "type": "B"},
            {"name": "again", "type": ["null", "A"]},
        ],
    }  # fmt: skip
    value = {"a": {"bs": {"k": {"a": {"bs": {}}}}}, "b": {"a": None}, "again": {"bs": {}}}
    converter = configured(AvroConverter)
    schema_id = register(converter, json.dumps(schema), "AVRO")
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), value)

    (run,) = converter.decode("t", [head(schema_id) + body.getvalue()])
    (payload,) = converter.encoder("u", run.schema)(run.rows, ())

    assert run.rows == [(({"k": (({},),)},), (None,), ({},))]
    assert payload[5:] == body.getvalue()
    names = re.findall(r'"name":"([A-Z]\w*)"', text_of(converter))
    assert sorted(names) == ["A", "B", "Root"]


PROTO = """syntax = "proto3";
package acme;
message Node {
  int32 v = 1;
  Node next = 2;
  repeated Node kids = 3;
  map<string, Node> by = 4;
  oneof some {
    Node one = 5;
    string text = 6;
  }
}
"""


def test_a_protobuf_message_is_read_and_written_with_its_name_inside():
    """In fields, lists, maps and oneofs."""
    converter = configured(ProtobufConverter)
    schema_id = register(converter, PROTO, "PROTOBUF")
    leaf: Any = (None, 7, None, [], {})
    row = ((leaf, None), 1, leaf, [leaf, leaf], {"k": leaf})
    payload = head(schema_id) + bytes.fromhex(
        "00 0801 1202 0807 1a02 0807 1a02 0807 2207 0a016b 1202 0807 2a02 0807"
    )

    (run,) = converter.decode("t", [payload])
    (written,) = converter.encoder("u", run.schema)(run.rows, ())
    (again,) = converter.decode("u", [written])

    assert run.rows == again.rows == [row]
    text = text_of(converter)
    assert text.count("message ") == 1
    assert "map<string, Node> by = 4;" in text
    assert written[6:] == payload[6:]


def test_a_json_object_is_read_and_written_with_a_reference_inside():
    """The reference names the place, which any reader of JSON Schema finds."""
    converter = configured(JsonSchemaConverter)
    node = {
        "type": "object",
        "title": "N/1",
        "properties": {
            "v": {"type": "integer"},
            "next": {"oneOf": [{"type": "null"}, {"$ref": "#/definitions/N~11"}]},
            "kids": {"type": "array", "items": {"$ref": "#/definitions/N~11"}},
        },
    }
    schema = {
        "type": "object",
        "properties": {"tree": {"$ref": "#/definitions/N~11"}},
        "definitions": {"N/1": node},
    }
    leaf: Any = {"v": 2, "next": None, "kids": []}
    value = {"tree": {"v": 1, "next": leaf, "kids": [leaf, leaf]}}
    schema_id = register(converter, json.dumps(schema), "JSON")

    (run,) = converter.decode("t", [head(schema_id) + json.dumps(value).encode()])
    (payload,) = converter.encoder("u", run.schema)(run.rows, ())
    (again,) = converter.decode("u", [payload])

    inner: Any = (2, None, [])
    assert run.rows == again.rows == [((1, inner, [inner, inner]),)]
    assert run.schema == again.schema
    assert json.loads(payload[5:]) == value
    found = json.loads(text_of(converter))["properties"]["tree"]["properties"]
    assert found["next"]["oneOf"][1] == {"$ref": "#/properties/tree"}
    assert found["kids"]["items"] == {"$ref": "#/properties/tree"}


def test_json_alternatives_may_contain_themselves():
    """An expression, say."""
    converter = configured(JsonSchemaConverter)
    schema = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#"}}]}
    schema_id = register(converter, json.dumps(schema), "JSON")

    (run,) = converter.decode("t", [head(schema_id) + b'["a",["b",[]]]'])
    (payload,) = converter.encoder("u", run.schema)(run.rows, ())

    assert payload[5:] == b'["a",["b",[]]]'


@pytest.mark.parametrize("text", ['{"type":"array","items":{"$ref":"#"}}', '{"$ref":"#"}'])
def test_json_that_contains_itself_in_nothing_is_a_data_error(text):
    """Confluent's class overflows the stack."""
    converter = configured(JsonSchemaConverter)
    schema_id = register(converter, text, "JSON")
    with pytest.raises(DataError, match="contains itself"):
        converter.decode("t", [head(schema_id) + b"[]"])


def tree() -> Schema:
    """Give a struct of the kinds of places that all three types of schema can hold it in."""
    knot = Knot()
    inside = knot.reference()
    fields = {
        "name": Schema(Type.STRING, optional=True),
        "size": Schema(Type.INT64, optional=True),
        "next": inside.replace(optional=True),
        "kids": Schema(Type.ARRAY, value_schema=inside),
        "by": Schema(Type.MAP, key_schema=Schema(Type.STRING), value_schema=inside),
    }
    made = [Field(name, i, schema) for i, (name, schema) in enumerate(fields.items())]
    return knot.tie(Schema(Type.STRUCT, name="acme.Tree", fields=tuple(made)))


def rows() -> st.SearchStrategy[Any]:
    names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4)
    sizes = st.integers(-(2**63), 2**63 - 1).filter(bool)

    def around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.tuples(
            names,
            sizes,
            st.none() | inner,
            st.lists(inner, max_size=2),
            st.dictionaries(names, inner, max_size=2),
        )

    leaf: Any = st.tuples(names, sizes, st.none(), st.just([]), st.just({}))
    return st.recursive(leaf, around, max_leaves=6)


TREE = tree()


@pytest.mark.parametrize("kind", CONVERTERS)
@given(st.lists(rows(), min_size=1, max_size=3))
@settings(deadline=None, max_examples=40)
def test_rows_return_when_written_and_read(kind, found):
    """Whatever the depth; a converter of its own that knows only the registry reads them."""
    writer, reader = configured(kind), configured(kind)
    reader._client = LocalRegistry(writer._client)

    (run,) = reader.decode("t", writer.encoder("t", TREE)(found, ()))
    (again,) = writer.decode("t2", reader.encoder("t2", run.schema)(run.rows, ()))

    assert run.rows == found
    assert again.rows == found


def test_an_equal_schema_comes_back():
    """JSON and Avro keep everything; the version of the subject is added at the top."""
    for kind in (AvroConverter, JsonSchemaConverter):
        converter = configured(kind)
        (run,) = converter.decode("t", converter.encoder("t", TREE)([("a", 1, None, [], {})], ()))
        assert run.schema.replace(version=None) == TREE


@pytest.mark.parametrize("kind", CONVERTERS)
def test_what_is_nested_too_deeply_is_a_data_error(kind):
    """Written or read."""
    row: Any = ("a", 1, None, [], {})
    for _ in range(20_000):
        row = ("a", 1, row, [], {})
    converter = configured(kind)
    with pytest.raises(DataError):
        converter.encoder("t", TREE)([row], ())


def test_an_avro_body_that_never_ends_is_a_data_error():
    """The bytes alone decide on the depth."""
    converter = configured(AvroConverter)
    schema_id = register(converter, json.dumps(AVRO), "AVRO")
    with pytest.raises(DataError, match="nested too deeply"):
        converter.decode("t", [head(schema_id) + b"\x02\x02" * 50_000])


@pytest.mark.parametrize("kind", CONVERTERS)
def test_a_part_of_a_record_can_be_written_alone(kind):
    """As ExtractField leaves it: the reference is the whole schema."""
    converter = configured(kind)
    inside = TREE.fields[2].schema.replace(optional=False)

    (run,) = converter.decode(
        "t", converter.encoder("t", inside)([("a", 1, ("b", 2, None, [], {}), [], {})], ())
    )

    assert run.rows == [("a", 1, ("b", 2, None, [], {}), [], {})]
