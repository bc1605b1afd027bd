"""The newest log lines of a worker and its task processes, kept in memory for the console.

A task process sends its lines up the channel, at most LINES_PER_S of them; the rest is in the log itself.
Ids start at the time of the first line in µs, so that those of a restarted worker are later than all of its
predecessor's and whoever asks for what is new goes on. Any thread.
"""

from __future__ import annotations

import collections
import logging
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.telemetry import logs
from appliance.telemetry.names import java_name

KEPT: Final = 2000
LINES_PER_S: Final = 200
_LONGEST: Final = 4000


class Line(NamedTuple):
    """One line; `id` grows, over restarts too, `ts` in ms since the epoch, `context` as `a|task-0`."""

    id: int
    ts: int
    level: str
    logger: str
    context: str
    message: str


class LineRing:
    """The last KEPT lines."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lines: collections.deque[Line] = collections.deque(maxlen=KEPT)
        self._last = 0
        self._lock = threading.Lock()

    def append(self, ts: int, level: str, logger: str, context: str, message: str) -> None:
        """Add a line."""
        with self._lock:
            # not where it is made: workers are forked from one process that holds it
            self._last = (self._last or self._clock.now_ns() // 1000) + 1
            self._lines.append(Line(self._last, ts, level, logger, context, message))

    def after(self, id: int) -> list[Line]:
        """Give the lines later than `id`, oldest first; all when `id` is none of a line here or before."""
        with self._lock:
            # the clock was set back between two processes
            known = id if id <= self._last else 0
            return [line for line in self._lines if line.id > known]


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
