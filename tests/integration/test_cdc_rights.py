"""Users of real servers who may not do everything: what a start, a check and the stream say."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from appliance.connectors.binlog.connector import MariaDbConnector, MySqlConnector
from appliance.errors import ConnectError, RetriableError
from tests.integration.test_cdc_stream import Capture
from tests.waiting import wait_until

CLASSES = {"mariadb": MariaDbConnector, "mysql": MySqlConnector}
REPLICATION = "REPLICATION SLAVE, REPLICATION CLIENT, RELOAD ON *.*"


@pytest.fixture(params=["mariadb", "mysql"])
def capture(request, tmp_path, unique_name):
    """A capture of tables `a` and `t` with a row each, by a user who may follow the binlog alone."""
    found = Capture(request.param, request.getfixturevalue(request.param), tmp_path)
    found.config |= {"database.user": unique_name, "database.password": "x"}
    found.sql(
        "CREATE TABLE a (id INT PRIMARY KEY)",
        "INSERT INTO a VALUES (1)",
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), secret INT)",
        "INSERT INTO t VALUES (1, 'x', 7)",
        f"CREATE USER {unique_name}@'%' IDENTIFIED BY 'x'",
        f"GRANT {REPLICATION} TO {unique_name}@'%'",
    )
    yield found
    found.stop()
    found.sql(f"DROP USER {unique_name}@'%'")
    found.close()


def _errors(capture, **changes):
    values = CLASSES[capture.kind]().validate({**capture.config, **changes})
    return {value.name: value.errors for value in values if value.errors}


def _grant(capture, privilege, where):
    user = capture.config["database.user"]
    return f"GRANT {privilege} ON {where} TO '{user}'@'%'"


def test_the_grant_is_named_when_the_user_sees_nothing(capture):
    """Check and start give the statement that helps; after it both are content."""
    statement = _grant(capture, "SELECT", f"`{capture.database}`.*")
    (found,) = _errors(capture)["database.user"]
    assert found.endswith(statement)
    with pytest.raises(ConnectError, match="sees no table of") as caught:
        capture.start()
    assert str(caught.value).endswith(statement)
    capture.stop()
    capture.sql(statement)
    assert _errors(capture) == {}
    capture.start()
    assert [record[1] for record in capture.records] == [{"id": 1}, {"id": 1}]


def test_all_databases_are_named_when_there_is_no_list(capture):
    """Without plain names in the lists the right is asked for everywhere."""
    for lists in ({"database.include.list": ""}, {"database.include.list": "d[0-9a-f]+"}):
        (found,) = _errors(capture, **lists)["database.user"]
        assert found.endswith(_grant(capture, "SELECT", "*.*"))


def test_rights_of_a_role_count_when_the_user_has_one(capture):
    """A user who reads by a role is not told to ask for more."""
    user = capture.config["database.user"]
    role = f"r{user}"
    quoted = f"'{user}'@'%'"
    default = f"{role} FOR {quoted}" if capture.kind == "mariadb" else f"{role} TO {quoted}"
    capture.sql(f"CREATE ROLE {role}", f"GRANT SELECT ON {capture.database}.* TO {role}")
    capture.sql(f"GRANT {role} TO {quoted}", f"SET DEFAULT ROLE {default}")
    try:
        assert _errors(capture) == {}
        capture.start()
    finally:
        capture.sql(f"DROP ROLE {role}")
    assert [record[1] for record in capture.records] == [{"id": 1}, {"id": 1}]


def test_the_task_fails_at_once_when_columns_may_not_be_read(capture):
    """The error names table, statement and grant, tables before it are sent once; an exclusion helps."""
    capture.sql(
        _grant(capture, "SELECT", f"{capture.database}.a"),
        _grant(capture, "SELECT (id, v)", f"{capture.database}.t"),
        _grant(capture, "REFERENCES", f"{capture.database}.t"),
    )
    assert _errors(capture) == {}
    with pytest.raises(ConnectError) as caught:
        capture.start()
    assert not isinstance(caught.value, RetriableError)
    for part in (
        f"Reading the rows of {capture.database}.t",
        "SELECT `id`, `v`, `secret` FROM",
        "(1143)",
        _grant(capture, "SELECT", f"`{capture.database}`.`t`"),
        "column.exclude.list",
    ):
        assert part in str(caught.value)
    assert [record[0] for record in capture.records] == [f"p.{capture.database}.a"]
    capture.stop()
    capture.start(**{"column.exclude.list": r".*\.t\.secret"})
    assert capture.records[-1][2]["after"] == {"id": 1, "v": "x"}


def test_the_grant_is_named_when_columns_alone_may_be_read(capture):
    """Such a user may not see how the table is made: it fails a snapshot, but not if it is left out."""
    capture.sql(
        _grant(capture, "SELECT", f"{capture.database}.a"),
        _grant(capture, "SELECT (id, v)", f"{capture.database}.t"),
    )
    with pytest.raises(ConnectError, match="SHOW CREATE TABLE") as caught:
        capture.start()
    assert _grant(capture, "SELECT", f"`{capture.database}`.`t`") in str(caught.value)
    capture.stop()
    capture.start(**{"table.exclude.list": f"{capture.database}.t"})
    assert [record[1] for record in capture.records] == [{"id": 1}]


def test_trouble_is_told_until_a_table_comes_when_nothing_is_captured(capture, caplog):
    """The log and the console say so; a table that is made later is captured and ends it."""
    capture.sql(_grant(capture, "SELECT", f"{capture.database}.*"))
    later = f"{capture.database}.later"
    capture.start(**{"table.include.list": later})
    capture.poll()
    for text in (caplog.text, capture.context.trouble):
        assert "no changes will be captured" in text
        assert f"table.include.list={later}" in text
    capture.poll()
    assert "no changes will be captured" in capture.context.trouble
    capture.sql("CREATE TABLE later (id INT PRIMARY KEY)", "INSERT INTO later VALUES (1)")
    wait_until(lambda: capture.poll() or not capture.context.trouble, "the trouble ends")
    assert [record[1] for record in capture.records] == [{"id": 1}]


def test_the_grant_is_named_when_rows_come_of_a_table_that_is_hidden(capture):
    """The stream's error tells to grant first; then recovery goes on with that row."""
    capture.sql(_grant(capture, "SELECT", f"{capture.database}.a"))
    capture.start()
    capture.sql("INSERT INTO t VALUES (2, 'y', 8)")
    grant = _grant(capture, "SELECT", f"`{capture.database}`.`t`")
    with pytest.raises(ConnectError, match="whose schema isn't known") as caught:
        capture.until(99)
    assert grant in str(caught.value)
    capture.stop()
    capture.sql(grant)
    capture.start()
    with pytest.raises(ConnectError, match=r"restart it with snapshot\.mode=recovery"):
        capture.until(99)
    capture.stop()
    capture.start(**{"snapshot.mode": "recovery"})
    capture.until(2)
    assert capture.records[-1][2]["after"] == {"id": 2, "v": "y", "secret": 8}


def test_retries_run_out_when_each_snapshot_breaks_off_at_the_same_table(capture):
    """Rows of a table before it are no progress: the first table is sent once an attempt, then no more."""
    user = capture.config["database.user"]
    capture.sql(_grant(capture, "SELECT", f"{capture.database}.*"))
    wait_ms = 300
    capture.offset = {}  # so that nothing is polled yet
    capture.start(
        **{"errors.max.retries": "2", "retriable.restart.connector.wait.ms": str(wait_ms)},
    )
    sent_s: list[float] = []

    def poll_and_break_off():
        capture.poll()
        if len(capture.records) > len(sent_s):
            sent_s.append(time.monotonic())
            for (number,) in capture.sql(
                f"SELECT id FROM information_schema.processlist WHERE user = '{user}'"
            ):
                capture.sql(f"KILL {number}")

    def run():
        while True:
            poll_and_break_off()

    with pytest.raises(ConnectError, match=r"errors\.max\.retries=2 is used up"):
        run()
    assert [record[0] for record in capture.records] == [f"p.{capture.database}.a"] * 3
    assert min(later - sooner for sooner, later in pairwise(sent_s)) >= wait_ms / 1000
