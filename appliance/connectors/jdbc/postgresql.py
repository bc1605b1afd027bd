"""PostgreSQL through SQLAlchemy's engine and psycopg's server-side cursors.

Semantics of types: pgJDBC TypeInfoCache, as kafka-connect-jdbc sees them.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.types.string import TextLoader
from sqlalchemy import Engine, create_engine

from appliance.connectors.jdbc.columns import Column, Kind
from appliance.connectors.jdbc.database import (
    BIND,
    TableColumn,
    TableId,
    list_columns,
    list_tables,
)
from appliance.connectors.jdbc.mysql import wall_time
from appliance.connectors.jdbc.url import Target

_KINDS: Final[dict[str, Kind]] = {
    "bool": "BOOLEAN",
    "int2": "INT16",
    "int4": "INT32",
    "int8": "INT64",
    "oid": "INT64",
    "float4": "FLOAT32",
    "float8": "FLOAT64",
    "bytea": "BYTES",
    "date": "DATE",
    "time": "TIME",
    "timetz": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP",
}
_AS_TEXT: Final = ("json", "jsonb", "uuid", "xml", "name", "bpchar", "varchar", "text", "char")
_QUOTED_OR_OPERATOR: Final = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|\?\?""")
_TRANSIENT_STATES: Final = ("08", "40", "53", "57P0", "55P03")


class _PostgreSqlRows:
    """An open result; columns of types that JDBC cannot map are left out."""

    def __init__(self, cursor: Any, columns: tuple[Column | None, ...]) -> None:
        self._cursor = cursor
        self._kept = [i for i, column in enumerate(columns) if column is not None]
        self.columns = tuple(column for column in columns if column is not None)
        self._whole = len(self._kept) == len(columns)

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._cursor.fetchmany(count)
        return rows if self._whole else [tuple(row[i] for i in self._kept) for row in rows]

    def close(self) -> None:
        self._cursor.close()


class PostgreSqlDatabase:
    """A PostgreSQL database; see `database.Database`."""

    quote = '"'
    writers_overlap = True

    def __init__(self, target: Target, isolation: str | None, timezone: str) -> None:
        """Remember where to connect; sessions run in `timezone`, so that timestamps of both kinds compare."""
        hosts = ",".join(host for host, _ in target.hosts)
        ports = ",".join(str(port) for _, port in target.hosts)
        arguments: dict[str, Any] = {
            "host": hosts,
            "port": ports,
            "connect_timeout": 10,
            **target.connect,
        }
        arguments["options"] = f"{arguments.get('options', '')} -cTimeZone={timezone}".strip()
        options: dict[str, Any] = {"isolation_level": isolation} if isolation else {}
        self._engine: Engine = create_engine(
            target.url.set(drivername="postgresql+psycopg"),
            connect_args=arguments,
            pool_size=1,
            **options,
        )
        self._connection: Any = None
        self._cursor: Any = None
        self._type_names: dict[int, tuple[str, str]] = {}
        self._not_null: dict[tuple[int, int], bool] = {}

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            driver = self._connection.driver_connection
            for name in ("json", "jsonb", "uuid"):
                driver.adapters.register_loader(name, TextLoader)
        return self._connection.driver_connection

    def query(
        self, sql: str, binds: Sequence[Any], table: TableId | None, fetch_size: int
    ) -> _PostgreSqlRows:
        """Run a SELECT, `binds` in place of each BIND, on a server-side cursor.

        As in PgJDBC, `??` outside of quotes is the operator `?`.
        """
        connection = self._connected()
        sql = _QUOTED_OR_OPERATOR.sub(lambda found: found[1] or "?", sql)
        if binds:
            sql = sql.replace("%", "%%").replace(BIND, "%s")
        cursor = self._cursor = connection.cursor(name="ingest_appliance")
        cursor.itersize = fetch_size
        cursor.execute(sql, tuple(binds) or None)
        return _PostgreSqlRows(cursor, self._columns(connection, cursor))

    def _columns(self, connection: Any, cursor: Any) -> tuple[Column | None, ...]:
        result = cursor.pgresult
        self._learn_types(connection, {c.type_code for c in cursor.description})
        origins = [(result.ftable(i), result.ftablecol(i)) for i in range(result.nfields)]
        self._learn_nullability(connection, {table for table, _ in origins if table})
        return tuple(
            self._column(c, not self._not_null.get(origin, False))
            for c, origin in zip(cursor.description, origins, strict=True)
        )

    def _learn_types(self, connection: Any, oids: set[int]) -> None:
        unknown = list(oids - self._type_names.keys())
        if unknown:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT oid, typname, typtype FROM pg_type WHERE oid = ANY(%s)", (unknown,)
                )
                self._type_names.update(
                    {oid: (name, kind) for oid, name, kind in cursor.fetchall()}
                )

    def _learn_nullability(self, connection: Any, tables: set[int]) -> None:
        unknown = [t for t in tables if not any(known == t for known, _ in self._not_null)]
        if unknown:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT attrelid, attnum, attnotnull FROM pg_attribute"
                    " WHERE attrelid = ANY(%s) AND attnum > 0",
                    (unknown,),
                )
                self._not_null.update(
                    {(rel, number): flag for rel, number, flag in cursor.fetchall()}
                )

    def _column(self, described: Any, nullable: bool) -> Column | None:
        type_name, type_kind = self._type_names.get(described.type_code, ("unknown", "b"))
        label = described.name
        if type_name in _KINDS:
            form = "memory" if type_name == "bytea" else ""
            return Column(
                label, _KINDS[type_name], nullable, zoned=type_name == "timestamptz", form=form
            )
        if type_name == "numeric":
            return Column(
                label,
                "NUMERIC",
                nullable,
                precision=described.precision or 0,
                scale=described.scale or 0,
            )
        if type_name in _AS_TEXT or type_kind == "e":
            return Column(label, "STRING", nullable, form="text")
        return None

    def now(self) -> Any:
        """Give the database's present time, with its zone."""
        with self._connected().cursor() as cursor:
            cursor.execute("SELECT CURRENT_TIMESTAMP")
            return cursor.fetchone()[0]

    def horizon(self) -> int:
        """Give the first transaction id that is not given out yet."""
        return self._snapshot("xmax")

    def passed(self, horizon: int) -> bool:
        """Whether every transaction below has ended."""
        return self._snapshot("xmin") >= horizon

    def _snapshot(self, end: str) -> int:
        self.commit()
        with self._connected().cursor() as cursor:
            cursor.execute(f"SELECT txid_snapshot_{end}(txid_current_snapshot())")
            number: int = cursor.fetchone()[0]
        self.commit()
        return number

    def timestamp_bind(self, micros: int, timezone: str) -> dt.datetime:
        """Give the wall time in `timezone`."""
        return wall_time(micros, timezone)

    def tables(
        self, types: Sequence[str], catalog: str | None, schema: str | None
    ) -> list[TableId]:
        """List the tables of every schema that is not the system's own, or of those like `schema`."""
        with self._connected().cursor() as cursor:
            cursor.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s AND nspname !~ '^pg_'"
                " AND nspname <> 'information_schema' ORDER BY 1",
                (schema or "%",),
            )
            names = [name for (name,) in cursor.fetchall()]
        self.commit()
        return [table for name in names for table in list_tables(self._engine, types, name)]

    def table_columns(self, table: TableId) -> list[TableColumn]:
        """List a table's columns."""
        return list_columns(self._engine, table)

    def commit(self) -> None:
        """End the reading transaction."""
        if self._connection is not None:
            self._connection.driver_connection.commit()

    def is_transient(self, error: BaseException) -> bool:
        """Whether SQLSTATE says that the server may recover (08, 40, 53, 57P0x); no state: yes."""
        original = getattr(error, "orig", None) or error
        state = getattr(original, "sqlstate", None)
        if isinstance(original, psycopg.OperationalError) and state is None:
            return "password authentication" not in str(original)
        return state is None or str(state).startswith(_TRANSIENT_STATES)

    def close(self) -> None:
        """Close the connection at once, and then the cursor that an unread result left open."""
        connection, self._connection = self._connection, None
        cursor, self._cursor = self._cursor, None
        if connection is not None:
            connection.invalidate()
        if cursor is not None:
            cursor.close()
        self._engine.dispose()
