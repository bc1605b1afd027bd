"""Recorded statements give the recorded tables."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.connectors.binlog.catalog import Catalog, Change
from appliance.connectors.binlog.ddl import parse_ddl
from tests.golden.cdc_recordings import history, recorded_column


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
