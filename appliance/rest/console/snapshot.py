"""The snapshot: group, workers, connectors and tasks at one moment, in the console's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appliance.herder.entities import ConnectorInfo, ConnectorStateInfo, HerderSnapshot, TaskState
from appliance.journal.journal import Journal

_RATES: Final = ("source-record-write-rate", "sink-record-read-rate", "source-record-poll-rate")
_LAGS: Final = (
    ("lag-ms", "ms"),
    ("MilliSecondsBehindSource", "ms"),
    ("sink-record-lag-max", "records"),
)

Figures = Mapping[str, float | int | str]


def snapshot(seen: HerderSnapshot, journal: Journal) -> dict[str, Any]:
    """Give the console's snapshot; `seq` is the id of the last event it contains."""
    group = seen.group
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
        "workers": [
            {
                "id": worker.worker_id,
                "state": "up",
                "connectors": worker.connectors,
                "tasks": worker.tasks,
                "here": worker.here,
            }
            for worker in seen.workers
        ],
        "connectors": [
            _connector(name, info, seen.states.get(name)) for name, info in seen.connectors.items()
        ],
        "tasks": [
            task_entry(name, task, seen.metrics, journal)
            for name, states in seen.states.items()
            for task in states.tasks
        ],
    }


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
    connector: str, task: TaskState, metrics: Mapping[str, Figures], journal: Journal
) -> dict[str, Any]:
    """Give one task; rate and lag are null where its worker is another one."""
    figures = metrics.get(f"{connector}-{task.id}", {})
    lag, unit = lag_of(figures)
    changes = journal.newest("task", 1, f"{connector}-{task.id}")
    return {
        "id": f"{connector}:{task.id}",
        "worker": task.worker_id,
        "state": task.state,
        "rate": rate_of(figures),
        "lag": lag,
        "unit": unit,
        "error": None if task.trace is None else task.trace.splitlines()[0],
        "since": changes[0].body["ts"] if changes else None,
    }


def rate_of(figures: Figures) -> float | None:
    """Give a task's records per second."""
    for name in _RATES:
        value = figures.get(name)
        if isinstance(value, (int, float)):
            return round(float(value), 1)
    return None


def lag_of(figures: Figures) -> tuple[float | None, str | None]:
    """Give how far a task is behind, and in what unit."""
    for name, unit in _LAGS:
        value = figures.get(name)
        if isinstance(value, (int, float)):
            return float(value), unit
    return None, None


def rates(seen: HerderSnapshot) -> list[Any]:
    """Give [task, rate, lag] of every task with figures."""
    found = []
    for text, figures in sorted(seen.metrics.items()):
        connector, _, number = text.rpartition("-")
        found.append([f"{connector}:{number}", rate_of(figures), lag_of(figures)[0]])
    return found
