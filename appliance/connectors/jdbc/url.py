"""From a `jdbc:` URL to what SQLAlchemy and the drivers need.

Semantics: the URL forms of MySQL Connector/J, MariaDB Connector/J, pgJDBC and sqlite-jdbc. Parameters
that concern the Java driver only are ignored; unknown ones are returned so that the caller can warn.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from sqlalchemy.engine import URL, make_url

from appliance.errors import ConfigError

_READER_OPTIONS: Final = {
    "tinyint1isbit",
    "transformedbitisboolean",
    "yearisdatetype",
    "zerodatetimebehavior",
    "nullcatalogmeanscurrent",
}
_IGNORED: Final = re.compile(
    r"(useunicode|characterencoding|autoreconnect|rewritebatchedstatements|cacheprepstmts|prepstmt.*|"
    r"usecursorfetch|defaultfetchsize|useserverprepstmts|allowpublickeyretrieval|connectiontimezone|"
    r"servertimezone|uselegacydatetimecode|usejdbccomplianttimezoneshift|preferqueryMode|preparethreshold|"
    r"defaultrowfetchsize|rewritebatchedinserts|reconnect.*|usecompression|allowmultiqueries)",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where a database is: product, SQLAlchemy URL without driver, driver arguments, reader options."""

    product: str
    url: URL
    hosts: tuple[tuple[str, int], ...] = ()
    connect: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def flag(self, name: str, default: bool) -> bool:
        """Give a boolean reader option."""
        return self.options.get(name.lower(), str(default)).lower() == "true"

    @property
    def shown(self) -> str:
        """Give the URL without its password, for messages."""
        return self.url.render_as_string(hide_password=True)


def parse_url(text: str, user: str | None, password: str | None) -> Target:
    """Read `connection.url`; `user` and `password` win over those in it. Raises ConfigError."""
    if not text.startswith("jdbc:"):
        return _sqlalchemy_target(text, user, password)
    sub, _, rest = text[5:].partition(":")
    if sub in ("mysql", "mariadb"):
        return _mysql(sub, rest, user, password)
    if sub == "postgresql":
        return _postgresql(rest, user, password)
    if sub == "sqlite":
        return _sqlite(rest)
    raise ConfigError(
        f"Not a valid JDBC URL: {_hide(text)}: "
        "databases served here are mysql, mariadb, postgresql and sqlite"
    )


def _hide(text: str) -> str:
    return re.sub(r"(password=)[^&;]*", r"\1[hidden]", re.sub(r"//[^/@]*@", "//[hidden]@", text))


def _sqlalchemy_target(text: str, user: str | None, password: str | None) -> Target:
    try:
        url = make_url(text)
    except Exception as error:
        raise ConfigError(f"Not a valid JDBC URL: {_hide(text)}") from error
    product = url.get_backend_name()
    if product not in ("mysql", "mariadb", "postgresql", "sqlite"):
        raise ConfigError(f"Not a valid JDBC URL: {_hide(text)}")
    url = url.set(username=user or url.username, password=password or url.password)
    if product == "sqlite":
        return Target("sqlite", url)
    port = url.port or (5432 if product == "postgresql" else 3306)
    return Target(product, url, ((url.host or "localhost", port),))


def _split(
    rest: str, default_port: int
) -> tuple[str, tuple[tuple[str, int], ...], str, dict[str, str]]:
    match = re.fullmatch(r"(?:[a-z]+:)?//(?:([^/@]*)@)?([^/?]*)(?:/([^?]*))?(?:\?(.*))?", rest)
    if match is None:
        raise ConfigError(
            f"Not a valid JDBC URL: jdbc:...:{_hide(rest)}: expected //host:port/database"
        )
    credentials, hosts, database, query = match.groups()
    found = []
    for host in (hosts or "localhost").split(","):
        named = re.fullmatch(r"address=\(host=([^)]*)\)(?:\(port=(\d+)\))?.*", host)
        name, _, port = (
            (named[1], ":", named[2] or "")
            if named
            else host.rpartition(":")
            if ":" in host
            else (host, "", "")
        )
        found.append((name or "localhost", int(port or default_port)))
    params = dict(parse_qsl(query or "", keep_blank_values=True))
    return credentials or "", tuple(found), unquote(database or ""), params


def _login(
    credentials: str, params: dict[str, str], user: str | None, password: str | None
) -> tuple[str | None, str | None]:
    name, _, secret = credentials.partition(":")
    in_url_user = params.pop("user", None) or unquote(name) or None
    in_url_password = params.pop("password", None) or unquote(secret) or None
    return user or in_url_user, password if password is not None else in_url_password


def _mysql(sub: str, rest: str, user: str | None, password: str | None) -> Target:
    credentials, hosts, database, params = _split(rest, 3306)
    username, secret = _login(credentials, params, user, password)
    connect: dict[str, Any] = {}
    options: dict[str, str] = {}
    unknown = []
    for name, value in params.items():
        lower = name.lower()
        if lower in _READER_OPTIONS:
            options[lower] = value
        elif lower == "connecttimeout":
            connect["connect_timeout"] = max(1, int(value) // 1000)
        elif lower == "sessionvariables":
            connect["init_command"] = f"SET {value}"
        elif lower in ("usessl", "requiressl"):
            connect.setdefault("tls", "required" if value.lower() == "true" else "disabled")
        elif lower == "sslmode":
            connect["tls"] = value.lower().replace("_", "-")
        elif lower in ("sslca", "serversslcert"):
            connect["tls_ca"] = value
        elif lower != "sockettimeout" and not _IGNORED.fullmatch(name):
            unknown.append(name)
    url = URL.create(sub, username, secret, hosts[0][0], hosts[0][1], database or None)
    return Target(sub, url, hosts, connect, options, tuple(unknown))


def _postgresql(rest: str, user: str | None, password: str | None) -> Target:
    if not rest.startswith("//"):
        rest = f"//localhost/{rest}"
    credentials, hosts, database, params = _split(rest, 5432)
    username, secret = _login(credentials, params, user, password)
    connect: dict[str, Any] = {}
    unknown = []
    for name, value in params.items():
        lower = name.lower()
        if lower == "currentschema":
            connect["options"] = f"-csearch_path={value}"
        elif lower in ("sslmode", "sslrootcert", "sslcert", "sslkey", "options"):
            connect[lower] = value
        elif lower == "ssl":
            connect.setdefault("sslmode", "verify-full" if value.lower() == "true" else "disable")
        elif lower in ("connecttimeout", "logintimeout"):
            connect["connect_timeout"] = int(value)
        elif lower == "applicationname":
            connect["application_name"] = value
        elif lower == "targetservertype":
            connect["target_session_attrs"] = {
                "primary": "read-write",
                "master": "read-write",
            }.get(value, value)
        elif lower not in ("sockettimeout", "stringtype") and not _IGNORED.fullmatch(name):
            unknown.append(name)
    url = URL.create(
        "postgresql", username, secret, hosts[0][0], hosts[0][1], database or username
    )
    return Target("postgresql", url, hosts, connect, {}, tuple(unknown))


def _sqlite(rest: str) -> Target:
    path, _, query = rest.partition("?")
    pragmas = dict(parse_qsl(query))
    database: str | None = path.removeprefix("file:")
    if database in ("", ":memory:"):
        database = None
    return Target(
        "sqlite",
        URL.create("sqlite", database=database),
        options={k.lower(): v for k, v in pragmas.items()},
    )
