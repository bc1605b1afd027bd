"""What is wrong gets one clear error at the place where one looks for it, and everything else runs on."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from deploy.parts import Broker, Hdfs, MariaDb, free_ports
from tests.acceptance.pipelines import payloads
from tests.acceptance.site import Site, file_source, files_sink, open_site
from tests.daemon import JSON, Daemon, worker_options
from tests.waiting import wait_until

SECRET = "s3cr3t-canary"
NOWHERE = "127.0.0.1:1"
_server_ids = itertools.count(70_000)
MARIADB = "io.debezium.connector.mariadb.MariaDbConnector"
MYSQL = "io.debezium.connector.mysql.MySqlConnector"


@pytest.fixture(scope="module")
def site(broker, tmp_path_factory) -> Iterator[Site]:
    """A daemon of two workers with a pipeline from file to file that nothing may disturb."""
    with open_site(broker.bootstrap, tmp_path_factory.mktemp("bad")) as site:
        yield site


@pytest.fixture(autouse=True)
def _everything_else_keeps_running(site):
    yield
    line = f"{time.monotonic_ns()}"
    with (site.folder / "in.txt").open("a") as file:
        file.write(f"{line}\n")
    out = site.folder / "out.txt"
    wait_until(lambda: line in out.read_text().split(), "the other pipeline's next line")


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Iterator[MariaDb]:
    """A MariaDB of this file's own, whose settings may be spoilt."""
    with MariaDb(tmp_path_factory.mktemp("mariadb")) as server:
        server.sql(
            f"CREATE USER 'canary'@'%' IDENTIFIED BY '{SECRET}';"
            "GRANT ALL ON *.* TO 'canary'@'%';"
            "CREATE DATABASE shop; CREATE TABLE shop.items (id INT PRIMARY KEY, v INT);"
            "CREATE TABLE shop.keyless (v INT);"
        )
        yield server


def cdc(site: Site, port: int, topic: str, **more: str) -> dict[str, str]:
    """Give the options of a CDC source of the database `shop`; `__` in a name stands for a dot."""
    return {
        "connector.class": MARIADB,
        "database.hostname": "127.0.0.1",
        "database.port": str(port),
        "database.user": "canary",
        "database.password": SECRET,
        "database.server.id": str(next(_server_ids)),
        "database.include.list": "shop",
        "topic.prefix": topic,
        "schema.history.internal.kafka.topic": f"{topic}-history",
        "schema.history.internal.kafka.bootstrap.servers": site.bootstrap,
        "value.converter.schemas.enable": "false",
        "value.converter": JSON,
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def test_answer_says_which_when_class_or_option_is_unknown_missing_or_wrong(site):
    """The REST answer names class or option and what it should be; nothing is created."""
    found = site.refusal({"connector.class": "com.acme.Nope"})
    assert "Failed to find any class that implements Connector" in found
    assert "com.acme.Nope" in found
    assert "contains no connector type" in site.refusal({})
    source = file_source(site, "wrong")
    found = site.refusal({key: value for key, value in source.items() if key != "topic"})
    assert 'Missing required configuration "topic" which has no default value.' in found
    assert "Invalid value many for configuration tasks.max: Not a number of type INT" in (
        site.refusal({**source, "tasks.max": "many"})
    )
    assert "Class com.acme.Form could not be found." in site.refusal(
        {**source, "value.converter": "com.acme.Form"}
    )
    status, answer = site.ask(
        "PUT",
        "/connector-plugins/FileStreamSource/config/validate",
        {**source, "name": "refused", "tasks.max": "many"},
    )
    errors = {c["value"]["name"]: c["value"]["errors"] for c in answer["configs"]}
    assert status == 200
    assert [name for name, texts in errors.items() if texts] == ["tasks.max"]
    assert site.ask("GET", "/connectors/refused")[0] == 404


def test_answer_says_where_when_the_body_is_no_json(site):
    """A body that cannot be read is answered with the place of the mistake, as Kafka Connect does."""
    status, answer = site.ask("POST", "/connectors", b"{nope")
    assert status == 500
    assert "Unexpected character ('n' (code 110))" in answer["message"]
    assert "line: 1, column: 2" in answer["message"]
    status, answer = site.ask("POST", "/connectors", b"[1]")
    assert status == 500
    assert "from Array value" in answer["message"]


def test_answer_names_the_server_when_it_cannot_be_reached_or_lets_nobody_in(
    site, database, mysql
):
    """CDC and JDBC are refused with address, reason and remedy: database away, wrong password."""
    away = cdc(site, 1, "away")
    for kind in (MARIADB, MYSQL):
        found = site.refusal({**away, "connector.class": kind})
        assert f"Connecting on {NOWHERE} failed" in found
        assert "check that the server is up" in found
    for kind, port in ((MARIADB, database.port), (MYSQL, mysql.port)):
        config = {**cdc(site, port, "locked"), "connector.class": kind, "database.user": "nobody"}
        found = site.refusal(config)
        assert "Access denied for user 'nobody'" in found
        assert "check user and password" in found
    jdbc = {
        "connector.class": "JdbcSource",
        "connection.user": "nobody",
        "connection.password": SECRET,
        "mode": "bulk",
        "topic.prefix": "locked-",
    }
    for address, reason in ((f"127.0.0.1:{database.port}", "Access denied"), (NOWHERE, "connect")):
        found = site.refusal({**jdbc, "connection.url": f"jdbc:mariadb://{address}/shop"})
        assert "Could not connect to database." in found
        assert reason in found
        assert address in found
        assert "connection.user and connection.password" in found


def test_answer_names_the_namenode_when_it_cannot_be_reached(site):
    """An HDFS sink without its NameNode is refused with the address and what to check."""
    found = site.refusal(files_sink(f"http://{NOWHERE}", "away"))
    assert f"WebHDFS at http://{NOWHERE} did not answer" in found
    assert "check that the NameNode runs" in found


def test_trace_names_the_registry_when_it_cannot_be_reached(site, unique_name):
    """The task fails, and its trace names the registry's address."""
    avro = "io.confluent.connect.avro.AvroConverter"
    config = file_source(site, unique_name, value__converter=avro)
    name = site.create(
        unique_name, {**config, "value.converter.schema.registry.url": f"http://{NOWHERE}"}
    )
    assert NOWHERE in site.trace(name)
    site.delete(name)


def test_log_names_the_broker_once_when_a_task_cannot_reach_it(site, unique_name):
    """The task waits, and one line names the address; it is said again only after a while."""
    config = {"producer.override.bootstrap.servers": NOWHERE}
    name = site.create(unique_name, {**file_source(site, unique_name), **config})
    wait_until(lambda: site.logged(unique_name, NOWHERE, "WARN"), "a line about the broker")
    wait_until(lambda: site.task(name).get("state") == "RUNNING", "the task waits")
    assert len(site.logged(unique_name, "refused", "Connect to")) <= 2
    site.delete(name)


def test_source_says_that_it_waits_when_its_broker_goes_away(site, unique_name, tmp_path):
    """What was read waits for the broker, the task says so, and goes on by itself."""
    with Broker(tmp_path / "elsewhere") as elsewhere:
        config = {"producer.override.bootstrap.servers": elsewhere.bootstrap}
        source = file_source(site, unique_name)
        name = site.create(unique_name, {**source, **config})
        assert len(payloads(elsewhere.bootstrap, unique_name, 1)) == 1
        elsewhere.stop()
        with Path(source["file"]).open("a") as lines:
            lines.write("after\n")
        waits = f"records wait for the brokers at {elsewhere.bootstrap} to acknowledge them"
        wait_until(lambda: waits in (site.trouble(name) or ""), "the task says that it waits")
        assert site.task(name)["state"] == "RUNNING"
        elsewhere.start()
        assert '"after"' in payloads(elsewhere.bootstrap, unique_name, 2)[1]
        wait_until(lambda: not site.trouble(name), "the task waits no more")
        site.delete(name)


def test_worker_waits_and_says_for_what_when_its_broker_is_away(tmp_path):
    """REST answers that the worker is starting, the log names the broker, and stopping is quick."""
    options = worker_options(NOWHERE, "nowhere", free_ports(1)[0])
    daemon = Daemon(tmp_path, "run", options).start(ready=False)
    try:
        site = Site(daemon, NOWHERE, tmp_path)
        wait_until(lambda: site.ask("GET", "/health")[0] == 503, "an answer of /health")
        answer = site.ask("GET", "/health")[1]
        assert answer["status"] == "starting"
        assert "reading to the end of internal topics" in answer["message"]
        wait_until(lambda: site.logged("WARN", NOWHERE, "are up"), "the broker's name in the log")
        assert daemon.stop() == 0
    finally:
        daemon.__exit__()


def test_answer_names_the_setting_when_the_server_writes_no_rows(site, database, tmp_path):
    """binlog_format=STATEMENT, log_bin off and missing grants are refused, each with its remedy."""
    config = cdc(site, database.port, "unfit")
    database.sql("SET GLOBAL binlog_format = STATEMENT")
    try:
        assert "the server has binlog_format=STATEMENT; set it to ROW" in site.refusal(config)
    finally:
        database.sql("SET GLOBAL binlog_format = ROW")
    database.sql("CREATE USER 'poor'@'%' IDENTIFIED BY 'poor'; GRANT SELECT ON shop.* TO poor")
    found = site.refusal({**config, "database.user": "poor", "database.password": "poor"})
    assert (
        "the user lacks REPLICATION SLAVE: GRANT REPLICATION SLAVE ON *.* TO 'poor'@'%'" in found
    )
    assert "the user lacks REPLICATION CLIENT: GRANT " in found
    with MariaDb(tmp_path / "silent", options={"skip-log-bin": 1}) as silent:
        login = {"database.user": silent.user, "database.password": silent.password}
        found = site.refusal({**cdc(site, silent.port, "silent"), **login})
        assert "the server has log_bin=OFF; set it to ON" in found


def test_task_stops_when_a_statement_comes_in_place_of_rows(site, database, unique_name):
    """A session that writes statements stops the capture instead of losing its changes."""
    name = site.create(unique_name, cdc(site, database.port, unique_name))
    database.sql("REPLACE INTO shop.items VALUES (1, 1)")
    payloads(site.bootstrap, f"{unique_name}.shop.items", 1)
    database.sql(
        "SET binlog_format = STATEMENT; INSERT INTO shop.items VALUES (99, 1);"
        "DELETE FROM shop.items WHERE id = 99"
    )
    found = site.trace(name)
    assert "The binlog holds a statement (INSERT) instead of rows" in found
    assert "Set binlog_format=ROW for every session" in found
    site.delete(name)


def test_trace_says_so_when_the_position_was_purged(site, database, unique_name):
    """A task whose place in the binlog is gone fails with that place and the way out."""
    name = site.create(unique_name, cdc(site, database.port, unique_name))
    wait_until(
        lambda: site.ask("GET", f"/connectors/{name}/offsets")[1]["offsets"], "an offset is stored"
    )
    site.ask("PUT", f"/connectors/{name}/stop")
    status = f"/connectors/{name}/status"
    wait_until(
        lambda: site.ask("GET", status)[1]["connector"]["state"] == "STOPPED", "it is stopped"
    )
    database.sql("FLUSH BINARY LOGS")
    last = database.sql("SHOW BINARY LOGS").split("\n")[-2].split("\t")[0]
    database.sql(f"PURGE BINARY LOGS TO '{last}'")
    site.ask("PUT", f"/connectors/{name}/resume")
    found = site.trace(name)
    assert "The connector is trying to read change stream starting at file=binlog." in found
    assert "no longer available on the server. Reconfigure the connector" in found
    site.delete(name)


def test_capture_waits_and_says_so_when_its_server_is_away_at_the_start(
    site, database, unique_name
):
    """A task restarted meanwhile runs, names the server, stops at once, and goes on by itself."""
    database.sql("CREATE TABLE shop.away (id INT PRIMARY KEY)")
    config = cdc(site, database.port, unique_name, table__include__list="shop.away")
    name = site.create(unique_name, config)
    wait_until(
        lambda: site.ask("GET", f"/connectors/{name}/offsets")[1]["offsets"], "an offset is stored"
    )
    database.stop()
    try:
        assert site.ask("POST", f"/connectors/{name}/tasks/0/restart")[0] == 204
        told = f"Connecting on 127.0.0.1:{database.port} failed"
        wait_until(lambda: told in (site.trouble(name) or ""), "the new task names the server")
        assert "check that the server is up" in (site.trouble(name) or "")
        assert site.task(name)["state"] == "RUNNING"
        worker = site.task(name)["worker_id"]
        with urllib.request.urlopen(f"http://{worker}/metrics", timeout=10) as answer:
            figures = answer.read().decode().splitlines()
        (shown,) = (
            line for line in figures if "_task_trouble{" in line and f'"{unique_name}"' in line
        )
        assert shown.endswith(" 1")
        wait_until(
            lambda: site.logged(unique_name, told, "next attempt in 10.0 s"), "a long pause"
        )
        began_s = time.monotonic()
        site.ask("PUT", f"/connectors/{name}/stop")
        wait_until(lambda: not site.task(name), "the task is gone")
        assert time.monotonic() - began_s < 5
        site.ask("PUT", f"/connectors/{name}/resume")
        wait_until(lambda: told in (site.trouble(name) or ""), "it waits again")
    finally:
        database.start()
    database.sql("INSERT INTO shop.away VALUES (1)")
    (change,) = payloads(site.bootstrap, f"{unique_name}.shop.away", 1)
    assert json.loads(change)["after"] == {"id": 1}
    wait_until(lambda: not site.trouble(name), "the task waits no more")
    site.delete(name)


def test_changes_come_without_keys_when_a_table_has_none(site, database, unique_name):
    """A table without a primary key is captured; nothing is wrong with it."""
    config = cdc(site, database.port, unique_name, table__include__list="shop.keyless")
    name = site.create(unique_name, config)
    topic = f"{unique_name}.shop.keyless"
    wait_until(lambda: site.task(name).get("state") == "RUNNING", "the task runs")
    database.sql("INSERT INTO shop.keyless VALUES (7)")
    (value,) = payloads(site.bootstrap, topic, 1)
    assert json.loads(value)["after"] == {"v": 7}
    assert site.task(name)["state"] == "RUNNING"
    site.delete(name)


def test_trace_names_the_record_when_it_cannot_be_decoded(site, unique_name):
    """The task fails with what was undecodable and moves nobody; with tolerance the next record is written."""
    out = site.folder / f"{unique_name}.out"
    config = {
        "connector.class": "FileStreamSink",
        "topics": unique_name,
        "file": str(out),
        "value.converter": JSON,
        "value.converter.schemas.enable": "false",
    }
    name = site.create(unique_name, config)
    wait_until(lambda: site.task(name).get("state") == "RUNNING", "the task runs")
    generation = site.settled()
    site.send(unique_name, "not json", '{"a":1}')
    found = site.trace(name)
    assert generation == site.settled()
    assert "Tolerance exceeded in error handler" in found
    assert "Converting byte[] to Kafka Connect data failed due to serialization error" in found
    site.ask("PUT", f"/connectors/{name}/config", {**config, "errors.tolerance": "all"})
    wait_until(lambda: out.exists() and out.read_text() == "{a=1}\n", "the next record")
    site.delete(name)


def test_trace_names_the_record_when_a_file_format_cannot_take_it(site, unique_name, tmp_path):
    """A schema that the open file cannot hold, or that its format cannot, fails with topic and offset."""
    struct = {"type": "struct", "name": "s", "version": 1, "fields": []}
    struct["fields"] = [{"field": "a", "type": "int32"}]
    typed = json.dumps({"schema": struct, "payload": {"a": 1}})
    site.send(unique_name, typed, json.dumps({"schema": None, "payload": {"a": 2}}))
    avro = "io.confluent.connect.hdfs3.avro.AvroFormat"
    config = files_sink(f"file://{tmp_path}/avro", unique_name, format__class=avro)
    config = {**config, "flush.size": "10", "value.converter.schemas.enable": "true"}
    name = site.create(unique_name, {**config, "schema.compatibility": "BACKWARD"})
    found = site.trace(name)
    assert "Switch between schema-based and schema-less data is not supported" in found
    assert f"offset 1 of {unique_name}-0" in found
    site.delete(name)
    text = f"{unique_name}-text"
    site.send(text, '{"schema":{"type":"string"},"payload":"x"}')
    parquet = "io.confluent.connect.hdfs3.parquet.ParquetFormat"
    name = site.create(text, {**config, "topics": text, "format.class": parquet})
    found = site.trace(name)
    assert f"writing {text} as Parquet: values have to be Structs with a schema" in found
    site.delete(name)


def test_task_fails_when_its_topic_was_made_anew(site, unique_name, tmp_path):
    """Its files say more than the topic holds: new records would be taken for written ones and be lost."""
    site.send(unique_name, '{"n": 1}', '{"n": 2}', '{"n": 3}')
    config = files_sink(f"file://{tmp_path}", unique_name)
    name = site.create(unique_name, config)
    written = tmp_path / "topics" / unique_name
    wait_until(lambda: len(list(written.rglob("*.json"))) == 3, "a file per record")
    site.ask("PUT", f"/connectors/{name}/stop")
    wait_until(lambda: not site.ask("GET", f"/connectors/{name}/status")[1]["tasks"], "it stops")
    admin = AdminClient({"bootstrap.servers": site.bootstrap})
    admin.delete_topics([unique_name])[unique_name].result(30)
    wait_until(
        lambda: unique_name not in admin.list_topics(timeout=10).topics, "the topic is gone"
    )
    site.send(unique_name, '{"n": 4}')
    site.ask("PUT", f"/connectors/{name}/resume")
    found = site.trace(name)
    assert f"reading {unique_name}-0 on from offset 3" in found
    assert "folders of it in topics.dir and in logs.dir), then restart the task." in found
    written.rename(tmp_path / "former")
    (tmp_path / "logs" / unique_name).rename(tmp_path / "former-logs")
    site.ask("POST", f"/connectors/{name}/restart?includeTasks=true")
    wait_until(
        lambda: [file.read_text() for file in written.rglob("*.json")] == ['{"n":4}\n'], "4"
    )
    site.delete(name)


def test_task_fails_when_its_schema_history_cannot_be_written(
    site, database, unique_name, open_tmp_path
):
    """Nothing may pass a definition that was not kept; restarted with the broker, nothing is missing."""
    with Broker(open_tmp_path / "history") as elsewhere:
        config = cdc(site, database.port, unique_name)
        config["schema.history.internal.kafka.bootstrap.servers"] = elsewhere.bootstrap
        # a minute by default
        config["schema.history.internal.producer.delivery.timeout.ms"] = "3000"
        database.sql(
            "CREATE TABLE shop.late (id INT PRIMARY KEY); INSERT INTO shop.late VALUES (1);"
        )
        name = site.create(unique_name, {**config, "table.include.list": "shop.late"})
        topic = f"{unique_name}.shop.late"
        wait_until(lambda: len(payloads(site.bootstrap, topic, 1)) == 1, "the snapshot")
        elsewhere.kill()
        database.sql(
            "ALTER TABLE shop.late ADD COLUMN v INT; INSERT INTO shop.late VALUES (2, 20);"
        )
        found = site.trace(name)
        assert f"Writing to topic {unique_name}-history failed" in found
        assert f"check that the brokers at {elsewhere.bootstrap} are up" in found
        assert "then restart the task" in found

        elsewhere.start()
        assert site.ask("POST", f"/connectors/{name}/tasks/0/restart")[0] == 204
        after = [json.loads(text)["after"] for text in payloads(site.bootstrap, topic, 2)]
        assert after == [{"id": 1}, {"id": 2, "v": 20}]
        site.delete(name)


def test_daemon_ends_with_one_line_when_its_port_is_in_use(site, tmp_path):
    """The line says which port, who has it, and what to do."""
    port = int(site.daemon.url.rpartition(":")[2])
    second = Daemon(tmp_path, "run", worker_options(site.bootstrap, "second", port))
    second.start(ready=False)
    assert second.process is not None
    assert second.process.wait(30) == 78
    (line,) = second.log.read_text().splitlines()
    assert f"Listening on 127.0.0.1:{port}: the port is in use by" in line
    assert "Stop that process or choose another port in listeners." in line


def test_trace_names_the_file_when_the_disk_is_full_or_read_only(site, unique_name):
    """A text sink that cannot write fails with the file and the system's reason."""
    site.send(unique_name, '{"schema":{"type":"string"},"payload":"x"}')
    config = {"connector.class": "FileStreamSink", "topics": unique_name}
    full = site.create(f"{unique_name}-full", {**config, "file": "/dev/full"})
    closed = site.create(f"{unique_name}-closed", {**config, "file": "/sys/closed"})
    assert "writing to /dev/full: No space left on device" in site.trace(full)
    assert "Couldn't find or create file '/sys/closed'" in site.trace(closed)
    site.delete(full)
    site.delete(closed)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A folder with 64 KB of room: a tmpfs where one may mount, else one that says no to all."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    mounted = subprocess.run(words, check=False, capture_output=True).returncode == 0
    if not mounted:
        folder.chmod(0o555)
    else:
        (folder / "filler").write_bytes(bytes(60_000))
    yield folder
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_files_come_when_the_full_disk_has_room_again(site, unique_name, small_disk):
    """A full disk pauses the sink with a line that says so; with room again, every file is written."""
    site.send(unique_name, *(json.dumps({"a": "y" * 3000}) for _ in range(4)))
    name = site.create(unique_name, files_sink(f"file://{small_disk}", unique_name))
    (line, *_) = wait_until(
        lambda: site.logged("WARN", unique_name, str(small_disk)), "a line about the disk"
    )
    assert "No space left on device" in line or "Permission denied" in line
    assert "trying again" in line
    assert site.task(name)["state"] == "RUNNING"
    wait_until(
        lambda: str(small_disk) in (site.trouble(name) or ""), "the trouble is told to consoles"
    )
    small_disk.chmod(0o755)
    (small_disk / "filler").unlink(missing_ok=True)
    folder = small_disk / "topics" / unique_name
    wait_until(lambda: len(list(folder.rglob("*.json"))) == 4, "all four files")
    wait_until(lambda: site.trouble(name) is None, "there is no trouble any more")
    site.delete(name)
    wait_until(lambda: name not in site.ask("GET", "/connectors")[1], "the sink is gone")


def test_files_come_when_hdfs_leaves_safe_mode(site, unique_name, tmp_path):
    """In safe mode the sink waits with a line that names it; afterwards every file is written."""
    properties = {"dfs.namenode.safemode.min.datanodes": 2, "dfs.permissions.enabled": "false"}
    hdfs = Hdfs(tmp_path, properties=properties)
    hdfs._write_conf()
    try:
        hdfs.namenode.launch()
        hdfs.datanode.launch()
        hdfs.namenode.wait_ready()
        site.send(unique_name, '{"a":1}', '{"a":2}')
        name = site.create(unique_name, files_sink(hdfs.url, unique_name))
        (line, *_) = wait_until(
            lambda: site.logged("WARN", unique_name, "safe mode"), "a line about safe mode"
        )
        assert "dfsadmin -safemode leave" in line
        assert site.task(name)["state"] == "RUNNING"
        admin = ("org.apache.hadoop.hdfs.tools.DFSAdmin", "-safemode", "leave")
        hdfs.namenode.run_once("leaving safe mode", *admin)
        listing = f"{hdfs.url}/webhdfs/v1/topics/{unique_name}/partition=0?op=LISTSTATUS"

        def files() -> int:
            with urllib.request.urlopen(listing, timeout=5) as answer:
                return len(json.load(answer)["FileStatuses"]["FileStatus"])

        wait_until(lambda: files() == 2, "both files", 60)
        site.delete(name)
    finally:
        hdfs.stop()


def test_secrets_are_nowhere_when_connectors_work_and_fail(site, database, unique_name):
    """No password stands in an answer, a trace, the log, a command line or an environment."""
    good = site.create(unique_name, cdc(site, database.port, unique_name))
    wait_until(lambda: site.task(good).get("state") == "RUNNING", "the task runs")
    site.refusal({**cdc(site, database.port, unique_name), "database.user": "nobody"})
    url = f"jdbc:mariadb://canary:{SECRET}@{NOWHERE}/shop?password={SECRET}"
    jdbc = {"connector.class": "JdbcSource", "mode": "bulk", "topic.prefix": unique_name}
    site.refusal({**jdbc, "connection.url": url})
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    login = f'{module} required username="u" password="{SECRET}";'
    lost = {"schema.history.internal.consumer.sasl.jaas.config": login}
    bad = site.create(
        f"{unique_name}-bad",
        {**cdc(site, database.port, f"{unique_name}b"), **lost, "snapshot.mode": "recovery"},
    )
    assert "snapshot.mode=recovery needs a stored offset" in site.trace(bad)
    for path in ("", "/config", "/status", "/tasks", "/tasks-config", "/offsets"):
        for name in (good, bad):
            site.ask("GET", f"/connectors/{name}{path}")
    site.ask("GET", "/connectors?expand=info&expand=status")
    for pid in [pid for pids in site.daemon.processes().values() for pid in pids]:
        for part in ("cmdline", "environ"):
            assert SECRET.encode() not in Path(f"/proc/{pid}/{part}").read_bytes()
    site.delete(good)
    site.delete(bad)
    assert [text for text in site.answers if SECRET in text] == []
    assert SECRET not in site.daemon.log.read_text()
