"""Ids of schemas before payloads and in headers, and which schema is written, against the built-in registry.

Bytes and what is accepted: recorded from Confluent's io.confluent.kafka.serializers.schema.id classes.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from appliance.api import NULL, Run
from appliance.converters.avro import AvroConverter
from appliance.converters.protobuf import ProtobufConverter
from appliance.converters.registry_json import JsonSchemaConverter
from appliance.data import Schema, SchemaBuilder, Type
from appliance.errors import ConfigError, DataError
from appliance.schemaregistry.wire import head_of, head_size, place_bytes, placed_size
from tests.unit.converters.local_registry import LocalRegistry, configured

CONVERTERS = [AvroConverter, JsonSchemaConverter, ProtobufConverter]
GUID = "89791762-2336-4186-9674-299b90a802e2"
ORDER = (
    SchemaBuilder.struct()
    .name("Order")
    .field("id", Schema(Type.INT32, optional=True))
    .field("name", Schema(Type.STRING, optional=True))
    .build()
)
GROWN = (
    SchemaBuilder.struct()
    .name("Order")
    .field("id", Schema(Type.INT32, optional=True))
    .field("name", Schema(Type.STRING, optional=True))
    .field("more", Schema(Type.INT32, optional=True))
    .build()
)
OTHER = SchemaBuilder.struct().name("Order").field("id", Schema(Type.STRING)).build()
TEXT = Schema(Type.STRING)
APART: Any = {
    "value_schema_id_serializer": (
        "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer"
    )
}
CLOSED: Any = {"object_additional_properties": "false", "optional_for_nullables": "true"}
LOOKING: Any = {**CLOSED, "auto_register_schemas": "false"}
AVRO_TEXT = '{"type":"record","name":"Order","fields":[]}'


def rows_of(runs: list[Run]) -> list[Any]:
    return [row for run in runs for row in run.rows]


def names(head: bytes) -> list[tuple[str, bytes | None]]:
    return [("trace", b"\x01"), ("__value_schema_id", head)]


@pytest.mark.parametrize(
    ("place", "recorded"),
    [
        (None, "0189791762233641869674299b90a802e2"),
        ((0,), "0189791762233641869674299b90a802e200"),
        ((1,), "0189791762233641869674299b90a802e20202"),
        ((0, 1), "0189791762233641869674299b90a802e2040002"),
        ((300, 2), "0189791762233641869674299b90a802e204d80404"),
    ],
)
def test_header_has_the_bytes_of_confluents_class(place, recorded):
    """01, the GUID, and for Protobuf the place of the message."""
    head = head_of(GUID) + (b"" if place is None else place_bytes(place))
    assert head.hex() == recorded
    size = head_size if place is None else placed_size
    assert size(head + b"rest") == len(head)


@pytest.mark.parametrize("kind", CONVERTERS)
def test_id_goes_into_a_header_when_it_is_asked_for(kind):
    """The header is 01 and the registry's GUID; the payload is what else follows the id."""
    plain = configured(kind)
    (whole,) = plain.encoder("t", ORDER)([(7, "Ana")], ())
    apart = configured(kind, other=plain, **APART)

    found = apart.detached(apart.encoder("t", ORDER)([None, (7, "Ana")], ()))

    guid = plain._client.request("GET", "/subjects/t-value/versions/1")["guid"]
    place = b"\x00" if kind is ProtobufConverter else b""
    assert found.name == "__value_schema_id"
    assert found.value == b"\x01" + uuid.UUID(guid).bytes + place
    assert found.payloads == [None, whole[5 + len(place) :]]
    assert plain.detached([whole]) is None


def test_ids_of_keys_go_into_a_header_of_their_own():
    """Keys and values of one record do not mix."""
    apart = configured(
        AvroConverter, is_key=True, key_schema_id_serializer="HeaderSchemaIdSerializer"
    )
    found = apart.detached(apart.encoder("t", TEXT)(["a"], ()))
    assert (found.name, found.payloads) == ("__key_schema_id", [b"\x02a"])


@pytest.mark.parametrize("kind", CONVERTERS)
def test_records_are_read_wherever_their_ids_stand(kind):
    """In a header or in front, as number or GUID, side by side with tombstones."""
    writer = configured(kind)
    (by_number,) = writer.encoder("t", ORDER)([(1, "a")], ())
    apart = configured(kind, other=writer, **APART)
    (by_guid,) = apart.encoder("t", ORDER)([(2, "b")], ())
    bare = apart.detached([by_guid])
    size = len(by_number) - len(bare.payloads[0])
    reader = configured(kind, other=writer)

    runs = reader.decode_with_headers(
        "t",
        [by_number, by_guid, bare.payloads[0], None, by_number[size:]],
        [None, [("trace", None)], names(bare.value), names(b"\x09"), names(by_number[:size])],
    )

    assert rows_of(runs) == [(1, "a"), (2, "b"), (2, "b"), None, (1, "a")]
    schemas = {run.schema for run in runs if run.schema is not None}
    assert [schema.version for schema in schemas] == [1]


def test_raw_bytes_are_read_beside_a_header():
    """Avro's top-level bytes stand without a length."""
    apart = configured(AvroConverter, **APART)
    found = apart.detached(apart.encoder("t", Schema(Type.BYTES))([b"\x00\x01x"], ()))
    assert found.payloads == [b"\x00\x01x"]
    runs = apart.decode_with_headers("t", found.payloads, [[(found.name, found.value)]])
    assert rows_of(runs) == [b"\x00\x01x"]


def test_json_null_has_a_header_and_a_tombstone_has_none():
    """A null under an optional schema is a payload."""
    apart = configured(JsonSchemaConverter, **APART)
    encode = apart.encoder("t", Schema(Type.STRING, optional=True))
    found = apart.detached(encode([NULL], ()))
    assert found.payloads == [b"null"]
    assert apart.detached([None, None]) is None


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        (["0000000001"], "0e"),
        (["0000000001ffff"], "0e"),
        (["0000000009", "0000000001"], "0e"),
        (["0000000009", None], "00000000010e"),
    ],
    ids=["number", "more bytes after it", "the last of two", "the last without a value"],
)
def test_header_is_taken_as_confluents_class_takes_it(headers, payload):
    """The last header counts; what follows the id in it does not."""
    reader = configured(AvroConverter)
    reader.encoder("t", Schema(Type.INT32))([1], ())
    block = [("__value_schema_id", h and bytes.fromhex(h)) for h in headers]
    runs = reader.decode_with_headers("t", [bytes.fromhex(payload)], [block])
    assert rows_of(runs) == [7]


@pytest.mark.parametrize("header", ["", "02aa", "01aa", "00aa"])
@pytest.mark.parametrize("kind", CONVERTERS)
def test_header_that_is_no_id_is_a_data_error(kind, header):
    """Nothing is read from the payload instead."""
    reader = configured(kind)
    (payload,) = reader.encoder("t", ORDER)([(1, "a")], ())
    with pytest.raises(DataError, match=r"for topic t.*Unknown magic byte!"):
        reader.decode_with_headers("t", [payload], [names(bytes.fromhex(header))])


def test_protobuf_header_without_a_place_is_a_data_error():
    """The place belongs into the header, not to the message."""
    reader = configured(ProtobufConverter)
    (payload,) = reader.encoder("t", ORDER)([(1, "a")], ())
    with pytest.raises(DataError, match="cut short"):
        reader.decode_with_headers("t", [payload[5:]], [names(payload[:5])])


@pytest.mark.parametrize("kind", CONVERTERS)
def test_guid_that_nobody_knows_is_a_data_error(kind):
    """The error names it."""
    with pytest.raises(DataError, match=GUID):
        configured(kind).decode("t", [head_of(GUID) + b"\x00\x00"])


def test_header_is_passed_over_when_only_prefixes_are_read():
    """PrefixSchemaIdDeserializer takes numbers and GUIDs in front alone."""
    reader = configured(AvroConverter, value_schema_id_deserializer="PrefixSchemaIdDeserializer")
    (payload,) = reader.encoder("t", TEXT)(["a"], ())
    runs = reader.decode_with_headers("t", [payload], [names(b"\x09")])
    assert rows_of(runs) == ["a"]
    assert reader.header_name is None


@pytest.mark.parametrize("kind", CONVERTERS)
def test_schema_of_the_options_is_read_with_when_records_name_none(kind):
    """ConfigSchemaIdDeserializer looks neither at headers nor in front."""
    writer = configured(kind, **APART)
    found = writer.detached(writer.encoder("t", ORDER)([(1, "a")], ()))
    config: Any = {"value_schema_id_deserializer": "ConfigSchemaIdDeserializer"}
    guid = str(uuid.UUID(bytes=found.value[1:17]))
    chosen: Any
    for chosen in ({"use_schema_id": "1"}, {"use_schema_guid": guid.upper()}):
        reader = configured(kind, other=writer, **config, **chosen)
        runs = reader.decode_with_headers("t", [*found.payloads, None], [names(b"\x09"), None])
        assert rows_of(runs) == [(1, "a"), None]


def test_place_of_the_options_names_another_message():
    """`use.message.indexes` counts for Protobuf."""
    reader = configured(
        ProtobufConverter,
        value_schema_id_deserializer="ConfigSchemaIdDeserializer",
        use_schema_id="1",
        use_message_indexes="1, 0",
    )
    text = 'syntax = "proto3"; message A {} message B { message C { string c = 1; } }'
    body = {"schema": text, "schemaType": "PROTOBUF"}
    reader._client.request("POST", "/subjects/t-value/versions", body)
    (run,) = reader.decode("t", [b"\x0a\x01x"])
    assert (run.schema.name, run.rows) == ("C", [("x",)])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"value_schema_id_serializer": "acme.Mine"}, "value.schema.id.serializer"),
        ({"value_schema_id_deserializer": "acme.Mine"}, "value.schema.id.deserializer"),
        (
            {"value_schema_id_deserializer": "ConfigSchemaIdDeserializer"},
            "use.schema.id or use.schema.guid",
        ),
        ({"use_schema_guid": "12"}, "use.schema.guid"),
        ({"use_latest_with_metadata": "v1"}, "use.latest.with.metadata"),
        (
            {
                "value_schema_id_deserializer": "ConfigSchemaIdDeserializer",
                "use_schema_id": "1",
                "use_message_indexes": "a",
            },
            "use.message.indexes",
        ),
    ],
)
def test_options_that_cannot_be_followed_are_refused(options, said):
    """At the start, not with the first record."""
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        configured(ProtobufConverter, **options)


def test_no_header_is_written_when_the_registry_has_no_guids():
    """The error says what to do."""

    class Old(LocalRegistry):
        def request(self, method: str, path: str, body: Any = None) -> Any:
            answer = super().request(method, path, body)
            return {name: value for name, value in answer.items() if name != "guid"}

    apart = configured(AvroConverter, **APART)
    apart._client = Old()
    with pytest.raises(DataError, match="PrefixSchemaIdSerializer"):
        apart.encoder("t", TEXT)(["a"], ())


def versions(kind: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Give a converter, and its subject's versions: ORDER, then GROWN with `app=v2` to `app=v5`."""
    writer = configured(kind, **CLOSED)
    client = writer._client
    writer.encoder("t", ORDER)([(1, "a")], ())
    writer.encoder("draft", GROWN)([(1, "a", 2)], ())
    draft = client.request("GET", "/subjects/draft-value/versions/1")
    kept = {name: draft[name] for name in ("schema", "schemaType") if name in draft}
    for number in range(2, 6):
        properties = {"app": f"v{number}", "team": "a,b"}
        body = {**kept, "metadata": {"properties": properties}}
        client.request("POST", "/subjects/t-value/versions", body)
    return writer, [
        client.request("GET", f"/subjects/t-value/versions/{number}") for number in range(1, 6)
    ]


@pytest.mark.parametrize("kind", CONVERTERS)
def test_schema_is_chosen_by_the_precedence_of_confluents_classes(kind):
    """Registration, then id, GUID, metadata, newest, and last the schema itself."""
    writer, known = versions(kind)
    options: Any = {
        "use_schema_id": str(known[1]["id"]),
        "use_schema_guid": known[2]["guid"],
        "use_latest_with_metadata": "app=v4",
        "use_latest_version": "true",
    }

    def written(**given: Any) -> Any:
        converter = configured(kind, other=writer, **given)
        (payload,) = converter.encoder("t", ORDER)([(1, "a")], ())
        number = int.from_bytes(payload[1:5], "big")
        return next(version["version"] for version in known if version["id"] == number)

    assert written(**CLOSED, **options) == 1
    for wanted in (2, 3, 4, 5):
        assert written(**LOOKING, **options) == wanted
        del options[next(iter(options))]
    assert written(**LOOKING) == 1


@pytest.mark.parametrize("kind", CONVERTERS)
@pytest.mark.parametrize("by", ["guid", "metadata"])
def test_what_is_written_with_a_chosen_schema_is_read_back(kind, by):
    """Its fields are there, whichever way it was chosen, and its header is its own."""
    writer, known = versions(kind)
    guid = known[1]["guid"]
    options: Any = {"use_schema_guid": guid}
    if by == "metadata":
        options = {"use_latest_with_metadata": "app=v2,'team=a,b'"}
    apart = configured(kind, other=writer, **LOOKING, **APART, **options)
    found = apart.detached(apart.encoder("t", ORDER)([(1, "a")], ()))
    assert found.value[1:17] == uuid.UUID(guid).bytes
    (run,) = apart.decode_with_headers("t", found.payloads, [[(found.name, found.value)]])
    assert run.rows == [(1, "a", None)]
    assert run.schema.version == 2


@pytest.mark.parametrize("kind", CONVERTERS)
def test_schema_of_a_guid_is_checked_when_strict(kind):
    """Its option is that of ids; a schema of another subject is none of this one."""
    writer, known = versions(kind)
    strict = configured(kind, other=writer, **LOOKING, use_schema_guid=known[1]["guid"])
    with pytest.raises(DataError, match=r"id\.compatibility\.strict=false"):
        strict.encoder("t", OTHER)([("x",)], ())
    with pytest.raises(DataError, match="40401"):
        strict.encoder("elsewhere", ORDER)([(1, "a")], ())


def test_metadata_that_no_version_has_is_a_data_error():
    """The registry says so."""
    writer, _ = versions(AvroConverter)
    picky = configured(AvroConverter, other=writer, **LOOKING, use_latest_with_metadata="app=v9")
    with pytest.raises(DataError, match="40403"):
        picky.encoder("t", ORDER)([(1, "a")], ())


@pytest.mark.parametrize("kind", CONVERTERS)
@pytest.mark.parametrize("by", ["newest", "metadata"])
def test_records_are_read_into_the_schema_that_is_asked_for(kind, by):
    """Whatever they were written with; metadata counts before the newest."""
    writer, known = versions(kind)
    body: Any = {name: known[0][name] for name in ("schema", "schemaType") if name in known[0]}
    body["metadata"] = {"properties": {"app": "v6"}}
    writer._client.request("PUT", "/config/t-value", {"compatibility": "NONE"})
    writer._client.request("POST", "/subjects/t-value/versions", body)
    (old,) = writer.encoder("t", ORDER)([(1, "a")], ())
    new = configured(kind, other=writer, **LOOKING, use_schema_id=str(known[4]["id"]))
    payloads = [old, *new.encoder("t", GROWN)([(2, "b", 3)], ())]
    options: Any = {**CLOSED, "use_latest_version": "true"}
    if by == "metadata":
        options["use_latest_with_metadata"] = "app=v5"

    runs = configured(kind, other=writer, **options).decode("t", payloads)

    expected: list[Any] = [(1, "a"), (2, "b")]
    if by == "metadata":
        expected = [(1, "a", None), (2, "b", 3)]
    assert rows_of(runs) == expected


def test_version_is_the_writers_when_avro_is_read_into_another_schema():
    """As Confluent's AvroConverter has it; defaults fill what was not written."""
    reader = configured(AvroConverter, use_latest_version="true")
    (payload,) = reader.encoder("t", ORDER)([(7, "Ana")], ())
    latest = json.loads(reader._client.request("GET", "/subjects/t-value/versions/1")["schema"])
    latest["fields"][0] = {"name": "d", "type": "int", "default": 5}
    body = {"schema": json.dumps(latest)}
    reader._client.request("POST", "/subjects/t-value/versions", body)
    (run,) = reader.decode("t", [payload])
    assert (run.schema.version, run.rows) == (1, [(5, "Ana")])


def test_value_that_does_not_fit_an_unchecked_schema_is_a_data_error():
    """Nothing is said of options that would not help."""
    writer, known = versions(AvroConverter)
    loose = {"use_schema_guid": known[2]["guid"], "id_compatibility_strict": "false"}
    with pytest.raises(DataError, match="does not fit the registered Avro schema"):
        configured(AvroConverter, other=writer, **LOOKING, **loose).encoder("t", OTHER)(
            [("x",)], ()
        )


@pytest.mark.parametrize(("most", "asked"), [("1", 4), ("2", 2)])
def test_schemas_are_asked_for_again_when_more_than_are_remembered(most, asked):
    """Bounds of memory change nothing else."""
    writer = configured(AvroConverter)
    first, second = (
        writer.encoder(topic, schema)([row], ())[0]
        for topic, schema, row in (("t", TEXT, "a"), ("u", ORDER, (1, "b")))
    )
    bounds: Any = {"schemas_cache_config": most, "max_schemas_per_subject": most}
    reader = configured(AvroConverter, other=writer, **bounds)

    for _ in range(2):
        assert rows_of(reader.decode("t", [first])) == ["a"]
        assert rows_of(reader.decode("u", [second])) == [(1, "b")]

    assert sum(path.startswith("/schemas/ids/") for path in reader._client.asked) == asked


def test_registry_finds_versions_by_metadata():
    """`GET /subjects/{subject}/metadata`: the newest with all properties, deleted ones on request."""
    client = LocalRegistry()

    def put(text: str, **properties: str) -> None:
        body = {"schema": text, "metadata": {"properties": properties}}
        client.request("POST", "/subjects/s/versions", body)

    def found(query: str) -> Any:
        answer = client.http.get(f"/subjects/s/metadata?{query}")
        return answer.json().get("version", answer.json().get("error_code"))

    assert found("key=a&value=1") == 40401
    put(AVRO_TEXT, a="1")
    put(AVRO_TEXT, a="1", b="2")
    put(AVRO_TEXT, c="3")
    assert found("key=a&value=1") == 2
    assert found("key=a&value=1&key=b&value=2") == 2
    assert found("key=a&value=2") == 40403
    client.http.delete("/subjects/s/versions/2")
    assert found("key=a&value=1") == 1
    assert found("key=a&value=1&deleted=true") == 2
    assert json.loads(client.http.get("/subjects/s/metadata").content)["version"] == 3
