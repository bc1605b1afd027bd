"""Waiting on a condition with a deadline: what tests do instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], what: str, timeout_s: float = 60.0, every_s: float = 0.05
) -> T:
    """Give the condition's first true value; AssertionError names `what` when time is over.

    An exception of the condition counts as "not yet" and is shown if it stays.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        last: object = None
        try:
            value = condition()
            if value:
                return value
            last = value
        except Exception as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}; last seen: {last!r}")
        time.sleep(every_s)
