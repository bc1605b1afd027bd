"""Still pictures: a console over canned answers, with a clock that stands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

from tests.tui.daemon import NOW_S, snapshot, task_event
from tui.app import Console
from tui.client import AnswerError, ServerEvent
from tui.model import Model
from tui.palette import Palette
from tui.scene import Scene

NOW_MS = int(NOW_S * 1000)
W1, W2 = "10.0.4.11:8083", "10.0.4.12:8083"
DEADLINE_S = 45.0


async def until(condition: Callable[[], Any], timeout_s: float = DEADLINE_S) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        await asyncio.sleep(0.01)


class StillClient:
    """Answers from a table by the path without its query; keeps what was asked to change."""

    url = "http://appliance-01:8083"

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.changes: list[tuple[str, str, Any]] = []

    async def get(self, path: str) -> Any:
        return await self.request("GET", path)

    async def stream(self, path: str) -> AsyncGenerator[ServerEvent | None]:
        for event in self.answers.get(f"STREAM {path}", ()):
            yield event

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        if method != "GET":
            self.changes.append((method, path, body))
        bare = path.partition("?")[0].removeprefix("/appliance/v1")
        found = self.answers.get(f"{method} {bare}", self.answers.get(bare))
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise AnswerError(404, f"{path} not found")
        return found


def workers() -> list[dict[str, Any]]:
    """Give two workers, the second one new."""
    shared = {"state": "up", "connectors": 2, "tasks": 10, "rate": 1010.0, "cpu": 0.13}
    return [
        {**shared, "id": W1, "rss_bytes": 221 << 20, "beat_ms": 400, "started_ms": NOW_MS - 10**8},
        {
            **shared,
            "id": W2,
            "rss_bytes": 188 << 20,
            "beat_ms": 200,
            "started_ms": NOW_MS - 80_000,
        },
    ]


def rebalance(gen: int, ago_s: int, held: tuple[int, ...], **more: Any) -> dict[str, Any]:
    """Give a generation with what each worker holds after it."""
    return {
        "id": gen * 10,
        "gen": gen,
        "leader": W1,
        "phase": "stable",
        "cause": {"kind": "config", "worker": W1, "detail": "connector orders-3 added"},
        "started": NOW_MS - ago_s * 1000,
        "took_ms": 320,
        "delay_until": None,
        "joined": [],
        "left": [],
        "workers": dict(zip((W1, W2), held, strict=False)),
        "revoked": [],
        "assigned": [],
        "lost": [],
        "standstill_ms": {},
        "stopped_ms": {"p50": None, "max": None},
        **more,
    }


def rebalances() -> list[dict[str, Any]]:
    """Give a history: a worker lost, its tasks waiting, placed, and given back in two rounds."""
    tasks = [f"orders-{at}-{number}" for at in range(2) for number in range(5)]
    spans = {task: 900 + 40 * at for at, task in enumerate(tasks)}
    back = [{"task": task, "from": W1, "to": W2} for task in tasks]
    return [
        rebalance(
            44,
            75,
            (10, 10),
            phase="assign",
            cause={
                "kind": "follow_up",
                "worker": None,
                "detail": f"what was revoked goes to {W2}",
            },
            assigned=back,
            standstill_ms=spans,
            stopped_ms={"p50": 1080, "max": 1260},
        ),
        rebalance(
            43,
            76,
            (10, 0),
            phase="revoke",
            cause={"kind": "joined", "worker": W2, "detail": f"{W2} joined: 10 revoked"},
            joined=[W2],
            revoked=[{"task": task, "from": W1} for task in tasks],
        ),
        rebalance(
            42,
            140,
            (20,),
            cause={"kind": "delay_over", "worker": W1, "detail": "the delay is over"},
            assigned=[{"task": task, "from": W2, "to": W1} for task in tasks],
        ),
        rebalance(
            41,
            200,
            (10,),
            phase="waiting",
            cause={"kind": "left", "worker": W2, "detail": f"{W2} left; its 10 tasks wait 60 s"},
            left=[W2],
            lost=tasks,
            delay_until=NOW_MS - 140_000,
        ),
        rebalance(40, 900, (10, 10)),
    ]


def letter(offset: int, stage: str, cause: str) -> dict[str, Any]:
    """Give a dead letter as the daemon tells it."""
    value = '{\n  "order_id": 1000442,\n  "amount": "n/a"\n}'
    return {
        "topic": "dlq.orders-0",
        "partition": 0,
        "offset": offset,
        "ts": NOW_MS - 1000 * offset,
        "key": {"as": "converter", "text": "1000442", "size": 7},
        "value": {"as": "json", "text": value, "size": 44, "schema_id": None},
        "headers": [["trace", "a1"]],
        "origin": {"topic": "orders", "partition": 3, "offset": 88120 - offset},
        "connector": "orders-0",
        "task": 0,
        "stage": stage,
        "class": "io.confluent.connect.avro.AvroConverter",
        "exception": "DataException",
        "message": "Converting byte[] to Kafka Connect data failed",
        "trace": f"org.apache.kafka.connect.errors.DataException: no\nCaused by: {cause}",
        "cause": cause,
        "attempts": 0,
        "discarded": False,
    }


def queues() -> dict[str, Any]:
    """Give what the view of dead letters fetches."""
    amount = "org.apache.kafka.connect.errors.DataException: field 'amount': 'n/a' is no decimal"
    letters = [letter(at, "VALUE_CONVERTER", amount) for at in range(6)]
    letters += [letter(at, "TASK_PUT", "java.io.IOException: quota exceeded") for at in (6, 7)]
    queue = {"topic": "dlq.orders-0", "connectors": ["orders-0"], "records": 8, "new_1h": 4}
    return {
        "/dlq": [{**queue, "last_ms": NOW_MS - 12_000, "exists": True, "discarded": 0}],
        "/dlq/dlq.orders-0/records": letters,
    }


def answers() -> dict[str, Any]:
    """Give what the canned daemon answers."""
    lag = [
        {
            "connector": "orders-0",
            "type": "sink",
            "partition": {"kafka_topic": "orders", "kafka_partition": number},
            "committed": {"kafka_offset": 88_120 + number},
            "end": {"kafka_offset": 88_132},
            "behind": 12 - number,
            "unit": "records",
            "committed_ms": NOW_MS - 130_000 * number,
        }
        for number in range(3)
    ]
    position = {"file": "mysql-bin.000412", "pos": 88121993, "gtids": "3e11fa47:1-9", "row": 0}
    source = {"connector": "orders-1", "type": "source", "partition": {"server": "shop1"}}
    lag.append(
        {
            **source,
            "committed": position,
            "end": None,
            "behind": 3200,
            "unit": "ms",
            "bytes": 2_400_000,
        }
    )
    line = {"worker": W1, "level": "INFO", "logger": "org.apache.kafka.connect.runtime.WorkerTask"}
    line |= {"context": "orders-0|task-1", "message": "orders-0-1: assigned orders-1"}
    lines = [{**line, "id": at, "ts": NOW_MS + at * 1000} for at in range(5)]
    lines.append({**lines[-1], "id": 9, "level": "ERROR", "message": "Failed. name=orders-0-0"})
    return {
        "/workers": workers(),
        "/rebalances": rebalances(),
        "/whoami": {"principal": "ana", "user": "ana", "role": "administer", "read_only": False},
        "/dlq": [],
        "/audit": [
            {
                "ts": NOW_MS - 3_600_000,
                "action": "PUT",
                "key": "/connectors/orders-3/config",
                "status": 201,
            }
        ],
        "/lag": lag,
        "/metrics": {},
        "/throughput": {
            "step_ms": 5000,
            "ts": NOW_MS,
            "in": [4000.0 + 900 * (at % 17) for at in range(120)],
            "out": [5000.0 + 300 * (at % 23) for at in range(120)],
        },
        "/logs/recent": lines,
    }


class StillFeed:
    """A link in one state: alive, lost, or never there."""

    def __init__(self, heard_s: float | None, error: str | None) -> None:
        self.heard_s = heard_s
        self.live = error is None
        self.polled = False
        self.stock = False
        self.error = error
        self.status: int | None = None
        self.retry_at_s = NOW_S + 4

    async def run(self) -> None:
        """Learn nothing."""

    def retry_now(self) -> None:
        """Try nothing."""

    def reload(self) -> None:
        """Ask for nothing."""


REFUSED = "Cannot reach http://appliance-01:8083: [Errno 111] Connect call failed. "
REFUSED += "Is the daemon running, and is this its address?"


def lost(app: Console, heard_s: float | None = NOW_S - 12) -> Console:
    """Give the console after its link broke; with None, as if there had never been one."""
    feed: Any = StillFeed(heard_s, REFUSED)
    app.scene.feed = feed
    if heard_s is None:
        app.scene.model = Model()
    return app


def waiting(app: Console) -> Console:
    """Give the console while a worker is away and its tasks wait for it."""
    model = app.scene.model
    model.group = {**model.group, "gen": 45, "phase": "waiting", "delay_until": NOW_MS + 50_000}
    for key, task in list(model.tasks.items()):
        if task.worker == W2:
            body = {"ts": NOW_MS - 10_000, "worker": W2, "key": key.replace(":", "-")}
            model.apply(None, "task", {**body, "to": "UNASSIGNED", "cause": "left"})
    model.take_workers(workers()[:1])
    return app


def waiting_answers() -> dict[str, Any]:
    """Give what the daemon tells about that rebalance."""
    detail = f"{W2} died; its 10 tasks wait 60 s"
    gone = rebalance(
        45,
        10,
        (10,),
        phase="waiting",
        cause={"kind": "died", "worker": W2, "detail": detail},
        left=[W2],
        lost=[f"orders-{at}-{number}" for at in range(4) for number in (1, 3)],
        delay_until=NOW_MS + 50_000,
    )
    return {"/workers": workers()[:1], "/rebalances": [gone, *rebalances()]}


def topics() -> dict[str, Any]:
    """Give what topics and plugins fetch."""
    shared = {"partitions": 6, "internal": False, "written_by": [], "read_by": ["orders-0"]}
    names = ("orders", "orders-returns", "dlq.orders-0")
    record = {**letter(3, "VALUE_CONVERTER", "no"), "topic": "orders", "partition": 2}
    plugins = (
        ("org.apache.kafka.connect.file.FileStreamSinkConnector", "sink"),
        ("io.debezium.connector.mysql.MySqlConnector", "source"),
        ("org.apache.kafka.connect.json.JsonConverter", "converter"),
        ("org.apache.kafka.connect.transforms.InsertField$Value", "transformation"),
        (
            "com.example.logistics.kafka.transforms.NormalisePostalAddresses$Value",
            "transformation",
        ),
    )
    return {
        "/topics": [
            {**shared, "topic": name, "records": 88_132, "size_bytes": 211 << at * 10}
            for at, name in enumerate(names)
        ],
        "/topics/orders/records": [{**record, "offset": 88_120 - at} for at in range(9)],
        "/plugins": [
            {
                "class": name,
                "type": kind,
                "version": "3.6.1.Final" if "debezium" in name else "4.3.1",
                "path": "built in" if at else "/opt/plugins",
                "used_by": ["orders-0"] if at == 2 else [],
            }
            for at, (name, kind) in enumerate(plugins)
        ],
    }


def planned() -> dict[str, Any]:
    """Give what deleting a connector would do."""
    tasks = [
        {"task": f"orders-0:{at}", "worker": (W1, W2)[at % 2], "state": "RUNNING", "rate": 820.0}
        for at in range(5)
    ]
    return {
        "action": "delete",
        "targets": ["orders-0"],
        "calls": ["DELETE /connectors/orders-0"],
        "stops": tasks,
        "restarts": [],
        "changes": [],
        "errors": [],
        "kept": [
            "offsets of 6 partitions: a connector called orders-0 goes on from there",
            "topics and their records",
            "8 dead letters in dlq.orders-0",
        ],
        "lost": ["the configuration of orders-0, revision 14"],
        "notes": ["The group rebalances; tasks of other connectors keep running."],
        "refused": None,
    }


def history() -> list[dict[str, Any]]:
    """Give the revisions of a connector: by ana, by a file, by nobody knows whom."""
    shared = {"type": "config", "key": "orders-0", "worker": W1}
    config = {"topics": "orders", "flush.size": "1000", "connector.class": "FileStreamSink"}
    return [
        {
            **shared,
            "id": 30,
            "ts": NOW_MS - 3_600_000,
            "config": {**config, "flush.size": "5000"},
            "by": "ana",
            "from": "10.0.9.7",
        },
        {
            **shared,
            "id": 20,
            "ts": NOW_MS - 86_400_000,
            "config": config,
            "by": "/etc/ingest-appliance/connectors.d/orders.json",
            "from": None,
        },
        {
            **shared,
            "id": 10,
            "ts": NOW_MS - 2 * 86_400_000,
            "config": {**config, "topics": "orders,returns"},
            "by": None,
            "from": None,
        },
    ]


def still(palette: Palette, more: dict[str, Any] | None = None, **shape: int) -> Console:
    """Give a console that shows a snapshot of `shape` and, unless `failed` is 0, one task failed since."""
    model = Model()
    model.load(snapshot(**shape))
    for at in range(60):
        rates = [[key, float(100 + at * 7 % 40), 250.0] for key in model.tasks]
        model.apply(None, "rates", {"tasks": rates[shape.get("failed", 2) :]})
        model.note_step()
    if shape.get("failed", 2) and "orders-3:4" in model.tasks:
        model.apply(8, "task", task_event("orders-3-4", "FAILED", "Boom: disk full"))
    client = StillClient({**answers(), **(more or {})})
    scene = Scene(model, palette, client, None, lambda: NOW_S, "appliance-01", counted=True)
    return Console(scene)


async def open_view(pilot: Any, number: int) -> None:
    """Go to a view and wait until it shows what it fetched."""
    app = pilot.app
    await app.complete.wait()
    await pilot.press(str(number))
    await until(lambda: app.view is app.views[number - 1])
    await settled(pilot)


async def settled(pilot: Any) -> None:
    """Wait until the view has fetched and painted."""
    app = pilot.app
    await app.complete.wait()
    await until(lambda: app.view.loaded_s > float("-inf"))
    await until(lambda: all(worker.is_finished for worker in app._loading.values()))
    await pilot.pause()
    app.flush()
    await pilot.pause()


TRACE = """org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler
	at poll(source.py:120)
Caused by: org.apache.kafka.connect.errors.DataException: field 'amount': 'n/a' is not decimal(10,2)
	at decode(json_decoder.py:198)
"""


def opened() -> dict[str, Any]:
    """Give what an opened connector fetches."""
    tasks = [{"id": at, "state": "FAILED", "worker_id": "w", "trace": TRACE} for at in range(5)]
    figures = {"put-batch-avg-time-ms": 12.5, "offset-commit-avg-time-ms": 8.0, "total-retries": 9}
    config = {"name": "orders-0", "connector.class": "FileStreamSink", "topics": "orders"}
    definition = {
        "name": "topics",
        "type": "LIST",
        "required": False,
        "default_value": None,
        "importance": "HIGH",
        "documentation": "Topics to read, separated by commas.",
        "group": "Common",
        "order_in_group": 1,
        "dependents": [],
    }
    value = {"value": "orders", "errors": [], "visible": True, "recommended_values": []}
    path = "/connectors/orders-0"
    return {
        f"{path}/status": {"tasks": tasks},
        f"{path}/metrics": {str(at): figures for at in range(5)},
        f"{path}/config": config,
        "PUT /connector-plugins/FileStreamSink/config/validate": {
            "groups": ["Common"],
            "configs": [
                {"definition": definition, "value": {**value, "name": "topics"}},
                {
                    "definition": {**definition, "name": "tasks.max", "default_value": "1"},
                    "value": {**value, "value": "0", "errors": ["Invalid value 0: at least 1"]},
                },
            ],
        },
    }
