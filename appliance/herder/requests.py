"""RequestQueue: what the tick has to do, and when.

Steps are queued on any thread and run on the tick thread, in order of their time. A step answers through
a Future: with its value, with its exception, or later, when it gives back a Future of its own.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from appliance.clock import Clock
from appliance.errors import ConnectError

T = TypeVar("T")

Step = Callable[[], Any]


class RequestQueue:
    """Steps by due time; `wake` is called, on the caller's thread, when one is added."""

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._lock = threading.Lock()
        self._number = itertools.count()
        self._heap: list[tuple[float, int, bool, Step, Future[Any]]] = []
        self._closed = False

    def submit(
        self,
        step: Callable[[], T | Future[T]],
        *,
        delay_s: float = 0.0,
        anytime: bool = False,
        future: Future[T] | None = None,
    ) -> Future[T]:
        """Queue a step; `anytime` ones need no settled group. Gives the Future of its answer."""
        answer: Future[T] = future if future is not None else Future()
        due_s = self._clock.monotonic_s() + delay_s
        with self._lock:
            closed = self._closed
            if not closed:
                heapq.heappush(self._heap, (due_s, next(self._number), anytime, step, answer))
        if closed:
            _fail(answer, ConnectError("Worker is shutting down"))
        else:
            self._wake()
        return answer

    def run_due(self, *, settled: bool) -> None:
        """Run what is due; steps that need a settled group wait for one."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            due = [entry for entry in self._heap if entry[0] <= now_s and (settled or entry[2])]
            if not due:
                return
            taken = {entry[1] for entry in due}
            self._heap = [entry for entry in self._heap if entry[1] not in taken]
            heapq.heapify(self._heap)
        for _, _, _, step, future in sorted(due, key=lambda entry: entry[:2]):
            _run(step, future)

    def next_due_s(self, *, settled: bool) -> float | None:
        """Give the seconds until the next step may run, None when there is none."""
        with self._lock:
            times = [entry[0] for entry in self._heap if settled or entry[2]]
        return max(min(times) - self._clock.monotonic_s(), 0.0) if times else None

    def close(self) -> None:
        """Fail everything that is queued, and whatever comes later."""
        with self._lock:
            self._closed = True
            left, self._heap = self._heap, []
        for entry in left:
            _fail(entry[4], ConnectError("Worker is shutting down"))


def _run(step: Step, future: Future[Any]) -> None:
    if future.cancelled():
        return
    try:
        answer = step()
    except Exception as error:  # noqa: BLE001 - the one who asked gets it
        _fail(future, error)
        return
    if isinstance(answer, Future):
        chain(answer, future)
    elif not future.done():
        future.set_result(answer)


def chain(
    source: Future[Any], target: Future[Any], form: Callable[[Any], Any] | None = None
) -> None:
    """Let `target` end as `source` does, its value put through `form`."""

    def ended(done: Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            _fail(target, error)
        elif not target.done():
            try:
                target.set_result(done.result() if form is None else form(done.result()))
            except Exception as failure:  # noqa: BLE001 - the one who asked gets it
                _fail(target, failure)

    source.add_done_callback(ended)


def _fail(future: Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
