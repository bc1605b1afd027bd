"""Drives a file-writing sink task as the runtime does, without the runtime: open, put, pre_commit, close."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from appliance.api import Batch
from appliance.connectors.storage.task import StorageSinkTask
from appliance.data import SchemaBuilder
from appliance.data.schema import (
    FLOAT32_SCHEMA,
    INT64_SCHEMA,
    OPTIONAL_STRING_SCHEMA,
    Schema,
    Type,
)
from appliance.ids import ConnectorTaskId, TopicPartition

DATE = Schema(Type.INT32, name="org.apache.kafka.connect.data.Date", version=1)
SHOP = (
    SchemaBuilder.struct()
    .name("shop")
    .field("id", INT64_SCHEMA)
    .field("city", OPTIONAL_STRING_SCHEMA)
    .field("day", DATE)
    .field("price", FLOAT32_SCHEMA)
    .build()
)
DAY_MS = 86_400_000
PARTITION = TopicPartition("shop", 0)


class SinkContext:
    """What the task asks of the runtime, remembered."""

    id = ConnectorTaskId("sink", 0)
    config: Mapping[str, str] = {}
    stopping = False

    def __init__(self, state_folder: Path = Path("group.sink-0")) -> None:
        self.state_folder = state_folder
        self.assignment: frozenset[TopicPartition] = frozenset()
        self.sought: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.reported: list[tuple[int, str]] = []
        self.errant_record_reporter: Any = self
        self.trouble: str | None = None

    def wait(self, timeout_s: float) -> bool:
        return False

    def set_metric(self, name: str, value: float) -> None: ...

    def set_trouble(self, trouble: str | None) -> None:
        self.trouble = trouble

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.sought.update(offsets)

    def retry_in(self, timeout_ms: int) -> None: ...

    def request_commit(self) -> None: ...

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused.update(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused.difference_update(partitions)

    def report(self, batch: Batch, row: int, error: BaseException) -> None:
        assert batch.offsets is not None
        self.reported.append((batch.offsets[row], str(error)))


def shop_row(number: int) -> tuple[Any, ...]:
    """Give a row that follows from its number alone."""
    return (
        number,
        None if number % 7 == 0 else f"ciudad-{number % 3}",
        (20_000 + number) * DAY_MS,
        number / 2,
    )


def shop_batch(start: int, end: int, **changes: Any) -> Batch:
    """Give rows `start` to `end` (exclusive) at offsets equal to their numbers."""
    given: dict[str, Any] = {
        "topic": PARTITION.topic,
        "values": [shop_row(number) for number in range(start, end)],
        "value_schema": SHOP,
        "partition": PARTITION.partition,
        "offsets": list(range(start, end)),
        "timestamps": [1_740_132_000_000 + number * 1000 for number in range(start, end)],
    }
    return Batch(**{**given, **changes})


def opened(task: StorageSinkTask, config: Mapping[str, str]) -> SinkContext:
    """Start the task and give it the partition."""
    context = SinkContext()
    task.start(context, config)
    task.open([PARTITION])
    return context
