"""Encoders write the same bytes whatever way they take: for layouts, for many rows at once, one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.api import NULL, Const, Layout, Var
from appliance.converters.json import JsonConverter
from appliance.data import Schema, SchemaBuilder, Type
from appliance.data.values import DATE_SCHEMA as DATE
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


@pytest.mark.parametrize(
    ("days", "written"), [(0, 0), (-3946, -3946), (2**31 - 1, 2**31 - 1), (2**31, -(2**31))]
)
def test_days_are_as_in_java_when_a_date_lies_anywhere(
    converter: JsonConverter, days: int, written: int
) -> None:
    """A Date is written as 32 bits of days, before the epoch and beyond their range too."""
    (encoded,) = converter.encoder("t", DATE)([days * 86_400_000], ())

    assert encoded is not None
    assert encoded.endswith(b'"payload":%d}' % written)


def test_a_date_with_a_time_of_day_is_a_data_error(converter: JsonConverter) -> None:
    """Milliseconds that are no whole days are refused in Connect's words."""
    with pytest.raises(DataError, match="should not have any time fields set"):
        converter.encoder("t", DATE)([86_400_001], ())


_FITTING: dict[Type, st.SearchStrategy[Any]] = {
    Type.STRING: st.text(),
    Type.INT8: st.integers(-128, 127),
    Type.INT32: st.integers(-(2**31), 2**31 - 1),
    Type.INT64: st.integers(-(2**63), 2**63 - 1),
    Type.BOOLEAN: st.booleans(),
}
_UNFIT = st.sampled_from([None, NULL, 2**70, True, 1, 1.5, "x", "\ud800", b"x", [1]])


@st.composite
def _schemas(draw: st.DrawFn) -> Schema:
    builder = SchemaBuilder.struct()
    names = draw(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=4, unique=True))
    for name in names:
        kind = draw(st.sampled_from(list(_FITTING)))
        builder.field(name, Schema(kind, optional=draw(st.booleans())))
    return builder.build()


def _rows(schema: Schema, unfit: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    values = [
        _FITTING[field.schema.type] | (st.none() if field.schema.optional else st.nothing())
        for field in schema.fields
    ]
    return st.lists(st.tuples(*[value | unfit for value in values]) | st.none(), max_size=6)


def _outcome(encode: Callable[[], list[bytes | None]]) -> list[bytes | None] | str:
    try:
        return encode()
    except (DataError, UnicodeEncodeError) as error:
        return str(error)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_bytes_and_errors_are_equal_when_many_plain_rows_are_written_in_one_call(
    data: st.DataObject,
) -> None:
    """Rows of texts, integers and booleans come out as by the generated code, and fail as there."""
    schema = data.draw(_schemas())
    rows = data.draw(_rows(schema, st.nothing() if data.draw(st.booleans()) else _UNFIT))
    generated = Layout(tuple(Var(field.index) for field in schema.fields))
    converter = JsonConverter()
    converter.configure({"schemas.enable": data.draw(st.sampled_from(["true", "false"]))})

    expected = _outcome(lambda: converter.encoder("t", schema, generated)(rows, ()))

    assert _outcome(lambda: converter.encoder("t", schema)(rows, ())) == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_lines_are_the_payloads_when_a_file_takes_them(data: st.DataObject) -> None:
    """Rows written as lines are the payloads between line breaks, `null` for a tombstone."""
    schema = data.draw(st.one_of(_schemas(), st.just(ROW), st.none()))
    rows: Sequence[Any] = data.draw(
        st.lists(_FITTING[Type.STRING] | st.none(), min_size=1)
        if schema is None
        else _rows(schema, st.nothing()).filter(bool)
    )
    converter = JsonConverter()
    converter.configure({"schemas.enable": "false"}, is_key=False)

    payloads = converter.encoder("t", schema)(rows, ())

    lines = converter.line_writer(schema)(rows)
    assert lines.split(b"\n") == [b"null" if one is None else one for one in payloads]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_lines_are_equal_when_rows_were_just_read_from_json(data: st.DataObject) -> None:
    """Rows that nothing has touched are written as any other rows, whatever form they were read in."""
    schema = data.draw(_schemas())
    rows = [row for row in data.draw(_rows(schema, st.nothing()).filter(any)) if row is not None]
    names = [field.name for field in schema.fields]
    source, target = JsonConverter(), JsonConverter()
    source.configure({}, is_key=False)
    target.configure({"schemas.enable": "false"}, is_key=False)
    head = f'{{"schema":{source.schema_json(schema)},"payload":'
    payloads = [
        f"{head}{json.dumps(data.draw(_members(names, row)), ensure_ascii=False)}}}".encode()
        for row in rows
    ]
    generated = Layout(tuple(Var(number) for number in range(len(names))))
    source.decode("t", payloads)

    (run,) = source.decode("t", payloads)

    assert run.rows == rows
    expected = target.encoder("t", schema, generated)(rows, ())
    assert target.line_writer(schema)(run.rows).split(b"\n") == expected
    assert target.line_writer(schema)(run.rows[-1:]) == expected[-1]


def _members(names: Sequence[str], row: tuple[Any, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Give the row as an object: in any order, with a member of no field or without."""
    order = st.permutations(list(zip(names, row, strict=True)))
    return st.builds(
        lambda members, extra: {**extra, **dict(members)},
        order,
        st.sampled_from([{}, {"no field": [1, {"x": None}]}]),
    )
