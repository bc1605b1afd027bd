"""Encoders generated for a layout write what encoders of full rows write."""

from __future__ import annotations

import json

import pytest

from appliance.api import NULL, Const, Layout, Var
from appliance.converters.json import JsonConverter
from appliance.data import Schema, SchemaBuilder, Type
from appliance.errors import DataError

ROW = (
    SchemaBuilder.struct()
    .field("id", Schema(Type.INT32))
    .field("text", Schema(Type.STRING, optional=True))
    .optional()
    .build()
)
ENVELOPE = (
    SchemaBuilder.struct()
    .field("before", ROW)
    .field("after", ROW)
    .field("source", SchemaBuilder.struct().field("row", Schema(Type.INT32)).build())
    .field("op", Schema(Type.STRING))
    .build()
)
UPDATE = Layout(
    (Layout((Var(0), Var(1))), Layout((Var(2), Var(3))), Layout((Const(0),)), Const(1))
)


@pytest.fixture
def converter() -> JsonConverter:
    found = JsonConverter()
    found.configure({}, is_key=False)
    return found


@pytest.mark.parametrize("text", ["plain", "ç€", "\x0b", "👍", 'q"\\u00', None])
def test_bytes_are_equal_when_a_layout_carries_the_constants(
    converter: JsonConverter, text: str | None
) -> None:
    """A layout changes the cost of encoding, never its result."""
    rows = [(1, text, 2, "b"), None]
    constants = (7, "u")
    full = [None if row is None else UPDATE.assemble(row, constants) for row in rows]

    expected = converter.encoder("t", ENVELOPE)(full, ())

    assert expected == converter.encoder("t", ENVELOPE, UPDATE)(rows, constants)
    assert expected[1] is None
    assert json.loads(expected[0] or b"")["payload"]["before"] == {"id": 1, "text": text}


def test_short_rows_may_be_wider_than_the_layout_uses(converter: JsonConverter) -> None:
    """A transform can drop a field by changing the layout alone."""
    layout = Layout((Var(0), Var(1)))

    expected = converter.encoder("t", ROW)([(1, "a"), (2, None)], ())

    assert expected == converter.encoder("t", ROW, layout)([(1, "a", "x"), (2, None, "y")], ())


def test_a_null_under_a_schema_is_written_and_one_without_is_a_tombstone(
    converter: JsonConverter,
) -> None:
    """NULL becomes an envelope with payload null, None stays None."""
    encoded = converter.encoder("t", ROW)([(1, "a"), NULL, None], ())

    assert encoded[1] is not None
    assert encoded[1].endswith(b'"payload":null}')
    assert encoded[2] is None


def test_a_row_that_does_not_fit_is_a_data_error(converter: JsonConverter) -> None:
    """None in a required field is refused in Connect's words."""
    with pytest.raises(DataError, match="null value for field that is required"):
        converter.encoder("t", ROW)([(1, "a"), (None, "b")], ())
