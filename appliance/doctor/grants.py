"""What the user of a binlog source lacks, each with the whole statement that grants it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from appliance.connectors.binlog.config import split_regexes
from appliance.connectors.binlog.filters import BUILT_IN, matches
from appliance.connectors.binlog.grants import (
    ALL,
    LOCK,
    POSITION,
    STREAM,
    Grants,
    read_grants,
)
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.tables import quote
from appliance.doctor.findings import Finding, ok, problem, warning
from appliance.doctor.questions import Questions

_USER: Final = "database.user"
_EVERYWHERE: Final = "*"
_PLAIN: Final = r"[\w$-]+"
_DATABASES: Final = ("database.include.list", "database.exclude.list")
_TABLES: Final = ("table.include.list", "table.exclude.list")


def grants(
    name: str,
    dialect: Dialect,
    server: Questions,
    config: Mapping[str, str],
    *,
    streaming: bool = False,
) -> Iterator[Finding]:
    """Give what the user may not do and the connector does.

    `streaming`: it has its snapshot; what another one would need is a warning.
    """
    held = read_grants(server.ask)
    user = str(server.ask("SELECT CURRENT_USER()")[0][0])
    account = "@".join(f"'{part}'" for part in user.rsplit("@", 1))
    if ALL in held.everywhere and not held.revoked:
        yield ok(name, f"{user} has all privileges", _USER)
        return
    found = [
        *_inactive(name, dialect, held, user, account),
        *_replication(name, dialect, held, user, account),
        *_reading(name, held, server, config, user, account),
        *_locking(name, held, server, config, user, account, streaming=streaming),
    ]
    yield from found or [ok(name, f"{user} may read the tables and the binlog", _USER)]


def _inactive(
    name: str, dialect: Dialect, held: Grants, user: str, account: str
) -> Iterator[Finding]:
    for role in held.roles[:1]:
        remedy = f"SET DEFAULT ROLE {quote(role)} FOR {account};"
        if dialect == "mysql":
            remedy = f"SET DEFAULT ROLE ALL TO {account};"
        text = f"{user} has the role {role}, which is not active when it connects"
        yield warning(name, text, remedy, _USER)


def _replication(
    name: str, dialect: Dialect, held: Grants, user: str, account: str
) -> Iterator[Finding]:
    client = "REPLICATION CLIENT" if dialect == "mysql" else "BINLOG MONITOR"
    for any_of, privilege in ((STREAM, STREAM[0]), (POSITION, client)):
        if not held.has(*any_of):
            remedy = f"GRANT {privilege} ON *.* TO {account};"
            yield problem(name, f"{user} lacks {privilege}", remedy, _USER)


def _reading(
    name: str,
    held: Grants,
    server: Questions,
    config: Mapping[str, str],
    user: str,
    account: str,
) -> Iterator[Finding]:
    for database, part in _lacking("SELECT", held, server, config):
        whole = database == _EVERYWHERE
        where = "" if whole else f" on {database}"
        text = f"{user} lacks SELECT{where}"
        level = problem
        if part:
            kept = _TABLES[0] if not whole else _DATABASES[0]
            text = (
                f"{user} lacks SELECT on a part of {'the server' if whole else database}: what changes "
                f"there is unknown to the connector, which {kept} would leave out"
            )
            level = warning
        yield level(name, text, f"GRANT SELECT ON {database}.* TO {account};", _USER)


def _locking(
    name: str,
    held: Grants,
    server: Questions,
    config: Mapping[str, str],
    user: str,
    account: str,
    *,
    streaming: bool,
) -> Iterator[Finding]:
    """Give whether a snapshot can lock: everything at once, or else table by table."""
    locks = config.get("snapshot.locking.mode", "minimal").strip().lower() != "none"
    if not locks or config.get("snapshot.mode") == "never" or held.has(*LOCK):
        return
    # it locks the tables that the user sees, wherever there may be more
    unlocked = [one for one, part in _lacking("LOCK TABLES", held, server, config) if not part]
    if not unlocked:
        return
    where = "" if unlocked == [_EVERYWHERE] else f" on {', '.join(unlocked)}"
    text = f"{user} lacks RELOAD, and LOCK TABLES{where}: a snapshot cannot lock what it reads"
    tables = " ".join(f"GRANT LOCK TABLES ON {one}.* TO {account};" for one in unlocked)
    remedy = f"GRANT RELOAD ON *.* TO {account};  -- or, table by table: {tables}"
    yield (warning if streaming else problem)(name, text, remedy, _USER)


def _lacking(
    privilege: str, held: Grants, server: Questions, config: Mapping[str, str]
) -> Iterator[tuple[str, bool]]:
    """Give the databases, quoted, that a privilege does not cover, and whether it covers a part of each.

    What the lists name plainly is asked for whether the user sees it or not; of what regular expressions
    match, that which the user sees; without a list the whole server, as `*`.
    """
    seen = list(_seen(server, config))
    excludes = any(config.get(option) for option in (_DATABASES[1], _TABLES[1]))
    if not any(config.get(option) for option in (_DATABASES[0], _TABLES[0])):
        if not held.somewhere(privilege):
            yield _EVERYWHERE, False
            return
        if not (held.has(privilege) or excludes):
            yield _EVERYWHERE, True
    lacking: dict[str, bool] = {
        database: False
        for database, table in seen
        if not held.on_table(privilege, database, table)
    }
    for database, table in _named(config, seen):
        if table is not None:
            missing = not held.on_table(privilege, database, table)
        else:
            missing = not held.on_database(privilege, database)
        part = table is None and held.somewhere(privilege, database)
        if missing and not (part and excludes):
            lacking.setdefault(database, part)
    if not (lacking or seen or held.somewhere(privilege)):
        yield _EVERYWHERE, False
    for database in sorted(lacking):
        yield quote(database), lacking[database]


def _named(
    config: Mapping[str, str], seen: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str | None]]:
    """Give what the lists name plainly: databases, or tables of them; as the server spells it."""
    by_table = config.get(_TABLES[0]) or ""
    listed = by_table or config.get(_DATABASES[0]) or ""
    pattern = rf"({_PLAIN})\\?\.({_PLAIN})" if by_table else rf"({_PLAIN})()"
    databases = {database.lower(): database for database, _ in seen}
    tables = {(database, table.lower()): table for database, table in seen}
    for part in listed.split(","):
        match = re.fullmatch(pattern, part.strip())
        if match is not None:
            database = databases.get(match[1].lower(), match[1])
            yield database, tables.get((database, match[2].lower()), match[2]) or None


def _seen(server: Questions, config: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give the captured tables that the user sees."""
    of_database, of_table = (_rule(config, pair) for pair in (_DATABASES, _TABLES))
    for id_ in server.tables():
        if id_.catalog.lower() not in BUILT_IN and of_database(id_.catalog) and of_table(str(id_)):
            yield id_.catalog, id_.table


def _rule(config: Mapping[str, str], options: tuple[str, str]) -> Callable[[str], bool]:
    include, exclude = (split_regexes(config.get(option) or "") for option in options)
    return lambda name: matches(include, name) if include else not matches(exclude, name)
