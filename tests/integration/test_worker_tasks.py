"""Tasks in processes of their own, on a real broker: file to topic to file, killed, hung, paused."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from appliance.ids import ConnectorTaskId, State, TargetState
from tests.integration.harness import JSON, STRING, Rig, consume, produce
from tests.waiting import wait_until

SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector"
SINK = "FileStreamSink"


@pytest.fixture
def rig(broker, tmp_path) -> Iterator[Rig]:
    made = Rig(broker.bootstrap, tmp_path)
    yield made
    made.close()


def source(name: str, file: Path, topic: str, **more: str) -> dict[str, str]:
    return {"name": name, "connector.class": SOURCE, "file": str(file), "topic": topic, **more}


def sink(name: str, file: Path, topic: str, **more: str) -> dict[str, str]:
    return {"name": name, "connector.class": SINK, "file": str(file), "topics": topic, **more}


def append(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8", newline="") as out:
        out.write(text)


def ends_with(file: Path, text: str) -> bool:
    return file.read_text().endswith(text)


def test_lines_arrive_to_the_byte_when_appended_one_by_one(rig, unique_name, tmp_path):
    """File to topic to file, with Connect's JSON and the byte position stored."""
    file, out = tmp_path / "in.txt", tmp_path / "out.txt"
    rig.start(source(f"{unique_name}-in", file, unique_name))
    rig.start(sink(f"{unique_name}-out", out, unique_name))
    for line in ("Hola", "Adéu", "Otra línea"):
        append(file, line + "\n")
        wait_until(partial(ends_with, out, line + "\n"), f"{line} in the sink")
    assert out.read_text() == "Hola\nAdéu\nOtra línea\n"
    messages = consume(rig.bootstrap, unique_name, 3)
    assert messages[0].value() == b'{"schema":{"type":"string","optional":false},"payload":"Hola"}'
    assert messages[0].key() is None
    size = file.stat().st_size
    wait_until(lambda: rig.offset(f"{unique_name}-in") == [{"position": size}], "offset stored")
    assert (ConnectorTaskId(f"{unique_name}-in", 0), unique_name) in rig.listener.topics
    figures = wait_until(
        lambda: [
            f
            for f in [rig.worker.metrics()[ConnectorTaskId(f"{unique_name}-in", 0)]]
            if f.get("source-record-write-total") == 3
        ],
        "figures",
    )[0]
    assert figures["status"] == "running"


def test_line_leaves_at_once_when_no_other_is_there_to_wait_for(broker, unique_name, tmp_path):
    """A record is on its way when the source has no more, however long others might be waited for."""
    file = tmp_path / "in.txt"
    options = {"offset.flush.interval.ms": "600000"}
    with contextlib.closing(Rig(broker.bootstrap, tmp_path, **options)) as rig:
        rig.start(source("in", file, unique_name, **{"producer.override.linger.ms": "600000"}))
        append(file, "alone\n")
        (message,) = consume(rig.bootstrap, unique_name, 1)
    assert b"alone" in message.value()


def test_nothing_is_lost_when_the_task_process_is_killed(rig, unique_name, tmp_path):
    """A killed task comes back by itself and goes on from the stored offset."""
    file = tmp_path / "in.txt"
    name = f"{unique_name}-in"
    append(file, "a\nb\n")
    (task,) = rig.start(source(name, file, unique_name))
    wait_until(lambda: rig.offset(name) == [{"position": 4}], "offset stored")
    first = rig.pid(task)
    os.kill(first, signal.SIGKILL)
    append(file, "c\n")
    rig.await_state(State.RUNNING, task)
    wait_until(lambda: State.RESTARTING in rig.listener.states[task], "restart was told")
    rig.await_state(State.RUNNING, task)
    values = [m.value() for m in consume(rig.bootstrap, unique_name, 3)]
    assert [v.split(b'"payload":')[1] for v in values] == [b'"a"}', b'"b"}', b'"c"}']
    assert rig.pid(task) != first


def test_sink_goes_on_at_once_when_its_process_is_killed(rig, unique_name, tmp_path):
    """The group does not wait for the dead consumer's session (45 s) to end."""
    out = tmp_path / "out.txt"
    produce(rig.bootstrap, unique_name, [b'"a"'])
    options = {"value.converter": JSON, "value.converter.schemas.enable": "false"}
    (task,) = rig.start(sink(f"{unique_name}-out", out, unique_name, **options))
    wait_until(lambda: out.exists() and "a" in out.read_text(), "the first line")
    lock = next((tmp_path / "run").rglob(f"*{unique_name}-out*.lock"))
    wait_until(lock.read_text, "the member is noted")
    os.kill(rig.pid(task), signal.SIGKILL)
    produce(rig.bootstrap, unique_name, [b'"b"'])
    wait_until(lambda: "b" in out.read_text(), "a line after the kill", 15)
    rig.worker.stop_tasks([task], 10)


def test_task_is_killed_when_it_hangs_beyond_the_timeout(rig, unique_name, tmp_path):
    """A stop ends in time even when the process does not answer, and a new one may start."""
    config = sink(f"{unique_name}-out", tmp_path / "out.txt", unique_name)
    produce(rig.bootstrap, unique_name, [b'{"schema":null,"payload":"x"}'])
    (task,) = rig.start(config)
    pid = rig.pid(task)
    os.kill(pid, signal.SIGSTOP)
    before = time.monotonic()
    rig.worker.stop_tasks([task], 1.0)
    assert time.monotonic() - before < 4.0
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
    rig.start(config)


def test_second_copy_waits_when_the_first_one_lives(rig, unique_name, tmp_path):
    """On one host two copies of a task never write at the same time."""
    file = tmp_path / "in.txt"
    config = source(f"{unique_name}-in", file, unique_name)
    (task,) = rig.start(config)
    other = rig.second()
    other.start_task(task, config, config, TargetState.STARTED)
    states = rig.listener.states[task]
    wait_until(lambda: other._resident(task).host is not None, "the copy has a process")
    append(file, "x\n")
    consume(rig.bootstrap, unique_name, 1)
    assert states == [State.RUNNING]
    rig.worker.stop_tasks([task], 5.0)
    wait_until(lambda: states == [State.RUNNING, State.UNASSIGNED, State.RUNNING], "hand-over")
    other.close()


def test_source_rests_when_paused(rig, unique_name, tmp_path):
    """A paused task reads nothing; resumed it goes on where it was."""
    file = tmp_path / "in.txt"
    (task,) = rig.start(source(f"{unique_name}-in", file, unique_name))
    append(file, "a\n")
    consume(rig.bootstrap, unique_name, 1)
    rig.worker.set_task_target(task, TargetState.PAUSED)
    rig.await_state(State.PAUSED, task)
    append(file, "b\n")
    wait_until(lambda: rig.offset(f"{unique_name}-in") == [{"position": 2}], "offset stored")
    rig.worker.set_task_target(task, TargetState.STARTED)
    assert [m.value()[-4:] for m in consume(rig.bootstrap, unique_name, 2)] == [b'"a"}', b'"b"}']


def test_sink_rests_and_commits_when_paused(rig, unique_name, tmp_path):
    """A paused sink consumes nothing and stays in its group."""
    out = tmp_path / "out.txt"
    config = sink(f"{unique_name}-out", out, unique_name, **{"value.converter": STRING})
    produce(rig.bootstrap, unique_name, [b"a"])
    (task,) = rig.start(config)
    wait_until(lambda: out.read_text() == "a\n", "first line")
    rig.worker.set_task_target(task, TargetState.PAUSED)
    rig.await_state(State.PAUSED, task)
    produce(rig.bootstrap, unique_name, [b"b"])
    wait_until(
        lambda: (
            rig.worker.connector_offsets(config["name"], config).result(20)
            == [({"kafka_topic": unique_name, "kafka_partition": 0}, {"kafka_offset": 1})]
        ),
        "commit",
    )
    assert out.read_text() == "a\n"
    rig.worker.set_task_target(task, TargetState.STARTED)
    wait_until(lambda: out.read_text() == "a\nb\n", "second line")


def test_dead_letters_say_what_went_wrong_when_tolerated(rig, unique_name, tmp_path):
    """A record that cannot be read goes to the queue with its bytes and Connect's headers."""
    out, queue = tmp_path / "out.txt", f"{unique_name}-dlq"
    more = {
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": queue,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
        "value.converter": "JsonConverter",
        "value.converter.schemas.enable": "false",
        "key.converter": STRING,
    }
    produce(
        rig.bootstrap,
        unique_name,
        [b'"good"', b"{bad", b'"fine"'],
        key=b"k",
        headers=[("h", b"1")],
    )
    rig.start(sink(f"{unique_name}-out", out, unique_name, **more))
    wait_until(lambda: out.read_text() == "good\nfine\n", "good lines")
    (dead,) = consume(rig.bootstrap, queue, 1)
    assert (dead.key(), dead.value()) == (b"k", b"{bad")
    headers = dict(dead.headers())
    prefix = "__connect.errors."
    assert headers["h"] == b"1"
    assert headers[prefix + "topic"] == unique_name.encode()
    assert headers[prefix + "partition"] == b"0"
    assert headers[prefix + "offset"] == b"1"
    assert headers[prefix + "connector.name"] == f"{unique_name}-out".encode()
    assert headers[prefix + "task.id"] == b"0"
    assert headers[prefix + "stage"] == b"VALUE_CONVERTER"
    assert headers[prefix + "class.name"] == b"org.apache.kafka.connect.json.JsonConverter"
    assert (
        headers[prefix + "exception.class.name"]
        == b"org.apache.kafka.connect.errors.DataException"
    )
    assert headers[prefix + "exception.message"]
    assert headers[prefix + "exception.stacktrace"].startswith(
        b"org.apache.kafka.connect.errors.DataException: "
    )


def test_task_fails_with_its_trace_when_a_record_is_bad(rig, unique_name, tmp_path):
    """Without tolerance the task is FAILED with a trace in Java's style; others go on."""
    produce(rig.bootstrap, unique_name, [b"{bad"])
    config = sink(f"{unique_name}-out", tmp_path / "out.txt", unique_name)
    task = ConnectorTaskId(config["name"], 0)
    rig.worker.start_task(task, config, config, TargetState.STARTED)
    rig.await_state(State.FAILED, task)
    trace = rig.listener.traces[task]
    assert trace.startswith(
        "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n"
    )
    assert "Caused by: org.apache.kafka.connect.errors.DataException: " in trace
    record = f"consumed record is {{topic='{unique_name}', partition=0, offset=0, "
    assert f"\tof stage VALUE_CONVERTER, {record}" in trace
    rig.worker.stop_tasks([task], 5.0)


def test_tasks_share_a_process_when_isolated_by_connector(broker, unique_name, tmp_path):
    """With isolation by connector a hung sibling costs its process, and the others come back."""
    rig = Rig(broker.bootstrap, tmp_path, **{"appliance.task.isolation": "connector"})
    try:
        out = tmp_path / "out.txt"
        config = sink(f"{unique_name}-out", out, unique_name, **{"value.converter": STRING})
        produce(rig.bootstrap, unique_name, [b"a"])
        ids = rig.start(config, tasks=3)
        assert len({rig.pid(task) for task in ids}) == 1
        pid = rig.pid(ids[0])
        os.kill(pid, signal.SIGSTOP)
        rig.worker.stop_tasks([ids[0]], 0.5)
        rig.await_state(State.RUNNING, ids[1], ids[2])
        assert {rig.pid(ids[1]), rig.pid(ids[2])} != {pid}
        produce(rig.bootstrap, unique_name, [b"b"])
        wait_until(lambda: set(out.read_text().split()) == {"a", "b"}, "lines after the kill")
    finally:
        rig.close()


def test_records_and_offsets_are_one_when_exactly_once_is_enabled(broker, unique_name, tmp_path):
    """A task killed in the middle repeats nothing that readers of committed records can see."""
    rig = Rig(broker.bootstrap, tmp_path, **{"exactly.once.source.support": "enabled"})
    try:
        file, name = tmp_path / "in.txt", f"{unique_name}-in"
        append(file, "".join(f"{number}\n" for number in range(20_000)))
        more = {"value.converter": STRING, "batch.size": "500"}
        (task,) = rig.start(source(name, file, unique_name, **more))
        wait_until(lambda: rig.offset(name), "a first transaction")
        os.kill(rig.pid(task), signal.SIGKILL)
        size = file.stat().st_size
        wait_until(lambda: rig.offset(name) == [{"position": size}], "all is stored")
        values = [int(m.value()) for m in consume(rig.bootstrap, unique_name, 20_000)]
        assert values == list(range(20_000))
    finally:
        rig.close()


def test_topic_is_made_as_configured_when_creation_groups_are_given(rig, unique_name, tmp_path):
    """`topic.creation.*` decides partitions and settings of topics that are missing."""
    file = tmp_path / "in.txt"
    append(file, "a\n")
    more = {
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.groups": "wide",
        "topic.creation.wide.include": f"{unique_name[:3]}.*",
        "topic.creation.wide.partitions": "3",
        "topic.creation.wide.retention.ms": "1234567",
    }
    rig.start(source(f"{unique_name}-in", file, unique_name, **more))
    consume(rig.bootstrap, unique_name, 1)
    partitions = Consumer({"bootstrap.servers": rig.bootstrap, "group.id": "x"})
    found = partitions.list_topics(unique_name, timeout=10).topics[unique_name].partitions
    partitions.close()
    assert len(found) == 3


def test_tasks_stop_when_the_lease_lapses_and_come_back(rig, unique_name, tmp_path):
    """A worker that lost its group has no writers; with a new lease they start again."""
    file = tmp_path / "in.txt"
    rig.worker.lease(time.monotonic() + 60)
    (task,) = rig.start(source(f"{unique_name}-in", file, unique_name))
    rig.worker.lease(time.monotonic() + 0.2)
    rig.await_state(State.UNASSIGNED, task)
    append(file, "x\n")
    rig.worker.lease(time.monotonic() + 60)
    rig.await_state(State.RUNNING, task)
    consume(rig.bootstrap, unique_name, 1)


def test_offsets_are_changed_when_the_connector_agrees(rig, unique_name, tmp_path):
    """A source's and a sink's offsets can be read, altered and reset, in Connect's words."""
    file = tmp_path / "in.txt"
    append(file, "a\nb\n")
    config = source(f"{unique_name}-in", file, unique_name)
    ids = rig.start(config)
    wait_until(lambda: rig.offset(config["name"]) == [{"position": 4}], "offset stored")
    rig.worker.stop_tasks(ids, 5)
    partition = {"filename": str(file)}
    answer = rig.worker.alter_offsets(config["name"], config, [(partition, {"position": 2})])
    assert answer.result(20) == "The offsets for this connector have been altered successfully"
    assert rig.worker.connector_offsets(config["name"], config).result(20) == [
        (partition, {"position": 2})
    ]
    answer = rig.worker.alter_offsets(config["name"], config, None)
    assert answer.result(20) == "The offsets for this connector have been reset successfully"
    assert rig.offset(config["name"]) == []
    bad = rig.worker.alter_offsets(config["name"], config, [(partition, {"position": -1})])
    with pytest.raises(Exception, match="should be a non-negative value"):
        bad.result(20)
    out = sink(f"{unique_name}-out", tmp_path / "o", unique_name)
    ids = rig.start(out)
    place = {"kafka_topic": unique_name, "kafka_partition": 0}
    wait_until(
        lambda: (
            rig.worker.connector_offsets(out["name"], out).result(20)
            == [(place, {"kafka_offset": 2})]
        ),
        "commit",
    )
    rig.worker.stop_tasks(ids, 5)
    rig.worker.alter_offsets(out["name"], out, [(place, {"kafka_offset": 1})]).result(30)
    assert rig.worker.connector_offsets(out["name"], out).result(20) == [
        (place, {"kafka_offset": 1})
    ]
    rig.worker.alter_offsets(out["name"], out, None).result(30)
    assert rig.worker.connector_offsets(out["name"], out).result(20) == []


def test_connector_gives_tasks_when_asked(rig, unique_name, tmp_path):
    """A connector instance runs, makes task configurations, pauses, and fails with a trace."""
    config = sink(f"{unique_name}-out", tmp_path / "o", unique_name)
    assert rig.worker.start_connector(config["name"], config, TargetState.STARTED).result(20) == (
        State.RUNNING
    )
    tasks = rig.worker.connector_task_configs(config["name"], 1).result(20)
    assert tasks == [{**config, "task.class": "org.apache.kafka.connect.file.FileStreamSinkTask"}]
    rig.worker.set_connector_target(config["name"], TargetState.PAUSED)
    rig.await_state(State.PAUSED, config["name"])
    rig.worker.stop_connectors([config["name"]], 5)
    rig.await_state(State.UNASSIGNED, config["name"])
    bad = {"name": "bad", "connector.class": "NoSuch"}
    with pytest.raises(Exception, match="Failed to find any class"):
        rig.worker.start_connector("bad", bad, TargetState.STARTED).result(20)
    rig.await_state(State.FAILED, "bad")
