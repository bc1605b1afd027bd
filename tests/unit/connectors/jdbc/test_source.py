"""The JDBC source on SQLite: modes, offsets and restarts."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.api import Batch
from appliance.connectors.jdbc.connector import JdbcSourceConnector
from appliance.connectors.jdbc.sqlite import _SqliteRows
from appliance.connectors.jdbc.task import JdbcSourceTask
from appliance.errors import ConnectError
from appliance.ids import ConnectorTaskId


class Context:
    """A task's surroundings: stored offsets, and a wait that does not wait."""

    id = ConnectorTaskId("jdbc", 0)
    name = "jdbc"
    stopping = False

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        self.stored = stored
        self.asked: list[Mapping[str, Any]] = []
        self.metrics: dict[str, float] = {}
        self.troubles: list[str | None] = []

    def offsets(self, partitions: Any) -> list[Mapping[str, Any] | None]:
        self.asked += partitions
        return [self.stored] + [None] * (len(partitions) - 1)

    def wait(self, timeout_s: float) -> bool:
        return False

    @property
    def config(self) -> Mapping[str, str]:
        return {}

    def set_metric(self, name: str, value: float) -> None:
        self.metrics[name] = value

    def set_trouble(self, trouble: str | None) -> None:
        self.troubles.append(trouble)

    def client_config(self, prefix: str) -> dict[str, Any]:
        return {}

    def request_task_reconfiguration(self) -> None: ...

    def raise_error(self, error: BaseException) -> None:
        raise error


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    connection.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, at DATETIME NOT NULL)"
    )
    yield connection
    connection.close()


def settings(tmp_path: Path, mode: str, **more: str) -> dict[str, str]:
    return {
        "connection.url": f"jdbc:sqlite:{tmp_path}/shop.db",
        "mode": mode,
        "topic.prefix": "shop_",
        "poll.interval.ms": "0",
        **more,
    }


def started(
    config: dict[str, str], stored: Mapping[str, Any] | None = None
) -> tuple[JdbcSourceTask, Context]:
    connector = JdbcSourceConnector()
    connector.start(Context(), config)
    (task_config,) = connector.task_configs(1)
    connector.stop()
    context = Context(stored)
    task = JdbcSourceTask()
    task.start(context, task_config)
    return task, context


def drained(task: JdbcSourceTask) -> list[tuple[Any, Mapping[str, Any] | None]]:
    found = []
    while batches := task.poll():
        found += [
            (batch.values[row], batch.source_offset_at(row))
            for batch in batches
            for row in range(len(batch))
        ]
    return found


def test_each_row_arrives_once_when_ids_grow(database: sqlite3.Connection, tmp_path: Path) -> None:
    """Incrementing mode gives every row, in order, with an offset per row, then only new ones."""
    database.executemany(
        "INSERT INTO t (name, at) VALUES (?, '2025-02-21 10:00:00')", [("a",), ("b",), ("c",)]
    )
    task, context = started(settings(tmp_path, "incrementing", **{"batch.max.rows": "2"}))
    assert context.asked == [{"protocol": "1", "table": "t"}, {"table": "t"}]
    rows = drained(task)
    assert [row[0] for row, _ in rows] == [1, 2, 3]
    assert [offset for _, offset in rows] == [{"incrementing": n} for n in (1, 2, 3)]
    assert rows[0][0] == (1, "a", 1_740_132_000_000)
    database.execute("INSERT INTO t (name, at) VALUES ('d', '2025-02-21 10:00:00')")
    assert [row[0] for row, _ in drained(task)] == [4]
    task.close()


def test_trouble_is_told_until_the_database_answers(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    """A source that logs a warning every second and reads nothing does not look healthy."""
    url = f"jdbc:sqlite:{tmp_path}/shop.db?busy_timeout=0"
    task, context = started(settings(tmp_path, "incrementing", **{"connection.url": url}))
    drained(task)
    database.execute("BEGIN EXCLUSIVE")
    task.poll()
    database.execute("COMMIT")
    task.poll()
    trouble, over = context.troubles
    assert "locked" in (trouble or "")
    assert over is None
    task.close()


def test_reading_goes_on_when_an_offset_is_stored(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    """A restart begins after the stored id."""
    database.executemany(
        "INSERT INTO t (name, at) VALUES (?, '2025-02-21')", [("a",), ("b",), ("c",)]
    )
    task, _ = started(settings(tmp_path, "incrementing"), {"incrementing": 2})
    assert [row[0] for row, _ in drained(task)] == [3]
    task.close()


def test_offset_stays_behind_when_a_group_of_equal_timestamps_is_not_complete(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    """A crash inside a group of equal timestamps repeats the group and loses none of it."""
    moments = [
        "2025-01-01 00:00:01",
        "2025-01-01 00:00:02",
        "2025-01-01 00:00:02",
        "2025-01-01 00:00:03",
    ]
    database.executemany(
        "INSERT INTO t (name, at) VALUES ('x', ?)", [(moment,) for moment in moments]
    )
    config = settings(
        tmp_path, "timestamp", **{"timestamp.column.name": "at", "batch.max.rows": "2"}
    )
    task, _ = started(config)
    offsets = [offset for _, offset in drained(task)]
    first = 1_735_689_601_000
    assert [offset["timestamp"] for offset in offsets if offset] == [
        first,
        first,
        first + 1000,
        first + 2000,
    ]
    task.close()
    for stored, left in zip(offsets, ([2, 3, 4], [2, 3, 4], [4], []), strict=True):
        again, _ = started(config, stored)
        assert [row[0] for row, _ in drained(again)] == left
        again.close()


def test_no_row_is_lost_when_the_connection_breaks_inside_a_group_of_equal_timestamps(
    database: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running task, too, reads an incomplete group again: its rows may come twice, none stays out."""
    database.executemany(
        "INSERT INTO t (name, at) VALUES ('x', ?)",
        [("2025-01-01 00:00:01",), *[("2025-01-01 00:00:02",)] * 5, ("2025-01-01 00:00:03",)],
    )
    fetched = 0

    def fetch(rows: _SqliteRows, count: int) -> list[tuple[Any, ...]]:
        nonlocal fetched
        fetched += 1
        if fetched == 2:
            raise sqlite3.OperationalError("database is locked")
        return whole(rows, count)

    whole = _SqliteRows.fetch
    monkeypatch.setattr(_SqliteRows, "fetch", fetch)
    config = settings(
        tmp_path, "timestamp", **{"timestamp.column.name": "at", "batch.max.rows": "3"}
    )
    task, _ = started(config)
    ids = [row[0] for _ in range(2) for row, _ in drained(task)]
    assert ids == [1, 2, 3, 2, 3, 4, 5, 6, 7]
    task.close()


def test_changed_rows_arrive_when_timestamp_and_id_are_used(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    """An update with a newer time comes again; equal times are told apart by id."""
    database.executemany(
        "INSERT INTO t (name, at) VALUES (?, '2025-01-01 00:00:01')", [("a",), ("b",)]
    )
    config = settings(tmp_path, "timestamp+incrementing", **{"timestamp.column.name": "at"})
    task, _ = started(config)
    assert [row[0] for row, _ in drained(task)] == [1, 2]
    database.execute("UPDATE t SET at = '2025-01-01 00:00:05', name = 'c' WHERE id = 1")
    assert [(row[0], row[1]) for row, _ in drained(task)] == [(1, "c")]
    task.close()


def test_rows_come_under_the_new_schema_when_a_column_is_added(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    """DDL shows at the next poll."""
    database.execute("INSERT INTO t (name, at) VALUES ('a', '2025-01-01')")
    task, _ = started(settings(tmp_path, "incrementing"))
    drained(task)
    database.execute("ALTER TABLE t ADD COLUMN extra INTEGER")
    database.execute("INSERT INTO t (name, at, extra) VALUES ('b', '2025-01-01', 7)")
    batches: list[Batch] = task.poll()
    schema = batches[0].value_schema
    assert schema is not None
    assert [field.name for field in schema.fields] == ["id", "name", "at", "extra"]
    task.close()


def test_task_fails_with_the_cause_when_the_table_is_gone(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    """A dropped table is no passing trouble."""
    task, _ = started(settings(tmp_path, "incrementing"))
    database.execute("DROP TABLE t")
    with pytest.raises(ConnectError, match="no such table"):
        task.poll()
    task.close()


@pytest.mark.parametrize(
    ("more", "option", "text"),
    [
        ({"mode": ""}, "mode", "Query mode must be specified"),
        ({"table.whitelist": "a", "table.blacklist": "b"}, "table.whitelist", "are exclusive"),
        ({"query": "select 1", "table.whitelist": "a"}, "query", "may not be combined"),
        ({"mode": "sideways"}, "mode", "String must be one of"),
        (
            {"connection.url": "jdbc:mysql://127.0.0.1:1/x"},
            "connection.url",
            "Could not connect to database.",
        ),
    ],
)
def test_fault_is_named_at_its_option_when_validated(
    tmp_path: Path, more: dict[str, str], option: str, text: str
) -> None:
    """Validation puts each finding where a form shows it."""
    config = {**settings(tmp_path, "incrementing"), **more}
    found = {value.name: value.errors for value in JdbcSourceConnector().validate(config)}
    assert any(text in error for error in found[option]), found[option]


def test_connector_warns_when_nothing_says_which_tables_to_copy(database, tmp_path, caplog):
    """Bare mode=bulk copies all tables, as old versions did, and says what newer ones demand."""
    connector = JdbcSourceConnector()
    config = {"connection.url": f"jdbc:sqlite:{tmp_path / 'shop.db'}", "mode": "bulk"}
    context: Any = Context()
    connector.start(context, {**config, "topic.prefix": "p"})
    connector.stop()
    assert "At least one table filtering configuration is required" in caplog.text
    caplog.clear()
    connector.start(context, {**config, "topic.prefix": "p", "table.whitelist": "t"})
    connector.stop()
    assert "filtering" not in caplog.text


def test_last_poll_is_told_when_an_answer_was_complete(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    """The figure that tells how old the data may be is set at the end of an answer, not before."""
    database.execute("INSERT INTO t (name, at) VALUES ('a', '2025-02-21 10:00:00')")
    began_ms = time.time() * 1000
    task, context = started(settings(tmp_path, "incrementing"))
    assert len(task.poll()) == 1
    assert "last_poll_ms" not in context.metrics
    assert task.poll() == []
    assert context.metrics["last_poll_ms"] >= began_ms - 1
    task.close()
