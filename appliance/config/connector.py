"""The options that every connector has, and the parsed form a running one is given.

Names, types, defaults, groups and order: Kafka Connect 4.3.1 ConnectorConfig, SourceConnectorConfig,
SinkConnectorConfig and TopicCreationConfig. Checks that need to know the plugins (classes, sub-options
of transforms, recommended values) are added by worker/validation.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from appliance.config.define import NO_DEFAULT, ConfigDef, ConfigKey, ConfigType, Importance, Width
from appliance.config.validators import (
    Check,
    NonEmptyString,
    NonEmptyWithoutControl,
    OneOf,
    Range,
    ValidRegex,
    at_least,
)
from appliance.config.worker_checks import PARTITIONS, REPLICATION
from appliance.data.regex import regex_fault
from appliance.errors import ConfigError

ConnectorKind = Literal["source", "sink"]

_T = ConfigType
_HIGH, _MEDIUM, _LOW = Importance.HIGH, Importance.MEDIUM, Importance.LOW
_SHORT, _MID, _LONG = Width.SHORT, Width.MEDIUM, Width.LONG

COMMON: Final = "Common"
ERRORS: Final = "Error Handling"
TOPIC_CREATION: Final = "Topic Creation"
EXACTLY_ONCE: Final = "Exactly Once Support"


def _check_unique(name: str, value: Any) -> None:
    if value is None:
        raise ConfigError.invalid(name, None, "entry must be non null")
    if len(set(value)) < len(value):
        raise ConfigError.invalid(name, f"[{', '.join(value)}]", "Duplicate alias provided.")


def _check_filled(name: str, value: Any) -> None:
    if value is not None and any(not item for item in value):
        raise ConfigError(f"Configuration '{name}' values must not be empty.")


def unique(what: str) -> Check:
    """Give the validator for a list of aliases, each at most once."""
    return Check(_check_unique, f"non-null string, unique {what}")


def _key(
    name: str,
    type_: ConfigType,
    default: Any,
    importance: Importance,
    group: str,
    order: int,
    width: Width,
    label: str,
    doc: str,
    validator: Any = None,
) -> ConfigKey:
    return ConfigKey(
        name,
        type_,
        default,
        validator=validator,
        importance=importance,
        doc=doc,
        group=group,
        order=order,
        width=width,
        display_name=label,
    )


_VERSION_DOC: Final = "Version of that class to use; unset takes the newest."

_COMMON_KEYS: Final = (
    _key(
        "name",
        _T.STRING,
        NO_DEFAULT,
        _HIGH,
        COMMON,
        1,
        _MID,
        "Connector name",
        "Name of the connector, unique in the group.",
        NonEmptyWithoutControl(),
    ),
    _key(
        "connector.class",
        _T.STRING,
        NO_DEFAULT,
        _HIGH,
        COMMON,
        2,
        _LONG,
        "Connector class",
        "Class of the connector: its full name, its simple name, or that without Connector at the end.",
    ),
    _key(
        "connector.plugin.version",
        _T.STRING,
        None,
        _MEDIUM,
        COMMON,
        3,
        _MID,
        "Connector version",
        _VERSION_DOC,
    ),
    _key(
        "tasks.max",
        _T.INT,
        1,
        _HIGH,
        COMMON,
        4,
        _SHORT,
        "Tasks max",
        "Most tasks that the connector may be cut into.",
        at_least(1),
    ),
    _key(
        "tasks.max.enforce",
        _T.BOOLEAN,
        True,
        _LOW,
        COMMON,
        5,
        _SHORT,
        "Enforce tasks max",
        "Whether a connector that makes more tasks than that fails.",
    ),
    _key(
        "key.converter",
        _T.CLASS,
        None,
        _LOW,
        COMMON,
        6,
        _SHORT,
        "Key converter class",
        "Converter of record keys; unset takes the worker's.",
    ),
    _key(
        "key.converter.plugin.version",
        _T.STRING,
        None,
        _LOW,
        COMMON,
        7,
        _SHORT,
        "Key converter version",
        _VERSION_DOC,
    ),
    _key(
        "value.converter",
        _T.CLASS,
        None,
        _LOW,
        COMMON,
        8,
        _SHORT,
        "Value converter class",
        "Converter of record values; unset takes the worker's.",
    ),
    _key(
        "value.converter.plugin.version",
        _T.STRING,
        None,
        _LOW,
        COMMON,
        9,
        _SHORT,
        "Value converter version",
        _VERSION_DOC,
    ),
    _key(
        "header.converter",
        _T.CLASS,
        None,
        _LOW,
        COMMON,
        10,
        _SHORT,
        "Header converter class",
        "Converter of record headers; unset takes the worker's.",
    ),
    _key(
        "header.converter.plugin.version",
        _T.STRING,
        None,
        _LOW,
        COMMON,
        11,
        _SHORT,
        "Header converter version",
        _VERSION_DOC,
    ),
    _key(
        "transforms",
        _T.LIST,
        "",
        _LOW,
        "Transforms",
        12,
        _LONG,
        "Transforms",
        "Aliases of the transforms that each record passes, in order.",
        unique("transformation aliases"),
    ),
    _key(
        "predicates",
        _T.LIST,
        "",
        _LOW,
        "Predicates",
        13,
        _LONG,
        "Predicates",
        "Aliases of the predicates that transforms may name.",
        unique("predicate aliases"),
    ),
    _key(
        "config.action.reload",
        _T.STRING,
        "restart",
        _LOW,
        COMMON,
        14,
        _MID,
        "Reload Action",
        "What happens when a value from a config provider expires.",
        OneOf(("none", "restart")),
    ),
    _key(
        "errors.retry.timeout",
        _T.LONG,
        0,
        _MEDIUM,
        ERRORS,
        1,
        _MID,
        "Retry Timeout for Errors",
        "How long a failed operation is repeated, in milliseconds; -1 for ever.",
    ),
    _key(
        "errors.retry.delay.max.ms",
        _T.LONG,
        60000,
        _MEDIUM,
        ERRORS,
        2,
        _MID,
        "Maximum Delay Between Retries for Errors",
        "Longest pause between two attempts, in milliseconds.",
    ),
    _key(
        "errors.tolerance",
        _T.STRING,
        "none",
        _MEDIUM,
        ERRORS,
        3,
        _SHORT,
        "Error Tolerance",
        "Whether a record that cannot be processed fails the task (none) or is skipped (all).",
        OneOf(("none", "all")),
    ),
    _key(
        "errors.log.enable",
        _T.BOOLEAN,
        False,
        _MEDIUM,
        ERRORS,
        4,
        _SHORT,
        "Log Errors",
        "Whether tolerated errors are logged.",
    ),
    _key(
        "errors.log.include.messages",
        _T.BOOLEAN,
        False,
        _MEDIUM,
        ERRORS,
        5,
        _SHORT,
        "Log Error Details",
        "Whether such a log line describes the record.",
    ),
)

_SOURCE_KEYS: Final = (
    _key(
        "topic.creation.groups",
        _T.LIST,
        "",
        _LOW,
        TOPIC_CREATION,
        1,
        _LONG,
        "Topic Creation Groups",
        "Groups of topics with settings of their own when they are made.",
        unique("topic creation groups"),
    ),
    _key(
        "exactly.once.support",
        _T.STRING,
        "requested",
        _MEDIUM,
        EXACTLY_ONCE,
        2,
        _SHORT,
        "Exactly once support",
        "Whether exactly-once delivery is a condition for running (required) or a wish.",
        OneOf(("REQUIRED", "REQUESTED"), ignore_case=True),
    ),
    _key(
        "transaction.boundary",
        _T.STRING,
        "poll",
        _MEDIUM,
        EXACTLY_ONCE,
        3,
        _SHORT,
        "Transaction Boundary",
        "What ends a transaction: each poll, an interval, or the connector.",
        OneOf(("INTERVAL", "POLL", "CONNECTOR"), ignore_case=True),
    ),
    _key(
        "transaction.boundary.interval.ms",
        _T.LONG,
        None,
        _LOW,
        EXACTLY_ONCE,
        4,
        _SHORT,
        "Transaction boundary interval",
        "That interval in milliseconds; unset takes the worker's offset.flush.interval.ms.",
    ),
    _key(
        "offsets.storage.topic",
        _T.STRING,
        None,
        _LOW,
        "offsets.topic",
        1,
        _LONG,
        "Offsets topic",
        "Topic for this connector's offsets; unset takes the worker's.",
        NonEmptyString(),
    ),
)

_FILLED: Final = Check(_check_filled, "list without empty elements")

_SINK_KEYS: Final = (
    _key("topics", _T.LIST, "", _HIGH, COMMON, 4, _LONG, "Topics", "Topics to read.", _FILLED),
    _key(
        "topics.regex",
        _T.STRING,
        "",
        _HIGH,
        COMMON,
        4,
        _LONG,
        "Topics regex",
        "Expression that the names of the topics to read match as a whole.",
        ValidRegex(),
    ),
    _key(
        "errors.deadletterqueue.topic.name",
        _T.STRING,
        "",
        _MEDIUM,
        ERRORS,
        6,
        _MID,
        "Dead Letter Queue Topic Name",
        "Topic for records that could not be processed; empty: none.",
    ),
    _key(
        "errors.deadletterqueue.topic.replication.factor",
        _T.SHORT,
        3,
        _MEDIUM,
        ERRORS,
        7,
        _MID,
        "Dead Letter Queue Topic Replication Factor",
        "Replicas of that topic if it has to be made.",
    ),
    _key(
        "errors.deadletterqueue.context.headers.enable",
        _T.BOOLEAN,
        False,
        _MEDIUM,
        ERRORS,
        8,
        _MID,
        "Enable Error Context Headers",
        "Whether headers say what went wrong with such a record.",
    ),
)


def _check_interval(name: str, value: Any) -> None:
    if value is not None:
        Range(0)(name, value)


_SOURCE_CHECKS: Final = {"transaction.boundary.interval.ms": Check(_check_interval, "[0,...]")}

CONNECTOR_KEYS: Final = ConfigDef(_COMMON_KEYS)
SOURCE_KEYS: Final = ConfigDef(
    (
        *_COMMON_KEYS,
        *(
            dataclasses.replace(key, validator=_SOURCE_CHECKS.get(key.name, key.validator))
            for key in _SOURCE_KEYS
        ),
    )
)
SINK_KEYS: Final = ConfigDef((*_COMMON_KEYS, *_SINK_KEYS))


class ConnectorConfig:
    """A connector's framework options, parsed from resolved texts; immutable."""

    def __init__(self, originals: Mapping[str, str], kind: ConnectorKind) -> None:
        """Parse. Raises ConfigError at the first fault, as a connector that starts does."""
        self.originals: Final = dict(originals)
        self.kind: Final = kind
        definition = SOURCE_KEYS if kind == "source" else SINK_KEYS
        self._values: Final = definition.parse(self.originals)

    def __getitem__(self, name: str) -> Any:
        """Give the parsed value of a framework option. Raises KeyError."""
        return self._values[name]

    @property
    def name(self) -> str:
        """Give the connector's name."""
        return str(self["name"])

    @property
    def tasks_max(self) -> int:
        """Give the most tasks allowed."""
        return int(self["tasks.max"])

    @property
    def tolerates_errors(self) -> bool:
        """Whether a record that cannot be processed is skipped."""
        return bool(self["errors.tolerance"] == "all")

    def with_prefix(self, prefix: str) -> dict[str, str]:
        """Give the texts of the options below `prefix`, without it."""
        return {
            name[len(prefix) :]: value
            for name, value in self.originals.items()
            if name.startswith(prefix) and len(name) > len(prefix)
        }

    def overrides(self, role: Literal["producer", "consumer", "admin"]) -> dict[str, str]:
        """Give the connector's own client settings of `role`."""
        return self.with_prefix(f"{role}.override.")

    def check_task_count(self, count: int) -> str | None:
        """Give the error text when the connector made more tasks than `tasks.max` allows."""
        if count <= self.tasks_max:
            return None
        return (
            f"The connector {self.name} has generated {count} tasks, which is greater than "
            f"{self.tasks_max}, the maximum number of tasks it is configured to create. "
        ) + (
            "This behaviour should be considered a bug and is disallowed. If necessary, it can be "
            "permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; however, "
            "this option will be removed in a future release of Kafka Connect."
            if self["tasks.max.enforce"]
            else "This behaviour should be considered a bug and will be disallowed in future releases "
            "of Kafka Connect. Please report this to the developers of the connector and request that "
            "they address it."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class TopicCreationGroup:
    """How topics of one group are made; `include` and `exclude` match whole names."""

    name: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    replication_factor: int
    partitions: int
    other: Mapping[str, str]

    def matches(self, topic: str) -> bool:
        """Whether the group decides for `topic`."""
        return not any(re.fullmatch(p, topic) for p in self.exclude) and any(
            re.fullmatch(p, topic) for p in self.include
        )


def topic_creation_groups(config: ConnectorConfig) -> tuple[TopicCreationGroup, ...]:
    """Give the groups in the order they are tried, `default` last; empty when none are configured.

    Semantics: SourceConnectorConfig and TopicCreationConfig. Raises ConfigError.
    """
    prefix = "topic.creation."
    if not any(name.startswith(prefix) for name in config.originals):
        return ()
    default = _creation_group(config, "default", None)
    named = [
        _creation_group(config, alias, default)
        for alias in config["topic.creation.groups"]
        if alias != "default"
    ]
    return (*named, default)


_CREATION_OPTIONS: Final = ("include", "exclude", "replication.factor", "partitions")


def _creation_group(
    config: ConnectorConfig, alias: str, default: TopicCreationGroup | None
) -> TopicCreationGroup:
    prefix = f"topic.creation.{alias}."
    texts = config.with_prefix(prefix)
    if default is None:
        for option in ("replication.factor", "partitions"):
            if option not in texts:
                raise ConfigError(
                    f'Missing required configuration "{prefix}{option}" which has no default value.'
                )
        texts = {**texts, "include": ".*", "exclude": ""}
    elif "include" not in texts:
        raise ConfigError(
            f'Missing required configuration "{prefix}include" which has no default value.'
        )
    parsed = _CREATION_DEF.parse(texts)
    return TopicCreationGroup(
        alias,
        tuple(parsed["include"]),
        tuple(parsed["exclude"]),
        _or_default(parsed["replication.factor"], default, "replication_factor"),
        _or_default(parsed["partitions"], default, "partitions"),
        {name: value for name, value in texts.items() if name not in _CREATION_OPTIONS},
    )


def _or_default(value: int | None, default: TopicCreationGroup | None, name: str) -> int:
    return int(getattr(default, name)) if value is None else value


def _check_patterns(name: str, value: Any) -> None:
    for pattern in value or ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError.invalid(
                name,
                f"[{', '.join(value)}]",
                f"Syntax error in regular expression: {regex_fault(error)}",
            ) from error


def _when_set(check: Check) -> Check:
    return Check(lambda name, value: None if value is None else check(name, value), str(check))


_CREATION_DEF: Final = (
    ConfigDef()
    .define("include", _T.LIST, "", validator=Check(_check_patterns, "list of patterns"))
    .define("exclude", _T.LIST, "", validator=Check(_check_patterns, "list of patterns"))
    .define("replication.factor", _T.SHORT, None, validator=_when_set(REPLICATION))
    .define("partitions", _T.INT, None, validator=_when_set(PARTITIONS))
)
