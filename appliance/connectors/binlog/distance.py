"""How many bytes of the server's binlog the stream has still to read, and how fast it reads.

The server is asked at most every `EVERY_MS`, on a connection of its own that stays open between. What cannot
be measured does not disturb the stream: it is said once and tried again. Runs on the task's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.connectors.binlog.server import Server
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.errors import ConnectError

EVERY_MS: Final = 10_000

_LOG: Final = logging.getLogger("io.debezium.connector.binlog.BinlogConnectorTask")


class Distance:
    """The measure of one task."""

    def __init__(self, dialect: Dialect, parsed: Mapping[str, Any]) -> None:
        """Ask nothing yet."""
        self._dialect = dialect
        self._parsed = parsed
        self._server: Server | None = None
        self._asked_ms = 0
        self._said = False

    def bytes(self, file: str, pos: int, now_ms: int) -> int | None:
        """Give what lies behind a place; None between two questions, and where the server does not tell."""
        if now_ms - self._asked_ms < EVERY_MS:
            return None
        self._asked_ms = now_ms
        try:
            if self._server is None:
                self._server = Server(self._dialect, self._parsed)
            files = self._server.binlog_sizes()
        except ConnectError as error:
            self.close()
            if not self._said:
                self._said = True
                _LOG.info("The distance to the end of the binlog is not known: %s", error)
            return None
        self._said = False
        return remaining(files, file, pos)

    def close(self) -> None:
        """Close the connection."""
        if self._server is not None:
            self._server.close()
            self._server = None


def remaining(files: Sequence[tuple[str, int]], file: str, pos: int) -> int | None:
    """Give the bytes behind a place in files given with their sizes, None where the file is gone."""
    names = [name for name, _ in files]
    if file not in names:
        return None
    at = names.index(file)
    return max(0, files[at][1] - pos) + sum(size for _, size in files[at + 1 :])


class Pace:
    """How fast a task reads when there is something to read; waiting for the server does not count."""

    _MEMORY_S: Final = 60.0

    def __init__(self) -> None:
        """Begin with nothing."""
        self._bytes = self._rows = 0.0
        self._busy_s = 0.0
        self._received = 0
        self._ended_s = float("-inf")

    def polled(
        self, received: int, rows: int, began_s: float, waited_s: float, ended_s: float
    ) -> None:
        """Take a poll; `received` is all bytes of the stream so far.

        What lies between two polls, up to a second, is the records' way to Kafka.
        """
        between_s = began_s - self._ended_s
        self._busy_s += ended_s - began_s - waited_s + (between_s if between_s < 1.0 else 0.0)
        self._bytes += received - self._received
        self._rows += rows
        self._received, self._ended_s = received, ended_s if rows else float("-inf")
        if self._busy_s > self._MEMORY_S:
            self._busy_s, self._bytes, self._rows = (
                self._busy_s / 2,
                self._bytes / 2,
                self._rows / 2,
            )

    @property
    def bytes_per_second(self) -> float | None:
        """Give the bytes of a busy second, None before anything was read."""
        return self._bytes / self._busy_s if self._bytes and self._busy_s > 0 else None

    @property
    def bytes_per_record(self) -> float | None:
        """Give the bytes of the binlog to a captured row, None before the first one."""
        return self._bytes / self._rows if self._rows else None
