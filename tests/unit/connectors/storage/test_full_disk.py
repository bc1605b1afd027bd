"""The files sink when a disk is full: it waits and says so, and each record is in one file afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from pyarrow import parquet

from appliance.api import Batch
from appliance.clock import ManualClock
from appliance.connectors.files.connector import FilesSinkTask
from appliance.connectors.files.store import LocalStore
from appliance.connectors.storage.store import StoreError
from appliance.data.schema import STRING_SCHEMA
from tests.filesink import PARTITION, SinkContext, opened, shop_batch
from tests.fulldisk import largest_file, refused

BACKOFF_MS = 5000


class Sink:
    """A task with a clock of ours, and Kafka in its simplest form: what was sought is read again."""

    def __init__(self, root: Path, batches: Callable[[int, int], Batch], **more: str) -> None:
        self.root = root
        self.clock = ManualClock(1_750_000_000_000)
        self.task = FilesSinkTask()
        self.task.clock = self.clock
        self._batches = batches
        self.context: SinkContext = opened(
            self.task,
            {
                "store.url": f"file://{root}/lake",
                "spool.dir": f"{root}/spool",
                "flush.size": "1000",
                **more,
            },
        )
        self.position = 0

    def read(self, end: int) -> None:
        """Give the task records up to offset `end`, unless it has paused the partition."""
        if self.context.paused:
            self.task.put([])
        self.position = self.context.sought.pop(PARTITION, self.position)
        while not self.context.paused and self.position < end:
            stop = min(end, self.position + 250)
            batch = self._batches(self.position, stop)
            self.position = stop
            self.task.put([batch])
            self.position = self.context.sought.pop(PARTITION, self.position)

    def files(self) -> list[Path]:
        """Give the committed files."""
        return sorted((self.root / "lake/topics/shop").rglob("shop+*"))

    def leftovers(self) -> list[Path]:
        """Give what lies where files are staged and in the spool."""
        folders = (self.root / "lake/topics/+tmp", self.root / "spool")
        return [p for f in folders for p in f.rglob("*") if p.is_file() and p.stat().st_size]


def texts(start: int, end: int) -> Batch:
    values = [f"{number:0100d}" for number in range(start, end)]
    return shop_batch(start, end, values=values, value_schema=STRING_SCHEMA)


def records(path: Path) -> list[int]:
    """Give the ids of a file's records, read by libraries of others."""
    if path.suffix == ".avro":
        with path.open("rb") as file:
            return [row["id"] for row in list[Any](fastavro.reader(file))]
    if path.suffix == ".parquet":
        return list(parquet.read_table(path)["id"].to_pylist())
    lines = path.read_text().splitlines()
    return [json.loads(line)["id"] if path.suffix == ".json" else int(line) for line in lines]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[..., Sink]]:
    made: list[Sink] = []

    def start(batches: Callable[[int, int], Batch] = shop_batch, **more: str) -> Sink:
        made.append(Sink(tmp_path, batches, **more))
        return made[-1]

    yield start
    for each in made:
        each.task.close()


@pytest.mark.parametrize("limit", [0, 2000, 30_000])
@pytest.mark.parametrize("partitioner", ["Default", "Field"])
@pytest.mark.parametrize("form", ["Json", "Avro", "Parquet", "String"])
def test_every_record_is_in_one_file_when_the_spool_was_full_for_a_while(
    sink: Any, form: str, partitioner: str, limit: int
) -> None:
    """Whether a write or the end of a file fails, nothing cut short is committed and nothing is lost."""
    if form == "String" and partitioner == "Field":
        partitioner = "Default"
    it = sink(
        texts if form == "String" else shop_batch,
        **{"format.class": f"{form}Format", "partitioner.class": f"{partitioner}Partitioner",
           "partition.field.name": "city", "parquet.codec": "uncompressed", "flush.size": "6000"},
    )  # fmt: skip
    it.read(6000)
    first = it.files()
    with largest_file(limit):
        for _ in range(3):
            it.read(12_000)
            it.clock.advance(BACKOFF_MS)
        assert it.context.paused == {PARTITION}
        assert "spool.dir" in str(it.context.trouble)
        assert f"{it.root}/spool" in str(it.context.trouble)
        assert it.files() == first
        assert it.task.pre_commit({PARTITION: 6000}) == {PARTITION: 6000}
    it.read(12_000)
    assert it.context.trouble is None
    found = [number for path in it.files() for number in records(path)]
    assert sorted(found) == list(range(12_000))
    assert it.leftovers() == []
    assert it.task.pre_commit({PARTITION: 12_000}) == {PARTITION: 12_000}


def test_reading_begins_at_the_first_record_when_nothing_is_committed_yet(sink: Any) -> None:
    """A partition of which nothing was ever written is read again from where the task began."""
    it = sink(**{"format.class": "JsonFormat", "flush.size": "100"})
    it.position = 40
    with largest_file(10):
        it.read(140)
        assert it.task.pre_commit({PARTITION: 140}) == {}
    it.clock.advance(BACKOFF_MS)
    it.read(140)
    assert [records(path) for path in it.files()] == [list(range(40, 140))]


def test_nothing_is_read_again_when_the_disk_is_still_full(sink: Any) -> None:
    """The task asks for room before it reads: a full disk does not make it read in circles."""
    it = sink(**{"format.class": "JsonFormat"})
    with largest_file(1000):
        it.read(1000)
        it.clock.advance(BACKOFF_MS)
        it.task.put([])
        assert it.context.sought == {}
        assert it.context.paused == {PARTITION}


def test_task_waits_when_the_disk_is_full_at_its_start(
    sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that runs does: no person has to start it again."""
    with refused(monkeypatch, "mkdir"):
        it = sink(**{"format.class": "JsonFormat", "flush.size": "100"})
        it.read(100)
        assert it.context.paused == {PARTITION}
        assert "No space left on device; " in str(it.context.trouble)
    it.clock.advance(BACKOFF_MS)
    it.read(100)
    assert it.context.trouble is None
    assert [records(path) for path in it.files()] == [list(range(100))]


def test_nothing_is_lost_when_the_spool_folder_is_taken_away(sink: Any) -> None:
    """A cleaner of old files costs a second reading, neither a record nor the task."""
    it = sink(**{"format.class": "JsonFormat", "flush.size": "500"})
    it.read(250)
    for path in (it.root / "spool").rglob("*.json"):
        path.unlink()
    (folder,) = (it.root / "spool").iterdir()
    folder.rmdir()
    it.read(500)
    assert it.context.paused == {PARTITION}
    it.clock.advance(BACKOFF_MS)
    it.read(500)
    assert [number for path in it.files() for number in records(path)] == list(range(500))


def test_nothing_is_lost_or_doubled_when_a_spooled_file_goes_while_the_store_is_away(
    sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several files some have their names already: the rest is found out by taking over again."""
    it = sink(**{"format.class": "JsonFormat", "flush.size": "100",
                 "partitioner.class": "FieldPartitioner", "partition.field.name": "city"})  # fmt: skip
    upload = LocalStore.upload
    calls = iter(range(100))

    def away(store: LocalStore, local: Path, path: str) -> int:
        if next(calls) == 2:
            raise StoreError("the store is away")
        return upload(store, local, path)

    monkeypatch.setattr(LocalStore, "upload", away)
    it.read(100)
    assert it.context.trouble == "the store is away"
    for path in (it.root / "spool").rglob("*.json"):
        path.unlink()
    for _ in range(2):
        it.clock.advance(BACKOFF_MS)
        it.read(100)
    assert it.context.trouble is None
    found = [number for path in it.files() for number in records(path)]
    assert sorted(found) == list(range(100))


def test_no_part_of_a_file_stays_when_the_store_is_full(
    sink: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that failed is removed at once: it would keep the space that the next one needs."""
    it = sink(**{"format.class": "JsonFormat"})
    upload = LocalStore.upload

    def full(store: LocalStore, local: Path, path: str) -> int:
        with largest_file(5000):
            return upload(store, local, path)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "upload", full)
        for _ in range(3):
            it.read(1000)
            it.clock.advance(BACKOFF_MS)
        assert "File too large" in str(it.context.trouble)
        assert [p for p in (tmp_path / "lake").rglob("*_tmp*") if p.is_file()] == []
    it.read(1000)
    assert [number for path in it.files() for number in records(path)] == list(range(1000))
