"""Expressions decide by content, and never run code."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api import Batch
from appliance.data import Schema, SchemaBuilder, Type
from appliance.errors import ConfigError, DataError
from appliance.transforms.debezium.scripting import ContentBasedRouter, Filter
from appliance.transforms.expression import Expression, Row

READING = (
    SchemaBuilder.struct()
    .field("id", Schema(Type.INT32))
    .field("valor", Schema(Type.FLOAT32, optional=True))
    .field("sensor", Schema(Type.STRING, optional=True))
    .build()
)


def evaluate(text: str, value: Any = (1, 22.5, "a")) -> Any:
    return Expression("condition", text).compile(None, READING)(
        Row(None, value, "sensors.temperatures", 0, 5, {"h": "x"})
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("value.valor > 22", True),
        ("value.valor > 22 && value.sensor == 'b'", False),
        ("value.valor > 30 || not (value.id != 1)", True),
        ("topic.startsWith('sensors.') && topic.matches(\"s.*s\")", True),
        ("value['id'] * 2 + 1 == 3", True),
        ("-value.id < 0", True),
        ("headers.h == 'x' ? 'yes' : null", "yes"),
        ("value?.sensor == null", False),
        ("true and !false", True),
    ],
)
def test_operators_give_what_they_say(text: str, expected: Any) -> None:
    """The operators and names of the language, as documented."""
    assert expected == evaluate(text)


def test_order_with_null_is_false() -> None:
    """A missing reading is neither above nor below a bound."""
    assert evaluate("value.valor > 22 || value.valor <= 22", (1, None, None)) is False


@pytest.mark.parametrize(
    "text",
    ["", "value.", "1 +", "value.id = 1", "exec('x')", "value.id.__class__()", "(" * 90, "@"],
)
def test_anything_else_is_refused_when_configured(text: str) -> None:
    """What is not in the language is a configuration error that names the place."""
    with pytest.raises(ConfigError, match="cannot be read at character"):
        Expression("condition", text)


def test_an_unknown_field_is_a_data_error() -> None:
    """A record without the field fails, it does not pass silently."""
    with pytest.raises(DataError, match="nope is not a valid field name"):
        evaluate("value.nope > 1")


def test_readings_above_a_bound_go_to_a_second_topic() -> None:
    """Routing and filtering by content need nothing but configuration."""
    rows = [(1, 21.0, "a"), (2, 22.5, "a"), None, (3, 30.0, "b")]
    router, kept = ContentBasedRouter(), Filter()
    router.configure({"topic.expression": "value.valor > 22 ? 'hot' : null"})
    kept.configure({"condition": "value.valor > 22", "null.handling.mode": "drop"})
    batch = Batch("readings", rows, READING)

    (routed,) = router.compile(None, READING)(batch)
    (left,) = kept.compile(None, READING)(batch)

    assert routed.topic == ["readings", "hot", "readings", "hot"]
    assert left.values == [rows[1], rows[3]]
