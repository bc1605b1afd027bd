"""The snapshot: group, workers, connectors and tasks at one moment, in the console's form.

It and the events after its `seq` must be the whole truth, while statuses and events come over different
topics: an event that came lately may be about a state whose status is not here yet. So what the latest
events say stands above the statuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any, Final, NamedTuple

from appliance.herder.entities import ConnectorInfo, HerderSnapshot
from appliance.journal.journal import Event, Journal, Revised
from appliance.rest.console.trends import Figures, rate_of
from appliance.rest.console.trends import Told as Trends

_QUEUE: Final = "errors.deadletterqueue.topic.name"
_PACKAGE: Final = re.compile(r"\b(?:[a-z]\w*\.)+(?=[A-Z]\w*(?:Exception|Error)\b)")
_LAGS: Final = (
    ("lag-ms", "ms"),
    ("milliseconds_behind_source", "ms"),
    ("records_behind", "records"),
)
_STEP_MS: Final = 10_000
STATUS_LAG_S: Final = 10.0
"""How long after its event a status may come; later on the status alone counts."""

Key = tuple[str, int | None]
"""A connector, or one of its tasks by number."""


class Told(NamedTuple):
    """What the journal had told at one moment: the id of its last event, and the latest events."""

    seq: int
    latest: Iterable[Event]

    @classmethod
    def by(cls, journal: Journal) -> Told:
        """Give it as of now; to be taken before the statuses that it is to be put above."""
        return cls(*journal.recent(STATUS_LAG_S))


class _State(NamedTuple):
    state: str
    worker: str | None
    trace: str | None


def snapshot(
    seen: HerderSnapshot,
    told: Told,
    journal: Journal,
    workers: Mapping[str, Mapping[str, Any]],
    trends: Trends,
) -> dict[str, Any]:
    """Give the console's snapshot; `seq` is the id of the last event it contains.

    `seen` was taken after `told`; `workers` holds the figures of each worker that answered, by its id.
    """
    group = seen.group
    metrics: dict[str, Figures] = {}
    for figures in workers.values():
        metrics.update(figures["metrics"])
    states = _states(seen, told.latest)
    return {
        "seq": told.seq,
        "ts": seen.taken_ms,
        "group": {
            "id": group.group_id,
            "gen": group.generation,
            "leader": group.leader_url,
            "phase": group.phase,
            "protocol": group.protocol,
            "delay_until": group.delay_until_ms,
            "problem": group.problem,
        },
        "workers": worker_entries(seen, workers),
        "connectors": [
            _connector(name, info, states.get((name, None)), journal.revised(name), seen)
            for name, info in seen.connectors.items()
        ],
        "tasks": [
            {
                **_task(name, task.task, states[name, task.task], metrics, seen.taken_ms),
                "since": journal.changed_ms(f"{name}-{task.task}"),
                "restarts": journal.restarts(f"{name}-{task.task}"),
                "hist": trends.of_task(f"{name}-{task.task}", seen.taken_ms),
            }
            for name, info in seen.connectors.items()
            for task in info.tasks
            if (name, task.task) in states
        ],
    }


def _states(seen: HerderSnapshot, latest: Iterable[Event]) -> dict[Key, _State]:
    """Give the state of each connector and task: its status, and above it what events told lately."""
    states: dict[Key, _State] = {}
    for name, known in seen.states.items():
        own = known.connector
        states[name, None] = _State(own.state, own.worker_id, own.trace)
        for task in known.tasks:
            states[name, task.id] = _State(task.state, task.worker_id, task.trace)
    for event in latest:
        if event.type not in {"connector", "task"}:
            continue
        body = event.body
        key: Key = body["key"], None
        if event.type == "task":
            name, _, number = str(body["key"]).rpartition("-")
            key = name, int(number)
        before = states.get(key)
        # what its former worker says of something that another one has taken counts no more
        late = (
            body["to"] == "UNASSIGNED" and before is not None and before.worker != body["worker"]
        )
        if not late:
            states[key] = _State(body["to"], body["worker"], body.get("trace"))
    return states


def worker_entries(
    seen: HerderSnapshot, workers: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Give the group's workers; what only the worker itself can tell is null where it does not answer."""
    found = []
    for worker in seen.workers:
        own = workers.get(worker.worker_id)
        rates = [] if own is None else [rate_of(figures) for figures in own["metrics"].values()]
        found.append(
            {
                "id": worker.worker_id,
                "state": "up" if own is not None else "silent",
                "connectors": worker.connectors,
                "tasks": worker.tasks,
                "here": worker.here,
                "rate": None if own is None else round(sum(rate or 0.0 for rate in rates), 1),
                "beat_ms": None if own is None else own["beat_ms"],
                **({} if own is None else own["process"]),
            }
        )
    return found


def _version(name: str, seen: HerderSnapshot) -> str | None:
    """Give the version of a connector's plugin, as the worker that runs it says."""
    known = seen.states.get(name)
    return None if known is None else known.connector.version


def _connector(
    name: str,
    info: ConnectorInfo,
    known: _State | None,
    revised: Revised | None,
    seen: HerderSnapshot,
) -> dict[str, Any]:
    queue = info.config.get(_QUEUE)
    named = info.config.get("topics") or info.config.get("topic") or ""
    topics = [topic.strip() for topic in named.split(",") if topic.strip()]
    return {
        "name": name,
        "type": info.type,
        "state": "UNASSIGNED" if known is None else known.state,
        "worker": None if known is None else known.worker,
        "trace": None if known is None else known.trace,
        "plugin": info.config.get("connector.class"),
        "version": _version(name, seen),
        # of one whose configuration names none those that it has used
        "topics": topics or sorted(seen.topics.get(name, ())),
        "tasks": len(info.tasks),
        "dlq": {"topic": queue} if queue else None,
        "rev": None if revised is None else revised.number,
        "changed": None if revised is None else revised.ts,
        "changed_by": None if revised is None else revised.by,
    }


def _task(
    connector: str,
    number: int,
    known: _State,
    metrics: Mapping[str, Figures],
    now_ms: int,
) -> dict[str, Any]:
    """Give one task; rate, lag and trouble are null where its worker does not answer."""
    figures = metrics.get(f"{connector}-{number}", {})
    lag, unit = lag_of(figures, now_ms)
    return {
        "id": f"{connector}:{number}",
        "worker": known.worker,
        "state": known.state,
        "rate": rate_of(figures),
        "lag": lag,
        "unit": unit,
        "error": trouble_of(figures) if known.trace is None else reason(known.trace),
    }


def trouble_of(figures: Figures) -> str | None:
    """Give what a task that runs waits for and tries again."""
    trouble = figures.get("trouble")
    return str(trouble) if trouble else None


def reason(trace: str) -> str:
    """Give what went wrong in one line: the innermost cause, its class without the package."""
    lines = trace.splitlines()
    causes = [line for line in lines if line.startswith("Caused by: ")]
    line = causes[-1].removeprefix("Caused by: ") if causes else lines[0] if lines else ""
    return _PACKAGE.sub("", line)


def lag_of(figures: Figures, now_ms: int) -> tuple[float | None, str | None]:
    """Give how far a task is behind, None where it does not know, and in what unit.

    Of a source that asks in intervals it is the age of its last complete answer, in steps of `_STEP_MS`:
    a stream in which nothing happens stays silent.
    """
    for name, unit in _LAGS:
        value = figures.get(name)
        if name in figures:
            return known(value), unit
    polled_ms = figures.get("last_poll_ms")
    if isinstance(polled_ms, (int, float)):
        age_ms = max(0, now_ms - int(polled_ms))
        return float(age_ms - age_ms % _STEP_MS), "ms"
    return None, None


def known(value: object) -> float | None:
    """Give a figure as a number, None where a task says that it does not know it."""
    # not a number; of another worker, null
    return float(value) if isinstance(value, (int, float)) and not isnan(value) else None


def rates(metrics: Mapping[str, Figures], now_ms: int) -> list[Any]:
    """Give [task, rate, lag] of every task with figures, and what it waits for, if there is such."""
    found = []
    for text, figures in sorted(metrics.items()):
        connector, _, number = text.rpartition("-")
        trouble = trouble_of(figures)
        found.append(
            [
                f"{connector}:{number}",
                rate_of(figures),
                lag_of(figures, now_ms)[0],
                *([] if trouble is None else [trouble]),
            ]
        )
    return found


def letters(metrics: Mapping[str, Figures], seen: HerderSnapshot) -> dict[str, int]:
    """Give how many letters the tasks with figures have written into each dead letter queue."""
    found: dict[str, int] = {}
    for text, figures in metrics.items():
        info = seen.connectors.get(text.rpartition("-")[0])
        queue = None if info is None else info.config.get(_QUEUE)
        if queue:
            written = figures.get("deadletterqueue-produce-requests")
            found[queue] = found.get(queue, 0) + int(written or 0)
    return found
