"""Java's text forms of values: what `String.valueOf` gives, and JSON's escapes as Jackson writes them.

Numbers follow `Double.toString`, `Float.toString` of JDK 19 and later (the shortest digits that read back
to the same number, two at least) and `BigDecimal.toString`. All functions are pure.
"""

from __future__ import annotations

import base64
import decimal
import functools
import math
import re
import struct
from typing import TYPE_CHECKING, Any, Final

from appliance.data.calendar import moment_of
from appliance.data.logical import DATE_NAME, TIME_NAME, TIMESTAMP_NAME, Float32, Instant

if TYPE_CHECKING:
    from appliance.data.schema import Schema

_FLOAT32: Final = struct.Struct("<f")
_repr = float.__repr__


def double_text(value: float) -> str:
    """Give Java's text of a double. Raises TypeError for another type than float."""
    if 1e-3 <= value < 1e7 or -1e7 < value <= -1e-3:
        return _repr(value)
    return _rare_text(value, _repr(value))


def _rare_text(value: float, shortest: str) -> str:
    if math.isnan(value):
        return "NaN"
    if value in (math.inf, -math.inf):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return shortest
    return _java_layout(shortest, value, float)


def _java_layout(shortest: str, value: float, rounded: Any) -> str:
    sign = "-" if shortest[0] == "-" else ""
    digits, exponent = _digits(shortest.lstrip("-"))
    if len(digits) == 1:
        two, two_exponent = _digits(f"{abs(value):.1e}")
        if rounded(float(f"{two[0]}.{two[1:] or '0'}e{two_exponent}")) == abs(value):
            digits, exponent = two, two_exponent
    if -3 <= exponent < 7:
        return sign + _plain(digits, exponent)
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _digits(text: str) -> tuple[str, int]:
    """Split a positive number's text into its digits (no zeros at either end) and decimal exponent."""
    mantissa, _, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    stripped = digits.lstrip("0")
    exponent = len(whole) - 1 - (len(digits) - len(stripped)) + int(power or 0)
    return stripped.rstrip("0") or "0", exponent


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    padded = digits.ljust(exponent + 1, "0")
    return f"{padded[: exponent + 1]}.{padded[exponent + 1 :] or '0'}"


def to_float32(value: float) -> float:
    """Round a double to the nearest 32-bit float, infinite when it is too large."""
    try:
        return float(_FLOAT32.unpack(_FLOAT32.pack(value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def float_text(value: float) -> str:
    """Give Java's text of a 32-bit float. Raises TypeError for another type than float."""
    return _float_text(value) if value else _repr(value)


@functools.lru_cache(maxsize=8192)
def _float_text(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        return _rare_text(value, "")
    return _java_layout(_shortest32(value), value, to_float32)


_SMALLEST_NORMAL: Final = 2.0**-126


def _shortest32(value: float) -> str:
    exact = to_float32(value)
    if abs(exact) < _SMALLEST_NORMAL or abs(math.frexp(exact)[0]) == 0.5:
        return _shortest_at_edge(exact)
    # Six digits survive the way through 32 bits and back: rounding to six finds any shorter text too.
    for precision in (5, 6, 7):
        text = f"{exact:.{precision}e}"
        if to_float32(float(text)) == exact:
            return text
    return f"{exact:.8e}"


def _shortest_at_edge(exact: float) -> str:
    """Give the shortest text of a power of two or a subnormal, trying every length."""
    for precision in range(9):
        text = f"{exact:.{precision}e}"
        if to_float32(float(text)) == exact:
            return text
        # At a power of two the nearest decimal can round down while its upper neighbour reads back.
        step = decimal.Decimal((0, (1,), decimal.Decimal(text).as_tuple().exponent))  # type: ignore[arg-type]  # finite
        above = decimal.Decimal(text) + step.copy_sign(decimal.Decimal(exact))
        if to_float32(float(above)) == exact:
            return f"{above:.{precision}e}"
    return f"{exact:.9e}"


def decimal_text(value: decimal.Decimal) -> str:
    """Give Java's text of a BigDecimal."""
    text = str(value)
    return text[1:] if value.is_zero() and text.startswith("-") else text


_SHORT_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}
_TO_ESCAPE: Final = re.compile('[\x00-\x1f"\\\\\ud800-\udfff\U00010000-\U0010ffff]')


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    short = _SHORT_ESCAPES.get(char)
    if short is not None:
        return short
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04X}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}"


def json_quote(text: str) -> str:
    """Give `text` as a JSON string, escaped as Jackson does."""
    return f'"{_TO_ESCAPE.sub(_escape, text)}"'


DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def date_text(ms: int) -> str:
    """Give `java.util.Date.toString` of milliseconds since the epoch, in UTC."""
    at = moment_of(ms)
    year = at.year if at.year > 0 else 1 - at.year
    return (
        f"{DAY_NAMES[at.weekday][:3]} {MONTH_NAMES[at.month - 1][:3]} {at.day:02d} "
        f"{at.hour:02d}:{at.minute:02d}:{at.second:02d} UTC {year}"
    )


def java_text(value: Any, schema: Schema | None = None) -> str:
    """Give Java's `String.valueOf` of a boundary value."""
    if value is None:
        return "null"
    if schema is not None:
        return _text_under(schema, value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Instant):
        return date_text(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float_text(value) if isinstance(value, Float32) else double_text(value)
    if isinstance(value, decimal.Decimal):
        return decimal_text(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(java_text, value))}]"
    if isinstance(value, dict):
        shown = (f"{java_text(k)}={java_text(v)}" for k, v in value.items())
        return f"{{{', '.join(shown)}}}"
    if isinstance(value, memoryview):
        return f"java.nio.HeapByteBuffer[pos=0 lim={value.nbytes} cap={value.nbytes}]"
    if isinstance(value, (bytes, bytearray)):
        return f"[B@{id(value) & 0xFFFFFFFF:x}"
    return str(value)


def _text_under(schema: Schema, value: Any) -> str:
    """Give the text of a value whose class the schema says."""
    if schema.name in (DATE_NAME, TIME_NAME, TIMESTAMP_NAME) and isinstance(value, int):
        return date_text(value)
    kind = schema.type.value
    if kind == "float" and type(value) is float:
        return float_text(value)
    if kind == "array" and isinstance(value, list):
        return f"[{', '.join(java_text(item, schema.value_schema) for item in value)}]"
    if kind == "map" and isinstance(value, dict):
        keys, values = schema.key_schema, schema.value_schema
        shown = (f"{java_text(k, keys)}={java_text(v, values)}" for k, v in value.items())
        return f"{{{', '.join(shown)}}}"
    return java_text(value)


def base64_text(value: bytes | bytearray | memoryview) -> str:
    """Give standard base64, padded."""
    return base64.b64encode(value).decode()
