"""Following a topic: what comes is put on top of what is shown, and what was passed over leaves a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

KEPT: Final = 500

Record = Mapping[str, Any]


class Followed:
    """Records by `partition@offset`, newest first, the last KEPT of them; what follows is put on top."""

    def __init__(self, records: Mapping[str, Record]) -> None:
        shown = sorted(records.values(), key=_age, reverse=True)
        self.records = {_key(one): one for one in shown}
        self._last: dict[int, int] = {}
        for one in shown:
            last = self._last.get(one["partition"], -1)
            self._last[one["partition"]] = max(last, one["offset"])
        self._broken: set[int] = set()

    def skip(self) -> None:
        """Hear that records were left out: whatever comes next in each partition shows how many."""
        self._broken |= self._last.keys()

    def take(self, found: Sequence[Record]) -> None:
        """Put records on top, those that are there already and older ones left out."""
        for one in sorted(found, key=_age):
            partition, offset = one["partition"], one["offset"]
            last = self._last.get(partition)
            if last is not None and offset <= last:
                continue
            rows = {_key(one): one}
            if last is not None and partition in self._broken and offset > last + 1:
                gap = _passed(one, last + 1, offset)
                rows[f"{gap['partition']}@{gap['offset']}"] = gap
            self._broken.discard(partition)
            self._last[partition] = offset
            self.records = {**rows, **self.records}
        for key in list(self.records)[KEPT:]:
            del self.records[key]


def _key(record: Record) -> str:
    return f"{record['partition']}@{record['offset']}"


def _age(record: Record) -> tuple[int, int]:
    return record["ts"] or 0, record["offset"]


def _passed(record: Record, first: int, end: int) -> Record:
    """Give the row that stands for the offsets from `first` on, up to the one before `end`."""
    last = f" to {end - 1}" if end - 1 > first else ""
    text = f"{end - first} passed over: offset {first}{last}. t, then {first}, reads from there"
    nothing = {"as": "text", "text": "", "size": 0}
    return {
        "topic": record["topic"],
        "partition": record["partition"],
        "offset": first,
        "ts": None,
        "key": nothing,
        "value": {**nothing, "text": text},
        "headers": [],
        "passed": end - first,
    }
