"""Columns that the server computes, and MariaDB's sequences: what events leave out or say beside rows."""

from __future__ import annotations

import struct

import pytest

from appliance.connectors.binlog.decoder import RowDecoder, Shape, Wanted
from appliance.connectors.binlog.events import TableMap
from appliance.connectors.binlog.forms import ValueForm
from appliance.connectors.binlog.tables import Column
from appliance.errors import ConnectError
from tests.golden.test_cdc_schemas import table_schemas

COMPUTED = (
    "create table smp.g (id int primary key, a int, v int as (a * 2) virtual, s int as (a) stored)"
)


def _schemas(history=None):
    schemas, kept = table_schemas("mariadb", times=iter(range(100)))
    if history is not None:
        kept.records = history
    return schemas, kept


def _apply(schemas, pos, statement):
    schemas.apply_ddl({"file": "b.1", "pos": pos}, "smp", statement, lambda *_: ())


def test_computed_columns_are_known_when_tables_come_from_the_history():
    """History records do not tell computed columns; their statements do, later changes included."""
    schemas, kept = _schemas()
    _apply(schemas, 10, COMPUTED)
    _apply(schemas, 20, "alter table g add z int, drop column s")
    again, _ = _schemas(kept.records)
    again.recover({"file": "b.1", "pos": 100})
    (table,) = again.tables()
    assert [(c.name, c.computed) for c in table.columns] == [
        ("id", False),
        ("a", False),
        ("v", True),
        ("z", False),
    ]


def _decoded(column):
    wanted = Wanted(1, column, ValueForm.INT, None)
    columns = (Wanted(0, Column("id", 1, "INT"), ValueForm.INT, None), wanted)
    table_map = TableMap("smp", "g", bytes((3, 3)), (0, 0), (False, True))
    decoder = RowDecoder(Shape(columns, (0,), ((0, None), (1, None))), table_map, None)
    body = bytes((2, 0b01, 0)) + struct.pack("<i", 7)  # count, columns present, nulls, id
    return decoder.decode(body, 0, False)


def test_computed_column_is_null_when_the_server_leaves_it_out():
    """MariaDB 11.8 logs computed columns for inserts only: elsewhere they are null."""
    assert _decoded(Column("v", 2, "INT", computed=True)) == ([(7,)], [(7, None, 0)], None)


def test_row_is_refused_when_it_lacks_a_stored_column():
    """A row image without a column that is no computed one stops the task, with the remedy."""
    with pytest.raises(ConnectError, match="binlog_row_image=FULL"):
        _decoded(Column("v", 2, "INT"))
