"""What an altered offset would mean is told from real servers before anything is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.api import OffsetChange, OffsetPreview
from appliance.connectors.binlog.connector import MariaDbConnector, MySqlConnector
from appliance.connectors.jdbc.connector import JdbcSourceConnector
from deploy.parts import free_ports
from tests.integration.test_cdc_stream import Capture

CONNECTORS = {"mariadb": MariaDbConnector, "mysql": MySqlConnector}
PARTITION = {"server": "p"}


@pytest.fixture(params=["mariadb", "mysql"])
def capture(request, tmp_path):
    """A capture of a database of its own, on both servers in turn."""
    found = Capture(request.param, request.getfixturevalue(request.param), tmp_path)
    yield found
    found.close()


def preview(capture: Capture, before: Any, after: Any, **options: str) -> OffsetPreview:
    connector = CONNECTORS[capture.kind]()
    change = OffsetChange(PARTITION, before, after)
    config = {**capture.config, **options}
    (found,) = connector.preview_offsets(config, [change], lambda _prefix: {})
    return found


def failed(found: OffsetPreview) -> dict[str, str]:
    return {check.name: check.detail or "" for check in found.checks if not check.ok}


def streamed(capture: Capture) -> tuple[dict[str, Any], dict[str, Any]]:
    """Stream two rows; give the offsets behind the first and behind the second."""
    capture.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    capture.start()
    capture.until(1)
    found = []
    for number in (2, 3):
        capture.sql(f"INSERT INTO t VALUES ({number})")
        capture.until(number)
        capture.poll()
        found.append(dict(capture.offset))
    return found[0], found[1]


def test_bytes_between_are_told_when_an_offset_goes_back(capture):
    """A former offset of the connector's own is fine: all checks hold, and the bytes come again."""
    earlier, now = streamed(capture)
    found = preview(capture, now, earlier)
    assert failed(found) == {}
    assert found.bytes == earlier["pos"] - now["pos"] < 0
    names = [check.name for check in found.checks]
    assert "not older than the last schema change" in names
    assert preview(capture, earlier, now).bytes == now["pos"] - earlier["pos"]

    metrics = capture.task._context.metrics
    capture.task._measured_ms = 0
    capture.poll()
    assert metrics["source_bytes_per_second"] > metrics["source_bytes_per_record"] > 0


def test_place_is_refused_when_the_server_cannot_send_from_it(capture):
    """A file that is gone, a place outside its file or inside an event, and one ahead of the server."""
    _, now = streamed(capture)
    plain = {"file": now["file"], "pos": now["pos"]}
    gone = failed(preview(capture, now, {**plain, "file": "gone.000001"}))
    assert now["file"] in gone["file still on the server"]
    assert "no longer available on the server" in gone["the connector goes on there"]
    bare = failed(preview(capture, now, plain))
    assert "needs them as well" in bare.pop("not older than the last schema change")
    assert bare == {}
    assert "an event begins there" in failed(
        preview(capture, now, {**plain, "pos": now["pos"] - 3})
    )
    beyond = failed(preview(capture, now, {**plain, "pos": now["pos"] + 10**6}))
    assert {"position inside its file", "not ahead of the server"} <= beyond.keys()
    anew = preview(
        capture, now, {**plain, "file": "gone.000001"}, **{"snapshot.mode": "when_needed"}
    )
    assert "a snapshot of rows" in failed(anew)["the connector goes on there"]
    assert failed(preview(capture, now, None)) == {}


def test_gtids_are_compared_when_they_decide(capture):
    """With gtids a start goes by them alone: they must be those of file and position, and known."""
    earlier, now = streamed(capture)
    name = "gtids are those of file and position"
    assert name in failed(preview(capture, now, {**earlier, "gtids": now["gtids"]}))
    ahead = {"mariadb": "0-1-99999999", "mysql": "00000000-0000-0000-0000-00000000000a:1-9"}
    unknown = failed(preview(capture, now, {**now, "gtids": ahead[capture.kind]}))
    assert now["file"] in unknown["not ahead of the server"]
    quoted = failed(preview(capture, now, {**now, "gtids": "0-1-1'), (SELECT 1"}))
    assert quoted


def test_schema_changes_are_told_when_they_come_again(capture):
    """Behind an earlier place stands an ALTER; a place without gtids finds no table in a history with them."""
    beginning = capture.sql(
        "SHOW MASTER STATUS" if capture.kind == "mariadb" else "SHOW BINARY LOG STATUS"
    )
    earlier, _ = streamed(capture)
    capture.sql("ALTER TABLE t ADD COLUMN note TEXT", "INSERT INTO t VALUES (4, 'x')")
    capture.until(4)
    capture.poll()
    name = "not older than the last schema change"
    text = failed(preview(capture, capture.offset, earlier))[name]
    assert "1 of them come again" in text
    assert "ADD COLUMN note" in text
    first = {"file": beginning[0][0], "pos": beginning[0][1]}
    assert "this one needs them as well" in failed(preview(capture, capture.offset, first))[name]


def test_server_that_does_not_answer_is_a_check_that_failed(capture):
    """No error, and the reason in words; what has a wrong form is told before the server is asked."""
    _, now = streamed(capture)
    away = preview(capture, now, now, **{"database.port": str(free_ports(1)[0])})
    assert "check that the server is up" in failed(away)["the server answers"]
    wrong = failed(preview(capture, now, {"pos": 4}))
    assert "lacks file" in wrong["it is an offset of this connector"]


def test_table_and_column_are_checked_when_a_jdbc_offset_changes(mariadb, unique_name):
    """The mode's members, whole numbers, a table that is copied, and its largest number."""
    config = {
        "connection.url": f"jdbc:mariadb://{mariadb.host}:{mariadb.port}/{unique_name}",
        "connection.user": mariadb.user,
        "connection.password": mariadb.password,
        "mode": "incrementing",
        "incrementing.column.name": "id",
        "topic.prefix": "j-",
    }
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {unique_name}")
        cursor.execute(f"CREATE TABLE {unique_name}.t (id INT AUTO_INCREMENT PRIMARY KEY)")
        cursor.execute(f"INSERT INTO {unique_name}.t VALUES (), (), ()")

    def found(after: Any, table: str = "t", **options: str) -> OffsetPreview:
        partition = {"protocol": "1", "table": f"{unique_name}.{table}"}
        change = OffsetChange(partition, {"incrementing": 3}, after)
        connector = JdbcSourceConnector()
        (one,) = connector.preview_offsets({**config, **options}, [change], lambda _prefix: {})
        return one

    good = found({"incrementing": 1})
    assert failed(good) == {}
    assert good.records == -2
    assert "largest id is 3" in failed(found({"incrementing": 9}))["not ahead of the table"]
    assert "values are whole numbers" in failed(found({"incrementing": "1"}))
    assert "its members are those of the mode" in failed(found({"timestamp": 1}))
    assert f"table {unique_name}.u is copied" in failed(found({"incrementing": 1}, "u"))
    other = failed(found({"incrementing": 1}, **{"incrementing.column.name": "nr"}))
    assert "does not exist" in other["its columns are there"]
    url = f"jdbc:mariadb://127.0.0.1:{free_ports(1)[0]}/x"
    away = failed(found({"incrementing": 1}, **{"connection.url": url}))
    assert away["the database answers"]
    assert mariadb.password not in json.dumps(away) or not mariadb.password
