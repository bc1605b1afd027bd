"""Three workers on two brokers share a connector's tasks; one of them is killed in the middle."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.parts import KafkaCluster
from tests.acceptance.pipelines import (
    Folder,
    await_running,
    create_employees,
    free_port,
    hdfs_settings,
    jdbc_settings,
)
from tests.daemon import JSON, Daemon, worker_options
from tests.waiting import wait_until

ROWS = 300_024


@pytest.fixture
def brokers(tmp_path):
    """One controller and two brokers of the test's own."""
    with KafkaCluster(tmp_path / "kafka", 2) as cluster:
        yield cluster


@pytest.fixture
def daemons(brokers, unique_name, tmp_path, monkeypatch):
    """Three daemons of one group, from three worker files."""
    monkeypatch.setenv("HADOOP_USER_NAME", "hdfs")
    running = []
    for number in range(3):
        folder = tmp_path / f"worker-{number}"
        folder.mkdir()
        options = worker_options(
            brokers.bootstrap,
            unique_name,
            free_port(),
            session__timeout__ms="6000",
            heartbeat__interval__ms="2000",
            appliance__runtime__dir=str(tmp_path / "run"),
            appliance__state__dir=str(tmp_path / "state"),
        )
        for store in ("config", "offset", "status"):
            options[f"{store}.storage.replication.factor"] = "2"
        running.append(Daemon(folder, "distributed", options))
    try:
        yield [daemon.start() for daemon in running]
    finally:
        for daemon in running:
            daemon.__exit__()


@pytest.mark.timeout(420)
def test_every_row_is_in_hdfs_once_when_worker_is_killed(
    brokers, daemons, mariadb, hdfs, unique_name
):
    """300,024 employees by JDBC into Avro files; the killed worker's tasks move, and return."""
    create_employees(mariadb, unique_name, ROWS)
    topic = "empleados-employees"
    admin = AdminClient({"bootstrap.servers": brokers.bootstrap})
    admin.create_topics([NewTopic(topic, 2, 2)])[topic].result()
    source = jdbc_settings(
        mariadb,
        unique_name,
        table__whitelist="employees",
        incrementing__column__name="emp_no",
        topic__prefix="empleados-",
        tasks__max="3",
    )
    first, second, _ = daemons
    schemas = {"value.converter": JSON}
    first.client.put("connectors", "employees", "config", body={**source, **schemas})
    root = f"/{unique_name}"
    sink = hdfs_settings(
        hdfs,
        topic,
        root,
        tasks__max="3",
        rotate__schedule__interval__ms="5000",
        path__format="'year'=YYYY/'month'=MM/'day'=dd",
        partition__duration__ms="3600000",
        locale="es_ES",
        timezone="Europe/Madrid",
    )
    sink["format.class"] = "io.confluent.connect.hdfs3.avro.AvroFormat"
    sink["partitioner.class"] = "io.confluent.connect.storage.partitioner.TimeBasedPartitioner"
    second.client.put("connectors", "to-hdfs", "config", body={**sink, **schemas})
    folder = Folder(hdfs, f"{root}/topics")
    wait_until(lambda: len(folder.files(".avro")) >= 20, "the first files", 60)
    victim = daemons[holders(second, "to-hdfs", daemons)[0]]
    kill_all(victim)

    rows = committed_rows(folder)
    wait_until(lambda: rows() >= ROWS, "all rows are in committed files", 240, 1)
    found = [row["emp_no"] for row in folder.avro_rows()]
    assert len(found) == ROWS
    assert sorted(found) == list(range(10_001, 10_001 + ROWS))
    assert all("/year=2" in path and "/day=" in path for path in folder.files())

    victim.start()
    wait_until(
        lambda: all(len(set(holders(asked, "to-hdfs", daemons))) == 3 for asked in daemons),
        "each worker says that each has one of the three tasks",
        60,
    )
    await_running(victim, "to-hdfs", 3)


def kill_all(daemon: Daemon) -> None:
    """End the daemon's worker, its tasks and the daemon itself at once."""
    for pids in daemon.processes().values():
        for pid in pids:
            # one that ended with its parent needs no signal
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    daemon.kill()
    daemon.stop()


def holders(asked: Daemon, name: str, daemons: list[Daemon]) -> list[int]:
    """Give for each task of a connector which of the daemons has it."""
    workers = [daemon.url.rpartition("/")[2] for daemon in daemons]
    tasks = asked.client.get("connectors", name, "status")["tasks"]
    return [workers.index(task["worker_id"]) for task in tasks]


def committed_rows(folder: Folder):
    """Give a function that counts rows by the offsets in the files' names."""

    def count() -> int:
        total = 0
        for path in folder.files(".avro"):
            _, _, start, end = Path(path).stem.rsplit("+", 3)
            total += int(end) - int(start) + 1
        return total

    return count
