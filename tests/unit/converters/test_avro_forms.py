"""Avro's own forms through the built-in registry: enums, unions, fixed, schemaless data, other schemas."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.converters.avro import AvroConverter
from appliance.converters.protobuf import ProtobufConverter
from appliance.converters.registry_json import JsonSchemaConverter
from appliance.data import Float32, Instant, Int8, Int32, Schema, SchemaBuilder, Type
from appliance.errors import DataError
from appliance.schemaregistry.avroreader import avro_reader
from tests.unit.converters.local_registry import LocalRegistry, configured

P = "io.confluent.connect.avro"
ENUM = {"type": "enum", "name": "acme.Color", "symbols": ["RED", "BLUE"]}
FORMS = {
    "type": "record",
    "name": "Forms",
    "namespace": "acme",
    "doc": "all of them",
    "fields": [
        {"name": "color", "type": ENUM, "doc": "which"},
        {"name": "again", "type": ["null", "acme.Color"], "default": None},
        {"name": "any", "type": ["null", "string", "long", {"type": "record", "name": "In", "fields": [
            {"name": "x", "type": "int"}]}]},
        {"name": "sum", "type": {"type": "fixed", "name": "Sum", "size": 2}},
    ],
}  # fmt: skip
VALUE = {"color": "BLUE", "again": "RED", "any": {"x": 4}, "sum": b"ab"}
ROW = ("BLUE", "RED", (None, None, (4,)), b"ab")


def register(converter: Any, schema: Any, topic: str = "t", kind: str = "AVRO") -> int:
    body = {"schema": json.dumps(schema), "schemaType": kind}
    answer = converter._client.request("POST", f"/subjects/{topic}-value/versions", body)
    return int(answer["id"])


def payload(schema_id: int, schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return struct.pack(">bI", 0, schema_id) + out.getvalue()


def test_foreign_forms_are_read_and_written_as_they_were():
    """With enhanced support enums, unions and fixed go back to what they were, docs included."""
    converter = configured(AvroConverter, enhanced_avro_schema_support="true")
    schema_id = register(converter, FORMS)

    (run,) = converter.decode("t", [payload(schema_id, FORMS, VALUE)])
    (written,) = converter.encoder("u", run.schema)(run.rows, ())
    text = converter._client.request("GET", "/subjects/u-value/versions/1")["schema"]

    assert run.rows == [ROW]
    assert run.schema.field("any").schema.fields[2].name == "acme.In"
    body = io.BytesIO(written[5:])
    parsed = fastavro.parse_schema(json.loads(text))
    assert fastavro.schemaless_reader(body, parsed) == VALUE
    made = {field["name"]: field for field in json.loads(text)["fields"]}
    assert made["color"]["type"]["type"] == "enum"
    assert made["color"]["doc"] == "which"
    assert [isinstance(branch, str) for branch in made["any"]["type"]] == [True, True, True, False]
    assert made["sum"]["type"]["size"] == 2


def test_without_enhanced_support_enums_are_written_as_texts():
    """The symbols stay as parameters."""
    converter = configured(AvroConverter)
    schema_id = register(converter, FORMS)

    (run,) = converter.decode("t", [payload(schema_id, FORMS, VALUE)])
    converter.encoder("u", run.schema)(run.rows, ())
    text = converter._client.request("GET", "/subjects/u-value/versions/1")["schema"]

    color = json.loads(text)["fields"][0]["type"]
    assert color["type"] == "string"
    assert color["connect.parameters"][f"{P}.Enum"] == "acme.Color"


def test_generalized_sums_have_the_forms_of_all_types():
    """Unions are numbered structs, enums carry numbers."""
    converter = configured(AvroConverter, generalized_sum_type_support="true")
    schema_id = register(converter, FORMS)

    (run,) = converter.decode("t", [payload(schema_id, FORMS, VALUE)])
    any_schema = run.schema.field("any").schema

    assert any_schema.name == "connect_union_0"
    assert [f.name for f in any_schema.fields] == [f"connect_union_field_{i}" for i in range(3)]
    color = run.schema.field("color").schema.parameters
    assert color["org.apache.kafka.connect.data.Enum.BLUE"] == "1"


@pytest.mark.parametrize("row", [("GREEN", None, None, b"ab"), ("RED", None, None, b"abc")])
def test_values_outside_an_enum_or_fixed_are_refused(row):
    """They would be unreadable."""
    converter = configured(AvroConverter, enhanced_avro_schema_support="true")
    schema_id = register(converter, FORMS)
    (run,) = converter.decode("t", [payload(schema_id, FORMS, VALUE)])

    with pytest.raises(DataError):
        converter.encoder("u", run.schema)([row], ())


_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(-128, 127).map(Int32)
    | st.floats(allow_nan=False)
    | st.floats(width=32, allow_nan=False).map(Float32)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None)
@given(_anything)
def test_schemaless_values_return_with_their_widths(value):
    """One self-containing record holds them all."""
    converter = configured(AvroConverter)

    payloads = converter.encoder("t", None)([value], ())
    (run,) = converter.decode("t", payloads)

    assert (run.schema, run.rows) == (None, [value])
    assert type(run.rows[0]) is type(value)
    assert (payloads[0] is None) == (value is None)


@pytest.mark.parametrize("value", [b"x", Instant(5), [b"x"]])
def test_schemaless_values_that_avro_cannot_hold_are_refused(value):
    """The error names the class."""
    with pytest.raises(DataError, match="Unknown Java type for schemaless data: class"):
        configured(AvroConverter).encoder("t", None)([value], ())


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=40))
def test_malformed_schemaless_bodies_are_data_errors(body):
    """Never another class, never without end."""
    converter = configured(AvroConverter)
    converter.encoder("t", None)([Int8(1)], ())

    try:
        converter.decode("t", [b"\x00\x00\x00\x00\x01" + body])
    except DataError:
        pass


INNER = SchemaBuilder.struct().name("acme.In").field("a", Schema(Type.INT32)).build()
OUTER = SchemaBuilder.struct().name("acme.Out").field("in", INNER).build()
PROTO = 'syntax = "proto3"; package acme;'
REFERRED = {
    AvroConverter: (
        "acme.In",
        '{"type":"record","name":"acme.In","fields":[{"name":"a","type":"%s"}]}',
        ("long", "string"),
        '{"type":"record","name":"acme.Out","fields":[{"name":"in","type":"acme.In"}]}',
    ),
    JsonSchemaConverter: (
        "in.json",
        '{"type":"object","properties":{"a":{"type":"%s"}}}',
        ("number", "string"),
        '{"type":"object","properties":{"in":{"$ref":"in.json"}}}',
    ),
}


@pytest.mark.parametrize("kind", REFERRED)
def test_the_newest_schema_is_checked_with_what_it_refers_to(kind):
    """What it refers to is in another subject."""
    name, inner, words, outer = REFERRED[kind]
    converter = configured(kind, auto_register_schemas="false", use_latest_version="true")
    typed = "AVRO" if kind is AvroConverter else "JSON"
    for number, word in enumerate(words, 1):
        subject, topic = f"in{number}", f"t{number}"
        referred = {"schema": inner % word, "schemaType": typed}
        converter._client.request("POST", f"/subjects/{subject}/versions", referred)
        references = [{"name": name, "subject": subject, "version": 1}]
        body = {"schema": outer, "schemaType": typed, "references": references}
        converter._client.request("POST", f"/subjects/{topic}-value/versions", body)

    payload = converter.encoder("t1", OUTER)([((7,),)], ())[0]
    (run,) = converter.decode("t1", [payload])
    assert run.rows == [((7,),)]
    with pytest.raises(DataError, match=r"Set latest\.compatibility\.strict=false"):
        converter.encoder("t2", OUTER)([((7,),)], ())


def test_a_message_is_found_wherever_the_newest_schema_has_it():
    """The file that values are written with may import others, and have messages before it."""
    converter = configured(
        ProtobufConverter, auto_register_schemas="false", use_latest_version="true"
    )
    referred = {"schema": f"{PROTO} message Ref {{}}", "schemaType": "PROTOBUF"}
    converter._client.request("POST", "/subjects/ref/versions", referred)
    text = (
        f'{PROTO} import "ref.proto"; message Other {{}}'
        " message Out { In in = 1; Ref ref = 2; message In { int32 a = 1; } }"
    )
    references = [{"name": "ref.proto", "subject": "ref", "version": 1}]
    body = {"schema": text, "schemaType": "PROTOBUF", "references": references}
    converter._client.request("POST", "/subjects/t-value/versions", body)

    payload = converter.encoder("t", OUTER)([((7,),)], ())[0]

    assert payload[:7] == b"\0\0\0\0\2\2\2"
    (run,) = converter.decode("t", [payload])
    assert run.rows == [((7,), None)]


def test_maps_do_not_count_where_messages_of_a_file_are_numbered():
    """As the peer numbers them, who takes them as the text has them."""
    text = f"{PROTO} message A {{ map<string, int32> m = 1; message B {{ int32 b = 1; }} }}"
    converter = configured(ProtobufConverter)
    body = {"schema": text, "schemaType": "PROTOBUF"}
    converter._client.request("POST", "/subjects/t-value/versions", body)

    (run,) = converter.decode("t", [b"\0\0\0\0\1" + bytes([4, 0, 0]) + bytes([8, 5])])

    assert run.rows == [(5,)]


SMALL = SchemaBuilder.struct().name("R").field("a", Schema(Type.INT32)).build()
OTHER = SchemaBuilder.struct().name("R").field("a", Schema(Type.STRING)).build()


@pytest.mark.parametrize("kind", [AvroConverter, JsonSchemaConverter, ProtobufConverter])
def test_the_newest_schema_must_fit_unless_told_otherwise(kind):
    """use.latest.version refuses what the newest schema cannot hold."""
    first = configured(kind)
    first.encoder("t", OTHER)([("x",)], ())
    strict = configured(kind, auto_register_schemas="false", use_latest_version="true")
    strict._client = LocalRegistry(first._client)

    assert strict.encoder("t", OTHER)([("y",)], ())[0][:5] == b"\x00\x00\x00\x00\x01"
    with pytest.raises(DataError, match=r"Set latest\.compatibility\.strict=false"):
        strict.encoder("t", SMALL)([(1,)], ())


@pytest.mark.parametrize("kind", [AvroConverter, JsonSchemaConverter, ProtobufConverter])
def test_the_schema_of_an_id_must_fit_unless_told_otherwise(kind):
    """use.schema.id refuses what that schema cannot hold."""
    first = configured(kind)
    first.encoder("t", OTHER)([("x",)], ())
    options: Any = {"auto_register_schemas": "false", "use_schema_id": "1"}
    strict = configured(kind, **options)
    strict._client = LocalRegistry(first._client)

    assert strict.encoder("u", OTHER)([("y",)], ())[0][:5] == b"\0\0\0\0\1"
    with pytest.raises(DataError, match=r"Set id\.compatibility\.strict=false"):
        strict.encoder("u", SMALL)([(1,)], ())


@pytest.mark.parametrize("kind", [AvroConverter, JsonSchemaConverter, ProtobufConverter])
@pytest.mark.parametrize(
    ("strategy", "subject"),
    [("TopicName", "t-value"), ("RecordName", "R"), ("TopicRecordName", "t-R")],
)
def test_subjects_are_named_by_the_strategy(kind, strategy, subject):
    """All three converters agree."""
    name = f"io.confluent.kafka.serializers.subject.{strategy}Strategy"
    converter = configured(kind, value_subject_name_strategy=name)

    payloads = converter.encoder("t", SMALL)([(1,)], ())
    (run,) = converter.decode("t", payloads)

    assert run.rows == [(1,)]
    assert converter._client.request("GET", "/subjects") == [subject]


@pytest.mark.parametrize("kind", [AvroConverter, JsonSchemaConverter, ProtobufConverter])
@settings(max_examples=25, deadline=None)
@given(body=st.binary(max_size=40))
def test_malformed_bytes_are_data_errors(kind, body):
    """Whatever follows the id of a known or an unknown schema."""
    converter = configured(kind)
    converter.encoder("t", SMALL)([(1,)], ())

    for data in (body, b"\x00\x00\x00\x00\x01" + body, b"\x00\x00\x00\x00\x07" + body):
        try:
            converter.to_connect_data("t", data)
        except DataError:
            pass


@pytest.mark.parametrize("depth", [300, 900, 100_000])
def test_schema_that_is_nested_too_deeply_is_a_data_error(depth):
    """Schemas come from a registry that others write to."""
    text = '{"type":"array","items":' * depth + '"string"' + "}" * depth
    with pytest.raises(DataError, match="nested too deeply"):
        avro_reader(text)
