"""Avro in the wire format: what is written is read back, and bad bytes fail cleanly."""

from __future__ import annotations

import decimal
import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.api import NULL
from appliance.converters.avro import AvroConverter
from appliance.data import Schema, SchemaBuilder, Type
from appliance.data.logical import DATE_NAME, DECIMAL_NAME, TIME_NAME, TIMESTAMP_NAME
from appliance.errors import DataError
from appliance.schemaregistry.client import ClientOptions, RegistryClient, RegistryError


class Registry(RegistryClient):
    """A registry in memory: every schema one version, ids from 1."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__(ClientOptions(("http://registry",)))
        self.bodies: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Answer from memory."""
        self.asked.append(f"{method} {path}")
        if method == "POST" and "/versions" in path:
            if body not in self.bodies:
                self.bodies.append(body)
            return {"id": self.bodies.index(body) + 1}
        if method == "POST":
            return {"id": 1, "version": 1}
        if path.endswith("/versions/latest"):
            return {"id": len(self.bodies), **self.bodies[-1]}
        number = int(path.split("/")[3].partition("?")[0])
        if number > len(self.bodies):
            raise RegistryError("Schema not found", 404, 40403)
        return self.bodies[number - 1]


def _converter(**options: str) -> tuple[AvroConverter, Registry]:
    converter, registry = AvroConverter(), Registry()
    config = {name.replace("_", "."): value for name, value in options.items()}
    converter.configure({"schema.registry.url": "http://registry", **config}, is_key=False)
    converter._client = registry
    return converter, registry


def _struct(members: dict[str, Schema], name: str | None = None) -> Schema:
    builder = SchemaBuilder.struct()
    for member, schema in members.items():
        builder.field(member, schema)
    return builder.name(name).build() if name else builder.build()


_SCALARS: dict[Type, st.SearchStrategy[Any]] = {
    Type.INT8: st.integers(-(2**7), 2**7 - 1),
    Type.INT16: st.integers(-(2**15), 2**15 - 1),
    Type.INT32: st.integers(-(2**31), 2**31 - 1),
    Type.INT64: st.integers(-(2**63), 2**63 - 1),
    Type.FLOAT32: st.floats(width=32, allow_nan=False),
    Type.FLOAT64: st.floats(allow_nan=False),
    Type.BOOLEAN: st.booleans(),
    Type.STRING: st.text(),
    Type.BYTES: st.binary(max_size=200),
}
_schemas = st.recursive(
    st.builds(Schema, st.sampled_from(list(_SCALARS)), optional=st.booleans()),
    lambda inner: st.one_of(
        inner.map(lambda schema: SchemaBuilder.array(schema).build()),
        inner.map(lambda schema: SchemaBuilder.map(Schema(Type.STRING), schema).build()),
        inner.map(lambda schema: SchemaBuilder.map(Schema(Type.INT64), schema).build()),
        st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), inner, max_size=4).map(
            _struct
        ),
    ),
    max_leaves=6,
)


def _rows(schema: Schema) -> st.SearchStrategy[Any]:
    if schema.type is Type.ARRAY and schema.value_schema:
        found: st.SearchStrategy[Any] = st.lists(_rows(schema.value_schema), max_size=3)
    elif schema.type is Type.MAP and schema.key_schema and schema.value_schema:
        found = st.dictionaries(_rows(schema.key_schema), _rows(schema.value_schema), max_size=3)
    elif schema.type is Type.STRUCT:
        found = st.tuples(*[_rows(field.schema) for field in schema.fields])
    else:
        found = _SCALARS[schema.type]
    return st.none() | found if schema.optional else found


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_rows_return_when_written_and_read(data: st.DataObject) -> None:
    """Any row of any schema comes back under the same schema, but for the registry's version."""
    schema = data.draw(_schemas)
    row = data.draw(_rows(schema))
    converter, _ = _converter()
    payload = converter.encoder("t", schema)([NULL if row is None else row], ())
    (run,) = converter.decode("t", payload)
    if row is None:
        assert run.rows == [None]
        return
    assert (run.schema, run.rows) == (schema.replace(version=1), [row])


def test_logical_types_return_when_written_and_read() -> None:
    """Decimal, dates, times, timestamps, defaults and parameters survive."""
    price = Schema(Type.BYTES, name=DECIMAL_NAME, version=1, parameters={"scale": "2"})
    schema = _struct(
        {
            "price": price,
            "day": Schema(Type.INT32, name=DATE_NAME, version=1, optional=True),
            "time": Schema(Type.INT32, name=TIME_NAME, version=1),
            "at": Schema(Type.INT64, name=TIMESTAMP_NAME, version=1),
            "note": Schema(Type.STRING, optional=True, default="x", doc="why"),
        },
        "acme.Order",
    )
    row = (decimal.Decimal("-12.34"), 19000 * 86_400_000, 3_600_000, 1_641_600_000_000, None)
    converter, _ = _converter(ignore_default_for_nullables="true")
    (run,) = converter.decode("t", converter.encoder("t", schema)([row, None], ()))
    assert run.rows == [row, None]
    assert run.schema == schema.replace(version=1)


def test_bytes_are_the_wire_format_when_another_library_reads_them() -> None:
    """A payload is a zero byte, the id, and a body that fastavro reads alike."""
    schema = _struct({"id": Schema(Type.INT64), "name": Schema(Type.STRING, optional=True)}, "A")
    converter, registry = _converter()
    (payload,) = converter.encoder("t", schema)([(-65, "zoé")], ())
    assert payload is not None
    assert payload[:5] == b"\x00\x00\x00\x00\x01"
    written = fastavro.parse_schema(json.loads(registry.bodies[0]["schema"]))
    read = fastavro.schemaless_reader(io.BytesIO(payload[5:]), written, None)
    assert read == {"id": -65, "name": "zoé"}


def test_top_level_bytes_are_raw_when_written() -> None:
    """Bytes alone carry no length after the id."""
    converter, _ = _converter()
    payloads = converter.encoder("t", Schema(Type.BYTES))([b"ab"], ())
    assert payloads == [b"\x00\x00\x00\x00\x01ab"]
    assert converter.decode("t", payloads)[0].rows == [b"ab"]


def test_nothing_is_registered_when_every_row_is_null() -> None:
    """Null under an optional schema is a tombstone and asks nothing of the registry."""
    converter, registry = _converter()
    encode = converter.encoder("t", Schema(Type.STRING, optional=True))
    assert encode([NULL, None], ()) == [None, None]
    assert registry.asked == []


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [
        ("TopicNameStrategy", "t-value"),
        ("RecordNameStrategy", "a.B"),
        ("TopicRecordNameStrategy", "t-a.B"),
    ],
)
def test_subject_follows_strategy_when_registering(strategy: str, subject: str) -> None:
    """Each strategy names its subject."""
    name = f"io.confluent.kafka.serializers.subject.{strategy}"
    converter, registry = _converter(value_subject_name_strategy=name)
    converter.encoder("t", _struct({"x": Schema(Type.INT32)}, "a.B"))([(1,)], ())
    assert registry.asked == [f"POST /subjects/{subject}/versions"]


def test_newest_schema_is_written_when_it_is_asked_for() -> None:
    """With use.latest.version a record takes the registered form, its defaults included."""
    converter, registry = _converter(auto_register_schemas="false", use_latest_version="true")
    fields = [{"name": "x", "type": "int"}, {"name": "y", "type": "string", "default": "d"}]
    text = json.dumps({"type": "record", "name": "B", "namespace": "a", "fields": fields})
    registry.bodies.append({"schema": text})
    payloads = converter.encoder("t", _struct({"x": Schema(Type.INT32)}, "a.B"))([(7,)], ())
    assert converter.decode("t", payloads)[0].rows == [(7, "d")]


def test_names_are_scrubbed_when_asked() -> None:
    """Characters that Avro does not allow become underscores, leading digits get an x."""
    converter, registry = _converter(scrub_invalid_names="true")
    schema = _struct({"a-b": Schema(Type.INT32), "1st": Schema(Type.INT32)}, "my-ns.my-name")
    converter.encoder("t", schema)([(1, 2)], ())
    made = json.loads(registry.bodies[0]["schema"])
    assert (made["namespace"], made["name"]) == ("my_ns", "my_name")
    assert [field["name"] for field in made["fields"]] == ["a_b", "x1st"]


def test_union_and_enum_become_connect_when_read() -> None:
    """Foreign unions are structs of optional fields, enums are text with their symbols."""
    converter, registry = _converter()
    enum = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
    fields = [{"name": "u", "type": ["null", "int", "string"]}, {"name": "e", "type": enum}]
    registry.bodies.append(
        {"schema": json.dumps({"type": "record", "name": "R", "fields": fields})}
    )
    (run,) = converter.decode("t", [b"\0\0\0\0\1\x04\x02x\x02", b"\0\0\0\0\1\x00\x00"])
    assert run.rows == [((None, "x"), "B"), (None, "A")]
    assert run.schema is not None
    parameters = run.schema.fields[1].schema.parameters or {}
    assert parameters["io.confluent.connect.avro.Enum.B"] == "B"


@given(st.binary(max_size=40))
def test_bad_bytes_fail_cleanly_when_read(tail: bytes) -> None:
    """Whatever follows the id: a row or DataError, never another error or an endless loop."""
    converter, registry = _converter()
    types = ["string", {"type": "array", "items": "long"}, {"type": "map", "values": "bytes"}]
    fields = [{"name": f"f{n}", "type": ["null", type_]} for n, type_ in enumerate(types)]
    registry.bodies.append(
        {"schema": json.dumps({"type": "record", "name": "R", "fields": fields})}
    )
    try:
        converter.decode("t", [b"\0\0\0\0\1" + tail])
    except DataError:
        pass


@pytest.mark.parametrize("payload", [b"", b"\0\0", b"{}xxxx", b"\0\0\0\0\x09x"])
def test_unknown_payload_is_refused_when_read(payload: bytes) -> None:
    """A wrong first byte, a short payload and an unknown id name the topic."""
    converter, _ = _converter()
    with pytest.raises(DataError, match="for topic t to Avro"):
        converter.decode("t", [payload])


def test_a_misfit_is_a_data_error_when_written() -> None:
    """A value of the wrong kind is refused as data."""
    converter, _ = _converter()
    with pytest.raises(DataError, match="Failed to serialize Avro data from topic t"):
        converter.encoder("t", Schema(Type.STRING))([7], ())


def test_default_takes_the_place_of_null_when_written() -> None:
    """A null becomes the default of its field, optional or not."""
    schema = _struct(
        {
            "a": Schema(Type.STRING, optional=True, default="x"),
            "b": Schema(Type.INT32, default=7),
            "c": Schema(Type.INT32, optional=True),
        }
    )
    converter, _ = _converter()
    (run,) = converter.decode("t", converter.encoder("t", schema)([(None, None, None)], ()))
    assert run.rows == [("x", 7, None)]
