"""Grants: what SHOW GRANTS says of a user, by server, database and table.

Tried: MariaDB 10.11 lists the grants of a role in rows of its own, whether the role is active or not; MySQL
merges those of active roles into the user's.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from appliance.errors import ConnectError

ALL: Final = "ALL PRIVILEGES"
STREAM: Final = ("REPLICATION SLAVE", "REPLICATION REPLICA")
"""Either lets a user read the binlog."""
POSITION: Final = ("REPLICATION CLIENT", "BINLOG MONITOR", "SUPER")
"""Any lets a user see where the binlog ends and which files there are."""
LOCK: Final = ("RELOAD", "FLUSH_TABLES")
"""Either lets a user lock all tables at once."""

_NAME: Final = r"(?:\*|`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\")"
_ROW: Final = re.compile(
    rf"(GRANT|REVOKE) (.+?) ON (?:TABLE )?({_NAME})\.({_NAME}) (?:TO|FROM) (.+?)"
    r"(?: IDENTIFIED .*| REQUIRE .*| WITH .*)?",
    re.IGNORECASE,
)
_ROLE: Final = re.compile(rf"GRANT ({_NAME})(?:@{_NAME})? TO .+@", re.IGNORECASE)
_PRIVILEGE: Final = re.compile(r"[^,(]+(?:\([^)]*\))?")

Held = frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Grants:
    r"""Privileges in capitals, without those on single columns.

    `databases`: by pattern as the server keeps it (`%`, `_`, `\_`); `tables`: by database and table;
    `revoked`: by database, what the server takes from `everywhere` there; `roles`: granted, not active.
    """

    everywhere: Held
    databases: Mapping[str, Held]
    tables: Mapping[tuple[str, str], Held]
    revoked: Mapping[str, Held]
    roles: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[str], *, active: bool = True) -> Grants:
        """Read the rows of SHOW GRANTS for the user who asks; `active`: the session has a role."""
        listed = list(rows)
        found: dict[str, dict[tuple[str, str], Held]] = {"GRANT": {}, "REVOKE": {}}
        for row in listed:
            match = _ROW.fullmatch(row)
            # MariaDB writes the account with its host, a role without
            if match is None or ("@" not in match[5] and not active):
                continue
            held = found[match[1].upper()]
            place = _bare(match[3]), _bare(match[4])
            held[place] = held.get(place, frozenset()) | _privileges(match[2])
        granted, revoked = found["GRANT"], found["REVOKE"]
        matches = [] if active else [_ROLE.match(row) for row in listed]
        return cls(
            granted.get(("*", "*"), frozenset()),
            {db: held for (db, table), held in granted.items() if db != "*" and table == "*"},
            {place: held for place, held in granted.items() if place[1] != "*"},
            {db: held for (db, _), held in revoked.items()},
            tuple(dict.fromkeys(_bare(match[1]) for match in matches if match is not None)),
        )

    def has(self, *privileges: str) -> bool:
        """Whether the user has one of the privileges on the whole server."""
        return not self.everywhere.isdisjoint({*privileges, ALL})

    def on_database(self, privilege: str, database: str) -> bool:
        """Whether the user has a privilege on all tables of a database."""
        wanted = {privilege, ALL}
        if not self.everywhere.isdisjoint(wanted):
            return self.revoked.get(database, frozenset()).isdisjoint(wanted)
        return any(
            _matches(pattern, database) and not held.isdisjoint(wanted)
            for pattern, held in self.databases.items()
        )

    def on_table(self, privilege: str, database: str, table: str) -> bool:
        """Whether the user has a privilege on a table."""
        held = self.tables.get((database, table), frozenset())
        return not held.isdisjoint({privilege, ALL}) or self.on_database(privilege, database)

    def somewhere(self, privilege: str, database: str | None = None) -> bool:
        """Whether the user has a privilege on anything, of one database where that is given."""
        wanted = {privilege, ALL}
        if database is None:
            all_held = (self.everywhere, *self.databases.values(), *self.tables.values())
            return any(not held.isdisjoint(wanted) for held in all_held)
        return self.on_database(privilege, database) or any(
            name == database and not held.isdisjoint(wanted)
            for (name, _), held in self.tables.items()
        )


def read_grants(ask: Callable[[str], list[tuple[Any, ...]]]) -> Grants:
    """Ask for the privileges of the user who asks. Raises ConnectError."""
    rows = ask("SHOW GRANTS")
    try:
        role = ask("SELECT CURRENT_ROLE()")[0][0]
    except ConnectError:
        # a server that knows no roles
        role = ""
    return Grants.of((str(row[0]) for row in rows), active=role not in (None, "NONE"))


def grant_statement(privilege: str, place: str, account: str) -> str:
    """Give the statement that grants a privilege on a place, written as SQL writes it."""
    return f"GRANT {privilege} ON {place} TO {account}"


def _privileges(text: str) -> Held:
    words = (word.strip().upper() for word in _PRIVILEGE.findall(text))
    return frozenset(word for word in words if word and "(" not in word) - {"USAGE"}


def _bare(name: str) -> str:
    if len(name) < 2:
        return name
    mark = name[0]
    return name[1:-1].replace(mark * 2, mark)


def _matches(pattern: str, database: str) -> bool:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(expression, database, re.DOTALL) is not None
