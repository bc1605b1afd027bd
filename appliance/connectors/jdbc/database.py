"""The seam to a database: what the JDBC source asks of MySQL/MariaDB, PostgreSQL and SQLite.

`open_database` gives the Database of a Target. Statements mark their binds with BIND; each Database
turns them into its driver's form. All methods run on one thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final, Protocol

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from appliance.connectors.jdbc.columns import Column
from appliance.connectors.jdbc.url import Target
from appliance.errors import ConnectError

BIND: Final = "\0"
"""A bind in a statement; a sign that no query of a user's can hold, as it may hold `?` and `%s`."""


@dataclasses.dataclass(frozen=True, slots=True)
class TableId:
    """A table; `container` is MySQL's database or PostgreSQL's schema, None for SQLite."""

    container: str | None
    name: str

    @property
    def fqn(self) -> str:
        """Give the full name, unquoted."""
        return f"{self.container}.{self.name}" if self.container else self.name


@dataclasses.dataclass(frozen=True, slots=True)
class TableColumn:
    """What the catalog says of a column."""

    name: str
    nullable: bool
    auto_increment: bool = False
    type_text: str = ""


class Rows(Protocol):
    """An open result; read to its end or closed before the next query."""

    columns: tuple[Column, ...]

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        """Give up to `count` rows in driver form; [] at the end."""

    def close(self) -> None:
        """Drop the rest."""


class Database(Protocol):
    """One connection to a database, opened on first use and replaced when it broke."""

    quote: str
    writers_overlap: bool
    """Whether transactions may commit in another order than they wrote."""

    def query(
        self, sql: str, binds: Sequence[Any], table: TableId | None, fetch_size: int
    ) -> Rows:
        """Run a SELECT, `binds` in place of each BIND; `table` is where its columns come from, if known."""

    def now(self) -> Any:
        """Give the database's present time as a datetime."""

    def horizon(self) -> Any | None:
        """Note the transactions open now that may have written, for `passed`; None: not known."""

    def passed(self, horizon: Any) -> bool:
        """Whether all transactions of `horizon` have ended."""

    def timestamp_bind(self, micros: int, timezone: str) -> Any:
        """Give the bind for a moment in microseconds since the epoch."""

    def tables(
        self, types: Sequence[str], catalog: str | None, schema: str | None
    ) -> list[TableId]:
        """List tables (`TABLE`) and views (`VIEW`)."""

    def table_columns(self, table: TableId) -> list[TableColumn]:
        """List a table's columns, [] when it does not exist."""

    def commit(self) -> None:
        """End the reading transaction."""

    def is_transient(self, error: BaseException) -> bool:
        """Whether the statement may succeed later, on a new connection."""

    def close(self) -> None:
        """Close the connection, whatever its state."""


def open_database(target: Target, isolation: str = "DEFAULT", timezone: str = "UTC") -> Database:
    """Give the Database for `target`; nothing is connected yet."""
    level = None if isolation == "DEFAULT" else isolation.replace("_", " ")
    if target.product in ("mysql", "mariadb"):
        from appliance.connectors.jdbc.mysql import MySqlDatabase

        return MySqlDatabase(target, level)
    if target.product == "postgresql":
        from appliance.connectors.jdbc.postgresql import PostgreSqlDatabase

        return PostgreSqlDatabase(target, level, timezone)
    from appliance.connectors.jdbc.sqlite import SqliteDatabase

    return SqliteDatabase(target, level)


def list_tables(engine: Engine, types: Sequence[str], container: str | None) -> list[TableId]:
    """List tables and views of one schema through SQLAlchemy. Raises ConnectError."""
    kinds = {kind.upper() for kind in types}
    try:
        inspector = inspect(engine)
        names: list[str] = []
        if kinds & {"TABLE", "PARTITIONED TABLE"}:
            names += inspector.get_table_names(schema=container)
        if "VIEW" in kinds:
            names += inspector.get_view_names(schema=container)
    except SQLAlchemyError as error:
        raise ConnectError(
            f"listing the tables of {container or 'the database'}: {first_line(error)}"
        ) from error
    return [TableId(container, name) for name in sorted(names)]


def list_columns(engine: Engine, table: TableId) -> list[TableColumn]:
    """List a table's columns through SQLAlchemy; primary keys count as NOT NULL."""
    inspector = inspect(engine)
    if not inspector.has_table(table.name, schema=table.container):
        return []
    keys = set(
        inspector.get_pk_constraint(table.name, schema=table.container)["constrained_columns"]
    )
    return [
        TableColumn(
            name=c["name"],
            nullable=bool(c["nullable"]) and c["name"] not in keys,
            auto_increment=c.get("autoincrement") is True
            or "nextval" in str(c.get("default") or ""),
            type_text=str(c["type"]),
        )
        for c in inspector.get_columns(table.name, schema=table.container)
    ]


def first_line(error: BaseException) -> str:
    """Give the first line of a driver's message, which has no statement or parameters in it."""
    original = getattr(error, "orig", None) or error
    return str(original).splitlines()[0] if str(original) else type(original).__name__
