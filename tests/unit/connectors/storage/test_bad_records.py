"""Records that a file sink cannot write: reported one by one, never in the way of the others."""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from appliance.api import Batch
from appliance.connectors.files.connector import FilesSinkTask
from appliance.data import SchemaBuilder
from appliance.data.logical import DECIMAL_NAME
from appliance.data.schema import INT64_SCHEMA, STRING_SCHEMA, Schema, Type
from appliance.errors import ConnectError
from tests.filesink import SHOP, SinkContext, opened, shop_batch, shop_row

BAD = ("no number", "x", 0, 0.0)
AMOUNT = Schema(
    Type.BYTES,
    name=DECIMAL_NAME,
    parameters={"scale": "2", "connect.decimal.precision": "4"},
)
PAID = SchemaBuilder.struct().field("id", INT64_SCHEMA).field("amount", AMOUNT).build()
EVENT = SchemaBuilder.struct().field("id", INT64_SCHEMA).field("at", STRING_SCHEMA).build()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[..., tuple[FilesSinkTask, SinkContext]]]:
    tasks: list[FilesSinkTask] = []

    def start(**more: str) -> tuple[FilesSinkTask, SinkContext]:
        tasks.append(FilesSinkTask())
        config = {
            "store.url": f"file://{tmp_path}/lake",
            "flush.size": "4",
            "spool.dir": f"{tmp_path}/spool",
            "format.class": "JsonFormat",
            **more,
        }
        return tasks[-1], opened(tasks[-1], config)

    yield start
    for task in tasks:
        task.close()


def with_bad(count: int, *bad: int) -> Batch:
    values = [BAD if number in bad else shop_row(number) for number in range(count)]
    return shop_batch(0, count, values=values)


def ids(root: Path) -> list[int]:
    found: list[int] = []
    for path in sorted((root / "lake/topics/shop").rglob("shop+*")):
        if path.suffix == ".parquet":
            found += parquet.read_table(path)["id"].to_pylist()
        else:
            found += [json.loads(line)["id"] for line in path.read_text().splitlines()]
    return found


@pytest.mark.parametrize("form", ["Json", "Avro", "Parquet"])
@pytest.mark.parametrize(("count", "bad"), [(1, (0,)), (2, (0, 1)), (9, (2, 5))])
def test_bad_records_are_reported_at_once_whatever_their_number(
    sink: Any, tmp_path: Path, form: str, count: int, bad: tuple[int, ...]
) -> None:
    """Alone in its batch or among others: each one is reported before `put` returns."""
    task, context = sink(**{"format.class": f"{form}Format"})
    task.put([with_bad(count, *bad)])
    assert [offset for offset, _ in context.reported] == list(bad)
    assert context.paused == set()
    more = [number for number in range(count, count + 4) if number not in bad]
    task.put([shop_batch(count, count + 4)])
    if form != "Avro":
        good = [number for number in range(count) if number not in bad] + more
        assert ids(tmp_path) == good[: len(good) // 4 * 4]


@pytest.mark.parametrize("form", ["Json", "Parquet"])
def test_good_records_are_written_once_when_a_bad_one_is_in_another_folder(
    sink: Any, tmp_path: Path, form: str
) -> None:
    """What was encoded for one folder is not written twice because another folder's record is bad."""
    task, context = sink(**{
        "format.class": f"{form}Format", "partitioner.class": "FieldPartitioner",
        "partition.field.name": "city", "flush.size": "8",
    })  # fmt: skip
    task.put([with_bad(9, 8)])
    assert [offset for offset, _ in context.reported] == [8]
    assert sorted(ids(tmp_path)) == list(range(8))


@pytest.mark.parametrize(
    ("schema", "bad"),
    [(PAID, (1, decimal.Decimal("123456.78"))), (PAID, (1, None)), (EVENT, (1, None))],
)
def test_value_that_parquet_has_no_room_for_is_reported_at_once(
    sink: Any, tmp_path: Path, schema: Schema, bad: tuple[Any, ...]
) -> None:
    """Not at the file's end, when nobody knows any more which record it was."""
    task, context = sink(**{"format.class": "ParquetFormat"})
    good = [(number, decimal.Decimal("1.25") if schema is PAID else "noon") for number in range(4)]
    task.put([shop_batch(0, 5, values=[good[0], bad, *good[1:]], value_schema=schema)])
    assert [offset for offset, _ in context.reported] == [1]
    assert ids(tmp_path) == [0, 1, 2, 3]


@pytest.mark.parametrize("values", [["later"], ["2025-01-01", "later", "2025-01-01T01:00Z"]])
def test_record_without_a_readable_time_is_reported_and_the_others_are_written(
    sink: Any, tmp_path: Path, values: list[str]
) -> None:
    """With RecordField a field that holds no time concerns its own record alone."""
    task, context = sink(**{
        "partitioner.class": "DailyPartitioner", "locale": "en-US", "timezone": "UTC",
        "timestamp.extractor": "RecordField", "timestamp.field": "at", "flush.size": "2",
    })  # fmt: skip
    rows = list(enumerate(values))
    task.put([shop_batch(0, len(rows), values=rows, value_schema=EVENT)])
    assert context.reported == [
        (values.index("later"), "Error extracting timestamp: 'later' is no ISO-8601 time")
    ]
    assert ids(tmp_path) == ([0, 2] if len(values) > 1 else [])


def test_every_record_is_reported_when_none_has_the_field_of_the_time(sink: Any) -> None:
    """The schema lacks the field: each record is told of."""
    task, context = sink(**{
        "partitioner.class": "DailyPartitioner", "locale": "en-US", "timezone": "UTC",
        "timestamp.extractor": "RecordField", "timestamp.field": "nowhere",
    })  # fmt: skip
    task.put([shop_batch(0, 3)])
    assert [offset for offset, _ in context.reported] == [0, 1, 2]
    assert "no field nowhere" in context.reported[0][1]


@pytest.mark.parametrize("more", [{}, {"format.class": "ParquetFormat"}])
def test_task_fails_with_the_place_of_the_record_when_nobody_takes_it(
    sink: Any, more: dict[str, str]
) -> None:
    """Neither dead letter queue nor error log: the text says which record it was."""
    task, context = sink(**more)
    context.errant_record_reporter = None
    with pytest.raises(ConnectError) as caught:
        task.put([with_bad(3, 2)])
    assert "offset 2 of topic shop, partition 0" in str(caught.value)


def test_bad_record_is_reported_once_when_the_store_fails_behind_it(
    sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second try for the store is no second report."""
    task, context = sink(**{"retry.backoff.ms": "0", "flush.size": "2"})
    values = [shop_row(0), None, shop_row(2), shop_row(3)]
    with monkeypatch.context() as patch:
        patch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        task.put([shop_batch(0, 4, values=values, value_schema=SHOP)])
        assert context.paused
    task.put([])
    assert not context.paused
    assert [offset for offset, _ in context.reported] == [1]
