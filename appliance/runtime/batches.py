"""Batches out of consumed messages: cut where schemas change, joined again after single steps."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from appliance.api import Batch
from appliance.data import Header, Schema
from appliance.runtime.retry import Consumed

_TIMESTAMP_TYPES: Final = {0: "NoTimestampType", 1: "CreateTime", 2: "LogAppendTime"}


def consumed(message: Any) -> Consumed:
    """Give a message as reports need it."""
    kind, timestamp = message.timestamp()
    return Consumed(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        timestamp=timestamp if kind else None,
        timestamp_type=_TIMESTAMP_TYPES[kind],
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),
    )


def cut(
    topic: str,
    partition: int,
    messages: Sequence[Any],
    keys: tuple[list[Any], Sequence[Any]],
    values: tuple[list[Any], Sequence[Any]],
    headers: list[tuple[Header, ...]] | None,
) -> list[Batch]:
    """Give batches of consumed messages, cut where a schema or the kind of timestamp changes.

    `keys` and `values` are the payloads with their decoded runs, `headers` one block per message.
    """
    raw_keys, key_runs = keys
    raw_values, value_runs = values
    kinds, times = zip(*[m.timestamp() for m in messages], strict=True)
    offsets = _offsets(messages)
    cuts = {0, len(messages)}
    for runs in (key_runs, value_runs):
        end = 0
        for run in runs:
            end += len(run.rows)
            cuts.add(end)
    if len(set(kinds)) > 1:
        cuts.update(row for row in range(1, len(kinds)) if kinds[row] != kinds[row - 1])
    edges = sorted(cuts)
    key_parts, value_parts = _slices(key_runs, edges), _slices(value_runs, edges)
    result = []
    for start, end in itertools.pairwise(edges):
        key_schema, key_rows = next(key_parts)
        value_schema, value_rows = next(value_parts)
        block, extra = _header_blocks(headers[start:end]) if headers else ((), None)
        kind = kinds[start]
        result.append(
            Batch(
                topic,
                value_rows,
                value_schema,
                keys=key_rows,
                key_schema=key_schema,
                partition=partition,
                timestamps=list(times[start:end]) if kind else None,
                headers=block,
                extra_headers=extra,
                offsets=offsets[start:end],
                timestamp_type=_TIMESTAMP_TYPES[kind],
                original_topic=topic,
                original_partition=partition,
                raw_keys=_part(raw_keys, start, end),
                raw_values=_part(raw_values, start, end),
            )
        )
    return result


def _offsets(messages: Sequence[Any]) -> Sequence[int]:
    """Give the offsets; they grow within a partition, so that the ends say whether any is missing."""
    first, last = messages[0].offset(), messages[-1].offset()
    if last - first == len(messages) - 1:
        return range(first, last + 1)
    return [m.offset() for m in messages]


def _part(column: list[Any], start: int, end: int) -> list[Any]:
    return column if end - start == len(column) else column[start:end]


def _slices(
    runs: Sequence[Any], edges: Sequence[int]
) -> Iterator[tuple[Schema | None, list[Any]]]:
    """Give schema and rows between neighbouring edges; every run's end is an edge."""
    start = 0
    cuts = itertools.pairwise(edges)
    for run in runs:
        end = start + len(run.rows)
        while start < end:
            low, high = next(cuts)
            base = end - len(run.rows)
            yield run.schema, _part(run.rows, low - base, high - base)
            start = high


def _header_blocks(
    blocks: list[tuple[Header, ...]],
) -> tuple[tuple[Header, ...], dict[int, tuple[Header, ...]] | None]:
    first = blocks[0]
    if all(block == first for block in blocks):
        return first, None
    return (), {row: block for row, block in enumerate(blocks) if block}


def joined(singles: Iterable[Batch]) -> Iterator[Batch]:
    """Join neighbours that differ in their rows alone, so that a task is not fed row by row."""
    held: list[Batch] = []
    for batch in singles:
        if held and not _fits(held[-1], batch):
            yield _joined(held)
            held = []
        held.append(batch)
    if held:
        yield _joined(held)


_SHARED = (
    "topic",
    "partition",
    "timestamp_type",
    "original_topic",
    "original_partition",
    "headers",
)


def _fits(one: Batch, other: Batch) -> bool:
    return (
        one.value_schema == other.value_schema
        and one.key_schema == other.key_schema
        and not (one.layout or other.layout or one.extra_headers or other.extra_headers)
        and all(getattr(one, name) == getattr(other, name) for name in _SHARED)
        and (one.raw_values is None) == (other.raw_values is None)
        and (one.raw_keys is None) == (other.raw_keys is None)
        and (one.keys is None) == (other.keys is None)
    )


def _joined(parts: list[Batch]) -> Batch:
    first = parts[0]
    if len(parts) == 1:
        return first
    return dataclasses.replace(
        first,
        values=[row for part in parts for row in part.values],
        keys=_column(parts, "keys"),
        timestamps=[part.timestamp_at(row) for part in parts for row in range(len(part))],
        offsets=_column(parts, "offsets"),
        raw_keys=_column(parts, "raw_keys"),
        raw_values=_column(parts, "raw_values"),
    )


def _column(parts: list[Batch], name: str) -> list[Any] | None:
    if getattr(parts[0], name) is None:
        return None
    return [item for part in parts for item in getattr(part, name)]
