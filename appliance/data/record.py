"""Single-record views on a batch, for plugins that ask for one record at a time.

Values are in the boundary form (Structs). Semantics: Kafka Connect 4.3.1 SourceRecord and SinkRecord.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from appliance.data.headers import Header
from appliance.data.schema import Schema


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

    def replace(self, **changes: Any) -> Self:
        """Give a copy with some members changed."""
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass(frozen=True, slots=True)
class SourceRecord(ConnectRecord):
    """A record on its way into Kafka, with the place in the source system that it came from."""

    source_partition: Mapping[str, Any] | None = None
    source_offset: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SinkRecord(ConnectRecord):
    """A record on its way out of Kafka; the `original_*` members are from before any transform."""

    kafka_offset: int = 0
    timestamp_type: str = "CreateTime"
    original_topic: str | None = None
    original_kafka_partition: int | None = None
    original_kafka_offset: int = 0
