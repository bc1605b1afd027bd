"""The connection to a server's binlog: opened by the library, then read by a packet walker of our own.

`pymysqlreplication` logs in, negotiates checksum and heartbeat and sends the dump command. From there
on the socket belongs to `BinlogStream`: 64 KB reads, packets walked in place. So the library never
reconnects on its own, and what the server says when it ends the stream is raised, not swallowed.

Not thread-safe, except `wake`.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import select
import ssl
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

import pymysql
from pymysql.connections import Connection
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.exceptions import BinLogNotEnabled

from appliance.clock import SYSTEM_CLOCK
from appliance.connectors.binlog.events import has_checksum
from appliance.errors import ConnectError, RetriableError

BUFFER_SIZE: Final = 64 * 1024
"""Measured: 64 KB stays in the cache, 1 MB costs a quarter more."""

_PACKET: Final = struct.Struct("<IBIBIIIH")
_LONG_PACKET: Final = 0xFFFFFF

logging.getLogger("pymysqlreplication").setLevel(
    logging.ERROR
)  # it advises on metadata not used here


class PositionLostError(ConnectError):
    """The server cannot send the binlog from the wanted position (error 1236)."""


class ConnectionLostError(RetriableError):
    """The connection ended or fell silent; reconnect at the last position."""


@dataclasses.dataclass(frozen=True, slots=True)
class StartPoint:
    """Where to start: after a GTID set when `gtids` is not None, else at `pos` of `file`."""

    file: str | None
    pos: int
    gtids: str | None = None


Event = tuple[int, int, int, int, int, bytes]
"""Type, timestamp in s, server id, start position, next position, body without checksum."""


class _DumpSentError(Exception):
    """The library has sent the dump command and reaches for its metadata connection."""


class BinlogStream:
    """One dump connection."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        server_id: int,
        *,
        mariadb: bool,
        heartbeat_s: float,
        silence_s: float | None = None,
        net_timeouts_s: Mapping[str, int] | None = None,
        annotate: bool = False,
    ) -> None:
        """Take PyMySQL's connection arguments; nothing is opened yet.

        `silence_s`: without a word for so long, the connection counts as lost (None: never).
        `net_timeouts_s`: the session's net_read_timeout and net_write_timeout (0: the server's own).
        """
        self._settings = dict(settings)
        self._server_id = server_id
        self._mariadb = mariadb
        self._annotate = annotate
        self._heartbeat_s = heartbeat_s
        self._longest_silence_s = silence_s
        self._net_timeouts_s = net_timeouts_s or {}
        self._connection: Connection[Any] | None = None
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._data = b""
        self._start = 0
        self._parts: list[bytes] = []
        self._missing = 0
        self._checksum = False
        self._silent_s = 0.0
        self.received = 0
        """Bytes read from the server over all connections."""
        self.waited_s = 0.0
        """Seconds spent waiting for the server to send something."""

    @property
    def connected(self) -> bool:
        """Whether a dump connection is open."""
        return self._connection is not None

    def connect(self, start: StartPoint) -> None:
        """Open a connection that sends events from `start`.

        Raises PositionLostError, ConnectError or, when trying again may help, RetriableError.
        """
        self.disconnect()
        gtids = None if start.gtids is None else {"auto_position": start.gtids}
        reader = BinLogStreamReader(
            connection_settings=self._settings,
            server_id=self._server_id,
            blocking=True,
            resume_stream=True,
            log_file=start.file,
            log_pos=start.pos,
            is_mariadb=self._mariadb and gtids is not None,
            annotate_rows_event=self._annotate,
            slave_heartbeat=self._heartbeat_s,
            enable_logging=False,
            pymysql_wrapper=self._open,
            **(gtids or {}),
        )
        try:
            reader.fetchone()
        except _DumpSentError:
            pass
        except BinLogNotEnabled as error:
            self.disconnect()
            raise ConnectError(
                "The server writes no binlog; set log_bin and binlog_format=ROW in its configuration"
            ) from error
        except pymysql.MySQLError as error:
            self.disconnect()
            where = f"{self._settings.get('host')}:{self._settings.get('port')}"
            raise_database_error(error, f"Opening the binlog stream of {where}")
        self._take_over()

    def _open(self, **settings: Any) -> Connection[Any]:
        if self._connection is not None:
            raise _DumpSentError
        self._connection = pymysql.connect(**settings)
        with self._connection.cursor() as cursor:
            nanos = int(self._heartbeat_s * 1e9)
            cursor.execute(
                "SET @source_binlog_checksum = @@global.binlog_checksum, "
                f"@source_heartbeat_period = {nanos}"
            )
            for word, timeout_s in self._net_timeouts_s.items():
                if timeout_s > 0:
                    cursor.execute(f"SET SESSION net_{word}_timeout = {timeout_s}")
            checksum = cursor.execute("SELECT @@global.binlog_checksum") and cursor.fetchone()
            self._checksum = bool(checksum) and checksum[0] != "NONE"
        return self._connection

    def _take_over(self) -> None:
        self._socket: Any = self._connection._sock  # type: ignore[union-attr]  # connected by now
        self._socket.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._poll.register(self._wake_reader, select.POLLIN)
        self._data, self._start = b"", 0
        self._parts, self._missing = [], 0
        self._silent_s = 0.0

    def wake(self) -> None:
        """Make a waiting `fill` return; any thread."""
        try:
            os.write(self._wake_writer, b"x")
        except OSError:
            pass  # the pipe is full or closed: the reader is awake anyway

    def fill(self, timeout_s: float) -> bool:
        """Read what the socket holds, waiting up to `timeout_s`; False when nothing came.

        Raises ConnectionLostError.
        """
        while True:
            try:
                chunk = self._socket.recv(BUFFER_SIZE)
            except (BlockingIOError, ssl.SSLWantReadError):
                if timeout_s <= 0 or not self._wait(timeout_s):
                    return False
                timeout_s = 0
                continue
            except OSError as error:
                raise ConnectionLostError(
                    f"Reading the binlog failed: {error}; the connection is opened again"
                ) from error
            if not chunk:
                raise ConnectionLostError(
                    "The server closed the binlog stream (restarted, or another client uses the same "
                    "database.server.id); the connection is opened again"
                )
            self._silent_s = 0.0
            self.received += len(chunk)
            self._parts.append(chunk)
            self._missing -= len(chunk)
            if self._missing <= 0:
                self._join()
                return True

    def _join(self) -> None:
        """Put what came behind the unread rest; large packets are joined once, when complete."""
        self._data = b"".join((self._data[self._start :], *self._parts))
        self._start = 0
        self._parts = []

    def _wait(self, timeout_s: float) -> bool:
        began_s = SYSTEM_CLOCK.monotonic_s()
        ready = self._poll.poll(int(timeout_s * 1000))
        self.waited_s += SYSTEM_CLOCK.monotonic_s() - began_s
        if not ready:
            self._silent_s += timeout_s
            longest_s = self._longest_silence_s
            if longest_s is not None and self._silent_s > longest_s:
                raise ConnectionLostError(
                    "The server sent no heartbeat on the binlog stream for "
                    f"{self._silent_s:.0f} s; the connection is opened again"
                )
            return False
        if any(fd == self._wake_reader for fd, _ in ready):
            os.read(self._wake_reader, 512)
            return False
        return True

    def events(self) -> Iterator[Event]:
        """Walk over the events that have arrived completely.

        Raises ConnectionLostError, PositionLostError, ConnectError (a damaged event, a server error).
        """
        if self._parts:
            return  # in the middle of a large packet; all before it has been walked
        unpack, crc32, data, at = _PACKET.unpack_from, zlib.crc32, self._data, self._start
        end, checked = len(data), self._checksum
        while at + 24 <= end or self._has_error(at):
            word, status, ts, kind, server, length, next_pos, _ = unpack(data, at)
            stop = at + 4 + (word & 0xFFFFFF)
            if stop > end:
                self._missing = stop - end
                break
            if status or word & 0xFFFFFF == 0xFFFFFF:
                joined, stop = self._unusual(at)
                if joined is None:
                    break
                raw = joined[1:]
                _, _, ts, kind, server, length, next_pos, _ = unpack(b"0000" + joined)
            else:
                raw = data[at + 5 : stop]
            if kind == 15:
                self._checksum = checked = has_checksum(raw)
            if checked:
                if crc32(raw) != 0x2144DF1C:  # what data followed by its own CRC32 always gives
                    self._damaged(kind, next_pos)
                body = raw[19:-4]
            else:
                body = raw[19:]
            self._start = at = stop
            yield kind, ts, server, next_pos - length, next_pos, body

    def _has_error(self, at: int) -> bool:
        """Raise what a packet says that is too short for an event; give False for part of one."""
        if at + 5 < len(self._data) and self._data[at + 4]:
            self._unusual(at)
        return False

    def _damaged(self, kind: int, next_pos: int) -> NoReturn:
        raise ConnectionLostError(
            f"The checksum of the event of type {kind} before position {next_pos} is wrong; "
            "it is read again (if this repeats, the server's binlog file is damaged)"
        )

    def _unusual(self, at: int) -> tuple[bytes | None, int]:
        """Join a packet in several parts (None: not all there yet), or raise the error that it is."""
        parts, data = [], self._data
        while True:
            size = int.from_bytes(data[at : at + 3], "little")
            if at + 4 + size > len(data):
                self._missing = at + 4 + size - len(data)
                return None, at
            parts.append(data[at + 4 : at + 4 + size])
            at += 4 + size
            if size < _LONG_PACKET:
                break
            if at + 4 > len(data):
                return None, at
        packet = b"".join(parts)
        if packet[0] == 0:
            return packet, at
        if packet[0] == 0xFE:
            raise ConnectionLostError("The server ended the binlog stream; it is opened again")
        return self._server_error(packet)

    @staticmethod
    def _server_error(packet: bytes) -> NoReturn:
        code = int.from_bytes(packet[1:3], "little")
        message = packet[3:].decode("utf-8", "replace")
        raise_database_error(
            pymysql.err.OperationalError(code, message[6:] if message[:1] == "#" else message),
            "Reading the binlog",
        )

    def disconnect(self) -> None:
        """Close the connection at once, so that the server frees this client's id."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection._force_close()  # type: ignore[attr-defined]  # not in its stubs

    def close(self) -> None:
        """Give back everything; the stream cannot be used again."""
        self.disconnect()
        os.close(self._wake_reader)
        os.close(self._wake_writer)


_REFUSED: Final = {
    1045: "check database.user and database.password",
    1698: "check database.user and database.password",
    1227: "grant REPLICATION SLAVE, REPLICATION CLIENT (MariaDB: BINLOG MONITOR) to database.user",
    1044: "grant the user access to the database",
    1142: "grant SELECT on the table to database.user",
    1049: "check the database's name",
}
_CLIENT_ERRORS: Final = range(2000, 3000)
"""What the client finds by itself: no connection, or one that ended."""


def raise_database_error(error: pymysql.MySQLError, doing: str) -> NoReturn:
    """Raise the error of ours that a database error amounts to."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    if code == 1236 and "same server" not in text:
        raise PositionLostError(
            f"{doing} failed: {text}. The connector is trying to read change stream starting at a "
            "position that is no longer available on the server. Reconfigure the connector to use a "
            "snapshot mode when needed."
        ) from error
    if code in _REFUSED:
        raise ConnectError(f"{doing} failed: {text}; {_REFUSED[code]}") from error
    remedy = "; check that the server is up" if code in _CLIENT_ERRORS else ""
    raise ConnectionLostError(f"{doing} failed: {text} (error {code}){remedy}") from error
