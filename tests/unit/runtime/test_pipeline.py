"""The pipeline: whole batches when all is well, rows one by one when not, Connect's semantics either way."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api import NULL, Batch, Transform
from appliance.clock import ManualClock
from appliance.config import ConfigDef
from appliance.config.connector import ConnectorConfig
from appliance.converters.json import JsonConverter
from appliance.converters.simple_header import SimpleHeaderConverter
from appliance.converters.string import StringConverter
from appliance.data import Header
from appliance.data.schema import INT32_SCHEMA, OPTIONAL_STRING_SCHEMA, STRING_SCHEMA
from appliance.errors import DataError, TaskFailedError
from appliance.predicates.builtin import RecordIsTombstone
from appliance.runtime.figures import Figures
from appliance.runtime.pipeline import Converters, SinkPipeline, SourcePipeline
from appliance.runtime.retry import ErrorPolicy
from appliance.runtime.steps import Step


class Upper(Transform):
    """A compiled transform that fails on "bad" and drops "drop"."""

    config_def = ConfigDef()

    def configure(self, config) -> None:
        pass

    def compile(self, key_schema, value_schema):
        def stage(batch: Batch) -> list[Batch]:
            if "bad" in batch.values:
                raise DataError("bad row")
            kept = [row for row, value in enumerate(batch.values) if value != "drop"]
            part = batch.take(kept)
            part.values = [v.upper() if isinstance(v, str) else v for v in part.values]
            return [part]

        return stage

    def apply(self, record) -> Any:
        raise NotImplementedError


class Foreign(Transform):
    """A third party's transform: sees single records, once each."""

    config_def = ConfigDef()

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def configure(self, config) -> None:
        pass

    def apply(self, record) -> Any:
        self.seen.append(record.value)
        if record.value == "drop":
            return None
        return record.replace(topic="other", value=f"<{record.value}>")


class Reports:
    def __init__(self) -> None:
        self.failures: list[Any] = []

    def report(self, failure) -> None:
        self.failures.append(failure)


def policy(**options: str) -> tuple[ErrorPolicy, Reports]:
    config = ConnectorConfig(
        {"name": "c", "connector.class": "x", "topics": "t", **options}, "sink"
    )
    errors = ErrorPolicy(config, Figures(0, ()), ManualClock(), lambda _seconds: False)
    reports = Reports()
    errors.reporters.append(reports)
    return errors, reports


TOLERANT = {"errors.tolerance": "all"}


def converters(value: Any = None) -> Converters:
    key, header = StringConverter(), SimpleHeaderConverter()
    value = value or StringConverter()
    value.configure({}, is_key=False)
    key.configure({}, is_key=True)
    header.configure({})
    return Converters(("K", key), ("V", value), ("H", header))


def source(*steps: Step, value: Any = None, **options: str) -> tuple[SourcePipeline, Reports]:
    errors, reports = policy(**options)
    return SourcePipeline(converters(value), steps, errors), reports


def batch(values: list[Any], **more: Any) -> Batch:
    more.setdefault("source_partition", {"f": 1})
    more.setdefault("source_offset", lambda row: {"p": row})
    return Batch("t", values, OPTIONAL_STRING_SCHEMA, **more)


def test_batch_stays_whole_when_all_rows_are_good() -> None:
    """One batch in, one encoded batch out, with keys, headers and the last position."""
    pipeline, _ = source(Step(Upper(), "U"))
    (out,) = pipeline.encode(
        batch(
            ["a", "b"], keys=["k", None], key_schema=STRING_SCHEMA, headers=(Header("h", None, 1),)
        )
    )
    assert out.values == [b"A", b"B"]
    assert out.keys == [b"k", None]
    assert out.headers == [("h", b"1")]
    assert out.batch.source_offset_at(1) == {"p": 1}


def test_null_key_needs_no_column_when_the_batch_has_no_keys() -> None:
    """A batch without keys is produced without keys."""
    pipeline, _ = source()
    assert pipeline.encode(batch(["a"]))[0].keys is None


def test_bad_row_alone_is_skipped_when_tolerated() -> None:
    """The good rows of its batch come out in order, the dropped one does not, the bad one is reported."""
    pipeline, reports = source(Step(Upper(), "java.U"), **TOLERANT)
    out = pipeline.encode(batch(["a", "bad", "drop", "c"]))
    assert [value for part in out for value in part.values] == [b"A", b"C"]
    assert out[-1].batch.source_offset_at(0) == {"p": 3}
    (failure,) = reports.failures
    assert (failure.stage, failure.executing_class) == ("TRANSFORMATION", "java.U")
    assert "source record is = " in str(failure.record)


def test_nothing_is_encoded_when_a_row_fails_without_tolerance() -> None:
    """The task fails before any row of the batch has left."""
    pipeline, _ = source(Step(Upper(), "U"))
    with pytest.raises(TaskFailedError):
        pipeline.encode(batch(["a", "bad"]))


def test_foreign_transform_sees_each_row_once_when_another_row_fails() -> None:
    """Foreign code is never run again on the same row."""
    foreign = Foreign()
    pipeline, _ = source(Step(foreign, "F"), Step(Upper(), "U"), **TOLERANT)
    out = pipeline.encode(batch(["a", "drop", "b"]))
    assert [(part.batch.topic, part.values) for part in out] == [
        ("other", [b"<A>"]),
        ("other", [b"<B>"]),
    ]
    assert foreign.seen == ["a", "drop", "b"]


def test_only_matching_rows_are_transformed_when_a_predicate_gates() -> None:
    """Order is kept over the parts; negate turns the choice round."""
    step = Step(Upper(), "U", RecordIsTombstone(), negate=True)
    pipeline, _ = source(step)
    out = pipeline.encode(batch(["a", None, "b"]))
    assert [value for part in out for value in part.values] == [b"A", None, b"B"]


def test_rows_keep_their_order_when_they_go_to_several_topics() -> None:
    """A column of topics is encoded per topic and put together again."""
    pipeline, _ = source(value=JsonConverter())
    mixed = batch(["a", "b", "c"], extra_headers={1: (Header("h", None, "x"),)})
    mixed.topic = ["t1", "t2", "t1"]
    (out,) = pipeline.encode(mixed)
    assert [value[-5:] for value in out.values if value] == [b':"a"}', b':"b"}', b':"c"}']
    assert out.extra_headers == {1: [("h", b"x")]}


def test_position_moves_on_when_a_batch_has_no_rows() -> None:
    """A batch without rows passes no stage."""
    pipeline, _ = source(Step(Foreign(), "F"))
    (out,) = pipeline.encode(batch([], source_offset={"p": 9}))
    assert out.values == []
    assert out.batch.source_offset_at(0) == {"p": 9}


class Message:
    def __init__(self, offset: int, value: bytes | None, key: bytes | None = None, headers=None):
        self._parts = (offset, value, key, headers)

    def offset(self):
        return self._parts[0]

    def value(self):
        return self._parts[1]

    def key(self):
        return self._parts[2]

    def headers(self):
        return self._parts[3]

    def timestamp(self):
        return (1, 1000 + self._parts[0])

    def topic(self):
        return "t"

    def partition(self):
        return 2


def sink(*steps: Step, value: Any = None, **options: str) -> tuple[SinkPipeline, Reports]:
    errors, reports = policy(**options)
    return SinkPipeline(converters(value), steps, errors), reports


INT = b'{"schema":{"type":"int32","optional":false},"payload":%d}'
TEXT = b'{"schema":{"type":"string","optional":true},"payload":%s}'


def test_messages_are_cut_where_the_schema_changes() -> None:
    """Each batch has one schema; offsets, timestamps, headers and raw bytes follow their rows."""
    pipeline, _ = sink(value=JsonConverter())
    payloads = [INT % 1, INT % 2, TEXT % b'"x"', TEXT % b"null", None]
    messages = [
        Message(10 + i, payload, b"k%d" % i, [("h", b"true")] if i == 1 else None)
        for i, payload in enumerate(payloads)
    ]
    batches = pipeline.decode("t", 2, messages)
    assert [b.value_schema for b in batches][:2] == [INT32_SCHEMA, OPTIONAL_STRING_SCHEMA]
    values = [value for b in batches for value in b.values]
    assert values == [1, 2, "x", NULL, None]
    assert [offset for b in batches for offset in b.offsets or ()] == [10, 11, 12, 13, 14]
    assert batches[0].headers_at(0) == ()
    assert batches[0].headers_at(1)[0].key == "h"
    assert batches[1].timestamp_at(0) == 1012
    assert batches[0].raw_values == payloads[:2]
    record = batches[0].sink_record(1)
    assert (record.original_topic, record.original_kafka_partition, record.kafka_offset) == (
        "t",
        2,
        11,
    )


def test_unreadable_message_is_reported_with_its_bytes_when_tolerated() -> None:
    """The others of its partition are put as one batch."""
    pipeline, reports = sink(value=JsonConverter(), **TOLERANT)
    batches = pipeline.decode(
        "t", 2, [Message(0, INT % 1), Message(1, b"{", b"k"), Message(2, INT % 3)]
    )
    assert [(b.values, b.offsets) for b in batches] == [([1, 3], [0, 2])]
    (failure,) = reports.failures
    assert (failure.stage, failure.record.value, failure.record.key) == (
        "VALUE_CONVERTER",
        b"{",
        b"k",
    )
    assert str(failure.record) == (
        "consumed record is {topic='t', partition=2, offset=1, timestamp=1001,"
        " timestampType=CreateTime}"
    )


def test_sink_rows_run_through_transforms() -> None:
    """Transforms see sink records after the converters."""
    foreign = Foreign()
    pipeline, _ = sink(Step(foreign, "F", sink=True))
    batches = pipeline.decode("t", 2, [Message(0, b"a"), Message(1, b"drop"), Message(2, b"b")])
    assert [(b.topic, b.values, b.original_topic) for b in batches] == [
        ("other", ["<a>", "<b>"], "t")
    ]
