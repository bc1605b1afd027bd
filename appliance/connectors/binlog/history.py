"""Where the schema history is kept: a Kafka topic, a file or memory; read at start, appended before data.

A history is a list of the peer's JSON records (`records`). Semantics: Debezium KafkaSchemaHistory,
FileSchemaHistory, MemorySchemaHistory: one partition, key null, kept for ever. Task thread.
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Final, Protocol

from appliance.connectors.binlog.records import pretty
from appliance.errors import ConfigError, ConnectError, os_reason, os_remedy
from appliance.kafka.ordered import OrderedTopic

_LOG = logging.getLogger("io.debezium.storage.file.history.FileSchemaHistory")
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
    """A history in a file, one record a line.

    A last line without an end is what a crash left of an append that did not return: unless it is whole it
    counts for nothing, and the next append removes it.
    """

    def __init__(self, path: str) -> None:
        self._path = pathlib.Path(path)

    def exists(self) -> bool:
        return next(self.read(), None) is not None

    def create(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()
        except OSError as error:
            raise self._failure("making", error) from error

    def read(self) -> Iterator[Record]:
        if not self._path.exists():
            return
        try:
            with self._path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n") and not _is_whole(line):
                        self._warn_of(line)
                    elif line.strip():
                        yield parse_record(line, str(self._path))
        except OSError as error:
            raise ConnectError(
                f"reading the schema history {self._path}: {os_reason(error)}; let the daemon's user read it "
                "and restart the task"
            ) from error

    def append(self, records: Sequence[Record]) -> None:
        data = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        try:
            with self._path.open("a+b", buffering=0) as file:
                former = os.fstat(file.fileno()).st_size
                tail = _tail(file)
                try:
                    if tail and not _is_whole(tail):
                        self._warn_of(tail)
                        former -= len(tail)
                        file.truncate(former)
                        tail = b""
                    _write(file, (b"\n" if tail else b"") + data.encode())
                except OSError:
                    with suppress(OSError):
                        file.truncate(former)
                    raise
        except OSError as error:
            raise self._failure("writing", error) from error

    def close(self) -> None:
        pass

    def _failure(self, doing: str, error: OSError) -> ConnectError:
        return ConnectError(
            f"{doing} the schema history {self._path}: {os_reason(error)}; {os_remedy(error)} and restart "
            "the task"
        )

    def _warn_of(self, tail: bytes) -> None:
        _LOG.warning(
            "The last line of the schema history was cut by a crash and is left out: nothing was sent on the "
            "strength of it, and the statement is read again. file=%s bytes=%d",
            self._path,
            len(tail),
        )


def _tail(file: BinaryIO) -> bytes:
    """Give what stands behind the last line's end."""
    if not (length := file.seek(0, os.SEEK_END)):
        return b""
    file.seek(length - 1)
    if file.read(1) == b"\n":
        return b""
    file.seek(0)
    return file.read().rpartition(b"\n")[2]


def _is_whole(line: bytes) -> bool:
    """Whether it is an object of JSON, which no part of one is."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _write(file: BinaryIO, data: bytes) -> None:
    """Write and sync all of it. Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(file.fileno(), left) :]
    os.fsync(file.fileno())


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
