"""The few Kafka requests that group membership needs, and one that the library lacks, as bytes.

`Api` names a request with the versions we can write; `pick_version` meets what the broker offers. One
function writes each request and one reads its answer; both take the version. From its `flexible_from`
version on, a request has compact lengths and tagged fields. Formats: the Kafka 4.3.1 protocol guide.
Pure functions; bytes that end early raise DataError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from appliance.errors import ConnectError, DataError

PROTOCOL_TYPE = "connect"


class Api(NamedTuple):
    """A request: its key, the versions we write, the first flexible one."""

    name: str
    key: int
    lowest: int
    highest: int
    flexible_from: int


FIND_COORDINATOR = Api("FindCoordinator", 10, 1, 3, 3)
JOIN_GROUP = Api("JoinGroup", 11, 2, 9, 6)
HEARTBEAT = Api("Heartbeat", 12, 1, 4, 4)
LEAVE_GROUP = Api("LeaveGroup", 13, 1, 5, 4)
SYNC_GROUP = Api("SyncGroup", 14, 1, 5, 4)
SASL_HANDSHAKE = Api("SaslHandshake", 17, 1, 1, 99)
API_VERSIONS = Api("ApiVersions", 18, 0, 3, 3)
DESCRIBE_LOG_DIRS = Api("DescribeLogDirs", 35, 1, 4, 2)
SASL_AUTHENTICATE = Api("SaslAuthenticate", 36, 0, 2, 2)


class Coordinator(NamedTuple):
    """Where a group is looked after."""

    error: int
    host: str
    port: int


class Join(NamedTuple):
    """The answer to JoinGroup; `members` is filled for the leader only."""

    error: int
    generation: int
    protocol: str
    leader: str
    member_id: str
    members: list[tuple[str, bytes]]


class Writer:
    """Collects the fields of one request."""

    def __init__(self, *, flexible: bool) -> None:
        """Start empty; `flexible` decides the form of lengths and tags."""
        self._parts: list[bytes] = []
        self._flexible = flexible

    def int8(self, value: int) -> None:
        """Add one byte."""
        self._parts.append(struct.pack(">b", value))

    def int16(self, value: int) -> None:
        """Add two bytes."""
        self._parts.append(struct.pack(">h", value))

    def int32(self, value: int) -> None:
        """Add four bytes."""
        self._parts.append(struct.pack(">i", value))

    def string(self, value: str | None) -> None:
        """Add a text or null."""
        data = None if value is None else value.encode()
        self._sized(data, ">h")

    def data(self, value: bytes) -> None:
        """Add a byte array."""
        self._sized(value, ">i")

    def count(self, size: int) -> None:
        """Add the length of an array."""
        self._parts.append(_uvarint(size + 1) if self._flexible else struct.pack(">i", size))

    def tags(self) -> None:
        """End a structure: no tagged fields."""
        if self._flexible:
            self._parts.append(b"\0")

    def whole(self) -> bytes:
        """Give all that was added."""
        return b"".join(self._parts)

    def _sized(self, value: bytes | None, classic: str) -> None:
        if self._flexible:
            self._parts.append(_uvarint(0 if value is None else len(value) + 1))
        else:
            self._parts.append(struct.pack(classic, -1 if value is None else len(value)))
        self._parts.append(value or b"")


class Reader:
    """Reads the fields of one answer from front to back."""

    def __init__(self, data: bytes, *, flexible: bool) -> None:
        """Start at the first byte."""
        self._data = data
        self._at = 0
        self._flexible = flexible

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._data):
            raise DataError(
                f"reading an answer of the Kafka broker: {len(self._data)} bytes end within a field at"
                f" byte {self._at}; check that the address is a Kafka listener"
            )
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def int8(self) -> int:
        """Give one byte."""
        return int.from_bytes(self._take(1), "big", signed=True)

    def int16(self) -> int:
        """Give two bytes."""
        return int.from_bytes(self._take(2), "big", signed=True)

    def int32(self) -> int:
        """Give four bytes."""
        return int.from_bytes(self._take(4), "big", signed=True)

    def int64(self) -> int:
        """Give eight bytes."""
        return int.from_bytes(self._take(8), "big", signed=True)

    def string(self) -> str:
        """Give a text; null is the empty text."""
        size = self._uvarint() - 1 if self._flexible else self.int16()
        return self._take(max(size, 0)).decode(errors="replace")

    def data(self) -> bytes:
        """Give a byte array; null is the empty one."""
        size = self._uvarint() - 1 if self._flexible else self.int32()
        return self._take(max(size, 0))

    def count(self) -> int:
        """Give the length of an array; null is 0."""
        return max(self._uvarint() - 1 if self._flexible else self.int32(), 0)

    def tags(self) -> None:
        """Pass over the tagged fields that end a structure."""
        if self._flexible:
            for _ in range(self._uvarint()):
                self._uvarint()
                self._take(self._uvarint())

    def _uvarint(self) -> int:
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7


def _uvarint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def pick_version(api: Api, offered: Mapping[int, tuple[int, int]]) -> int:
    """Give the highest version both sides know. Raises ConnectError naming the request."""
    low, high = offered.get(api.key, (0, -1))
    version = min(api.highest, high)
    if version < max(api.lowest, low):
        raise ConnectError(
            f"speaking to the Kafka broker: it has no usable version of {api.name} (broker {low}-{high},"
            f" ours {api.lowest}-{api.highest}); use a broker of Kafka 1.0 or later"
        )
    return version


def request(api: Api, version: int, correlation: int, client_id: str, body: bytes) -> bytes:
    """Give a whole frame: length, header, body."""
    name = client_id.encode()
    header = struct.pack(">hhih", api.key, version, correlation, len(name)) + name
    if version >= api.flexible_from:
        header += b"\0"
    return struct.pack(">i", len(header) + len(body)) + header + body


def answer(api: Api, version: int, frame: bytes) -> tuple[int, Reader]:
    """Give the correlation id of an answer without its length, and a reader for its body."""
    flexible = version >= api.flexible_from
    reader = Reader(frame, flexible=flexible)
    correlation = reader.int32()
    if flexible and api is not API_VERSIONS:
        reader.tags()
    return correlation, reader


def api_versions_request(version: int, software: str, software_version: str) -> bytes:
    """Ask what the broker can."""
    body = Writer(flexible=version >= API_VERSIONS.flexible_from)
    if version >= API_VERSIONS.flexible_from:
        body.string(software)
        body.string(software_version)
    body.tags()
    return body.whole()


def read_api_versions(reader: Reader) -> tuple[int, dict[int, tuple[int, int]]]:
    """Give the error and the versions of each request."""
    error = reader.int16()
    offered = {}
    for _ in range(reader.count()):
        key, low, high = reader.int16(), reader.int16(), reader.int16()
        reader.tags()
        offered[key] = (low, high)
    return error, offered


def sasl_handshake_request(mechanism: str) -> bytes:
    """Ask for a SASL mechanism."""
    body = Writer(flexible=False)
    body.string(mechanism)
    return body.whole()


def read_sasl_handshake(reader: Reader) -> tuple[int, list[str]]:
    """Give the error and the mechanisms that the broker has."""
    return reader.int16(), [reader.string() for _ in range(reader.count())]


def sasl_authenticate_request(version: int, token: bytes) -> bytes:
    """Send a token of the mechanism."""
    body = Writer(flexible=version >= SASL_AUTHENTICATE.flexible_from)
    body.data(token)
    body.tags()
    return body.whole()


def read_sasl_authenticate(reader: Reader) -> tuple[int, str, bytes]:
    """Give the error, its text, and the broker's token."""
    return reader.int16(), reader.string(), reader.data()


def find_coordinator_request(version: int, group: str) -> bytes:
    """Ask which broker looks after `group`."""
    body = Writer(flexible=version >= FIND_COORDINATOR.flexible_from)
    body.string(group)
    body.int8(0)
    body.tags()
    return body.whole()


def read_find_coordinator(reader: Reader) -> Coordinator:
    """Give the coordinator or the error."""
    reader.int32()
    error = reader.int16()
    reader.string()
    reader.int32()
    return Coordinator(error, reader.string(), reader.int32())


def join_group_request(
    version: int,
    group: str,
    member_id: str,
    protocols: Sequence[tuple[str, bytes]],
    *,
    session_timeout_ms: int,
    rebalance_timeout_ms: int,
    reason: str,
) -> bytes:
    """Ask to be in the next generation."""
    body = Writer(flexible=version >= JOIN_GROUP.flexible_from)
    body.string(group)
    body.int32(session_timeout_ms)
    body.int32(rebalance_timeout_ms)
    body.string(member_id)
    if version >= 5:
        body.string(None)
    body.string(PROTOCOL_TYPE)
    body.count(len(protocols))
    for name, metadata in protocols:
        body.string(name)
        body.data(metadata)
        body.tags()
    if version >= 8:
        body.string(reason)
    body.tags()
    return body.whole()


def read_join_group(version: int, reader: Reader) -> Join:
    """Give the new generation or the error."""
    reader.int32()
    error, generation = reader.int16(), reader.int32()
    if version >= 7:
        reader.string()
    protocol, leader = reader.string(), reader.string()
    if version >= 9:
        reader.int8()
    member_id = reader.string()
    members = []
    for _ in range(reader.count()):
        name = reader.string()
        if version >= 5:
            reader.string()
        members.append((name, reader.data()))
        reader.tags()
    return Join(error, generation, protocol, leader, member_id, members)


def sync_group_request(
    version: int,
    group: str,
    generation: int,
    member_id: str,
    protocol: str,
    assignments: Iterable[tuple[str, bytes]],
) -> bytes:
    """Ask for the assignment; the leader brings everyone's."""
    body = Writer(flexible=version >= SYNC_GROUP.flexible_from)
    _member(body, version, group, generation, member_id)
    if version >= 5:
        body.string(PROTOCOL_TYPE)
        body.string(protocol)
    shares = list(assignments)
    body.count(len(shares))
    for member, share in shares:
        body.string(member)
        body.data(share)
        body.tags()
    body.tags()
    return body.whole()


def read_sync_group(version: int, reader: Reader) -> tuple[int, bytes]:
    """Give the error and the own assignment."""
    reader.int32()
    error = reader.int16()
    if version >= 5:
        reader.string()
        reader.string()
    return error, reader.data()


def heartbeat_request(version: int, group: str, generation: int, member_id: str) -> bytes:
    """Tell that the member lives."""
    body = Writer(flexible=version >= HEARTBEAT.flexible_from)
    _member(body, version, group, generation, member_id)
    body.tags()
    return body.whole()


def read_heartbeat(reader: Reader) -> int:
    """Give the error."""
    reader.int32()
    return reader.int16()


def leave_group_request(version: int, group: str, member_id: str, reason: str) -> bytes:
    """Take `member_id` out of the group."""
    body = Writer(flexible=version >= LEAVE_GROUP.flexible_from)
    body.string(group)
    if version >= 3:
        body.count(1)
        body.string(member_id)
        body.string(None)
        if version >= 5:
            body.string(reason)
        body.tags()
    else:
        body.string(member_id)
    body.tags()
    return body.whole()


def read_leave_group(version: int, reader: Reader) -> int:
    """Give the error, that of the member where the whole has none."""
    reader.int32()
    error = reader.int16()
    if version < 3 or error != 0 or reader.count() == 0:
        return error
    reader.string()
    reader.string()
    return reader.int16()


def describe_log_dirs_request(version: int) -> bytes:
    """Ask for the sizes of all topics."""
    body = Writer(flexible=version >= DESCRIBE_LOG_DIRS.flexible_from)
    # null: every topic
    body.count(-1)
    body.tags()
    return body.whole()


def read_describe_log_dirs(version: int, reader: Reader) -> tuple[int, dict[tuple[str, int], int]]:
    """Give the error, and the bytes of each topic's partitions on this broker."""
    reader.int32()
    error = reader.int16() if version >= 3 else 0
    sizes: dict[tuple[str, int], int] = {}
    for _ in range(reader.count()):
        error = reader.int16() or error
        reader.string()
        for _ in range(reader.count()):
            topic = reader.string()
            for _ in range(reader.count()):
                place = topic, reader.int32()
                size = reader.int64()
                reader.int64()
                future = reader.int8()
                reader.tags()
                # a copy that is being moved to another folder is not counted twice
                if not future:
                    sizes[place] = size
            reader.tags()
        if version >= 4:
            reader.int64()
            reader.int64()
        reader.tags()
    reader.tags()
    return error, sizes


def _member(body: Writer, version: int, group: str, generation: int, member_id: str) -> None:
    body.string(group)
    body.int32(generation)
    body.string(member_id)
    if version >= 3:
        body.string(None)
