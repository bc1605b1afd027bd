"""Options of the JDBC source, under the keys of the Confluent connector."""

from __future__ import annotations

import re
from typing import Any, Final

from appliance.config.define import ConfigDef, ConfigKey, Importance, Width
from appliance.config.types import ConfigType
from appliance.config.validators import Check, OneOf, at_least
from appliance.errors import ConfigError

URL: Final = "connection.url"
USER: Final = "connection.user"
PASSWORD: Final = "connection.password"
ATTEMPTS: Final = "connection.attempts"
BACKOFF_MS: Final = "connection.backoff.ms"
WHITELIST: Final = "table.whitelist"
BLACKLIST: Final = "table.blacklist"
INCLUDE: Final = "table.include.list"
EXCLUDE: Final = "table.exclude.list"
TABLE: Final = "table"
CATALOG_PATTERN: Final = "catalog.pattern"
SCHEMA_PATTERN: Final = "schema.pattern"
TABLE_TYPES: Final = "table.types"
MODE: Final = "mode"
INCREMENTING: Final = "incrementing.column.name"
INCREMENTING_MAPPING: Final = "incrementing.column.mapping"
TIMESTAMP: Final = "timestamp.column.name"
TIMESTAMP_MAPPING: Final = "timestamp.columns.mapping"
TIMESTAMP_INITIAL: Final = "timestamp.initial"
TIMESTAMP_DELAY: Final = "timestamp.delay.interval.ms"
GRANULARITY: Final = "timestamp.granularity"
VALIDATE_NON_NULL: Final = "validate.non.null"
GUARD: Final = "visibility.guard.enable"
GUARD_HOLD_MS: Final = "visibility.guard.hold.ms"
QUERY: Final = "query"
QUERY_MASKED: Final = "query.masked"
QUERY_SUFFIX: Final = "query.suffix"
QUERY_RETRIES: Final = "query.retry.attempts"
QUOTE: Final = "quote.sql.identifiers"
POLL_MS: Final = "poll.interval.ms"
BATCH_ROWS: Final = "batch.max.rows"
TABLE_POLL_MS: Final = "table.poll.interval.ms"
TOPIC_PREFIX: Final = "topic.prefix"
NUMERIC_MAPPING: Final = "numeric.mapping"
TIMEZONE: Final = "db.timezone"
ISOLATION: Final = "transaction.isolation.mode"
DIALECT: Final = "dialect.name"

TASK_TABLES: Final = "tables"
TASK_TABLES_FETCHED: Final = "tables.fetched"

NUMERIC_MAPPINGS: Final = ("none", "precision_only", "best_fit", "best_fit_eager_double")
MODES: Final = ("", "bulk", "timestamp", "incrementing", "timestamp+incrementing")
GRANULARITIES: Final = (
    "connect_logical",
    "micros_long",
    "micros_string",
    "micros_iso_datetime_string",
    "nanos_long",
    "nanos_string",
    "nanos_iso_datetime_string",
)
ISOLATION_LEVELS: Final = (
    "DEFAULT",
    "READ_UNCOMMITTED",
    "READ_COMMITTED",
    "REPEATABLE_READ",
    "SERIALIZABLE",
    "SQL_SERVER_SNAPSHOT",
)

_DATABASE: Final = "Database"
_MODE: Final = "Mode"
_CONNECTOR: Final = "Connector"


def _check_prefix(name: str, value: Any) -> None:
    if value and (len(value) > 249 or not re.fullmatch(r"[A-Za-z0-9._-]*", value)):
        raise ConfigError.invalid(
            name,
            value,
            "use up to 249 letters, digits, dots, dashes and underscores, as Kafka topics allow",
        )


def _check_timezone(name: str, value: Any) -> None:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError.invalid(
            name, value, "use a region such as Europe/Madrid, or UTC"
        ) from error


def _database_keys() -> list[ConfigKey]:
    t = ConfigType
    high, medium, low = Importance.HIGH, Importance.MEDIUM, Importance.LOW
    rows: list[tuple[Any, ...]] = [
        (
            URL,
            t.STRING,
            "",
            high,
            "JDBC URL",
            Width.LONG,
            None,
            (
                "Where the database is, as a JDBC URL: jdbc:mysql://host:3306/db, jdbc:mariadb://..., "
                "jdbc:postgresql://host:5432/db, jdbc:sqlite:/path/file.db. A SQLAlchemy URL works too."
            ),
        ),
        (
            USER,
            t.STRING,
            None,
            high,
            "JDBC User",
            Width.MEDIUM,
            None,
            "The database user; wins over one in the URL.",
        ),
        (
            PASSWORD,
            t.PASSWORD,
            None,
            high,
            "JDBC Password",
            Width.SHORT,
            None,
            "The user's password; better given as ${file:...} or ${env:...} than in clear.",
        ),
        (
            ATTEMPTS,
            t.INT,
            3,
            low,
            "JDBC connection attempts",
            Width.SHORT,
            at_least(1),
            "How often connecting is tried before the task fails.",
        ),
        (
            BACKOFF_MS,
            t.LONG,
            10000,
            low,
            "JDBC connection backoff in milliseconds",
            Width.SHORT,
            None,
            "How long to wait between two attempts to connect.",
        ),
        (
            DIALECT,
            t.STRING,
            "",
            low,
            "Database Dialect",
            Width.LONG,
            None,
            "Which database dialect to use; empty: the URL decides.",
        ),
        (
            WHITELIST,
            t.LIST,
            "",
            medium,
            "Table Whitelist",
            Width.LONG,
            None,
            "The tables to copy, by full or bare name. Not together with table.blacklist.",
        ),
        (
            BLACKLIST,
            t.LIST,
            "",
            medium,
            "Table Blacklist",
            Width.LONG,
            None,
            "Tables that are not copied. Not together with table.whitelist.",
        ),
        (
            INCLUDE,
            t.LIST,
            "",
            medium,
            "Table Include List",
            Width.LONG,
            None,
            "Regular expressions; a table whose full name matches one is copied.",
        ),
        (
            EXCLUDE,
            t.LIST,
            "",
            medium,
            "Table Exclude List",
            Width.LONG,
            None,
            "Regular expressions for tables left out of what table.include.list matches.",
        ),
        (
            CATALOG_PATTERN,
            t.STRING,
            None,
            medium,
            "Schema pattern",
            Width.SHORT,
            None,
            (
                "SQL LIKE pattern for the catalog (MySQL: database) whose tables are listed; "
                "unset: the URL's database."
            ),
        ),
        (
            SCHEMA_PATTERN,
            t.STRING,
            None,
            high,
            "Schema pattern",
            Width.SHORT,
            None,
            "SQL LIKE pattern for the schema whose tables are listed.",
        ),
        (
            NUMERIC_MAPPING,
            t.STRING,
            "none",
            low,
            "Map Numeric Values, Integral or Decimal, By Precision and Scale",
            Width.SHORT,
            OneOf(NUMERIC_MAPPINGS),
            (
                "How NUMERIC columns appear: as Decimal (none), as integers where they fit (precision_only), "
                "also as doubles (best_fit), also with large precision (best_fit_eager_double)."
            ),
        ),
        (
            TIMEZONE,
            t.STRING,
            "UTC",
            medium,
            "DB time zone",
            Width.MEDIUM,
            Check(_check_timezone, "a time zone region"),
            "The zone in which the database's timestamps without a zone are read.",
        ),
        (
            QUOTE,
            t.STRING,
            "always",
            medium,
            "Quote Identifiers",
            Width.MEDIUM,
            OneOf(("always", "never"), ignore_case=True),
            "Whether names of tables and columns are quoted in statements.",
        ),
    ]
    return _keys(rows, _DATABASE)


def _mode_keys() -> list[ConfigKey]:
    t = ConfigType
    high, medium, low = Importance.HIGH, Importance.MEDIUM, Importance.LOW
    rows: list[tuple[Any, ...]] = [
        (
            MODE,
            t.STRING,
            "",
            high,
            "Table Loading Mode",
            Width.MEDIUM,
            OneOf(MODES),
            (
                "How changes are found: bulk copies everything at each poll, incrementing follows a growing "
                "number, timestamp a time of change, timestamp+incrementing both."
            ),
        ),
        (
            INCREMENTING,
            t.STRING,
            "",
            medium,
            "Incrementing Column Name",
            Width.MEDIUM,
            None,
            "The growing column; empty: the table's first auto-increment column.",
        ),
        (
            INCREMENTING_MAPPING,
            t.LIST,
            "",
            medium,
            "Incrementing Column Mapping",
            Width.LONG,
            None,
            "The growing column by table, as regex:column; goes with table.include.list.",
        ),
        (
            TIMESTAMP,
            t.LIST,
            "",
            medium,
            "Timestamp Column Name",
            Width.MEDIUM,
            None,
            "The columns that hold the time of the last change; of several the first that is set counts.",
        ),
        (
            TIMESTAMP_MAPPING,
            t.STRING,
            "",
            medium,
            "Timestamp Columns Mapping",
            Width.LONG,
            None,
            "The timestamp columns by table, as regex:[c1|c2]; goes with table.include.list.",
        ),
        (
            TIMESTAMP_INITIAL,
            t.LONG,
            None,
            low,
            "Unix time value of initial timestamp",
            Width.MEDIUM,
            None,
            "Where to begin when no offset is stored, in ms since 1970; -1 is the database's present time.",
        ),
        (
            VALIDATE_NON_NULL,
            t.BOOLEAN,
            True,
            low,
            "Validate Non Null",
            Width.SHORT,
            None,
            "Refuse to start when the incrementing column, or all timestamp columns, may be null.",
        ),
        (
            GUARD,
            t.BOOLEAN,
            True,
            low,
            "Visibility Guard",
            Width.SHORT,
            None,
            (
                "Read new rows only when the transactions that were open as the rows appeared have ended,"
                " so that rows committed late with lower numbers or times are not passed over. Needs "
                "PROCESS on MySQL and MariaDB; with a query its largest number is asked for first."
            ),
        ),
        (
            GUARD_HOLD_MS,
            t.LONG,
            1000,
            low,
            "Visibility Guard Hold (ms)",
            Width.SHORT,
            at_least(0),
            (
                "How long new rows wait where the database does not tell which transactions are open: "
                "after missing numbers, and always where times are compared."
            ),
        ),
        (
            QUERY,
            t.STRING,
            "",
            medium,
            "Query",
            Width.SHORT,
            None,
            "One SELECT to copy instead of tables; the condition for new rows is appended to it.",
        ),
        (
            QUERY_MASKED,
            t.PASSWORD,
            "",
            medium,
            "Query (masked)",
            Width.SHORT,
            None,
            "As query, but never shown in logs and answers.",
        ),
        (
            QUERY_SUFFIX,
            t.STRING,
            "",
            low,
            "Query suffix",
            Width.MEDIUM,
            None,
            "Text appended to every statement, after a blank.",
        ),
        (
            QUERY_RETRIES,
            t.INT,
            -1,
            low,
            "Query Retry Attempts",
            Width.SHORT,
            None,
            "How often a statement that failed for a passing reason is repeated; -1: for ever.",
        ),
        (
            ISOLATION,
            t.STRING,
            "DEFAULT",
            low,
            "Transaction Isolation Mode",
            Width.MEDIUM,
            OneOf(ISOLATION_LEVELS),
            "The isolation level of the reading transactions.",
        ),
    ]
    return _keys(rows, _MODE)


def _connector_keys() -> list[ConfigKey]:
    t = ConfigType
    high, _medium, low = Importance.HIGH, Importance.MEDIUM, Importance.LOW
    rows: list[tuple[Any, ...]] = [
        (
            TABLE_TYPES,
            t.LIST,
            "TABLE",
            low,
            "Table Types",
            Width.MEDIUM,
            None,
            "What counts as a table when tables are listed: TABLE, VIEW.",
        ),
        (
            POLL_MS,
            t.INT,
            5000,
            high,
            "Poll Interval (ms)",
            Width.SHORT,
            None,
            "Pause between the end of one query of a table and the next.",
        ),
        (
            BATCH_ROWS,
            t.INT,
            1000,
            low,
            "Max Rows Per Batch",
            Width.SHORT,
            at_least(1),
            "How many rows are fetched and handed on at once; no limit of the query.",
        ),
        (
            TABLE_POLL_MS,
            t.LONG,
            60000,
            low,
            "Metadata Change Monitoring Interval (ms)",
            Width.SHORT,
            at_least(1),
            "How often the list of tables is looked at for new and dropped ones.",
        ),
        (
            TOPIC_PREFIX,
            t.STRING,
            "",
            high,
            "Topic Prefix",
            Width.MEDIUM,
            Check(_check_prefix, "part of a topic name"),
            "A table's topic is this prefix and the table's name; with a query it is the whole topic.",
        ),
        (
            TIMESTAMP_DELAY,
            t.LONG,
            0,
            high,
            "Delay Interval (ms)",
            Width.MEDIUM,
            at_least(0),
            "Rows younger than this wait, so that transactions that began earlier can end.",
        ),
        (
            GRANULARITY,
            t.STRING,
            "connect_logical",
            low,
            "Timestamp granularity for timestamp columns",
            Width.MEDIUM,
            OneOf(GRANULARITIES),
            "The form of every timestamp column in the records.",
        ),
        (
            TABLE,
            t.STRING,
            None,
            low,
            "Table",
            Width.MEDIUM,
            None,
            "Another name for table.whitelist, used when no other option names tables.",
        ),
    ]
    return _keys(rows, _CONNECTOR)


def _keys(rows: list[tuple[Any, ...]], group: str) -> list[ConfigKey]:
    return [
        ConfigKey(
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
        for order, (name, type_, default, importance, label, width, validator, doc) in enumerate(
            rows, 1
        )
    ]


CONFIG_DEF: Final = ConfigDef([*_database_keys(), *_mode_keys(), *_connector_keys()])
