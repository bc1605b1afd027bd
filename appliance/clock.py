"""The one module that reads time, so that everything else can be handed a clock.

`Clock` is injected wherever behaviour depends on time; tests pass `ManualClock`.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock and monotonic time, and an interruptible wait."""

    def now_ms(self) -> int:
        """Give milliseconds since the epoch."""

    def now_ns(self) -> int:
        """Give nanoseconds since the epoch."""

    def monotonic_s(self) -> float:
        """Give seconds on a clock that never goes back."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until `event` is set or `timeout_s` is over; give whether it is set."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Give milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def now_ns(self) -> int:
        """Give nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic_s(self) -> float:
        """Give seconds on a clock that never goes back."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until `event` is set or `timeout_s` is over; give whether it is set."""
        return event.wait(timeout_s)


class ManualClock:
    """A clock that moves only when told to; waiting moves it on by the timeout."""

    def __init__(self, now_ms: int = 0) -> None:
        """Start at `now_ms` milliseconds since the epoch."""
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Give milliseconds since the epoch."""
        return self._now_ms

    def now_ns(self) -> int:
        """Give nanoseconds since the epoch."""
        return self._now_ms * 1_000_000

    def monotonic_s(self) -> float:
        """Give the same time in seconds."""
        return self._now_ms / 1000

    def advance(self, ms: int) -> None:
        """Move on by `ms` milliseconds."""
        self._now_ms += ms

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Move on by `timeout_s` unless `event` is set; give whether it is set."""
        if not event.is_set():
            self._now_ms += int(timeout_s * 1000)
        return event.is_set()


SYSTEM_CLOCK = SystemClock()

_PR_SET_TIMERSLACK = 29


def let_timers_be_late(by_s: float) -> None:
    """Let time-outs of this thread, and of threads that it starts from now on, end so much later.

    The kernel then wakes many threads at once instead of one by one, which is what threads that mostly
    wait cost. What arrives (data, an event) wakes them as before. Semantics: prctl(2) PR_SET_TIMERSLACK.
    """
    # it takes a while to import, and what only speaks to a daemon needs none of it
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(int(by_s * 1e9)), 0, 0, 0)
