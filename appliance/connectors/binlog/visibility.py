"""What of the captured tables the user can see: a server hides the others as if they were not there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.connectors.binlog.config import split_regexes
from appliance.connectors.binlog.filters import Filters
from appliance.connectors.binlog.grants import Grants, grant_statement, read_grants
from appliance.connectors.binlog.server import DeniedError, Server
from appliance.connectors.binlog.tables import TableId, quote
from appliance.errors import ConnectError

NOTHING_CAPTURED: Final = (
    "After applying the include/exclude list filters, no changes will be captured. Please check your "
    "configuration!"
)
"""Debezium's warning."""

_PLAIN_TABLE: Final = re.compile(
    r"(?P<database>[\w$-]+)(?:(?:\\\.|\[\.\]|\.)(?:(?P<table>[\w$-]+)|\.\*)|\.\*)"
)
_PLAIN_DATABASE: Final = re.compile(r"(?P<database>[\w$-]+)")


class UnknownTableError(ConnectError):
    """Rows came of a captured table without a definition."""

    def __init__(self, id_: TableId) -> None:
        """Keep the table; `explained` finds out why."""
        super().__init__(
            f"Encountered change event for table {id_} whose schema isn't known to this connector"
        )
        self.id = id_


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """What an include list names; None is a name that an expression stands for."""

    database: str | None
    table: str | None = None

    def holds(self, id_: TableId) -> bool:
        """Whether a table is part of it."""
        return (self.database is None or self.database.lower() == id_.catalog.lower()) and (
            self.table is None or self.table.lower() == id_.table.lower()
        )

    def __str__(self) -> str:
        """Give what a statement names: the database with all its tables."""
        return f"{'*' if self.database is None else quote(self.database)}.*"

    def read_by(self, grants: Grants) -> bool:
        """Whether a user may read something of it; a right to single columns does not count."""
        if self.database is None or self.table is None:
            return grants.somewhere("SELECT", self.database)
        return grants.on_table("SELECT", self.database, self.table)


def scopes(config: Mapping[str, Any]) -> list[Scope]:
    """Give what the include lists of a configuration, parsed or not, name; without any, everything."""
    tables = _patterns(config.get("table.include.list"))
    if tables:
        found = [_scope(_PLAIN_TABLE.fullmatch(pattern)) for pattern in tables]
    else:
        databases = _patterns(config.get("database.include.list"))
        found = [_scope(_PLAIN_DATABASE.fullmatch(pattern)) for pattern in databases]
    return list(dict.fromkeys(found)) or [Scope(None)]


def _scope(match: re.Match[str] | None) -> Scope:
    return Scope(**match.groupdict()) if match else Scope(None)


def _patterns(option: str | Sequence[str] | None) -> list[str]:
    if not option:
        return []
    text = option if isinstance(option, str) else ",".join(option)
    return [pattern.pattern for pattern in split_regexes(text)]


def missing_select(server: Server, config: Mapping[str, Any]) -> list[str]:
    """Give what the include lists of parsed options name and the user cannot read, with the remedy.

    A server hides such a table as if it were not there; one that the user sees counts as one to read.
    """
    held = read_grants(server.ask)
    lacking = [scope for scope in scopes(config) if not scope.read_by(held)]
    if not lacking:
        return []
    filters = Filters(config)
    seen = [id_ for id_ in server.tables() if filters.table(id_)]
    account = server.account()
    unseen = [scope for scope in lacking if not any(map(scope.holds, seen))]
    return [
        f"the user {account} lacks SELECT and sees no table of {place} that is to be captured: "
        f"{grant_statement('SELECT', place, account)}"
        for place in dict.fromkeys(map(str, unseen))
    ]


def explained(error: UnknownTableError, server: Server) -> str:
    """Give why a definition is missing, as the server says, and what to do. Raises ConnectError."""
    try:
        found = server.create_statement(error.id)
    except DeniedError:
        grant = grant_statement("SELECT", error.id.sql, server.account())
        remedy = (
            f"the user may not read the table: {grant}; then restart the task with snapshot.mode=recovery, "
            "or leave the table out with table.exclude.list"
        )
    else:
        remedy = "restart it with snapshot.mode=recovery to read the schemas anew"
        if found is None:
            remedy = "the table is not on the server any more"
    return f"{error}; {remedy}; inconsistent.schema.handling.mode=warn passes over such events"
