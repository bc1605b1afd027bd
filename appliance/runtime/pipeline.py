"""Converters, transforms and error policy of a task as one function over a batch, either way.

A batch passes every stage as a whole; compiled stages and encoders are kept per schema, so that the
steady state is a few dictionary look-ups per batch. Only when a stage fails is the batch run again row by
row, before anything of it has left, so that tolerance, retries, dead letters and error context are
Connect's to the record. A chain with foreign code in it, which must see each record once, runs row by row
from the start. Semantics: Kafka Connect 4.3.1 WorkerSinkTask.convertAndTransformRecord and
AbstractWorkerSourceTask.convertTransformedRecord. Thread: the task's own.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from appliance.api import (
    Batch,
    Converter,
    Detached,
    Encoder,
    HeaderConverter,
    Layout,
    RawHeaders,
    Run,
)
from appliance.channel import PluginRef
from appliance.config.connector import ConnectorConfig
from appliance.config.worker import WorkerConfig
from appliance.data import Header, Schema
from appliance.runtime.batches import consumed, cut, joined
from appliance.runtime.plugins import load_converter
from appliance.runtime.retry import (
    HEADER_CONVERTER,
    KEY_CONVERTER,
    TRANSFORMATION,
    VALUE_CONVERTER,
    Consumed,
    ErrorPolicy,
    Skipped,
)
from appliance.runtime.steps import Step, build_steps

log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Encoded:
    """A batch as Kafka takes it: payloads beside the batch that gives topics, timestamps, positions.

    `keys` None: every key is null. `headers` is the shared block, `extra_headers` the whole block of rows
    that have more than that.
    """

    batch: Batch
    keys: list[bytes | None] | None
    values: list[bytes | None]
    headers: RawHeaders | None = None
    extra_headers: dict[int, RawHeaders] | None = None


class Converters:
    """The three converters of a connector, with the Java classes that reports name."""

    def __init__(
        self,
        key: tuple[str, Converter],
        value: tuple[str, Converter],
        header: tuple[str, HeaderConverter],
    ) -> None:
        self.key_class, self.key = key
        self.value_class, self.value = value
        self.header_class, self.header = header

    @classmethod
    def build(
        cls, worker: WorkerConfig, config: ConnectorConfig, plugins: Mapping[str, PluginRef]
    ) -> Converters:
        """Give the converters that connector and worker ask for. Raises ConfigError."""
        found = []
        for role in ("key", "value", "header"):
            ref, converter = load_converter(role, worker, config, plugins)
            found.append((ref.java_class, converter))
        return cls(*found)

    def close(self) -> None:
        """Give back what they hold."""
        for converter in (self.key, self.value, self.header):
            converter.close()


class _Pipeline:
    """What both directions share."""

    def __init__(self, converters: Converters, steps: Sequence[Step], errors: ErrorPolicy) -> None:
        self._converters = converters
        self._steps = tuple(steps)
        self._pure = all(step.pure for step in steps)
        self._errors = errors

    def _transformed(self, batch: Batch) -> list[Batch]:
        batches = [batch]
        for step in self._steps:
            batches = [result for part in batches for result in step.run(part)]
        return batches

    def _transformed_row(self, single: Batch, record: Any) -> list[Batch]:
        """Take one row through the steps under the error policy. Raises Skipped."""
        batches = [single]
        for step in self._steps:
            batches = [
                result
                for part in batches
                for result in self._errors.execute(
                    TRANSFORMATION, step.java_class, record, functools.partial(step.run, part)
                )
            ]
        return [part for part in batches if len(part)]

    def close(self) -> None:
        """Give back what converters and transforms hold."""
        for step in self._steps:
            step.close()
        self._converters.close()


class SourcePipeline(_Pipeline):
    """Source side: transforms, then header, key and value converter."""

    def __init__(self, converters: Converters, steps: Sequence[Step], errors: ErrorPolicy) -> None:
        super().__init__(converters, steps, errors)
        self._key_encoders: dict[tuple[str, Schema | None, None], Encoder] = {}
        self._value_encoders: dict[tuple[str, Schema | None, Layout | None], Encoder] = {}
        self._last: tuple[str, Schema | None, Layout | None, Encoder] | None = None
        self._block: tuple[str, tuple[Header, ...], RawHeaders] | None = None

    @classmethod
    def build(
        cls,
        worker: WorkerConfig,
        config: ConnectorConfig,
        plugins: Mapping[str, PluginRef],
        errors: ErrorPolicy,
    ) -> SourcePipeline:
        """Give the pipeline that the configuration asks for. Raises ConfigError."""
        converters = Converters.build(worker, config, plugins)
        return cls(converters, build_steps(config, plugins, sink=False), errors)

    def encode(self, batch: Batch) -> list[Encoded]:
        """Give what to produce, in order; dropped and skipped rows are missing.

        Raises TaskFailedError when a row fails and errors are not tolerated.
        """
        if not batch.values:
            return [Encoded(batch, None, [])]
        if self._pure:
            try:
                return [self._encoded(part) for part in self._transformed(batch) if part.values]
            except Exception as error:  # noqa: BLE001 - whatever it is, the rows will show it again
                log.debug("A batch of %d rows is run again row by row: %s", len(batch), error)
        return list(self._encode_rows(batch))

    def _encoded(self, batch: Batch) -> Encoded:
        topic = batch.topic
        if not isinstance(topic, str):
            if len(set(topic)) > 1:
                return self._encoded_mixed(batch, topic)
            topic = topic[0]
        return self._headed(
            Encoded(
                batch,
                self._keys(topic, batch),
                self._value_encoder(topic, batch)(batch.values, batch.constants),
                self._headers(topic, batch.headers) if batch.headers else None,
                self._extra_headers(batch) if batch.extra_headers else None,
            )
        )

    def _headed(self, encoded: Encoded) -> Encoded:
        """Move what the converters write into headers there, the key's before the value's."""
        if encoded.keys is not None:
            found = self._converters.key.detached(encoded.keys)
            if found is not None:
                encoded.keys = found.payloads
                _add_header(encoded, found)
        found = self._converters.value.detached(encoded.values)
        if found is not None:
            encoded.values = found.payloads
            _add_header(encoded, found)
        return encoded

    def _encoded_mixed(self, batch: Batch, topics: list[str]) -> Encoded:
        """Encode a batch whose rows go to several topics, keeping their order."""
        keys: list[bytes | None] = [None] * len(batch)
        values: list[bytes | None] = [None] * len(batch)
        extra: dict[int, RawHeaders] = {}
        for topic in dict.fromkeys(topics):
            rows = [row for row, name in enumerate(topics) if name == topic]
            part = self._encoded(dataclasses.replace(batch.take(rows), topic=topic))
            for place, row in enumerate(rows):
                values[row] = part.values[place]
                if part.keys is not None:
                    keys[row] = part.keys[place]
                headers = (part.extra_headers or {}).get(place, part.headers)
                if headers:
                    extra[row] = headers
        return Encoded(batch, keys, values, None, extra or None)

    def _keys(self, topic: str, batch: Batch) -> list[bytes | None] | None:
        encoder = self._key_encoder(topic, batch.key_schema)
        if batch.keys is not None:
            return encoder(batch.keys, ())
        (null,) = encoder((None,), ())
        return None if null is None else [null] * len(batch)

    def _key_encoder(self, topic: str, schema: Schema | None) -> Encoder:
        key = (topic, schema, None)
        encoder = self._key_encoders.get(key)
        if encoder is None:
            encoder = self._key_encoders[key] = self._converters.key.encoder(topic, schema)
        return encoder

    def _value_encoder(self, topic: str, batch: Batch) -> Encoder:
        schema, layout = batch.value_schema, batch.layout
        last = self._last
        # a layout's hash is that of all its parts: most batches are of the kind of the one before
        if last is not None and last[0] == topic and last[1] is schema and last[2] is layout:
            return last[3]
        key = (topic, schema, layout)
        encoder = self._value_encoders.get(key)
        if encoder is None:
            encoder = self._converters.value.encoder(topic, schema, layout)
            self._value_encoders[key] = encoder
        self._last = (*key, encoder)
        return encoder

    def _headers(self, topic: str, block: tuple[Header, ...]) -> RawHeaders:
        kept = self._block
        if kept is not None and kept[1] is block and kept[0] == topic:
            return kept[2]
        convert = self._converters.header.from_connect_header
        raw = [(h.key, convert(topic, h.key, h.schema, h.value)) for h in block]
        self._block = (topic, block, raw)
        return raw

    def _extra_headers(self, batch: Batch) -> dict[int, RawHeaders]:
        convert = self._converters.header.from_connect_header
        result: dict[int, RawHeaders] = {}
        for row in batch.extra_headers or ():
            topic = batch.topic_at(row)
            result[row] = [
                (h.key, convert(topic, h.key, h.schema, h.value)) for h in batch.headers_at(row)
            ]
        return result

    def _encode_rows(self, batch: Batch) -> Iterator[Encoded]:
        for row in range(len(batch)):
            single = batch.take([row])
            try:
                record = _Source(single)
                yield from [
                    self._encode_row(part, record)
                    for part in self._transformed_row(single, record)
                ]
            except Skipped:
                continue

    def _encode_row(self, single: Batch, record: Any) -> Encoded:
        execute, converters, topic = self._errors.execute, self._converters, single.topic_at(0)
        headers = execute(
            HEADER_CONVERTER,
            converters.header_class,
            record,
            lambda: self._headers(topic, single.headers_at(0)),
        )
        keys = execute(
            KEY_CONVERTER, converters.key_class, record, lambda: self._checked_keys(topic, single)
        )
        values = execute(
            VALUE_CONVERTER,
            converters.value_class,
            record,
            lambda: self._checked_values(topic, single),
        )
        return self._headed(Encoded(single, keys, values, headers or None))

    def _checked_keys(self, topic: str, single: Batch) -> list[bytes | None] | None:
        if not self._pure:
            view = single.source_record(0)
            self._converters.key.check(view.key_schema, view.key)
        return self._keys(topic, single)

    def _checked_values(self, topic: str, single: Batch) -> list[bytes | None]:
        if not self._pure:
            view = single.source_record(0)
            self._converters.value.check(view.value_schema, view.value)
        return self._value_encoder(topic, single)(single.values, single.constants)


def _add_header(encoded: Encoded, found: Detached) -> None:
    """Give a header to the records whose payload is not None."""

    def added(block: RawHeaders) -> RawHeaders:
        # the same id again, as in a record that is copied with its headers, is written once
        return block if dict(block).get(found.name) == found.value else [*block, header]

    header = (found.name, found.value)
    shared, own = encoded.headers or [], encoded.extra_headers or {}
    bare = {row for row, payload in enumerate(found.payloads) if payload is None}
    extra = {row: block if row in bare else added(block) for row, block in own.items()}
    extra |= dict.fromkeys(bare - own.keys(), shared)
    encoded.headers, encoded.extra_headers = added(shared), extra or None


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    """Prints a source record for the log."""

    single: Batch

    def __str__(self) -> str:
        record = self.single.source_record(0)
        return (
            f"source record is = SourceRecord{{sourcePartition={record.source_partition},"
            f" sourceOffset={record.source_offset}}} ConnectRecord{{topic='{record.topic}',"
            f" kafkaPartition={record.partition}, key={record.key}, value={record.value},"
            f" timestamp={record.timestamp}}}"
        )


class SinkPipeline(_Pipeline):
    """Sink side: key, value and header converter, then transforms."""

    @classmethod
    def build(
        cls,
        worker: WorkerConfig,
        config: ConnectorConfig,
        plugins: Mapping[str, PluginRef],
        errors: ErrorPolicy,
    ) -> SinkPipeline:
        """Give the pipeline that the configuration asks for. Raises ConfigError."""
        converters = Converters.build(worker, config, plugins)
        return cls(converters, build_steps(config, plugins, sink=True), errors)

    def decode(self, topic: str, partition: int, messages: Sequence[Any]) -> list[Batch]:
        """Give what to put for consumed messages of one partition, in order.

        Raises TaskFailedError when a message fails and errors are not tolerated.
        """
        if self._pure:
            try:
                return [
                    result
                    for batch in self._decoded(topic, partition, messages)
                    for result in self._transformed(batch)
                    if result.values
                ]
            except Exception as error:
                log.debug(
                    "%d messages are run again one by one: %s", len(messages), error, exc_info=True
                )
        return list(joined(self._decode_each(topic, partition, messages)))

    def _decoded(self, topic: str, partition: int, messages: Sequence[Any]) -> list[Batch]:
        raw_keys = [m.key() for m in messages]
        raw_values = [m.value() for m in messages]
        headers: list[Any] | None = [m.headers() for m in messages]
        decoded_headers: list[tuple[Header, ...]] | None = None
        if headers and any(headers):
            decoded_headers = [self._decode_headers(topic, block or ()) for block in headers]
        else:
            headers = None
        return cut(
            topic,
            partition,
            messages,
            (raw_keys, _decode(self._converters.key, topic, raw_keys, headers)),
            (raw_values, _decode(self._converters.value, topic, raw_values, headers)),
            decoded_headers,
        )

    def _decode_headers(self, topic: str, block: Iterable[tuple[str, Any]]) -> tuple[Header, ...]:
        convert = self._converters.header.to_connect_header
        return tuple([Header(name, *convert(topic, name, value)) for name, value in block])

    def _decode_each(self, topic: str, partition: int, messages: Sequence[Any]) -> Iterator[Batch]:
        for message in messages:
            record = consumed(message)
            try:
                (single,) = self._decode_one(topic, partition, message, record)
                yield from self._transformed_row(single, record)
            except Skipped:
                continue

    def _decode_one(
        self, topic: str, partition: int, message: Any, record: Consumed
    ) -> list[Batch]:
        execute, converters = self._errors.execute, self._converters
        raw_keys, raw_values = [record.key], [record.value]
        headers = [record.headers] if record.headers else None
        key_runs = execute(
            KEY_CONVERTER,
            converters.key_class,
            record,
            lambda: _decode(converters.key, topic, raw_keys, headers),
        )
        value_runs = execute(
            VALUE_CONVERTER,
            converters.value_class,
            record,
            lambda: _decode(converters.value, topic, raw_values, headers),
        )
        block = execute(
            HEADER_CONVERTER,
            converters.header_class,
            record,
            lambda: self._decode_headers(topic, record.headers),
        )
        return cut(
            topic,
            partition,
            [message],
            (raw_keys, key_runs),
            (raw_values, value_runs),
            [block] if block else None,
        )

    def raw(self, batch: Batch, row: int) -> Consumed:
        """Give a record for a report when its message is no longer at hand: encoded again."""
        view = batch.sink_record(row)
        topic, converters = view.topic or "", self._converters
        named = {header.key for header in view.headers}
        # headers have been values since they were bytes: what was read beside one is encoded with its id
        raw_key = batch.raw_keys[row] if batch.raw_keys else None
        if not batch.raw_keys or converters.key.header_name in named:
            raw_key = converters.key.from_connect_data(topic, view.key_schema, view.key)
        raw_value = batch.raw_values[row] if batch.raw_values else None
        if not batch.raw_values or converters.value.header_name in named:
            raw_value = converters.value.from_connect_data(topic, view.value_schema, view.value)
        gone = (converters.key.header_name, converters.value.header_name)
        return Consumed(
            topic=view.original_topic or topic,
            partition=view.original_kafka_partition or 0,
            offset=view.kafka_offset,
            timestamp=view.timestamp,
            timestamp_type=view.timestamp_type,
            key=raw_key,
            value=raw_value,
            headers=tuple(
                (h.key, converters.header.from_connect_header(topic, h.key, h.schema, h.value))
                for h in view.headers
                if h.key not in gone
            ),
        )


def _decode(
    converter: Converter,
    topic: str,
    payloads: Sequence[bytes | None],
    headers: Sequence[RawHeaders | None] | None,
) -> list[Run]:
    """Decode payloads of one side, beside the records' headers where there are any."""
    if headers is None:
        return converter.decode(topic, payloads)
    return converter.decode_with_headers(topic, payloads, headers)
