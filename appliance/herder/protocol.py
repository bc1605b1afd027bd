"""The metadata and assignments that Connect workers exchange through their group, as bytes.

Three protocols share one codec: `default` (eager, version 0), `compatible` (1) and `sessioned` (2).
Version 0 carries a worker's whole work, versions 1 and 2 carry the increment: `revoked` is taken away
from the current work, `work` is added. Big endian; a string is an int16 length and UTF-8. A connector
instance stands as task -1 of its connector.

Semantics: Kafka Connect 4.3.1 ConnectProtocol, IncrementalCooperativeConnectProtocol and
WorkerCoordinator.onJoinComplete. Pure functions; wrong bytes raise DataError.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from appliance.errors import DataError
from appliance.ids import ConnectorTaskId

CONNECTOR_TASK = -1
NO_ERROR = 0
CONFIG_MISMATCH = 1


class ConnectProtocol(enum.StrEnum):
    """A protocol's name on the wire; `connect.protocol` calls `default` by the word `eager`."""

    SESSIONED = "sessioned"
    COMPATIBLE = "compatible"
    EAGER = "default"

    @property
    def version(self) -> int:
        """Give the number that heads its metadata and assignments."""
        return _VERSIONS[self]

    @classmethod
    def from_config(cls, value: str) -> ConnectProtocol:
        """Read a value of `connect.protocol`. Raises ValueError."""
        return cls.EAGER if value.lower() == "eager" else cls(value.lower())


_VERSIONS = {
    ConnectProtocol.EAGER: 0,
    ConnectProtocol.COMPATIBLE: 1,
    ConnectProtocol.SESSIONED: 2,
}


@dataclass(frozen=True, slots=True)
class Work:
    """Connector instances and tasks, in the order in which they were given out."""

    connectors: tuple[str, ...] = ()
    tasks: tuple[ConnectorTaskId, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.connectors or self.tasks)

    def plus(self, other: Work) -> Work:
        """Give this work followed by what `other` adds to it."""
        return Work(
            tuple(dict.fromkeys(self.connectors + other.connectors)),
            tuple(dict.fromkeys(self.tasks + other.tasks)),
        )

    def minus(self, other: Work) -> Work:
        """Give this work without that of `other`."""
        connectors, tasks = set(other.connectors), set(other.tasks)
        return Work(
            tuple(name for name in self.connectors if name not in connectors),
            tuple(task for task in self.tasks if task not in tasks),
        )


NO_WORK = Work()


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the leader tells one member, or (nested in metadata) what a member does at present."""

    leader_id: str
    leader_url: str
    config_offset: int
    work: Work = NO_WORK
    revoked: Work = NO_WORK
    delay_ms: int = 0
    error: int = NO_ERROR
    version: int = 2

    @property
    def failed(self) -> bool:
        """Tell whether the leader could not assign (its configuration was behind)."""
        return self.error != NO_ERROR


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a member tells the leader: its address, how far it has read, what it does at present.

    `url` has scheme and trailing slash; `config_offset` is the offset after the last data record read
    from the config topic, -1 when there is none; `current` is None for a member without work.
    """

    url: str
    config_offset: int
    current: Assignment | None = None
    version: int = 2


def offered_protocols(
    highest: ConnectProtocol, url: str, config_offset: int, current: Assignment | None
) -> list[tuple[str, bytes]]:
    """Give the protocols a member offers, best first, each with its metadata."""
    return [
        (protocol.value, encode_metadata(Metadata(url, config_offset, current, protocol.version)))
        for protocol in ConnectProtocol
        if protocol.version <= highest.version
    ]


def accumulate(current: Assignment | None, received: Assignment) -> Assignment:
    """Give what a member has to do after `received`, in the form in which it reports it later.

    A failed assignment carries no work of its own; the member keeps, and keeps reporting, what it has.
    """
    if received.version == 0:
        return received
    held = current.work if current is not None else NO_WORK
    return replace(
        received, work=received.work.plus(held.minus(received.revoked)), revoked=NO_WORK
    )


def encode_metadata(metadata: Metadata) -> bytes:
    """Give the bytes of a member's metadata in the version that it names."""
    head = struct.pack(">h", metadata.version) + _text(metadata.url)
    head += struct.pack(">q", metadata.config_offset)
    if metadata.version == 0:
        return head
    if metadata.current is None:
        return head + struct.pack(">i", -1)
    nested = encode_assignment(replace(metadata.current, version=metadata.version))
    return head + struct.pack(">i", len(nested)) + nested


def decode_metadata(data: bytes) -> Metadata:
    """Read a member's metadata. Raises DataError."""
    cursor = _Cursor(data, "the metadata of a group member")
    version = cursor.version()
    url, offset = cursor.text(), cursor.int64()
    nested = cursor.nested() if version > 0 else None
    current = decode_assignment(nested) if nested else None
    return Metadata(url, offset, current, version)


def encode_assignment(assignment: Assignment) -> bytes:
    """Give the bytes of an assignment in the version that it names."""
    head = b"".join(
        (
            struct.pack(">hh", assignment.version, assignment.error),
            _text(assignment.leader_id),
            _text(assignment.leader_url),
            struct.pack(">q", assignment.config_offset),
            _encode_work(assignment.work),
        )
    )
    if assignment.version == 0:
        return head
    return head + _encode_work(assignment.revoked) + struct.pack(">i", assignment.delay_ms)


def decode_assignment(data: bytes) -> Assignment:
    """Read an assignment. Raises DataError."""
    cursor = _Cursor(data, "the assignment of a group member")
    version, error = cursor.version(), cursor.int16()
    leader_id, leader_url, offset = cursor.text(), cursor.text(), cursor.int64()
    work = cursor.work()
    revoked, delay_ms = NO_WORK, 0
    if version > 0:
        revoked, delay_ms = cursor.work(), cursor.int32()
    return Assignment(leader_id, leader_url, offset, work, revoked, delay_ms, error, version)


def encode_shares(
    template: Assignment, members: Iterable[str], shares: Mapping[str, tuple[Work, Work]]
) -> dict[str, bytes]:
    """Give the bytes for each of `members`: `template` with its own (new, revoked) work."""
    answers = {}
    for member in members:
        work, revoked = shares.get(member, (NO_WORK, NO_WORK))
        answers[member] = encode_assignment(replace(template, work=work, revoked=revoked))
    return answers


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def _encode_work(work: Work) -> bytes:
    numbers: dict[str, list[int]] = {name: [CONNECTOR_TASK] for name in work.connectors}
    for connector, task in work.tasks:
        numbers.setdefault(connector, []).append(task)
    parts = [struct.pack(">i", len(numbers))]
    for connector, of_connector in numbers.items():
        parts.append(_text(connector))
        parts.append(struct.pack(f">{len(of_connector) + 1}i", len(of_connector), *of_connector))
    return b"".join(parts)


class _Cursor:
    """Reads the fields of one message from front to back."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._data):
            raise DataError(
                f"reading {self._what}: {len(self._data)} bytes end within a field at byte {self._at};"
                " check that all workers of the group are Kafka Connect workers"
            )
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def version(self) -> int:
        """Give the leading version; later ones than ours are read as our highest, as in Java."""
        version = self.int16()
        if version < 0:
            raise DataError(f"reading {self._what}: unknown version {version}")
        return min(version, 2)

    def int16(self) -> int:
        return int.from_bytes(self._take(2), "big", signed=True)

    def int32(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def int64(self) -> int:
        return int.from_bytes(self._take(8), "big", signed=True)

    def text(self) -> str:
        data = self._take(self.int16())
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"reading {self._what}: a string is not UTF-8") from error

    def nested(self) -> bytes | None:
        size = self.int32()
        return None if size < 0 else self._take(size)

    def work(self) -> Work:
        connectors: list[str] = []
        tasks: list[ConnectorTaskId] = []
        for _ in range(max(self.int32(), 0)):
            connector = self.text()
            for _ in range(max(self.int32(), 0)):
                number = self.int32()
                if number == CONNECTOR_TASK:
                    connectors.append(connector)
                else:
                    tasks.append(ConnectorTaskId(connector, number))
        return Work(tuple(connectors), tuple(tasks))
