"""Backup and restore of a group: configurations, offsets, statuses and schema histories in one file.

The file holds one JSON object a line, so that it can be read, searched and compared: first what it is,
then each topic with its settings, then its records. Of compacted topics it keeps the newest record of each
key. A backup may be taken while the daemon runs: histories are read after offsets, so that every stored
position knows its tables. Offset topics of connectors' own are kept as well; what lies on other brokers is
not, since it is not lost with these, and is told of. Configurations may hold passwords: the file is for its
owner alone.

Raises ConnectError; a restore that fails may be run again once the topics that it made are deleted.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.clock import SYSTEM_CLOCK
from appliance.config.worker import WorkerConfig
from appliance.errors import BadRequestError, ConnectError
from appliance.kafka.clients import Settings, connector_client, role_client, worker_client
from appliance.kafka.cluster import Cluster, Record
from appliance.kafka.topics import create_topic

FORMAT: Final = "ingest-appliance-backup"
VERSION: Final = 1

_HISTORY: Final = "schema.history.internal"
_OFFSETS_OPTION: Final = "offsets.storage.topic"
_CLIENT_ID: Final = "ingest-appliance-backup"
_KEPT_SETTINGS: Final = ("cleanup.policy", "retention.ms", "retention.bytes", "max.message.bytes")
_STORES: Final = ("config", "offset", "status")
_OWN_OFFSETS: Final = "connector-offset"
_OTHERS_TIMEOUT_S: Final = 10.0
# made anew by every group, and no business of a file
_SESSION_KEY: Final = b"session-key"


class Saved(NamedTuple):
    """What a backup holds: records by topic; and, a sentence each, what of connectors it does not hold."""

    counts: Mapping[str, int]
    left_out: Sequence[str]


def back_up(config: WorkerConfig, path: Path) -> Saved:
    """Write the group's state to the file at `path`."""
    _refuse_standalone(config)
    scratch = path.with_name(f"{path.name}.partial")
    try:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            saved = _saved(config, out)
            out.flush()
            os.fsync(out.fileno())
        scratch.rename(path)
    except OSError as error:
        raise ConnectError(f"Writing {path}: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink()
    return saved


def _saved(config: WorkerConfig, out: Any) -> Saved:
    cluster = _connected(config)
    counts: dict[str, int] = {}
    _write(out, _head(config, cluster))
    topics: dict[str, list[str]] = {
        store: [config.text(f"{store}.storage.topic")] for store in _STORES
    }
    left_out: list[str] = []
    for kind in (*_STORES, _OWN_OFFSETS, "history"):
        for name in topics[kind]:
            records = cluster.records(name)
            if kind != "history":
                records = _kept(records)
            if kind == "config":
                records = [record for record in records if record.key != _SESSION_KEY]
                own = _OwnTopics(config, cluster, left_out)
                topics |= own.of(records)
            _write(out, {"topic": name, "kind": kind, **_shape(cluster, name)})
            for record in records:
                _write(out, _line(name, record))
            counts[name] = len(records)
    return Saved(counts, left_out)


def restore(config: WorkerConfig, path: Path) -> Mapping[str, int]:
    """Write the file's records into the cluster; give the number of records by topic.

    Topics that are missing are made. Raises BadRequestError when the file is none of ours, or when the
    cluster has connectors, offsets or a history already.
    """
    _refuse_standalone(config)
    cluster = _connected(config)
    topics, records = _read(path)
    names = {f"{store}": config.text(f"{store}.storage.topic") for store in _STORES}
    renamed = {topic["topic"]: names.get(topic["kind"], topic["topic"]) for topic in topics}
    for topic in topics:
        _prepare(cluster, renamed[topic["topic"]], topic)
    return cluster.write([(renamed[name], record) for name, record in records])


def _kept(records: Sequence[Record]) -> list[Record]:
    """Give the newest record of each key, without what was deleted."""
    newest = {(record.partition, record.key): at for at, record in enumerate(records)}
    return [records[at] for at in sorted(newest.values()) if records[at].value is not None]


def _shape(cluster: Cluster, name: str) -> dict[str, Any]:
    topic = cluster.topic(name)
    if topic is None:
        return {"partitions": 1, "settings": {}}
    settings = {key: topic.settings[key] for key in _KEPT_SETTINGS if key in topic.settings}
    return {"partitions": topic.partitions, "settings": settings}


def _prepare(cluster: Cluster, name: str, topic: Mapping[str, Any]) -> None:
    """Make a topic, or make sure that it is empty. Raises BadRequestError."""
    if name not in cluster.partitions:
        create_topic(cluster.settings, name, topic["partitions"], -1, topic["settings"])
        return
    held = [record for record in _kept(cluster.records(name)) if record.key != _SESSION_KEY]
    # a daemon that has only just been started has left its first statuses
    if held and topic["kind"] != "status":
        raise BadRequestError(
            f"Restoring topic {name}: it holds {len(held)} records already. Stop the daemon on every "
            "host, delete the topic, and restore again."
        )
    if cluster.partitions[name] != topic["partitions"]:
        raise BadRequestError(
            f"Restoring topic {name}: it has {cluster.partitions[name]} partitions, the file has "
            f"{topic['partitions']}. Stop the daemon, delete the topic, and restore again."
        )


def _refuse_standalone(config: WorkerConfig) -> None:
    if config.standalone:
        raise BadRequestError(
            "A standalone worker keeps its offsets in a file: copy "
            f"{config.text('offset.storage.file.filename')} while it is stopped."
        )


def _connected(config: WorkerConfig) -> Cluster:
    cluster = Cluster(worker_client(config, _CLIENT_ID))
    cluster.connect()
    return cluster


def _head(config: WorkerConfig, cluster: Cluster) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "created_ms": SYSTEM_CLOCK.now_ms(),
        "group.id": config.group_id,
        "kafka_cluster_id": cluster.id,
    }


class _OwnTopics:
    """Finds the topics that connectors name for their state, and tells which are out of reach."""

    def __init__(self, config: WorkerConfig, cluster: Cluster, left_out: list[str]) -> None:
        self._config = config
        self._cluster = cluster
        self._left_out = left_out

    def of(self, records: Iterable[Record]) -> dict[str, list[str]]:
        """Give offset topics and schema histories by kind, sorted, without what is the worker's."""
        offsets: set[str] = set()
        histories: set[str] = set()
        for record in records:
            if record.key is None or not record.key.startswith(b"connector-") or not record.value:
                continue
            name = record.key.decode().removeprefix("connector-")
            properties = json.loads(record.value).get("properties", {})
            self._add_offsets(offsets, name, properties)
            self._add_history(histories, name, properties)
        offsets.discard(self._config.text("offset.storage.topic"))
        return {_OWN_OFFSETS: sorted(offsets), "history": sorted(histories)}

    def _add_offsets(self, found: set[str], name: str, properties: Mapping[str, str]) -> None:
        topic = properties.get(_OFFSETS_OPTION)
        if topic:
            servers = properties.get("producer.override.bootstrap.servers")
            settings = role_client(self._config, properties, "producer", _CLIENT_ID)
            self._add(found, f"{name}: its offsets in topic", topic, servers, settings)

    def _add_history(self, found: set[str], name: str, properties: Mapping[str, str]) -> None:
        topic = properties.get(f"{_HISTORY}.kafka.topic")
        file = properties.get(f"{_HISTORY}.file.filename")
        if topic:
            servers = properties.get(f"{_HISTORY}.kafka.bootstrap.servers")
            settings = connector_client(self._config, properties, f"{_HISTORY}.consumer.")
            self._add(found, f"{name}: its schema history in topic", topic, servers, settings)
        elif file:
            self._left_out.append(f"{name}: its schema history in the file {file}; copy that too")

    def _add(
        self, found: set[str], what: str, topic: str, servers: str | None, settings: Settings
    ) -> None:
        """Add a topic that lies on the worker's brokers; tell of one that does not."""
        if "${" in topic:
            self._left_out.append(f"{what} {topic}, whose name stands elsewhere")
            return
        if not servers or _addresses(servers) == _addresses(self._config.bootstrap_servers):
            found.add(topic)
            return
        if topic in self._cluster.partitions and self._is_here(servers, settings):
            found.add(topic)
            return
        self._left_out.append(f"{what} {topic} of the brokers {servers}; save it there")

    def _is_here(self, servers: str, settings: Settings) -> bool:
        """Whether other addresses are those of the worker's brokers; False where they do not answer."""
        try:
            return _cluster_id({**settings, "bootstrap.servers": servers}) == self._cluster.id
        except ConnectError:
            return False


def _addresses(servers: str) -> set[str]:
    return {address.strip() for address in servers.split(",")}


def _cluster_id(settings: Settings) -> str | None:
    other = Cluster(settings, _OTHERS_TIMEOUT_S)
    other.connect()
    return other.id


def _write(out: Any, line: Mapping[str, Any]) -> None:
    out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def _line(topic: str, record: Record) -> dict[str, Any]:
    return {
        "record": topic,
        "partition": record.partition,
        "ts": record.timestamp_ms,
        "key": _shown(record.key),
        "value": _shown(record.value),
    }


def _shown(data: bytes | None) -> Any:
    """Give bytes as text where they are text, as base64 otherwise."""
    if data is None:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _bytes(shown: Any) -> bytes | None:
    if shown is None:
        return None
    return base64.b64decode(shown["base64"]) if isinstance(shown, dict) else shown.encode("utf-8")


def _read(path: Path) -> tuple[list[dict[str, Any]], list[tuple[str, Record]]]:
    topics: list[dict[str, Any]] = []
    records: list[tuple[str, Record]] = []
    try:
        with path.open(encoding="utf-8") as lines:
            head = json.loads(next(lines, "null"))
            if not isinstance(head, dict) or head.get("format") != FORMAT:
                raise BadRequestError(f"Reading {path}: it is no file made by `backup`.")
            if head["version"] > VERSION:
                raise BadRequestError(
                    f"Reading {path}: it was made by a later version. Restore it with that one."
                )
            for text in lines:
                line = json.loads(text)
                if "topic" in line:
                    topics.append(line)
                    continue
                key, value = _bytes(line["key"]), _bytes(line["value"])
                records.append((line["record"], Record(line["partition"], key, value, line["ts"])))
    except OSError as error:
        raise ConnectError(f"Reading {path}: {error.strerror}.") from error
    except (ValueError, KeyError) as error:
        raise BadRequestError(f"Reading {path}: it is damaged ({error}).") from error
    return topics, records
