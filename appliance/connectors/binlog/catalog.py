"""What statements have made of the server: tables, character sets, and the changes that lead there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

from appliance.connectors.binlog.tables import Table, TableId

ChangeKind = Literal[
    "CREATE", "ALTER", "DROP", "TRUNCATE", "DATABASE", "DROP DATABASE", "SET", "USE", "OTHER"
]


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One effect of a statement.

    `database` is the one it belongs to ("" for server variables), `table_id` the table, `table` what it
    is now (None once dropped), `previous_id` its name before a renaming, `charset` the new default of a
    database or the server, `statement` the text that history keeps. OTHER is a statement that changes
    none of them and is kept all the same.
    """

    kind: ChangeKind
    database: str
    statement: str
    table_id: TableId | None = None
    table: Table | None = None
    previous_id: TableId | None = None
    charset: str | None = None


class Catalog:
    """Tables and default character sets, kept up by `apply`.

    `ignore_case` is for servers that compare table names without case (lower_case_table_names 1, 2).
    """

    def __init__(self, *, ignore_case: bool = False, server_charset: str | None = None) -> None:
        """Start without tables."""
        self.ignore_case = ignore_case
        self.server_charset = server_charset
        self._tables: dict[TableId, Table] = {}
        self._charsets: dict[str, str | None] = {}

    def __iter__(self) -> Iterator[Table]:
        """Walk over the tables in the order of their names."""
        return iter(sorted(self._tables.values(), key=lambda t: (t.catalog, t.name)))

    def __len__(self) -> int:
        """Count the tables."""
        return len(self._tables)

    def _key(self, id_: TableId) -> TableId:
        return TableId(id_.catalog.lower(), id_.table.lower()) if self.ignore_case else id_

    def get(self, id_: TableId) -> Table | None:
        """Give a table, or None."""
        return self._tables.get(self._key(id_))

    def of_database(self, database: str) -> list[Table]:
        """Give the tables of one database."""
        folded = database.lower()
        if self.ignore_case:
            return [t for t in self._tables.values() if t.catalog.lower() == folded]
        return [t for t in self._tables.values() if t.catalog == database]

    def charset_of(self, database: str) -> str | None:
        """Give the default character set of a database, the server's where it has none of its own."""
        key = database.lower() if self.ignore_case else database
        return self._charsets.get(key) or self.server_charset

    def put(self, table: Table) -> None:
        """Add or replace a table."""
        self._tables[self._key(table.id)] = table

    def remove(self, id_: TableId) -> None:
        """Forget a table, if it is there."""
        self._tables.pop(self._key(id_), None)

    def apply(self, change: Change) -> None:
        """Bring the catalog to the state after `change`."""
        if change.kind == "DROP DATABASE":
            for table in self.of_database(change.database):
                self.remove(table.id)
            self._charsets.pop(self._database(change.database), None)
        elif change.kind == "DATABASE" and change.charset is not None:
            self._charsets[self._database(change.database)] = change.charset
        elif change.kind == "SET":
            self.server_charset = change.charset or self.server_charset
        elif change.kind == "DROP" and change.table_id is not None:
            self.remove(change.table_id)
        elif change.table is not None and change.kind != "TRUNCATE":
            if change.previous_id is not None:
                self.remove(change.previous_id)
            self.put(change.table)

    def _database(self, database: str) -> str:
        return database.lower() if self.ignore_case else database
