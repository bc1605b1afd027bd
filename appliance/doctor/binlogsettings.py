"""What a database whose binlog is read is set to: format, image, retention, GTIDs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from appliance.connectors.binlog.sqltokens import Dialect
from appliance.doctor.findings import Finding, ok, problem, warning
from appliance.doctor.questions import Questions

_SHORT_RETENTION_S: Final = 3 * 86400
_FILES: Final[Mapping[Dialect, tuple[str, str]]] = {
    "mysql": ("/etc/mysql/mysql.conf.d", "mysql"),
    "mariadb": ("/etc/mysql/mariadb.conf.d", "mariadb"),
}
_GTID_MODES: Final = ("OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")


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
    yield from _gtids(name, dialect, server)
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


def _gtids(name: str, dialect: Dialect, server: Questions) -> Iterator[Finding]:
    """Give whether transactions have ids by which another server can go on."""
    if dialect == "mariadb":
        yield from _domains(name, server)
        return
    mode = (server.variable("gtid_mode") or "OFF").upper()
    if mode == "ON":
        return
    steps = []
    if (server.variable("enforce_gtid_consistency") or "OFF").upper() != "ON":
        steps.append("SET PERSIST enforce_gtid_consistency=ON;")
    done = _GTID_MODES.index(mode) if mode in _GTID_MODES else 0
    steps += [f"SET PERSIST gtid_mode={step};" for step in _GTID_MODES[done + 1 :]]
    steps[-1] += "  -- once SHOW STATUS LIKE 'Ongoing_anonymous_transaction_count' is 0"
    text = f"gtid_mode is {mode}: after a failover to a replica the connector cannot go on"
    yield warning(name, text, "\n".join(steps))


def _domains(name: str, server: Questions) -> Iterator[Finding]:
    """Give the domains of MariaDB in which numbers have gone backwards.

    The connector goes on behind the last number of a domain: a lower one that comes later is lost at a
    restart. `gtid_binlog_state` keeps the last number of each server in each domain.
    """
    last = {gtid.split("-")[0]: gtid for gtid in _listed(server.variable("gtid_binlog_pos"))}
    for gtid in _listed(server.variable("gtid_binlog_state")):
        domain, _, number = gtid.split("-")
        if domain in last and int(number) > int(last[domain].rpartition("-")[2]):
            yield warning(
                name,
                f"GTIDs of domain {domain} went backwards, {last[domain]} after {gtid}: two servers write "
                "into it, and a restart may pass over what the second one wrote",
                "SET GLOBAL gtid_strict_mode=ON;  -- on each server, and in its option file\n"
                "SET GLOBAL gtid_domain_id=2;  -- on the second, where both are to be written to",
            )


def _listed(gtids: str | None) -> list[str]:
    return [gtid.strip() for gtid in (gtids or "").split(",") if gtid.count("-") == 2]
