"""ConfigStore: connectors, task configurations, target states and session keys, kept in the config topic.

Keys and values (compact JSON without schema, None deletes):

    connector-<X>             {"properties":{...}}
    task-<X>-<n>              {"properties":{...}}   counts once its commit record is read
    commit-<X>                {"tasks":<n>}
    target-state-<X>          {"state":"PAUSED","state.v2":"STOPPED"}   `state` is for workers before 3.5
    tasks-fencing-<X>         {"task-count":<n>}
    restart-connector-<X>     {"include-tasks":true,"only-failed":false}
    session-key               {"key":"<base64>","algorithm":"HmacSHA256","creation-timestamp":<ms>}
    logger-cluster-<logger>   {"level":"DEBUG"}

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.storage.KafkaConfigBackingStore.
"""

from __future__ import annotations

import base64
import dataclasses
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from appliance.ids import ConnectorTaskId, TargetState
from appliance.storage.log import KeyValue, Log
from appliance.storage.snapshot import ClusterConfigState, Config, SessionKey

logger = logging.getLogger("org.apache.kafka.connect.storage.KafkaConfigBackingStore")

WRITE_TIMEOUT_S = 30.0


class ConfigListener(Protocol):
    """Hears of changes after start-up; on the log's thread, so it only takes notes."""

    def on_connector_updated(self, name: str) -> None:
        """A configuration was written, of a new connector or one that exists."""

    def on_connector_removed(self, name: str) -> None:
        """A connector was deleted."""

    def on_tasks_updated(self, connector: str, ids: Sequence[ConnectorTaskId]) -> None:
        """A connector's set of tasks was committed; `ids` are those with a new configuration."""

    def on_target_state_changed(self, name: str) -> None:
        """A connector is to start, pause or stop."""

    def on_session_key(self, key: SessionKey) -> None:
        """Requests between workers are signed with a new key."""

    def on_restart_requested(self, connector: str, only_failed: bool, include_tasks: bool) -> None:
        """A connector is to be restarted."""

    def on_log_level(self, name: str, level: str) -> None:
        """A logger's level is to be changed on all workers."""


class ConfigStore:
    """The one copy of the config topic in a worker. Any thread; writes block until read back."""

    def __init__(self, log: Log, listener: ConfigListener) -> None:
        self._log = log
        self._listener = listener
        self._lock = threading.Lock()
        self._reader = ConfigReader()
        self._snapshot: ClusterConfigState | None = None
        self._live = False
        log.subscribe(self._on_record)

    def go_live(self) -> None:
        """Tell the listener of records from here on: those read so far are history."""
        with self._lock:
            self._live = True

    def snapshot(self) -> ClusterConfigState:
        """Give all that was read so far."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = self._reader.snapshot()
            return self._snapshot

    def refresh(self, timeout_s: float) -> None:
        """Read to the end. Raises RetriableError."""
        self._log.read_to_end(timeout_s)

    def claim(self) -> None:
        """Take the right to write from an earlier leader, where exactly-once support is on."""
        self._log.claim(WRITE_TIMEOUT_S)

    def put_connector(self, name: str, config: Config, target: TargetState | None) -> None:
        """Write a configuration, after the target state if one is given."""
        records: list[KeyValue] = []
        if target is not None:
            records.append(_target_record(name, target))
        records.append((f"connector-{name}".encode(), _json({"properties": dict(config)})))
        self._write(records)

    def remove_connector(self, name: str) -> None:
        """Delete configuration and target state; task and commit records stay behind."""
        self._write(
            [
                (f"connector-{name}".encode(), None),
                (f"target-state-{name}".encode(), None),
            ]
        )

    def put_task_configs(self, connector: str, configs: Sequence[Mapping[str, str]]) -> None:
        """Write all task configurations of a connector, then the record that makes them count."""
        records: list[KeyValue] = [
            (f"task-{connector}-{number}".encode(), _json({"properties": dict(config)}))
            for number, config in enumerate(configs)
        ]
        if records:
            # Acknowledged before the commit record is sent, so that no retry can reorder the two.
            self._log.write(records, WRITE_TIMEOUT_S)
        self._write([(f"commit-{connector}".encode(), _json({"tasks": len(configs)}))])

    def put_target_state(self, name: str, target: TargetState) -> None:
        """Write what a connector is to do."""
        self._write([_target_record(name, target)])

    def put_restart(self, connector: str, only_failed: bool, include_tasks: bool) -> None:
        """Write a request to restart a connector."""
        value = {"include-tasks": include_tasks, "only-failed": only_failed}
        self._write([(f"restart-connector-{connector}".encode(), _json(value))])

    def put_session_key(self, key: SessionKey) -> None:
        """Write a new key for requests between workers."""
        value = {
            "key": base64.b64encode(key.key).decode(),
            "algorithm": key.algorithm,
            "creation-timestamp": key.created_ms,
        }
        self._write([(b"session-key", _json(value))])

    def put_task_count(self, connector: str, count: int) -> None:
        """Write that earlier task producers are fenced and `count` tasks may start."""
        self._write([(f"tasks-fencing-{connector}".encode(), _json({"task-count": count}))])

    def put_log_level(self, name: str, level: str) -> None:
        """Write a logger's level for all workers."""
        self._write([(f"logger-cluster-{name}".encode(), _json({"level": level}))])

    def _write(self, records: Sequence[KeyValue]) -> None:
        self._log.write(records, WRITE_TIMEOUT_S)
        self._log.read_to_end(WRITE_TIMEOUT_S)

    def _on_record(self, key: bytes, value: bytes | None, offset: int) -> None:
        with self._lock:
            event = self._reader.apply(key, value, offset)
            self._snapshot = None
            live = self._live
        if live and event is not None:
            method, *arguments = event
            getattr(self._listener, method)(*arguments)


Event = tuple[Any, ...]
"""The listener's method and its arguments."""


@dataclasses.dataclass(slots=True)
class ConfigReader:
    """Folds the records of the config topic; not thread-safe."""

    offset: int = -1
    session_key: SessionKey | None = None
    configs: dict[str, Config] = dataclasses.field(default_factory=dict)
    targets: dict[str, TargetState] = dataclasses.field(default_factory=dict)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    task_configs: dict[ConnectorTaskId, Mapping[str, str]] = dataclasses.field(
        default_factory=dict
    )
    deferred: dict[str, dict[ConnectorTaskId, Mapping[str, str]]] = dataclasses.field(
        default_factory=dict
    )
    applied: dict[str, Config] = dataclasses.field(default_factory=dict)
    count_records: dict[str, int] = dataclasses.field(default_factory=dict)
    pending_fencing: set[str] = dataclasses.field(default_factory=set)
    inconsistent: set[str] = dataclasses.field(default_factory=set)

    def snapshot(self) -> ClusterConfigState:
        """Give the state as of the last record."""
        return ClusterConfigState(
            self.offset,
            self.session_key,
            dict(self.configs),
            {name: target for name, target in self.targets.items() if name in self.configs},
            dict(self.counts),
            dict(self.task_configs),
            dict(self.applied),
            dict(self.count_records),
            frozenset(self.pending_fencing),
            frozenset(self.inconsistent),
        )

    def apply(self, key: bytes, value: bytes | None, offset: int) -> Event | None:
        """Take one record; gives what the listener should hear. An unreadable one is logged and left."""
        self.offset = offset + 1
        try:
            text = key.decode()
            parsed = None if value is None else orjson.loads(value)
            for prefix, handler in _HANDLERS:
                if text.startswith(prefix):
                    event: Event | None = handler(self, text[len(prefix) :], parsed)
                    return event
            raise ValueError("no worker writes such a key")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            logger.error(
                "A record of the config topic cannot be read and is ignored. key=%r offset=%d error=%r",
                key,
                offset,
                error,
            )
            return None

    def _connector(self, name: str, value: Any) -> Event:
        if value is None:
            self.configs.pop(name, None)
            self.counts.pop(name, None)
            self.applied.pop(name, None)
            self.deferred.pop(name, None)
            self.inconsistent.discard(name)
            for task in [task for task in self.task_configs if task.connector == name]:
                del self.task_configs[task]
            return ("on_connector_removed", name)
        self.configs[name] = _properties(value)
        self.targets.setdefault(name, TargetState.STARTED)
        return ("on_connector_updated", name)

    def _task(self, name: str, value: Any) -> None:
        task = ConnectorTaskId.parse(name)
        self.deferred.setdefault(task.connector, {})[task] = _properties(value)

    def _commit(self, name: str, value: Any) -> Event:
        count = int(value["tasks"])
        deferred = self.deferred.pop(name, {})
        # More tasks than committed are no fault: compaction may have kept those of a larger, later set.
        complete = all(ConnectorTaskId(name, number) in deferred for number in range(count))
        if complete:
            self.task_configs.update(deferred)
            self.inconsistent.discard(name)
            if name in self.configs:
                self.applied[name] = self.configs[name]
        else:
            self.inconsistent.add(name)
        self.counts[name] = count
        self.pending_fencing.add(name)
        return ("on_tasks_updated", name, tuple(deferred) if complete else ())

    def _target(self, name: str, value: Any) -> Event | None:
        before = self.targets.get(name)
        if value is None:
            self.targets.pop(name, None)
            if name in self.configs:
                self.targets[name] = TargetState.STARTED
            return None
        text = value.get("state.v2")
        if text not in TargetState.__members__:
            text = value["state"]
        self.targets[name] = TargetState(text)
        return ("on_target_state_changed", name) if self.targets[name] is not before else None

    def _restart(self, name: str, value: Any) -> Event | None:
        if value is None:
            return None
        return (
            "on_restart_requested",
            name,
            value.get("only-failed") is True,
            value.get("include-tasks") is True,
        )

    def _fencing(self, name: str, value: Any) -> None:
        self.count_records[name] = int(value["task-count"])
        self.pending_fencing.discard(name)

    def _session_key(self, rest: str, value: Any) -> Event | None:
        if rest or value is None:
            return None
        self.session_key = SessionKey(
            base64.b64decode(value["key"]), value["algorithm"], int(value["creation-timestamp"])
        )
        return ("on_session_key", self.session_key)

    def _log_level(self, name: str, value: Any) -> Event | None:
        return None if value is None else ("on_log_level", name, value["level"])


_HANDLERS: tuple[tuple[str, Any], ...] = (
    ("target-state-", ConfigReader._target),
    ("connector-", ConfigReader._connector),
    ("task-", ConfigReader._task),
    ("commit-", ConfigReader._commit),
    ("restart-connector-", ConfigReader._restart),
    ("tasks-fencing-", ConfigReader._fencing),
    ("session-key", ConfigReader._session_key),
    ("logger-cluster-", ConfigReader._log_level),
)


def _properties(value: Any) -> Mapping[str, Any]:
    properties = value["properties"]
    if not isinstance(properties, dict):
        raise TypeError("`properties` is no object")
    return properties


def _target_record(name: str, target: TargetState) -> KeyValue:
    # Workers before 3.5 know no STOPPED; PAUSED is the nearest to it.
    old = TargetState.PAUSED if target is TargetState.STOPPED else target
    return (
        f"target-state-{name}".encode(),
        _json({"state": old.value, "state.v2": target.value}),
    )


def _json(value: Any) -> bytes:
    return orjson.dumps(value)
