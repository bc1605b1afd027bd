"""Journal: what happened in the group, kept in one topic that every worker follows.

An event's id is its offset in `<group.id>-journal` (one partition, old segments deleted), so that a console
resumes at any worker and after a restart. The newest `RING` events are held in memory. A standalone
worker keeps its journal in memory alone.

Values are JSON objects: `ts` (ms), `type`, `worker`, and the members that the type has; the Kafka key is
the type. Writing never waits: an event that cannot be written is dropped with one warning in a while.

Threads: events arrive on the log's thread; everything else may be called on any thread. Subscribers are
called on the log's thread and only queue.
"""

from __future__ import annotations

import collections
import itertools
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from operator import itemgetter
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.config.secrets import masked
from appliance.config.worker import WorkerConfig
from appliance.ids import ConnectorTaskId, State
from appliance.kafka.log import LogTopic
from appliance.storage.log import Log

_LOG = logging.getLogger(__name__)

RING: Final = 10_000
_QUIET_S: Final = 10.0
_ASKED_MS: Final = 10_000
_CONFIG_PATH: Final = re.compile(r"/connectors/?(?:([^/]+)/config)?")
_CONFIG_CHANGE: Final = re.compile(r"/connectors/?(?:([^/]+)(/config)?)?")


class Event(NamedTuple):
    """One entry; `id` grows by time."""

    id: int
    type: str
    body: dict[str, Any]


class Revised(NamedTuple):
    """When a connector's configuration changed last, which of the known revisions that is, and by whom."""

    ts: int
    number: int
    by: str | None = None


Subscriber = Callable[[Event], None]


class Journal:
    """The journal of one worker, a herder's JournalSink; see the module's text for threads."""

    def __init__(self, log: Log | None, worker_id: str, clock: Clock = SYSTEM_CLOCK) -> None:
        """Follow `log`, or keep events in memory when it is None."""
        self._log = log
        self._worker_id = worker_id
        self._clock = clock
        self._lock = threading.Lock()
        self._ring: collections.deque[Event] = collections.deque(maxlen=RING)
        self._came_s: collections.deque[float] = collections.deque(maxlen=RING)
        self._subscribers: set[Subscriber] = set()
        self._changed_ms: dict[str, int] = {}
        self._restarts: collections.Counter[str] = collections.Counter()
        self._revised: dict[str, Revised] = {}
        self._asked: dict[str, tuple[int, str]] = {}
        self._discarded: dict[str, set[tuple[int, int]]] = {}
        self._emptied_ms: dict[str, int] = {}
        self._numbers = itertools.count()
        self._warned_s = float("-inf")
        if log is not None:
            log.subscribe(self._on_record)

    def rebalance(self, event: Mapping[str, Any]) -> None:
        """Take a rebalance as this worker saw it (see JournalSink)."""
        self.append("rebalance", dict(event))

    def transition(
        self,
        id: str | ConnectorTaskId,
        before: State | None,
        after: State,
        trace: str | None,
        cause: str,
    ) -> None:
        """Take a change of state of a connector or task."""
        kind, key = ("connector", id) if isinstance(id, str) else ("task", str(id))
        body: dict[str, Any] = {"key": key, "from": before, "to": after, "cause": cause}
        if trace:
            body["trace"] = trace
        self.append(kind, body)

    def revision(self, connector: str, config: Mapping[str, str | None] | None) -> None:
        """Take a new configuration of a connector, None when it was deleted; secrets are masked."""
        shown = None if config is None else masked(config)
        self.append("config", {"key": connector, "config": shown})

    def audit(self, action: str, target: str, outcome: int, by: str, place: str = "") -> None:
        """Take a change asked for over REST: its answer's status, who asked, and from which address."""
        told = {"key": target, "action": action, "status": outcome, "by": by}
        self.append("audit", {**told, "from": place} if place else told)

    def append(self, type_: str, body: dict[str, Any]) -> None:
        """Add an event; does not wait."""
        entry = {"ts": self._clock.now_ms(), "type": type_, "worker": self._worker_id, **body}
        if self._log is None:
            self._take(Event(next(self._numbers), type_, entry))
            return
        value = json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()
        try:
            self._log.send(type_.encode(), value).add_done_callback(self._on_sent)
        except Exception as error:  # noqa: BLE001 - the journal must never stop the herder
            self._warn(error)

    def after(self, id: int) -> tuple[list[Event], bool]:
        """Give the events later than `id`, and whether none in between has been forgotten here."""
        with self._lock:
            oldest = self._ring[0].id if self._ring else id + 1
            return [event for event in self._ring if event.id > id], oldest <= id + 1

    @property
    def last_id(self) -> int:
        """Give the id of the newest event, -1 when there is none."""
        with self._lock:
            return self._ring[-1].id if self._ring else -1

    def recent(self, within_s: float) -> tuple[int, list[Event]]:
        """Give the id of the newest event, and the events that came here within `within_s`, oldest first."""
        since_s = self._clock.monotonic_s() - within_s
        with self._lock:
            both = zip(reversed(self._ring), reversed(self._came_s), strict=True)
            fresh = itertools.takewhile(lambda entry: entry[1] >= since_s, both)
            found = [event for event, _ in fresh]
            return (self._ring[-1].id if self._ring else -1), found[::-1]

    def newest(self, type_: str, limit: int, key: str | None = None) -> list[Event]:
        """Give at most `limit` events of a type (and key), newest first."""
        return list(itertools.islice(self._reversed(type_, key), limit))

    def changed_ms(self, task: str) -> int | None:
        """Give when a task (text of its id) changed its state last, None when that is not known."""
        return self._changed_ms.get(task)

    def restarts(self, task: str) -> int:
        """Give how often a task (text of its id) has been started again, as far as the journal goes."""
        return self._restarts[task]

    def revised(self, connector: str) -> Revised | None:
        """Give the last change of a connector's configuration, None when it is not known."""
        with self._lock:
            found = self._revised.get(connector)
            if found is None:
                return None
            # whoever asks is told of when the answer is known, mostly after the revision; and a request that
            # creates a connector does not name it
            names = (connector, "") if found.number == 1 else (connector,)
            for ts, by in (self._asked[name] for name in names if name in self._asked):
                if abs(ts - found.ts) <= _ASKED_MS:
                    return found._replace(by=by)
            return found

    def discard(self, topic: str, places: Sequence[Sequence[int]], why: str) -> None:
        """Hide dead letters, each a [partition, offset] of the queue `topic`."""
        self.append(
            "discard", {"key": topic, "records": [list(place) for place in places], "why": why}
        )

    def discarded(self, topic: str) -> frozenset[tuple[int, int]]:
        """Give the dead letters of a queue that are hidden."""
        with self._lock:
            return frozenset(self._discarded.get(topic, ()))

    def purged(self, topic: str, count: int) -> None:
        """Take that records of a dead letter queue were deleted for good."""
        self.append("purge", {"key": topic, "count": count})

    def emptied_ms(self, topic: str) -> int | None:
        """Give when letters of a queue were hidden or deleted last, None when that is not known."""
        return self._emptied_ms.get(topic)

    def revisions(self, connector: str, limit: int) -> list[dict[str, Any]]:
        """Give a connector's configurations, newest first, with `by` and `from` of who asked for each.

        Both are null where that is not known; without a user `by` is the address.
        """
        asked = [
            (event.body, name)
            for event in self.of_types("audit")
            if (name := _target(event.body)) in (connector, "")
        ]
        events = self.newest("config", limit + 1, connector)
        found = []
        for at, event in enumerate(events[:limit]):
            older = events[at + 1].body["config"] if at + 1 < len(events) else None
            near = [
                # who names it comes before a request that creates a connector, which does not
                (name == "", abs(body["ts"] - event.body["ts"]), body)
                for body, name in asked
                if abs(body["ts"] - event.body["ts"]) <= _ASKED_MS and (name or older is None)
            ]
            who = min(near, key=itemgetter(0, 1))[2] if near else {}
            told = {"by": who.get("by"), "from": who.get("from")}
            found.append({"id": event.id, **event.body, **told})
        return found

    def of_types(self, *types: str) -> list[Event]:
        """Give the events of these types, oldest first."""
        with self._lock:
            return [event for event in self._ring if event.type in types]

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with every later event."""
        with self._lock:
            self._subscribers.add(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Stop calling it."""
        with self._lock:
            self._subscribers.discard(subscriber)

    def _reversed(self, type_: str, key: str | None) -> Iterator[Event]:
        with self._lock:
            events = list(self._ring)
        for event in reversed(events):
            if event.type == type_ and (key is None or event.body.get("key") == key):
                yield event

    def _on_record(self, _key: bytes, value: bytes | None, offset: int) -> None:
        if value is not None:
            body = json.loads(value)
            self._take(Event(offset, str(body.get("type")), body))

    def _take(self, event: Event) -> None:
        with self._lock:
            self._ring.append(event)
            self._came_s.append(self._clock.monotonic_s())
            if event.type == "task":
                self._changed_ms[str(event.body.get("key"))] = event.body["ts"]
                self._restarts[str(event.body.get("key"))] += (
                    event.body.get("to") == State.RESTARTING
                )
            elif event.type == "config":
                self._note_revision(event.body)
            elif event.type == "audit":
                self._note_asker(event.body)
            elif event.type == "discard":
                hidden = self._discarded.setdefault(event.body["key"], set())
                hidden.update((partition, offset) for partition, offset in event.body["records"])
                self._emptied_ms[event.body["key"]] = event.body["ts"]
            elif event.type == "purge":
                self._emptied_ms[event.body["key"]] = event.body["ts"]
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber(event)

    def _note_revision(self, body: Mapping[str, Any]) -> None:
        name = str(body["key"])
        if body.get("config") is None:
            self._revised.pop(name, None)
            return
        before = self._revised.get(name)
        self._revised[name] = Revised(body["ts"], 1 if before is None else before.number + 1)

    def _note_asker(self, body: Mapping[str, Any]) -> None:
        found = _CONFIG_PATH.fullmatch(str(body["key"]))
        # without a user it is the address that is told
        if found is not None and body.get("by") not in (None, body.get("from")):
            self._asked[unquote(found[1] or "")] = body["ts"], str(body["by"])

    def _on_sent(self, future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._warn(error)

    def _warn(self, error: BaseException) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._warned_s >= _QUIET_S:
            self._warned_s = now_s
            _LOG.warning("An event could not be written to the journal. error=%s", error)


def _target(body: Mapping[str, Any]) -> str | None:
    """Give the connector whose configuration a request changed, empty for a new one, None for no such."""
    found = _CONFIG_CHANGE.fullmatch(str(body["key"]))
    if found is None or body.get("status", 200) >= 400:
        return None
    named, whole = found[1], found[2] is None
    # what else is asked of a connector itself is to delete it
    if whole and named and body.get("action") != "DELETE":
        return None
    return unquote(named or "")


def journal_topic(config: WorkerConfig) -> LogTopic:
    """Give the journal's topic as it is made when it is missing."""
    return LogTopic(
        config.journal_topic,
        "appliance.journal.topic",
        replication_factor=config.number("appliance.journal.replication.factor"),
        cleanup_policy="delete",
        config={"retention.ms": str(config.number("appliance.journal.retention.ms"))},
        single=True,
    )
