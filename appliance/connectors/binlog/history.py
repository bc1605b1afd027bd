"""Where the schema history is kept: a Kafka topic, a file or memory; read at start, appended before data.

A history is a list of the peer's JSON records (`records`). Semantics: Debezium KafkaSchemaHistory,
FileSchemaHistory, MemorySchemaHistory: one partition, key null, kept for ever. Task thread.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from appliance.connectors.binlog.records import pretty
from appliance.errors import ConfigError, ConnectError
from appliance.kafka.ordered import OrderedTopic

_RETENTION: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}

Record = dict[str, Any]


class SchemaHistory(Protocol):
    """A store of history records."""

    def exists(self) -> bool:
        """Whether the store holds any record. Raises ConnectError."""

    def create(self) -> None:
        """Make the store ready for records. Raises ConnectError."""

    def read(self) -> Iterator[Record]:
        """Give all records in order. Raises ConnectError."""

    def append(self, records: Sequence[Record]) -> None:
        """Add records; they are durable when this returns. Raises ConnectError."""

    def close(self) -> None:
        """Give back clients."""


class MemoryHistory:
    """A history that ends with the process."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def exists(self) -> bool:
        return bool(self.records)

    def create(self) -> None:
        pass

    def read(self) -> Iterator[Record]:
        return iter(list(self.records))

    def append(self, records: Sequence[Record]) -> None:
        self.records += records

    def close(self) -> None:
        pass


class FileHistory:
    """A history in a file, one record a line."""

    def __init__(self, path: str) -> None:
        self._path = pathlib.Path(path)

    def exists(self) -> bool:
        return self._path.exists() and self._path.stat().st_size > 0

    def create(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()

    def read(self) -> Iterator[Record]:
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                if line.strip():
                    yield parse_record(line, str(self._path))

    def append(self, records: Sequence[Record]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        pass


class KafkaHistory:
    """A history in a topic of one partition."""

    def __init__(self, topic: OrderedTopic) -> None:
        self._topic = topic

    def exists(self) -> bool:
        return self._topic.size() > 0

    def create(self) -> None:
        self._topic.create(_RETENTION)

    def read(self) -> Iterator[Record]:
        for value in self._topic.read():
            if value is not None:
                yield parse_record(value, self._topic.name)

    def append(self, records: Sequence[Record]) -> None:
        self._topic.append([pretty(record).encode() for record in records])

    def close(self) -> None:
        self._topic.close()


def parse_record(text: str | bytes, where: str) -> Record:
    """Read one record. Raises ConnectError."""
    try:
        record = json.loads(text)
    except ValueError as error:
        raise ConnectError(
            f"The schema history in {where} holds a record that is no JSON ({error}); set snapshot.mode "
            "to recovery and give a new topic to build the history anew"
        ) from error
    if not isinstance(record, dict):
        raise ConnectError(f"The schema history in {where} holds a record that is no object")
    return record


def open_history(
    parsed: Mapping[str, Any], producer: Mapping[str, Any], consumer: Mapping[str, Any]
) -> SchemaHistory:
    """Give the store that the options name; a Kafka one with these client settings. Raises ConfigError."""
    name = str(parsed["schema.history.internal"]).rpartition(".")[2]
    if name == "MemorySchemaHistory":
        return MemoryHistory()
    if name == "FileSchemaHistory":
        path = parsed["schema.history.internal.file.filename"]
        if not path:
            raise ConfigError("schema.history.internal.file.filename is missing; name a file")
        return FileHistory(path)
    if name != "KafkaSchemaHistory":
        raise ConfigError(
            f"schema.history.internal names the class {name}, which is not supported; use "
            "io.debezium.storage.kafka.history.KafkaSchemaHistory"
        )
    prefix = "schema.history.internal.kafka"
    for key in (f"{prefix}.topic", f"{prefix}.bootstrap.servers"):
        if not parsed[key]:
            raise ConfigError(f"{key} is missing; the schema history needs it")
    brokers = {"bootstrap.servers": parsed[f"{prefix}.bootstrap.servers"]}
    interval_s = parsed[f"{prefix}.recovery.poll.interval.ms"] / 1000
    topic = OrderedTopic(
        parsed[f"{prefix}.topic"],
        {**producer, **brokers},
        {**consumer, **brokers},
        query_timeout_s=parsed[f"{prefix}.query.timeout.ms"] / 1000,
        create_timeout_s=parsed[f"{prefix}.create.timeout.ms"] / 1000,
        patience_s=interval_s * parsed[f"{prefix}.recovery.attempts"],
    )
    return KafkaHistory(topic)
