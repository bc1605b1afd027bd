"""The connectors MySqlConnector and MariaDbConnector: they check the configuration and give one task.

Validation asks the server, as the peer does: whether it answers, lets the user in, and writes a binlog
that can be captured. Semantics: Debezium BinlogConnector, MySqlConnector.validateConnection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from appliance.api.connector import (
    Connector,
    ConnectorContext,
    ExactlyOnceSupport,
    OffsetChange,
    OffsetCheck,
    OffsetPreview,
)
from appliance.config.define import ConfigValue
from appliance.connectors.binlog import config as options
from appliance.connectors.binlog.server import Server
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.versions import VERSIONS
from appliance.connectors.binlog.visibility import missing_select
from appliance.errors import BadRequestError, ConnectError, RetriableError

_OFFSET_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "file": str,
    "pos": int,
    "gtids": str,
    "event": int,
    "row": int,
    "ts_sec": int,
    "server_id": int,
    "snapshot": (str, bool),
    "transaction_id": str,
}


class BinlogConnector(Connector):
    """What both connectors do; a subclass says which server it is for."""

    dialect: ClassVar[Dialect]

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._config: dict[str, str] = {}

    def validate(self, config: Mapping[str, str | None]) -> list[ConfigValue]:
        """Check the options; where all are right, the server as well."""
        values = options.validate(self.dialect, config)
        if not any(value.errors for value in values):
            found, passing = self._server_errors(config)
            for value in values:
                value.errors += found.get(value.name, ())
                value.passing = passing
        return values

    def _server_errors(
        self, config: Mapping[str, str | None]
    ) -> tuple[dict[str, list[str]], bool]:
        """Give what keeps the server from being captured, by the option that it is shown at.

        With it: whether time may mend it.
        """
        given = {name: text for name, text in config.items() if text is not None}
        parsed = options.parse(self.dialect, given)
        timeout_s = max(1, parsed["connection.validation.timeout.ms"] // 1000)
        try:
            with Server(
                self.dialect, parsed, connect_timeout=timeout_s, read_timeout=timeout_s
            ) as server:
                unread = parsed["snapshot.mode"] != "never"
                return {
                    "database.hostname": server.problems(),
                    "database.user": missing_select(server, parsed) if unread else [],
                }, False
        except ConnectError as error:
            passing = isinstance(error, RetriableError)
            return {"database.hostname": [f"Unable to connect: {error}"]}, passing

    def start(self, context: ConnectorContext, config: Mapping[str, str]) -> None:
        """Take the configuration. Raises ConfigError."""
        options.parse(self.dialect, config)
        self._config = dict(config)

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Give one configuration: a binlog is read by one task."""
        return [{**self._config, "task.id": "0"}] if max_tasks > 0 else []

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]],
    ) -> bool:
        """Check that partitions and offsets have the form that the task stores."""
        for partition, offset in offsets:
            if not partition or set(partition) != {"server"}:
                raise BadRequestError(
                    f"The partition {partition} is none of this connector; it has one member, server"
                )
            if offset is None:
                continue
            for key in ("file", "pos"):
                if key not in offset:
                    raise BadRequestError(f"The offset {dict(offset)} lacks {key}")
            for key, kind in _OFFSET_TYPES.items():
                if key in offset and not isinstance(offset[key], kind):
                    raise BadRequestError(f"{key} of the offset {dict(offset)} has a wrong type")
        return True

    def preview_offsets(
        self,
        config: Mapping[str, str],
        changes: Sequence[OffsetChange],
        client_config: Callable[[str], dict[str, Any]],
    ) -> list[OffsetPreview]:
        """Make the checks of a start at each offset. Raises ConfigError."""
        # Kafka's library, which a check of the options does without
        from appliance.connectors.binlog.history import open_history
        from appliance.connectors.binlog.preview import Preview

        parsed = options.parse(self.dialect, config)
        prefix = "schema.history.internal"
        history = open_history(
            parsed, client_config(f"{prefix}.producer."), client_config(f"{prefix}.consumer.")
        )
        found: list[OffsetPreview] = []
        formed = []
        for change in changes:
            try:
                self.alter_offsets(config, [(change.partition, change.after)])
            except BadRequestError as error:
                fault = OffsetCheck(
                    "it is an offset of this connector", ok=False, detail=str(error)
                )
                found.append(OffsetPreview((fault,)))
                continue
            found.append(OffsetPreview())
            formed.append(change)
        given = iter(Preview(self.dialect, parsed, history).of(formed) if formed else ())
        return [one if one.checks else next(given) for one in found]

    def exactly_once_support(self, config: Mapping[str, str]) -> ExactlyOnceSupport:
        """Say yes: an offset names one row of one event, and a restart goes on behind it."""
        return "supported"


class MySqlConnector(BinlogConnector):
    """`io.debezium.connector.mysql.MySqlConnector`."""

    dialect: ClassVar[Dialect] = "mysql"
    config_def = options.DEFINITIONS["mysql"]
    version = VERSIONS["mysql"]


class MariaDbConnector(BinlogConnector):
    """`io.debezium.connector.mariadb.MariaDbConnector`."""

    dialect: ClassVar[Dialect] = "mariadb"
    config_def = options.DEFINITIONS["mariadb"]
    version = VERSIONS["mariadb"]
