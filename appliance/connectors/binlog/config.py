"""The options of the MySQL and MariaDB connectors: definitions, and the checks that need no server.

Semantics: Debezium MySQL 3.6.1.Final and MariaDB 3.5.0.Final, error texts included. Like there, the
answer of a validation holds no values, only errors and recommendations.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from appliance.config.define import (
    ConfigDef,
    ConfigKey,
    ConfigValue,
    Importance,
    Width,
)
from appliance.connectors.binlog import options
from appliance.connectors.binlog.checks import type_errors, whole_number
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.data.regex import java_compiled, regex_fault
from appliance.errors import ConfigError, ConnectError

_IMPORTANCE: Final = {"H": Importance.HIGH, "M": Importance.MEDIUM, "L": Importance.LOW}
_WIDTH: Final = {"N": Width.NONE, "S": Width.SHORT, "M": Width.MEDIUM, "L": Width.LONG}

_NOT_MARIADB: Final = frozenset(
    {
        "database.jdbc.driver",
        "database.protocol",
        "legacy.snapshot.max.threads",
        "statistics.metrics.enabled",
        "memory.management.schemas.class",
        "memory.management.tables.class",
        "ddl.parser.type",
        "gtid.ignore.on.recovery",
    }
)
_MARIADB_DEFAULTS: Final = {
    "database.ssl.mode": "disable",
    "sourceinfo.struct.maker": "io.debezium.connector.mariadb.MariaDbSourceInfoStructMaker",
    "custom.sanitize.pattern": r".*secret$|.*password$|.*sasl\.jaas\.config$|.*basic\.auth\.user\.info"
    r"|.*registry\.auth\.client-secret",
}
_DEPENDENTS: Final = {
    "table.ignore.builtin": ("database.include.list",),
    "database.include.list": ("table.include.list",),
    "gtid.source.includes": ("table.include.list",),
}
_HANDLING: Final = ("warn", "fail", "ignore", "skip")
_MODES: Final = (
    "initial_only",
    "configuration_based",
    "when_needed",
    "initial",
    "custom",
    "no_data",
)
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "event.processing.failure.handling.mode": _HANDLING,
    "incremental.snapshot.watermarking.strategy": ("insert_delete", "insert_insert"),
    "guardrail.collections.limit.action": ("warn", "fail"),
    "decimal.handling.mode": ("string", "double", "precise"),
    "snapshot.query.mode": ("custom", "select_all"),
    "bigint.unsigned.handling.mode": ("precise", "long"),
    "time.precision.mode": (
        "adaptive",
        "adaptive_time_microseconds",
        "isostring",
        "microseconds",
        "nanoseconds",
        "connect",
    ),
    "schema.name.adjustment.mode": ("none", "avro_unicode", "avro"),
    "snapshot.tables.order.by.row.count": ("disabled", "ascending", "descending"),
    "event.deserialization.failure.handling.mode": _HANDLING,
    "event.converting.failure.handling.mode": ("warn", "fail", "skip"),
    "inconsistent.schema.handling.mode": _HANDLING,
}
_CHOICES_OF: Final[dict[Dialect, dict[str, tuple[str, ...]]]] = {
    "mysql": {
        "database.ssl.mode": ("verify_identity", "disabled", "preferred", "required", "verify_ca"),
        "snapshot.mode": ("always", *_MODES, "recovery"),
        "snapshot.locking.mode": (
            "minimal",
            "minimal_percona",
            "custom",
            "none",
            "minimal_percona_no_table_locks",
            "extended",
        ),
        "ddl.parser.type": ("default", "legacy"),
    },
    "mariadb": {
        "database.ssl.mode": ("trust", "disable", "verify-ca", "verify-full"),
        "snapshot.mode": ("always", "never", *_MODES, "recovery"),
        "snapshot.locking.mode": ("minimal", "custom", "none", "extended"),
    },
}
_ALIASES: Final = {"schema_only": "no_data", "schema_only_recovery": "recovery"}
"""Snapshot modes under their names before 3.3."""

_REQUIRED: Final = frozenset(
    {"topic.prefix", "database.hostname", "database.user", "database.server.id"}
)
_HIDDEN: Final = frozenset({"schema.history.internal", "gtid.source.excludes"})
_TWICE: Final = frozenset({"database.port", "time.precision.mode"})
"""Options that the peer checks two times, so that an error stands there twice."""

_MORE_REGEX_LISTS: Final = (
    "snapshot.include.collection.list",
    "column.propagate.source.type",
    "datatype.propagate.source.type",
)
_OWN_CLASSES: Final = {
    "snapshot.mode": "initial or when_needed",
    "snapshot.query.mode": "select_all, or snapshot.select.statement.overrides",
    "snapshot.locking.mode": "minimal or none",
}
"""Options whose value `custom` names a Java class of one's own, with what to use instead."""

_ONE_CLASS: Final = frozenset({"transaction.metadata.factory", "sourceinfo.struct.maker"})
"""Options that name a Java class, of which there is one."""

NAMING_STRATEGIES: Final = (
    "SchemaTopicNamingStrategy",
    "DefaultTopicNamingStrategy",
    "DefaultUnicodeTopicNamingStrategy",
    "DefaultRegexTopicNamingStrategy",
)
TINY_INT: Final = "TinyIntOneToBooleanConverter"
"""The one custom converter that is known, by its simple name."""

_REGEX_LISTS: Final = tuple(
    f"{kind}.{way}.list"
    for kind in ("database", "table", "column")
    for way in ("include", "exclude")
)
_ITEM: Final = re.compile(r"(?:\\.|\\$|[^\\,])+", re.DOTALL)
_PREFIX: Final = re.compile(r"[a-zA-Z0-9_.\-]+")
_HOST: Final = re.compile(r"[a-zA-Z0-9\-_.:]+")


@dataclasses.dataclass(frozen=True, slots=True)
class _Choices:
    """The values to offer for an option; not checked here, but by `validate`, with the peer's text."""

    choices: tuple[str, ...]
    shown: bool = True

    def valid_values(self, _name: str, _parsed: Mapping[str, Any]) -> list[Any]:
        return list(self.choices)

    def visible(self, _name: str, _parsed: Mapping[str, Any]) -> bool:
        return self.shown


def choices_of(dialect: Dialect, name: str) -> tuple[str, ...] | None:
    """Give the values that an option may have, None where there is no list."""
    return _CHOICES_OF[dialect].get(name) or _CHOICES.get(name)


def config_def(dialect: Dialect) -> ConfigDef:
    """Give the options of one of the two connectors, in the peer's order."""
    definition = ConfigDef()
    label = "MySQL" if dialect == "mysql" else "MariaDB"
    for group, rows in (
        (label, options.CONNECTION),
        ("Connector", options.CONNECTOR),
        ("History Storage", options.HISTORY),
        ("Events", options.EVENTS),
    ):
        order = 0
        for row in rows:
            if dialect == "mariadb" and row[0] in _NOT_MARIADB:
                continue
            order += not (dialect == "mysql" and row[0] == "internal.legacy.snapshot.max.threads")
            definition.add(_key(dialect, group, order, row))
    return definition


def _key(dialect: Dialect, group: str, order: int, row: options.Row) -> ConfigKey:
    name, type_, default, initials, label, doc = row
    if dialect == "mariadb":
        default = _MARIADB_DEFAULTS.get(name, default)
        initials = "LN" if name == "snapshot.locking.mode" else initials
    return ConfigKey(
        name,
        type_,
        default,
        None,
        _IMPORTANCE[initials[0]],
        doc,
        group,
        order,
        _WIDTH[initials[1]],
        label,
        _DEPENDENTS.get(name, ()),
    )


def unlisted_def() -> ConfigDef:
    """Give the options that are read but not declared to REST."""
    return ConfigDef(
        ConfigKey(name, type_, default, doc=doc) for name, type_, default, doc in options.UNLISTED
    )


DEFINITIONS: Final[dict[Dialect, ConfigDef]] = {
    "mysql": config_def("mysql"),
    "mariadb": config_def("mariadb"),
}
_UNLISTED: Final = unlisted_def()


def validate(dialect: Dialect, config: Mapping[str, str | None]) -> list[ConfigValue]:
    """Give what is wrong with each option, without asking a server."""
    values: list[ConfigValue] = []
    for name, key in DEFINITIONS[dialect].keys.items():
        if name == "internal.legacy.snapshot.max.threads" and dialect == "mysql":
            continue
        value = ConfigValue(name, visible=name not in _HIDDEN)
        value.recommended_values = list(choices_of(dialect, name) or ())
        value.errors = [
            f"The '{name}' value is invalid: {text}" for text in _errors(dialect, key, config)
        ]
        if name in _TWICE:
            value.errors *= 2
        values.append(value)
    return values


def _errors(dialect: Dialect, key: ConfigKey, config: Mapping[str, str | None]) -> list[str]:
    name, text = key.name, config.get(key.name)
    if not text and name in _REQUIRED:
        found = ["A value is required"]
        if text == "" and name == "database.server.id":
            found = type_errors(key, text) + found
        if text == "" and name == "topic.prefix":
            found.append(_bad_prefix(text))
        return found
    if text is None:
        return []
    special = _SPECIAL.get(name)
    choices = choices_of(dialect, name)
    if choices and _ALIASES.get(text.lower(), text.lower()) not in choices:
        found = [f"Value must be one of {', '.join(choices)}"]
        if name == "snapshot.locking.mode" and dialect == "mysql":
            found.insert(0, f"Must be a valid {name} value")
        return found
    found = type_errors(key, text)
    if name in _ONE_CLASS and not found and text.strip() != key.default:
        found.append(f"The class {text.strip()} is not supported; leave the option out")
    if name == "topic.naming.strategy" and not found:
        found = _naming(text, config)
    return found + (special(text, config) if special else [])


def _bad_prefix(text: str) -> str:
    return (
        f"{text} has invalid format (only the underscore, hyphen, dot and alphanumeric characters "
        "are allowed)"
    )


def _prefix(text: str, _config: Mapping[str, str | None]) -> list[str]:
    return [] if _PREFIX.fullmatch(text) else [_bad_prefix(text)]


def _host(text: str, _config: Mapping[str, str | None]) -> list[str]:
    return [] if _HOST.fullmatch(text) else [_bad_prefix(text)]


def _queue(text: str, config: Mapping[str, str | None]) -> list[str]:
    size, batch = whole_number(text, 32), whole_number(config.get("max.batch.size") or "", 32)
    found = []
    if size is not None and size <= 0:
        found.append("A positive queue size is required")
    # The peer compares with its defaults where a text is no number.
    if (8192 if size is None else size) <= (2048 if batch is None else batch):
        found.append("Must be larger than the maximum batch size")
    return found


def _own_class(name: str) -> Callable[[str, Mapping[str, str | None]], list[str]]:
    def check(text: str, _config: Mapping[str, str | None]) -> list[str]:
        if text.lower() != "custom":
            return []
        return [f"Classes of one's own (custom) are not supported; use {_OWN_CLASSES[name]}"]

    return check


def _naming(text: str, config: Mapping[str, str | None]) -> list[str]:
    strategy = text.strip().rpartition(".")[2]
    if strategy not in NAMING_STRATEGIES:
        known = ", ".join(NAMING_STRATEGIES)
        return [f"The class {text.strip()} is not supported; use one of {known}, or a transform"]
    if strategy != "DefaultRegexTopicNamingStrategy":
        return []
    missing = [name for name in ("topic.regex", "topic.replacement") if not config.get(name)]
    if missing:
        return [f"{strategy} needs {' and '.join(missing)}"]
    try:
        java_compiled(config.get("topic.regex") or "")
    except re.error as error:
        return [f"topic.regex is no regular expression: {regex_fault(error)}"]
    return []


def custom_converters(config: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """Give the names of the custom converters and their classes, empty where there is none."""
    for word in (config.get("converters") or "").split(","):
        name = word.strip()
        if name:
            yield name, (config.get(f"{name}.type") or "").strip()


def _converters(_text: str, config: Mapping[str, str | None]) -> list[str]:
    found = []
    for name, java_class in custom_converters(config):
        if not java_class:
            found.append(f"{name} has no class: set {name}.type")
        elif java_class.rpartition(".")[2] != TINY_INT:
            found.append(
                f"{name} names the class {java_class}, which is not supported; the one that is, is "
                f"io.debezium.connector.binlog.converters.{TINY_INT}"
            )
        else:
            selector = f"{name}.selector"
            found += [
                f"{selector}: {text}"
                for text in _regexes(selector)(config.get(selector) or "", {})
            ]
    return found


def _post_processors(text: str, _config: Mapping[str, str | None]) -> list[str]:
    if not text.strip():
        return []
    return ["Post-processors are not supported; use transforms, or leave the option out"]


def _gtid(text: str, config: Mapping[str, str | None]) -> list[str]:
    if text and config.get("gtid.source.includes"):
        return ["Cannot specify GTID excludes when includes are provided."]
    return []


def _regexes(name: str) -> Callable[[str, Mapping[str, str | None]], list[str]]:
    def check(text: str, config: Mapping[str, str | None]) -> list[str]:
        include = name.replace(".exclude.", ".include.")
        if include != name and text and config.get(include):
            return [f'"{include}" is already specified']
        try:
            split_regexes(text)
        except ConfigError as error:
            return [str(error)]
        return []

    return check


def split_regexes(text: str) -> list[re.Pattern[str]]:
    r"""Give the patterns of a comma-separated list, compiled without regard to case.

    A comma that is part of a pattern is written `\\,`. Raises ConfigError.
    """
    patterns = []
    for written in _ITEM.findall(text):
        part = written.strip().replace("\\,", ",")
        if not part:
            continue
        try:
            patterns.append(java_compiled(part, re.IGNORECASE))
        except re.error as error:
            raise ConfigError(
                "A comma-separated list of valid regular expressions is expected, but "
                f"{regex_fault(error)}"
            ) from error
    return patterns


_SPECIAL: Final[dict[str, Callable[[str, Mapping[str, str | None]], list[str]]]] = {
    "topic.prefix": _prefix,
    "database.hostname": _host,
    "max.queue.size": _queue,
    "gtid.source.excludes": _gtid,
    "post.processors": _post_processors,
    "converters": _converters,
    **{name: _own_class(name) for name in _OWN_CLASSES},
    **{name: _regexes(name) for name in (*_REGEX_LISTS, *_MORE_REGEX_LISTS)},
}


def connection_options(dialect: Dialect, config: Mapping[str, str | None]) -> dict[str, Any]:
    """Give the values of the options that say where the server is and who one is; a wrong one is left out."""
    given = {key: text for key, text in config.items() if text is not None}
    parsed: dict[str, Any] = {}
    for name, key in DEFINITIONS[dialect].keys.items():
        if name.startswith(("database.", "connect")):
            with contextlib.suppress(ConnectError):
                parsed[name] = ConfigDef([key]).parse(given)[name]
    return parsed


def parse(dialect: Dialect, config: Mapping[str, str]) -> dict[str, Any]:
    """Give every option's value, defaults filled in. Raises ConfigError with all findings."""
    findings = tuple(error for value in validate(dialect, config) for error in value.errors)
    if findings:
        raise ConfigError(
            "The configuration of the connector is wrong: " + "; ".join(findings), findings
        )
    parsed = DEFINITIONS["mysql"].merged(DEFINITIONS[dialect], _UNLISTED).parse(config)
    for name in (*_CHOICES, *_CHOICES_OF[dialect]):
        parsed[name] = str(parsed[name]).lower()
    parsed["snapshot.mode"] = _ALIASES.get(parsed["snapshot.mode"], parsed["snapshot.mode"])
    current, former = (
        f"event.{word}.failure.handling.mode" for word in ("processing", "deserialization")
    )
    if config.get(former) and not config.get(current):
        parsed[current] = parsed[former]
    return parsed
