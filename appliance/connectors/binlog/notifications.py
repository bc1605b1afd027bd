"""Notifications: what a snapshot tells about its progress, as records of a topic.

Semantics: Debezium NotificationService with the channel `sink`. Ids of an initial snapshot are random.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from appliance.api.batch import Batch
from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.connectors.binlog.names import java_set_order
from appliance.connectors.binlog.versions import INT64, STRING, struct
from appliance.data import Schema, Type

KEY: Final = struct("io.debezium.connector.common.NotificationKey", ("id", STRING))
VALUE: Final = struct(
    "io.debezium.connector.common.Notification",
    ("id", STRING),
    ("type", STRING),
    ("aggregate_type", STRING),
    ("additional_data", Schema(Type.MAP, optional=True, key_schema=STRING, value_schema=STRING)),
    ("timestamp", INT64),
)
INITIAL: Final = "Initial Snapshot"


class Notifications:
    """The notifications of one connector; without the channel `sink` there are none."""

    def __init__(self, parsed: Mapping[str, Any], clock: Clock = SYSTEM_CLOCK) -> None:
        channels = parsed["notification.enabled.channels"] or ()
        self._topic = parsed["notification.sink.topic.name"] if "sink" in channels else None
        self.enabled = bool(self._topic)
        self._connector = parsed["topic.prefix"]
        self._clock = clock

    def batch(
        self,
        aggregate: str,
        kind: str,
        data: Mapping[str, str] | None = None,
        id_: str | None = None,
    ) -> list[Batch]:
        """Give the batch for one notification, nothing where they are off.

        `data` is what stands in additional_data beside the connector's name, in order.
        """
        if not self._topic:
            return []
        id_ = id_ or str(uuid.uuid4())
        given = {"connector_name": self._connector, **(data or {})}
        additional = {name: given[name] for name in java_set_order(given)}
        value = (id_, kind, aggregate, additional, self._clock.now_ms())
        return [
            Batch(
                topic=self._topic,
                values=[value],
                value_schema=VALUE,
                keys=[(id_,)],
                key_schema=KEY,
            )
        ]
