"""What the console knows: a snapshot, kept current by the events that follow it.

Entries are frozen; an event replaces those it changes and leaves their keys in `dirty` until the next
flush. Runs on the console's event loop.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tui.palette import RANK

TREND: Final = 60
_NEWS: Final = 200


@dataclass(frozen=True, slots=True)
class Task:
    """One task; `lag` in `unit` (ms or records), `since` in epoch milliseconds."""

    key: str
    connector: str
    number: int
    kind: str
    state: str
    worker: str | None
    rate: float | None = None
    lag: float | None = None
    unit: str | None = None
    error: str | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Connector:
    """One connector as the snapshot tells it."""

    name: str
    kind: str
    state: str
    worker: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """One member of the group and how much it holds."""

    id: str
    connectors: int
    tasks: int


@dataclass(frozen=True, slots=True)
class News:
    """One event in a sentence; `ts` in epoch milliseconds, `role` colours its glyph."""

    ts: int
    text: str
    role: str


@dataclass
class Model:
    """Everything shown; `seq` is the id of the last event seen, `heard_s` when anything came last."""

    tasks: dict[str, Task] = field(default_factory=dict)
    connectors: dict[str, Connector] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    group: Mapping[str, Any] = field(default_factory=dict)
    news: deque[News] = field(default_factory=lambda: deque(maxlen=_NEWS))
    trends: dict[str, deque[float]] = field(default_factory=dict)
    flow: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=240))
    seq: int | None = None
    loaded: bool = False
    dirty: set[str] = field(default_factory=set)
    reshaped: bool = False

    def load(self, snapshot: Mapping[str, Any]) -> None:
        """Take a snapshot in place of everything but the events already told."""
        self.seq = snapshot["seq"]
        self.group = snapshot["group"]
        self.workers = [
            Worker(entry["id"], entry["connectors"], entry["tasks"])
            for entry in snapshot["workers"]
        ]
        self.connectors = {
            entry["name"]: Connector(
                entry["name"],
                entry["type"],
                entry["state"],
                entry.get("worker"),
                _first_line(entry.get("trace")),
            )
            for entry in snapshot["connectors"]
        }
        self.tasks = {entry["id"]: self._task(entry) for entry in snapshot["tasks"]}
        for key in self.trends.keys() - self.tasks.keys():
            del self.trends[key]
        self.loaded = self.reshaped = True

    def apply(self, id: int | None, type_: str, body: Mapping[str, Any]) -> bool:
        """Take one event; False when only a new snapshot can tell what it means."""
        if id is not None:
            self.seq = id
        if type_ == "rates":
            self._rates(body["tasks"])
            return True
        self._tell(type_, body)
        if type_ == "task":
            return self._task_changed(body)
        if type_ == "connector":
            return self._connector_changed(body)
        return type_ == "audit"

    def problems_first(self) -> list[str]:
        """Give the keys of all tasks, broken ones first, then by connector and number."""
        last = len(RANK)
        ordered = sorted(
            self.tasks.values(),
            key=lambda task: (RANK.get(task.state, last), task.connector, task.number),
        )
        return [task.key for task in ordered]

    def counts(self) -> Counter[str]:
        """Give how many tasks are in each state."""
        return Counter(task.state for task in self.tasks.values())

    def rates(self) -> tuple[float, float]:
        """Give records per second into Kafka and out of it."""
        into = sum(task.rate or 0 for task in self.tasks.values() if task.kind == "source")
        out = sum(task.rate or 0 for task in self.tasks.values() if task.kind != "source")
        return into, out

    def sink_lag(self) -> float:
        """Give how many records the sinks are behind in all."""
        return sum(task.lag or 0 for task in self.tasks.values() if task.unit == "records")

    def _task(self, entry: Mapping[str, Any]) -> Task:
        name, _, number = str(entry["id"]).rpartition(":")
        known = self.connectors.get(name)
        return Task(
            entry["id"],
            name,
            int(number),
            known.kind if known else "unknown",
            entry["state"],
            entry.get("worker"),
            entry.get("rate"),
            entry.get("lag"),
            entry.get("unit"),
            entry.get("error"),
            entry.get("since"),
        )

    def _rates(self, changed: Iterable[tuple[str, float | None, float | None]]) -> None:
        for key, rate, lag in changed:
            task = self.tasks.get(key)
            if task is not None:
                self.tasks[key] = replace(task, rate=rate, lag=lag)
                self.trends.setdefault(key, deque(maxlen=TREND)).append(rate or 0.0)
                self.dirty.add(key)

    def _task_changed(self, body: Mapping[str, Any]) -> bool:
        name, _, number = str(body["key"]).rpartition("-")
        task = self.tasks.get(f"{name}:{number}")
        if task is None:
            return False
        # a worker also tells that it gave a task up, after another one has taken it
        if body["to"] == "UNASSIGNED" and task.worker not in {None, body["worker"]}:
            return True
        self.tasks[task.key] = replace(
            task,
            state=body["to"],
            worker=body["worker"],
            error=_first_line(body.get("trace")),
            since=body["ts"],
            rate=task.rate if body["to"] == "RUNNING" else None,
        )
        self.dirty.add(task.key)
        return True

    def _connector_changed(self, body: Mapping[str, Any]) -> bool:
        known = self.connectors.get(body["key"])
        if known is None:
            return False
        error = _first_line(body.get("trace"))
        self.connectors[known.name] = replace(
            known, state=body["to"], worker=body["worker"], error=error
        )
        return True

    def _tell(self, type_: str, body: Mapping[str, Any]) -> None:
        news = sentence(type_, body)
        if news is not None:
            self.news.appendleft(news)


def sentence(type_: str, body: Mapping[str, Any]) -> News | None:
    """Give an event in words, None for what needs none."""
    ts = int(body.get("ts", 0))
    if type_ in {"task", "connector"}:
        to = str(body["to"])
        role = {"FAILED": "red", "RUNNING": "green", "UNASSIGNED": "amber"}.get(to, "blue")
        why = _first_line(body.get("trace")) or ""
        return News(ts, f"{body['key']} {to} {why}".rstrip(), role)
    if type_ == "rebalance":
        moved = len(body.get("assigned", ()))
        text = f"gen {body.get('generation')} +{moved} {body.get('cause') or ''}"
        return News(ts, text.rstrip(), "violet")
    if type_ == "config":
        what = "deleted" if body.get("config") is None else "config changed"
        return News(ts, f"{body['key']} {what}", "blue")
    if type_ == "audit":
        return News(ts, f"{body['action']} {body['key']}: {body['status']}", "grey")
    return None


def _first_line(trace: str | None) -> str | None:
    return trace.partition("\n")[0] if trace else None
