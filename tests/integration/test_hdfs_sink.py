"""The HDFS sink on a real NameNode and DataNode: exactly once, whatever the store does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hdfs import InsecureClient
from pyarrow import parquet

from appliance.connectors.hdfs.connector import HdfsSinkConnector, HdfsSinkTask
from appliance.connectors.hdfs.store import HdfsStore
from appliance.connectors.storage.commit import Committer, FinishedFile
from appliance.connectors.storage.store import (
    FencedError,
    SourceMissingError,
    StoreError,
    TargetExistsError,
)
from appliance.ids import TopicPartition
from deploy.parts import Hdfs
from tests.filesink import PARTITION, SinkContext, opened, shop_batch
from tests.servers import HdfsAddress
from tests.waiting import wait_until


@pytest.fixture
def store(hdfs: HdfsAddress) -> Iterator[HdfsStore]:
    store = HdfsStore((hdfs.url,), hdfs.user)
    yield store
    store.close()


@pytest.fixture
def client(hdfs: HdfsAddress) -> Any:
    return InsecureClient(hdfs.url, user=hdfs.user)


@pytest.fixture
def sink(hdfs: HdfsAddress, unique_name: str, tmp_path: Path, monkeypatch: Any) -> Any:
    monkeypatch.setenv("HADOOP_USER_NAME", hdfs.user)
    root = f"/{unique_name}"
    tasks: list[HdfsSinkTask] = []

    def start(**more: str) -> tuple[HdfsSinkTask, SinkContext, str]:
        tasks.append(HdfsSinkTask())
        config = {
            "hdfs.url": f"{hdfs.fs}{root}",
            "hadoop.conf.dir": hdfs.conf,
            "flush.size": "10",
            "spool.dir": str(tmp_path / "spool"),
            **more,
        }
        return tasks[-1], opened(tasks[-1], config), root

    yield start
    for task in tasks:
        task.close()


def committed(client: Any, root: str) -> dict[str, bytes]:
    """Give the committed files below the topic's folder by name."""
    found = {}
    for folder, _, names in client.walk(f"{root}/topics/shop"):
        for name in names:
            with client.read(f"{folder}/{name}") as reader:
                found[name] = reader.read()
    return found


def test_each_answer_is_told_apart_when_renaming(store: HdfsStore, unique_name: str) -> None:
    """Rename never overwrites, and says whether source or target was the trouble."""
    root = f"/{unique_name}"
    assert store.create(f"{root}/a", b"1")
    assert not store.create(f"{root}/a", b"2")
    assert store.create(f"{root}/b", b"22")
    with pytest.raises(TargetExistsError):
        store.rename(f"{root}/a", f"{root}/b")
    with pytest.raises(SourceMissingError):
        store.rename(f"{root}/c", f"{root}/d")
    store.rename(f"{root}/a", f"{root}/c")
    assert {(e.name, e.length) for e in store.list(root)} == {("b", 2), ("c", 1)}
    assert store.read(f"{root}/b") == b"22"
    store.delete(root)
    assert store.list(root) == []
    store.delete(root)


def test_every_record_is_on_hdfs_once_when_tasks_come_and_go(sink: Any, client: Any) -> None:
    """Avro files on HDFS hold each record once, though every task but the last was abandoned midway."""
    for stop in (25, 37, 60):
        task, context, root = sink(
            **{"format.class": "io.confluent.connect.hdfs3.avro.AvroFormat"}
        )
        task.put([shop_batch(context.sought.get(PARTITION, 0), stop)])
    ids = []
    for name, data in sorted(committed(client, root).items()):
        rows: list[Any] = list(fastavro.reader(io.BytesIO(data)))
        start, end = (int(part) for part in name.removesuffix(".avro").split("+")[2:])
        assert [row["id"] for row in rows] == list(range(start, end + 1))
        ids += [row["id"] for row in rows]
    assert ids == list(range(60))


def test_parquet_on_hdfs_holds_every_record_when_a_partition_has_several_files(
    sink: Any, client: Any
) -> None:
    """Files uploaded in pieces are whole, and a reader nobody here wrote takes them."""
    task, _, root = sink(**{
        "format.class": "io.confluent.connect.hdfs3.parquet.ParquetFormat",
        "partitioner.class": "FieldPartitioner", "partition.field.name": "city", "flush.size": "6000",
    })  # fmt: skip
    task.put([shop_batch(start, start + 500) for start in range(0, 6000, 500)])
    files = committed(client, root)
    assert len(files) == 4
    tables = [parquet.read_table(io.BytesIO(data)) for data in files.values()]
    rows = sorted((row["id"], row["price"]) for table in tables for row in table.to_pylist())
    assert rows == [(number, number / 2) for number in range(6000)]


def test_former_owner_is_fenced_when_a_new_one_took_over(
    store: HdfsStore, client: Any, unique_name: str, tmp_path: Path
) -> None:
    """A task that still writes after its partition moved on cannot make a file visible."""
    root = f"/{unique_name}"

    def owner() -> Committer:
        return Committer(store, TopicPartition("shop", 0), f"{root}/topics", f"{root}/logs")

    def file(start: int, end: int) -> FinishedFile:
        local = tmp_path / f"{start}.json"
        local.write_text("x\n" * (end - start + 1))
        target = f"{root}/topics/shop/p/shop+0+{start}+{end}.json"
        return FinishedFile(local, target, start, end, local.stat().st_size)

    zombie = owner()
    assert zombie.recover() is None
    zombie.commit([file(0, 1)])
    heir = owner()
    assert heir.recover() == 2
    with pytest.raises(FencedError):
        zombie.commit([file(2, 3)])
    heir.commit([file(2, 4)])
    assert sorted(committed(client, root)) == ["shop+0+0+1.json", "shop+0+2+4.json"]


def test_position_follows_the_intents_when_a_rotation_had_several_files(
    sink: Any, client: Any
) -> None:
    """A field partitioner's files of one rotation are committed together."""
    options = {
        "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
        "partitioner.class": "io.confluent.connect.storage.partitioner.FieldPartitioner",
        "partition.field.name": "city",
    }
    task, context, root = sink(**options)
    task.put([shop_batch(0, 20)])
    _, context, root = sink(**options)
    assert context.sought == {PARTITION: 20}
    ids = [
        json.loads(line)["id"]
        for data in committed(client, root).values()
        for line in data.splitlines()
    ]
    assert sorted(ids) == list(range(20))


def test_finding_is_at_the_url_when_no_namenode_answers() -> None:
    """Validation says where it looked and what to check."""
    config = {"store.url": "http://127.0.0.1:1", "flush.size": "1"}
    found = {value.name: value.errors for value in HdfsSinkConnector().validate(config)}
    assert "http://127.0.0.1:1 did not answer" in found["store.url"][0]


def test_nothing_is_lost_or_doubled_when_the_namenode_is_killed(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """The partition is paused while HDFS is away; its records are written once when it is back."""
    with Hdfs(tmp_path / "hdfs") as server:
        monkeypatch.setenv("HADOOP_USER_NAME", "hdfs")
        config = {
            "hdfs.url": server.fs,
            "hadoop.conf.dir": str(server.conf),
            "flush.size": "10",
            "retry.backoff.ms": "100",
            "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
            "spool.dir": str(tmp_path / "spool"),
        }
        task = HdfsSinkTask()
        context = opened(task, config)
        task.put([shop_batch(0, 10)])
        server.namenode.kill()
        task.put([shop_batch(10, 25)])
        assert context.paused == {PARTITION}
        server.namenode.restart()

        def resumed() -> bool:
            task.put([])
            return not context.paused

        wait_until(resumed, "the partition to be written again", 60)
        assert task.pre_commit({PARTITION: 25}) == {PARTITION: 20}
        files = committed(InsecureClient(server.url, user="hdfs"), "")
        ids = [
            json.loads(line)["id"]
            for _, data in sorted(files.items())
            for line in data.splitlines()
        ]
        assert ids == list(range(20))
        task.close()


def test_error_says_what_to_do_when_no_datanode_is_left(tmp_path: Path) -> None:
    """The error names the file and how to mend it."""
    with Hdfs(tmp_path / "hdfs") as server:
        server.datanode.kill()
        store = HdfsStore((server.url,), "hdfs")
        with pytest.raises(StoreError) as caught:
            store.create("/x/y", b"data")
        assert "writing /x/y" in str(caught.value)
        assert "DataNode" in str(caught.value)
        store.close()
