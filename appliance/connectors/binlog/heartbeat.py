"""Heartbeats: records that carry the position, and a statement run on the server with each.

One is due when the interval has passed and the server has sent something, be it only its own heartbeat.
Semantics: Debezium 3.6.1 HeartbeatImpl, DatabaseHeartbeatImpl, BinlogHeartbeatErrorHandler. Task thread.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import pymysql

from appliance.api import Batch
from appliance.connectors.binlog.server import Server
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.versions import struct
from appliance.data.schema import INT64_SCHEMA, STRING_SCHEMA
from appliance.errors import ConnectError

_LOG: Final = logging.getLogger("io.debezium.heartbeat.DatabaseHeartbeatImpl")

_KEY: Final = struct("io.debezium.connector.common.ServerNameKey", ("serverName", STRING_SCHEMA))
_VALUE: Final = struct("io.debezium.connector.common.Heartbeat", ("ts_ms", INT64_SCHEMA))
_WRONG: Final = frozenset(
    {1044, 1046, 1049, 1064, 1065, 1066, 1142, 1143, 1149, 1227, 1305, 1318, 1370}
)
"""Errors of the SQL states 42000 and 3D000: the statement itself cannot work."""


class Heartbeat:
    """The heartbeats of one task."""

    def __init__(self, dialect: Dialect, parsed: Mapping[str, Any], topic: str) -> None:
        """Connect to nothing yet."""
        self._dialect = dialect
        self._parsed = parsed
        self._topic = topic
        self._interval_ms = int(parsed["heartbeat.interval.ms"])
        self._query = (parsed["heartbeat.action.query"] or "").strip()
        self._beaten_ms = 0
        self._heard = False
        self._server: Server | None = None

    def heard(self) -> None:
        """Note that the server has sent something."""
        self._heard = True

    def due(self, now_ms: int) -> bool:
        """Whether it is time for one."""
        return (
            self._interval_ms > 0 and self._heard and now_ms - self._beaten_ms >= self._interval_ms
        )

    def beat(self, offset: Mapping[str, Any], now_ms: int) -> Batch:
        """Run the statement and give the record. Raises ConnectError for a statement that cannot work."""
        self._beaten_ms = now_ms
        self._heard = False
        if self._query:
            self._act()
        prefix = self._parsed["topic.prefix"]
        return Batch(
            topic=self._topic,
            values=[(now_ms,)],
            value_schema=_VALUE,
            keys=[(prefix,)],
            key_schema=_KEY,
            partition=0,
            source_partition={"server": prefix},
            source_offset=offset,
        )

    def _act(self) -> None:
        try:
            if self._server is None:
                self._server = Server(self._dialect, self._parsed)
            self._server.run(self._query)
        except ConnectError as error:
            self.close()
            cause = error.__cause__
            if (
                isinstance(cause, pymysql.MySQLError)
                and cause.args[:1]
                and cause.args[0] in _WRONG
            ):
                raise ConnectError(
                    f"Could not execute heartbeat action query: {error}; correct "
                    "heartbeat.action.query, or grant database.user what it needs"
                ) from error
            _LOG.error("Could not execute heartbeat action: %s", error)

    def close(self) -> None:
        """Close the connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
