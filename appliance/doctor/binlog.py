"""A database whose binlog is read, as far as the connector's own options go: server id, tables, clock.

What the server must be set to, what the user must hold and where the connector has read to are of modules of
their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.connectors.binlog.config import connection_options, split_regexes
from appliance.connectors.binlog.server import DeniedError, Server
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.doctor.binlogsettings import settings
from appliance.doctor.findings import Finding, ok, problem, warning
from appliance.doctor.grants import grants
from appliance.doctor.position import position
from appliance.doctor.questions import Questions
from appliance.doctor.reach import unreachable
from appliance.doctor.timezones import binlog_time_zone, refused_zone
from appliance.errors import ConnectError

_USER: Final = "database.user"
_NEEDED: Final = ("database.hostname", _USER)
_CLOCK_MS: Final = 5_000
Offset = Mapping[str, Any]


def examine_binlog(
    name: str,
    dialect: Dialect,
    config: Mapping[str, str],
    stored: Callable[[Mapping[str, str]], Offset | None] = lambda _: None,
) -> Iterator[Finding]:
    """Give how the database of connector `name` stands; `config` is resolved.

    `stored` gives the offset of a partition where the connector has one that can be read.
    What validation says of options that are missing or cannot be read is not said again.
    """
    parsed = connection_options(dialect, config)
    if not {*_NEEDED, "database.port"} <= parsed.keys() or not all(map(config.get, _NEEDED)):
        return
    host, port = str(parsed["database.hostname"]), int(parsed["database.port"])
    fault = unreachable(host, port)
    if fault is not None:
        option = "database.hostname" if fault.of_host else "database.port"
        yield problem(name, fault.text, fault.remedy, option)
        return
    try:
        with Server(dialect, parsed) as server:
            version = server.one("SELECT VERSION()")
            yield ok(name, f"{host}:{port} answers: {version}", "database.hostname")
            yield from settings(name, dialect, server)
            offset = stored({"server": config.get("topic.prefix", "")})
            streaming = bool(offset) and not (offset or {}).get("snapshot")
            yield from grants(name, dialect, server, config, streaming=streaming)
            yield from server_ids(name, server, config)
            yield from databases(name, server, config)
            yield from tables(name, server, config)
            yield from clock(name, server, SYSTEM_CLOCK)
            yield from binlog_time_zone(name, server.ask, config)
            yield from position(name, server, config, offset)
    except DeniedError as error:
        yield problem(name, str(error), "correct database.user and database.password", _USER)
    except ConnectError as error:
        zone = refused_zone(name, dialect, str(error), "database.initial.statements")
        if zone is not None:
            yield zone
            return
        secured = re.search(r"\b(ssl|tls|certificate)\b", str(error), re.IGNORECASE)
        option = "database.ssl.mode" if secured else "database.hostname"
        yield problem(name, str(error), f"correct {option}, or the server", option)


def server_ids(name: str, server: Questions, config: Mapping[str, str]) -> Iterator[Finding]:
    """Give whether another replica has the connector's number."""
    option = "database.server.id"
    wanted = config.get(option)
    if not wanted:
        return
    if wanted == server.variable("server_id"):
        text = f"database.server.id={wanted} is the server's own"
        yield problem(name, text, "choose a number that no server and no replica has", option)
        return
    for statement in ("SHOW REPLICAS", "SHOW SLAVE HOSTS"):
        try:
            rows = server.ask(statement)
        except ConnectError:
            continue
        if any(str(row[0]) == wanted for row in rows):
            yield warning(
                name,
                f"a replica with database.server.id={wanted} is connected: this connector, or one in its way",
                f"{statement};  -- another reader of that number ends this one's stream",
                option,
            )
        return


def databases(name: str, server: Questions, config: Mapping[str, str]) -> Iterator[Finding]:
    """Give whether each listed database is there and has tables that can be seen."""
    option = "database.include.list"
    if config.get(option):
        names = {table.catalog for table in server.tables()}
        for pattern in split_regexes(config[option]):
            if not any(map(pattern.fullmatch, names)):
                yield problem(
                    name,
                    f"{option} names {pattern.pattern}: the user sees no table in a database of that name",
                    "correct the name (a regular expression), or GRANT SELECT on it",
                    option,
                )


def tables(name: str, server: Questions, config: Mapping[str, str]) -> Iterator[Finding]:
    """Give whether each listed table is there and can be seen."""
    option = "table.include.list"
    if not config.get(option):
        return
    names = [f"{table.catalog}.{table.table}" for table in server.tables()]
    missing = False
    for pattern in split_regexes(config[option]):
        if not any(map(pattern.fullmatch, names)):
            missing = True
            yield problem(
                name,
                f"{option} names {pattern.pattern}, which no table that the user sees matches",
                "correct the name (database.table, a regular expression), or GRANT SELECT on it",
                option,
            )
    if not missing:
        yield ok(name, "the tables are there", option)


def clock(name: str, server: Questions, clock_: Clock) -> Iterator[Finding]:
    """Give whether both clocks agree: lag is measured between them."""
    apart_ms = server.now_ms() - clock_.now_ms()
    if abs(apart_ms) > _CLOCK_MS:
        text = f"the server's clock is {apart_ms / 1000:+.0f} s off this machine's"
        yield warning(name, text, "timedatectl set-ntp true  # on both")
