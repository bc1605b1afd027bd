"""Snapshots of real servers: the recorded records, values as SQL sees them, histories in Kafka."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.connectors.binlog import textrows
from appliance.connectors.binlog.config import parse
from appliance.connectors.binlog.connector import MariaDbConnector, MySqlConnector
from appliance.connectors.binlog.history import MemoryHistory, open_history
from appliance.connectors.binlog.plan import Plan
from appliance.connectors.binlog.schemas import TableSchemas
from appliance.connectors.binlog.snapshot import Snapshot
from appliance.converters.json import JsonConverter
from tests.golden.cdc_recordings import PREFIXES, recording

DATABASES = ["mariadb", "mysql"]
CLASSES = {"mariadb": MariaDbConnector, "mysql": MySqlConnector}


@pytest.fixture(params=DATABASES)
def server(request):
    """Both servers in turn: the kind and its address."""
    return request.param, request.getfixturevalue(request.param)


@pytest.fixture(params=["asyncmy", "own"])
def parser(request, monkeypatch):
    """Rows read by asyncmy's code, and by ours alone as where it has no wheel."""
    if request.param == "own":
        monkeypatch.setattr(textrows, "row_parser", lambda: None)


def options(kind, address, **changes):
    """Give a configuration for a server."""
    return {
        "topic.prefix": "p",
        "database.hostname": address.host,
        "database.port": str(address.port),
        "database.user": address.user,
        "database.password": address.password,
        "database.server.id": "7",
        **changes,
    }


def run(address, *statements, database=None):
    """Run statements on a server."""
    connection = address.connect(database, charset="utf8mb4")
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        found = cursor.fetchall()
    connection.close()
    return found


def snapshot_of(kind, config, **plan):
    """Take a snapshot; give it, its batches with rows, and the last offset."""
    parsed = parse(kind, config)
    schemas = TableSchemas(kind, config, parsed, MemoryHistory())
    snapshot = Snapshot(
        schemas, config, parsed, Plan(**{"schema": True, "data": True, "stream": True, **plan})
    )
    batches = [batch for step in snapshot.batches() for batch in step]
    return schemas, [b for b in batches if b.values], batches[-1].source_offset


def encoded(batches):
    """Give the JSON key and value of every row, by topic."""
    converters = [JsonConverter(), JsonConverter()]
    for converter, is_key in zip(converters, (True, False), strict=True):
        converter.configure({"schemas.enable": "true"}, is_key=is_key)
    found: dict[str, list[Any]] = {}
    for b in batches:
        keys = (
            converters[0].encoder(b.topic, b.key_schema)(b.keys, ()) if b.keys else [None] * len(b)
        )
        values = converters[1].encoder(b.topic, b.value_schema, b.layout)(b.values, b.constants)
        found.setdefault(b.topic, []).extend(
            (key and key.decode(), value and value.decode())
            for key, value in zip(keys, values, strict=True)
        )
    return found


def comparable(payload):
    """Leave out what differs from run to run: places, clocks, and columns filled by a clock."""
    payload = json.loads(payload)
    schema, payload = payload["schema"], payload["payload"]
    source = {k: v for k, v in payload["source"].items() if not k.startswith("ts_")}
    for name in ("file", "pos"):
        del source[name]
    after = {k: v for k, v in payload["after"].items() if k not in ("c_dt_cur", "c_ts_cur")}
    return json.dumps([schema, after, payload["before"], payload["op"], source])


@pytest.mark.usefixtures("parser")
def test_records_are_the_recorded_ones_when_recorded_tables_are_read(server):
    """Keys, values, schemas and markers of a first snapshot equal the peer's."""
    kind, address = server
    recorded = recording(kind)
    script = recorded["statements"].partition("-- connector created")[0]
    run(address, *[s for s in script.split(";\n") if s.strip()])
    config = dict(recorded["connector"])
    config |= {k: v for k, v in options(kind, address).items() if k != "topic.prefix"}
    _, batches, offset = snapshot_of(kind, config)
    found = encoded(batches)
    run(address, "drop database smp")
    for topic, records in recorded["topics"].items():
        if not topic.startswith(f"{PREFIXES[kind]}.smp."):
            continue
        theirs = [
            (record["key"], comparable(record["value"]))
            for record in records
            if '"op":"r"' in (record["value"] or "")
            and '"snapshot":"incremental"' not in record["value"]
        ]
        assert [(k, comparable(v)) for k, v in found.get(topic, [])] == theirs
    assert offset is not None
    assert "snapshot" not in offset
    assert {"file", "pos", "gtids", "ts_sec"} == set(offset)


VALUES: list[tuple[str, str, str, Any]] = [
    ("tinyint", "-128", "{c}", int),
    ("bigint unsigned", "18446744073709551615", "{c}", lambda v: v - 2**64),
    ("float", "16777217", "{c} * 1E0", float),
    ("float", "0.1", "{c} * 1E0", float),
    ("double", "1.7976931348623157e308", "{c}", float),
    ("decimal(65,30)", "'-12345678901234567890123456789012345.000000000000000000000000000001'", "{c}", lambda v: v),
    ("date", "'1000-01-01'", "datediff({c}, '1970-01-01')", int),
    ("time(6)", "'-838:59:58.999999'", "-3020398999999", int),
    ("datetime(3)", "'9999-12-31 23:59:59.999'", "timestampdiff(microsecond, '1970-01-01', {c})", lambda v: v // 1000),
    ("datetime(6)", "'1969-12-31 23:59:59.000001'", "timestampdiff(microsecond, '1970-01-01', {c})", int),
    ("varchar(300) character set latin1", "repeat('é', 300)", "{c}", str),
    ("mediumtext", "repeat('x', 70000)", "{c}", str),
    ("longtext", "repeat('y', 200)", "{c}", str),
    ("varbinary(300)", "x'00ff'", "{c}", bytes),
    ("bit(12)", "b'100000000001'", "{c}", lambda v: v[::-1]),
    ("enum('a','b,c')", "'b,c'", "{c}", str),
    ("set('x','y','z')", "'z,x'", "{c}", str),
    ("year", "1901", "{c}", int),
]  # fmt: skip


@pytest.mark.usefixtures("parser")
def test_values_are_those_of_sql_when_columns_have_any_type(server, unique_name):
    """Each value of a snapshot is what the server says by other means; null stays null."""
    kind, address = server
    columns = ", ".join(f"c{i} {type_}" for i, (type_, *_) in enumerate(VALUES))
    values = ", ".join(value for _, value, *_ in VALUES)
    table = f"{unique_name}.t"
    run(
        address,
        f"create database {unique_name} character set utf8mb4",
        f"create table {table} (id int primary key, {columns})",
        f"insert into {table} values (1, {values})",
        f"insert into {table} (id) values (2)",
    )
    asked = ", ".join(
        expression.format(c=f"c{i}") for i, (_, _, expression, _) in enumerate(VALUES)
    )
    (expected,) = run(address, f"select {asked} from {table} where id = 1")
    _, batches, _ = snapshot_of(kind, options(kind, address, **{"table.include.list": table}))
    rows = [b.expanded().values for b in batches if b.topic == f"p.{table}"]
    first, second = (row[1] for part in rows for row in part)
    run(address, f"drop database {unique_name}")
    for i, (type_, _, _, convert) in enumerate(VALUES):
        assert first[i + 1] == convert(expected[i]), type_
    assert second == (2, *[None] * len(VALUES))


@pytest.mark.usefixtures("parser")
def test_rows_over_16_mb_are_read_when_packets_are_put_together(server, unique_name):
    """A row that the server sends in two packets arrives whole, and so does the one behind it."""
    kind, address = server
    run(
        address,
        f"create database {unique_name}",
        f"create table {unique_name}.t (id int primary key, a longblob, b int)",
        "set global max_allowed_packet = 64 * 1024 * 1024",
    )
    run(
        address,
        f"insert into {unique_name}.t values (1, repeat('a', 17000000), 5), (2, 'b', 6)",
    )
    _, batches, _ = snapshot_of(
        kind, options(kind, address, **{"database.include.list": unique_name})
    )
    rows = [row[1] for b in batches if b.topic.endswith(".t") for row in b.expanded().values]
    run(address, f"drop database {unique_name}")
    assert [(row[0], len(row[1]), row[2]) for row in rows] == [(1, 17_000_000, 5), (2, 1, 6)]


def test_history_restores_the_tables_when_read_from_a_topic(server, broker, unique_name):
    """Definitions written to a topic by one run are there for the next, up to its offset only."""
    kind, address = server
    config = options(
        kind,
        address,
        **{
            "schema.history.internal.kafka.topic": unique_name,
            "schema.history.internal.kafka.bootstrap.servers": broker.bootstrap,
        },
    )
    parsed = parse(kind, config)
    first = TableSchemas(kind, config, parsed, open_history(parsed, {}, {}))
    assert not first.history.exists()
    first.history.create()
    early = {"file": "b.000001", "pos": 10, "snapshot": "INITIAL"}
    late = {"file": "b.000001", "pos": 20}
    first.apply_ddl(early, "d", "create table t (id int primary key, ü varchar(3))", lambda *_: ())
    first.apply_ddl(late, "d", "alter table t add x int", lambda *_: ())
    second = TableSchemas(kind, config, parsed, open_history(parsed, {}, {}))
    assert second.history.exists()
    assert second.recover({"file": "b.000001", "pos": 15}) == 1
    version = second.get("d", "t")
    assert version is not None
    assert [c.column.name for c in version.columns] == ["id", "ü"]
    assert second.recover(late) == 1
    version = second.get("d", "t")
    assert version is not None
    assert [c.column.name for c in version.columns] == ["id", "ü", "x"]


def test_validation_names_the_fault_when_the_server_will_not_do(server):
    """A right configuration has no errors; a wrong password or port is one of database.hostname."""
    kind, address = server
    connector = CLASSES[kind]()

    def errors(**changes):
        values = connector.validate(options(kind, address, **changes))
        return {value.name: value.errors for value in values if value.errors}

    assert errors() == {}
    for changes in ({"database.password": "wrong"}, {"database.port": "1"}):
        found = errors(**changes)
        assert list(found) == ["database.hostname"]
        assert "Unable to connect" in found["database.hostname"][0]


def test_rights_that_lack_are_named_when_a_user_may_not_replicate(server, unique_name):
    """Validation says which privileges to grant."""
    kind, address = server
    user = unique_name
    run(address, f"create user {user}@'%' identified by 'x'", f"grant select on *.* to {user}@'%'")
    config = options(kind, address, **{"database.user": user, "database.password": "x"})
    values = CLASSES[kind]().validate(config)
    run(address, f"drop user {user}@'%'")
    (found,) = [value.errors for value in values if value.errors]
    assert any("REPLICATION SLAVE" in text for text in found)


def test_snapshot_reads_when_a_user_may_lock_tables_only(server, unique_name):
    """Without RELOAD a snapshot locks table by table."""
    kind, address = server
    user = unique_name
    rights = "select, lock tables, show databases, replication slave, replication client"
    run(
        address,
        f"create database {unique_name}",
        f"create table {unique_name}.t (id int primary key)",
        f"insert into {unique_name}.t values (1)",
        f"create user {user}@'%' identified by 'x'",
        f"grant {rights} on *.* to {user}@'%'",
    )
    config = options(
        kind,
        address,
        **{"database.user": user, "database.password": "x", "database.include.list": unique_name},
    )
    _, batches, _ = snapshot_of(kind, config)
    run(address, f"drop database {unique_name}", f"drop user {user}@'%'")
    assert sum(len(b) for b in batches if b.topic.endswith(".t")) == 1
