"""StatusStore: states of connectors and tasks and the topics they use, kept in the status topic.

Keys and values (compact JSON without schema, None deletes):

    status-connector-<X>            {"state":..,"trace":..,"worker_id":..,"generation":..,"version":..}
    status-task-<X>-<n>             the same
    status-topic-<T>:connector-<X>  {"topic":{"name":..,"connector":..,"task":..,"discoverTimestamp":..}}

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.storage.KafkaStatusBackingStore, with two
differences that keep an old UNASSIGNED from overwriting a newer RUNNING: a write that failed is sent again
only while nothing newer is known, from `retry`, never by the client; and a reader ignores it for
connectors too, but only when it comes from another worker than the one that runs.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import threading
from concurrent.futures import Future

import orjson

from appliance.clock import Clock
from appliance.ids import ConnectorTaskId, State
from appliance.storage.log import Log

logger = logging.getLogger("org.apache.kafka.connect.storage.KafkaStatusBackingStore")

Name = str | ConnectorTaskId
"""A connector's name, or a task's id."""


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """What one worker said about a connector or task in one generation of the group."""

    state: State
    worker_id: str
    generation: int
    version: str | None = None
    trace: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class TopicStatus:
    """That a task of a connector has used a topic."""

    topic: str
    connector: str
    task: int
    discovered_ms: int


class StatusStore:
    """The one copy of the status topic in a worker; any thread, nothing blocks."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._statuses: dict[Name, Status] = {}
        self._topics: dict[str, dict[str, TopicStatus]] = {}
        self._sequence: collections.Counter[Name] = collections.Counter()
        self._generation = 0
        self._unsent: dict[Name, tuple[Status, bool, int]] = {}
        log.subscribe(self._on_record)

    def get(self, name: Name) -> Status | None:
        """Give the last known status."""
        with self._lock:
            return self._statuses.get(name)

    def names(self) -> list[Name]:
        """Give all connectors and tasks that have a status."""
        with self._lock:
            return list(self._statuses)

    def tasks(self, connector: str) -> dict[int, Status]:
        """Give the statuses of a connector's tasks by number, in order."""
        with self._lock:
            found = {
                name.task: status
                for name, status in self._statuses.items()
                if isinstance(name, ConnectorTaskId) and name.connector == connector
            }
        return dict(sorted(found.items()))

    def all_tasks(self) -> dict[str, dict[int, Status]]:
        """Give the statuses of all tasks by connector and number, in order."""
        with self._lock:
            found = [
                (name, status)
                for name, status in self._statuses.items()
                if isinstance(name, ConnectorTaskId)
            ]
        grouped: dict[str, dict[int, Status]] = {}
        for name, status in sorted(found, key=lambda item: item[0]):
            grouped.setdefault(name.connector, {})[name.task] = status
        return grouped

    def topics(self, connector: str) -> tuple[str, ...]:
        """Give the topics that a connector has used since the last reset."""
        with self._lock:
            return tuple(self._topics.get(connector, ()))

    def tracked_connectors(self) -> frozenset[str]:
        """Give the connectors that have a used topic on record."""
        with self._lock:
            return frozenset(name for name, topics in self._topics.items() if topics)

    def put(self, name: Name, status: Status, *, safe: bool = False) -> None:
        """Write a status; with `safe`, not over another worker's of a later generation."""
        with self._lock:
            self._generation = max(self._generation, status.generation)
            if safe and not self._may_write(name, status):
                return
            self._sequence[name] += 1
            sequence = self._sequence[name]
            self._unsent.pop(name, None)
        self._send(name, status, safe, sequence)

    def remove(self, name: Name) -> None:
        """Delete the status of something that no longer exists."""
        with self._lock:
            self._sequence[name] += 1
            self._unsent.pop(name, None)
        self._log.send(_key(name), None)

    def put_topic(self, topic: str, id: ConnectorTaskId) -> None:
        """Write that `id` has used `topic`, unless its connector is known to."""
        with self._lock:
            if topic in self._topics.get(id.connector, ()):
                return
        inner = {
            "name": topic,
            "connector": id.connector,
            "task": id.task,
            "discoverTimestamp": self._clock.now_ms(),
        }
        self._log.send(_topic_key(topic, id.connector), orjson.dumps({"topic": inner}))

    def reset_topics(self, connector: str) -> None:
        """Delete what is known about a connector's use of topics."""
        for topic in self.topics(connector):
            self._log.send(_topic_key(topic, connector), None)

    def retry(self) -> None:
        """Send again what could not be written and still is the last word; the tick calls it."""
        with self._lock:
            if not self._unsent:
                return
            again = [
                (name, status, safe, sequence)
                for name, (status, safe, sequence) in self._unsent.items()
                if sequence == self._sequence[name]
                and status.generation == self._generation
                and self._may_write(name, status)
            ]
            self._unsent.clear()
        for name, status, safe, sequence in again:
            self._send(name, status, safe, sequence)

    def purge(self) -> None:
        """Forget what is not written yet: the group went on without this worker."""
        with self._lock:
            self._unsent.clear()
            for name in self._sequence:
                self._sequence[name] += 1
        self._log.purge()

    def _may_write(self, name: Name, status: Status) -> bool:
        known = self._statuses.get(name)
        return (
            known is None
            or known.worker_id == status.worker_id
            or known.generation <= status.generation
        )

    def _send(self, name: Name, status: Status, safe: bool, sequence: int) -> None:
        def written(future: Future[None]) -> None:
            error = future.exception()
            if error is None:
                return
            with self._lock:
                if sequence == self._sequence[name]:
                    self._unsent[name] = (status, safe, sequence)
            logger.debug("A status could not be written. name=%s error=%s", name, error)

        self._log.send(_key(name), _value(status)).add_done_callback(written)

    def _on_record(self, key: bytes, value: bytes | None, offset: int) -> None:
        try:
            self._apply(key.decode(), value)
        except (KeyError, TypeError, ValueError) as error:
            logger.error(
                "A record of the status topic cannot be read and is ignored. key=%r offset=%d error=%r",
                key,
                offset,
                error,
            )

    def _apply(self, key: str, value: bytes | None) -> None:
        kind, _, rest = key.removeprefix("status-").partition("-")
        if not key.startswith("status-") or kind not in ("connector", "task", "topic") or not rest:
            raise ValueError("no worker writes such a key")
        if kind == "topic":
            self._apply_topic(rest, value)
            return
        name: Name = ConnectorTaskId.parse(rest) if kind == "task" else rest
        status = None if value is None else _parse(value)
        with self._lock:
            if status is None:
                self._statuses.pop(name, None)
            elif not _is_late(status, self._statuses.get(name)):
                self._statuses[name] = status

    def _apply_topic(self, rest: str, value: bytes | None) -> None:
        topic, separator, connector = rest.partition(":connector-")
        if not separator:
            raise ValueError("the key names no connector")
        with self._lock:
            if value is None:
                self._topics.get(connector, {}).pop(topic, None)
                return
            inner = orjson.loads(value)["topic"]
            self._topics.setdefault(connector, {})[topic] = TopicStatus(
                inner["name"], inner["connector"], inner["task"], inner["discoverTimestamp"]
            )


def _is_late(status: Status, known: Status | None) -> bool:
    return (
        known is not None
        and status.state is State.UNASSIGNED
        and known.state is State.RUNNING
        and known.generation >= status.generation
        and known.worker_id != status.worker_id
    )


def _key(name: Name) -> bytes:
    kind = "task" if isinstance(name, ConnectorTaskId) else "connector"
    return f"status-{kind}-{name}".encode()


def _topic_key(topic: str, connector: str) -> bytes:
    return f"status-topic-{topic}:connector-{connector}".encode()


def _value(status: Status) -> bytes:
    return orjson.dumps(
        {
            "state": status.state.value,
            "trace": status.trace,
            "worker_id": status.worker_id,
            "generation": status.generation,
            "version": status.version,
        }
    )


def _parse(value: bytes) -> Status:
    fields = orjson.loads(value)
    return Status(
        State(fields["state"]),
        fields["worker_id"],
        fields["generation"],
        fields.get("version"),
        fields.get("trace"),
    )
