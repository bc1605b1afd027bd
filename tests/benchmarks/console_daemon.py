"""What a console costs the daemon: one snapshot of 5,000 tasks, and one event stream.

    python -m tests.benchmarks.console_daemon

The tasks are known from the internal topics and none of them runs; 100 have figures. The whole way of a
request counts, from the application's entry to the bytes of the answer, without sockets. Budgets: snapshot
150 ms, event stream at 200 events a second 2 % of a core.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import MutableMapping
from types import SimpleNamespace
from typing import Any

from starlette.testclient import TestClient

from appliance.clock import SYSTEM_CLOCK
from appliance.herder.entities import HerderSnapshot
from appliance.herder.views import herder_snapshot
from appliance.ids import ConnectorTaskId, State
from appliance.rest.app import create_app
from appliance.rest.context import Context
from appliance.storage.memory import MemoryLog
from appliance.storage.snapshot import ClusterConfigState
from appliance.storage.statuses import Status, StatusStore
from tests.unit.rest.fakes import WORKER, FakeHerder, make_context

CONNECTORS, TASKS = 500, 10
ROUNDS = 20
SPAN_S = 10.0
EVENTS_S = 200


class Known(FakeHerder):
    """A herder whose snapshot is made as the real one makes it."""

    def __init__(self) -> None:
        super().__init__()
        names = [f"orders-{number}" for number in range(CONNECTORS)]
        plugin = "org.apache.kafka.connect.file.FileStreamSinkConnector"
        self._cluster = ClusterConfigState(
            connector_configs={
                name: {"name": name, "connector.class": plugin, "topics": "orders"}
                for name in names
            },
            task_counts=dict.fromkeys(names, TASKS),
        )
        self._statuses = StatusStore(MemoryLog(), SYSTEM_CLOCK)
        trace = "org.apache.kafka.connect.errors.ConnectException: gone\n" + "\tat x\n" * 30
        for at, name in enumerate(names):
            self._statuses.put(name, Status(State.RUNNING, WORKER, 1))
            for task in range(TASKS):
                bad = (at + task) % 50 == 0
                status = Status(
                    State.FAILED if bad else State.RUNNING, WORKER, 1, trace=trace if bad else None
                )
                self._statuses.put(ConnectorTaskId(name, task), status)
        self._figures = {
            ConnectorTaskId(name, 0): {"sink-record-read-rate": 12.5, "records_behind": 3}
            for name in names[:100]
        }

    def snapshot(self, *, whole: bool = True) -> HerderSnapshot:
        """Give what is known."""
        group: Any = SimpleNamespace(workers={"m": f"http://{WORKER}/"})
        tick: Any = SimpleNamespace(has_member=False, rebalances=SimpleNamespace(figures=dict))
        worker: Any = SimpleNamespace(metrics=lambda: self._figures, figures=dict)
        return herder_snapshot(
            self._cluster,
            self._statuses,
            group,
            tick,
            worker,
            worker_id=WORKER,
            group_id="g",
            now_ms=SYSTEM_CLOCK.now_ms(),
            type_of=lambda _config: "sink",
            whole=whole,
        )


def context() -> Context:
    """Give a worker that knows the tasks."""
    found = make_context()
    object.__setattr__(found, "herder", Known())
    return found


def snapshots(known: Context) -> dict[str, Any]:
    """Ask for the snapshot again and again."""
    client = TestClient(create_app(known), base_url="http://localhost:8083")
    spans, size = [], 0
    for _ in range(ROUNDS):
        began_s = time.process_time()
        answer = client.get("/appliance/v1/snapshot")
        spans.append((time.process_time() - began_s) * 1000)
        size = len(answer.content)
        assert len(answer.json()["tasks"]) == CONNECTORS * TASKS
    return {
        "snapshot_cpu_ms": round(statistics.median(spans), 1),
        "snapshot_cpu_ms_most": round(max(spans), 1),
        "snapshot_kb": round(size / 1000),
    }


async def stream(known: Context) -> dict[str, Any]:
    """Follow the events for a while; the cost of journalling them is taken off."""
    app = create_app(known)
    done = asyncio.Event()
    asked = False
    sent = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal sent
        sent += len(message.get("body", b""))

    async def flood() -> float:
        spent_s, end_s = 0.0, time.monotonic() + SPAN_S
        number = 0
        while time.monotonic() < end_s:
            began_s = time.process_time()
            for _ in range(EVENTS_S // 20):
                number += 1
                task = ConnectorTaskId(f"orders-{number % CONNECTORS}", number % TASKS)
                known.journal.transition(task, State.RUNNING, State.PAUSED, None, "asked")
            spent_s += time.process_time() - began_s
            await asyncio.sleep(0.05)
        return spent_s

    async def cost(*, followed: bool) -> float:
        done.clear()
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/appliance/v1/events",
            "query_string": b"",
            "headers": [(b"host", b"localhost:8083"), (b"accept", b"text/event-stream")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8083),
            "scheme": "http",
            "http_version": "1.1",
        }
        began_s = time.process_time()
        following = asyncio.ensure_future(app(scope, receive, send)) if followed else None
        spent_s = await flood()
        found_s = time.process_time() - began_s - spent_s
        done.set()
        if following is not None:
            await following
        return found_s

    base_s = await cost(followed=False)
    found_s = await cost(followed=True)
    assert sent, "nothing was streamed"
    return {
        "stream_percent": round((found_s - base_s) / SPAN_S * 100, 2),
        "stream_kb_per_s": round(sent / SPAN_S / 1000, 1),
    }


def main() -> None:
    """Print the figures as JSON."""
    known = context()
    print(json.dumps({**snapshots(known), **asyncio.run(stream(known))}, indent=2))


if __name__ == "__main__":
    main()
