"""Rebalance history: what every worker wrote of one generation, put together, with cause and standstill.

Each worker journals its own view of a rebalance; a generation here is the sum of these. Pure functions of
the journal's events, oldest first.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.herder.herder import JOINING, UNSAID, WORKER_DIED
from appliance.journal.journal import Event
from appliance.rest.console.standstill import Moves

_EARLY_MS: Final = 500


@dataclass(slots=True)
class _Generation:
    """One generation in the making; `owned` is what each worker has after it, None while unknown."""

    id: int
    number: int
    leader: str
    started_ms: int
    ended_ms: int
    began_ms: dict[str, int] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    changed: str = ""
    reporters: set[str] = field(default_factory=set)
    connectors: set[str] = field(default_factory=set)
    assigned: dict[str, str] = field(default_factory=dict)
    revoked: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    owned: dict[str, list[str]] | None = None
    delay_ms: int = 0


def history(events: Iterable[Event], connectors: Collection[str]) -> list[dict[str, Any]]:
    """Give the generations, newest first; `connectors` tells their names from those of tasks."""
    known = list(events)
    generations = _generations(event for event in known if event.type == "rebalance")
    moves = Moves(event for event in known if event.type != "rebalance")
    owners: dict[str, str] = {}
    losses: dict[str, list[int]] = {}
    answer = []
    before: _Generation | None = None
    for at, generation in enumerate(generations):
        for task in generation.lost:
            losses.setdefault(task, []).append(generation.started_ms)
        later = generations[at + 1 :]
        answer.append(_told(generation, before, later, owners, moves, losses, connectors))
        owners.update(generation.assigned)
        for worker, work in (generation.owned or {}).items():
            owners.update(dict.fromkeys(work, worker))
        before = generation
    return answer[::-1]


def _generations(events: Iterable[Event]) -> list[_Generation]:
    found: list[_Generation] = []
    for event in events:
        body = event.body
        number, worker, leader = body["generation"], body["worker"], address(body["leader_url"])
        started_ms = int(body.get("started_ms", body["ts"]))
        last = next((past for past in reversed(found[-4:]) if past.number == number), None)
        if last is None or worker in last.reporters or last.leader != leader:
            last = _Generation(event.id, number, leader, started_ms, started_ms)
            found.append(last)
        last.reporters.add(worker)
        last.started_ms = min(last.started_ms, started_ms)
        last.ended_ms = max(last.ended_ms, started_ms + int(body.get("took_ms", 0)))
        last.began_ms[worker] = started_ms
        last.causes[worker] = str(body.get("cause", ""))
        last.changed = last.changed or str(body.get("changed", ""))
        last.assigned.update(dict.fromkeys(body.get("assigned", ()), worker))
        last.revoked.update(dict.fromkeys(body.get("revoked", ()), worker))
        last.connectors.update(body.get("connectors", ()))
        last.delay_ms = max(last.delay_ms, int(body.get("delay_ms", 0)))
        if "owned" in body:
            last.owned = {address(url): work for url, work in body["owned"].items()}
            last.lost = list(body.get("lost", ()))
    return found


def address(url: str | None) -> str:
    """Give a worker's id for its URL."""
    return (url or "").rsplit("://", maxsplit=1)[-1].rstrip("/")


def _told(
    now: _Generation,
    before: _Generation | None,
    later: Sequence[_Generation],
    owners: Mapping[str, str],
    moves: Moves,
    losses: Mapping[str, Sequence[int]],
    connectors: Collection[str],
) -> dict[str, Any]:
    def is_task(text: str) -> bool:
        return text not in connectors and text not in now.connectors

    members = None if now.owned is None else set(now.owned)
    past = None if before is None or before.owned is None else set(before.owned)
    changed = members is not None and past is not None
    joined = sorted(members - past) if changed and members and past else []
    left = sorted(past - members) if changed and members is not None and past else []

    def died(workers: Collection[str]) -> bool:
        theirs = [task for task, worker in owners.items() if worker in workers and is_task(task)]
        said = WORKER_DIED in now.causes.values()
        return said or _never_stopped(theirs, moves, now.started_ms)

    stopped = {}
    for task in filter(is_task, now.assigned):
        # one that moved on before it ran stood still until the later move
        again = next((next_ for next_ in later if task in next_.assigned), None)
        until_ms = None if again is None else again.started_ms
        worker = now.assigned[task]
        since_ms = now.began_ms[worker]
        lost_ms = losses.get(task, ())
        span = moves.standstill(task, worker, since_ms, until_ms, lost_ms, now.started_ms)
        if span is not None:
            stopped[task] = span
    lost = [task for task in now.lost if is_task(task)]
    revoked = {task: worker for task, worker in now.revoked.items() if is_task(task)}
    return {
        "id": now.id,
        "gen": now.number,
        "leader": now.leader,
        "phase": _phase(now, before),
        "cause": _cause(now, before, past, joined, left, died, lost, revoked),
        "started": now.started_ms,
        "took_ms": now.ended_ms - now.started_ms,
        "delay_until": now.started_ms + now.delay_ms if now.delay_ms else None,
        "joined": joined,
        "left": left,
        "workers": {
            worker: sum(map(is_task, work)) for worker, work in sorted((now.owned or {}).items())
        },
        "revoked": [{"task": task, "from": worker} for task, worker in revoked.items()],
        "assigned": [
            {"task": task, "from": owners.get(task), "to": worker}
            for task, worker in now.assigned.items()
            if is_task(task)
        ],
        "lost": lost,
        "standstill_ms": stopped,
        "stopped_ms": {
            "p50": round(statistics.median(stopped.values())) if stopped else None,
            "max": max(stopped.values(), default=None),
        },
    }


def _phase(now: _Generation, before: _Generation | None) -> str:
    if now.delay_ms:
        return "waiting"
    if now.revoked:
        return "revoke"
    return "assign" if before is not None and before.revoked and now.assigned else "stable"


def _cause(
    now: _Generation,
    before: _Generation | None,
    past: Collection[str] | None,
    joined: Sequence[str],
    left: Sequence[str],
    died: Callable[[Collection[str]], bool],
    lost: Sequence[str],
    revoked: Collection[str],
) -> dict[str, str | None]:
    also = f"; {now.changed}" if now.changed else ""
    if left:
        how = "died" if died(left) else "left"
        wait = f"{_tasks(lost)} wait{'s' if len(lost) == 1 else ''}"
        kept = f"; its {len(lost)} {wait} {now.delay_ms / 1000:g} s" if now.delay_ms else ""
        return {
            "kind": how,
            "worker": left[0],
            "detail": f"{', '.join(left)} {how}{kept}{also}",
        }
    if joined:
        detail = f"{', '.join(joined)} joined"
        if revoked:
            detail += f": {len(revoked)} {_tasks(revoked)} revoked to level the load"
        return {"kind": "joined", "worker": joined[0], "detail": detail + also}
    reporter, said = next(
        (told for told in now.causes.items() if told[1] not in {UNSAID, WORKER_DIED, ""}),
        (None, UNSAID),
    )
    if said == JOINING and past and reporter is not None and reporter in past:
        # it was away for less than a generation: the group never saw it missing
        how = "died" if died([reporter]) else "was restarted"
        detail = f"{reporter} {how} and is back: its tasks start again{also}"
        return {"kind": "rejoined", "worker": reporter, "detail": detail}
    if now.changed:
        return {"kind": "config", "worker": reporter, "detail": now.changed}
    if before is not None and before.revoked and now.assigned:
        detail = "what was revoked before goes to its new workers"
        return {"kind": "follow_up", "worker": None, "detail": detail}
    if reporter is None:
        return {"kind": "unknown", "worker": None, "detail": said}
    kind = "delay_over" if said.startswith("the delay") else "config"
    return {"kind": kind, "worker": reporter, "detail": said}


def _tasks(which: Collection[str]) -> str:
    return "task" if len(which) == 1 else "tasks"


def _never_stopped(tasks: Iterable[str], moves: Moves, started_ms: int) -> bool:
    """Tell whether none of a former worker's tasks was stopped before it was missed, as when it is killed."""
    last = []
    for task in tasks:
        for when, state, _ in reversed(moves.of(task)):
            # with the next worker the task runs after that, whose clock may be another
            if when <= started_ms + _EARLY_MS and not (when > started_ms and state == "RUNNING"):
                last.append(state)
                break
    return bool(last) and "UNASSIGNED" not in last
