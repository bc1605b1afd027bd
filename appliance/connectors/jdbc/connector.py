"""The JDBC source connector: validates, watches the list of tables, spreads tables over tasks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from appliance.api.connector import (
    Connector,
    ConnectorContext,
    OffsetChange,
    OffsetPreview,
)
from appliance.config.define import ConfigValue
from appliance.connectors.jdbc import config as keys
from appliance.connectors.jdbc.database import TableId, first_line, open_database
from appliance.connectors.jdbc.rights import lacking_rights
from appliance.connectors.jdbc.selection import Selection, quoted_fqn, spread
from appliance.connectors.jdbc.url import Target, parse_url
from appliance.errors import ConfigError, ConnectError

_LOG = logging.getLogger("io.confluent.connect.jdbc.JdbcSourceConnector")

FIRST_LISTING_TIMEOUT_S = 10.0
_FILTER_KEYS = (
    keys.WHITELIST,
    keys.BLACKLIST,
    keys.TIMESTAMP,
    keys.INCREMENTING,
    keys.INCLUDE,
    keys.EXCLUDE,
    keys.TIMESTAMP_MAPPING,
    keys.INCREMENTING_MAPPING,
)
_TABLE_KEYS = (keys.WHITELIST, keys.BLACKLIST, keys.INCLUDE, keys.EXCLUDE)


def parse_target(parsed: Mapping[str, Any]) -> Target:
    """Give where the database is. Raises ConfigError."""
    password = parsed[keys.PASSWORD]
    return parse_url(
        parsed[keys.URL] or "", parsed[keys.USER], password.value if password else None
    )


def configured_query(parsed: Mapping[str, Any]) -> str | None:
    """Give the SELECT to poll instead of tables, if one is configured."""
    masked = parsed[keys.QUERY_MASKED]
    return parsed[keys.QUERY] or (masked.value if masked else None) or None


class JdbcSourceConnector(Connector):
    """Copies tables, or the result of a query, into topics."""

    config_def: ClassVar = keys.CONFIG_DEF
    version: ClassVar[str] = "10.10.0"

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._parsed: dict[str, Any] = {}
        self._config: dict[str, str] = {}
        self._tables: list[TableId] | None = None
        self._listed = threading.Event()
        self._stopping = threading.Event()
        self._monitor: threading.Thread | None = None
        self._quote = '"'

    def validate(self, config: Mapping[str, str | None]) -> list[ConfigValue]:
        """Check the options, how they go together, and that the database answers."""
        values = {value.name: value for value in self.config_def.validate(config)}
        if not any(value.errors for value in values.values()):
            _check_together({name: value.value for name, value in values.items()}, values)
        if not any(value.errors for value in values.values()):
            _check_connection({name: value.value for name, value in values.items()}, values)
        return list(values.values())

    def start(self, context: ConnectorContext, config: Mapping[str, str]) -> None:
        """Begin to watch the list of tables, unless a query is configured."""
        self._config = dict(config)
        self._parsed = self.config_def.parse(config)
        target = parse_target(self._parsed)
        if configured_query(self._parsed) is None:
            if not any(self._parsed[key] for key in (*_FILTER_KEYS, keys.TABLE)):
                _LOG.warning(
                    "At least one table filtering configuration is required by the connector's newer "
                    "versions; without one, all tables are copied. connector=%s remedy=%s",
                    context.name,
                    f"set {keys.INCLUDE} or {keys.WHITELIST}",
                )
            self._monitor = threading.Thread(
                target=self._watch,
                args=(context, target),
                name=f"jdbc-tables-{context.name}",
                daemon=True,
            )
            self._monitor.start()

    def _watch(self, context: ConnectorContext, target: Target) -> None:
        period_s = self._parsed[keys.TABLE_POLL_MS] / 1000
        while not self._stopping.is_set():
            try:
                tables = self._list(target)
            except ConnectError as error:
                context.raise_error(error)
                return
            if tables is not None and tables != self._tables:
                first, self._tables = self._tables is None, tables
                if self._listed.is_set() or not first:
                    context.request_task_reconfiguration()
            if tables is not None:
                self._listed.set()
            self._stopping.wait(period_s if tables is not None else min(period_s, 5.0))

    def _list(self, target: Target) -> list[TableId] | None:
        """List the chosen tables; None when the database does not answer now."""
        parsed = self._parsed
        database = open_database(target, timezone=parsed[keys.TIMEZONE])
        self._quote = database.quote
        try:
            tables = database.tables(
                parsed[keys.TABLE_TYPES], parsed[keys.CATALOG_PATTERN], parsed[keys.SCHEMA_PATTERN]
            )
        except Exception as error:
            if database.is_transient(getattr(error, "__cause__", None) or error):
                return None
            raise ConnectError(
                f"listing the tables of {target.shown}: {first_line(error)}; check user, rights and URL"
            ) from error
        finally:
            database.close()
        return Selection.of(parsed).choose(tables, database.quote)

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Give one configuration per group of tables; one for a query."""
        if configured_query(self._parsed) is not None:
            return [{**self._config, keys.TASK_TABLES: "", keys.TASK_TABLES_FETCHED: "true"}]
        self._listed.wait(FIRST_LISTING_TIMEOUT_S)
        tables = self._tables
        if not tables:
            fetched = "false" if tables is None else "true"
            self._listed.set()
            return [{**self._config, keys.TASK_TABLES: "", keys.TASK_TABLES_FETCHED: fetched}]
        return [
            {
                **self._config,
                keys.TASK_TABLES: ",".join(quoted_fqn(table, self._quote) for table in group),
                keys.TASK_TABLES_FETCHED: "true",
            }
            for group in spread(tables, max_tasks)
        ]

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()
        if self._monitor is not None:
            self._monitor.join(timeout=5)

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]],
    ) -> bool:
        """Check that partitions and offsets are of the form that tasks write."""
        for partition, offset in offsets:
            if not partition or not ({"table", "query"} & partition.keys()):
                raise ConnectError(
                    'Partition objects should contain the key "table" (with "protocol") or "query"'
                )
            for key, value in (offset or {}).items():
                if key in ("incrementing", "timestamp", "timestamp_nanos") and not isinstance(
                    value, int
                ):
                    raise ConnectError(
                        f"The value for the '{key}' key in the offset is expected to be a Long value"
                    )
        return True

    def preview_offsets(
        self,
        config: Mapping[str, str],
        changes: Sequence[OffsetChange],
        client_config: Callable[[str], dict[str, Any]],
    ) -> list[OffsetPreview]:
        """Compare each offset with the table that it is of. Raises ConfigError."""
        del client_config
        from appliance.connectors.jdbc.preview import preview

        return preview(self.config_def.parse(config), changes)


def _check_together(parsed: Mapping[str, Any], values: Mapping[str, ConfigValue]) -> None:
    """Check how options go together, as kafka-connect-jdbc's validation does."""
    query = configured_query(parsed)
    if not parsed[keys.MODE]:
        values[keys.MODE].errors.append("Query mode must be specified")
    if parsed[keys.WHITELIST] and parsed[keys.BLACKLIST]:
        text = f"{keys.WHITELIST} and {keys.BLACKLIST} are exclusive."
        values[keys.WHITELIST].errors.append(text)
        values[keys.BLACKLIST].errors.append(text)
    if query is not None:
        _check_query(query, parsed, values)
    if parsed[keys.EXCLUDE] and not parsed[keys.INCLUDE]:
        values[keys.EXCLUDE].errors.append(f"{keys.EXCLUDE} requires {keys.INCLUDE}")
    legacy = [
        k for k in (keys.WHITELIST, keys.BLACKLIST, keys.TIMESTAMP, keys.INCREMENTING) if parsed[k]
    ]
    modern = [
        k
        for k in (keys.INCLUDE, keys.EXCLUDE, keys.TIMESTAMP_MAPPING, keys.INCREMENTING_MAPPING)
        if parsed[k]
    ]
    if legacy and modern:
        values[modern[0]].errors.append(
            "Cannot mix legacy and new configuration approaches: "
            f"{', '.join(legacy)} with {', '.join(modern)}"
        )
    needs_time = parsed[keys.MODE].startswith("timestamp")
    if needs_time and not parsed[keys.TIMESTAMP] and not parsed[keys.TIMESTAMP_MAPPING]:
        values[keys.TIMESTAMP].errors.append(
            f"mode {parsed[keys.MODE]} needs the column that holds the time of the last change; "
            f"set {keys.TIMESTAMP}"
        )


def _check_query(query: str, parsed: Mapping[str, Any], values: Mapping[str, ConfigValue]) -> None:
    if any(parsed[k] for k in _TABLE_KEYS):
        values[keys.QUERY].errors.append(
            "query may not be combined with whole-table copying settings."
        )
    if not query.lstrip().lower().startswith(("select", "with")):
        values[keys.QUERY].errors.append("query must be a SELECT")
    if parsed[keys.MODE].endswith("incrementing") and not parsed[keys.INCREMENTING]:
        values[keys.INCREMENTING].errors.append(
            f"with query, {keys.INCREMENTING} has to name the column that grows"
        )


def _check_connection(parsed: Mapping[str, Any], values: Mapping[str, ConfigValue]) -> None:
    """Connect once, as the real connector does in validation, and look at the rights on listed tables."""
    try:
        target = parse_target(parsed)
    except ConfigError as error:
        values[keys.URL].errors.append(str(error))
        return
    database = open_database(target, timezone=parsed[keys.TIMEZONE])
    try:
        database.now()
        if configured_query(parsed) is None:
            option = keys.INCLUDE if parsed[keys.INCLUDE] else keys.WHITELIST
            values[option].errors += lacking_rights(database, target, parsed).values()
    except Exception as error:  # noqa: BLE001 - whatever the driver raises is the finding
        values[keys.URL].errors.append(
            f"Could not connect to database. {first_line(error)}. Check {keys.URL} ({target.shown}), "
            f"{keys.USER} and {keys.PASSWORD}, and that the server runs."
        )
        values[keys.URL].passing = database.is_transient(error.__cause__ or error)
    finally:
        database.close()
