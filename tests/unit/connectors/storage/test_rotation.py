"""When the open files of a partition are committed: by the clock, by the records' time, by their schemas."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.api import Batch
from appliance.clock import ManualClock
from appliance.connectors.files.connector import FilesSinkTask
from appliance.connectors.storage.task import StorageSinkTask
from appliance.data import SchemaBuilder
from appliance.data.schema import INT32_SCHEMA, INT64_SCHEMA, OPTIONAL_STRING_SCHEMA, Schema
from appliance.errors import ConnectError, DataError
from tests.filesink import opened, shop_batch

NOON_MS = int(dt.datetime(2025, 6, 1, 12, 20, tzinfo=dt.UTC).timestamp() * 1000)
MINUTE_MS = 60_000
BY_RECORD = {
    "partitioner.class": "DailyPartitioner",
    "locale": "en-US",
    "timezone": "UTC",
    "timestamp.extractor": "Record",
}


class Sink:
    """A task with a clock of ours."""

    def __init__(self, root: Path, **more: str) -> None:
        self.root = root
        self.clock = ManualClock(NOON_MS)
        self.task: StorageSinkTask = FilesSinkTask()
        self.task.clock = self.clock
        config = {
            "store.url": f"file://{root}/lake",
            "spool.dir": f"{root}/spool",
            "format.class": "JsonFormat",
            "flush.size": "1000",
        }
        self.context = opened(self.task, config | more)

    def put(self, *batches: Batch, after_ms: int = 0) -> list[str]:
        """Let time pass, give the task batches; give the offsets of the files there are then."""
        self.clock.advance(after_ms)
        self.task.put(list(batches))
        files = (self.root / "lake/topics/shop").rglob("shop+0+*")
        parts = [path.stem.split("+")[2:] for path in files]
        return [f"{int(start)}-{int(end)}" for start, end in sorted(parts)]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[..., Sink]]:
    made: list[Sink] = []

    def start(**more: str) -> Sink:
        made.append(Sink(tmp_path, **more))
        return made[-1]

    yield start
    for each in made:
        each.task.close()


def test_files_are_committed_when_the_interval_is_over_by_the_clock(sink: Any) -> None:
    """Also without new records; an interval in which nothing came makes no file."""
    it = sink(**{"rotate.interval.ms": "60000"})
    assert it.put(shop_batch(0, 2)) == []
    assert it.put(shop_batch(2, 3), after_ms=59_999) == []
    assert it.put(after_ms=1) == ["0-2"]
    assert it.put(after_ms=10 * MINUTE_MS) == ["0-2"]
    assert it.put(shop_batch(3, 4)) == ["0-2"]
    assert it.put(shop_batch(4, 5), after_ms=MINUTE_MS) == ["0-2", "3-3"]


def test_clock_decides_when_the_partitioner_is_none_by_time(sink: Any) -> None:
    """The timestamp extractor belongs to the partitioners by time, as in the original."""
    it = sink(**{"rotate.interval.ms": "60000", "timestamp.extractor": "Record"})
    assert it.put(shop_batch(0, 2, timestamps=[0, 10 * MINUTE_MS])) == []
    assert it.put(after_ms=MINUTE_MS) == ["0-1"]


def test_files_are_committed_when_the_interval_is_over_by_the_records_time(sink: Any) -> None:
    """The record beyond begins the next file; without one nothing happens, however long it takes."""
    it = sink(**BY_RECORD, **{"rotate.interval.ms": "60000"})
    times = [NOON_MS, NOON_MS + 59_999, NOON_MS + 60_000, NOON_MS + 60_001, NOON_MS + 120_000]
    assert it.put(shop_batch(0, 5, timestamps=times)) == ["0-1", "2-3"]
    assert it.put(after_ms=60 * MINUTE_MS) == ["0-1", "2-3"]
    assert it.put(shop_batch(5, 6, timestamps=[NOON_MS + 180_000])) == ["0-1", "2-3", "4-4"]


@pytest.mark.parametrize(
    ("zone", "interval_min", "first_min", "second_min"),
    [
        ("UTC", 60, 40, 60),  # noon and twenty: at one, at two
        ("+05:30", 60, 10, 60),  # ten to six there
        ("Europe/Madrid", 7 * 60, 400, 180),  # twenty-one hours after midnight, then midnight
        ("Europe/Madrid", 23 * 60, 520, 60),  # twenty-three hours after midnight, then midnight
    ],
)
def test_files_are_committed_by_the_schedule_from_local_midnight_on(
    sink: Any, zone: str, interval_min: int, first_min: int, second_min: int
) -> None:
    """At each multiple of the interval after midnight, and at midnight."""
    it = sink(**{"rotate.schedule.interval.ms": str(interval_min * MINUTE_MS), "timezone": zone})
    it.put(shop_batch(0, 2))
    assert it.put(after_ms=first_min * MINUTE_MS - 1) == []
    assert it.put(after_ms=1) == ["0-1"]
    it.put(shop_batch(2, 3))
    assert it.put(after_ms=second_min * MINUTE_MS - 1) == ["0-1"]
    assert it.put(after_ms=1) == ["0-1", "2-2"]


def version(number: int, *fields: tuple[str, Schema]) -> Schema:
    builder = SchemaBuilder.struct().name("v").version(number).field("id", INT32_SCHEMA)
    for name, schema in fields:
        builder.field(name, schema)
    return builder.build()


OLD = version(1)
NEW = version(2, ("text", OPTIONAL_STRING_SCHEMA))
OTHER = version(1, ("wanted", INT64_SCHEMA))


def records(start: int, schema: Schema) -> Batch:
    row = (start, "t")[: len(schema.fields)] if schema is not OTHER else (start, 7)
    return shop_batch(start, start + 1, values=[row], value_schema=schema)


def lines(root: Path) -> list[list[dict[str, Any]]]:
    files = sorted((root / "lake/topics/shop").rglob("shop+0+*"))
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in files]


@pytest.mark.parametrize(
    ("mode", "schemas", "expected"),
    [
        # an older record is projected to the file's schema, a newer one begins a new file
        ("BACKWARD", [NEW, OLD, NEW], [[{"id": 0, "text": "t"}, {"id": 1, "text": None}, {"id": 2, "text": "t"}]]),
        ("BACKWARD", [OLD, NEW], [[{"id": 0}], [{"id": 1, "text": "t"}]]),
        ("FULL", [NEW, OLD], [[{"id": 0, "text": "t"}, {"id": 1, "text": None}]]),
        ("FULL", [OLD, NEW], [[{"id": 0}], [{"id": 1, "text": "t"}]]),
        # a newer record is projected, an older one begins a new file
        ("FORWARD", [OLD, NEW, OLD], [[{"id": 0}, {"id": 1}, {"id": 2}]]),
        ("FORWARD", [NEW, OLD], [[{"id": 0, "text": "t"}], [{"id": 1}]]),
        # a field that is required and missing cannot be made up
        ("BACKWARD", [version(3, ("wanted", INT64_SCHEMA)), OLD], None),
        ("NONE", [OLD, NEW, OLD], [[{"id": 0}], [{"id": 1, "text": "t"}], [{"id": 2}]]),
    ],
)  # fmt: skip
def test_records_of_another_version_are_projected_or_begin_a_file(
    sink: Any, tmp_path: Path, mode: str, schemas: list[Schema], expected: list[Any] | None
) -> None:
    """Which of both depends on schema.compatibility and on which version is newer."""
    it = sink(**{"schema.compatibility": mode, "rotate.interval.ms": "60000"})
    for number, schema in enumerate(schemas):
        batch = records(number, schema)
        if schema is not OLD and schema is not NEW:
            batch = shop_batch(number, number + 1, values=[(number, 7)], value_schema=schema)
        it.put(batch)
    it.put(after_ms=MINUTE_MS)
    assert lines(tmp_path) == (expected or [[{"id": 0, "wanted": 7}], [{"id": 1}]])


@pytest.mark.parametrize("mode", ["BACKWARD", "FORWARD", "FULL"])
def test_task_fails_with_the_offset_when_a_version_is_missing(sink: Any, mode: str) -> None:
    """Without versions nobody knows which schema is newer."""
    it = sink(**{"schema.compatibility": mode})
    bare = SchemaBuilder.struct().name("v").field("id", INT32_SCHEMA).build()
    it.put(records(0, OLD))
    with pytest.raises((ConnectError, DataError)) as caught:
        it.put(shop_batch(1, 2, values=[(1,)], value_schema=bare))
    assert f"Schema version required for {mode} compatibility: offset 1 of shop-0" in str(
        caught.value
    )
