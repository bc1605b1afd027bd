"""Sets of global transaction ids: MySQL's intervals per source, MariaDB's last number per domain.

Both kinds offer the same: `add_all`, `contains`, `copy`, `text`. Not thread-safe. Semantics: MySQL 9.7
`GTID_SUBSET` with tags, MariaDB 10.11 `gtid_slave_pos`.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import Self

from appliance.connectors.binlog.events import Gtid
from appliance.errors import ConnectError


class MySqlGtidSet:
    """Closed intervals of numbers per source (`uuid` or `uuid:tag`), sorted and apart."""

    def __init__(self, text: str = "") -> None:
        """Read `uuid:1-3:8:tag:4-5,uuid:...`. Raises ConnectError."""
        self._intervals: dict[str, list[list[int]]] = {}
        for part in text.replace("\n", "").split(","):
            if part.strip():
                self._read(part.strip())

    def _read(self, part: str) -> None:
        source, *rest = part.split(":")
        name = source = source.lower()
        for word in rest:
            if not word[:1].isdigit():
                name = f"{source}:{word.strip().lower()}"
                continue
            first, _, last = word.partition("-")
            try:
                self.add_interval(name, int(first), int(last or first))
            except ValueError as error:
                raise ConnectError(
                    f"Reading the GTID set failed at {part!r}; correct the stored offset"
                ) from error

    def add_interval(self, source: str, first: int, last: int) -> None:
        """Add the numbers `first` to `last` of a source."""
        intervals = self._intervals.setdefault(source, [])
        if intervals and intervals[-1][0] <= first <= intervals[-1][1] + 1:
            intervals[-1][1] = max(intervals[-1][1], last)
            return
        at = bisect.bisect_left(intervals, [first, last])
        intervals.insert(at, [first, last])
        merged = [intervals[0]]
        for interval in intervals[1:]:
            if interval[0] <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], interval[1])
            else:
                merged.append(interval)
        self._intervals[source] = merged

    def add_all(self, gtids: Iterable[Gtid]) -> None:
        """Add transactions; runs of neighbours, the usual case, are added at once."""
        source, first, last = "", 0, -1
        for name, number, *_ in gtids:
            if name == source and number == last + 1:
                last = number
                continue
            if source:
                self.add_interval(source, first, last)
            source, first, last = name, number, number
        if source:
            self.add_interval(source, first, last)

    def contains(self, gtid: Gtid) -> bool:
        """Whether a transaction is in the set."""
        return any(a <= gtid.number <= b for a, b in self._intervals.get(gtid.source, ()))

    def contains_all(self, other: MySqlGtidSet) -> bool:
        """Whether every transaction of `other` is in this set."""
        return all(
            any(a <= first and last <= b for a, b in self._intervals.get(source, ()))
            for source, intervals in other._intervals.items()
            for first, last in intervals
        )

    def union(self, other: MySqlGtidSet) -> MySqlGtidSet:
        """Give the transactions of both."""
        result = self.copy()
        for source, intervals in other._intervals.items():
            for first, last in intervals:
                result.add_interval(source, first, last)
        return result

    def only(self, sources: Iterable[str]) -> MySqlGtidSet:
        """Give the transactions of some sources (uuids)."""
        wanted = set(sources)
        result = MySqlGtidSet()
        for source, intervals in self._intervals.items():
            if source.partition(":")[0] in wanted:
                result._intervals[source] = [list(pair) for pair in intervals]
        return result

    @property
    def sources(self) -> set[str]:
        """Give the uuids in the set."""
        return {source.partition(":")[0] for source in self._intervals}

    @property
    def tagged(self) -> bool:
        """Whether any transaction has a tag."""
        return any(":" in source for source in self._intervals)

    def copy(self) -> Self:
        result = type(self)()
        result._intervals = {
            source: [list(pair) for pair in intervals]
            for source, intervals in self._intervals.items()
        }
        return result

    @property
    def text(self) -> str:
        """Give the set as the server writes it, without blanks."""
        by_uuid: dict[str, list[str]] = {}
        for source in sorted(self._intervals):
            uuid, _, tag = source.partition(":")
            words = by_uuid.setdefault(uuid, [])
            words += [tag] if tag else []
            words += [f"{a}-{b}" if a < b else str(a) for a, b in self._intervals[source]]
        return ",".join(":".join([uuid, *words]) for uuid, words in by_uuid.items())

    def __bool__(self) -> bool:
        return bool(self._intervals)


class MariaDbGtidSet:
    """The last transaction of each domain, `domain-server-number`."""

    def __init__(self, text: str = "") -> None:
        """Read `0-1-25,1-2-7`. Raises ConnectError."""
        self._last: dict[str, str] = {}
        for part in text.split(","):
            if part.strip():
                domain, dash, rest = part.strip().partition("-")
                if not dash or not rest.replace("-", "").isdigit():
                    raise ConnectError(
                        f"Reading the GTID position failed at {part!r}; correct the stored offset"
                    )
                self._last[domain] = f"{domain}-{rest}"

    def add_all(self, gtids: Iterable[Gtid]) -> None:
        """Move domains on to these transactions, in order."""
        last = self._last
        for gtid in gtids:
            last[gtid.source] = gtid.text

    def contains(self, gtid: Gtid) -> bool:
        """Whether a transaction of its domain has been reached."""
        last = self._last.get(gtid.source)
        return last is not None and int(last.rpartition("-")[2]) >= gtid.number

    def contains_all(self, other: MariaDbGtidSet) -> bool:
        """Whether every domain is at or behind `other`'s."""
        return all(
            domain in self._last
            and int(self._last[domain].rpartition("-")[2]) >= int(last.rpartition("-")[2])
            for domain, last in other._last.items()
        )

    def only(self, sources: Iterable[str]) -> MariaDbGtidSet:
        """Give the position in some domains."""
        result = MariaDbGtidSet()
        wanted = set(sources)
        result._last = {d: last for d, last in self._last.items() if d in wanted}
        return result

    @property
    def sources(self) -> set[str]:
        """Give the domains in the position."""
        return set(self._last)

    @property
    def tagged(self) -> bool:
        """MariaDB has no tags."""
        return False

    def copy(self) -> Self:
        result = type(self)()
        result._last = dict(self._last)
        return result

    @property
    def text(self) -> str:
        """Give the position as the server writes it."""
        return ",".join(self._last.values())

    def __bool__(self) -> bool:
        return bool(self._last)


GtidSet = MySqlGtidSet | MariaDbGtidSet
