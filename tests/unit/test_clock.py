"""What waits cost: timers of one thread may be late, those of others are not."""

from __future__ import annotations

import ctypes
import threading

from appliance.clock import let_timers_be_late

PR_GET_TIMERSLACK = 30


def slack_ns() -> int:
    """Give how late the kernel may end a time-out of this thread."""
    return int(ctypes.CDLL(None).prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0))


def test_only_the_asking_thread_and_its_own_are_late_when_timers_may_be():
    """A thread that mostly waits may have its timers late without harm to its process's others."""
    before = slack_ns()
    found: list[int] = []

    def note() -> None:
        found.append(slack_ns())

    def ask() -> None:
        let_timers_be_late(0.1)
        note()
        inner = threading.Thread(target=note)
        inner.start()
        inner.join()

    outer = threading.Thread(target=ask)
    outer.start()
    outer.join()
    assert found == [100_000_000, 100_000_000]
    assert slack_ns() == before
