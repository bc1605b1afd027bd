"""Backup and restore of a group: configurations, offsets, statuses and schema histories in one file.

The file holds one JSON object a line, so that it can be read, searched and compared: first what it is,
then each topic with its settings, then its records. Of compacted topics it keeps the newest record of each
key. A backup may be taken while the daemon runs: histories are read after offsets, so that every stored
position knows its tables. Configurations may hold passwords: the file is for its owner alone.

Raises ConnectError; a restore that fails may be run again once the topics that it made are deleted.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource

from appliance.clock import SYSTEM_CLOCK
from appliance.config.worker import WorkerConfig
from appliance.errors import BadRequestError, ConnectError
from appliance.kafka.clients import worker_client
from appliance.kafka.topics import create_topic

FORMAT: Final = "ingest-appliance-backup"
VERSION: Final = 1

_TIMEOUT_S: Final = 30.0
_HISTORY_OPTION: Final = "schema.history.internal.kafka.topic"
_KEPT_SETTINGS: Final = ("cleanup.policy", "retention.ms", "retention.bytes", "max.message.bytes")
_STORES: Final = ("config", "offset", "status")
# made anew by every group, and no business of a file
_SESSION_KEY: Final = b"session-key"


class Record(NamedTuple):
    """One record of an internal topic."""

    partition: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int


def back_up(config: WorkerConfig, path: Path) -> Mapping[str, int]:
    """Write the group's state to the file at `path`; give the number of records by topic."""
    _refuse_standalone(config)
    cluster = _Cluster(config)
    counts: dict[str, int] = {}
    scratch = path.with_name(f"{path.name}.partial")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        _write(out, _head(config, cluster))
        histories: set[str] = set()
        for kind in (*_STORES, "history"):
            names = (
                sorted(histories) if kind == "history" else [config.text(f"{kind}.storage.topic")]
            )
            for name in names:
                records = cluster.records(name, compacted=kind != "history")
                if kind == "config":
                    records = [record for record in records if record.key != _SESSION_KEY]
                    histories = _histories(records)
                _write(out, {"topic": name, "kind": kind, **cluster.shape(name)})
                for record in records:
                    _write(out, _line(name, record))
                counts[name] = len(records)
        out.flush()
        os.fsync(out.fileno())
    scratch.rename(path)
    return counts


def restore(config: WorkerConfig, path: Path) -> Mapping[str, int]:
    """Write the file's records into the cluster; give the number of records by topic.

    Topics that are missing are made. Raises BadRequestError when the file is none of ours, or when the
    cluster has connectors, offsets or a history already.
    """
    _refuse_standalone(config)
    cluster = _Cluster(config)
    topics, records = _read(path)
    names = {f"{store}": config.text(f"{store}.storage.topic") for store in _STORES}
    renamed = {topic["topic"]: names.get(topic["kind"], topic["topic"]) for topic in topics}
    for topic in topics:
        cluster.prepare(renamed[topic["topic"]], topic)
    return cluster.write([(renamed[name], record) for name, record in records])


class _Cluster:
    """The brokers of a worker: reading and writing whole topics."""

    def __init__(self, config: WorkerConfig) -> None:
        self._settings = worker_client(config, "ingest-appliance-backup")
        self._admin = AdminClient(dict(self._settings))
        with _told(f"asking the brokers at {config.bootstrap_servers}"):
            found = self._admin.list_topics(timeout=_TIMEOUT_S)
        self.id = found.cluster_id
        self._partitions = {name: len(topic.partitions) for name, topic in found.topics.items()}

    def shape(self, name: str) -> dict[str, Any]:
        """Give a topic's partitions and settings."""
        if name not in self._partitions:
            return {"partitions": 1, "settings": {}}
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        with _told(f"reading the settings of {name}"):
            answer = self._admin.describe_configs([resource], request_timeout=_TIMEOUT_S)
            found = answer[resource].result(_TIMEOUT_S)
        settings = {key: found[key].value for key in _KEPT_SETTINGS if key in found}
        return {"partitions": self._partitions[name], "settings": settings}

    def records(self, name: str, *, compacted: bool) -> list[Record]:
        """Give a topic's records in the order of each partition, committed ones alone."""
        if name not in self._partitions:
            return []
        with _told(f"reading topic {name}"):
            found = list(self._consume(name))
        if not compacted:
            return found
        newest = {(record.partition, record.key): at for at, record in enumerate(found)}
        return [found[at] for at in sorted(newest.values()) if found[at].value is not None]

    def _consume(self, name: str) -> Iterator[Record]:
        consumer = Consumer(
            {
                **self._settings,
                "group.id": "ingest-appliance-backup",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
            }
        )
        try:
            open_partitions = set(range(self._partitions[name]))
            consumer.assign([TopicPartition(name, number, 0) for number in open_partitions])
            while open_partitions:
                message = consumer.poll(_TIMEOUT_S)
                if message is None:
                    raise ConnectError(f"reading topic {name}: no answer for {_TIMEOUT_S:g} s")
                error = message.error()
                if error is None:
                    timestamp_ms = message.timestamp()[1]
                    number = message.partition() or 0
                    yield Record(number, message.key(), message.value(), timestamp_ms)
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition())
                else:
                    raise KafkaException(error)
        finally:
            consumer.close()

    def prepare(self, name: str, topic: Mapping[str, Any]) -> None:
        """Make a topic, or make sure that it is empty. Raises BadRequestError."""
        if name in self._partitions:
            held = [r for r in self.records(name, compacted=True) if r.key != _SESSION_KEY]
            # a daemon that has only just been started has left its first statuses
            if held and topic["kind"] != "status":
                raise BadRequestError(
                    f"Restoring topic {name}: it holds {len(held)} records already. Stop the daemon on "
                    "every host, delete the topic, and restore again."
                )
            if self._partitions[name] != topic["partitions"]:
                raise BadRequestError(
                    f"Restoring topic {name}: it has {self._partitions[name]} partitions, the file has "
                    f"{topic['partitions']}. Stop the daemon, delete the topic, and restore again."
                )
            return
        create_topic(self._settings, name, topic["partitions"], -1, topic["settings"])

    def write(self, records: Iterable[tuple[str, Record]]) -> dict[str, int]:
        """Produce records into their partitions."""
        counts: dict[str, int] = {}
        failed: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                failed.append(error)

        producer = Producer({**self._settings, "enable.idempotence": True})
        for name, record in records:
            producer.produce(
                name,
                record.value,
                record.key,
                record.partition,
                on_delivery=on_delivery,
                timestamp=record.timestamp_ms,
            )
            producer.poll(0)
            counts[name] = counts.get(name, 0) + 1
        left = producer.flush(_TIMEOUT_S)
        if failed or left:
            why = failed[0].str() if failed else f"{left} records were not acknowledged"
            raise ConnectError(f"restoring {len(counts)} topics: {why}")
        return counts


@contextlib.contextmanager
def _told(doing: str) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise ConnectError(f"{doing}: {error.args[0].str()}") from error


def _refuse_standalone(config: WorkerConfig) -> None:
    if config.standalone:
        raise BadRequestError(
            "A standalone worker keeps its offsets in a file: copy "
            f"{config.text('offset.storage.file.filename')} while it is stopped."
        )


def _head(config: WorkerConfig, cluster: _Cluster) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "created_ms": SYSTEM_CLOCK.now_ms(),
        "group.id": config.group_id,
        "kafka_cluster_id": cluster.id,
    }


def _histories(records: Iterable[Record]) -> set[str]:
    """Give the schema history topics that connector configurations name."""
    found = set()
    for record in records:
        if record.key is not None and record.key.startswith(b"connector-") and record.value:
            properties = json.loads(record.value).get("properties", {})
            topic = properties.get(_HISTORY_OPTION)
            if topic and "${" not in topic:
                found.add(topic)
    return found


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
