"""The doctor finds what is wrong with real servers, and its own statements mend it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from appliance.config.properties import render_properties
from appliance.doctor.stores import examine_hdfs
from appliance.storage.offsets import offset_key, offset_value
from deploy.parts import free_ports
from deploy.parts.hdfs import Hdfs
from deploy.parts.kafka import obtain_kafka
from tests.daemon import worker_options
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def doctor(
    worker: Path, *connectors: Path, **environment: str
) -> tuple[int, list[dict[str, str]]]:
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "doctor", "--json", "--worker", worker, *connectors],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def wrong(found: list[dict[str, str]], level: str = "problem") -> list[str]:
    return [f["text"] for f in found if f["level"] == level]


def capturing(mariadb, broker, name: str) -> dict[str, str]:
    """Give a source of everything, for a user who may do everything."""
    return {
        "name": "orders",
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "database.hostname": mariadb.host,
        "database.port": str(mariadb.port),
        "database.user": mariadb.user,
        "database.password": mariadb.password,
        "database.server.id": "7002",
        "topic.prefix": name,
        "schema.history.internal.kafka.bootstrap.servers": broker.bootstrap,
        "schema.history.internal.kafka.topic": f"{name}-history",
    }


def test_database_is_mended_when_the_doctors_statements_are_run(
    broker, mariadb, hdfs, unique_name, tmp_path
):
    """First each missing privilege and the table's wrong name are told, then nothing is."""
    worker = tmp_path / "worker.properties"
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    worker.write_text(render_properties(options))
    user = unique_name[:60]
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {unique_name}")
        cursor.execute(f"CREATE TABLE {unique_name}.orders (id INT PRIMARY KEY)")
        cursor.execute(f"CREATE TABLE {unique_name}.lines (id INT PRIMARY KEY)")
        cursor.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'secret'")
        # what is near to what it needs
        cursor.execute(f"GRANT REPLICATION SLAVE ADMIN ON *.* TO '{user}'@'%'")
        cursor.execute(f"GRANT SELECT ON {unique_name}.lines TO '{user}'@'%'")
        config = {
            "name": "orders",
            "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
            "database.hostname": mariadb.host,
            "database.port": str(mariadb.port),
            "database.user": user,
            "database.password": "secret",
            "database.server.id": "7001",
            "topic.prefix": unique_name,
            "table.include.list": f"{unique_name}.orders",
            "schema.history.internal.kafka.bootstrap.servers": broker.bootstrap,
            "schema.history.internal.kafka.topic": f"{unique_name}-history",
        }
        source = tmp_path / "orders.properties"
        source.write_text(render_properties(config))
        sink = tmp_path / "lake.json"
        lake = {
            "connector.class": "io.confluent.connect.hdfs3.Hdfs3SinkConnector",
            "topics": f"{unique_name}.orders",
            "store.url": hdfs.fs,
            "webhdfs.url": hdfs.url,
            "flush.size": "10",
            "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
        }
        sink.write_text(json.dumps({"name": "lake", "config": lake}))

        code, found = doctor(worker, source, sink)
        assert code == 1
        grants = [f["remedy"] for f in found if f["remedy"].startswith("GRANT")]
        account = f"'{user}'@'%'"
        assert [grant.partition(";")[0] for grant in grants] == [
            f"GRANT REPLICATION SLAVE ON *.* TO {account}",
            f"GRANT BINLOG MONITOR ON *.* TO {account}",
            f"GRANT SELECT ON `{unique_name}`.* TO {account}",
            f"GRANT RELOAD ON *.* TO {account}",
        ]
        assert any("table.include.list" in text for text in wrong(found))
        for folder in ("topics", "logs"):
            assert any(f"/{folder} on HDFS cannot be written" in text for text in wrong(found))
        assert any("GB free" in f["text"] for f in found if f["subject"] == "lake")
        assert "secret" not in json.dumps(found)

        for grant in grants:
            cursor.execute(grant.partition(";")[0])
        code, found = doctor(worker, source, sink, HADOOP_USER_NAME=hdfs.user)
    assert wrong(found) == []
    assert code in (0, 2)
    subjects = {f["subject"] for f in found}
    assert {"broker", "topics", "disk", "memory", "clock", "port", "orders", "lake"} <= subjects


def test_topic_is_told_of_when_it_would_lose_what_it_keeps(broker, unique_name, tmp_path):
    """Offsets in a topic that is not compacted, configurations in several partitions."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    topics = [NewTopic(f"{unique_name}-offset", 3, 1), NewTopic(f"{unique_name}-config", 2, 1)]
    for future in admin.create_topics(topics).values():
        future.result(20)
    worker = tmp_path / "worker.properties"
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    worker.write_text(render_properties(options))

    code, found = doctor(worker)
    assert code == 1
    assert f"{unique_name}-config has 2 partitions instead of 1" in wrong(found)
    (remedy,) = {f["remedy"] for f in found if "cleanup.policy=delete" in f["text"]}
    _, _, arguments = remedy.partition(" --")
    command = ["java", "-cp", f"{obtain_kafka()}/*", "kafka.admin.ConfigCommand"]
    subprocess.run([*command, *f"--{arguments}".split()], check=True, timeout=90)
    _, found = doctor(worker)
    assert wrong(found) == [f"{unique_name}-config has 2 partitions instead of 1"]


def test_offset_is_told_of_when_the_server_has_purged_what_comes_after_it(
    broker, mariadb, unique_name, tmp_path
):
    """What the workers stored for the connector is compared with the server's files."""
    worker = tmp_path / "worker.properties"
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    worker.write_text(render_properties(options))
    source = tmp_path / "orders.properties"
    source.write_text(render_properties(capturing(mariadb, broker, unique_name)))
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW MASTER STATUS")
        file, pos = cursor.fetchone()[:2]
    topic = options["offset.storage.topic"]
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    compacted = NewTopic(topic, 3, 1, config={"cleanup.policy": "compact"})
    admin.create_topics([compacted])[topic].result(20)
    producer = Producer({"bootstrap.servers": broker.bootstrap})

    def stored(offset):
        partition = {"server": unique_name}
        producer.produce(topic, offset_value(offset), offset_key("orders", partition), 0)
        producer.flush(20)
        return doctor(worker, source)[1]

    found = stored({"file": "mysql-bin.000000", "pos": 4})
    (text,) = (text for text in wrong(found) if "stored offset" in text)
    assert "file=mysql-bin.000000, pos=4" in text
    found = stored({"file": file, "pos": pos})
    assert any(f["level"] == "ok" and "still has what comes after" in f["text"] for f in found)


def test_zone_tables_are_told_of_when_the_server_has_none(broker, mariadb, unique_name, tmp_path):
    """A session in a named zone needs them; without one the server's zone is told."""
    worker = tmp_path / "worker.properties"
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    worker.write_text(render_properties(options))
    url = f"jdbc:mariadb://{mariadb.host}:{mariadb.port}/mysql"
    named = "?sessionVariables=time_zone='Europe/Madrid'"
    results = []
    for query in (named, ""):
        config = {
            "name": "copy",
            "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector",
            "connection.url": url + query,
            "connection.user": mariadb.user,
            "connection.password": mariadb.password,
            "mode": "bulk",
            "topic.prefix": unique_name,
        }
        source = tmp_path / "copy.properties"
        source.write_text(render_properties(config))
        results.append([f for f in doctor(worker, source)[1] if f["subject"] == "copy"])
    assert any(f["remedy"].startswith("mariadb-tzinfo-to-sql ") for f in results[0])
    assert any("the server's time zone is" in f["text"] for f in results[1])
    assert not any("tzinfo" in f["remedy"] for f in results[1])


def test_hdfs_is_told_of_when_it_is_in_safe_mode_or_full(tmp_path):
    """A NameNode waits for its DataNode in safe mode; this one keeps the whole disk for others."""
    hdfs = Hdfs(
        tmp_path,
        properties={
            "dfs.namenode.safemode.min.datanodes": 1,
            "dfs.datanode.du.reserved": 1 << 60,
        },
    )
    config = {"store.url": hdfs.fs, "webhdfs.url": hdfs.url}

    def found():
        return list(examine_hdfs("lake", config))

    def safe(findings):
        return [f.remedy for f in findings if "safe mode" in f.text]

    try:
        hdfs.start_namenode()
        waiting = found()
        assert "-safemode leave" in safe(waiting)[0]
        # a probe would tell of rights that are not the fault
        assert not any("cannot be written" in f.text for f in waiting)
        hdfs.datanode.launch()
        wait_until(lambda: safe(found()) == [], "HDFS leaves its safe mode")
        full = found()
        assert [f.text.endswith(" 0.0 GB free") for f in full if f.level == "warning"] == [True]
    finally:
        hdfs.stop()
