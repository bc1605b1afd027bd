"""How long a task stood still in a rebalance: from when it ran last until it runs again.

It ran last when the rebalance stopped it or its worker was lost; of a lost one that is when the group, or its
daemon, noticed. What was paused, stopped or deleted meanwhile, or had failed, stood still for another reason.
Pure functions of the journal's events, oldest first.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from appliance.ids import State
from appliance.journal.journal import Event

EVENTS: Final = ("task", "connector", "config")
"""The types of events that tell of it."""
_SET_ASIDE: Final = frozenset({State.PAUSED, State.STOPPED, State.FAILED, State.DESTROYED})


class Move(NamedTuple):
    """A task's change of state, as the worker that has it wrote it at `ms`."""

    ms: int
    state: str
    worker: str


class Moves:
    """The changes of state of every task, and when their connectors were set aside."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._of: dict[str, list[Move]] = {}
        self._aside: dict[str, list[int]] = {}
        for event in events:
            body = event.body
            if event.type == "task":
                move = Move(body["ts"], body["to"], body["worker"])
                self._of.setdefault(body["key"], []).append(move)
            elif _sets_aside(event):
                self._aside.setdefault(body["key"], []).append(body["ts"])

    def of(self, task: str) -> Sequence[Move]:
        """Give a task's changes of state, oldest first."""
        return self._of.get(task, ())

    def standstill(
        self,
        task: str,
        worker: str,
        since_ms: int,
        until_ms: int | None,
        losses_ms: Collection[int],
        noticed_ms: int,
    ) -> int | None:
        """Give the ms from when a task ran last until it ran again at `worker`.

        It did so from `since_ms` on and before `until_ms`. `losses_ms` is when it was lost with a worker.
        One that nobody stopped was lost too, at the latest at `noticed_ms`. None when it did not run again,
        or did not stand still because of a rebalance.
        """
        moves = self.of(task)
        first = bisect.bisect_left(moves, since_ms, key=lambda move: move.ms)
        again = (at for at in range(first, len(moves)) if _runs_at(moves[at], worker))
        at = next(again, None)
        if at is None or (until_ms is not None and moves[at].ms >= until_ms):
            return None
        ran_ms: int | None = None
        ended: list[int] = []
        for move in reversed(moves[:at]):
            if move.state == State.RUNNING:
                ran_ms = move.ms
                break
            if move.state in _SET_ASIDE:
                return None
            if move.state == State.UNASSIGNED:
                ended.append(move.ms)
        again_ms = moves[at].ms
        after_ms = -1 if ran_ms is None else ran_ms
        ended += [ms for ms in losses_ms if after_ms < ms <= again_ms]
        if not ended and ran_ms is not None and after_ms < noticed_ms <= again_ms:
            ended.append(noticed_ms)
        connector = task.rpartition("-")[0]
        aside = any(after_ms < ms <= again_ms for ms in self._aside.get(connector, ()))
        return None if aside or not ended else again_ms - min(ended)


def _runs_at(move: Move, worker: str) -> bool:
    return move.state == State.RUNNING and move.worker == worker


def _sets_aside(event: Event) -> bool:
    """Tell whether a connector was paused, stopped or deleted."""
    if event.type == "connector":
        return event.body["to"] in {State.PAUSED, State.STOPPED}
    return event.type == "config" and event.body.get("config") is None
