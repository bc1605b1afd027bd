"""A database that is copied through JDBC: reachable, user, time zone, tables; or a file of SQLite."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from appliance.config.define import ConfigDef
from appliance.connectors.jdbc import config as keys
from appliance.connectors.jdbc.connector import configured_query, parse_target
from appliance.connectors.jdbc.database import Database, TableId, first_line, open_database
from appliance.connectors.jdbc.selection import Selection
from appliance.connectors.jdbc.url import Target
from appliance.doctor.files import examine_database_file
from appliance.doctor.findings import Finding, Level, ok, problem
from appliance.doctor.reach import unreachable
from appliance.doctor.service import Service
from appliance.doctor.timezones import jdbc_time_zone, refused_zone
from appliance.errors import ConfigError, ConnectError

_OPTIONS: Final = ConfigDef(
    keys.CONFIG_DEF.keys[name]
    for name in (
        keys.URL,
        keys.USER,
        keys.PASSWORD,
        keys.TIMEZONE,
        keys.QUERY,
        keys.QUERY_MASKED,
        keys.TABLE,
        keys.TABLE_TYPES,
        keys.CATALOG_PATTERN,
        keys.SCHEMA_PATTERN,
        keys.WHITELIST,
        keys.BLACKLIST,
        keys.INCLUDE,
        keys.EXCLUDE,
    )
)
_LOGIN: Final = re.compile(r"access denied for user|authentication|password|role .* does not")


def examine_jdbc(
    name: str, config: Mapping[str, str], service: Service | None = None
) -> Iterator[Finding]:
    """Give how the database of source `name` stands; `config` is resolved."""
    try:
        parsed = _OPTIONS.parse(config)
        target = parse_target(parsed)
    except ConfigError as error:
        yield problem(name, str(error), f"correct {keys.URL}", keys.URL)
        return
    if target.product == "sqlite" and target.url.database:
        found = examine_database_file(name, Path(target.url.database), keys.URL, service)
        if found is not None:
            yield found
            if found.level is Level.PROBLEM:
                return
    # of several hosts one that answers is enough
    faults = [unreachable(host, port) for host, port in target.hosts]
    if faults and None not in faults:
        for fault in faults:
            if fault is not None:
                yield problem(name, fault.text, fault.remedy, keys.URL)
        return
    database = open_database(target, timezone=parsed[keys.TIMEZONE])
    try:
        database.now()
        yield ok(name, f"{target.shown} answers", keys.URL)
        yield from jdbc_time_zone(
            name, target, parsed[keys.TIMEZONE], lambda sql: _first(database, sql)
        )
        if configured_query(parsed) is None:
            yield from _tables(name, database, parsed)
    except Exception as error:  # noqa: BLE001 - whatever the driver raises is the finding
        yield _refused(name, target, first_line(error))
    finally:
        database.close()


def _first(database: Database, sql: str) -> tuple[Any, ...]:
    rows = database.query(sql, (), None, 1)
    try:
        return rows.fetch(1)[0]
    finally:
        rows.close()


def _refused(name: str, target: Target, reason: str) -> Finding:
    zone = refused_zone(name, target.product, reason, keys.URL)
    if zone is not None:
        return zone
    text = f"{target.shown}: {reason}"
    if _LOGIN.search(reason.lower()):
        return problem(name, text, f"correct {keys.USER} and {keys.PASSWORD}", keys.USER)
    return problem(name, text, f"correct {keys.URL}", keys.URL)


def _tables(name: str, database: Database, parsed: Mapping[str, Any]) -> Iterator[Finding]:
    """Give whether each table that is named is there and can be seen."""
    found = database.tables(
        parsed[keys.TABLE_TYPES], parsed[keys.CATALOG_PATTERN], parsed[keys.SCHEMA_PATTERN]
    )
    option = keys.INCLUDE if parsed[keys.INCLUDE] else keys.WHITELIST
    for missing in _unmatched(parsed[option], option, found, database.quote):
        text = f"{option} names {missing}, which no table that the user sees matches"
        yield problem(name, text, "correct the name, or GRANT SELECT on it", option)
    try:
        chosen = Selection.of(parsed).choose(found, database.quote)
    except ConnectError as error:
        yield problem(name, str(error), f"correct {option}", option)
        return
    yield ok(name, f"{len(chosen)} of {len(found)} tables are copied", option)


def _unmatched(
    names: Sequence[str], option: str, found: Sequence[TableId], quote: str
) -> Iterator[str]:
    for one in names:
        alone = Selection(include=(one,)) if option == keys.INCLUDE else Selection((one,))
        if not any(alone.wants(table, quote) for table in found):
            yield one
