"""A task whose server is away when it starts: it waits, says so, and goes on by itself."""

from __future__ import annotations

import pytest

from appliance.errors import ConnectError
from deploy.parts import Broker, MariaDb
from tests.integration.test_cdc_stream import TASKS, Capture, Context
from tests.servers import DatabaseAddress
from tests.waiting import wait_until

SOON = {"retriable.restart.connector.wait.ms": "200"}


@pytest.fixture
def server(open_tmp_path):
    """A MariaDB that a test may stop."""
    with MariaDb(open_tmp_path / "database") as server:
        yield server


@pytest.fixture
def capture(server, tmp_path):
    """A capture of a database of the server with a table of one row."""
    address = DatabaseAddress("mysql", "127.0.0.1", server.port, server.user, server.password)
    found = Capture("mariadb", address, tmp_path)
    found.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    found.connection.close()
    yield found
    found.stop()


def _start_away(capture, server, **options):
    """Start a task at the last offset while the server is stopped."""
    server.stop()
    config = {**capture.config, **SOON, **options}
    capture.task = TASKS["mariadb"]()
    capture.context = Context(config, capture.offset)
    capture.task.start(capture.context, config)


def _waits(capture):
    capture.poll()
    trouble = capture.context.trouble or ""
    assert f"127.0.0.1:{capture.address.port}" in trouble
    assert "refused" in trouble
    assert "check that the server is up" in trouble
    return True


def _waits_for(capture, brokers):
    def waits():
        capture.poll()
        return f"check that the brokers at {brokers} are up" in (capture.context.trouble or "")

    return waits


def test_rows_come_when_the_server_was_away_at_the_start(capture, server):
    """A first start takes its snapshot, a later one goes on at its offset, as soon as the server is up."""
    _start_away(capture, server)
    for _ in range(5):
        assert _waits(capture)
    server.start()
    capture.until(1)
    assert [image["id"] for image in capture.images("r")] == [1]
    wait_until(lambda: capture.poll() or not capture.offset.get("snapshot"), "it streams")
    assert capture.context.trouble is None
    capture.stop()

    server.sql(f"INSERT INTO {capture.database}.t VALUES (2)")
    _start_away(capture, server)
    assert _waits(capture)
    server.start()
    capture.until(2)
    assert [image["id"] for image in capture.images("c")] == [2]
    assert capture.context.trouble is None


def test_changes_come_when_the_brokers_of_the_schema_history_were_away_at_the_start(
    capture, server, open_tmp_path
):
    """The task waits for them too, with their address, before a snapshot and at an offset."""
    broker = Broker(open_tmp_path / "broker")
    history = "schema.history.internal"
    options = {
        **SOON,
        history: "io.debezium.storage.kafka.history.KafkaSchemaHistory",
        f"{history}.kafka.topic": "tables",
        f"{history}.kafka.bootstrap.servers": broker.bootstrap,
        f"{history}.kafka.create.timeout.ms": "3000",
    }
    config = {**capture.config, **options}
    try:
        for op, count in (("r", 1), ("c", 2)):
            capture.task = TASKS["mariadb"]()
            capture.context = Context(config, capture.offset)
            capture.task.start(capture.context, config)
            wait_until(_waits_for(capture, broker.bootstrap), "the task names the brokers")
            broker.start()
            capture.until(count, 60)
            assert [image["id"] for image in capture.images(op)] == [count]
            wait_until(lambda: capture.poll() or not capture.offset.get("snapshot"), "it streams")
            assert capture.context.trouble is None
            capture.stop()
            broker.stop()
            server.sql(f"INSERT INTO {capture.database}.t VALUES ({count + 1})")
    finally:
        broker.stop()


def test_the_start_fails_when_the_retries_are_used_up(capture, server):
    """errors.max.retries counts attempts to start as it counts those to stream; 0 is none."""
    with pytest.raises(ConnectError, match=r"errors\.max\.retries=0 is used up"):
        _start_away(capture, server, **{"errors.max.retries": "0"})
    capture.stop()
    _start_away(capture, server, **{"errors.max.retries": "2"})
    with pytest.raises(ConnectError, match=r"errors\.max\.retries=2 is used up"):
        capture.until(1)


def test_the_start_fails_at_once_when_time_does_not_help(capture):
    """A wrong password is no matter of waiting."""
    with pytest.raises(ConnectError, match="check user and password"):
        capture.start(**{"database.password": "wrong"})
