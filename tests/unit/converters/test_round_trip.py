"""What the JSON converter writes it reads back, and no bytes make a decoder fail otherwise than cleanly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.api import NULL
from appliance.converters import PLUGINS
from appliance.converters.json import JsonConverter
from appliance.data import Schema, SchemaBuilder, Type
from appliance.data.struct import unwrap, wrap
from appliance.data.text import to_float32
from appliance.errors import DataError

_SCALARS: dict[Type, st.SearchStrategy[Any]] = {
    Type.INT8: st.integers(-(2**7), 2**7 - 1),
    Type.INT16: st.integers(-(2**15), 2**15 - 1),
    Type.INT32: st.integers(-(2**31), 2**31 - 1),
    Type.INT64: st.integers(-(2**63), 2**63 - 1),
    Type.FLOAT32: st.floats(width=32, allow_nan=False, allow_infinity=False).map(
        lambda x: x + 0.0
    ),
    Type.FLOAT64: st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0),
    Type.BOOLEAN: st.booleans(),
    Type.STRING: st.text(),
    Type.BYTES: st.binary(max_size=20),
}
_scalar_schemas = st.builds(Schema, st.sampled_from(list(_SCALARS)), optional=st.booleans())


def _struct(members: dict[str, Schema]) -> Schema:
    builder = SchemaBuilder.struct()
    for name, schema in members.items():
        builder.field(name, schema)
    return builder.build()


_schemas = st.recursive(
    _scalar_schemas,
    lambda inner: st.one_of(
        inner.map(lambda schema: SchemaBuilder.array(schema).build()),
        inner.map(lambda schema: SchemaBuilder.map(Schema(Type.STRING), schema).build()),
        st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=4).map(_struct),
    ),
    max_leaves=6,
)


def _rows(schema: Schema) -> st.SearchStrategy[Any]:
    if schema.type is Type.ARRAY and schema.value_schema is not None:
        found: st.SearchStrategy[Any] = st.lists(_rows(schema.value_schema), max_size=3)
    elif schema.type is Type.MAP and schema.value_schema is not None:
        found = st.dictionaries(st.text(max_size=4), _rows(schema.value_schema), max_size=3)
    elif schema.type is Type.STRUCT:
        found = st.tuples(*[_rows(field.schema) for field in schema.fields])
    else:
        found = _SCALARS[schema.type]
    return st.none() | found if schema.optional else found


def _configured(**options: str) -> JsonConverter:
    converter = JsonConverter()
    converter.configure(options, is_key=False)
    return converter


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rows_of_any_schema_read_back_when_written_as_json(data: st.DataObject) -> None:
    """Schema and rows survive JSON, one by one and when the schema was just seen."""
    schema = data.draw(_schemas)
    rows = [NULL if row is None else row for row in data.draw(st.lists(_rows(schema), max_size=4))]
    converter = _configured()

    payloads = converter.encoder("t", schema)(rows, ())
    runs = converter.decode("t", payloads)

    assert [row for run in runs for row in run.rows] == rows
    assert all(run.schema == schema for run in runs if run.rows)
    assert unwrap(wrap(schema, rows[0])) == rows[0] if rows and rows[0] is not NULL else True


_ANY_JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**31 - 1, 2**31, -(2**31) - 1, 2**63, -(2**63), 86_400_001]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.just([1]),
    st.just({"x": 1}),
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_payload_reads_alike_when_its_schema_was_just_seen(data: st.DataObject) -> None:
    """The fast way and the exact way give the same row, or the same error."""
    schema = _struct(
        data.draw(st.dictionaries(st.sampled_from("abcd"), _scalar_schemas, min_size=1))
    )
    converter = _configured()
    head = converter.schema_json(schema)
    payload = data.draw(st.dictionaries(st.sampled_from("abcde"), _ANY_JSON))
    text = f'{{"schema":{head},"payload":{json.dumps(payload)}}}'.encode()

    def read() -> Any:
        try:
            return [run.rows for run in converter.decode("t", [text])]
        except DataError as error:
            return str(error)

    assert read() == read()


_OUT_OF_ORDER = (
    '{"a":1},"payload":{"a":2}',
    '{"a":1},"x":1',
    '{"a":1}},\n{"payload":{"a":2}',
    '{"a":1},{"payload":{"a":2}',
    '{"u":{"a":1',
    '{"a":1}} ,',
    '{"a":1} ',
    '{"a":1',
    '{"a":1}},{"a":2}',
    '{"a":1}],[{"a":2}',
    '{"a":1}],\n[{"a":2}',
    '{"a":1,"u":[[1',
    "2]]}",
    '{"a":1,',
    '"a":2}',
    '{"a":"',
    '"}',
    '{"a":1}]',
    '[{"a":1}',
    '{"a":"x\n"}',
    "",
    " ",
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_payloads_read_alike_when_they_come_together_and_one_by_one(data: st.DataObject) -> None:
    """A payload is read as if it stood alone, whatever its neighbours are."""
    schema = _struct({"a": data.draw(_scalar_schemas), "b": Schema(Type.STRING, optional=True)})
    schema = schema.replace(optional=True)
    head = _configured().schema_json(schema)
    members = st.fixed_dictionaries({"a": _ANY_JSON}, optional={"b": st.text(), "u": _ANY_JSON})
    payload = st.one_of(members.map(json.dumps), st.sampled_from(_OUT_OF_ORDER))
    payloads = [
        f'{{"schema":{head},"payload":{text}}}'.encode()
        for text in data.draw(st.lists(payload, min_size=2, max_size=5))
    ]
    together, alone = _configured(), _configured()

    def read(converter: JsonConverter, texts: list[bytes]) -> list[Any] | None:
        try:
            return [row for run in converter.decode("t", texts) for row in run.rows]
        except DataError:
            return None

    seen = f'{{"schema":{head},"payload":null}}'.encode()
    read(together, [seen])
    singly = [read(alone, [text]) for text in payloads]

    expected = None if None in singly else [row for rows in singly for row in rows or ()]
    assert read(together, payloads) == expected


@settings(max_examples=80, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_texts_read_back_to_the_same_number(number: float) -> None:
    """Java's shortest texts name exactly one number of their width."""
    double = _configured(**{"schemas.enable": "false"}).encoder("t", Schema(Type.FLOAT64))
    single = _configured(**{"schemas.enable": "false"}).encoder("t", Schema(Type.FLOAT32))
    narrow = to_float32(number)

    assert float(double([number], ())[0] or b"") == number
    if narrow - narrow == 0.0:
        assert to_float32(float(single([narrow], ())[0] or b"")) == narrow


_ALMOST_JSON = st.lists(
    st.sampled_from(
        [
            *(
                b"{",
                b"}",
                b"[",
                b"]",
                b",",
                b":",
                b'"',
                b"\\u12",
                b"null",
                b"1e999",
                b"-",
                b"\xff",
            ),
            *(b'{"schema":', b',"payload":', b'{"type":"int32"}', b'{"type":"struct","fields":['),
            *(b'"field":"a"', b'"default":', b"123456789012345678901", b"\xed\xa0\x80", b" "),
        ]
    ),
    max_size=12,
).map(b"".join)


# Those with a schema registry have tests of their own, with the registry in memory.
_ALONE = {p.target for p in PLUGINS if p.kind == "converter" and "confluent" not in p.java_class}


@pytest.mark.parametrize("target", sorted(_ALONE))
@settings(max_examples=60, deadline=None)
@given(payload=st.binary(max_size=40) | _ALMOST_JSON)
def test_malformed_bytes_are_data_errors_when_decoded(target: str, payload: bytes) -> None:
    """A decoder gives a value or raises DataError, never another class."""
    plugin = next(p for p in PLUGINS if p.kind == "converter" and p.target == target)
    for options in ({}, {"schemas.enable": "false"}):
        converter = plugin.load()()
        converter.configure(options, is_key=False)
        try:
            converter.to_connect_data("t", payload)
        except DataError:
            pass


_LIMITS = {Type.INT16: 15, Type.INT32: 31, Type.INT64: 63}
_SIMPLE: dict[str, tuple[Type, st.SearchStrategy[Any]]] = {
    "string:StringConverter": (Type.STRING, st.text()),
    "bytearray:ByteArrayConverter": (Type.BYTES, st.binary()),
    "primitive:BooleanConverter": (Type.BOOLEAN, st.booleans()),
    "primitive:FloatConverter": (Type.FLOAT32, st.floats(width=32, allow_nan=False)),
    "primitive:DoubleConverter": (Type.FLOAT64, st.floats(allow_nan=False)),
    **{
        f"primitive:{name}Converter": (
            kind,
            st.integers(-(2 ** _LIMITS[kind]), 2 ** _LIMITS[kind] - 1),
        )
        for name, kind in (("Short", Type.INT16), ("Integer", Type.INT32), ("Long", Type.INT64))
    },
}


@pytest.mark.parametrize("target", _SIMPLE)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_values_return_from_the_converters_of_one_type(target: str, data: st.DataObject) -> None:
    """Each under its own type, null included."""
    kind, values = _SIMPLE[target]
    plugin = next(p for p in PLUGINS if p.target == f"appliance.converters.{target}")
    converter = plugin.load()()
    converter.configure({}, is_key=False)
    rows = data.draw(st.lists(st.none() | values, min_size=1, max_size=5))

    payloads = converter.encoder("t", Schema(kind, optional=True))(rows, ())
    found = [row for run in converter.decode("t", payloads) for row in run.rows]

    assert found == [NULL if row is None else row for row in rows]
