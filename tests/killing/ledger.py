"""What was committed, in order: row events of each table and lines of the file."""

from __future__ import annotations

import threading
from typing import NamedTuple


class Event(NamedTuple):
    """A row event as it must show in a topic; `seq` names the row's version that it made or ended.

    `op`: r, c, u, d as in the envelope, t for the tombstone that follows a d.
    """

    op: str
    key: int
    seq: int


class Ledger:
    """Filled by the load's thread, read by others at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, list[Event]] = {}
        self.rows: dict[str, dict[int, int]] = {}
        self._lines: list[str] = []
        self.newest_seq = 0
        self.transactions = 0

    def snapshot(self, table: str, rows: dict[int, int]) -> None:
        """Rows that are there before capturing begins come as reads, in the order of their keys."""
        with self._lock:
            self.rows[table] = dict(rows)
            self._events[table] = [Event("r", key, rows[key]) for key in sorted(rows)]

    def commit(self, changes: list[tuple[str, Event]]) -> None:
        """Note a committed transaction; a delete brings its tombstone along."""
        with self._lock:
            self.transactions += 1
            for table, event in changes:
                events, rows = self._events[table], self.rows[table]
                events.append(event)
                if event.op == "d":
                    events.append(event._replace(op="t"))
                    del rows[event.key]
                else:
                    rows[event.key] = event.seq
                    self.newest_seq = max(self.newest_seq, event.seq)

    def write(self, lines: list[str]) -> None:
        """Note lines that are in the file."""
        with self._lock:
            self._lines += lines

    def events(self, table: str) -> list[Event]:
        """Give a table's events in order."""
        with self._lock:
            return list(self._events[table])

    @property
    def tables(self) -> list[str]:
        return sorted(self._events)

    @property
    def lines(self) -> list[str]:
        """Give the file's lines."""
        with self._lock:
            return list(self._lines)

    @property
    def line_count(self) -> int:
        return len(self._lines)
