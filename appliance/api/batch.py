"""The batch: rows that share topic, schemas, headers and source partition; the unit of the hot path.

Semantics are per record, work is per batch. `SourceTask.poll` returns batches, `SinkTask.put` takes
them, transforms map a batch to batches, converters encode and decode the rows of a batch at once.

**Rows.** `keys` and `values` hold one row per record. Under a STRUCT schema a row is a tuple in field
order, nested structs are nested tuples; otherwise it is the plain value. Under a schema, a Date, Time or
Timestamp is an `int` of milliseconds since the epoch and a Decimal a `decimal.Decimal` (data/logical.py).
Two rows are special, and may stand in any batch: `None` is a null under a null schema (a tombstone when
it is the value), `NULL` a null under the batch's schema. With schema None, rows are plain Python values.

**Constants and columns.** `topic`, `partition`, `timestamps`, and so on are each either one value for
the batch or a list with one per row. Row order is produce order.

**Layout.** A batch whose rows share much (all rows of one binlog event share `source`, `op`, `ts_ms`)
may carry a `Layout` for its values: rows then hold only what varies, `constants` what does not, and a
converter compiled for that layout encodes the constants once per batch. `expanded()` gives the same
batch with full rows, for everything that does not know layouts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from appliance.data import Header, Schema, SinkRecord, SourceRecord
from appliance.data.record import ConnectRecord
from appliance.data.struct import unwrap, wrap


class _Null:
    """The type of NULL."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL"

    def __reduce__(self) -> str:
        return "NULL"


NULL: Final = _Null()
"""A row that is null under the batch's (optional) schema, as opposed to None, null without a schema."""


@dataclasses.dataclass(frozen=True, slots=True)
class Var:
    """A field that differs from row to row; `index` is its place in the short row."""

    index: int


@dataclasses.dataclass(frozen=True, slots=True)
class Const:
    """A field that is the same in the whole batch; `index` is its place in `constants`."""

    index: int


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """How full STRUCT rows are put together from short rows and constants.

    `fields` has one part per field of the schema, in order: a Var, a Const, or a Layout for a nested
    struct of which some fields vary. Layouts are values: equal ones compile to the same encoder, so make
    each once and keep it.
    """

    fields: tuple[Var | Const | Layout, ...]

    def assemble(self, row: tuple[Any, ...], constants: Sequence[Any]) -> tuple[Any, ...]:
        """Give the full row."""
        return tuple([_part(part, row, constants) for part in self.fields])


def _part(part: Var | Const | Layout, row: tuple[Any, ...], constants: Sequence[Any]) -> Any:
    if isinstance(part, Var):
        return row[part.index]
    if isinstance(part, Const):
        return constants[part.index]
    return part.assemble(row, constants)


SourceOffsets = (
    Mapping[str, Any]
    | Sequence[Mapping[str, Any] | None]
    | Callable[[int], Mapping[str, Any] | None]
    | None
)


@dataclasses.dataclass(slots=True)
class Batch:
    """Rows that share schemas; see the module's text for rows, columns and layout.

    `headers` is one block for the whole batch, `extra_headers` adds to single rows (row number -> block).
    Source side: `source_partition` is one map for the batch and `source_offset` the position after each
    row: one map, a list with one per row, or a function of the row number. A batch without rows but with
    an offset only moves the position on. Sink side: `offsets` are the Kafka offsets of the rows,
    `timestamp_type` Kafka's name for the kind of timestamp; `original_*` are the coordinates before
    any transform (None: unchanged). `raw_keys`/`raw_values` are the bytes as consumed, for dead letters
    and for formats that can pass them through; a transform that changes values drops `raw_values`.
    """

    topic: str | list[str]
    values: list[Any]
    value_schema: Schema | None = None
    keys: list[Any] | None = None
    key_schema: Schema | None = None
    partition: int | None | list[int | None] = None
    timestamps: int | None | list[int | None] = None
    headers: tuple[Header, ...] = ()
    extra_headers: dict[int, tuple[Header, ...]] | None = None
    layout: Layout | None = None
    constants: tuple[Any, ...] = ()
    source_partition: Mapping[str, Any] | None = None
    source_offset: SourceOffsets = None
    offsets: Sequence[int] | None = None
    timestamp_type: str = "CreateTime"
    original_topic: str | None = None
    original_partition: int | None = None
    raw_keys: list[bytes | None] | None = None
    raw_values: list[bytes | None] | None = None

    @classmethod
    def of_record(cls, record: ConnectRecord) -> Batch:
        """Give the batch of one record; what only a sink record has is kept too."""
        batch = cls(
            topic=[record.topic],  # type: ignore[list-item]  # a sink's record has one
            values=[row_form(record.value_schema, record.value)],
            value_schema=record.value_schema,
            keys=[row_form(record.key_schema, record.key)],
            key_schema=record.key_schema,
            partition=[record.partition],
            timestamps=[record.timestamp],
            headers=record.headers,
        )
        if isinstance(record, SourceRecord):
            batch.source_partition, batch.source_offset = (
                record.source_partition,
                record.source_offset,
            )
        elif isinstance(record, SinkRecord):
            batch.offsets = [record.kafka_offset]
            batch.timestamp_type = record.timestamp_type
        return batch

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.values)

    def topic_at(self, row: int) -> str:
        """Give the topic of row number `row`."""
        return self.topic if isinstance(self.topic, str) else self.topic[row]

    def partition_at(self, row: int) -> int | None:
        """Give the Kafka partition of row number `row`, or None when the producer chooses."""
        return self.partition[row] if isinstance(self.partition, list) else self.partition

    def timestamp_at(self, row: int) -> int | None:
        """Give the timestamp in ms of row number `row`."""
        return self.timestamps[row] if isinstance(self.timestamps, list) else self.timestamps

    def headers_at(self, row: int) -> tuple[Header, ...]:
        """Give all headers of row number `row`."""
        extra = self.extra_headers.get(row) if self.extra_headers else None
        return self.headers + extra if extra else self.headers

    def source_offset_at(self, row: int) -> Mapping[str, Any] | None:
        """Give the source position after row number `row`."""
        offset = self.source_offset
        if offset is None or isinstance(offset, Mapping):
            return offset
        return offset(row) if callable(offset) else offset[row]

    def expanded(self) -> Batch:
        """Give the same batch with full rows (itself when it has no layout)."""
        layout = self.layout
        if layout is None:
            return self
        constants = self.constants
        values = [
            row if row is None or row is NULL else layout.assemble(row, constants)
            for row in self.values
        ]
        return dataclasses.replace(self, values=values, layout=None, constants=())

    def take(self, rows: Sequence[int]) -> Batch:
        """Give a batch of only the rows numbered in `rows`, in that order."""
        offset = self.source_offset
        taken: SourceOffsets = offset
        if callable(offset):
            inner = offset
            taken = lambda row: inner(rows[row])
        elif offset is not None and not isinstance(offset, Mapping):
            taken = [offset[row] for row in rows]
        extra = self.extra_headers
        return dataclasses.replace(
            self,
            topic=_pick(self.topic, rows),
            values=_pick(self.values, rows),
            keys=_pick(self.keys, rows),
            partition=_pick(self.partition, rows),
            timestamps=_pick(self.timestamps, rows),
            extra_headers={new: extra[old] for new, old in enumerate(rows) if old in extra}
            if extra
            else None,
            source_offset=taken,
            offsets=None if self.offsets is None else [self.offsets[row] for row in rows],
            raw_keys=_pick(self.raw_keys, rows),
            raw_values=_pick(self.raw_values, rows),
        )

    def parts(self, most: int) -> Iterator[Batch]:
        """Give the rows in order in batches of at most `most` (itself when there are no more)."""
        total = len(self.values)
        if total <= most:
            yield self
            return
        for start in range(0, total, most):
            yield self.take(range(start, min(start + most, total)))

    def source_record(self, row: int) -> SourceRecord:
        """Give row number `row` as a SourceRecord."""
        key_schema, key, value_schema, value = self._boundary(row)
        return SourceRecord(
            topic=self.topic_at(row),
            partition=self.partition_at(row),
            key_schema=key_schema,
            key=key,
            value_schema=value_schema,
            value=value,
            timestamp=self.timestamp_at(row),
            headers=self.headers_at(row),
            source_partition=self.source_partition,
            source_offset=self.source_offset_at(row),
        )

    def sink_record(self, row: int) -> SinkRecord:
        """Give row number `row` as a SinkRecord."""
        key_schema, key, value_schema, value = self._boundary(row)
        topic = self.topic_at(row)
        partition = self.partition_at(row)
        offset = self.offsets[row] if self.offsets is not None else 0
        return SinkRecord(
            topic=topic,
            partition=partition,
            key_schema=key_schema,
            key=key,
            value_schema=value_schema,
            value=value,
            timestamp=self.timestamp_at(row),
            headers=self.headers_at(row),
            kafka_offset=offset,
            timestamp_type=self.timestamp_type,
            original_topic=self.original_topic or topic,
            original_kafka_partition=partition
            if self.original_partition is None
            else self.original_partition,
            original_kafka_offset=offset,
        )

    def _boundary(self, row: int) -> tuple[Schema | None, Any, Schema | None, Any]:
        key = None if self.keys is None else self.keys[row]
        value = self.values[row]
        if self.layout is not None and value is not None and value is not NULL:
            value = self.layout.assemble(value, self.constants)
        return (*_boundary_form(self.key_schema, key), *_boundary_form(self.value_schema, value))


def _pick(column: Any, rows: Sequence[int]) -> Any:
    if not isinstance(column, list):
        return column
    if isinstance(rows, range):
        return column[rows.start : rows.stop : rows.step]
    return [column[row] for row in rows]


def _boundary_form(schema: Schema | None, row: Any) -> tuple[Schema | None, Any]:
    if row is None:
        return None, None
    if row is NULL:
        return schema, None
    return schema, wrap(schema, row)


def row_form(schema: Schema | None, value: Any) -> Any:
    """Turn a boundary value into a row: NULL for a null under a schema, tuples for Structs.

    Without a schema the value stays as it is, a Struct too.
    """
    if schema is None:
        return value
    return NULL if value is None else unwrap(value)
