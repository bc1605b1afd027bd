"""Records for people: payloads by converter, dead letters with their context, previews of offsets."""

from __future__ import annotations

import json
import uuid

import pytest

from appliance.api import OffsetChange, OffsetCheck, OffsetPreview
from appliance.converters.avro import AvroConverter
from appliance.converters.protobuf import ProtobufConverter
from appliance.data import SchemaBuilder
from appliance.data.schema import STRING_SCHEMA
from appliance.kafka.peek import Raw
from appliance.rest.console.lag import _Pace, _previewed
from appliance.rest.console.letters import Selected
from appliance.rest.console.payloads import Payloads
from appliance.rest.console.records import ATTEMPT, ERRORS, dead_letter, effective
from appliance.rest.console.snapshot import lag_of
from tests.unit.converters.local_registry import configured
from tests.unit.rest.fakes import CONVERTER, PLUGINS, make_context

JSON = {"value.converter": CONVERTER, "value.converter.schemas.enable": "false"}
_RECORDS = _Pace(records=10.0)
STRING = "org.apache.kafka.connect.storage.StringConverter"


def payloads(**options: str) -> Payloads:
    return Payloads(PLUGINS, {**JSON, "key.converter": STRING, **options})


def letter(value: bytes = b'{"amount": n/a}', offset: int = 7) -> dict:
    context = {
        "topic": "orders",
        "partition": "3",
        "offset": "88",
        "connector.name": "orders-file",
        "task.id": "2",
        "stage": "VALUE_CONVERTER",
        "class.name": CONVERTER,
        "exception.class.name": "org.apache.kafka.connect.errors.DataException",
        "exception.message": "no",
        "exception.stacktrace": "a.DataException: no\nCaused by: a.b.ParseException: token n/a",
    }
    headers = [(ERRORS + name, text.encode()) for name, text in context.items()]
    headers += [("trace", b"a1"), (ATTEMPT, b"2")]
    raw = Raw("dlq", 0, offset, 5, b"k1", value, tuple(headers))
    return dead_letter(raw, payloads(), "auto")


def test_payload_is_read_by_the_connector_s_converter_when_it_can_be():
    """The connector's own converter comes first; its result is shown as JSON."""
    shown = payloads().show("t", b'{"a":1}', "auto", is_key=False)
    assert (shown["as"], shown["text"]) == ("converter", '{\n  "a": 1\n}')
    assert payloads().show("t", b"k1", "auto", is_key=True)["text"] == "k1"


@pytest.mark.parametrize(
    ("payload", "form"),
    [(b"{'a'}", "text"), (b"\xff\x00\x01", "hex"), (None, "null")],
    ids=["text", "hex", "null"],
)
def test_payload_is_shown_all_the_same_when_no_converter_reads_it(payload, form):
    """What nothing decodes is text where it is text, else hex, with the reason."""
    shown = payloads().show("t", payload, "auto", is_key=False)
    assert shown["as"] == form
    assert ("decode_error" in shown) == (payload is not None)


def test_integer_is_read_when_its_converter_is_asked_for():
    """A form by name wins over the connector's converter."""
    shown = payloads().show("t", b"\x00\x00\x00\x07", "integer", is_key=False)
    assert (shown["as"], shown["text"]) == ("integer", "7")


def test_worker_s_converter_counts_when_the_connector_names_none():
    """As in a task: who names a converter gives all of its options."""
    worker = make_context({"value.converter.schemas.enable": "false"}).config
    assert effective(worker, {})["value.converter.schemas.enable"] == "false"
    own = effective(worker, {"value.converter": STRING})
    assert own["value.converter"] == STRING
    assert "value.converter.schemas.enable" not in own


@pytest.mark.parametrize("form", ["auto", "avro", "converter"])
def test_payload_is_read_beside_the_header_that_names_its_schema(form):
    """Payload and header together are shown; replaying asks the same."""
    writer = configured(AvroConverter, value_schema_id_serializer="HeaderSchemaIdSerializer")
    found = writer.detached(writer.encoder("t", STRING_SCHEMA)(["Ana"], ()))
    reader = configured(AvroConverter, other=writer)
    name = "io.confluent.connect.avro.AvroConverter"
    url = {"value.converter.schema.registry.url": "http://registry"}
    shown = payloads(**{"value.converter": name, **url})
    shown._made = {("converter", False): reader, ("avro", False): reader}
    headers = (("trace", b"a1"), (found.name, found.value))

    value = shown.show("t", found.payloads[0], form, is_key=False, headers=headers)

    assert value["text"] == "Ana"
    assert value["schema_id"] == str(uuid.UUID(bytes=found.value[1:]))
    assert shown.decodes("t", found.payloads[0], is_key=False, headers=headers) is None
    assert "magic" in (shown.decodes("t", found.payloads[0], is_key=False) or "")


@pytest.mark.parametrize("form", ["auto", "protobuf"])
def test_protobuf_is_read_when_the_connector_s_converter_cannot(form):
    """A registry and a payload in its wire format are enough, whatever the connector is set to."""
    schema = SchemaBuilder.struct().name("a.Item").field("sku", STRING_SCHEMA).build()
    writer = configured(ProtobufConverter)
    payload = writer.encoder("t", schema)([("x7",)], ())[0]
    url = {"value.converter.schema.registry.url": "http://registry"}
    shown = payloads(**url)
    shown._made = {
        ("avro", False): configured(AvroConverter, other=writer),
        ("protobuf", False): configured(ProtobufConverter, other=writer),
    }

    value = shown.show("t", payload, form, is_key=False)

    assert (value["as"], json.loads(value["text"])) == ("protobuf", {"sku": "x7"})


def test_dead_letter_says_where_it_came_from_and_why():
    """The context headers become members; the record's own headers stay."""
    found = letter()
    assert found["origin"] == {"topic": "orders", "partition": 3, "offset": 88}
    assert (found["connector"], found["task"], found["stage"]) == (
        "orders-file", 2, "VALUE_CONVERTER",
    )  # fmt: skip
    assert (found["exception"], found["cause"]) == (
        "DataException", "a.b.ParseException: token n/a",
    )  # fmt: skip
    assert found["headers"] == [["trace", "a1"], [ATTEMPT, "2"]]
    assert found["attempts"] == 2


def test_letters_are_chosen_by_place_or_by_what_they_hold():
    """Places win; else stage, exception and words must all fit."""
    found = letter()
    assert Selected({"records": [[0, 7]]})(found)
    assert not Selected({"records": [[0, 8]]})(found)
    assert Selected({"stage": "VALUE_CONVERTER", "q": "ORDERS/3@88"})(found)
    assert Selected({"q": "a1"})(found)
    assert not Selected({"exception": "IOException"})(found)


def previewed(before, after, found=None, pace=_RECORDS, partition=None):
    """Give what is told of a change in partition 0 of a topic that holds 50 to 100."""
    partition = partition or {"kafka_topic": "t", "kafka_partition": 0}
    change = OffsetChange(partition, before, after)
    return _previewed(change, found or OffsetPreview(), {("t", 0): (50, 100)}, pace)


def test_preview_says_how_much_comes_again_when_an_offset_goes_back():
    """A sink's offset counts records; its bounds are checked; what is left out takes no time."""
    found = previewed({"kafka_offset": 90}, {"kafka_offset": 40})
    assert (found["direction"], found["events"], found["eta_s"]) == ("again", 50, 5.0)
    assert [check["ok"] for check in found["checks"]] == [True, False]
    found = previewed({"kafka_offset": 60}, {"kafka_offset": 90})
    assert (found["direction"], found["events"], found["eta_s"]) == ("left out", 30, None)
    found = previewed({"kafka_offset": 60}, {"kafka_offset": 50}, OffsetPreview(records=0))
    assert (found["direction"], found["events"]) == (None, 0)
    found = previewed({"kafka_offset": 60}, None)
    assert (found["direction"], found["events"]) == ("again", 10)


def test_preview_estimates_events_and_time_when_a_log_is_read_again():
    """Bytes between two places are the connector's; what is not measured is not told."""
    partition = {"server": "s"}
    before, after = {"file": "bin.2", "pos": 4}, {"file": "bin.1", "pos": 10}
    check = OffsetCheck("file still on the server", ok=True)
    back = OffsetPreview((check,), bytes=-4000)
    found = previewed(before, after, back, _Pace(3.0, 2000.0, 40.0), partition)
    assert (found["direction"], found["bytes"]) == ("again", 4000)
    assert (found["events"], found["eta_s"]) == (100, 2.0)
    assert found["checks"] == [{"name": check.name, "ok": True, "detail": None}]
    found = previewed(before, after, back, _Pace(3.0), partition)
    assert (found["bytes"], found["events"], found["eta_s"]) == (4000, None, None)
    found = previewed(before, {"file": "bin.2", "pos": 10}, OffsetPreview(), partition=partition)
    assert (found["direction"], found["events"], found["eta_s"]) == (None, None, None)


@pytest.mark.parametrize(
    ("figures", "wanted"),
    [
        ({"milliseconds_behind_source": 1200, "last_poll_ms": 5}, (1200.0, "ms")),
        ({"records_behind": 7}, (7.0, "records")),
        ({"records_behind": float("nan")}, (None, "records")),
        ({"milliseconds_behind_source": None, "last_poll_ms": 5}, (None, "ms")),
        ({"last_poll_ms": 60_000}, (30_000.0, "ms")),
        ({"last_poll_ms": 96_000}, (0.0, "ms")),
        ({"last_poll_ms": 96_700}, (0.0, "ms")),
        ({}, (None, None)),
    ],
)
def test_lag_is_the_age_of_the_last_poll_when_nothing_better_is_known(figures, wanted):
    """A binlog tells time behind, a sink records; of other sources the last complete answer counts.

    Who says that it does not know, here or as null from another worker, is not taken for up to date.
    """
    assert lag_of(figures, 96_500) == wanted
