"""The files sink in a task process on a real broker: a full disk, and records that cannot be written."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from pyarrow import parquet

from appliance.ids import ConnectorTaskId, State, TargetState
from tests.integration.harness import JSON, STRING, Rig, consume, produce
from tests.waiting import wait_until

SCHEMA = {"type": "struct", "fields": [
    {"field": "id", "type": "int64"}, {"field": "text", "type": "string"},
]}  # fmt: skip


@pytest.fixture
def rig(broker, tmp_path) -> Iterator[Rig]:
    made = Rig(broker.bootstrap, tmp_path)
    yield made
    made.close()


def sink(name: str, root: Path, topic: str, **more: str) -> dict[str, str]:
    return {
        "name": name,
        "connector.class": "FilesSink",
        "topics": topic,
        "store.url": f"file://{root}/lake",
        "spool.dir": f"{root}/spool",
        "flush.size": "1000",
        "retry.backoff.ms": "300",
        "consumer.override.auto.offset.reset": "earliest",
        **more,
    }


def ids(root: Path) -> list[int]:
    """Give the ids of all committed records, in the order of the files' names."""
    found: list[Any] = []
    for path in sorted((root / "lake/topics").rglob("*+0+*")):
        if path.suffix == ".parquet":
            found += parquet.read_table(path)["id"].to_pylist()
        elif path.suffix == ".avro":
            with path.open("rb") as file:
                found += [row["id"] for row in list[Any](fastavro.reader(file))]
        elif path.suffix == ".json":
            found += [json.loads(line)["id"] for line in path.read_text().splitlines()]
        else:
            found += [int(line.split()[0]) for line in path.read_text().splitlines()]
    return found


def record(form: str, number: int) -> bytes:
    text = "x" * 100
    if form == "String":
        return f"{number} {text}".encode()
    return json.dumps({"schema": SCHEMA, "payload": {"id": number, "text": text}}).encode()


@pytest.mark.parametrize("form", ["Json", "Avro", "Parquet", "String"])
def test_every_record_is_in_one_file_when_the_spool_is_full_for_a_while(
    rig, unique_name, tmp_path, form
):
    """The task runs on, says which folder lacks room, and reads again what the cut file held."""
    more = {
        "format.class": f"{form}Format",
        "parquet.codec": "uncompressed",
        "value.converter": STRING if form == "String" else JSON,
    }
    produce(rig.bootstrap, unique_name, [record(form, number) for number in range(1500)])
    (task,) = rig.start(sink(f"{unique_name}-out", tmp_path, unique_name, **more))
    wait_until(lambda: len(ids(tmp_path)) == 1000, "the first file")
    pid = rig.pid(task)
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    # a disk without room for more: every write beyond fails
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4000, limits[1]))
    produce(rig.bootstrap, unique_name, [record(form, number) for number in range(1500, 5000)])

    def trouble() -> str:
        return str(rig.worker.metrics()[task].get("trouble") or "")

    wait_until(lambda: f"{tmp_path}/spool" in trouble(), "the task tells what it waits for")
    assert "spool.dir" in trouble()
    assert ids(tmp_path) == list(range(1000))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    wait_until(lambda: len(ids(tmp_path)) >= 5000, "the rest in files")
    assert ids(tmp_path) == list(range(5000))
    assert rig.listener.states[task] == [State.RUNNING]
    wait_until(lambda: not trouble(), "the trouble is over")


TIMED = {
    "format.class": "JsonFormat",
    "key.converter": STRING,
    "value.converter": JSON,
    "value.converter.schemas.enable": "false",
    "partitioner.class": "DailyPartitioner",
    "locale": "en",
    "timezone": "UTC",
    "timestamp.extractor": "RecordField",
    "timestamp.field": "at",
}


def test_lone_bad_record_is_a_dead_letter_when_errors_are_tolerated(rig, unique_name, tmp_path):
    """With its bytes, its headers and where it came from; the records behind it are written."""
    queue = f"{unique_name}-dlq"
    more = {
        **TIMED,
        "flush.size": "2",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": queue,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    }
    bad = b'{"id":0,"at":"later"}'
    produce(rig.bootstrap, unique_name, [bad], key=b"k", headers=[("h", b"1")])
    rig.start(sink(f"{unique_name}-out", tmp_path, unique_name, **more))
    (dead,) = consume(rig.bootstrap, queue, 1)
    assert (dead.key(), dead.value()) == (b"k", bad)
    headers = dict(dead.headers())
    assert headers["h"] == b"1"
    prefix = "__connect.errors."
    assert headers[prefix + "topic"] == unique_name.encode()
    assert (headers[prefix + "partition"], headers[prefix + "offset"]) == (b"0", b"0")
    assert headers[prefix + "stage"] == b"TASK_PUT"
    assert b"'later' is no ISO-8601 time" in headers[prefix + "exception.message"]
    produce(rig.bootstrap, unique_name, [b'{"id":%d,"at":"2025-06-01"}' % n for n in (1, 2)])
    wait_until(lambda: ids(tmp_path) == [1, 2], "the good records")


@pytest.mark.parametrize("more", [{}, {"errors.log.enable": "true"}])
def test_task_fails_with_the_place_of_the_record_when_errors_are_not_tolerated(
    rig, unique_name, tmp_path, more
):
    """Topic, partition and offset stand in the trace."""
    produce(rig.bootstrap, unique_name, [b'{"id":0,"at":"2025-06-01"}', b'{"id":1,"at":"later"}'])
    config = sink(f"{unique_name}-out", tmp_path, unique_name, **TIMED, **more)
    task = ConnectorTaskId(config["name"], 0)
    rig.worker.start_task(task, config, config, TargetState.STARTED)
    rig.await_state(State.FAILED, task)
    trace = rig.listener.traces[task]
    assert "'later' is no ISO-8601 time" in trace
    place = (
        f"topic='{unique_name}', partition=0, offset=1"
        if more
        else f"offset 1 of topic {unique_name}, partition 0"
    )
    assert place in trace
    rig.worker.stop_tasks([task], 5.0)
