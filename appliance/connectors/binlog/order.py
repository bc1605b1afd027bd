"""Whether a recorded position is at or before another one: what recovery of the history goes by.

Positions are offset maps. Semantics: Debezium BinlogHistoryRecordComparator.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_MARIADB_GTID: Final = re.compile(r"\d+-\d+-\d+")
_Intervals = dict[str, list[tuple[int, int]]]


def at_or_before(recorded: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    """Whether a change recorded at `recorded` belongs to what `desired` has seen."""
    ours, theirs = recorded.get("gtids"), desired.get("gtids")
    if theirs:
        if not ours:
            return True
        if _set(ours) == _set(theirs):
            if _place(recorded) != _place(desired) and not _snapshots(recorded, desired):
                return _place(recorded) < _place(desired)
            return _within(recorded, desired)
        return _subset(ours, theirs)
    if ours:
        return False
    server, other = recorded.get("server_id") or 0, desired.get("server_id") or 0
    if server != other and server and other:
        return int(recorded.get("ts_sec") or 0) <= int(desired.get("ts_sec") or 0)
    if _place(recorded) != _place(desired):
        return _place(recorded) < _place(desired)
    return _within(recorded, desired)


def is_replayed(recorded: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    """Whether a change that belongs to what `desired` has seen comes again when streaming starts there.

    So it is with the last statement before an offset: its transaction is not yet among the completed.
    """
    return not _snapshots(recorded, desired) and _place(recorded) >= _place(desired)


def _place(position: Mapping[str, Any]) -> tuple[int, int]:
    return _file(position), int(position.get("pos") or 0)


def _snapshots(recorded: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    return bool(recorded.get("snapshot") or desired.get("snapshot"))


def _within(recorded: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    if recorded.get("snapshot") and not desired.get("snapshot"):
        return True
    if desired.get("snapshot") and not recorded.get("snapshot"):
        return False
    event, limit = int(recorded.get("event") or 0), int(desired.get("event") or 0)
    if event != limit:
        return event < limit
    return int(recorded.get("row") or 0) <= int(desired.get("row") or 0)


def _file(position: Mapping[str, Any]) -> int:
    digits = str(position.get("file") or "").rpartition(".")[2]
    return int(digits) if digits.isdigit() else 0


def _set(text: str) -> _Intervals:
    """Read a GTID set of either kind: intervals per source, [1, n] per domain of MariaDB."""
    found: _Intervals = {}
    for part in text.replace("\n", "").split(","):
        if _MARIADB_GTID.fullmatch(part.strip()):
            domain, _, number = part.strip().split("-")
            found.setdefault(domain, []).append((1, int(number)))
            continue
        name = source = part.strip().partition(":")[0].lower()
        for word in part.strip().split(":")[1:]:
            if not word[:1].isdigit():
                name = f"{source}:{word}"
                continue
            first, _, last = word.partition("-")
            found.setdefault(name, []).append((int(first), int(last or first)))
    return {name: sorted(intervals) for name, intervals in found.items()}


def _subset(small: str, large: str) -> bool:
    wanted, given = _set(small), _set(large)
    return all(
        any(low <= first and last <= high for low, high in given.get(name, ()))
        for name, intervals in wanted.items()
        for first, last in intervals
    )
