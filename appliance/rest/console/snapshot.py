"""The snapshot: group, workers, connectors and tasks at one moment, in the console's form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from appliance.herder.entities import ConnectorInfo, ConnectorStateInfo, HerderSnapshot, TaskState
from appliance.journal.journal import Journal

_RATES: Final = ("source-record-write-rate", "sink-record-read-rate", "source-record-poll-rate")
_PACKAGE: Final = re.compile(r"\b(?:[a-z]\w*\.)+(?=[A-Z]\w*(?:Exception|Error)\b)")
_LAGS: Final = (
    ("lag-ms", "ms"),
    ("milliseconds_behind_source", "ms"),
    ("sink-record-lag-max", "records"),
)
_STEP_MS: Final = 10_000

Figures = Mapping[str, float | int | str]


def snapshot(
    seen: HerderSnapshot, journal: Journal, workers: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Give the console's snapshot; `seq` is the id of the last event it contains.

    `workers` holds the figures of each worker that answered, by its id.
    """
    group = seen.group
    metrics: dict[str, Figures] = {}
    for figures in workers.values():
        metrics.update(figures["metrics"])
    return {
        "seq": journal.last_id,
        "ts": seen.taken_ms,
        "group": {
            "id": group.group_id,
            "gen": group.generation,
            "leader": group.leader_url,
            "phase": group.phase,
            "delay_until": group.delay_until_ms,
            "problem": group.problem,
        },
        "workers": worker_entries(seen, workers),
        "connectors": [
            _connector(name, info, seen.states.get(name)) for name, info in seen.connectors.items()
        ],
        "tasks": [
            task_entry(name, task, metrics, journal, seen.taken_ms)
            for name, states in seen.states.items()
            for task in states.tasks
        ],
    }


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


def _connector(
    name: str, info: ConnectorInfo, states: ConnectorStateInfo | None
) -> dict[str, Any]:
    queue = info.config.get("errors.deadletterqueue.topic.name")
    topics = info.config.get("topics") or info.config.get("topic") or ""
    return {
        "name": name,
        "type": info.type,
        "state": "UNASSIGNED" if states is None else states.connector.state,
        "worker": None if states is None else states.connector.worker_id,
        "trace": None if states is None else states.connector.trace,
        "plugin": info.config.get("connector.class"),
        "topics": [topic.strip() for topic in topics.split(",") if topic.strip()],
        "tasks": len(info.tasks),
        "dlq": {"topic": queue} if queue else None,
    }


def task_entry(
    connector: str,
    task: TaskState,
    metrics: Mapping[str, Figures],
    journal: Journal,
    now_ms: int,
) -> dict[str, Any]:
    """Give one task; rate and lag are null where its worker is another one."""
    figures = metrics.get(f"{connector}-{task.id}", {})
    lag, unit = lag_of(figures, now_ms)
    return {
        "id": f"{connector}:{task.id}",
        "worker": task.worker_id,
        "state": task.state,
        "rate": rate_of(figures),
        "lag": lag,
        "unit": unit,
        "error": None if task.trace is None else reason(task.trace),
        "since": journal.changed_ms(f"{connector}-{task.id}"),
    }


def reason(trace: str) -> str:
    """Give what went wrong in one line: the innermost cause, its class without the package."""
    lines = trace.splitlines()
    causes = [line for line in lines if line.startswith("Caused by: ")]
    line = causes[-1].removeprefix("Caused by: ") if causes else lines[0] if lines else ""
    return _PACKAGE.sub("", line)


def rate_of(figures: Figures) -> float | None:
    """Give a task's records per second."""
    for name in _RATES:
        value = figures.get(name)
        if isinstance(value, (int, float)):
            return round(float(value), 1)
    return None


def lag_of(figures: Figures, now_ms: int) -> tuple[float | None, str | None]:
    """Give how far a task is behind, and in what unit.

    Of a source that asks in intervals it is the age of its last complete answer, in steps of `_STEP_MS`:
    a stream in which nothing happens stays silent.
    """
    for name, unit in _LAGS:
        value = figures.get(name)
        if isinstance(value, (int, float)):
            return float(value), unit
    polled_ms = figures.get("last_poll_ms")
    if isinstance(polled_ms, (int, float)):
        age_ms = max(0, now_ms - int(polled_ms))
        return float(age_ms - age_ms % _STEP_MS), "ms"
    return None, None


def rates(metrics: Mapping[str, Figures], now_ms: int) -> list[Any]:
    """Give [task, rate, lag] of every task with figures."""
    found = []
    for text, figures in sorted(metrics.items()):
        connector, _, number = text.rpartition("-")
        found.append([f"{connector}:{number}", rate_of(figures), lag_of(figures, now_ms)[0]])
    return found
