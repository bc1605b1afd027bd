"""The batch: rows, columns and layouts."""

from __future__ import annotations

from appliance.api import NULL, Batch, Const, Layout, Var
from appliance.data import SchemaBuilder, Struct
from appliance.data.schema import INT32_SCHEMA, STRING_SCHEMA

INNER = SchemaBuilder.struct().optional().field("x", STRING_SCHEMA).build()
OUTER = SchemaBuilder.struct().field("a", INT32_SCHEMA).field("b", INNER).build()
LAYOUT = Layout((Var(0), Layout((Const(0),))))


def test_layouts_differ_when_a_constant_takes_the_place_of_a_variable() -> None:
    """Encoders compiled for one layout are never found for another."""
    assert Layout((Var(0),)) != Layout((Const(0),))


def test_rows_are_whole_when_expanded() -> None:
    """A batch with a layout means the same rows as the expanded one."""
    batch = Batch("t", [(1,), None, NULL], OUTER, layout=LAYOUT, constants=("q",))
    expanded = batch.expanded()
    assert expanded.values == [(1, ("q",)), None, NULL]
    assert expanded.layout is None
    assert [batch.source_record(row) for row in range(3)] == [
        expanded.source_record(row) for row in range(3)
    ]


def test_columns_follow_when_rows_are_taken() -> None:
    """Taking rows keeps each row's topic, key, timestamp, offset and headers with it."""
    batch = Batch(
        ["t0", "t1"],
        [(1,), (2,)],
        OUTER,
        keys=["k0", "k1"],
        key_schema=STRING_SCHEMA,
        timestamps=[10, 11],
        source_offset=lambda row: {"row": row},
        layout=LAYOUT,
        constants=("q",),
    )
    record = batch.take([1]).source_record(0)
    assert (record.topic, record.key, record.timestamp) == ("t1", "k1", 11)
    assert record.source_offset == {"row": 1}
    assert record.value == Struct(OUTER).put("a", 2).put("b", Struct(INNER).put("x", "q"))
