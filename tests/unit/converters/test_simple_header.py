"""SimpleHeaderConverter reads back what it writes, and reads any bytes."""

from __future__ import annotations

import math
import string
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.converters.simple_header import SimpleHeaderConverter
from appliance.data import Schema, SchemaBuilder, Type

_WORDS = st.text(string.ascii_letters + "_", min_size=1).filter(
    lambda word: word.lower() not in ("true", "false", "null", "nan", "infinity")
)
_NUMBERS = st.integers(-(2**63), 2**63 - 1)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def _reread(schema: Schema, value: Any) -> tuple[Schema | None, Any]:
    converter = SimpleHeaderConverter()
    payload = converter.from_connect_header("t", "h", schema, value)
    return converter.to_connect_header("t", "h", payload)


@settings(max_examples=150, deadline=None)
@given(_NUMBERS)
def test_integers_read_back_in_the_narrowest_type_when_written(number: int) -> None:
    """The value is the same; its type is the smallest that holds it."""
    schema, value = _reread(Schema(Type.INT64), number)

    assert value == number
    assert schema is not None
    width = {Type.INT8: 7, Type.INT16: 15, Type.INT32: 31, Type.INT64: 63}
    narrowest = next(kind for kind, bits in width.items() if -(2**bits) <= number < 2**bits)
    assert schema.type is narrowest


@settings(max_examples=150, deadline=None)
@given(_FLOATS)
def test_floats_read_back_to_the_same_number_when_written(number: float) -> None:
    """A number with a fraction or an exponent is the same afterwards, or the nearest FLOAT32."""
    schema, value = _reread(Schema(Type.FLOAT64), number)

    assert schema is not None
    assert math.isclose(float(value), number, rel_tol=2**-23, abs_tol=2**-149)


@settings(max_examples=150, deadline=None)
@given(
    st.booleans().map(lambda value: (Schema(Type.BOOLEAN), value))
    | _WORDS.map(lambda value: (Schema(Type.STRING), value))
    | st.lists(_WORDS, min_size=1, max_size=4).map(
        lambda value: (SchemaBuilder.array(Schema(Type.STRING)).build(), value)
    )
    | st.dictionaries(_WORDS, _WORDS, min_size=1, max_size=4).map(
        lambda value: (
            SchemaBuilder.map(Schema(Type.STRING), Schema(Type.STRING)).build(),
            value,
        )
    )
)
def test_words_lists_and_maps_read_back_when_written(written: tuple[Schema, Any]) -> None:
    """Type and value are the same afterwards."""
    schema, value = _reread(*written)

    assert schema is not None
    assert (schema.type, value) == (written[0].type, written[1])


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=40)
    | st.text('[]{}",:\\ 0123456789.eE-+truefalsnNaI\n', max_size=30).map(str.encode)
)
def test_text_is_stable_when_any_bytes_were_read(payload: bytes) -> None:
    """No bytes fail; what they were read as is written as a text that reads alike."""
    converter = SimpleHeaderConverter()
    schema, value = converter.to_connect_header("t", "h", payload)

    text = converter.from_connect_header("t", "h", schema, value)

    again = converter.to_connect_header("t", "h", text)
    assert converter.from_connect_header("t", "h", *again) == text
