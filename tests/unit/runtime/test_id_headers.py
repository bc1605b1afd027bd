"""The pipeline with converters that keep ids of schemas in headers of the records."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api import Batch
from appliance.converters.avro import AvroConverter
from appliance.converters.simple_header import SimpleHeaderConverter
from appliance.converters.string import StringConverter
from appliance.data import Header
from appliance.data.schema import OPTIONAL_STRING_SCHEMA, STRING_SCHEMA
from appliance.runtime.pipeline import Converters, Encoded, SinkPipeline, SourcePipeline
from appliance.runtime.steps import Step
from tests.unit.converters.local_registry import configured
from tests.unit.runtime.test_pipeline import TOLERANT, Foreign, Message, batch, policy

APART = "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer"


def avro(other: Any = None, *, is_key: bool = False, apart: bool = True) -> Any:
    side = "key" if is_key else "value"
    options: Any = {f"{side}_schema_id_serializer": APART} if apart else {}
    return configured(AvroConverter, is_key=is_key, other=other, **options)


def together(value: Any, key: Any = None) -> Converters:
    header = SimpleHeaderConverter()
    header.configure({})
    if key is None:
        key = StringConverter()
        key.configure({}, is_key=True)
    return Converters(("K", key), ("V", value), ("H", header))


def encoded(rows: Batch, *steps: Step, key: Any = None) -> Encoded:
    (out,) = SourcePipeline(together(avro(), key), steps, policy()[0]).encode(rows)
    return out


def test_header_is_shared_when_every_row_has_a_value() -> None:
    """Key and value have one each, in this order, after those of the records."""
    rows = batch(
        ["a", "b"], keys=["k", "l"], key_schema=STRING_SCHEMA, headers=(Header("h", None, 1),)
    )
    out = encoded(rows, key=avro(is_key=True))
    assert (out.keys, out.values) == ([b"\x02k", b"\x02l"], [b"\x02\x02a", b"\x02\x02b"])
    assert [name for name, _ in out.headers or ()] == ["h", "__key_schema_id", "__value_schema_id"]
    assert {len(value or b"") for _, value in (out.headers or ())[1:]} == {17}
    assert out.extra_headers is None


def test_tombstones_have_no_header_of_the_value() -> None:
    """They keep those that they have."""
    rows = batch(["a", None, None], extra_headers={1: (Header("h", None, "x"),)})
    out = encoded(rows)
    assert out.values == [b"\x02\x02a", None, None]
    assert [name for name, _ in out.headers or ()] == ["__value_schema_id"]
    assert out.extra_headers == {1: [("h", b"x")], 2: []}


def test_rows_with_headers_of_their_own_have_it_too() -> None:
    """It comes after them."""
    out = encoded(batch(["a", "b"], extra_headers={1: (Header("h", None, "x"),)}))
    assert [name for name, _ in (out.extra_headers or {})[1]] == ["h", "__value_schema_id"]


def test_each_topic_has_its_own_schema_when_a_batch_goes_to_several() -> None:
    """The rows' headers follow their topics."""
    rows = batch(["a", None, "c"])
    rows.topic = ["t1", "t2", "t2"]
    out = encoded(rows)
    assert out.values == [b"\x02\x02a", None, b"\x02\x02c"]
    assert sorted(out.extra_headers or {}) == [0, 2]


def test_header_is_there_when_rows_go_one_by_one() -> None:
    """Foreign code makes no difference."""
    out = encoded(batch(["a"]), Step(Foreign(), "F"))
    assert out.values == [b"\x02\x06<a>"]
    assert [name for name, _ in out.headers or ()] == ["__value_schema_id"]


def consumed(apart: Any, values: list[Any]) -> list[Message]:
    """Give what a consumer gets of what a source wrote with ids in headers."""
    (out,) = SourcePipeline(together(apart), (), policy()[0]).encode(batch(values))
    extra = out.extra_headers or {}
    return [
        Message(offset, value, b"k", extra.get(offset, out.headers))
        for offset, value in enumerate(out.values)
    ]


def test_sink_reads_values_beside_headers() -> None:
    """A batch may have records of all kinds; dead letters would have the bytes as consumed."""
    apart, plain = avro(), avro(apart=False)
    messages = consumed(apart, ["a", None])
    plain._client = type(plain._client)(apart._client)
    (whole,) = plain.encoder("t", OPTIONAL_STRING_SCHEMA)(["b"], ())
    messages.append(Message(2, whole))
    reader = avro(apart)
    batches = SinkPipeline(together(reader), (), policy()[0]).decode("t", 2, messages)
    assert [value for one in batches for value in one.values] == ["a", None, "b"]
    assert batches[0].raw_values == [b"\x02\x02a", None]
    assert batches[0].headers_at(0)[0].key == "__value_schema_id"


def test_bad_header_alone_is_reported_when_tolerated() -> None:
    """The error is the converter's, and the letter has what was consumed."""
    apart = avro()
    messages = consumed(apart, ["a", "b"])
    bad = [("__value_schema_id", b"\x07")]
    messages.insert(1, Message(1, b"\x02\x02x", b"k", bad))
    errors, reports = policy(**TOLERANT)
    batches = SinkPipeline(together(apart), (), errors).decode("t", 2, messages)
    assert [value for one in batches for value in one.values] == ["a", "b"]
    (failure,) = reports.failures
    assert (failure.stage, failure.record.value) == ("VALUE_CONVERTER", b"\x02\x02x")
    assert failure.record.headers == tuple(bad)


@pytest.mark.parametrize("apart", [True, False])
def test_record_is_readable_when_it_is_reported_after_its_message_is_gone(apart) -> None:
    """Headers have become values by then: the id stands in front of the payload instead."""
    writer = avro()
    reader = avro(writer, apart=apart)
    pipeline = SinkPipeline(together(reader), (), policy()[0])
    (found,) = pipeline.decode("t", 2, consumed(writer, ["a"]))
    letter = pipeline.raw(found, 0)
    assert letter.headers == ()
    assert reader.decode("t", [letter.value])[0].rows == ["a"]
