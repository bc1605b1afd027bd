"""A database whose binlog is read: settings, privileges, retention, server ids, tables and clock."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.connectors.binlog.config import connection_options, split_regexes
from appliance.connectors.binlog.server import DeniedError, Server
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.tables import TableId, quote
from appliance.doctor.findings import Finding, ok, problem, warning
from appliance.doctor.reach import unreachable
from appliance.errors import ConnectError

_USER: Final = "database.user"
_NEEDED: Final = ("database.hostname", _USER)
_SHORT_RETENTION_S: Final = 3 * 86400
_CLOCK_MS: Final = 5_000
_FILES: Final[Mapping[Dialect, tuple[str, str]]] = {
    "mysql": ("/etc/mysql/mysql.conf.d", "mysql"),
    "mariadb": ("/etc/mysql/mariadb.conf.d", "mariadb"),
}


class Questions(Protocol):
    """What is asked of a server."""

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Give all rows of a statement."""

    def variable(self, name: str) -> str | None:
        """Give a global variable, None where the server has none of that name."""

    def tables(self) -> list[TableId]:
        """Give all base tables that the user sees."""

    def now_ms(self) -> int:
        """Give the server's clock."""


def examine_binlog(name: str, dialect: Dialect, config: Mapping[str, str]) -> Iterator[Finding]:
    """Give how the database of connector `name` stands; `config` is resolved.

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
            yield from grants(name, dialect, server, config)
            yield from server_ids(name, server, config)
            yield from databases(name, server, config)
            yield from tables(name, server, config)
            yield from clock(name, server, SYSTEM_CLOCK)
    except DeniedError as error:
        yield problem(name, str(error), "correct database.user and database.password", _USER)
    except ConnectError as error:
        secured = re.search(r"\b(ssl|tls|certificate)\b", str(error), re.IGNORECASE)
        option = "database.ssl.mode" if secured else "database.hostname"
        yield problem(name, str(error), f"correct {option}, or the server", option)


class _Option(NamedTuple):
    """One option that is not as it must be; `static`: the server takes it at its start alone."""

    name: str
    value: str
    text: str
    severe: bool = True
    static: bool = False


def settings(name: str, dialect: Dialect, server: Questions) -> Iterator[Finding]:
    """Give how the server's own settings stand.

    What MySQL keeps by itself is a statement each; what a file must hold is one finding with one file.
    """
    found = list(_options(server))
    statements = [one for one in found if dialect == "mysql" and not one.static]
    for one in statements:
        yield _level(one)(name, f"the server {one.text}", _persisted(one))
    lines = [one for one in found if one not in statements]
    if lines:
        worst = max(lines, key=lambda one: one.severe)
        text = "the server " + ", ".join(one.text for one in lines)
        yield _level(worst)(name, text, _file(dialect, lines))
    if dialect == "mysql" and (server.variable("gtid_mode") or "OFF").upper() != "ON":
        yield warning(
            name,
            "gtid_mode is off: after a failover to a replica the connector cannot go on",
            "SET PERSIST enforce_gtid_consistency=ON; then gtid_mode OFF_PERMISSIVE, ON_PERMISSIVE, ON",
        )
    kept_s = _kept_s(server)
    if not 0 < kept_s < _SHORT_RETENTION_S:
        kept = f"kept {kept_s / 86400:.0f} days" if kept_s else "kept for ever"
        yield ok(name, f"binlog: {kept}")


def _options(server: Questions) -> Iterator[_Option]:
    if (server.variable("log_bin") or "OFF").upper() != "ON":
        yield _Option("log_bin", "binlog", "writes no binlog", static=True)
    if (server.variable("server_id") or "0") == "0":
        yield _Option("server_id", "1", "has server_id=0", static=True)
    for option, wanted, severe in (
        ("binlog_format", "ROW", True),
        ("binlog_row_image", "FULL", True),
        ("binlog_row_metadata", "FULL", False),
    ):
        actual = server.variable(option)
        if actual is not None and actual.upper() != wanted:
            text = f"has {option}={actual}"
            if not severe:
                text += ": names and signs of columns come from its history"
            yield _Option(option, wanted, text, severe)
    if server.variable("binlog_row_value_options"):
        text = "has binlog_row_value_options set: rows hold parts of JSON values alone"
        yield _Option("binlog_row_value_options", "", text)
    kept_s = _kept_s(server)
    if 0 < kept_s < _SHORT_RETENTION_S:
        seconds = server.variable("binlog_expire_logs_seconds")
        text = (
            f"keeps its binlog for {kept_s / 3600:.0f} h: a longer standstill needs a new snapshot"
        )
        option, value = (
            ("binlog_expire_logs_seconds", 7 * 86400) if seconds else ("expire_logs_days", 7)
        )
        yield _Option(option, str(value), text, severe=False)


def _level(option: _Option) -> Callable[[str, str, str], Finding]:
    return problem if option.severe else warning


def _quoted(option: _Option) -> str:
    return option.value if option.value.isdigit() else f"'{option.value}'"


def _persisted(option: _Option) -> str:
    return f"SET PERSIST {option.name}={_quoted(option)};"


def _file(dialect: Dialect, options: Sequence[_Option]) -> str:
    """Give the file that holds all options, and what makes the server take them."""
    folder, unit = _FILES[dialect]
    lines = "".join(f"{one.name}={one.value}\\n" for one in options)
    file = (
        f"printf '[mysqld]\\n{lines}' >{folder}/90-ingest-appliance.cnf  # on the server's machine"
    )
    if any(one.static for one in options):
        return f"{file}\nsystemctl restart {unit}"
    now = "\n".join(f"SET GLOBAL {one.name}={_quoted(one)};" for one in options)
    return f"{now}\n{file}: after a restart too"


def _kept_s(server: Questions) -> int:
    """Give for how long the binlog is kept, 0 for ever."""
    seconds = server.variable("binlog_expire_logs_seconds")
    days = server.variable("expire_logs_days")
    return int(float(seconds or 0)) or int(float(days or 0) * 86400)


def grants(
    name: str, dialect: Dialect, server: Questions, config: Mapping[str, str]
) -> Iterator[Finding]:
    """Give what the user lacks, each with the whole statement that grants it."""
    rows = [str(row[0]).upper() for row in server.ask("SHOW GRANTS")]
    everywhere = " ".join(row for row in rows if " ON *.* " in row)
    user = str(server.ask("SELECT CURRENT_USER()")[0][0])
    account = "@".join(f"'{part}'" for part in user.rsplit("@", 1))
    if "ALL PRIVILEGES" in everywhere:
        yield ok(name, f"{user} has all privileges", _USER)
        return
    lacking = []
    if "REPLICATION SLAVE" not in everywhere and "REPLICATION REPLICA" not in everywhere:
        lacking.append("REPLICATION SLAVE")
    if not any(word in everywhere for word in ("REPLICATION CLIENT", "BINLOG MONITOR", "SUPER")):
        lacking.append("REPLICATION CLIENT" if dialect == "mysql" else "BINLOG MONITOR")
    if config.get("snapshot.locking.mode", "minimal").lower() != "none" and not any(
        word in everywhere for word in ("RELOAD", "FLUSH_TABLES")
    ):
        lacking.append("RELOAD")
    if not any("SELECT" in row for row in rows):
        for database in _databases(config):
            remedy = f"GRANT SELECT ON {database}.* TO {account};"
            yield problem(name, f"{user} lacks SELECT on {database}", remedy, _USER)
    for privilege in lacking:
        text = f"{user} lacks {privilege}"
        remedy = f"GRANT {privilege} ON *.* TO {account};"
        # without the global lock a snapshot locks table by table
        yield (warning if privilege == "RELOAD" else problem)(name, text, remedy, _USER)
    if not lacking:
        yield ok(name, f"{user} may read the binlog", _USER)


def _databases(config: Mapping[str, str]) -> list[str]:
    """Give the databases that the filters name, `*` where they are no plain names."""
    listed = config.get("database.include.list") or config.get("table.include.list") or ""
    names = {re.split(r"\\?\.", part.strip())[0] for part in listed.split(",")}
    if not all(re.fullmatch(r"\w+", name) for name in names):
        return ["*"]
    return [quote(name) for name in sorted(names)]


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
