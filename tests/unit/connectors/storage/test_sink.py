"""The local files sink: what lands in files, under which names, whatever happens on the way."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from pyarrow import parquet

from appliance.api.connector import OffsetChange, OffsetCheck, OffsetPreview
from appliance.connectors.files.connector import FilesSinkConnector, FilesSinkTask
from appliance.connectors.storage.formats import ParquetFormat
from appliance.errors import DataError
from tests.filesink import DAY_MS, PARTITION, SinkContext, opened, shop_batch, shop_row


def settings(root: Path, **more: str) -> dict[str, str]:
    return {
        "store.url": f"file://{root}/lake",
        "flush.size": "10",
        "format.class": "JsonFormat",
        "spool.dir": f"{root}/spool",
        **more,
    }


@pytest.fixture
def sink(tmp_path: Path) -> Any:
    tasks: list[FilesSinkTask] = []

    def start(**more: str) -> tuple[FilesSinkTask, SinkContext]:
        tasks.append(FilesSinkTask())
        return tasks[-1], opened(tasks[-1], settings(tmp_path, **more))

    yield start
    for task in tasks:
        task.close()


def names(root: Path) -> list[str]:
    folder = root / "lake" / "topics" / "shop"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("shop+*"))


def test_preview_says_that_files_decide_the_position(sink: Any, tmp_path: Path) -> None:
    """An offset counts while nothing is written; afterwards the files do, moved away or not, as at a start."""
    place = {"kafka_topic": "shop", "kafka_partition": 0}

    def preview(before: int, after: int) -> OffsetPreview:
        change = OffsetChange(place, {"kafka_offset": before}, {"kafka_offset": after})
        config = settings(tmp_path)
        (found,) = FilesSinkConnector().preview_offsets(config, [change], lambda _prefix: {})
        return found

    assert preview(7, 4) == OffsetPreview((OffsetCheck("no files decide the position", ok=True),))
    task, _ = sink()
    assert preview(7, 4).records is None
    task.put([shop_batch(0, 20)])
    task.close()
    found = preview(20, 4)
    ((_, ok, detail),) = map(dataclasses.astuple, found.checks)
    assert (found.records, ok) == (0, False)
    assert "before offset 20" in detail
    assert "topics.dir" in detail
    assert preview(20, 20).checks[0].ok
    again, context = sink()
    assert context.sought == {PARTITION: 20}
    again.close()
    for path in (tmp_path / "lake" / "topics").rglob("shop+*"):
        path.unlink()
    assert not preview(20, 4).checks[0].ok


def test_files_grow_in_the_tasks_own_folder_when_no_other_is_configured(tmp_path: Path) -> None:
    """Two daemons on a host may have connectors of one name: neither touches what the other writes."""
    own = [tmp_path / "state" / f"group-{number}.sink-0" for number in range(2)]
    tasks = [FilesSinkTask() for _ in own]
    for task, folder in zip(tasks, own, strict=True):
        context = SinkContext(folder)
        task.start(context, settings(tmp_path, **{"spool.dir": "", "flush.size": "10"}))
        task.open([PARTITION])
        task.put([shop_batch(0, 5)])
    assert all(list(folder.iterdir()) for folder in own)
    tasks[0].close()
    assert not own[0].exists()
    assert list(own[1].iterdir())
    tasks[1].close()


def test_nothing_is_begun_when_the_task_is_to_stop(sink: Any, tmp_path: Path) -> None:
    """A rebalance waits for the slowest task: what is not committed is the next owner's."""
    task, context = sink()
    context.stopping = True
    task.put([shop_batch(0, 25)])
    assert names(tmp_path) == []
    assert task.pre_commit({PARTITION: 25}) == {}


def test_files_are_cut_and_named_when_flush_size_is_reached(sink: Any, tmp_path: Path) -> None:
    """Every ten records make a file whose name holds its first and last offset."""
    task, context = sink()
    task.put([shop_batch(0, 25)])
    assert names(tmp_path) == [
        "partition=0/shop+0+0000000000+0000000009.json",
        "partition=0/shop+0+0000000010+0000000019.json",
    ]
    assert task.pre_commit({PARTITION: 25}) == {PARTITION: 20}
    lines = (
        (tmp_path / "lake/topics/shop/partition=0/shop+0+0000000000+0000000009.json")
        .read_text()
        .splitlines()
    )
    assert lines[0] == '{"id":0,"city":null,"day":20000,"price":0.0}'
    assert len(lines) == 10
    assert context.paused == set()


def test_writing_goes_on_after_the_last_file_when_the_task_starts_again(
    sink: Any, tmp_path: Path
) -> None:
    """Files decide where to go on; records in files are not written again."""
    task, _ = sink()
    task.put([shop_batch(0, 25)])
    task.close()
    again, context = sink()
    assert context.sought == {PARTITION: 20}
    again.put([shop_batch(15, 40)])
    ids = [json.loads(line)["id"] for path in names(tmp_path) for line in
           (tmp_path / "lake/topics/shop" / path).read_text().splitlines()]  # fmt: skip
    assert ids == list(range(40))


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "bzip2"])
def test_avro_files_can_be_read_by_others_when_written_with_any_codec(
    sink: Any, tmp_path: Path, codec: str
) -> None:
    """An Avro reader nobody here wrote gives the records back."""
    task, _ = sink(
        **{"format.class": "io.confluent.connect.hdfs3.avro.AvroFormat", "avro.codec": codec}
    )
    task.put([shop_batch(0, 10)])
    (path,) = (tmp_path / "lake").rglob("*.avro")
    with path.open("rb") as file:
        rows: list[Any] = list(fastavro.reader(file))
    assert [(r["id"], r["city"], r["price"]) for r in rows] == [
        (row[0], row[1], row[3]) for row in map(shop_row, range(10))
    ]
    assert rows[0]["day"] == dt.date(1970, 1, 1) + dt.timedelta(days=20_000)


def test_parquet_files_can_be_read_by_others_when_written(sink: Any, tmp_path: Path) -> None:
    """Parquet columns have the values and types of the records."""
    task, _ = sink(**{"format.class": "ParquetFormat"})
    task.put([shop_batch(0, 10)])
    (path,) = (tmp_path / "lake").rglob("*.parquet")
    assert parquet.read_table(path).to_pylist()[1] == {
        "id": 1,
        "city": "ciudad-1",
        "day": dt.date(1970, 1, 1) + dt.timedelta(days=20_001),
        "price": 0.5,
    }


def test_records_are_spread_when_the_partitioner_looks_at_fields(
    sink: Any, tmp_path: Path
) -> None:
    """One rotation with several files commits all of them; each record is in its own folder."""
    task, _ = sink(**{"partitioner.class": "FieldPartitioner", "partition.field.name": "city"})
    task.put([shop_batch(0, 10)])
    assert {name.partition("/")[0] for name in names(tmp_path)} == {
        "city=null", "city=ciudad-0", "city=ciudad-1", "city=ciudad-2",
    }  # fmt: skip
    ids = [json.loads(line)["id"] for name in names(tmp_path) for line in
           (tmp_path / "lake/topics/shop" / name).read_text().splitlines()]  # fmt: skip
    assert sorted(ids) == list(range(10))


def test_folders_follow_the_records_time_when_partitioned_by_time(
    sink: Any, tmp_path: Path
) -> None:
    """path.format and timezone name the folders; YYYY is the calendar year and days begin locally."""
    task, _ = sink(**{
        "partitioner.class": "io.confluent.connect.storage.partitioner.TimeBasedPartitioner",
        "path.format": "'year'=YYYY/'month'=MM/'day'=dd", "partition.duration.ms": "86400000",
        "locale": "en-US", "timezone": "Europe/Madrid", "timestamp.extractor": "Record", "flush.size": "3",
    })  # fmt: skip
    last_hour_of_2024 = 20_088 * DAY_MS + 22 * 3_600_000
    times = [last_hour_of_2024, last_hour_of_2024 + 3_599_999, last_hour_of_2024 + 3_600_000]
    task.put([shop_batch(0, 3, timestamps=times)])
    assert names(tmp_path) == [
        "year=2024/month=12/day=31/shop+0+0000000000+0000000001.json",
        "year=2025/month=01/day=01/shop+0+0000000002+0000000002.json",
    ]


def test_open_file_is_closed_first_when_the_schema_changes(sink: Any, tmp_path: Path) -> None:
    """With NONE, records of another schema begin a new file."""
    task, _ = sink()
    schema = shop_batch(0, 1).value_schema
    assert schema is not None
    task.put([shop_batch(0, 3), shop_batch(3, 5, value_schema=schema.replace(doc="new"))])
    assert names(tmp_path) == ["partition=0/shop+0+0000000000+0000000002.json"]


def test_bad_record_is_reported_and_the_others_are_written_when_a_format_refuses_it(
    sink: Any, tmp_path: Path
) -> None:
    """A record without a value goes to the reporter, not into the way of the rest."""
    task, context = sink()
    task.put([shop_batch(0, 11, values=[None if n == 4 else shop_row(n) for n in range(11)])])
    assert [offset for offset, _ in context.reported] == [4]
    assert names(tmp_path) == ["partition=0/shop+0+0000000000+0000000010.json"]


BY_TIME = {
    "partitioner.class": "TimeBasedPartitioner",
    "path.format": "YYYY/MM",
    "partition.duration.ms": "1000",
    "locale": "en-US",
    "timezone": "UTC",
}


@pytest.mark.parametrize(
    "more",
    [
        {**BY_TIME, "path.format": "YYYY/MMMM/E/a", "locale": "en_GB"},
        {**BY_TIME, "path.format": "'year'=YYYY/'month'=MM", "locale": "de-DE"},
        {
            "topic.capture.groups.regex": "(?<first>s)(h)op",
            "topics.dir": "${1}/${2}",
            "topics": "shop",
        },
        {"timestamp.extractor": "com.example.Ours"},
    ],
)
def test_no_fault_is_found_when_the_options_can_work(tmp_path: Path, more: dict[str, str]) -> None:
    """A locale matters to names alone, an extractor to partitioners by time alone."""
    found = FilesSinkConnector().validate({**settings(tmp_path), **more})
    assert [value.errors for value in found if value.errors] == []


@pytest.mark.parametrize(
    ("more", "option", "text"),
    [
        ({"flush.size": "0"}, "flush.size", "at least 1"),
        ({"format.class": "OrcFormat"}, "format.class", "formats written here"),
        ({"partitioner.class": "DailyPartitioner"}, "timezone", "Timezone cannot be empty."),
        ({"store.url": "ftp://x/y"}, "store.url", "absolute folder"),
        ({"rotate.schedule.interval.ms": "1000"}, "timezone", "midnight"),
        ({**BY_TIME, "path.format": ""}, "path.format", "Path format cannot be empty."),
        ({**BY_TIME, "path.format": "YYYY/jj"}, "path.format", "Illegal pattern component: jj"),
        ({**BY_TIME, "path.format": "YYYY/../MM"}, "path.format", "leaves the folder"),
        (
            {**BY_TIME, "partition.duration.ms": "0"},
            "partition.duration.ms",
            "needs to be a positive",
        ),
        (
            {**BY_TIME, "timestamp.extractor": "Log"},
            "timestamp.extractor",
            "Invalid timestamp extractor",
        ),
        ({**BY_TIME, "locale": "de-DE", "path.format": "YYYY/MMMM"}, "locale", "English"),
        ({**BY_TIME, "locale": "fr_FR", "path.format": "'day'=E"}, "locale", "English"),
        ({"topic.capture.groups.regex": "(sh"}, "topic.capture.groups.regex", "Unclosed group"),
        ({"topics.dir": "lake/${1}"}, "topics.dir", "which is not set"),
        (
            {"topic.capture.groups.regex": "(sh)op", "logs.dir": "logs/${2}"},
            "logs.dir",
            "which has no such group",
        ),
        (
            {"topic.capture.groups.regex": "(sh)", "topics": "sh,shop"},
            "topic.capture.groups.regex",
            "Topic shop does not fully match the specified regex.",
        ),
    ],
)
def test_fault_is_named_at_its_option_when_validated(
    tmp_path: Path, more: dict[str, str], option: str, text: str
) -> None:
    """Validation puts each finding where a form shows it."""
    found = {
        v.name: v.errors for v in FilesSinkConnector().validate({**settings(tmp_path), **more})
    }
    assert any(text in error for error in found[option]), found


def test_validation_says_what_to_do_when_the_folder_cannot_be_written(tmp_path: Path) -> None:
    """The place, the reason and the ways out, before anything is created."""
    (tmp_path / "file").touch()
    url = f"file://{tmp_path}/file"
    (text,) = FilesSinkConnector().check_store({"store.url": url}).values()
    assert text.startswith(f"writing to the folder {url}: Not a directory; name another one, or ")
    assert "`ingest-appliance doctor CONNECTOR`" in text


def test_way_out_is_told_when_parquet_cannot_hold_a_value(tmp_path: Path) -> None:
    """A format that needs Structs names what gives them and what does without."""
    with pytest.raises(
        DataError, match=r"values have to be Structs .*; use a value\.converter .*JsonFormat"
    ):
        ParquetFormat({}).encoder("t", None)
