"""What the acceptance tests say to a daemon and read back from topics and HDFS."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Consumer
from hdfs import InsecureClient

from deploy.parts import free_ports
from tests.daemon import JSON, Daemon
from tests.integration.harness import consume
from tests.servers import DatabaseAddress, HdfsAddress
from tests.waiting import wait_until

PLAIN_JSON = {"value.converter": JSON, "value.converter.schemas.enable": "false"}
JDBC = "io.confluent.connect.jdbc.JdbcSourceConnector"


def jdbc_settings(server: DatabaseAddress, database: str, **more: str) -> dict[str, str]:
    """Give a JDBC source's options for one database; `__` in a name stands for a dot."""
    return {
        "connector.class": JDBC,
        "tasks.max": "1",
        "connection.url": f"jdbc:mysql://{server.host}:{server.port}/{database}",
        "connection.user": server.user,
        "connection.password": server.password,
        "mode": "incrementing",
        "poll.interval.ms": "500",
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def execute(server: DatabaseAddress, *statements: str) -> None:
    """Run statements, each committed by itself."""
    connection = server.connect()
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def create_employees(server: DatabaseAddress, database: str, rows: int) -> None:
    """Make the classic `employees` table with generated rows, keys from 10001 on."""
    table = f"{database}.employees"
    # of MySQL as well, which has no tables of sequences
    digit = f"(SELECT 0 AS n {' '.join(f'UNION ALL SELECT {n}' for n in range(1, 10))})"
    digits = ", ".join(f"{digit} AS d{power}" for power in range(6))
    number = " + ".join(f"{10**power} * d{power}.n" for power in range(6))
    execute(
        server,
        f"CREATE DATABASE {database}",
        f"CREATE TABLE {table} (emp_no INT NOT NULL PRIMARY KEY, birth_date DATE NOT NULL,"
        " first_name VARCHAR(14) NOT NULL, last_name VARCHAR(16) NOT NULL,"
        " gender ENUM('M','F') NOT NULL, hire_date DATE NOT NULL)",
        f"INSERT INTO {table} SELECT 10000 + seq, '1952-02-01' + INTERVAL seq % 4750 DAY,"
        " CONCAT('Nombre', seq % 1275), CONCAT('Apellido', seq % 1637),"
        " IF(seq % 5 < 3, 'M', 'F'), '1985-01-01' + INTERVAL seq % 5500 DAY"
        f" FROM (SELECT 1 + {number} AS seq FROM {digits}) AS numbers WHERE seq <= {rows}",
    )


def create(daemon: Daemon, name: str, config: Mapping[str, str]) -> None:
    """Create a connector through REST and wait until it and its tasks run."""
    daemon.client.post("connectors", body={"name": name, "config": dict(config)})
    await_running(daemon, name)


def await_running(daemon: Daemon, name: str, tasks: int = 1, timeout_s: float = 30.0) -> None:
    """Wait until the connector and this many tasks are RUNNING."""

    def running() -> bool:
        found = daemon.client.get("connectors", name, "status")
        states = [found["connector"]["state"], *(task["state"] for task in found["tasks"])]
        assert states == ["RUNNING"] * (tasks + 1), found
        return True

    wait_until(running, f"{name} and its {tasks} tasks run", timeout_s)


def payloads(bootstrap: str, topic: str, count: int) -> list[str]:
    """Give the first values of a topic as text."""
    return [message.value().decode() for message in consume(bootstrap, topic, count)]


def messages_until(
    bootstrap: str, topic: str, last: Callable[[Any], bool], timeout_s: float = 60.0
) -> Iterator[Any]:
    """Give a topic's messages one by one up to the first for which `last` is true."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            "topic.metadata.refresh.interval.ms": 200,
        }
    )
    consumer.subscribe([topic])
    deadline = time.monotonic() + timeout_s
    try:
        while time.monotonic() < deadline:
            for message in consumer.consume(1000, 0.2):
                if message.error() is None:
                    yield message
                    if last(message):
                        return
        raise AssertionError(f"the last message of {topic} did not come in {timeout_s} s")
    finally:
        consumer.close()


class Folder:
    """A folder in HDFS as an operator sees it."""

    def __init__(self, hdfs: HdfsAddress, root: str) -> None:
        """Look at `root` as the user of HDFS."""
        self._client = InsecureClient(hdfs.url, user=hdfs.user)
        self.root = root

    def files(self, suffix: str = "") -> list[str]:
        """Give the committed files below the folder; temporary ones stand under `+tmp`."""
        if self._client.status(self.root, strict=False) is None:
            return []
        return sorted(
            f"{folder}/{name}"
            for folder, _, names in self._client.walk(self.root)
            if "+tmp" not in folder
            for name in names
            if name.endswith(suffix)
        )

    def read(self, path: str) -> bytes:
        """Give a file's bytes."""
        with self._client.read(path) as reader:
            return bytes(reader.read())

    def avro_rows(self) -> list[dict[str, Any]]:
        """Give the rows of all Avro files."""
        rows: list[dict[str, Any]] = []
        for path in self.files(".avro"):
            found = fastavro.reader(io.BytesIO(self.read(path)))
            rows.extend(row for row in found if isinstance(row, dict))
        return rows


def hdfs_settings(hdfs: HdfsAddress, topics: str, root: str, **more: str) -> dict[str, str]:
    """Give an HDFS sink's options as users of the Java connector write them."""
    return {
        "connector.class": "io.confluent.connect.hdfs3.Hdfs3SinkConnector",
        "tasks.max": "1",
        "topics": topics,
        "hdfs.url": hdfs.fs,
        "hadoop.conf.dir": hdfs.conf,
        "hadoop.home": str(Path(hdfs.conf).parent),
        "topics.dir": f"{root}/topics",
        "logs.dir": f"{root}/logs",
        "flush.size": "1000",
        "confluent.topic.bootstrap.servers": "127.0.0.1:9092",
        "confluent.topic.replication.factor": "1",
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def free_port() -> int:
    """Give a port that nobody else gets."""
    return free_ports(1)[0]
