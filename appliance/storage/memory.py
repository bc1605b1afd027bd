"""MemoryLog: the log of a standalone worker's configurations and statuses, gone with the process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future

from appliance.storage.log import KeyValue, OnRecord


class MemoryLog:
    """A `Log` that hands every record to its subscriber at once, on the writer's thread."""

    def __init__(self) -> None:
        self._on_record: OnRecord | None = None
        self._next_offset = 0
        self._lock = threading.RLock()

    def subscribe(self, on_record: OnRecord) -> None:
        """Give every record to `on_record`."""
        self._on_record = on_record

    def read_to_end(self, timeout_s: float, *, decided: bool = False) -> None:
        """Return: everything has been given to the subscriber already."""

    def send(self, key: bytes, value: bytes | None) -> Future[None]:
        """Append."""
        self.write([(key, value)], 0)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def write(self, records: Sequence[KeyValue], timeout_s: float) -> None:
        """Append."""
        with self._lock:
            for key, value in records:
                offset = self._next_offset
                self._next_offset += 1
                if self._on_record is not None:
                    self._on_record(key, value, offset)

    def claim(self, timeout_s: float) -> None:
        """Return: nobody else writes."""

    def purge(self) -> None:
        """Return: nothing is ever under way."""
