"""MariaDB and MySQL: rows through asyncmy, or PyMySQL where asyncmy is missing.

Semantics of types: MySQL Connector/J 9 MysqlType and MariaDB Connector/J, as kafka-connect-jdbc sees them.
"""

from __future__ import annotations

import datetime as dt
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import pymysql
from pymysql.constants import CLIENT, FIELD_TYPE, FLAG
from pymysql.cursors import SSCursor
from sqlalchemy import Engine, create_engine, text

from appliance.clock import SYSTEM_CLOCK
from appliance.connectors.jdbc.columns import Column, Kind
from appliance.connectors.jdbc.database import (
    BIND,
    TableColumn,
    TableId,
    list_columns,
    list_tables,
)
from appliance.connectors.jdbc.url import Target
from appliance.errors import ConnectError

_BINARY_CHARSET: Final = 63
_FATAL_CODES: Final = frozenset({1044, 1045, 1049, 1054, 1064, 1142, 1143, 1146, 1227, 1356})
_INTEGERS: Final[dict[int, tuple[Kind, Kind]]] = {
    FIELD_TYPE.TINY: ("INT8", "INT16"),
    FIELD_TYPE.SHORT: ("INT16", "INT32"),
    FIELD_TYPE.INT24: ("INT32", "INT64"),
    FIELD_TYPE.LONG: ("INT32", "INT64"),
    FIELD_TYPE.LONGLONG: ("INT64", "INT64"),
}
_SIMPLE: Final[dict[int, Kind]] = {
    FIELD_TYPE.FLOAT: "FLOAT32",
    FIELD_TYPE.DOUBLE: "FLOAT64",
    FIELD_TYPE.DATE: "DATE",
    FIELD_TYPE.NEWDATE: "DATE",
    FIELD_TYPE.TIME: "TIME",
    FIELD_TYPE.DATETIME: "TIMESTAMP",
    FIELD_TYPE.TIMESTAMP: "TIMESTAMP",
}
_LOBS: Final = (
    FIELD_TYPE.TINY_BLOB,
    FIELD_TYPE.BLOB,
    FIELD_TYPE.MEDIUM_BLOB,
    FIELD_TYPE.LONG_BLOB,
)
_NO_PRIVILEGE: Final = 1227
_MANY: Final = 100_000
_LIST_TRIES: Final = 3
_LIST_EVERY_S: Final = 0.12
"""A little more than the 100 ms for which InnoDB keeps its list of transactions."""
_MARK: Final = "list "
# 0 (MariaDB) or an id from 2^48 on (MySQL) stands for a transaction that has written nothing yet
_OPEN_TRANSACTIONS: Final = (
    "SELECT trx_id, trx_mysql_thread_id = CONNECTION_ID(), trx_query"
    " FROM information_schema.innodb_trx WHERE '{mark}' <> '' AND (trx_mysql_thread_id = CONNECTION_ID()"
    " OR trx_is_read_only = 0"
    " AND (trx_id + 0 BETWEEN 1 AND 281474976710655 OR trx_tables_locked > 0))"
)
_TEXTS: Final = (FIELD_TYPE.VARCHAR, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, *_LOBS)


def column_of(field: Any, target: Target) -> Column:
    """Give the Column for a result field as the protocol describes it."""
    name, code, flags = field.name, field.type_code, field.flags
    nullable = not flags & FLAG.NOT_NULL
    if code in _INTEGERS:
        return _integer(field, target, nullable)
    if code in _SIMPLE:
        return Column(name, _SIMPLE[code], nullable)
    if code in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL):
        digits = field.length - (1 if field.scale else 0) - (0 if flags & FLAG.UNSIGNED else 1)
        return Column(name, "DECIMAL", nullable, precision=digits, scale=field.scale)
    if code == FIELD_TYPE.YEAR:
        if target.flag("yearIsDateType", True):
            return Column(name, "DATE", nullable, form="year")
        return Column(name, "INT16", nullable)
    if code == FIELD_TYPE.BIT:
        return Column(name, "INT8", nullable, form="bits")
    binary = (
        field.charsetnr == _BINARY_CHARSET
        and code in _TEXTS
        and not flags & (FLAG.ENUM | FLAG.SET)
    )
    return Column(name, "BYTES" if binary or code == FIELD_TYPE.GEOMETRY else "STRING", nullable)


def _integer(field: Any, target: Target, nullable: bool) -> Column:
    signed, unsigned = _INTEGERS[field.type_code]
    is_unsigned = bool(field.flags & FLAG.UNSIGNED)
    if (
        field.type_code == FIELD_TYPE.TINY
        and field.length == 1
        and target.flag("tinyInt1isBit", True)
    ):
        as_boolean = target.flag("transformedBitIsBoolean", False)
        return Column(field.name, "BOOLEAN" if as_boolean else "INT8", nullable)
    overflowing = is_unsigned and field.type_code == FIELD_TYPE.LONGLONG
    return Column(
        field.name,
        unsigned if is_unsigned else signed,
        nullable,
        form="unsigned" if overflowing else "",
    )


class _PyMySqlConnection:
    """PyMySQL behind the interface of AsyncmyConnection."""

    def __init__(self, **arguments: Any) -> None:
        arguments["ssl_disabled"] = arguments.get("ssl") is None
        self._connection = pymysql.connect(**arguments)
        self._cursor: Any = None

    def execute(self, sql: str, binds: Sequence[Any]) -> Any:
        self._cursor = self._connection.cursor(SSCursor)
        self._cursor.execute(sql, tuple(binds) or None)
        # the only place where PyMySQL keeps flags and lengths; a statement without rows has none
        return getattr(self._cursor._result, "fields", ())

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        return list(self._cursor.fetchmany(count))

    def finish(self) -> None:
        if self._cursor is not None:
            cursor, self._cursor = self._cursor, None
            cursor.close()

    def commit(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        self._cursor = None
        self._connection._force_close()  # type: ignore[attr-defined]  # no goodbye: the socket may be full


def _connection_factory() -> Callable[..., Any]:
    """Give asyncmy's connection, PyMySQL's where there is no wheel of asyncmy."""
    try:
        from appliance.connectors.jdbc.asyncmy_loop import AsyncmyConnection
    except ImportError:
        return _PyMySqlConnection
    return AsyncmyConnection


class _MySqlRows:
    """An open result."""

    def __init__(self, connection: Any, columns: tuple[Column, ...]) -> None:
        self._connection = connection
        self.columns = columns

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.fetch(count)
        return rows

    def close(self) -> None:
        self._connection.finish()


class MySqlDatabase:
    """A MariaDB or MySQL database; see `database.Database`."""

    quote = "`"
    writers_overlap = True

    def __init__(self, target: Target, isolation: str | None) -> None:
        """Remember where to connect."""
        self._listed = 0
        self._list_at_s = 0.0
        self._target = target
        self._isolation = isolation
        self._connection: Any = None
        self._engine: Engine | None = None

    def _arguments(self, host: str, port: int) -> dict[str, Any]:
        url, connect = self._target.url, self._target.connect
        arguments: dict[str, Any] = {
            "host": host,
            "port": port,
            "user": url.username,
            "password": url.password or "",
            "database": url.database,
            "charset": "utf8mb4",
            "connect_timeout": connect.get("connect_timeout", 10),
            "autocommit": False,
            "client_flag": CLIENT.FOUND_ROWS,
            "ssl": _tls(connect),
        }
        if "init_command" in connect:
            arguments["init_command"] = connect["init_command"]
        return arguments

    def _connected(self) -> Any:
        if self._connection is None:
            last: Exception | None = None
            factory = _connection_factory()
            for host, port in self._target.hosts:
                try:
                    self._connection = factory(**self._arguments(host, port))
                    break
                except Exception as error:  # noqa: BLE001 - the next host may answer
                    last = error
            if self._connection is None:
                raise last or ConnectError(
                    "connecting to the database: connection.url names no host"
                )
            if self._isolation:
                self._connection.execute(
                    f"SET SESSION TRANSACTION ISOLATION LEVEL {self._isolation}", ()
                )
                self._connection.finish()
        return self._connection

    def query(
        self, sql: str, binds: Sequence[Any], table: TableId | None, fetch_size: int
    ) -> _MySqlRows:
        """Run a SELECT, `binds` in place of each BIND."""
        connection = self._connected()
        if binds:
            sql = sql.replace("%", "%%").replace(BIND, "%s")
        fields = connection.execute(sql, binds)
        return _MySqlRows(connection, tuple(column_of(field, self._target) for field in fields))

    def now(self) -> Any:
        """Give the database's present time, in whole seconds."""
        rows = self.query("SELECT CURRENT_TIMESTAMP", (), None, 1)
        value = rows.fetch(1)[0][0]
        rows.close()
        return value

    def horizon(self) -> frozenset[Any] | None:
        """Give the ids of open transactions that may have written; None without the PROCESS privilege.

        The server answers from a list that may be older than the question. A list is new when it shows
        this connection's transaction at this very statement.
        """
        self.commit()
        self._run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        first = self._listed + 1
        for _ in range(_LIST_TRIES):
            rows = self._transactions()
            marks = [f"{_MARK}{n} " for n in range(first, self._listed + 1)]
            shown = [str(text) for _, own, text in rows if own]
            if any(mark in text for mark in marks for text in shown):
                self.commit()
                return frozenset(number for number, own, _ in rows if not own)
        self.commit()
        return None

    def passed(self, horizon: frozenset[Any]) -> bool:
        """Whether none of the transactions is open any more."""
        if not horizon:
            return True
        still = {number for number, own, _ in self._transactions() if not own}
        self.commit()
        return not horizon & still

    def _transactions(self) -> list[tuple[Any, ...]]:
        """List (id, whether it is this connection's, statement) of transactions that may have written."""
        pause_s = self._list_at_s - SYSTEM_CLOCK.monotonic_s()
        if pause_s > 0:
            SYSTEM_CLOCK.wait(threading.Event(), pause_s)
        self._listed += 1
        try:
            rows = self.query(
                _OPEN_TRANSACTIONS.format(mark=f"{_MARK}{self._listed} "), (), None, 1
            )
            found = rows.fetch(_MANY)
            rows.close()
        except Exception as error:
            if error.args[:1] != (_NO_PRIVILEGE,):
                raise
            found = []
        self._list_at_s = SYSTEM_CLOCK.monotonic_s() + _LIST_EVERY_S
        return found

    def _run(self, statement: str) -> None:
        self._connected().execute(statement, ())
        self._connected().finish()

    def timestamp_bind(self, micros: int, timezone: str) -> str:
        """Give the wall time in `timezone` as text."""
        return wall_time(micros, timezone).strftime("%Y-%m-%d %H:%M:%S.%f")

    def _metadata(self) -> Engine:
        if self._engine is None:
            url = self._target.url.set(drivername="mysql+pymysql")
            self._engine = create_engine(
                url, creator=self._metadata_connection, pool_size=1, pool_recycle=300
            )
        return self._engine

    def _metadata_connection(self) -> Any:
        """Connect to the first host that answers."""
        for host, port in self._target.hosts[:-1]:
            try:
                return self._pymysql(host, port)
            except pymysql.MySQLError:  # the next host may answer
                continue
        return self._pymysql(*self._target.hosts[-1])

    def _pymysql(self, host: str, port: int) -> Any:
        arguments = self._arguments(host, port)
        return pymysql.connect(**arguments, ssl_disabled=arguments["ssl"] is None)

    def tables(
        self, types: Sequence[str], catalog: str | None, schema: str | None
    ) -> list[TableId]:
        """List the tables of the URL's database, or of those that `catalog` (LIKE pattern) names."""
        engine = self._metadata()
        pattern = catalog or schema or self._target.url.database
        if pattern and not set(pattern) & set("%_\\"):
            return list_tables(engine, types, pattern)
        with engine.connect() as connection:
            names = connection.execute(
                text(
                    "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE :p"
                    " AND schema_name NOT IN ('information_schema','performance_schema','mysql','sys')"
                ),
                {"p": pattern or "%"},
            ).scalars()
            containers = sorted(names)
        return [
            table for container in containers for table in list_tables(engine, types, container)
        ]

    def table_columns(self, table: TableId) -> list[TableColumn]:
        """List a table's columns."""
        return list_columns(self._metadata(), table)

    def commit(self) -> None:
        """End the reading transaction."""
        if self._connection is not None:
            self._connection.commit()

    def is_transient(self, error: BaseException) -> bool:
        """Whether the server or the network may recover; wrong SQL, names and rights stay wrong."""
        code = error.args[0] if error.args and isinstance(error.args[0], int) else None
        return code not in _FATAL_CODES

    def close(self) -> None:
        """Close both connections."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()


def wall_time(micros: int, timezone: str) -> dt.datetime:
    """Give a moment as wall time in `timezone`, without a zone."""
    import zoneinfo

    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros)
    return moment.astimezone(zoneinfo.ZoneInfo(timezone)).replace(tzinfo=None)


def _tls(connect: Any) -> ssl.SSLContext | None:
    mode = connect.get("tls", "disabled")
    if mode in ("disabled", "disable", "preferred", "prefer", "false"):
        return None
    context = ssl.create_default_context(cafile=connect.get("tls_ca"))
    context.check_hostname = mode in ("verify-identity", "verify-full")
    if mode in ("required", "require", "trust"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
