"""The JDBC source on real servers: modes, offsets, types, the two MySQL drivers, refused log-ins."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from decimal import Decimal
from typing import Any

import pytest

from appliance.connectors.jdbc import mysql as mysql_driver
from appliance.connectors.jdbc.connector import JdbcSourceConnector
from appliance.connectors.jdbc.guard import RECHECK_S
from appliance.connectors.jdbc.task import JdbcSourceTask
from appliance.errors import ConnectError
from appliance.ids import ConnectorTaskId
from deploy.parts import MariaDb, MySql, PostgreSql
from tests.servers import DatabaseAddress
from tests.waiting import wait_until

SERVERS = ("mariadb", "mysql", "postgres")


class Context:
    """A task's surroundings: stored offsets, and a wait that does not wait."""

    id = ConnectorTaskId("jdbc", 0)
    name = "jdbc"

    def __init__(self, stored=None):
        self.stored = stored

    def offsets(self, partitions):
        return [self.stored] + [None] * (len(partitions) - 1)

    def wait(self, timeout_s):
        return False

    def set_metric(self, name, value): ...

    def set_trouble(self, trouble): ...

    def request_task_reconfiguration(self): ...

    def raise_error(self, error):
        raise error


def surroundings(stored=None) -> Any:
    """Give a context with the stored offset."""
    return Context(stored)


class Shop:
    """A database (PostgreSQL: a schema) of a test's own on one server."""

    def __init__(self, address, name):
        self.address, self.name = address, name
        self.postgres = address.scheme == "postgresql"
        self.run(f"CREATE {'SCHEMA' if self.postgres else 'DATABASE'} {name}")

    def run(self, *statements):
        connection = self.address.connect()
        try:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement.replace("shop.", f"{self.name}."))
        finally:
            connection.close()

    def settings(self, **more):
        place = "postgres" if self.postgres else self.name
        where = f"{self.address.host}:{self.address.port}/{place}"
        return {
            "connection.url": f"jdbc:{self.address.scheme}://{where}",
            "connection.user": self.address.user,
            "connection.password": self.address.password,
            "topic.prefix": "shop_",
            "poll.interval.ms": "0",
            **({"schema.pattern": self.name} if self.postgres else {}),
            **{key.replace("_", "."): value for key, value in more.items()},
        }


@pytest.fixture(params=SERVERS)
def shop(request, unique_name):
    """A database of the test's own on each server in turn."""
    return Shop(request.getfixturevalue(request.param), unique_name)


def task_configs(config, tasks=1):
    """Give the configurations of the tasks that a connector makes."""
    connector = JdbcSourceConnector()
    connector.start(surroundings(), config)
    found = connector.task_configs(tasks)
    connector.stop()
    return found


def read(config, stored=None, between=None):
    """Give (values, offset) of all rows; `between` runs when the first drain is over."""
    task = JdbcSourceTask()
    task.start(surroundings(stored), task_configs(config)[0])
    try:
        found = drain(task)
        if between is not None:
            between()
            found += drain(task)
    finally:
        task.close()
    return found


def failing(config):
    """Run a task until it raises."""
    task = JdbcSourceTask()
    with contextlib.closing(task):
        task.start(surroundings(), task_configs(config)[0])
        for _ in range(10):
            task.poll()


def drain(task):
    """Give (values, offset) of the rows that are there now."""
    found = []
    while (batches := task.poll()) or held(task):
        found += [
            (batch.values[n], batch.source_offset_at(n))
            for batch in batches
            for n in range(len(batch))
        ]
    return found


def held(task):
    """Whether rows wait for transactions, be they of other tests on the same server."""
    return any(querier.guard and querier.guard.waiting for querier in task._queriers)


def rows_table(shop):
    """Make a table of three rows, two of the same moment."""
    shop.run(
        "CREATE TABLE shop.t (id INT PRIMARY KEY, name VARCHAR(20), at TIMESTAMP NOT NULL)",
        "INSERT INTO shop.t VALUES (1, 'a', '2025-02-21 10:00:00'),"
        " (2, 'b', '2025-02-21 10:00:00'), (3, 'c', '2025-02-21 10:00:05')",
    )


@pytest.mark.parametrize(
    ("mode", "offsets"),
    [
        ("bulk", [None] * 3),
        ("incrementing", [{"incrementing": n} for n in (1, 2, 3)]),
        ("timestamp", [{}, (1_740_132_000_000,), (1_740_132_005_000,)]),
        (
            "timestamp+incrementing",
            [(1_740_132_000_000, 1), (1_740_132_000_000, 2), (1_740_132_005_000, 3)],
        ),
    ],
)
def test_offsets_are_confluents_when_tables_are_read(shop, mode, offsets):
    """Each mode gives every row once, with the offset that the Confluent connector stores."""
    rows_table(shop)
    columns = {"incrementing.column.name": "id", "timestamp.column.name": "at"}
    wanted = {key: value for key, value in columns.items() if key.split(".")[0] in mode}
    config = shop.settings(mode=mode) | wanted
    (task_config,) = task_configs(config)
    task = JdbcSourceTask()
    task.start(surroundings(), task_config)
    found: list[Any] = []
    while len(found) < 3:
        found += [(b.values[n], b.source_offset_at(n)) for b in task.poll() for n in range(len(b))]
    task.close()
    assert [row[0] for row, _ in found] == [1, 2, 3]
    assert found[0][0] == (1, "a", 1_740_132_000_000)
    names = ("timestamp", "incrementing")
    assert [offset for _, offset in found] == [
        dict(zip(names, offset, strict=False)) | {"timestamp_nanos": 0}
        if isinstance(offset, tuple)
        else offset
        for offset in offsets
    ]


@pytest.mark.parametrize("mode", ["incrementing", "timestamp", "timestamp+incrementing"])
def test_only_what_is_new_arrives_when_a_task_starts_from_an_offset(shop, mode):
    """A restart after a kill begins behind the stored offset; a later row follows by itself."""
    rows_table(shop)
    columns = {"incrementing.column.name": "id", "timestamp.column.name": "at"}
    config = shop.settings(mode=mode) | {
        k: v for k, v in columns.items() if k.split(".")[0] in mode
    }
    stored = {"timestamp": 1_740_132_000_000, "timestamp_nanos": 0, "incrementing": 2}
    if mode == "incrementing":
        stored = {"incrementing": 2}
    insert = "INSERT INTO shop.t VALUES (4, 'd', '2025-02-21 10:00:07')"
    found = read(config, stored, lambda: shop.run(insert))
    assert [row[0] for row, _ in found] == [3, 4]


def test_query_is_polled_when_one_is_configured(shop):
    """Query mode reads the statement into the one topic, from its offset on; its text is the user's."""
    rows_table(shop)
    signs = "name <> '?' AND name NOT LIKE '100%s?'"
    if shop.postgres:
        signs += """ AND '{"k": "??"}'::jsonb ?? 'k'"""
    query = f"SELECT * FROM (SELECT id, name FROM {shop.name}.t WHERE id <> 2 AND {signs}) q"
    config = shop.settings(mode="incrementing", query=query) | {"incrementing.column.name": "id"}
    assert read(config) == [((1, "a"), {"incrementing": 1}), ((3, "c"), {"incrementing": 3})]


class Writer:
    """A connection with a transaction of its own."""

    def __init__(self, shop):
        self._shop = shop
        self._connection = shop.address.connect()
        self._cursor = self._connection.cursor()
        self.run("BEGIN")

    def run(self, statement):
        self._cursor.execute(statement.replace("shop.", f"{self._shop.name}."))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()


@pytest.mark.parametrize("mode", ["incrementing", "timestamp", "timestamp+incrementing", "query"])
def test_no_row_is_lost_when_the_lower_one_is_committed_last(shop, mode):
    """A row waits for the transactions that may still commit one below it; both arrive, in order."""
    shop.run(
        "CREATE TABLE shop.t (id INT PRIMARY KEY, at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))"
    )
    config = shop.settings(mode="incrementing" if mode == "query" else mode)
    if mode.startswith("timestamp"):
        config["timestamp.column.name"] = "at"
    if mode != "timestamp":
        config["incrementing.column.name"] = "id"
    if mode == "query":
        config["query"] = f"SELECT * FROM {shop.name}.t"
    task = JdbcSourceTask()
    task.start(surroundings(), task_configs(config)[0])
    early, late = "'2025-02-21 10:00:00'", "'2025-02-21 10:00:01'"
    with contextlib.closing(task), Writer(shop) as writer:
        writer.run(f"INSERT INTO shop.t VALUES (1, {early})")
        shop.run(f"INSERT INTO shop.t VALUES (2, {late})")
        until_s = time.monotonic() + 4 * RECHECK_S
        while time.monotonic() < until_s:
            assert task.poll() == []
            assert held(task)
        writer.run("COMMIT")
        assert [row[0] for row, _ in drain(task)] == [1, 2]
        writer.run("BEGIN")
        writer.run("SELECT * FROM shop.t")
        shop.run("INSERT INTO shop.t VALUES (3, '2025-02-21 10:00:02')")
        wait_until(
            lambda: [row[0] for row, _ in drain(task)] == [3], "a reader holds nothing back"
        )


@pytest.mark.parametrize("server", ["mariadb", "mysql"])
def test_rows_wait_where_a_number_is_missing_when_the_user_may_not_see_transactions(
    server, request, unique_name, caplog
):
    """Without PROCESS rows without a gap come at once, others after the hold; the log says what to grant."""
    shop = Shop(request.getfixturevalue(server), unique_name)
    rows_table(shop)
    user = f"u{unique_name[-20:]}"
    shop.run(
        f"CREATE USER '{user}'@'%' IDENTIFIED BY 'pw'",
        f"GRANT SELECT ON {unique_name}.* TO '{user}'@'%'",
    )
    config = shop.settings(mode="incrementing") | {
        "incrementing.column.name": "id",
        "connection.user": user,
        "connection.password": "pw",
        "visibility.guard.hold.ms": "3600000",
    }
    task = JdbcSourceTask()
    task.start(surroundings({"incrementing": 0}), task_configs(config)[0])
    with contextlib.closing(task):
        assert [row[0] for row, _ in drain(task)] == [1, 2, 3]
        assert "GRANT PROCESS" in caplog.text
        shop.run("INSERT INTO shop.t VALUES (5, 'e', '2025-02-21 10:00:07')")
        assert task.poll() == []
        assert held(task)
        shop.run("INSERT INTO shop.t VALUES (4, 'd', '2025-02-21 10:00:06')")
        assert [row[0] for row, _ in drain(task)] == [4, 5]


def test_tables_are_spread_when_more_tasks_are_allowed(shop):
    """Tables that the lists leave over go to tasks in contiguous groups, larger ones first."""
    shop.run(*(f"CREATE TABLE shop.t{n} (id INT PRIMARY KEY)" for n in range(4)))
    config = shop.settings(mode="bulk") | {"table.blacklist": "t3"}
    quote = '"' if shop.postgres else "`"
    groups = [task["tables"].replace(quote, "").split(",") for task in task_configs(config, 2)]
    assert groups == [[f"{shop.name}.t0", f"{shop.name}.t1"], [f"{shop.name}.t2"]]


MYSQL_TYPES = (
    (
        "CREATE TABLE shop.t (id BIGINT UNSIGNED PRIMARY KEY, ti TINYINT UNSIGNED, si SMALLINT UNSIGNED,"
        " mi MEDIUMINT UNSIGNED, i INT UNSIGNED, b TINYINT(1), f FLOAT, d DOUBLE, de DECIMAL(8,3),"
        " y YEAR, bi BIT(3), da DATE, ti2 TIME, dt DATETIME(6), e ENUM('x','y'), s SET('p','q'),"
        " j JSON, bl BLOB, vb VARBINARY(4), tx TEXT)"
    ),
    (
        "INSERT INTO shop.t VALUES (9, 255, 65535, 16777215, 4294967295, 1, 14.5, 0.25, -12.5,"
        " 2025, b'101', '2025-02-21', '10:00:01', '2025-02-21 10:00:00.123456', 'y', 'p,q',"
        " '{\"a\": 1}', x'00ff', x'01', 'Otra línea')"
    ),
    "INSERT INTO shop.t (id) VALUES (10)",
)
MYSQL_ROW = (
    *(9, 255, 65535, 16777215, 4294967295, 1, 14.5, 0.25, Decimal("-12.500")),
    *(dt.date(2025, 1, 1).toordinal() * 86_400_000 - 719_163 * 86_400_000, 5),
    *(1_740_096_000_000, 36_001_000, 1_740_132_000_123, "y", "p,q", '{"a": 1}'),
    *(b"\x00\xff", b"\x01", "Otra línea"),
)


@pytest.mark.parametrize("driver", ["asyncmy", "pymysql"])
@pytest.mark.parametrize("server", ["mariadb", "mysql"])
def test_values_are_those_of_the_table_of_types_when_mysql_is_read(
    server, driver, request, unique_name, monkeypatch
):
    """Both drivers give the same rows of every column type, nulls included."""
    if driver == "pymysql":
        monkeypatch.setattr(
            mysql_driver, "_connection_factory", lambda: mysql_driver._PyMySqlConnection
        )
    shop = Shop(request.getfixturevalue(server), unique_name)
    shop.run(*MYSQL_TYPES)
    config = shop.settings(mode="incrementing") | {"incrementing.column.name": "id"}
    first, second = (row for row, _ in read(config))
    assert first == MYSQL_ROW
    assert second == (10, *[None] * (len(MYSQL_ROW) - 1))


def test_values_are_those_of_the_table_of_types_when_postgresql_is_read(postgres, unique_name):
    """PostgreSQL's types arrive as JDBC sees them; arrays, intervals and addresses are left out."""
    shop = Shop(postgres, unique_name)
    shop.run(
        "CREATE TABLE shop.t (id INT8 PRIMARY KEY, b BOOL, s INT2, n NUMERIC(8,3), m NUMERIC(4),"
        " r FLOAT4, d FLOAT8, by BYTEA, da DATE, ti TIME, ts TIMESTAMP(6), tz TIMESTAMPTZ, u UUID,"
        " j JSONB, a INT[], iv INTERVAL, ip INET)",
        "INSERT INTO shop.t VALUES (1, true, 7, -12.5, 42, 14.5, 0.25, '\\x00ff', '2025-02-21',"
        " '10:00:01', '2025-02-21 10:00:00.123456', '2025-02-21 10:00:00+02',"
        " '0b0e1d0c-1111-2222-3333-444455556666', '{\"a\": 1}', '{1,2}', '1 day', '::1')",
    )
    config = shop.settings(mode="incrementing") | {
        "incrementing.column.name": "id",
        "numeric.mapping": "best_fit",
    }
    ((row, _),) = read(config)
    assert row == (
        *(1, True, 7, -12.5, 42, 14.5, 0.25, b"\x00\xff", 1_740_096_000_000, 36_001_000),
        *(1_740_132_000_123, 1_740_124_800_000, "0b0e1d0c-1111-2222-3333-444455556666"),
        '{"a": 1}',
    )


def test_wall_time_is_read_in_the_zone_when_one_is_configured(shop):
    """`db.timezone` says where the clock hung that a timestamp without a zone was read from."""
    column = "TIMESTAMP" if shop.postgres else "DATETIME"
    shop.run(
        f"CREATE TABLE shop.t (id INT PRIMARY KEY, at {column})",
        "INSERT INTO shop.t VALUES (1, '2025-02-21 10:00:00')",
    )
    config = shop.settings(mode="incrementing") | {
        "incrementing.column.name": "id",
        "db.timezone": "Europe/Madrid",
    }
    assert read(config) == [((1, 1_740_128_400_000), {"incrementing": 1})]


def test_error_names_the_database_when_the_password_is_wrong(mariadb, unique_name):
    """Validation says at `connection.url` what to check, and the task ends without a loop."""
    shop = Shop(mariadb, unique_name)
    rows_table(shop)
    config = shop.settings(mode="bulk") | {"connection.attempts": "1"}
    (task_config,) = task_configs(config)
    wrong = {"connection.password": "no"}
    found = {v.name: v.errors for v in JdbcSourceConnector().validate(config | wrong)}
    assert "Could not connect to database." in found["connection.url"][0]
    with pytest.raises(ConnectError, match=r"connecting to the database: .*ccess denied"):
        JdbcSourceTask().start(surroundings(), task_config | wrong)


def test_lacking_right_is_named_with_its_grant_when_a_listed_table_may_not_be_read(shop):
    """Validation tells it at the list, the task in its trace; run as told, the statement mends it."""
    rows_table(shop)
    shop.run("CREATE TABLE shop.other (id INT PRIMARY KEY)")
    user = f"u{shop.name[-20:]}".lower()
    if shop.postgres:
        shop.run(
            f"CREATE USER {user} PASSWORD 'pw'", f"GRANT USAGE ON SCHEMA {shop.name} TO {user}"
        )
        shop.run(f"GRANT SELECT ON shop.other TO {user}")
    else:
        shop.run(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'pw'")
        shop.run(f"GRANT SELECT ON shop.other TO '{user}'@'%'")
    config = shop.settings(mode="bulk", table_whitelist="t")
    config |= {"connection.user": user, "connection.password": "pw"}

    def findings(names):
        found = JdbcSourceConnector().validate(config | {"table.whitelist": names})
        return {value.name: value.errors for value in found if value.errors}

    ((name, (text,)),) = findings("t,other").items()
    assert name == "table.whitelist"
    assert text.startswith(
        f"the user lacks SELECT on {shop.name}.t; let an administrator run: GRANT "
    )
    assert findings("other") == {}
    with pytest.raises(ConnectError, match="the user lacks SELECT on") as raised:
        failing(config)
    grants = text.partition("run: ")[2]
    assert grants in str(raised.value)
    shop.run(*grants.split("; "))
    assert findings("t,other") == {}
    assert len(read(config)) == 3


@pytest.mark.parametrize("kind", [MariaDb, MySql, PostgreSql])
def test_rows_go_on_arriving_when_the_server_is_killed_and_started(kind, open_tmp_path):
    """A lost connection is replaced by itself; no row is lost or read twice."""
    with kind(open_tmp_path / "database") as server:
        scheme = "postgresql" if kind is PostgreSql else "mysql"
        address = DatabaseAddress(scheme, "127.0.0.1", server.port, server.user, server.password)
        shop = Shop(address, "shop")
        rows_table(shop)
        config = shop.settings(mode="incrementing") | {"incrementing.column.name": "id"}
        task = JdbcSourceTask()
        task.start(surroundings(), task_configs(config)[0])
        assert [row[0] for row, _ in drain(task)] == [1, 2, 3]
        server.kill()
        assert task.poll() == []
        server.start()
        shop.run("INSERT INTO shop.t VALUES (4, 'd', '2025-02-21 10:00:07')")
        found = wait_until(lambda: drain(task), "the row written after the restart")
        assert [row[0] for row, _ in found] == [4]
        assert drain(task) == []
        task.close()
