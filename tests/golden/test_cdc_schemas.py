"""History records, schema change records and record schemas are the recorded ones, to the byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.connectors.binlog.config import parse
from appliance.connectors.binlog.history import MemoryHistory
from appliance.connectors.binlog.records import pretty
from appliance.connectors.binlog.schemas import TableSchemas
from appliance.converters.json import JsonConverter
from tests.golden.cdc_recordings import PREFIXES, history, recording

DATABASES = ["mariadb", "mysql"]


class RecordedClock:
    """Tells the recorded times one after the other."""

    def __init__(self, times):
        self.times = iter(times)

    def now_ms(self):
        return next(self.times)


def table_schemas(database, config=None, times=()) -> tuple[TableSchemas, MemoryHistory]:
    """Give schemas without tables under the recorded connector's options."""
    config = dict(config or recording(database)["connector"])
    config |= {"database.port": "3306", "database.server.id": "7"}
    kept = MemoryHistory()
    clock: Any = RecordedClock(times)
    return TableSchemas(database, config, parse(database, config), kept, clock=clock), kept


def whole(statement):
    """Undo the peer's loss of the word CREATE before UNIQUE INDEX."""
    return f"create {statement}" if statement.startswith("unique index") else statement


def json_converter(*, is_key=False):
    """Give a JsonConverter with schemas."""
    converter = JsonConverter()
    converter.configure({"schemas.enable": "true"}, is_key=is_key)
    return converter


@pytest.mark.parametrize("database", DATABASES)
def test_history_has_recorded_bytes_when_recorded_statements_are_applied(database):
    """Records of the schema history equal the peer's, spaces and order of members included."""
    records = history(database)
    schemas, kept = table_schemas(database, times=[r["ts_ms"] for r in records])
    for record in records:
        statement = whole(record["ddl"])
        schemas.apply_ddl(
            record["position"], record["databaseName"], statement, lambda _db, _table: ()
        )
    raw = recording(database)["topics"][f"{PREFIXES[database]}-history"]
    for ours, theirs in zip(kept.records, raw, strict=True):
        expected = theirs["value"].replace('"unique index', '"create unique index')
        assert pretty(ours) == expected


@pytest.mark.parametrize("database", DATABASES)
def test_schema_changes_have_recorded_bytes_when_recorded_statements_are_applied(database):
    """Records of the schema change topic equal the peer's when they have its source blocks."""
    records = history(database)
    topic = recording(database)["topics"][PREFIXES[database]]
    payloads = [json.loads(record["value"])["payload"] for record in topic]
    schemas, _ = table_schemas(database, times=[p["ts_ms"] for p in payloads])
    position = 0
    for group in _groups(records):
        statement = _joined([whole(record["ddl"]) for record in group])
        sources = [tuple(payloads[position + i]["source"].values()) for i in range(len(group))]
        asked: list[tuple[str, str | None]] = []

        def source(db, table, sources=sources, asked=asked):
            asked.append((db, table))
            return sources[len(asked) - 1]

        snapshot = group[0]["position"].get("snapshot") is not None
        applied = schemas.apply_ddl(
            group[0]["position"], group[0]["databaseName"], statement, source, snapshot=snapshot
        )
        batch = applied.batch
        assert batch is not None
        keys = json_converter(is_key=True).encoder(batch.topic, batch.key_schema)(batch.keys, ())
        values = json_converter().encoder(batch.topic, batch.value_schema)(batch.values, ())
        for i, (key, value) in enumerate(zip(keys, values, strict=True)):
            recorded = topic[position + i]
            expected = recorded["value"].replace('"unique index', '"create unique index')
            assert (key.decode(), value.decode()) == (recorded["key"], expected)
            assert asked[i] == (sources[i][5], sources[i][9])
        position += len(group)
    assert position == len(topic)


def _groups(records):
    """Put together the records of one statement: those of one streamed position."""
    groups: list[list[Any]] = []
    for record in records:
        streamed = "snapshot" not in record["position"]
        if groups and streamed and groups[-1][0]["position"] == record["position"]:
            groups[-1].append(record)
        else:
            groups.append([record])
    return groups


def _joined(statements):
    """Give the statement that the server had written: of several tables at once."""
    if len(statements) == 1:
        return statements[0]
    if statements[0].startswith("rename"):
        return (
            statements[0]
            + ", "
            + ", ".join(s.removeprefix("rename table ") for s in statements[1:])
        )
    return statements[0] + ", " + ", ".join(s.removeprefix("DROP TABLE ") for s in statements[1:])


@pytest.mark.parametrize("database", DATABASES)
def test_records_have_recorded_schemas_when_tables_change(database):
    """Key and envelope schema of each recorded record is that of some version of its table."""
    topics, prefix = recording(database)["topics"], PREFIXES[database]
    records = history(database)
    schemas, _ = table_schemas(database, times=[r["ts_ms"] for r in records])
    seen: dict[str, set[str]] = {}
    for record in records:
        statement = whole(record["ddl"])
        applied = schemas.apply_ddl({}, record["databaseName"], statement, lambda _db, _table: ())
        for change in applied.changes:
            if change.table_id and (
                version := schemas.get(change.table_id.catalog, change.table_id.table)
            ):
                converter = json_converter()
                schema = converter.schema_json(version.envelope_schema)
                key = converter.schema_json(version.key_schema) if version.key_schema else None
                seen.setdefault(version.topic, set()).update({schema, f"{key}"})
    for topic, recorded in topics.items():
        if not topic.startswith(f"{prefix}.smp."):
            continue
        for record in recorded:
            if record["value"] is not None:
                # MariaDB 3.5.0 takes INTEGER UNSIGNED for a signed INT, so that values wrap
                expected = _schema_text(record["value"]).replace(
                    '{"type":"int32","optional":true,"field":"i"}',
                    '{"type":"int64","optional":true,"field":"i"}',
                )
                assert expected in seen[topic]
            if '"op":"t"' not in (record["value"] or ""):
                assert _schema_text(record["key"]) in seen[topic]


def _schema_text(payload):
    if payload is None:
        return "None"
    return payload.removeprefix('{"schema":').partition(',"payload":')[0]


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("mode", ["A", "B", "C", "D", "F"])
def test_schemas_are_recorded_ones_when_handling_modes_differ(database, mode):
    """Every handling mode, column rule and key rule gives the recorded schemas."""
    name, recorded = next(
        (n, m) for n, m in recording(database)["modes"].items() if n.startswith(mode)
    )
    schemas, _ = table_schemas(database, recorded["config"], iter(range(10**6)))
    for record in history(database):
        if record["position"].get("snapshot"):
            schemas.apply_ddl({}, record["databaseName"], record["ddl"], lambda _db, _table: ())
    version = schemas.get("smp", "types")
    assert version is not None
    first = recorded["records"][0]
    ours = json_converter().schema_json(version.envelope_schema)
    theirs = _schema_text(first["value"])
    if name == "F-shaping":
        # the peer lets the propagated type switch the mask of c_text off
        parameters = (
            '{"__debezium.source.column.type":"TEXT","__debezium.source.column.name":"c_text"}'
        )
        theirs = theirs.replace(parameters, '{"masked":"true"}')
    assert ours == theirs
    assert json_converter().schema_json(version.key_schema) == _schema_text(first["key"])
