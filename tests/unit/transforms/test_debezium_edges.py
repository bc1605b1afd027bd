"""Edges of Debezium's transforms and of Java's calendar, as the peer's own classes answer."""

from __future__ import annotations

import pytest

from appliance.data import Schema, SchemaBuilder, SourceRecord, Struct, Type
from appliance.data.dateformat import DateFormat
from appliance.data.values import parse_string
from appliance.errors import ConfigError, ConnectError, DataError
from appliance.transforms.debezium.outbox import EventRouter
from appliance.transforms.debezium.unwrap import ExtractNewRecordState

ROW = (
    SchemaBuilder.struct()
    .field("id", Schema(Type.STRING))
    .field("aggregatetype", Schema(Type.STRING, optional=True))
    .field("aggregateid", Schema(Type.STRING))
    .field("payload", Schema(Type.STRING, optional=True))
    .optional()
    .build()
)
EVENT = (
    SchemaBuilder.struct()
    .name("srv.db.outbox.Envelope")
    .field("before", ROW)
    .field("after", ROW)
    .field("op", Schema(Type.STRING))
    .field("ts_ms", Schema(Type.INT64, optional=True))
    .build()
)


def event(op: str, after: bool = True, route: str | None = "order") -> SourceRecord:
    row = Struct(ROW, {"id": "e-1", "aggregatetype": route, "aggregateid": "42", "payload": "p"})
    value = Struct(EVENT, {"after": row if after else None, "op": op, "ts_ms": 5})
    return SourceRecord("srv.db.outbox", None, None, None, EVENT, value)


def configured(transform, config):
    transform.configure(config)
    return transform


def test_an_outbox_event_of_an_unknown_operation_is_routed_as_an_insert():
    """Only deletes and updates make no event."""
    router = configured(EventRouter(), {})

    assert router.apply(event("x")).topic == "outbox.event.order"
    assert router.apply(event("d")) is None


def test_an_outbox_event_without_a_row_fails():
    """An insert that says nothing is an error, not a silent drop."""
    with pytest.raises(DataError, match=r"Read Outbox Event"):
        configured(EventRouter(), {}).apply(event("c", after=False))


def test_a_missing_time_column_of_an_outbox_fails():
    """A column that is named must exist."""
    router = configured(EventRouter(), {"table.field.event.timestamp": "nope"})

    with pytest.raises(ConnectError, match="Unable to find timestamp field nope in event"):
        router.apply(event("c"))


@pytest.mark.parametrize("text", ["type?envelope", "a:b:c:d", ""])
def test_a_malformed_placement_is_refused_with_the_list(text):
    """The error names the whole option."""
    with pytest.raises(ConfigError, match="list of valid String pairs or trios is expected"):
        configured(EventRouter(), {"table.fields.additional.placement": text})


def test_a_change_event_without_any_row_state_is_dropped():
    """Neither before nor after: nothing can be emitted."""
    assert configured(ExtractNewRecordState(), {}).apply(event("d", after=False)) is None


def test_route_by_a_null_field_keeps_the_topic():
    """Only a value routes."""
    unwrap = configured(ExtractNewRecordState(), {"route.by.field": "aggregatetype"})

    assert unwrap.apply(event("c", route=None)).topic == "srv.db.outbox"
    assert unwrap.apply(event("c")).topic == "order"


@pytest.mark.parametrize(
    ("pattern", "text", "ms"),
    [
        ("YYYY-MM-dd", "2020-01-02", 1577577600000),
        ("YYYY-MM-DD HH:MM:SS.SSS", "2022-01-08 00:00:00.123", 1640476800123),
        ("u", "24:30", 432000000),
        ("u", "2020", 518400000),
        ("u", "1E5", 0),
        ("yyyy", "20200102030405678", 4040594464654303232),
    ],
)
def test_texts_are_read_by_the_calendar_fields_that_java_lets_win(pattern, text, ms):
    """Week years, ISO weekdays and numbers beyond 32 bits resolve as in GregorianCalendar."""
    assert ms == DateFormat(pattern).parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1,1969-12-31T23:59:59.999Z,2]", [1, -1, 2]),
        ('["  "]', [""]),
        ("  \t [[1,2.5,300]1,2.5,300]", "  \t "),
    ],
)
def test_texts_of_containers_are_read_as_the_peer_reads_them(text, value):
    """Numbers beside a timestamp become timestamps; blanks before a malformed list are the value."""
    assert value == parse_string(text)[1]
