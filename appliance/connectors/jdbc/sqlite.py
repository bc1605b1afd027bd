"""SQLite through SQLAlchemy's engine; types follow the declared affinity, whatever the first row holds."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Engine, create_engine

from appliance.connectors.jdbc.columns import Column, Kind, parse_moment
from appliance.connectors.jdbc.database import (
    BIND,
    TableColumn,
    TableId,
    list_columns,
    list_tables,
)
from appliance.connectors.jdbc.mysql import wall_time
from appliance.connectors.jdbc.url import Target

_BY_VALUE: Final[tuple[tuple[type, Kind], ...]] = (
    (int, "INT64"),
    (float, "FLOAT64"),
    (bytes, "BYTES"),
    (str, "STRING"),
)
_FATAL: Final = (
    "no such table",
    "no such column",
    "syntax error",
    "not a database",
    "unable to open",
)


def declared_column(name: str, declared: str, nullable: bool) -> Column:
    """Give the Column for a declared type such as `INTEGER`, `DECIMAL(8,2)` or `DATETIME`."""
    upper = declared.upper()
    if upper.startswith("BOOL"):
        return Column(name, "BOOLEAN", nullable)
    if "INT" in upper:
        return Column(name, "INT64", nullable)
    if upper.startswith(("DATETIME", "TIMESTAMP")):
        return Column(name, "TIMESTAMP", nullable, form="text")
    if upper == "DATE":
        return Column(name, "DATE", nullable, form="text")
    if upper.startswith(("DECIMAL", "NUMERIC")):
        size = re.search(r"\((\d+)(?:\s*,\s*(\d+))?\)", upper)
        precision, scale = (int(size[1]), int(size[2] or 0)) if size else (0, 0)
        return Column(name, "NUMERIC", nullable, precision=precision, scale=scale)
    if any(word in upper for word in ("REAL", "FLOA", "DOUBLE")):
        return Column(name, "FLOAT64", nullable)
    return Column(name, "BYTES" if "BLOB" in upper or not upper else "STRING", nullable)


class _SqliteRows:
    """An open result."""

    def __init__(
        self, cursor: Any, columns: tuple[Column, ...], first: list[tuple[Any, ...]]
    ) -> None:
        self._cursor = cursor
        self.columns = columns
        self._first = first

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        first, self._first = self._first, []
        rows: list[tuple[Any, ...]] = first + self._cursor.fetchmany(count - len(first))
        return rows

    def close(self) -> None:
        self._cursor.close()


class SqliteDatabase:
    """A SQLite file; see `database.Database`."""

    quote = '"'
    writers_overlap = False

    def __init__(self, target: Target, isolation: str | None) -> None:
        """Remember which file."""
        self._pragmas = {k: v for k, v in target.options.items() if re.fullmatch(r"[a-z_]+", k)}
        self._engine: Engine = create_engine(target.url, connect_args={"timeout": 5})
        self._connection: Any = None

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            for name, value in self._pragmas.items():
                if name not in ("mode", "cache") and not name.startswith("date_"):
                    self._connection.driver_connection.execute(
                        f"PRAGMA {name}={int(value) if value.isdigit() else value}"
                    )
        return self._connection.driver_connection

    def query(
        self, sql: str, binds: Sequence[Any], table: TableId | None, fetch_size: int
    ) -> _SqliteRows:
        """Run a SELECT, `binds` in place of each BIND."""
        cursor = self._connected().cursor()
        cursor.execute(sql.replace(BIND, "?"), tuple(binds))
        first = cursor.fetchmany(1)
        declared = {c.name: c for c in self._declared(table)}
        names = [described[0] for described in cursor.description]
        columns = tuple(
            declared_column(name, declared[name].type_text, declared[name].nullable)
            if name in declared
            else Column(name, _kind_of(first[0][i] if first else ""))
            for i, name in enumerate(names)
        )
        return _SqliteRows(cursor, columns, first)

    def _declared(self, table: TableId | None) -> list[TableColumn]:
        if table is None:
            return []
        rows = self._connected().execute(f"PRAGMA table_info({quoted(table.name)})").fetchall()
        return [
            TableColumn(name, not (required or key), type_text=kind)
            for _, name, kind, required, _, key in rows
        ]

    def now(self) -> Any:
        """Give the present time in UTC."""
        return parse_moment(
            self._connected().execute("SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'now')").fetchone()[0]
        )

    def horizon(self) -> tuple[()]:
        """Give nothing: one transaction writes at a time."""
        return ()

    def passed(self, horizon: tuple[()]) -> bool:
        """Give True."""
        return True

    def timestamp_bind(self, micros: int, timezone: str) -> str:
        """Give the wall time in `timezone` as SQLite's own functions write it."""
        moment: dt.datetime = wall_time(micros, timezone)
        text = moment.strftime("%Y-%m-%d %H:%M:%S")
        return text if not moment.microsecond else f"{text}.{moment.microsecond:06d}".rstrip("0")

    def tables(
        self, types: Sequence[str], catalog: str | None, schema: str | None
    ) -> list[TableId]:
        """List the file's tables."""
        return list_tables(self._engine, types, None)

    def table_columns(self, table: TableId) -> list[TableColumn]:
        """List a table's columns; an INTEGER PRIMARY KEY counts itself up."""
        columns = list_columns(self._engine, table)
        keys = {
            name
            for _, name, kind, _, _, key in self._connected().execute(
                f"PRAGMA table_info({quoted(table.name)})"
            )
            if key and kind.upper() == "INTEGER"
        }
        return [
            TableColumn(c.name, c.nullable, c.auto_increment or c.name in keys, c.type_text)
            for c in columns
        ]

    def commit(self) -> None:
        """End the reading transaction."""
        if self._connection is not None:
            self._connection.driver_connection.commit()

    def is_transient(self, error: BaseException) -> bool:
        """Whether the file is only busy."""
        return isinstance(error, sqlite3.OperationalError) and not any(
            word in str(error) for word in _FATAL
        )

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._engine.dispose()


def _kind_of(value: Any) -> Kind:
    return next((kind for python, kind in _BY_VALUE if isinstance(value, python)), "STRING")


def quoted(name: str) -> str:
    """Give a name in double quotes."""
    return '"' + name.replace('"', '""') + '"'
