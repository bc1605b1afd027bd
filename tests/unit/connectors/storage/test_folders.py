"""Which folder a record goes to: partitioners by time, extractors, topic capture groups; and text files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.connectors.files.connector import FilesSinkTask
from appliance.connectors.storage.partitioner import compile_joda, zone_of
from appliance.data import SchemaBuilder
from appliance.data.logical import TIMESTAMP_NAME
from appliance.data.schema import INT32_SCHEMA, INT64_SCHEMA, STRING_SCHEMA, Schema, Type
from appliance.ids import TopicPartition
from tests.filesink import PARTITION, SinkContext, shop_batch

LATE_MS = int(dt.datetime(2024, 12, 31, 22, 59, 59, 123_000, tzinfo=dt.UTC).timestamp() * 1000)
BY_TIME = {"locale": "en-US", "timezone": "Europe/Madrid", "timestamp.extractor": "Record"}


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[..., FilesSinkTask]]:
    tasks: list[FilesSinkTask] = []

    def start(partition: TopicPartition = PARTITION, **more: str) -> FilesSinkTask:
        tasks.append(FilesSinkTask())
        config = {
            "store.url": f"file://{tmp_path}/lake",
            "spool.dir": f"{tmp_path}/spool",
            "format.class": "JsonFormat",
            "flush.size": "3",
            **more,
        }
        tasks[-1].start(SinkContext(), config)
        tasks[-1].open([partition])
        return tasks[-1]

    yield start
    for task in tasks:
        task.close()


def files(root: Path, folder: str = "topics/shop") -> list[str]:
    found = (root / "lake" / folder).rglob("*+0+*")
    return sorted(str(path.relative_to(root / "lake" / folder)) for path in found)


@pytest.mark.parametrize(
    ("name", "hour"),
    [("Hourly", ("/hour=23", "/hour=00")), ("Daily", ("", ""))],
)
def test_hours_and_days_begin_by_the_zone_when_partitioned_by_them(
    sink: Any, tmp_path: Path, name: str, hour: tuple[str, str]
) -> None:
    """The folders are those of the original; a path.format is not looked at."""
    task = sink(
        **BY_TIME, **{"partitioner.class": f"{name}Partitioner", "path.format": "'ignored'"}
    )
    task.put([shop_batch(0, 3, timestamps=[LATE_MS, LATE_MS + 876, LATE_MS + 877])])
    assert files(tmp_path) == [
        f"year=2024/month=12/day=31{hour[0]}/shop+0+0000000000+0000000001.json",
        f"year=2025/month=01/day=01{hour[1]}/shop+0+0000000002+0000000002.json",
    ]


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("1000", ["000", "000", "000"]),
        ("100", ["100", "900", "000"]),
        ("1", ["123", "999", "000"]),
        ("90000", ["58-30.000", "58-30.000", "00-00.000"]),
    ],
)
def test_folders_are_as_short_as_the_duration_when_it_is_below_a_minute(
    sink: Any, tmp_path: Path, duration: str, expected: list[str]
) -> None:
    """Two records of one minute are in two folders when the duration says so."""
    form = "mm'-'ss'.'SSS" if duration == "90000" else "ss'.'SSS"
    zone = {"timezone": "UTC"}
    task = sink(
        **BY_TIME | zone,
        **{"partitioner.class": "TimeBasedPartitioner", "path.format": form,
           "partition.duration.ms": duration, "flush.size": "1"},
    )  # fmt: skip
    task.put([shop_batch(0, 3, timestamps=[LATE_MS, LATE_MS + 876, LATE_MS + 877])])
    found = sorted(files(tmp_path), key=lambda path: path.split("+")[2])
    assert [path.partition("/")[0][-len(expected[0]) :] for path in found] == expected


EVENT = SchemaBuilder.struct().field("id", INT32_SCHEMA)
STAMP = Schema(Type.INT64, name=TIMESTAMP_NAME, version=1)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (INT64_SCHEMA, LATE_MS),
        (STAMP, LATE_MS),
        (STRING_SCHEMA, str(LATE_MS)),
        (STRING_SCHEMA, "2024-12-31T22:59:59.123Z"),
        (STRING_SCHEMA, "2024-12-31T23:59:59+01:00"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_folder_follows_the_field_when_the_time_is_in_the_record(
    sink: Any, tmp_path: Path, schema: Schema, value: object, nested: bool
) -> None:
    """Numbers are milliseconds, texts are such numbers or ISO-8601; a path goes into structs."""
    at: Any = value
    if nested:
        schema, at = SchemaBuilder.struct().field("when", schema).build(), (value,)
    event = SchemaBuilder.struct().field("id", INT32_SCHEMA).field("at", schema).build()
    task = sink(**BY_TIME | {
        "partitioner.class": "DailyPartitioner", "timestamp.extractor": "RecordField",
        "timestamp.field": "at.when" if nested else "at", "flush.size": "1",
    })  # fmt: skip
    task.put([shop_batch(0, 1, values=[(1, at)], value_schema=event, timestamps=[0])])
    assert files(tmp_path) == ["year=2024/month=12/day=31/shop+0+0000000000+0000000000.json"]


def test_folders_are_named_by_the_topic_when_its_groups_are_captured(
    sink: Any, tmp_path: Path
) -> None:
    """Groups of the regex stand in the folders of data and of the commit records."""
    task = sink(TopicPartition("eu.shop", 0), **{
        "topic.capture.groups.regex": r"(?<region>[a-z]+)\.(.*)",
        "topics.dir": "data/${1}/x-${2}", "logs.dir": "notes/${0}", "flush.size": "1",
    })  # fmt: skip
    task.put([shop_batch(0, 1, topic="eu.shop")])
    assert files(tmp_path, "data/eu/x-shop/eu.shop") == [
        "partition=0/eu.shop+0+0000000000+0000000000.json"
    ]
    assert (tmp_path / "lake/notes/eu.shop/eu.shop/0/epoch-1").is_file()


def test_text_files_hold_the_texts_one_a_line(sink: Any, tmp_path: Path) -> None:
    """StringFormat writes UTF-8, with schema or without."""
    for schema, start in ((STRING_SCHEMA, 0), (None, 2)):
        task = sink(**{"format.class": "StringFormat", "flush.size": "2"})
        texts = ["mañana", "€ 1"]
        task.put([shop_batch(start, start + 2, values=texts, value_schema=schema)])
    folder = tmp_path / "lake/topics/shop"
    assert files(tmp_path) == [
        "partition=0/shop+0+0000000000+0000000001.txt",
        "partition=0/shop+0+0000000002+0000000003.txt",
    ]
    for path in files(tmp_path):
        assert (folder / path).read_bytes() == "mañana\n€ 1\n".encode()


@pytest.mark.parametrize("schema", [INT32_SCHEMA, None])
def test_value_that_is_no_text_is_reported_when_files_hold_texts(
    sink: Any, schema: Schema | None
) -> None:
    """StringFormat takes nothing but texts."""
    task = sink(**{"format.class": "StringFormat"})
    task.put([shop_batch(0, 1, values=[7], value_schema=schema)])
    ((offset, text),) = task._context.reported
    assert (offset, "StringFormat" in text) == (0, True)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("'year'=YYYY/'month'=MM/'day'=dd/", "year=2024/month=12/day=31"),
        ("yy-xxxx-ww-e-D", "24-2025-01-2-366"),
        ("MMM MMMM E EEEE a G C", "Dec December Tue Tuesday PM AD 20"),
        ("H k K h m s S SSS", "23 23 11 11 59 59 1 123"),
        ("z Z ZZ ZZZ", "CET +0100 +01:00 Europe/Madrid"),
        ("'it''s' ''h'' 'open YYYY", "it's '11' open YYYY"),
    ],
)
def test_moments_are_written_by_jodas_letters(pattern: str, expected: str) -> None:
    """YYYY is the calendar year, xxxx the ISO week's; a quote without an end reaches to the end."""
    moment = dt.datetime.fromtimestamp(LATE_MS / 1000, zone_of("Europe/Madrid"))
    assert compile_joda(pattern)(moment.replace(microsecond=123_000)) == expected
