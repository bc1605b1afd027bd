"""The runner of real servers: each one starts, answers, and survives what tests do to it."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer

from deploy.parts import Broker, Hdfs, KafkaCluster, MariaDb, MySql, PartError, PostgreSql
from tests.waiting import wait_until


def produce(bootstrap: str, topic: str, value: bytes) -> None:
    """Write one record and wait for its acknowledgement by all replicas."""
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    failures: list[object] = []
    producer.produce(topic, value, on_delivery=lambda error, _: failures.append(error))
    assert producer.flush(30) == 0
    assert failures == [None]


def consume(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    """Read the first records of a topic."""
    settings = {"group.id": topic, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": bootstrap, **settings})
    consumer.subscribe([topic])
    values: list[bytes | None] = []

    def enough() -> bool:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            values.append(message.value())
        return len(values) >= count

    wait_until(enough, f"{count} records in {topic}", every_s=0)
    consumer.close()
    return values


def test_broker_keeps_record_when_killed(tmp_path, unique_name):
    """An acknowledged record is there after SIGKILL and a start on the same folder and port."""
    broker = Broker(tmp_path / "broker").start()
    produce(broker.bootstrap, unique_name, b"one")
    broker.kill()
    assert not broker.running
    broker.start()
    produce(broker.bootstrap, unique_name, b"two")
    assert consume(broker.bootstrap, unique_name, 2) == [b"one", b"two"]
    broker.stop()


def test_cluster_serves_when_one_broker_is_killed(tmp_path, unique_name):
    """With two brokers every topic has two replicas: one broker is enough to go on."""
    with KafkaCluster(tmp_path / "cluster") as cluster:
        produce(cluster.bootstrap, unique_name, b"one")
        cluster.brokers[1].kill()
        produce(cluster.bootstrap, unique_name, b"two")
        assert sorted(filter(None, consume(cluster.bootstrap, unique_name, 2))) == [b"one", b"two"]
        cluster.brokers[1].start()


@pytest.mark.parametrize("kind", [MariaDb, MySql])
def test_database_keeps_committed_row_when_killed(kind, tmp_path):
    """A committed row and the binlog are there after SIGKILL."""
    with kind(tmp_path / "database") as server:
        server.sql(
            "CREATE DATABASE shop; CREATE TABLE shop.t (i INT); INSERT INTO shop.t VALUES (7);"
        )
        server.kill()
        server.start()
        assert server.sql("SELECT i FROM shop.t;") == "7\n"
        assert "binlog.000002" in server.sql("SHOW BINARY LOGS;")


def test_postgresql_keeps_committed_row_when_killed(open_tmp_path):
    """A committed row is there after SIGKILL, and logical decoding is on."""
    with PostgreSql(open_tmp_path / "database") as server:
        server.sql("CREATE TABLE t (i INT); INSERT INTO t VALUES (7);")
        server.kill()
        server.start()
        assert server.sql("SELECT i FROM t;") == "7\n"
        assert server.sql("SHOW wal_level;") == "logical\n"


def test_hdfs_is_ready_again_when_datanode_is_killed(tmp_path):
    """Ready means that a byte can be written: not without a DataNode, again with it."""
    with Hdfs(tmp_path / "hdfs") as hdfs:
        hdfs.datanode.kill()
        assert not hdfs.datanode.ready()
        hdfs.datanode.start()
        assert hdfs.datanode.ready()


def test_start_says_what_happened_when_server_ends_at_once(tmp_path):
    """A server that cannot start gives the end of its log, not a time-out."""
    server = MariaDb(tmp_path / "database").start()
    server.stop()
    (tmp_path / "database" / "data" / "ibdata1").write_bytes(b"no page of a table space")
    try:
        with pytest.raises(PartError, match=r"mariadb ended while starting; its log .* ends: "):
            server.start()
    finally:
        server.stop()


def test_run_wide_servers_answer_when_asked_for(
    broker, mariadb, mysql, postgres, hdfs, unique_name
):
    """Every run-wide fixture gives a server that works."""
    produce(broker.bootstrap, unique_name, b"one")
    for database in (mariadb, mysql, postgres):
        connection = database.connect()
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
        connection.close()
    assert hdfs.url.startswith("http://127.0.0.1:")
