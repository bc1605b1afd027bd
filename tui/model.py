"""What the console knows: a snapshot, kept current by the events that follow it.

Entries are frozen; an event replaces those it changes and leaves their keys in `dirty` until the next
flush. Runs on the console's event loop.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from tui.palette import RANK
from tui.text import several

STEP_S: Final = 5.0
TREND: Final = 24
"""A task's line covers two minutes."""
FLOW: Final = 120
"""The line of all tasks covers ten."""
PATIENCE_S: Final = 10.0
RESTART: Final = "restart"
_WAYS: Final = {
    RESTART: "restarting",
    "PAUSED": "pausing",
    "RUNNING": "resuming",
    "STOPPED": "stopping",
}
_NEWS: Final = 200
_CONFIG_PATH: Final = re.compile(r"/connectors/([^/]+)/config")
_PACKAGE: Final = re.compile(r"\b(?:[a-z]\w*\.)+(?=[A-Z]\w*(?:Exception|Error)\b)")


class Task(NamedTuple):
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
    restarts: int | None = None

    @property
    def dark(self) -> bool:
        """Whether it could tell how far it is behind, and does not know."""
        tells = self.unit is not None or self.health == "DEGRADED"
        return tells and self.lag is None and self.state in {"RUNNING", "PAUSED"}

    @property
    def health(self) -> str:
        """Give its state, DEGRADED where it runs and something keeps it from its work."""
        return "DEGRADED" if self.state == "RUNNING" and self.error else self.state

    @property
    def place(self) -> tuple[str, int]:
        """Give what tasks are ordered by."""
        return self.connector, self.number


class Connector(NamedTuple):
    """One connector as the snapshot tells it; `tasks` is how many it has, `queue` its DLQ topic.

    `changed` is when its configuration did (epoch milliseconds), `revision` how often that is known of,
    `version` its plugin's.
    """

    name: str
    kind: str
    state: str
    worker: str | None = None
    error: str | None = None
    trace: str | None = None
    plugin: str = ""
    topics: tuple[str, ...] = ()
    tasks: int = 0
    queue: str | None = None
    revision: int | None = None
    changed: int | None = None
    changed_by: str | None = None
    version: str | None = None

    @property
    def rests(self) -> bool:
        """Whether its tasks are paused or stopped until it is resumed."""
        return self.state in {"PAUSED", "STOPPED"}


class Worker(NamedTuple):
    """One member of the group; what only it can tell is None while it is silent."""

    id: str
    state: str
    connectors: int
    tasks: int
    rate: float | None = None
    cpu: float | None = None
    rss_bytes: int | None = None
    beat_ms: int | None = None
    started_ms: int | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Worker:
        """Give the worker of an entry of `/workers` or the snapshot."""
        return cls(
            entry["id"],
            str(entry.get("state") or "up"),
            int(entry["connectors"]),
            int(entry["tasks"]),
            entry.get("rate"),
            entry.get("cpu"),
            entry.get("rss_bytes"),
            entry.get("beat_ms"),
            entry.get("started_ms"),
        )


class News(NamedTuple):
    """One event in a sentence; `ts` in epoch milliseconds, `sign` is a state or one of `palette.SIGNS`."""

    ts: int
    text: str
    sign: str


class Asked(NamedTuple):
    """A state that was asked for, since when (epoch seconds), and whether the daemon has said yes."""

    state: str
    since_s: float
    answered: bool = False


class Totals(NamedTuple):
    """Sums over all tasks: records a second into Kafka and out of it, records that sinks are behind, the
    source that is furthest behind, of how many tasks of sinks nobody knows how far they are behind, and a
    source of which nobody does.
    """

    into: float = 0.0
    out: float = 0.0
    sink_lag: float = 0.0
    latest: Task | None = None
    unknown: int = 0
    dark: Task | None = None


@dataclass
class Model:
    """Everything shown; `seq` is the id of the last event seen, `seen` counts events by type."""

    tasks: dict[str, Task] = field(default_factory=dict)
    connectors: dict[str, Connector] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    group: Mapping[str, Any] = field(default_factory=dict)
    news: deque[News] = field(default_factory=lambda: deque(maxlen=_NEWS))
    trends: dict[str, deque[float]] = field(default_factory=dict)
    """Records a second of each task in steps of STEP_S, the newest last."""
    flow: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=FLOW))
    """The same of all tasks, into Kafka and out of it."""
    lags: deque[float] = field(default_factory=lambda: deque(maxlen=TREND))
    """Records that all sinks were behind, in the same steps."""
    letters: dict[str, int] = field(default_factory=dict)
    """Records in each dead letter queue."""
    seq: int | None = None
    loaded: bool = False
    remembers: bool = False
    """Whether `news` reaches back behind the start of this console."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many tasks are in each state; of those that run the DEGRADED ones apart."""
    totals: Totals = field(default_factory=Totals)
    dirty: set[str] = field(default_factory=set)
    reshaped: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    nicknames: dict[str, str] = field(default_factory=dict)
    by_connector: dict[str, list[str]] = field(default_factory=dict)
    pending: dict[str, Asked] = field(default_factory=dict)
    """Connectors and tasks that are on their way to a state that was asked for."""

    def load(self, snapshot: Mapping[str, Any]) -> None:
        """Take a snapshot in place of everything but the events already told."""
        self.seq = snapshot["seq"]
        self.group = snapshot["group"]
        self.take_workers(snapshot["workers"])
        self.connectors = {entry["name"]: _connector(entry) for entry in snapshot["connectors"]}
        tasks = sorted(map(self._task, snapshot["tasks"]), key=lambda task: task.place)
        self.tasks = {task.key: task for task in tasks}
        self.add_up()
        self.counts = Counter(task.health for task in self.tasks.values())
        for key in self.trends.keys() - self.tasks.keys():
            del self.trends[key]
        for entry in snapshot["tasks"]:
            if len(entry.get("hist") or ()) > len(self.trends.get(entry["id"], ())):
                self.trends[entry["id"]] = deque(entry["hist"], maxlen=TREND)
        self.by_connector = {name: [] for name in self.connectors}
        for task in self.tasks.values():
            self.by_connector.setdefault(task.connector, []).append(task.key)
        self.loaded = self.reshaped = True

    @property
    def leader(self) -> str:
        """Give the id of the group's leader, empty for none."""
        return str(self.group.get("leader") or "").split("://")[-1].rstrip("/")

    def take_workers(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take the group's members; they are called w1, w2 .. by the order of their addresses."""
        self.workers = sorted(map(Worker.of, entries), key=lambda worker: worker.id)
        for worker in self.workers:
            # a worker that left keeps its name, and comes back under it
            self.nicknames.setdefault(worker.id, f"w{len(self.nicknames) + 1}")

    def apply(self, id: int | None, type_: str, body: Mapping[str, Any]) -> bool:
        """Take one event; False when only a new snapshot can tell what it means."""
        self.seen[type_] += 1
        if id is not None:
            if self.seq is not None and id <= self.seq and type_ != "resync":
                return True
            self.seq = id
        if type_ == "rates":
            self._rates(body["tasks"])
            return True
        self._tell(type_, body)
        if type_ == "audit":
            self._changed_by(body)
        if type_ == "task":
            return self._task_changed(body)
        if type_ == "connector":
            return self._connector_changed(body)
        return type_ not in {"rebalance", "config", "resync"}

    def expect(self, key: str, state: str, now_s: float) -> None:
        """Show a connector or task as on its way to `state`, which was asked for."""
        self.pending[key] = Asked(state, now_s)
        self.dirty.update(self.by_connector.get(key, [key]))

    def answered(self, key: str, state: str, now_s: float) -> None:
        """Note that the daemon will bring a connector or task to `state`: from now on it may be there."""
        asked = self.pending.get(key)
        if asked is not None and asked.state == state:
            self.pending[key] = Asked(state, now_s, answered=True)

    def give_up(self, key: str, state: str) -> None:
        """Expect it no longer, unless another state was asked for since."""
        asked = self.pending.get(key)
        if asked is not None and asked.state == state:
            self._forget(key)
            self.reshaped = True

    def settle(self, now_s: float) -> list[str]:
        """Forget what has come about; give what has not PATIENCE_S after the answer, and forget that too."""
        late = []
        for key, asked in list(self.pending.items()):
            if not asked.answered:
                continue
            if self._reached(key, asked.state):
                self._forget(key)
            elif now_s - asked.since_s > PATIENCE_S:
                self._forget(key)
                late.append(key)
        return late

    def unanswered(self, now_s: float) -> str | None:
        """Give what was asked for more than PATIENCE_S ago and not answered since, None when nothing was."""
        for key, asked in self.pending.items():
            if not asked.answered and now_s - asked.since_s > PATIENCE_S:
                return key
        return None

    def _forget(self, key: str) -> None:
        del self.pending[key]
        self.dirty.update(self.by_connector.get(key, [key]))

    def _reached(self, key: str, wanted: str) -> bool:
        if wanted == RESTART:
            return False
        known = self.connectors.get(key)
        if known is None:
            return True
        states = [self.tasks[task].state for task in self.by_connector.get(key, ())]
        return known.state == wanted and (
            wanted == "STOPPED" or all(state in {wanted, "FAILED"} for state in states)
        )

    def state_of(self, task: Task) -> str:
        """Give a task's health, RESTARTING while a change of it is on its way."""
        if task.key in self.pending or task.connector in self.pending:
            return "RESTARTING"
        return task.health

    def way_of(self, name: str) -> str:
        """Give a connector's state in words: what is being done to it while a change is on its way."""
        asked = self.pending.get(name)
        return self.health(name).lower() if asked is None else _WAYS.get(asked.state, "changing")

    def health(self, name: str) -> str:
        """Give a connector's state: where it runs and a task does not, or not well, DEGRADED, FAILED where
        none does.
        """
        known = self.connectors[name]
        if name in self.pending:
            return "RESTARTING"
        if known.state == "RUNNING":
            tasks = {self.tasks[key].health for key in self.by_connector.get(name, ())}
            if "FAILED" in tasks and not tasks & {"RUNNING", "DEGRADED"}:
                return "FAILED"
            if tasks & {"FAILED", "DEGRADED", "UNASSIGNED"}:
                return "DEGRADED"
        return known.state

    def tasks_of(self, name: str) -> list[Task]:
        """Give a connector's tasks by number."""
        keys = self.by_connector.get(name, ())
        return sorted((self.tasks[key] for key in keys), key=lambda task: task.number)

    def connectors_first(self) -> list[str]:
        """Give the names of all connectors, broken ones first."""
        return sorted(self.connectors, key=lambda name: (RANK.get(self.health(name), 9), name))

    def remember(
        self, changes: Iterable[Mapping[str, Any]], rebalances: Iterable[Mapping[str, Any]]
    ) -> None:
        """Put what happened before the events seen so far behind them."""
        self.remembers = True
        past = [
            News(entry["started"], f"gen {entry['gen']} {entry['cause']['detail']}", "REBALANCE")
            for entry in rebalances
        ]
        past += [found for body in changes if (found := sentence("audit", body)) is not None]
        oldest = min((entry.ts for entry in self.news), default=None)
        for entry in sorted(past, key=lambda entry: -entry.ts):
            if oldest is None or entry.ts < oldest:
                self.news.append(entry)

    def problems_first(self) -> list[str]:
        """Give the keys of all tasks, broken ones first, then by connector and number."""
        # they are kept by connector and number: one pass puts them in order
        ranked: dict[int, list[str]] = {rank: [] for rank in range(len(RANK) + 1)}
        for key, task in self.tasks.items():
            ranked[RANK.get(task.health, len(RANK))].append(key)
        return [key for keys in ranked.values() for key in keys]

    def add_up(self) -> None:
        """Bring `totals` up to date in one pass over all tasks."""
        into = out = behind = 0.0
        unknown = 0
        latest: Task | None = None
        dark: Task | None = None
        for task in self.tasks.values():
            if task.kind == "source":
                into += task.rate or 0
            else:
                out += task.rate or 0
            if task.lag is None:
                unknown += task.kind == "sink"
                if task.kind == "source" and task.dark:
                    dark = dark or task
            elif task.unit == "records":
                behind += task.lag
            elif task.unit == "ms" and (latest is None or task.lag > (latest.lag or 0)):
                latest = task
        self.totals = Totals(into, out, behind, latest, unknown, dark)

    def take_flow(self, throughput: Mapping[str, Any]) -> None:
        """Take what the daemon knows of the last minutes, where that is more than is known here."""
        pairs = list(zip(throughput["in"], throughput["out"], strict=True))
        if len(pairs) > len(self.flow):
            self.flow = deque(pairs, maxlen=FLOW)

    def note_queues(self, queues: Iterable[Mapping[str, Any]], now_s: float) -> None:
        """Tell of dead letters that have come since the last time."""
        counts = {str(queue["topic"]): int(queue.get("records") or 0) for queue in queues}
        for topic, count in counts.items():
            more = count - self.letters.get(topic, count)
            if more > 0:
                words = f"{topic} +{more} record{'' if more == 1 else 's'}"
                self.news.appendleft(News(int(now_s * 1000), words, "DLQ"))
        self.letters = counts

    def note_step(self) -> None:
        """Lengthen every line by what is so now; called every STEP_S."""
        self.add_up()
        self.flow.append((self.totals.into, self.totals.out))
        self.lags.append(self.totals.sink_lag)
        for key, task in self.tasks.items():
            self.trends.setdefault(key, deque(maxlen=TREND)).append(task.rate or 0.0)
        self.dirty.update(self.tasks)

    def trend_of(self, name: str) -> list[float]:
        """Give the line of a connector: the sum of its tasks'."""
        lines = [list(self.trends.get(key, ())) for key in self.by_connector.get(name, ())]
        length = max(map(len, lines), default=0)
        padded = ([0.0] * (length - len(line)) + line for line in lines)
        return [sum(values) for values in zip(*padded, strict=True)]

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
            entry.get("restarts"),
        )

    def _rates(self, changed: Iterable[Sequence[Any]]) -> None:
        for key, rate, lag, *trouble in changed:
            task = self.tasks.get(key)
            if task is not None:
                if task.state == "RUNNING":
                    # what it waits for and tries again
                    task = task._replace(error=trouble[0] if trouble else None)
                # a task that has just started had no figures in the snapshot; not every source tells any
                unit = task.unit
                if lag is not None and unit is None:
                    unit = "ms" if task.kind == "source" else "records"
                self._put(task._replace(rate=rate, lag=lag, unit=unit))

    def _task_changed(self, body: Mapping[str, Any]) -> bool:
        name, _, number = str(body["key"]).rpartition("-")
        task = self.tasks.get(f"{name}:{number}")
        if task is None:
            return False
        if _given_up_late(body, task.worker):
            return True
        self._put(
            task._replace(
                state=body["to"],
                worker=body["worker"],
                error=reason(body.get("trace")),
                since=body["ts"],
                rate=task.rate if body["to"] == "RUNNING" else None,
                lag=None if body["to"] == "FAILED" else task.lag,
                restarts=(task.restarts or 0) + 1 if body["to"] == "RESTARTING" else task.restarts,
            )
        )
        self._restarted(body["to"], task.key, task.connector)
        return True

    def _put(self, task: Task) -> None:
        self.counts[self.tasks[task.key].health] -= 1
        self.counts[task.health] += 1
        self.tasks[task.key] = task
        self.dirty.add(task.key)

    def _changed_by(self, body: Mapping[str, Any]) -> None:
        """Note who changed a configuration; without a user it is an address that is told."""
        found = _CONFIG_PATH.fullmatch(str(body["key"]))
        known = self.connectors.get(unquote(found[1])) if found is not None else None
        if known is not None and body.get("by") != body.get("from"):
            self.connectors[known.name] = known._replace(changed_by=body.get("by"))

    def _restarted(self, state: str, *keys: str) -> None:
        """Expect the restart of `keys` no longer where it has come to an end."""
        for key in keys if state in {"RUNNING", "FAILED"} else ():
            asked = self.pending.get(key)
            if asked is not None and asked.state == RESTART:
                self._forget(key)

    def _connector_changed(self, body: Mapping[str, Any]) -> bool:
        known = self.connectors.get(body["key"])
        if known is None:
            return False
        if _given_up_late(body, known.worker):
            return True
        trace = body.get("trace")
        self.connectors[known.name] = known._replace(
            state=body["to"], worker=body["worker"], error=reason(trace), trace=trace
        )
        self._restarted(body["to"], known.name)
        return True

    def _tell(self, type_: str, body: Mapping[str, Any]) -> None:
        news = sentence(type_, body)
        if news is not None:
            self.news.appendleft(news)


def _connector(entry: Mapping[str, Any]) -> Connector:
    return Connector(
        entry["name"],
        entry["type"],
        entry["state"],
        entry.get("worker"),
        reason(entry.get("trace")),
        entry.get("trace"),
        str(entry.get("plugin") or ""),
        tuple(entry.get("topics") or ()),
        int(entry.get("tasks") or 0),
        (entry.get("dlq") or {}).get("topic"),
        entry.get("rev"),
        entry.get("changed"),
        entry.get("changed_by"),
        entry.get("version"),
    )


def sentence(type_: str, body: Mapping[str, Any]) -> News | None:
    """Give an event in words, None for what needs none."""
    ts = int(body.get("ts", 0))
    if type_ in {"task", "connector"}:
        why = reason(body.get("trace")) or ""
        if body["to"] == "RESTARTING" and body.get("cause"):
            why = f"({body['cause']})"
        return News(ts, f"{body['key']} {body['to']} {why}".rstrip(), str(body["to"]))
    if type_ == "rebalance":
        placed, connectors = body.get("assigned", ()), body.get("connectors", ())
        whole = sum(name in connectors for name in placed)
        counts = (several(whole, "connector"), several(len(placed) - whole, "task"))
        told = [count for count in counts if not count.startswith("0 ")]
        text = " ".join([f"gen {body.get('generation')}", *(f"+{count}" for count in told)])
        return News(ts, f"{text} {body.get('cause') or ''}".rstrip(), "REBALANCE")
    if type_ == "config":
        what = "deleted" if body.get("config") is None else "config changed"
        return News(ts, f"{body['key']} {what}", "CONFIG")
    if type_ == "audit":
        return News(ts, f"{body['action']} {body['key']}: {body['status']}", "CALL")
    return None


def reason(trace: str | None) -> str | None:
    """Give what went wrong in one line: the innermost cause, its class without the package."""
    if not trace:
        return None
    lines = trace.splitlines()
    causes = [line for line in lines if line.startswith("Caused by: ")]
    line = causes[-1].removeprefix("Caused by: ") if causes else lines[0]
    return _PACKAGE.sub("", line)


def _given_up_late(body: Mapping[str, Any], worker: str | None) -> bool:
    """Tell whether a worker says that it gave something up after another one, `worker`, has taken it."""
    return body["to"] == "UNASSIGNED" and worker not in {None, body["worker"]}
