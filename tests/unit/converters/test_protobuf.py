"""Protobuf with its .proto file in the built-in registry: what is written is read back."""

from __future__ import annotations

import decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.api import NULL
from appliance.converters.protobuf import ProtobufConverter
from appliance.data import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Schema,
    SchemaBuilder,
    Type,
)
from appliance.errors import DataError
from appliance.schemaregistry.protoelements import ProtoError
from appliance.schemaregistry.protofile import parse_proto, pool_of
from tests.unit.converters.local_registry import configured

PREFIX = "io.confluent.connect.protobuf."
PRICE = Schema(Type.BYTES, name=DECIMAL_NAME, version=1, parameters={"scale": "2"})
ITEM = (
    SchemaBuilder.struct()
    .name("acme.Item")
    .field("sku", Schema(Type.STRING))
    .field("count", Schema(Type.INT16, optional=True))
    .build()
)
ORDER = (
    SchemaBuilder.struct()
    .name("acme.Order")
    .field("id", Schema(Type.INT64))
    .field("small", Schema(Type.INT8))
    .field("ratio", Schema(Type.FLOAT64))
    .field("single", Schema(Type.FLOAT32))
    .field("open", Schema(Type.BOOLEAN))
    .field("raw", Schema(Type.BYTES))
    .field("price", PRICE)
    .field("day", Schema(Type.INT32, name=DATE_NAME, version=1))
    .field("at", Schema(Type.INT32, name=TIME_NAME, version=1))
    .field("ts", Schema(Type.INT64, name=TIMESTAMP_NAME, version=1))
    .field("first", ITEM)
    .field("items", SchemaBuilder.array(ITEM).build())
    .field("tags", SchemaBuilder.array(Schema(Type.STRING)).build())
    .field("by", SchemaBuilder.map(Schema(Type.STRING), Schema(Type.INT64)).build())
    .field("named", SchemaBuilder.map(Schema(Type.INT32), ITEM).build())
    .build()
)
ROW = (
    2**40, -5, 1.5, 0.25, True, b"\x00\xff", decimal.Decimal("-12.34"), -86_400_000, 3_661_001,
    -1, ("a", 7), [("b", 1), ("c", 2)], ["x", "y"], {"k": -1}, {3: ("d", 4)},
)  # fmt: skip
TEXT = """syntax = "proto3";
package acme;

import "google/protobuf/timestamp.proto";

// a comment
message Event {
  reserved 4 to 6, 9;
  string id = 1;
  Kind kind = 2;
  oneof body { string text = 3; Inner inner = 7; }
  repeated uint32 numbers = 8;
  optional int32 maybe = 10;
  uint64 large = 11;
  google.protobuf.Timestamp ts = 12;
  message Inner { map<string, double> values = 1; }
}

enum Kind { NONE = 0; SOME = 1; }

message Other { bool yes = 1; }
"""


def test_rows_return_when_written_and_read():
    """Every type comes back, under the short name of the message and with tags."""
    converter = configured(ProtobufConverter)

    payloads = converter.encoder("t", ORDER)([ROW, None, NULL], ())
    assert payloads[0][:6] == b"\x00\x00\x00\x00\x01\x00"
    assert payloads[1:] == [None, None]
    (run,) = converter.decode("t", payloads)

    assert run.rows == [ROW, None, None]
    assert (run.schema.name, run.schema.version) == ("Order", 1)
    assert [f.schema.type for f in run.schema.fields] == [f.schema.type for f in ORDER.fields]
    assert run.schema.field("price").schema.parameters == {"scale": "2", f"{PREFIX}Tag": "7"}


def read_with(converter: ProtobufConverter, proto: str, message: str, **fields: Any):
    """Register a file and read a message of it."""
    converter._client.request(
        "POST", "/subjects/t-value/versions", {"schema": proto, "schemaType": "PROTOBUF"}
    )
    pool = pool_of(parse_proto(proto))
    from google.protobuf import message_factory

    made = message_factory.GetMessageClass(pool.FindMessageTypeByName(message))(**fields)
    place = {"acme.Event": b"\x00", "acme.Other": b"\x02\x02", "acme.Event.Inner": b"\x04\x00\x00"}
    (run,) = converter.decode(
        "t", [b"\x00\x00\x00\x00\x01" + place[message] + made.SerializeToString()]
    )
    return run


def test_foreign_files_are_read():
    """Oneofs become structs before the other fields, enums texts; what is unset is null or its zero."""
    run = read_with(
        configured(ProtobufConverter), TEXT, "acme.Event",
        id="e", kind=1, inner={"values": {"a": 1.5}}, numbers=[2**32 - 1], large=2**64 - 1,
    )  # fmt: skip

    assert [field.name for field in run.schema.fields] == [
        "body_0", "id", "kind", "numbers", "maybe", "large", "ts",
    ]  # fmt: skip
    assert run.schema.fields[0].schema.name == f"{PREFIX}Union.body"
    assert run.schema.field("kind").schema.parameters[f"{PREFIX}Enum.SOME"] == "1"
    assert run.rows == [((None, ({"a": 1.5},)), "e", "SOME", [2**32 - 1], None, -1, None)]


@pytest.mark.parametrize(
    ("message", "row"), [("acme.Other", (True,)), ("acme.Event.Inner", ({"a": 2.0},))]
)
def test_any_message_of_a_file_is_read(message, row):
    """The place after the id says which."""
    fields = {"yes": True} if message == "acme.Other" else {"values": {"a": 2.0}}

    assert read_with(configured(ProtobufConverter), TEXT, message, **fields).rows == [row]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"flatten_unions": "true"}, ["text", "inner", "id", "kind"]),
        ({"generate_index_for_unions": "false"}, ["body", "id", "kind", "numbers"]),
    ],
)
def test_options_shape_oneofs(options, names):
    """A oneof may be flat, or without its number."""
    run = read_with(configured(ProtobufConverter, **options), TEXT, "acme.Event", id="e")

    assert names == [field.name for field in run.schema.fields][:4]


def test_what_is_read_is_written_again():
    """Tags, enums and oneofs survive the way through Connect."""
    converter = configured(ProtobufConverter)
    run = read_with(converter, TEXT, "acme.Event", id="e", kind=1, text="hello", maybe=4)

    payloads = converter.encoder("u", run.schema)(run.rows, ())
    (again,) = converter.decode("u", payloads)

    assert again.rows == run.rows
    assert [f.schema for f in again.schema.fields] == [f.schema for f in run.schema.fields]


@pytest.mark.parametrize(
    ("schema", "row"),
    [
        (Schema(Type.STRING), "k"),
        (Schema(Type.INT32), -7),
        (Schema(Type.INT64), 2**50),
        (Schema(Type.BYTES), b"x"),
        (Schema(Type.BOOLEAN), True),
    ],
)
def test_bare_values_travel_in_wrappers(schema, row):
    """Keys that are no structs have a message too."""
    converter = configured(ProtobufConverter, is_key=True)

    (run,) = converter.decode("t", converter.encoder("t", schema)([row], ()))

    assert (run.rows, run.schema.type) == ([row], schema.type)


def test_nulls_are_kept_when_fields_may_be_optional():
    """With optional.for.nullables an unset number is null, not zero."""
    schema = SchemaBuilder.struct().name("N").field("a", Schema(Type.INT32, optional=True)).build()
    rows = [(None,), (0,)]

    kept = configured(ProtobufConverter, optional_for_nullables="true")
    wrapped = configured(ProtobufConverter, wrapper_for_nullables="true")
    plain = configured(ProtobufConverter)

    for converter, wanted in ((kept, rows), (wrapped, rows), (plain, [(0,), (0,)])):
        (run,) = converter.decode("t", converter.encoder("t", schema)(rows, ()))
        assert run.rows == wanted


@pytest.mark.parametrize(
    "schema",
    [
        SchemaBuilder.array(Schema(Type.INT32)).build(),
        PRICE,
        SchemaBuilder.struct()
        .name("X")
        .field("a", SchemaBuilder.array(SchemaBuilder.array(Schema(Type.INT32)).build()).build())
        .build(),
        SchemaBuilder.struct().name("X").field("a b", Schema(Type.INT32)).build(),
    ],
)
def test_what_protobuf_cannot_hold_is_refused(schema):
    """The error comes with the first batch, and says what."""
    with pytest.raises(DataError):
        configured(ProtobufConverter).encoder("t", schema)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "message",
        "message M {",
        'syntax = "proto9";',
        "message M { int32 a = x; }",
        "message M { Nope a = 1; }",
        'syntax = "proto3"; import "none.proto";',
        "message M { int32 a = 1; int32 b = 1; }",
        "m\x00",
        "message M { " * 80,
    ],
)
def test_texts_that_are_no_file_are_refused(text):
    """Whatever is wrong, the class of the error is one."""
    if not text:
        return
    with pytest.raises(ProtoError):
        pool_of(parse_proto(text))


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=30))
def test_malformed_messages_are_data_errors(payload):
    """Bytes give a row or DataError, never another class."""
    converter = configured(ProtobufConverter)
    converter._client.request(
        "POST", "/subjects/t-value/versions", {"schema": TEXT, "schemaType": "PROTOBUF"}
    )
    for data in (
        payload,
        b"\x00\x00\x00\x00\x01\x00" + payload,
        b"\x00\x00\x00\x00\x01" + payload,
    ):
        try:
            converter.to_connect_data("t", data)
        except DataError:
            pass


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["message ", "M ", "{", "}", "int32 ", "a", "= 1", ";", "[", "]", '"x"', "oneof ",
             "enum ", "map<", "string, ", "> ", "repeated ", "(", ")", "option ", "import ", "-", "/*"]
        ),
        max_size=25,
    ).map("".join)
)  # fmt: skip
def test_token_soup_is_parsed_or_refused(text):
    """The parser always ends, in a file or in ProtoError."""
    try:
        pool_of(parse_proto(text))
    except ProtoError:
        pass
