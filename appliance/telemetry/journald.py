"""Log records as entries of systemd's journal, with connector, task, scope and logger as fields.

`journalctl -u ingest-appliance CONNECTOR=orders TASK=3` then finds a task's lines without a pattern.
Semantics: systemd's native journal protocol: one datagram per entry, `NAME=value` lines, a value with a
newline as its length in eight bytes and the value.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import Final, TextIO

SOCKET: Final = "/run/systemd/journal/socket"
_MOST_BYTES: Final = 128 << 10
_PRIORITIES: Final = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))

Fields = Mapping[str, str]


def is_journal(stream: TextIO) -> bool:
    """Tell whether systemd reads `stream` into its journal."""
    given = os.environ.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return given == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Sends records to the journal; to `spare` when it cannot be reached. Any thread."""

    def __init__(
        self, describe: Callable[[logging.LogRecord], Fields], spare: logging.Handler
    ) -> None:
        """Take what gives a record's fields, MESSAGE among them, and the handler to fall back on."""
        super().__init__()
        self._describe = describe
        self._spare = spare

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        fields = {
            **self._describe(record),
            "PRIORITY": str(priority(record)),
            "SYSLOG_IDENTIFIER": "ingest-appliance",
            "CODE_FUNC": f"{record.module}.{record.funcName}",
        }
        # A socket each time: a forked child must not share one, and records are few.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            try:
                sock.sendto(entry(fields), SOCKET)
            except OSError:
                self._spare.handle(record)


def priority(record: logging.LogRecord) -> int:
    """Give a record's syslog priority."""
    return next(number for low, number in _PRIORITIES if record.levelno >= low)


def entry(fields: Fields) -> bytes:
    """Give the datagram for fields; empty ones are left out, a very long value is cut."""
    return b"".join(
        _field(name, value.encode("utf-8", "replace")[:_MOST_BYTES])
        for name, value in fields.items()
        if value
    )


def _field(name: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return name.encode() + b"=" + value + b"\n"
    return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
