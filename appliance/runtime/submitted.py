"""What has been handed to the producer since the offsets were last stored.

A source partition's position may be stored once everything up to it is acknowledged. One flush answers
that for all at once, so only the newest position per partition is kept, not the records. Takes the place
of Kafka Connect's SubmittedRecords. Thread: the task's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Position = tuple[Mapping[str, Any], Mapping[str, Any]]


class Submitted:
    """Positions on their way: produced, then acknowledged, then stored."""

    def __init__(self, hold_s: float = 0.0) -> None:
        """Keep acknowledged positions back for `hold_s` (a broker acknowledges before it syncs)."""
        self.hold_s = hold_s
        self._produced: dict[tuple[Any, ...], Position] = {}
        self._acknowledged: list[tuple[float, dict[tuple[Any, ...], Position]]] = []
        self._last: tuple[Mapping[str, Any] | None, tuple[Any, ...]] = (None, ())

    def __bool__(self) -> bool:
        """Whether any position is not yet given out to be stored."""
        return bool(self._produced or self._acknowledged)

    def is_due(self, now_s: float) -> bool:
        """Whether any acknowledged position has been held long enough."""
        return bool(self._acknowledged) and now_s - self._acknowledged[0][0] >= self.hold_s

    def add(self, partition: Mapping[str, Any], offset: Mapping[str, Any]) -> None:
        """All rows up to `offset` of `partition` have been produced."""
        last, key = self._last
        if partition is not last:
            key = _key(partition)
            self._last = (partition, key)
        self._produced[key] = (partition, offset)

    def acknowledge(self, now_s: float) -> None:
        """All that was added has been acknowledged."""
        if self._produced:
            self._acknowledged.append((now_s, self._produced))
            self._produced = {}

    def take(self, now_s: float, *, everything: bool = False) -> list[Position]:
        """Give, and forget, the acknowledged positions that have been held long enough."""
        due: dict[tuple[Any, ...], Position] = {}
        while self.is_due(now_s) or (everything and self._acknowledged):
            due |= self._acknowledged.pop(0)[1]
        return list(due.values())

    def give_back(self, now_s: float, positions: list[Position]) -> None:
        """Take positions back that could not be stored; newer ones win."""
        if positions:
            again = {_key(partition): (partition, offset) for partition, offset in positions}
            self._acknowledged.insert(0, (now_s, again))


def _key(partition: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(partition.items()))
