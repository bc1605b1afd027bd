"""Options of the source task whose effect shows on a real server."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from appliance.connectors.binlog.config import parse
from appliance.connectors.binlog.server import Server, connection_settings
from appliance.connectors.binlog.stream import BinlogStream, ConnectionLostError, StartPoint
from appliance.errors import ConnectError, RetriableError
from tests.integration.test_cdc_stream import TASKS, Capture, Context
from tests.waiting import wait_until


@pytest.fixture(params=["mariadb", "mysql"])
def capture(request, tmp_path):
    """A capture of a database of its own, on both servers in turn."""
    found = Capture(request.param, request.getfixturevalue(request.param), tmp_path)
    found.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    yield found
    found.close()


def _heartbeats(capture):
    return [record for record in capture.records if record[0].startswith("__debezium-heartbeat")]


def test_the_action_query_runs_when_the_source_is_quiet(capture):
    """Each heartbeat runs the statement, on a server that sends nothing but signs of life too."""
    capture.sql("CREATE TABLE beats (n INT PRIMARY KEY AUTO_INCREMENT)")
    capture.start(
        **{
            "heartbeat.interval.ms": "100",
            "heartbeat.action.query": f"INSERT INTO {capture.database}.beats VALUES ()",
            "connect.keep.alive.interval.ms": "1250",
            "table.include.list": f"{capture.database}.t",
        }
    )
    deadline = time.monotonic() + 30
    while len(_heartbeats(capture)) < 4 and time.monotonic() < deadline:
        capture.poll()
    assert len(_heartbeats(capture)) >= 4
    assert capture.sql("SELECT COUNT(*) FROM beats")[0][0] == len(_heartbeats(capture))


def test_heartbeats_come_when_nothing_changes(capture):
    """The server's signs of life are enough for a heartbeat, whose offset stays."""
    options = {"heartbeat.interval.ms": "100", "connect.keep.alive.interval.ms": "1250"}
    capture.start(**{**options, "snapshot.mode": "no_data"})
    deadline = time.monotonic() + 30
    while len(_heartbeats(capture)) < 3 and time.monotonic() < deadline:
        capture.poll()
    assert len(_heartbeats(capture)) >= 3
    assert {beat[1]["serverName"] for beat in _heartbeats(capture)} == {"p"}


def test_the_task_fails_when_the_action_query_cannot_work(capture):
    """A statement of wrong syntax stops the task; one about a table that is not there is logged."""
    absent = f"INSERT INTO {capture.database}.absent VALUES (1)"
    capture.start(**{"heartbeat.interval.ms": "1", "heartbeat.action.query": absent})
    capture.sql("INSERT INTO t VALUES (1)")
    wait_until(lambda: capture.poll() or _heartbeats(capture), "a heartbeat came")
    capture.stop()
    capture.start(**{"heartbeat.interval.ms": "1", "heartbeat.action.query": "INSART"})
    with pytest.raises(ConnectError, match="heartbeat action query"):
        capture.until(99)


def test_snapshot_and_stream_wait_when_delays_are_set(capture):
    """Rows come after snapshot.delay.ms, events after streaming.delay.ms more, and polls stay short."""
    capture.sql("INSERT INTO t VALUES (1)")
    begin = time.monotonic()
    capture.start(**{"snapshot.delay.ms": "1500", "streaming.delay.ms": "1500"})
    assert time.monotonic() - begin >= 1.5
    read = time.monotonic()
    capture.sql("INSERT INTO t VALUES (2)")
    capture.until(2)
    assert time.monotonic() - read >= 1.4


def test_start_fails_when_more_tables_are_kept_than_the_guardrail_allows(capture, caplog):
    """The limit counts what the schema history keeps: a failure or a warning at start."""
    capture.sql("CREATE TABLE u (id INT PRIMARY KEY)")
    kept = {
        "schema.history.internal.store.only.captured.tables.ddl": "true",
        "guardrail.collections.max": "1",
    }
    with pytest.raises(ConnectError, match="Guardrail limit exceeded: 2 tables"):
        capture.start(**kept, **{"guardrail.collections.limit.action": "fail"})
    capture.stop()
    capture.start(**kept)
    assert "Guardrail limit exceeded: 2 tables" in caplog.text
    capture.stop()
    caplog.clear()
    capture.offset = None
    capture.start(**{**kept, "guardrail.collections.max": "2"})
    assert "Guardrail" not in caplog.text


def test_the_task_fails_when_the_retries_are_used_up(capture):
    """A server that stays away fails the task after errors.max.retries attempts in a row."""
    capture.start(
        **{
            "snapshot.mode": "no_data",
            "errors.max.retries": "2",
            "retriable.restart.connector.wait.ms": "50",
        }
    )
    capture.task._stream._settings["port"] = 1
    with pytest.raises(ConnectError, match=r"errors\.max\.retries=2 is used up"):
        capture.until(1)
    assert capture.task._failures == 2


def _dump_thread(capture):
    rows = capture.sql(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%' "
        "ORDER BY ID DESC"
    )
    return rows[0][0]


def test_net_timeouts_are_those_of_the_options_when_streaming(mysql, tmp_path):
    """The session of the binlog connection has the time-outs, no other one."""
    capture = Capture("mysql", mysql, tmp_path)
    try:
        capture.sql("CREATE TABLE t (id INT PRIMARY KEY)")
        capture.start(
            **{
                "snapshot.mode": "no_data",
                "binlog.net.read.timeout": "77",
                "binlog.net.write.timeout": "88",
            }
        )
        capture.sql("INSERT INTO t VALUES (1)")
        capture.until(1)
        found = capture.sql(
            "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM performance_schema.variables_by_thread "
            "JOIN performance_schema.threads USING (THREAD_ID) WHERE VARIABLE_NAME IN "
            f"('net_read_timeout', 'net_write_timeout') AND PROCESSLIST_ID = {_dump_thread(capture)}"
        )
        assert dict(found) == {"net_read_timeout": "77", "net_write_timeout": "88"}
    finally:
        capture.close()


def test_a_statement_is_given_up_when_the_server_is_silent_too_long(capture):
    """database.query.timeout.ms ends a statement as an error that may be tried again."""
    capture.start(**{"snapshot.mode": "no_data"})
    parsed = {**capture.task._parsed, "database.query.timeout.ms": 300}
    with Server(capture.kind, parsed) as server:
        begin = time.monotonic()
        with pytest.raises(RetriableError, match="timed out"):
            server.ask("SELECT SLEEP(5)")
        assert time.monotonic() - begin < 3


def test_the_snapshot_is_tried_again_when_a_statement_takes_too_long(capture):
    """A snapshot held up by a lock beyond the time-out begins anew and then gives every row once."""
    capture.sql("INSERT INTO t VALUES (1)", "LOCK TABLES t WRITE")
    options = {
        "database.query.timeout.ms": "400",
        "retriable.restart.connector.wait.ms": "100",
        "snapshot.locking.mode": "none",
    }
    config = {**capture.config, **options}
    capture.task = TASKS[capture.kind]()
    capture.task.start(Context(config, None), config)
    wait_until(lambda: capture.poll() or capture.task._failures >= 2, "two attempts failed")
    capture.sql("UNLOCK TABLES")
    wait_until(
        lambda: capture.poll() or capture.task._snapshot is None, "the snapshot is complete"
    )
    assert [image["id"] for image in capture.images("r")] == [1]


@pytest.mark.parametrize(("silence_s", "lost"), [(1.5, True), (None, False)])
def test_a_silent_connection_counts_as_lost_when_it_is_watched(capture, silence_s, lost):
    """Without a sign of life for connect.keep.alive.interval.ms a stream ends, unless connect.keep.alive=false."""
    parsed = parse(capture.kind, capture.config)
    with Server(capture.kind, parsed) as server:
        position = server.position()
    stream = BinlogStream(
        connection_settings(parsed),
        int(parsed["database.server.id"]),
        mariadb=capture.kind == "mariadb",
        heartbeat_s=3600,
        silence_s=silence_s,
    )
    try:
        stream.connect(StartPoint(position.file, position.pos))
        while stream.fill(1):
            list(stream.events())
        if lost:
            with pytest.raises(ConnectionLostError, match="no heartbeat"):
                any(stream.fill(0.1) for _ in range(20))
        else:
            assert not any(stream.fill(0.1) for _ in range(20))
    finally:
        stream.close()


def _ids(capture, op):
    return [image["id"] for image in capture.images(op)]


def test_rows_are_read_at_each_start_when_the_mode_is_always(capture):
    """A finished snapshot does not keep the next start from another one, and changes follow both."""
    capture.sql("INSERT INTO t VALUES (1)")
    for start in (1, 2):
        capture.start(**{"snapshot.mode": "always"})
        capture.until(3 * start - 2)
        capture.sql(f"INSERT INTO t VALUES ({start + 1})")
        capture.until(3 * start - 1)
        capture.stop()
    assert (_ids(capture, "r"), _ids(capture, "c")) == ([1, 1, 2], [2, 3])


def test_changes_wait_for_the_next_start_when_the_mode_is_initial_only(capture):
    """After its snapshot the task gives nothing; a start that streams goes on from there."""
    capture.sql("INSERT INTO t VALUES (1)")
    capture.start(**{"snapshot.mode": "initial_only"})
    capture.sql("INSERT INTO t VALUES (2)")
    for _ in range(5):
        capture.poll()
    assert (_ids(capture, "r"), _ids(capture, "c")) == ([1], [])
    capture.stop()
    capture.start()
    capture.until(2)
    assert _ids(capture, "c") == [2]


def test_a_lost_history_is_made_anew_when_the_mode_is_recovery(capture):
    """Without its history a start fails; recovery reads definitions, no rows, and goes on at the offset."""
    history = Path(capture.config["schema.history.internal.file.filename"])
    capture.sql("INSERT INTO t VALUES (1)")
    capture.start()
    capture.stop()
    history.unlink()
    capture.sql("INSERT INTO t VALUES (2)")
    with pytest.raises(ConnectError, match="db history topic is missing"):
        capture.start()
    capture.stop()
    capture.start(**{"snapshot.mode": "recovery"})
    capture.until(2)
    capture.stop()
    capture.sql("INSERT INTO t VALUES (3)")
    capture.start()
    capture.until(3)
    assert (_ids(capture, "r"), _ids(capture, "c")) == ([1], [2, 3])


def test_rows_are_read_anew_when_needed_after_a_purge(capture):
    """Where the binlog behind the offset is gone, initial fails and when_needed takes a snapshot."""
    capture.sql("INSERT INTO t VALUES (1)")
    capture.start()
    capture.stop()
    capture.sql("INSERT INTO t VALUES (2)", "FLUSH BINARY LOGS")
    last = capture.sql("SHOW BINARY LOGS")[-1][0]

    def purged():
        # MariaDB keeps, without a word, what the ended stream's thread still has open
        capture.sql(f"PURGE BINARY LOGS TO '{last}'")
        return capture.sql("SHOW BINARY LOGS")[0][0] == last

    wait_until(purged, "the older files are purged")
    with pytest.raises(ConnectError, match="no longer available on the server"):
        capture.start()
    capture.stop()
    capture.start(**{"snapshot.mode": "when_needed"})
    capture.until(3)
    capture.sql("INSERT INTO t VALUES (3)")
    capture.until(4)
    assert (_ids(capture, "r"), _ids(capture, "c")) == ([1, 1, 2], [3])


OVERRIDES = "snapshot.select.statement.overrides"


def _override(capture, statement):
    table = f"{capture.database}.t"
    return {OVERRIDES: table, f"{OVERRIDES}.{table}": statement.format(table=table)}


def test_the_override_says_which_rows_are_read_when_a_table_has_one(capture):
    """Its rows alone are in the snapshot; changes of the others are streamed all the same."""
    capture.sql("INSERT INTO t VALUES (1), (2), (3)")
    capture.start(**_override(capture, "SELECT * FROM {table} WHERE id > 1;"))
    capture.sql("UPDATE t SET id = 4 WHERE id = 1")
    capture.until(2 + 3)
    assert (_ids(capture, "r"), _ids(capture, "c")) == ([2, 3], [4])


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("SELECT 1 AS other FROM {table}", 1054),
        ("SELECT FROM {table}", 1064),
        ("SELECT * FROM {table}_absent", 1146),
    ],
)
def test_the_task_fails_at_once_when_an_override_cannot_work(capture, statement, number):
    """It names statement, error and option, and tables before it are sent once."""
    capture.sql("CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1)")
    with pytest.raises(ConnectError) as caught:
        capture.start(**_override(capture, statement))
    assert not isinstance(caught.value, RetriableError)
    for part in (
        f"{capture.database}.t",
        statement.format(table=f"{capture.database}.t"),
        f"({number})",
        f"correct {OVERRIDES}.{capture.database}.t",
    ):
        assert part in str(caught.value)
    assert [record[0] for record in capture.records] == [f"p.{capture.database}.a"]
