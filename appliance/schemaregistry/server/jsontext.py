"""JSON as Jackson prints it: no blanks, and no characters escaped but those that must be."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from appliance.data.text import double_text

_ESCAPED: Final = str.maketrans(
    {chr(code): f"\\u{code:04X}" for code in range(32)}
    | {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
)


def exact_json(text: str) -> Any:
    """Give the value of a text, with fractions as they are written. Raises ValueError."""
    return json.loads(text, parse_float=_decimal)


def _decimal(text: str) -> Decimal:
    found = Decimal(text)
    return abs(found) if found.is_zero() else found


def json_text(value: Any, *, in_order: bool = False) -> str:
    """Give the text of a value; `in_order` sorts members by name."""
    return _printed(value, sorted if in_order else list)


def _printed(value: Any, order: Callable[[Any], list[Any]]) -> str:
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPED)}"'
    if isinstance(value, dict):
        members = (f"{_printed(k, order)}:{_printed(value[k], order)}" for k in order(value))
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(_printed(item, order) for item in value)}]"
    if isinstance(value, float):
        return double_text(value)
    return str(value) if isinstance(value, Decimal) else json.dumps(value)
