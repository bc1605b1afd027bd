"""Kafka Connect itself, without this product's daemon: a snapshot made of what its REST API tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tui.client import Client, escaped
from tui.model import reason

if TYPE_CHECKING:
    from tui.scene import Asker

NEEDED: Final = "this needs ingest-appliance; what answers here is Kafka Connect"


async def stock_snapshot(client: Client, now_ms: int) -> dict[str, Any]:
    """Give the console's snapshot; rates, lags and times are unknown. Raises ClientError."""
    found = await client.get("/connectors?expand=info&expand=status")
    shown = {name: one for name, one in sorted(found.items()) if "status" in one}
    tasks = [_task(name, task) for name, one in shown.items() for task in one["status"]["tasks"]]
    connectors = [_connector(name, one) for name, one in shown.items()]
    held = [str(one["worker"]) for one in (*connectors, *tasks) if one["worker"]]
    return {
        "seq": None,
        "ts": now_ms,
        "group": {"id": "", "gen": None, "leader": None, "phase": "stable", "delay_until": None},
        "workers": [
            {
                "id": worker,
                "state": "up",
                "connectors": sum(one["worker"] == worker for one in connectors),
                "tasks": sum(one["worker"] == worker for one in tasks),
            }
            for worker in sorted(set(held))
        ],
        "connectors": connectors,
        "tasks": tasks,
    }


def _connector(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    status = one["status"]
    config = one.get("info", {}).get("config", {})
    queue = config.get("errors.deadletterqueue.topic.name")
    topics = str(config.get("topics") or config.get("topic") or "")
    return {
        "name": name,
        "type": status.get("type", "unknown"),
        "state": status["connector"]["state"],
        "worker": status["connector"].get("worker_id"),
        "trace": status["connector"].get("trace"),
        "plugin": config.get("connector.class"),
        "version": status["connector"].get("version"),
        "topics": [topic.strip() for topic in topics.split(",") if topic.strip()],
        "tasks": len(one.get("info", {}).get("tasks", ())),
        "dlq": {"topic": queue} if queue else None,
    }


def _task(name: str, task: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{name}:{task['id']}",
        "worker": task.get("worker_id"),
        "state": task["state"],
        "error": reason(task.get("trace")),
    }


async def stock_offsets(client: Asker, connectors: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give the rows of `/lag` as far as Kafka Connect knows them, for connectors by name with their kind."""
    rows = []
    for name, kind in connectors.items():
        found = await client.get(f"/connectors/{escaped(name)}/offsets")
        rows += [
            {
                "connector": name,
                "type": kind,
                "partition": entry["partition"],
                "committed": entry["offset"],
                "end": None,
                "behind": None,
                "unit": "records" if kind == "sink" else "ms",
            }
            for entry in found["offsets"]
        ]
    return rows
