"""How many bytes of the server's binlog the stream has still to read.

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
            files = [(str(row[0]), int(row[1])) for row in self._server.ask("SHOW BINARY LOGS")]
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
