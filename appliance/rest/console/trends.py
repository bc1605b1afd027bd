"""Trends: records a second of the last minutes in steps of `STEP_MS`, kept by each worker for its own tasks.

Taken whether or not a console listens, so that one that opens shows at once what went before. Steps are
numbered by the clock: what several workers kept of one task, or of the sums, fits together.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

STEP_MS: Final = 5_000
TASK_STEPS: Final = 24
FLOW_STEPS: Final = 120
_RATES: Final = ("source-record-write-rate", "sink-record-read-rate", "source-record-poll-rate")

Figures = Mapping[str, float | int | str]
Steps = dict[int, float]
"""Records a second by the number of the step."""


class Told(NamedTuple):
    """The trends of some workers: each task's, and the sums of sources and sinks."""

    tasks: dict[str, Steps]
    into: Steps
    out: Steps

    def of_task(self, key: str, now_ms: int) -> list[float]:
        """Give a task's line by the text of its id."""
        return self.line(self.tasks.get(key), now_ms, TASK_STEPS)

    def line(self, steps: Mapping[int, float] | None, now_ms: int, count: int) -> list[float]:
        """Give the newest `count` steps up to now, oldest first, from the first that is known."""
        last = now_ms // STEP_MS
        if last not in self.into:
            # it has begun, and no worker has looked at its tasks since
            last -= 1
        known = steps or {}
        first = max(last - count + 1, min(known, default=last + 1))
        return [round(known.get(step, 0.0), 1) for step in range(first, last + 1)]


class Trends:
    """The trends of this worker's tasks; any thread."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._lock = threading.Lock()
        self._tasks: dict[str, collections.deque[tuple[int, float]]] = {}
        self._flow: collections.deque[tuple[int, float, float]] = collections.deque(
            maxlen=FLOW_STEPS
        )

    def due(self, now_ms: int) -> bool:
        """Whether a new step has begun."""
        with self._lock:
            return not self._flow or self._flow[-1][0] < now_ms // STEP_MS

    def take(self, metrics: Mapping[str, Figures], now_ms: int) -> None:
        """Note the rates of a step that has begun."""
        step = now_ms // STEP_MS
        with self._lock:
            into = out = 0.0
            for key, figures in metrics.items():
                rate = rate_of(figures) or 0.0
                if "sink-record-read-rate" in figures:
                    out += rate
                else:
                    into += rate
                kept = self._tasks.setdefault(key, collections.deque(maxlen=TASK_STEPS))
                kept.append((step, rate))
            self._flow.append((step, into, out))
            for key in [
                key for key, kept in self._tasks.items() if kept[-1][0] <= step - TASK_STEPS
            ]:
                del self._tasks[key]

    def told(self) -> dict[str, Any]:
        """Give what is kept, as JSON for another worker."""
        with self._lock:
            return {
                "tasks": {key: list(kept) for key, kept in self._tasks.items()},
                "flow": list(self._flow),
            }


def merged(parts: Iterable[Mapping[str, Any]]) -> Told:
    """Give what several workers told as one."""
    found = Told({}, collections.defaultdict(float), collections.defaultdict(float))
    for part in parts:
        for key, kept in part["tasks"].items():
            found.tasks.setdefault(key, {}).update((int(step), rate) for step, rate in kept)
        for step, into, out in part["flow"]:
            found.into[int(step)] += into
            found.out[int(step)] += out
    return found


def widened(line: Sequence[float], by: int) -> list[float]:
    """Give a line in steps of `by` times the length, each the mean of those in it."""
    groups = (line[max(0, at - by) : at] for at in range(len(line), 0, -by))
    return [round(sum(group) / len(group), 1) for group in groups][::-1]


def rate_of(figures: Figures) -> float | None:
    """Give a task's records per second."""
    for name in _RATES:
        value = figures.get(name)
        if isinstance(value, (int, float)):
            return round(float(value), 1)
    return None
