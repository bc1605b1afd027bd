"""What the events of a binlog say: type codes, and readers of every event body but the rows themselves.

A body is the bytes behind the 19 byte header and before the checksum. Numbers are little-endian unless
said otherwise. Semantics: MySQL 9.7 and MariaDB 10.11 binary log format 4.
"""

from __future__ import annotations

import dataclasses
import enum
import struct
import uuid
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from pymysql.charset import charset_by_id

from appliance.connectors.binlog.charsets import decode_text

HEADER: Final = struct.Struct("<IBIIIH")
"""Timestamp in s, type, server id, size of the whole event, position behind it, flags."""
HEADER_SIZE: Final = 19


class EventType(enum.IntEnum):
    """The type codes that matter here; MariaDB's own start at 160."""

    QUERY = 2
    STOP = 3
    ROTATE = 4
    INTVAR = 5
    RAND = 13
    USER_VAR = 14
    FORMAT_DESCRIPTION = 15
    XID = 16
    BEGIN_LOAD_QUERY = 17
    EXECUTE_LOAD_QUERY = 18
    TABLE_MAP = 19
    WRITE_ROWS_V0 = 20
    UPDATE_ROWS_V0 = 21
    DELETE_ROWS_V0 = 22
    WRITE_ROWS_V1 = 23
    UPDATE_ROWS_V1 = 24
    DELETE_ROWS_V1 = 25
    INCIDENT = 26
    HEARTBEAT = 27
    IGNORABLE = 28
    ROWS_QUERY = 29
    WRITE_ROWS_V2 = 30
    UPDATE_ROWS_V2 = 31
    DELETE_ROWS_V2 = 32
    GTID = 33
    ANONYMOUS_GTID = 34
    PREVIOUS_GTIDS = 35
    TRANSACTION_CONTEXT = 36
    VIEW_CHANGE = 37
    XA_PREPARE = 38
    PARTIAL_UPDATE_ROWS = 39
    TRANSACTION_PAYLOAD = 40
    HEARTBEAT_V2 = 41
    GTID_TAGGED = 42
    ANNOTATE_ROWS = 160
    BINLOG_CHECKPOINT = 161
    MARIADB_GTID = 162
    MARIADB_GTID_LIST = 163
    START_ENCRYPTION = 164
    QUERY_COMPRESSED = 165
    WRITE_ROWS_COMPRESSED_V1 = 166
    UPDATE_ROWS_COMPRESSED_V1 = 167
    DELETE_ROWS_COMPRESSED_V1 = 168
    WRITE_ROWS_COMPRESSED = 169
    UPDATE_ROWS_COMPRESSED = 170
    DELETE_ROWS_COMPRESSED = 171


INSERT, UPDATE, DELETE = "c", "u", "d"
ROWS: Final[dict[int, tuple[str, bool, bool]]] = {
    EventType.WRITE_ROWS_V1: (INSERT, False, False),
    EventType.UPDATE_ROWS_V1: (UPDATE, False, False),
    EventType.DELETE_ROWS_V1: (DELETE, False, False),
    EventType.WRITE_ROWS_V2: (INSERT, True, False),
    EventType.UPDATE_ROWS_V2: (UPDATE, True, False),
    EventType.DELETE_ROWS_V2: (DELETE, True, False),
    EventType.WRITE_ROWS_COMPRESSED_V1: (INSERT, False, True),
    EventType.UPDATE_ROWS_COMPRESSED_V1: (UPDATE, False, True),
    EventType.DELETE_ROWS_COMPRESSED_V1: (DELETE, False, True),
    EventType.WRITE_ROWS_COMPRESSED: (INSERT, True, True),
    EventType.UPDATE_ROWS_COMPRESSED: (UPDATE, True, True),
    EventType.DELETE_ROWS_COMPRESSED: (DELETE, True, True),
}
"""Type of a rows event -> operation, whether extra data follows the flags, whether rows are compressed."""

IGNORED: Final = frozenset(
    {
        EventType.STOP,
        EventType.INTVAR,
        EventType.RAND,
        EventType.USER_VAR,
        EventType.BEGIN_LOAD_QUERY,
        EventType.EXECUTE_LOAD_QUERY,
        EventType.IGNORABLE,
        EventType.PREVIOUS_GTIDS,
        EventType.TRANSACTION_CONTEXT,
        EventType.VIEW_CHANGE,
        EventType.BINLOG_CHECKPOINT,
        EventType.MARIADB_GTID_LIST,
        EventType.START_ENCRYPTION,
    }
)
"""Events that change no row, no table and no position."""


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """A statement: of which thread, in which default database."""

    thread: int
    database: str
    sql: str


@dataclasses.dataclass(frozen=True, slots=True)
class TableMap:
    """The shape of the rows that follow: per column its wire type and metadata.

    Equal shapes of equal names decode alike whatever table id the server gives them. `names` and
    `unsigned` (one flag per numeric column) are there only when the server logs them.
    """

    database: str
    table: str
    types: bytes
    metadata: tuple[int, ...]
    nullable: tuple[bool, ...]
    names: tuple[str, ...] | None = None
    unsigned: tuple[bool, ...] | None = None


class Gtid(NamedTuple):
    """The id of the transaction that begins: MySQL `uuid[:tag]:number`, MariaDB `domain-server-number`.

    `source` is uuid (with tag) or domain. `commit_micros` is the original commit time, when known.
    """

    source: str
    number: int
    text: str
    commit_micros: int | None = None
    standalone: bool = False


def table_id(body: bytes) -> int:
    """Give the table id that starts the body of a TABLE_MAP or rows event."""
    return int.from_bytes(body[:6], "little")


def read_table_map(body: bytes) -> TableMap:
    """Read the body of a TABLE_MAP event."""
    at = 8
    database, at = _short_text(body, at)
    table, at = _short_text(body, at)
    count, at = length_encoded(body, at)
    types = body[at : at + count]
    at += count
    size, at = length_encoded(body, at)
    metadata = _metadata(types, body, at)
    at += size
    bits = int.from_bytes(body[at : at + (count + 7) // 8], "little")
    at += (count + 7) // 8
    nullable = tuple(bool(bits >> i & 1) for i in range(count))
    names, unsigned = _optional_metadata(types, body, at)
    return TableMap(database, table, types, metadata, nullable, names, unsigned)


def _short_text(body: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + body[at]
    return body[at + 1 : end].decode(), end + 1


_TWO_BYTES: Final = frozenset({15, 253, 16, 246, 254, 247, 248, 141})
_ONE_BYTE: Final = frozenset({4, 5, 17, 18, 19, 242, 245, 252, 255, 140})


def _metadata(types: bytes, body: bytes, at: int) -> tuple[int, ...]:
    found = []
    for code in types:
        if code in _TWO_BYTES:
            found.append(body[at] | body[at + 1] << 8)
            at += 2
        elif code in _ONE_BYTE:
            found.append(body[at])
            at += 1
        else:
            found.append(0)
    return tuple(found)


_NUMERIC: Final = frozenset({0, 1, 2, 3, 4, 5, 8, 9, 13, 246})  # those whose sign is logged


def _optional_metadata(
    types: bytes, body: bytes, at: int
) -> tuple[tuple[str, ...] | None, tuple[bool, ...] | None]:
    names: tuple[str, ...] | None = None
    unsigned: tuple[bool, ...] | None = None
    while at < len(body):
        kind = body[at]
        size, at = length_encoded(body, at + 1)
        part = body[at : at + size]
        at += size
        if kind == 1:
            flags = iter([bool(part[i // 8] << i % 8 & 0x80) for i in range(len(part) * 8)])
            unsigned = tuple(code in _NUMERIC and next(flags) for code in types)
        elif kind == 4:
            names = tuple(_names(part))
    return names, unsigned


def _names(part: bytes) -> Iterator[str]:
    at = 0
    while at < len(part):
        size, at = length_encoded(part, at)
        yield part[at : at + size].decode()
        at += size


def length_encoded(body: bytes, at: int) -> tuple[int, int]:
    """Read a length-encoded integer; give it and the place behind it."""
    first = body[at]
    if first < 251:
        return first, at + 1
    size = {252: 2, 253: 3, 254: 8}[first]
    return int.from_bytes(body[at + 1 : at + 1 + size], "little"), at + 1 + size


_STATUS_SIZES: Final = {0: 4, 1: 8, 3: 4}


def read_query(body: bytes) -> Query:
    """Read the body of a QUERY event; the text is decoded by the client's charset."""
    thread, _, database_size, _, status_size = struct.unpack_from("<IIBHH", body)
    at = 13 + status_size
    database = body[at : at + database_size].decode("utf-8", "replace")
    sql = body[at + database_size + 1 :]
    return Query(thread, database, decode_text(sql, _client_charset(body[13:at])))


def read_compressed_query(body: bytes) -> Query:
    """Read the body of MariaDB's QUERY_COMPRESSED event."""
    database_size, status_size = body[8], int.from_bytes(body[11:13], "little")
    at = 13 + status_size + database_size + 1
    return read_query(body[:at] + inflate(body[at:]))


def _client_charset(status: bytes) -> str:
    at = 0
    while at < len(status):
        code = status[at]
        at += 1
        if code == 4:
            try:
                return str(
                    vars(charset_by_id(int.from_bytes(status[at : at + 2], "little")))["name"]
                )
            except KeyError:
                return "utf8mb4"
        if code in _STATUS_SIZES:
            at += _STATUS_SIZES[code]
        elif code == 6:
            at += 1 + status[at]
        elif code == 2:
            at += 2 + status[at]
        else:  # codes behind the charset, or of a newer server
            break
    return "utf8mb4"


def inflate(body: bytes) -> bytes:
    """Undo MariaDB's event compression: one byte with the size of the length, the length, zlib."""
    return zlib.decompress(body[1 + (body[0] & 7) :])


def read_rotate(body: bytes) -> tuple[str, int]:
    """Read the body of a ROTATE event: next file and position in it."""
    return body[8:].decode(), int.from_bytes(body[:8], "little")


def has_checksum(body: bytes) -> bool:
    """Tell from a FORMAT_DESCRIPTION body (its own checksum included) whether events carry CRC32."""
    return body[-5] == 1


_SOURCES: Final[dict[bytes, str]] = {}
"""Texts of the few server uuids that a stream holds."""


def read_mysql_gtid(body: bytes) -> Gtid:
    """Read the body of a GTID event."""
    raw = body[1:17]
    source = _SOURCES.get(raw)
    if source is None:
        source = _SOURCES[raw] = str(uuid.UUID(bytes=raw))
    number = int.from_bytes(body[17:25], "little")
    commit = None
    if len(body) >= 49 and body[25] == 2:
        commit = int.from_bytes(body[42:49], "little")
        if commit >> 55:  # the original time follows where it is another one
            commit = int.from_bytes(body[49:56], "little")
    return tuple.__new__(Gtid, (source, number, f"{source}:{number}", commit, False))


def read_tagged_gtid(body: bytes) -> Gtid:
    """Read the body of a GTID_TAGGED event, a list of numbered fields of variable-length integers."""
    fields = _TaggedFields(body)
    source = str(uuid.UUID(bytes=bytes(fields.uuid)))
    named = f"{source}:{fields.tag}" if fields.tag else source
    commit = fields.original_micros or fields.immediate_micros
    return Gtid(named, fields.number, f"{named}:{fields.number}", commit)


class _TaggedFields:
    """Reads MySQL's serialisation format 1 as far as a GTID needs it."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self.uuid: list[int] = []
        self.tag = ""
        self.number = 0
        self.immediate_micros: int | None = None
        self.original_micros: int | None = None
        for _ in range(3):  # version, size, last field that may not be ignored
            self._unsigned()
        while self._at < len(body):
            if not self._field(self._unsigned()):
                break

    def _field(self, number: int) -> bool:
        if number == 0:
            self._unsigned()
        elif number == 1:
            self.uuid = [self._unsigned() for _ in range(16)]
        elif number == 2:
            self.number = self._signed()
        elif number == 3:
            size = self._unsigned()
            self.tag = self._body[self._at : self._at + size].decode()
            self._at += size
        elif number in (4, 5):
            self._signed()
        elif number == 6:
            self.immediate_micros = self._unsigned()
        elif number == 7:
            self.original_micros = self._unsigned()
        else:
            return False
        return True

    def _unsigned(self) -> int:
        first = self._body[self._at]
        extra = 0
        while extra < 8 and first >> extra & 1:
            extra += 1
        size = extra + 1
        raw = int.from_bytes(self._body[self._at : self._at + size], "little")
        self._at += size
        return raw >> min(size, 8)

    def _signed(self) -> int:
        raw = self._unsigned()
        return -(raw >> 1) - 1 if raw & 1 else raw >> 1


_DOMAINS: Final[dict[tuple[int, int], tuple[str, str]]] = {}
_MARIADB_GTID: Final = struct.Struct("<QIB").unpack_from


def read_mariadb_gtid(body: bytes, server_id: int) -> Gtid:
    """Read the body of MariaDB's GTID event; the server's id stands in the event's header."""
    number, domain, flags = _MARIADB_GTID(body)
    found = _DOMAINS.get((domain, server_id))
    if found is None:
        found = _DOMAINS[domain, server_id] = (str(domain), f"{domain}-{server_id}-")
    return tuple.__new__(Gtid, (found[0], number, f"{found[1]}{number}", None, flags & 1 == 1))


def read_payload(body: bytes) -> bytes:
    """Give the events inside a TRANSACTION_PAYLOAD event."""
    at, compressed = 0, False
    while True:
        kind, at = length_encoded(body, at)
        if kind == 0:
            return _unzstd(body[at:]) if compressed else body[at:]
        size, at = length_encoded(body, at)
        if kind == 2:
            compressed = length_encoded(body, at)[0] == 0
        at += size


def _unzstd(payload: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(payload)
