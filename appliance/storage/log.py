"""Log: what the stores ask of the log below them, whether it is a topic, memory or a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

OnRecord = Callable[[bytes, bytes | None, int], None]
"""Takes key, value (None: deletion) and offset of a record, in order, on one thread at a time."""

KeyValue = tuple[bytes, bytes | None]


class Log(Protocol):
    """An ordered log of keys and values in which the last value of a key counts; any thread."""

    def subscribe(self, on_record: OnRecord) -> None:
        """Give every record, the stored ones first, to `on_record`; call before the log is started."""

    def read_to_end(self, timeout_s: float, *, decided: bool = False) -> None:
        """Return when all that was acknowledged before the call has been given to the subscriber.

        With `decided` also what a transaction wrote that was under way at the call, once it is committed.
        Raises RetriableError when that takes longer.
        """

    def send(self, key: bytes, value: bytes | None) -> Future[None]:
        """Append without waiting; tried once, the Future fails with ConnectError."""

    def write(self, records: Sequence[KeyValue], timeout_s: float) -> None:
        """Append and wait until all is acknowledged, trying again meanwhile.

        Raises RetriableError when that takes longer, NotLeaderError when another worker has taken the
        right to write.
        """

    def claim(self, timeout_s: float) -> None:
        """Take the right to write from every other worker, where the log knows such a right."""

    def purge(self) -> None:
        """Forget what was sent and is not on its way yet."""
