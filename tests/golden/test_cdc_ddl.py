"""Recorded statements give the recorded tables."""

from __future__ import annotations

import functools
import json
import lzma
import re
import tomllib
from typing import Any

import pytest

from appliance.connectors.binlog.catalog import Catalog, Change
from appliance.connectors.binlog.ddl import parse_ddl
from appliance.connectors.binlog.records import table_changes
from appliance.connectors.binlog.sqltokens import Dialect
from tests.golden.cdc_recordings import FOLDER, history, recorded_column


def _whole(statement: str) -> str:
    """Undo the peer's loss of the word CREATE before UNIQUE INDEX."""
    return f"create {statement}" if statement.startswith("unique index") else statement


@pytest.mark.parametrize("database", ["mariadb", "mysql"])
def test_statements_give_recorded_tables_when_applied_in_order(database):
    """Every statement of the history gives the table, key and names that the record holds."""
    catalog = Catalog()
    for record in history(database):
        (change,) = parse_ddl(_whole(record["ddl"]), record["databaseName"], catalog, database)
        catalog.apply(change)
        assert change.statement == _whole(record["ddl"])
        assert change.database == record["databaseName"]
        recorded = record["tableChanges"]
        if not recorded:
            assert change.table_id is None
            continue
        _check(change, recorded[0])


def _check(change: Change, recorded: dict[str, Any]) -> None:
    assert change.table_id is not None
    assert (change.kind, change.table_id.quoted) == (recorded["type"], recorded["id"])
    assert (change.previous_id and change.previous_id.quoted) == recorded.get("previousId")
    expected, table = recorded.get("table"), change.table
    if expected is None or table is None:
        assert expected is table is None
        return
    assert table.default_charset == expected["defaultCharsetName"]
    assert list(table.primary_key) == expected["primaryKeyColumnNames"]
    assert list(table.columns) == [recorded_column(column) for column in expected["columns"]]
    assert table.comment == recorded["comment"]


@functools.cache
def _made_by_parsers() -> dict[str, list[dict[str, Any]]]:
    """Give `statements` and the `tables` that Debezium's parsers make of them, by database."""
    with lzma.open(FOLDER / "tables.json.xz", "rt", encoding="utf-8") as file:
        found: dict[str, list[dict[str, Any]]] = json.load(file)
        return found


def _tables_after(statements: list[str], database: Dialect) -> list[dict[str, Any]]:
    catalog = Catalog()
    for statement in statements:
        for change in parse_ddl(statement, "d", catalog, database, comments=True):
            catalog.apply(change)
    return [
        form
        for table in catalog
        for form in table_changes(Change("CREATE", "d", "", table.id, table))
    ]


@pytest.mark.parametrize("database", ["mariadb", "mysql"])
def test_tables_are_those_of_debezium_when_statements_are_of_all_kinds(database):
    """Types, attributes and alterations give Debezium's columns and keys, but for the listed ones."""
    with (FOLDER / "differences.toml").open("rb") as file:
        rules = [rule for rule in tomllib.load(file)["table"] if database in rule["databases"]]
    unused = {rule["where"] for rule in rules}
    for case in _made_by_parsers()[database]:
        statements = case["statements"]
        known = [r["where"] for r in rules if re.search(r["where"], statements[-1])]
        unused -= set(known)
        tables = sorted(_tables_after(statements, database), key=lambda table: table["id"])
        expected = sorted(case["tables"], key=lambda table: table["id"])
        assert (tables == expected) != bool(known), (statements, known)
    assert not unused
