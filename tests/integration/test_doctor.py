"""The doctor finds what is wrong with real servers, and its own statements mend it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from appliance.config.properties import render_properties
from deploy.parts import free_ports
from tests.daemon import worker_options

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
        cursor.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'secret'")
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
        assert any("REPLICATION SLAVE" in grant for grant in grants)
        assert any("table.include.list" in text for text in wrong(found))
        assert any("/topics on HDFS cannot be written" in text for text in wrong(found))
        assert "secret" not in json.dumps(found)

        for grant in grants:
            cursor.execute(grant)
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
    remedies = [f["remedy"] for f in found if f["level"] == "problem"]
    assert any("--add-config cleanup.policy=compact" in remedy for remedy in remedies)
    assert f"{unique_name}-config has 2 partitions instead of 1" in wrong(found)
