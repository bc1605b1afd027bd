"""PartitionRouting, TimezoneConverter, HeaderToValue and ExtractChangedRecordState.

Expected values are those of Debezium 3.6.1's own classes on the same records.
"""

from __future__ import annotations

import pytest

from appliance.clock import ManualClock
from appliance.data import (
    TIMESTAMP_NAME,
    Header,
    Schema,
    SchemaBuilder,
    SourceRecord,
    Struct,
    Type,
)
from appliance.errors import ConfigError, ConnectError, DataError
from appliance.transforms.debezium.changes import ExtractChangedRecordState
from appliance.transforms.debezium.headertovalue import HeaderToValue
from appliance.transforms.debezium.partitions import PartitionRouting
from appliance.transforms.debezium.timezones import TimezoneConverter

D = "io.debezium.time."
WINTER_MS = 1_795_600_000_000
NEW_YORK = "America/New_York"


def optional(kind, name=None):
    return Schema(kind, optional=True, name=name)


ROW = (
    SchemaBuilder.struct()
    .name("srv.db.items.Value")
    .field("id", Schema(Type.INT32))
    .field("zts", optional(Type.STRING, f"{D}ZonedTimestamp"))
    .field("zt", optional(Type.STRING, f"{D}ZonedTime"))
    .field("ts", optional(Type.INT64, f"{D}Timestamp"))
    .field("mts", optional(Type.INT64, f"{D}MicroTimestamp"))
    .field("nts", optional(Type.INT64, f"{D}NanoTimestamp"))
    .field("cts", optional(Type.INT64, TIMESTAMP_NAME))
    .field("s", optional(Type.STRING))
    .optional()
    .build()
)
SOURCE = SchemaBuilder.struct().field("table", optional(Type.STRING)).build()
EVENT = (
    SchemaBuilder.struct()
    .name("srv.db.items.Envelope")
    .field("before", ROW)
    .field("after", ROW)
    .field("source", SOURCE)
    .field("op", Schema(Type.STRING))
    .build()
)
TIMES = {
    "zts": "2020-07-01T10:00:00.120Z",
    "zt": "10:00:00Z",
    "ts": 1593597600000,
    "mts": 1593597600123456,
    "nts": 1593597600123456789,
    "cts": 1593597600123,
}


def row(**values):
    return Struct(ROW, {"id": 2, **values})


def event(op="u", before=None, after=None):
    source = Struct(SOURCE, {"table": "items"})
    value = Struct(EVENT, {"before": before, "after": after, "source": source, "op": op})
    return SourceRecord("srv.db.items", None, None, None, EVENT, value)


def partition_of(record, **options):
    transform = PartitionRouting()
    transform.configure({name.replace("_", "."): value for name, value in options.items()})
    return transform.apply(record).partition


@pytest.mark.parametrize(
    ("text", "murmur"),
    [
        ("items", 506705),
        ("", 125410),
        ("0123456789abcdef", 898387),
        ("0123456789abcdefg", 69294),
        ("0123456789abcdeä", 326732),
        ("日本", 621798),
        ("\U0001f44d", 29721),
        ("q" * 40, 470814),
    ],
)
def test_texts_are_routed_by_the_peers_murmur_hash(text, murmur):
    """A record goes where the peer sent its siblings."""
    assert murmur == partition_of(
        event(after=row(s=text)),
        partition_payload_fields="change.s",
        partition_topic_num="1000000",
        partition_hash_function="murmur",
    )


@pytest.mark.parametrize(
    ("fields", "partition"),
    [
        ("change.id", 2),
        ("op", 117),
        ("source.table", 16),
        ("change.s,change.id", 122),
        ("change.mts", 198),
        ("change.cts", 936),
        ("nope", None),
        ("change.id.x", None),
    ],
)
def test_fields_are_routed_by_javas_hash(fields, partition):
    """Hashes add up; fields that do not exist do not count."""
    assert partition == partition_of(
        event(after=row(**{**TIMES, "s": "x"})),
        partition_payload_fields=fields,
        partition_topic_num="1000",
    )


def test_deletes_are_routed_by_the_row_before():
    """`change` is the last state there was."""
    deleted = event("d", before=row())

    assert (
        partition_of(deleted, partition_payload_fields="change.id", partition_topic_num="1000")
        == 2
    )


@pytest.mark.parametrize(
    ("count", "why"),
    [("0", "A positive, non-zero integer value"), ("x", "An integer"), (" 5", "An integer")],
)
def test_a_wrong_number_of_partitions_is_refused(count, why):
    """The error says what is expected."""
    with pytest.raises(ConfigError, match=f"'partition.topic.num' value is invalid: {why}"):
        partition_of(event(), partition_payload_fields="op", partition_topic_num=count)


def converted(record, **lists):
    transform = TimezoneConverter(ManualClock(WINTER_MS))
    options = {name.replace("_", "."): value for name, value in lists.items()}
    transform.configure({"converted.timezone": NEW_YORK, **options})
    return transform.apply(record).value.get("after")


def test_times_move_to_the_zone_by_their_kind():
    """Texts keep their moment; numbers are local times of the zone."""
    found = converted(event(after=row(**TIMES)))

    assert {name: found.get(name) for name in TIMES} == {
        "zts": "2020-07-01T06:00:00.12-04:00",
        "zt": "05:00:00-05:00",
        "ts": 1593612000000,
        "mts": 1593612000123456,
        "nts": 1593612000123456789,
        "cts": 1593612000123,
    }


@pytest.mark.parametrize(
    ("lists", "changed"),
    [
        ({"include_list": "source:items:zts"}, {"zts"}),
        ({"include_list": "items:after.zts"}, {"zts"}),
        ({"include_list": "items:before.zts"}, set()),
        ({"include_list": "topic:srv.db.items:ts"}, {"ts"}),
        ({"include_list": "source:other"}, set()),
        ({"include_list": "source:items,source:other"}, set(TIMES)),
        ({"include_list": "source:other,items"}, set(TIMES)),
        ({"include_list": "source:items,items:ts"}, {"ts"}),
        ({"include_list": "items:ts,source:items"}, set(TIMES)),
        ({"include_list": "topic:srv.db.items:zts,items:ts"}, {"zts"}),
        ({"exclude_list": "source:items:zts"}, set(TIMES) - {"zts"}),
        ({"exclude_list": "topic:srv.db.items"}, set()),
    ],
)
def test_lists_choose_what_is_converted(lists, changed):
    """Rules name a table, a topic or either, and a field or all."""
    found = converted(event(after=row(**TIMES)), **lists)

    assert changed == {name for name, value in TIMES.items() if found.get(name) != value}


@pytest.mark.parametrize("text", ["zts,ts", "", "source::zts", "source:items:a:b"])
def test_a_malformed_list_is_refused(text):
    """The error gives the three forms of a rule."""
    with pytest.raises(ConnectError, match="Invalid include list format"):
        converted(event(), include_list=text)


@pytest.mark.parametrize("zone", ["bogus", "Z", "GMT+2"])
def test_a_zone_that_does_not_exist_is_refused(zone):
    """A zone is a place or an offset."""
    with pytest.raises(ConnectError, match="Invalid timezone format"):
        TimezoneConverter().configure({"converted.timezone": zone})


def test_a_text_that_is_no_time_fails():
    """The record goes the way of errors, not on with a wrong time."""
    with pytest.raises(DataError, match="Text 'x' could not be parsed"):
        converted(event(after=row(zts="x")))


HEADERS = (
    Header("h1", Schema(Type.STRING), "v1"),
    Header("h2", Schema(Type.INT32, optional=True), 5),
)
INNER = SchemaBuilder.struct().field("x", Schema(Type.INT32)).optional().build()
FLAT = (
    SchemaBuilder.struct()
    .name("row")
    .field("id", Schema(Type.INT32))
    .field("s", optional(Type.STRING))
    .field("n", INNER)
    .optional()
    .build()
)


def inserted(headers, fields, operation="move"):
    transform = HeaderToValue()
    transform.configure({"headers": headers, "fields": fields, "operation": operation})
    value = Struct(FLAT, {"id": 1, "s": "x", "n": Struct(INNER, {"x": 2})})
    return transform.apply(SourceRecord("t", None, None, None, FLAT, value, headers=HEADERS))


@pytest.mark.parametrize(
    ("headers", "fields", "text"),
    [
        ("h1", "f1", "Struct{id=1,s=x,n=Struct{x=2},f1=v1}"),
        ("h1,h2", "n.f1,f2", "Struct{id=1,s=x,n=Struct{x=2,f1=v1},f2=5}"),
        ("h1", "zz.f1", "Struct{id=1,s=x,n=Struct{x=2},zz=Struct{f1=v1}}"),
        ("h1", "s", "Struct{id=1,s=v1,n=Struct{x=2}}"),
        ("h9", "f9", "Struct{id=1,s=x,n=Struct{x=2}}"),
    ],
)
def test_headers_become_fields_at_any_depth(headers, fields, text):
    """New structs are made on the way; headers that are missing add nothing."""
    assert text == str(inserted(headers, fields).value)


def test_moved_headers_are_gone_and_copied_ones_stay():
    """`move` takes away only what was taken."""
    assert [header.key for header in inserted("h1", "f1").headers] == ["h2"]
    assert [header.key for header in inserted("h1", "f1", "copy").headers] == ["h1", "h2"]


def test_a_field_inside_a_text_is_refused():
    """A nested name needs a struct above it."""
    with pytest.raises(ConnectError, match="Field 's' is a primitive type, not a struct"):
        inserted("h1", "s.f1")


def test_headers_list_what_an_update_changed():
    """Inserts and deletes list nothing."""
    transform = ExtractChangedRecordState()
    transform.configure({"header.changed.name": "Ch", "header.unchanged.name": "Un"})

    updated = transform.apply(event(before=row(s="a"), after=row(s="b")))
    created = transform.apply(event("c", after=row(s="b")))

    others = [field.name for field in ROW.fields if field.name != "s"]
    assert [["s"], others] == [header.value for header in updated.headers]
    assert [header.value for header in created.headers] == [[], []]
