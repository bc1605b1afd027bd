"""The newest log lines of a worker and its task processes, kept in memory for the console.

A task process sends its lines up the channel, at most LINES_PER_S of them; the rest is in the log itself.
Any thread.
"""

from __future__ import annotations

import collections
import itertools
import logging
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

from appliance.telemetry import logs
from appliance.telemetry.names import java_name

KEPT: Final = 2000
LINES_PER_S: Final = 200
_LONGEST: Final = 4000


class Line(NamedTuple):
    """One line; `id` grows, `ts` in ms since the epoch, `context` as `connector|task-0`."""

    id: int
    ts: int
    level: str
    logger: str
    context: str
    message: str


class LineRing:
    """The last KEPT lines."""

    def __init__(self) -> None:
        self._lines: collections.deque[Line] = collections.deque(maxlen=KEPT)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def append(self, ts: int, level: str, logger: str, context: str, message: str) -> None:
        """Add a line."""
        with self._lock:
            self._lines.append(Line(next(self._numbers), ts, level, logger, context, message))

    def after(self, id: int) -> list[Line]:
        """Give the lines later than `id`, oldest first."""
        with self._lock:
            return [line for line in self._lines if line.id > id]


class Tap(logging.Handler):
    """Hands each record to `take` as (ts, level, logger, context, message)."""

    def __init__(self, take: Callable[[int, str, str, str, str], None]) -> None:
        super().__init__()
        self._take = take
        self._second = 0
        self._count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Hand it over; what comes too fast, or cannot be handed over, is left out."""
        second = int(record.created)
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        if self._count > LINES_PER_S:
            return
        try:
            context, text = logs.told(record)
            ts, level = int(record.created * 1000), logs.level_name(record)
            self._take(ts, level, java_name(record.name), context, text[:_LONGEST])
        except Exception:  # noqa: BLE001 - a console's picture must not stop what is logged about
            return


LINES: Final = LineRing()
"""The lines of this worker and its task processes."""
