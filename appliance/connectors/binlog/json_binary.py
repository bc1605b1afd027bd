"""MySQL's binary JSON as compact text.

Semantics: the JSON text of Debezium's binlog client: members in stored order, no blanks, Java's number
texts, dates and times quoted, other opaque values in base64.
"""

from __future__ import annotations

import base64
import decimal
import struct
from typing import Any, Final

from appliance.connectors.binlog.values import packed_time
from appliance.errors import DataError

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY, _LITERAL = range(5)
_STRING, _OPAQUE = 12, 15
_LITERALS: Final = {0: "null", 1: "true", 2: "false"}
_NUMBERS: Final = {5: "<h", 6: "<H", 7: "<i", 8: "<I", 9: "<q", 10: "<Q", 11: "<d"}
_ESCAPES: Final[dict[int, str]] = {
    **{code: f"\\u{code:04X}" for code in range(32)},
    8: "\\b",
    9: "\\t",
    10: "\\n",
    12: "\\f",
    13: "\\r",
    34: '\\"',
    92: "\\\\",
}


def json_text(raw: bytes) -> str:
    """Give the text of a JSON column's value. Raises DataError."""
    if not raw:
        return "null"
    try:
        return _value(raw[0], raw, 1)
    except (struct.error, IndexError, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"Reading a JSON value failed: {error!r} in {len(raw)} bytes") from error


def _value(kind: int, data: bytes, at: int) -> str:
    if kind <= _LARGE_ARRAY:
        return _container(kind, data, at)
    if kind == _LITERAL:
        return _LITERALS[data[at]]
    if kind in _NUMBERS:
        number = struct.unpack_from(_NUMBERS[kind], data, at)[0]
        return double_text(number) if kind == 11 else str(number)
    if kind == _STRING:
        size, at = _size(data, at)
        return quoted(data[at : at + size].decode())
    if kind == _OPAQUE:
        size, start = _size(data, at + 1)
        return _opaque(data[at], data[start : start + size])
    raise DataError(f"Reading a JSON value failed: type {kind} is not known")


def _size(data: bytes, at: int) -> tuple[int, int]:
    size = shift = 0
    while True:
        byte = data[at]
        at += 1
        size |= (byte & 127) << shift
        if byte < 128:
            return size, at
        shift += 7


def _container(kind: int, data: bytes, start: int) -> str:
    large = kind in (_LARGE_OBJECT, _LARGE_ARRAY)
    width, form = (4, "<I") if large else (2, "<H")
    read = struct.Struct(form).unpack_from
    count = read(data, start)[0]
    at = start + 2 * width
    names = []
    if kind in (_SMALL_OBJECT, _LARGE_OBJECT):
        for i in range(count):
            offset = start + read(data, at + i * (width + 2))[0]
            size = int.from_bytes(data[at + i * (width + 2) + width :][:2], "little")
            names.append(quoted(data[offset : offset + size].decode()))
        at += count * (width + 2)
    values = [_entry(data, start, at + i * (width + 1), large, read) for i in range(count)]
    if kind in (_SMALL_OBJECT, _LARGE_OBJECT):
        return "{" + ",".join(f"{n}:{v}" for n, v in zip(names, values, strict=True)) + "}"
    return "[" + ",".join(values) + "]"


def _entry(data: bytes, start: int, at: int, large: bool, read: Any) -> str:
    kind = data[at]
    inlined = kind in (4, 5, 6) or (large and kind in (7, 8))
    return _value(kind, data, at + 1 if inlined else start + read(data, at + 1)[0])


def _opaque(kind: int, data: bytes) -> str:
    if kind == 246:
        return _decimal(data)
    if kind in (7, 10, 11, 12):
        return f'"{_temporal(kind, int.from_bytes(data, "little", signed=True))}"'
    return f'"{base64.b64encode(data).decode()}"'


def _decimal(data: bytes) -> str:
    precision, scale = data[0], data[1]
    digits, negative = decimal_digits(data[2:], precision, scale)
    sign = "-" if negative else ""
    whole = digits[: precision - scale].lstrip("0") or "0"
    return f"{sign}{whole}" + (f".{digits[precision - scale :]}" if scale else "")


def decimal_digits(raw: bytes, precision: int, scale: int) -> tuple[str, bool]:
    """Give all digits of a packed DECIMAL, and whether it is negative."""
    negative = not raw[0] & 0x80
    data = bytes([raw[0] ^ 0x80]) + raw[1:]
    if negative:
        data = bytes(byte ^ 0xFF for byte in data)
    at, texts = 0, []
    whole = precision - scale
    for digits in [whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9]:
        if digits:
            size = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)[digits]
            number = int.from_bytes(data[at : at + size], "big")
            texts.append(f"{number:0{digits}d}")
            at += size
    return "".join(texts), negative


def _temporal(kind: int, packed: int) -> str:
    micros = packed & 0xFFFFFF if packed >= 0 else -packed & 0xFFFFFF
    if kind == 11:
        total = packed_time(packed, 3)
        sign, total = ("-", -total) if total < 0 else ("", total)
        seconds = total // 1_000_000
        return (
            f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
            + _fraction(micros)
        )
    whole = packed >> 24
    year, month = divmod(whole >> 22, 13)
    date = f"{year:04d}-{month:02d}-{whole >> 17 & 31:02d}"
    if kind == 10:
        return date
    hour, minute, second = whole >> 12 & 31, whole >> 6 & 63, whole & 63
    return f"{date} {hour:02d}:{minute:02d}:{second:02d}" + _fraction(micros)


def _fraction(micros: int) -> str:
    return f".{micros:06d}".rstrip("0") if micros else ""


def quoted(text: str) -> str:
    """Give a JSON string."""
    return f'"{text.translate(_ESCAPES)}"'


def double_text(value: float) -> str:
    """Give the peer's text of a double: Java's, with all digits where that would have an exponent."""
    size = abs(value)
    if size == 0 or 1e-3 <= size < 1e7:
        return repr(value)
    return format(decimal.Decimal(value), "f")
