"""Single-record views on a batch, for plugins that ask for one record at a time.

Values are in the boundary form (Structs). Semantics: Kafka Connect 4.3.1 SourceRecord and SinkRecord.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from appliance.data.headers import Header
from appliance.data.schema import Schema
from appliance.data.text import java_text


def _or_null(value: object) -> object:
    return "null" if value is None else value


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectRecord:
    """What source and sink records share; `timestamp` is in ms, `headers` a shared block."""

    topic: str | None
    partition: int | None
    key_schema: Schema | None
    key: Any
    value_schema: Schema | None
    value: Any
    timestamp: int | None = None
    headers: tuple[Header, ...] = ()

    def __str__(self) -> str:
        """Give Java's text form."""
        headers = ", ".join(
            f"ConnectHeader(key={h.key}, value={java_text(h.value, h.schema)}, schema={h.schema or 'null'})"
            for h in self.headers
        )
        return (
            f"ConnectRecord{{topic='{_or_null(self.topic)}', kafkaPartition={_or_null(self.partition)}, "
            f"key={java_text(self.key, self.key_schema)}, keySchema={_or_null(self.key_schema)}, "
            f"value={java_text(self.value, self.value_schema)}, "
            f"valueSchema={_or_null(self.value_schema)}, timestamp={_or_null(self.timestamp)}, "
            f"headers=ConnectHeaders(headers={f'[{headers}]' if headers else ''})}}"
        )

    def replace(self, **changes: Any) -> Self:
        """Give a copy with some members changed."""
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass(frozen=True, slots=True)
class SourceRecord(ConnectRecord):
    """A record on its way into Kafka, with the place in the source system that it came from."""

    source_partition: Mapping[str, Any] | None = None
    source_offset: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        """Give Java's text form."""
        return (
            f"SourceRecord{{sourcePartition={java_text(self.source_partition)}, "
            f"sourceOffset={java_text(self.source_offset)}}} {ConnectRecord.__str__(self)}"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class SinkRecord(ConnectRecord):
    """A record on its way out of Kafka; the `original_*` members are from before any transform."""

    kafka_offset: int = 0
    timestamp_type: str = "CreateTime"
    original_topic: str | None = None
    original_kafka_partition: int | None = None
    original_kafka_offset: int = 0

    def __str__(self) -> str:
        """Give Java's text form."""
        return (
            f"SinkRecord{{kafkaOffset={self.kafka_offset}, timestampType={self.timestamp_type}, "
            f"originalTopic={_or_null(self.original_topic)}, "
            f"originalKafkaPartition={_or_null(self.original_kafka_partition)}, "
            f"originalKafkaOffset={self.original_kafka_offset}}} {ConnectRecord.__str__(self)}"
        )
