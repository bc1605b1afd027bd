"""Questions to the server: connection, version, position, tables, grants.

Sessions run in UTC, so that TIMESTAMP values need no zone. Semantics: Debezium BinlogConnectorConnection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import ssl
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, Final, Self

import pymysql

from appliance.config.types import Password
from appliance.connectors.binlog.grants import POSITION, STREAM, grant_statement, read_grants
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.tables import TableId, quote
from appliance.errors import ConfigError, ConnectError, RetriableError

_LOG: Final = logging.getLogger("io.debezium.connector.binlog.jdbc.BinlogConnectorConnection")
_DENIED: Final = frozenset({1044, 1045, 1142, 1143, 1227, 3118})
_LOGIN: Final = 1045
_GONE: Final = frozenset(
    {1040, 1053, 1077, 1079, 1152, 1153, 1158, 1159, 1160, 1161, 1317, 1927}
    | {2002, 2003, 2006, 2013, 4031}
)
_SYNTAX: Final = 1064

_VERIFIED: Final = frozenset({"verify_ca", "verify_identity", "verify-ca", "verify-full"})
_IDENTITY: Final = frozenset({"verify_identity", "verify-full"})
_PLAIN: Final = frozenset({"disabled", "disable"})


def connection_settings(parsed: Mapping[str, Any]) -> dict[str, Any]:
    """Give PyMySQL's settings under parsed options. Raises ConfigError for unreadable key material."""
    password = parsed["database.password"]
    settings: dict[str, Any] = {
        "host": parsed["database.hostname"],
        "port": parsed["database.port"],
        "user": parsed["database.user"],
        "password": password.value if isinstance(password, Password) else "",
        "charset": "utf8mb4",
        "connect_timeout": max(1, parsed["connect.timeout.ms"] // 1000),
        "autocommit": True,
    }
    if parsed["database.query.timeout.ms"] > 0:
        settings["read_timeout"] = parsed["database.query.timeout.ms"] / 1000
    mode = str(parsed["database.ssl.mode"]).lower()
    if mode in _PLAIN:
        settings["ssl_disabled"] = True
    else:
        settings["ssl"] = _tls(parsed, mode)
    return settings


def _tls(parsed: Mapping[str, Any], mode: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = mode in _IDENTITY
    context.verify_mode = ssl.CERT_REQUIRED if mode in _VERIFIED else ssl.CERT_NONE
    for option in ("database.ssl.truststore", "database.ssl.keystore"):
        path = parsed[option]
        if not path:
            continue
        if not str(path).endswith(".pem"):
            raise ConfigError(f"{option} names {path}; give the certificates as a PEM file (.pem)")
        secret = parsed[f"{option}.password"]
        try:
            if option.endswith("truststore"):
                context.load_verify_locations(path)
            else:
                context.load_cert_chain(path, password=secret.value if secret else None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{option} names {path}, which cannot be read: {error}") from error
    return context


def initial_statements(text: str | None) -> list[str]:
    """Give the statements of database.initial.statements; `;;` is a semicolon inside one."""
    marked = (text or "").replace(";;", "\0")
    return [part.replace("\0", ";").strip() for part in marked.split(";") if part.strip()]


@dataclasses.dataclass(frozen=True, slots=True)
class BinlogPosition:
    """Where the binlog ends now; `gtids` is the set of all transactions up to there, None where off."""

    file: str
    pos: int
    gtids: str | None


class DeniedError(ConnectError):
    """The user lacks a privilege."""


class Server:
    """One SQL connection to the server. Not thread-safe; use it with `with`, or call `close`."""

    def __init__(self, dialect: Dialect, parsed: Mapping[str, Any], **settings: Any) -> None:
        """Connect. Raises RetriableError when the server cannot be reached, ConnectError otherwise."""
        self.dialect = dialect
        self._where = f"{parsed['database.hostname']}:{parsed['database.port']}"
        with self.errors("Connecting"):
            self.connection: Any = pymysql.connect(**{**connection_settings(parsed), **settings})
        try:
            self._check_encryption(str(parsed["database.ssl.mode"]).lower())
            self.run("SET time_zone = '+00:00'")
            for statement in initial_statements(parsed["database.initial.statements"]):
                self.run(statement)
        except BaseException:
            self.close()
            raise

    def _check_encryption(self, mode: str) -> None:
        """Refuse a plain connection where encryption is asked for: the library falls back in silence."""
        if (
            mode in _PLAIN
            or mode == "preferred"
            or isinstance(self.connection._sock, ssl.SSLSocket)
        ):
            return
        raise ConnectError(
            f"The server {self._where} offers no TLS, but database.ssl.mode={mode} asks for it; set up "
            "certificates on the server or choose another mode"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, locks and transaction with it."""
        with contextlib.suppress(pymysql.MySQLError, OSError):
            self.connection.close()

    @contextlib.contextmanager
    def errors(
        self,
        doing: str,
        remedy: Callable[[int], str | None] = lambda _: None,
        passing: Container[int] = (),
    ) -> Iterator[None]:
        """Turn the library's errors into DeniedError, RetriableError and ConnectError, with a remedy.

        `remedy` gives one for an error's number; errors in `passing` are worth another attempt here.
        """
        try:
            yield
        except (pymysql.MySQLError, OSError, RuntimeError) as error:
            code = error.args[0] if error.args else None
            reason = error.args[1] if len(error.args) > 1 else error
            text = f"{doing} on {self._where} failed: {reason} ({code})"
            if code in _DENIED:
                usual = "check user and password" if code == _LOGIN else "grant what is missing"
                raise DeniedError(f"{text}; {remedy(code) or usual}") from error
            if code in _GONE or isinstance(error, (OSError, pymysql.InterfaceError)):
                raise RetriableError(f"{text}; check that the server is up") from error
            if code in passing:
                raise RetriableError(text) from error
            found = remedy(code) if isinstance(code, int) else None
            raise ConnectError(f"{text}; {found}" if found else text) from error

    def run(self, statement: str) -> None:
        """Run a statement without result."""
        with self.errors(f"Running {statement!r}"):
            self.connection.query(statement)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Give all rows of a statement."""
        with self.errors(f"Running {statement!r}"), self.connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def one(self, statement: str) -> Any:
        """Give the first value of a statement, None for no row."""
        rows = self.ask(statement)
        return rows[0][0] if rows else None

    def variable(self, name: str) -> str | None:
        """Give a global variable, None where the server has none of that name."""
        rows = self.ask(f"SHOW GLOBAL VARIABLES LIKE '{name}'")
        return str(rows[0][1]) if rows else None

    def now_ms(self) -> int:
        """Give the server's clock to the second, in ms."""
        return int(self.one("SELECT UNIX_TIMESTAMP()")) * 1000

    @property
    def ignores_case(self) -> bool:
        """Whether names of tables are compared without case."""
        return self.variable("lower_case_table_names") not in ("0", None)

    def gtid_mode(self) -> bool:
        """Whether positions can be given as GTIDs."""
        if self.dialect == "mariadb":
            return True
        return self.variable("gtid_mode") == "ON"

    def position(self) -> BinlogPosition:
        """Give the end of the binlog. Raises ConnectError where there is none."""
        rows = self._status()
        if not rows:
            raise ConnectError(
                f"The server {self._where} writes no binlog; start it with log_bin and binlog_format=ROW"
            )
        file, pos = str(rows[0][0]), int(rows[0][1])
        if self.dialect == "mariadb":
            gtids = self.one(f"SELECT BINLOG_GTID_POS('{file}', {pos})")
            if not gtids:
                # it reads the file, which a busy server may not have written as far; the server's own
                # state is that of the position as long as the position stays
                state = self.one("SELECT @@gtid_binlog_pos")
                again = self._status()
                gtids = state if again and again[0][:2] == rows[0][:2] else None
        else:
            gtids = rows[0][4] if len(rows[0]) > 4 else None
        text = str(gtids).replace("\n", "") if gtids else None
        return BinlogPosition(file, pos, text)

    def _status(self) -> list[tuple[Any, ...]]:
        for statement in ("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"):
            if self.dialect == "mariadb" and statement == "SHOW BINARY LOG STATUS":
                continue
            try:
                return self.ask(statement)
            except ConnectError as error:
                cause = error.__cause__
                if not (isinstance(cause, pymysql.MySQLError) and cause.args[0] == _SYNTAX):
                    raise
        return []

    def escaped(self, text: object) -> str:
        """Give a text as a literal of SQL."""
        return str(self.connection.escape(str(text)))

    def binlogs(self) -> list[str]:
        """Give the names of the binlog files that the server still has."""
        return [name for name, _ in self.binlog_sizes()]

    def binlog_sizes(self) -> list[tuple[str, int]]:
        """Give name and size in bytes of each binlog file that the server still has, oldest first."""
        return [(str(row[0]), int(row[1])) for row in self.ask("SHOW BINARY LOGS")]

    def has_executed(self, gtids: str) -> bool:
        """Whether the server has run all transactions of a set; MySQL alone."""
        return bool(self.one(f"SELECT GTID_SUBSET({self.escaped(gtids)}, @@GLOBAL.gtid_executed)"))

    def keeps_after(self, gtids: str) -> bool:
        """Whether the server has all transactions that are not in a set; MySQL alone."""
        return bool(self.one(f"SELECT GTID_SUBSET(@@GLOBAL.gtid_purged, {self.escaped(gtids)})"))

    def has_position(self, offset: Mapping[str, Any]) -> bool:
        """Whether the server can still send everything after a stored offset."""
        gtids = offset.get("gtids")
        if gtids and self.dialect == "mysql" and self.gtid_mode():
            return self.has_executed(gtids) and self.keeps_after(gtids)
        return not offset.get("file") or offset["file"] in self.binlogs()

    def tables(self) -> list[TableId]:
        """Give all base tables of all databases, by name."""
        found: list[TableId] = []
        for (database,) in self.ask("SHOW DATABASES"):
            try:
                rows = self.ask(
                    f"SHOW FULL TABLES IN {quote(database)} WHERE Table_type IN "
                    "('BASE TABLE', 'SYSTEM VERSIONED')"
                )
            except ConnectError as error:
                _LOG.warning("Passing over database %s: %s", database, error)
                continue
            found += [TableId(str(database), str(row[0])) for row in rows]
        return sorted(found, key=lambda id_: (id_.catalog, id_.table))

    def create_statement(self, id_: TableId) -> str | None:
        """Give the statement that makes a table, None where it is gone."""
        try:
            rows = self.ask(f"SHOW CREATE TABLE {id_.sql}")
        except ConnectError as error:
            cause = error.__cause__
            if isinstance(cause, pymysql.MySQLError) and cause.args[0] in (1146, 1049):
                return None
            raise
        return str(rows[0][1])

    def database_charset(self, database: str) -> tuple[str, str]:
        """Give default character set and collation of a database."""
        columns = "DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME"
        condition = f"SCHEMA_NAME = {self.connection.escape(database)}"
        rows = self.ask(f"SELECT {columns} FROM information_schema.SCHEMATA WHERE {condition}")  # noqa: S608  escaped
        return str(rows[0][0]), str(rows[0][1])

    def row_counts(self, ids: Sequence[TableId]) -> dict[TableId, int]:
        """Give the server's estimate of rows per table."""
        rows = self.ask(
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS FROM information_schema.TABLES"
        )
        counts = {TableId(str(row[0]), str(row[1])): int(row[2] or 0) for row in rows}
        return {id_: counts.get(id_, 0) for id_ in ids}

    def problems(self) -> list[str]:
        """Give what keeps this server from being captured: settings and privileges, with the remedy."""
        found: list[str] = []
        wanted = {"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL"}
        for name, value in wanted.items():
            actual = self.variable(name)
            if actual is not None and actual.upper() != value:
                found.append(f"the server has {name}={actual}; set it to {value}")
        options = self.variable("binlog_row_value_options")
        if options:
            found.append(f"the server has binlog_row_value_options={options}; clear it")
        held = read_grants(self.ask)
        lacking = [ones[0] for ones in (STREAM, POSITION) if not held.has(*ones)]
        return found + [
            f"the user lacks {name}: {grant_statement(name, '*.*', self.account())}"
            for name in lacking
        ]

    def account(self) -> str:
        """Give the user as statements name him."""
        return "@".join(
            f"'{part}'" for part in str(self.one("SELECT CURRENT_USER()")).rsplit("@", 1)
        )
