"""Tables of a real database go into topics and HDFS as the Java connectors bring them there."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from appliance.config.properties import render_properties
from tests.acceptance.pipelines import (
    PLAIN_JSON,
    Folder,
    await_running,
    create,
    create_employees,
    execute,
    free_port,
    hdfs_settings,
    jdbc_settings,
    messages_until,
    payloads,
)
from tests.daemon import JSON, Daemon, worker_options
from tests.waiting import wait_until

CATEGORIES = Path(__file__).parent / "data/categories.csv"
CDC = {
    "mariadb": "io.debezium.connector.mariadb.MariaDbConnector",
    "mysql": "io.debezium.connector.mysql.MySqlConnector",
}


@pytest.fixture
def daemon(broker, unique_name, tmp_path, monkeypatch):
    """A daemon with two workers that writes to HDFS as its superuser."""
    monkeypatch.setenv("HADOOP_USER_NAME", "hdfs")
    options = worker_options(broker.bootstrap, unique_name, free_port())
    with Daemon(tmp_path, "run", options) as running:
        yield running


def test_rows_reach_topic_and_hdfs_when_read_by_increasing_id(
    daemon, broker, mariadb, hdfs, unique_name
):
    """Readings of a sensor: table named without its database, DATETIME as milliseconds."""
    execute(
        mariadb,
        f"CREATE DATABASE {unique_name}",
        f"CREATE TABLE {unique_name}.temperatures (id INT AUTO_INCREMENT PRIMARY KEY,"
        " datahora DATETIME NOT NULL, valor FLOAT NOT NULL)",
        f"INSERT INTO {unique_name}.temperatures (datahora, valor)"
        " VALUES ('2025-02-21 10:00:00', 14.5)",
    )
    prefix = f"{unique_name}_"
    more = {
        "table": "temperatures",
        "incrementing.column.name": "id",
        "topic.prefix": prefix,
        **PLAIN_JSON,
    }
    create(daemon, "temperatures", {**jdbc_settings(mariadb, unique_name), **more})
    topic = f"{prefix}temperatures"
    first = '{"id":1,"datahora":1740132000000,"valor":14.5}'
    assert payloads(broker.bootstrap, topic, 1) == [first]

    root = f"/{unique_name}"
    sink = hdfs_settings(hdfs, topic, root, flush__size="2")
    sink["format.class"] = "io.confluent.connect.hdfs3.json.JsonFormat"
    create(daemon, "to-hdfs", {**sink, **PLAIN_JSON})
    execute(
        mariadb,
        f"INSERT INTO {unique_name}.temperatures (datahora, valor)"
        " VALUES ('2025-02-21 11:00:00', 15.25)",
    )
    folder = Folder(hdfs, root)
    path = f"{root}/topics/{topic}/partition=0/{topic}+0+0000000000+0000000001.json"
    wait_until(lambda: folder.files(".json") == [path], "the file with both rows")
    second = '{"id":2,"datahora":1740135600000,"valor":15.25}'
    assert folder.read(path).decode().splitlines() == [first, second]


def test_row_reaches_the_topic_when_one_with_a_higher_id_was_committed_before(
    daemon, broker, mariadb, unique_name
):
    """The higher id waits in the table for the open transaction; both records arrive, in order."""
    execute(
        mariadb,
        f"CREATE DATABASE {unique_name}",
        f"CREATE TABLE {unique_name}.orders (id INT AUTO_INCREMENT PRIMARY KEY)",
        f"INSERT INTO {unique_name}.orders VALUES (NULL)",
    )
    more = {
        "table": "orders",
        "incrementing.column.name": "id",
        "topic.prefix": f"{unique_name}_",
        **PLAIN_JSON,
    }
    create(daemon, "orders", {**jdbc_settings(mariadb, unique_name), **more})
    topic = f"{unique_name}_orders"
    assert payloads(broker.bootstrap, topic, 1) == ['{"id":1}']
    writer = mariadb.connect(unique_name)
    try:
        with writer.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO orders VALUES (NULL)")
            execute(mariadb, f"INSERT INTO {unique_name}.orders VALUES (NULL)")
            await_held(mariadb)
            cursor.execute("COMMIT")
    finally:
        writer.close()
    assert payloads(broker.bootstrap, topic, 3) == ['{"id":1}', '{"id":2}', '{"id":3}']


def await_held(mariadb):
    """Wait until the connector has looked at the open transactions some times."""
    with mariadb.connect() as connection, connection.cursor() as cursor:

        def looked():
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Com_select'")
            return int(cursor.fetchone()[1])

        before = looked()
        wait_until(lambda: looked() >= before + 5, "the table is polled again and again")


def test_payloads_are_as_from_java_when_transforms_are_chained(
    daemon, broker, mariadb, unique_name
):
    """Four transforms in a row, written with spaces as people write them."""
    execute(
        mariadb,
        f"CREATE DATABASE {unique_name}",
        f"CREATE TABLE {unique_name}.temperatures2 (id INT AUTO_INCREMENT PRIMARY KEY,"
        " sensor_id INT NOT NULL, temperatura FLOAT NOT NULL, ubicacion VARCHAR(50) NOT NULL,"
        " datahora DATETIME NOT NULL)",
        f"INSERT INTO {unique_name}.temperatures2 (sensor_id, temperatura, ubicacion, datahora)"
        " VALUES (101, 22.5, 'Sala 1', '2025-02-10 12:00:00'),"
        " (102, 21.8, 'Sala 2', '2025-02-10 12:05:00')",
    )
    package = "org.apache.kafka.connect.transforms"
    more = {
        "table": "temperatures2",
        "incrementing.column.name": "id",
        "topic.prefix": f"{unique_name}_",
        "transforms": "dropLocation, renameTimestamp, castTemperature, addOrigin",
        "transforms.dropLocation.type": f"{package}.ReplaceField$Value",
        "transforms.dropLocation.exclude": "ubicacion",
        "transforms.renameTimestamp.type": f"{package}.ReplaceField$Value",
        "transforms.renameTimestamp.renames": "datahora: ingest_time",
        "transforms.castTemperature.type": f"{package}.Cast$Value",
        "transforms.castTemperature.spec": "temperatura: float64",
        "transforms.addOrigin.type": f"{package}.InsertField$Value",
        "transforms.addOrigin.static.field": "origen",
        "transforms.addOrigin.static.value": "MySQL",
        **PLAIN_JSON,
    }
    create(daemon, "chain", {**jdbc_settings(mariadb, unique_name), **more})
    assert payloads(broker.bootstrap, f"{unique_name}_temperatures2", 2) == [
        '{"id":1,"sensor_id":101,"temperatura":22.5,"ingest_time":1739188800000,"origen":"MySQL"}',
        '{"id":2,"sensor_id":102,"temperatura":21.799999237060547,"ingest_time":1739189100000,"origen":"MySQL"}',
    ]


def test_later_row_arrives_by_itself_when_standalone_polls(broker, mariadb, unique_name, tmp_path):
    """The categories of a shop by a standalone worker and a connector file."""
    rows = list(csv.reader(CATEGORIES.read_text().splitlines()))
    values = ",".join(
        "({},{},'{}')".format(number, parent, name.replace("'", "''"))
        for number, parent, name in rows
    )
    execute(
        mariadb,
        f"CREATE DATABASE {unique_name}",
        f"CREATE TABLE {unique_name}.categories (category_id INT NOT NULL AUTO_INCREMENT"
        " PRIMARY KEY, category_department_id INT NOT NULL, category_name VARCHAR(45) NOT NULL)",
        f"INSERT INTO {unique_name}.categories VALUES {values}",
    )
    connector = jdbc_settings(
        mariadb,
        unique_name,
        name="categories",
        table__whitelist="categories",
        incrementing__column__name="category_id",
        topic__prefix=f"{unique_name}-",
    )
    file = tmp_path / "categories.properties"
    file.write_text(render_properties({**connector, **PLAIN_JSON}))
    options = {
        "bootstrap.servers": broker.bootstrap,
        "key.converter": JSON,
        "value.converter": JSON,
        "listeners": f"http://127.0.0.1:{free_port()}",
        "offset.storage.file.filename": str(tmp_path / "offsets"),
        "offset.flush.interval.ms": "500",
    }
    topic = f"{unique_name}-categories"
    with Daemon(tmp_path, "standalone", options, file):
        found = payloads(broker.bootstrap, topic, len(rows))
        expected = [
            {
                "category_id": int(number),
                "category_department_id": int(parent),
                "category_name": name,
            }
            for number, parent, name in rows
        ]
        assert [json.loads(text) for text in found] == expected
        execute(mariadb, f"INSERT INTO {unique_name}.categories VALUES (59, 8, 'Petanca')")
        later = payloads(broker.bootstrap, topic, len(rows) + 1)[len(rows) :]
        assert later == ['{"category_id":59,"category_department_id":8,"category_name":"Petanca"}']


@pytest.mark.parametrize(("kind", "rows"), [("mariadb", 300_024), ("mysql", 20_000)])
def test_folded_topic_equals_table_when_rows_change_during_capture(
    daemon, broker, kind, rows, unique_name, request
):
    """Snapshot and stream together: the last value of each key is the row that the table holds."""
    server = request.getfixturevalue(kind)
    create_employees(server, unique_name, rows)
    stride = (rows - 2_100) // 200
    table = f"{unique_name}.employees"
    connector = {
        "connector.class": CDC[kind],
        "tasks.max": "1",
        "database.hostname": server.host,
        "database.port": str(server.port),
        "database.user": server.user,
        "database.password": server.password,
        "database.server.id": str(free_port()),
        "topic.prefix": unique_name,
        "database.include.list": unique_name,
        "table.include.list": table,
        "schema.history.internal.kafka.bootstrap.servers": broker.bootstrap,
        "schema.history.internal.kafka.topic": f"{unique_name}-history",
        "key.converter": JSON,
        "key.converter.schemas.enable": "false",
        **PLAIN_JSON,
    }
    daemon.client.post("connectors", body={"name": "employees", "config": connector})
    for step in range(200):
        # begins while the snapshot runs
        execute(
            server,
            f"INSERT INTO {table} VALUES ({500_000 + step}, '1970-01-01', 'Nova', 'Fila', 'F',"
            " '2025-01-01')",
            f"UPDATE {table} SET last_name = 'Canvi{step}'"
            f" WHERE emp_no BETWEEN {12_000 + step * stride} AND {12_019 + step * stride}",
            f"DELETE FROM {table} WHERE emp_no IN ({10_001 + step * 7}, {499_990 + step})",
            f"UPDATE {table} SET emp_no = emp_no + 700000 WHERE emp_no = {10_003 + step * 7}",
        )
    await_running(daemon, "employees")
    execute(
        server,
        f"INSERT INTO {table} VALUES (999999, '1970-01-01', 'Fi', 'Fi', 'M', '2025-01-01')",
    )
    topic = f"{unique_name}.{table}"

    def is_last(message):
        return message.key() == b'{"emp_no":999999}'

    folded: dict[int, list[object]] = {}
    for message in messages_until(broker.bootstrap, topic, is_last):
        key = json.loads(message.key())["emp_no"]
        if message.value() is None:
            folded.pop(key, None)
            continue
        after = json.loads(message.value())["after"]
        if after is None:
            folded.pop(key, None)
        else:
            folded[key] = [*after.values()]
    assert folded == table_rows(server, table)


def table_rows(server, table):
    """Give the table's rows by key, dates as days since 1970."""
    connection = server.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT emp_no, DATEDIFF(birth_date, '1970-01-01'), first_name, last_name, gender,"
                f" DATEDIFF(hire_date, '1970-01-01') FROM {table}"
            )
            return {row[0]: list(row) for row in cursor.fetchall()}
    finally:
        connection.close()
