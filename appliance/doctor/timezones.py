"""Time zones: the server's, the session's, and those that a connector names.

A binlog source runs its sessions in UTC and needs no zone by name. A JDBC source reads what MariaDB and MySQL
give in the session's zone as if it were in `db.timezone`; PostgreSQL's sessions run in that one.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.jdbc import config as jdbc
from appliance.connectors.jdbc.url import Target
from appliance.doctor.findings import Finding, ok, problem, warning

ASKED: Final = (
    "SELECT @@global.time_zone, @@system_time_zone, @@session.time_zone, "
    "TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())"
)
"""Gives the server's zone, the zone that SYSTEM stands for, the session's and its seconds east of UTC."""

_STATEMENTS: Final = "database.initial.statements"
_OPTION: Final = re.compile(
    r"(?:database|driver)\.(?:connectiontimezone|servertimezone|timezone)", re.IGNORECASE
)
_WORDS: Final = ("local", "server", "auto", "disable")
_OFFSET: Final = re.compile(r"(?:GMT|UTC)?[+-]\d{1,2}(?::?\d\d)?", re.IGNORECASE)
_UNKNOWN: Final = re.compile(r"unknown or incorrect time zone: '([^']*)'", re.IGNORECASE)
_PARAMETER: Final = re.compile(r'invalid value for parameter "timezone"', re.IGNORECASE)


def known(zone: str) -> bool:
    """Tell whether a zone's name or distance from UTC says which one is meant."""
    if _OFFSET.fullmatch(zone) or zone.upper() in ("SYSTEM", "Z"):
        return True
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def binlog_time_zone(
    name: str, ask: Callable[[str], list[tuple[Any, ...]]], config: Mapping[str, str]
) -> Iterator[Finding]:
    """Give the server's zone, and what a configuration says of zones that it should not."""
    zone, system, session, seconds = ask(ASKED)[0]
    shown = _shown(zone, system)
    if int(seconds):
        text = (
            f"{_STATEMENTS} puts the session into the time zone {session}: a snapshot gives TIMESTAMP "
            f"columns {_apart(int(seconds))} of the streamed ones"
        )
        yield problem(name, text, f"take time_zone out of {_STATEMENTS}", _STATEMENTS)
    else:
        yield ok(
            name, f"the server's time zone is {shown}; sessions run in UTC", "database.hostname"
        )
    for option, value in sorted(config.items()):
        if not _OPTION.fullmatch(option) or known(value) or value.lower() in _WORDS:
            continue
        text = f"{option} names {value}, which is no time zone; sessions run in UTC"
        remedy = (
            f"take {option} out, or name a zone such as Europe/Madrid (timedatectl list-timezones)"
        )
        yield warning(name, text, remedy, option)


def jdbc_time_zone(
    name: str, target: Target, timezone: str, ask: Callable[[str], tuple[Any, ...]]
) -> Iterator[Finding]:
    """Give the zone of the server and of the sessions, and whether `timezone` reads them rightly.

    `ask` gives the first row of a statement.
    """
    if target.product == "postgresql":
        yield ok(name, f"sessions run in the time zone {ask('SHOW TimeZone')[0]}", jdbc.TIMEZONE)
        return
    if target.product == "sqlite":
        return
    zone, system, session, seconds = ask(ASKED)
    shown = _shown(zone, system)
    wanted = dt.datetime.now(zoneinfo.ZoneInfo(timezone)).utcoffset() or dt.timedelta()
    apart_s = int(seconds) - int(wanted.total_seconds())
    if not apart_s:
        text = f"the server's time zone is {shown}, read as {jdbc.TIMEZONE}={timezone}"
        yield ok(name, text, jdbc.TIMEZONE)
        return
    text = f"the server's time zone is {shown}"
    if session != zone:
        text += f", the session's {session}"
    text += (
        f": its times are {_apart(apart_s)} of {jdbc.TIMEZONE}={timezone}, in which they are read"
    )
    remedy = f"set {jdbc.TIMEZONE} to that zone"
    if not wanted:
        remedy += f", or add sessionVariables=time_zone='+00:00' to {jdbc.URL}"
    yield warning(name, text, remedy, jdbc.TIMEZONE)


def refused_zone(name: str, product: str, reason: str, option: str) -> Finding | None:
    """Give the problem of a zone for which a server refuses a session, None for another reason."""
    if product == "postgresql":
        if not _PARAMETER.search(reason):
            return None
        remedy = "SELECT name FROM pg_timezone_names;  -- gives those that it has"
        return problem(name, f"the server does not know {jdbc.TIMEZONE}", remedy, jdbc.TIMEZONE)
    found = _UNKNOWN.search(reason)
    if found is None:
        return None
    zone = found[1]
    if not known(zone):
        text = f"{option} names the time zone {zone}, which there is not"
        return problem(name, text, f"correct {option}: timedatectl list-timezones", option)
    text = (
        f"{option} names the time zone {zone}, but the server has no tables of time zones, or none of "
        "that name"
    )
    return problem(name, text, loaded("mysql" if product == "mysql" else "mariadb"), option)


def loaded(dialect: Dialect) -> str:
    """Give the command that fills the server's tables of time zones."""
    tool = "mysql_tzinfo_to_sql" if dialect == "mysql" else "mariadb-tzinfo-to-sql"
    client = "mysql -u root -p" if dialect == "mysql" else "mariadb"
    return f"{tool} /usr/share/zoneinfo | {client} mysql  # on the server's machine, as root"


def _shown(zone: object, system: object) -> str:
    return f"{zone} ({system})" if zone == "SYSTEM" else str(zone)


def _apart(seconds: int) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{hours}:{minutes:02d} h {'east' if seconds > 0 else 'west'}"
