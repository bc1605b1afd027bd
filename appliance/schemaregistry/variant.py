"""Values that may be anything: JSON as the two byte strings of a Variant, and back.

Semantics: Confluent ConnectVariant and VariantBuilder, in the format of Parquet's Variant: `metadata` holds
the names of members, `value` the values. All of JSON is written; what else a Variant may hold is read.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import itertools
import struct
import uuid
from collections.abc import Callable
from typing import Any, Final

from appliance.data.schema import Field, Schema, Type
from appliance.data.text import decimal_text, double_text, float_text, json_quote
from appliance.errors import DataError

VARIANT: Final = "org.apache.kafka.connect.data.Variant"
VARIANT_SCHEMA: Final = Schema(
    Type.STRUCT,
    name=VARIANT,
    fields=(Field("metadata", 0, Schema(Type.BYTES)), Field("value", 1, Schema(Type.BYTES))),
)
_SHORT, _OBJECT, _ARRAY = 1, 2, 3
_NULL, _TRUE, _FALSE, _INT32, _INT64, _DOUBLE, _LONG_TEXT = 0, 1, 2, 5, 6, 7, 16
_DECIMAL16: Final = 10
_DEEPEST: Final = 500


def variant_of(json: Any) -> tuple[bytes, bytes]:
    """Give metadata and value of parsed JSON. Raises DataError for a number of too many digits."""
    names: dict[str, int] = {}
    value = _value_of(json, names)
    texts = [name.encode("utf-8", "surrogatepass") for name in names]
    total = sum(map(len, texts))
    width = _width(max(total, len(texts)))
    head = bytes((1 | (width - 1) << 6,)) + len(texts).to_bytes(width, "little")
    return head + _offsets(texts, width) + b"".join(texts), value


def _width(number: int) -> int:
    return max(1, (number.bit_length() + 7) // 8)


def _offsets(parts: list[bytes], width: int) -> bytes:
    made, at = [0], 0
    for part in parts:
        at += len(part)
        made.append(at)
    return b"".join([offset.to_bytes(width, "little") for offset in made])


def _value_of(json: Any, names: dict[str, int]) -> bytes:
    if json is None:
        return bytes((_NULL << 2,))
    if isinstance(json, bool):
        return bytes(((_TRUE if json else _FALSE) << 2,))
    if isinstance(json, str):
        data = json.encode("utf-8", "surrogatepass")
        if len(data) < 64:
            return bytes((len(data) << 2 | _SHORT,)) + data
        return bytes((_LONG_TEXT << 2,)) + len(data).to_bytes(4, "little") + data
    if isinstance(json, int):
        return _integer_of(json)
    if isinstance(json, (float, decimal.Decimal)):
        return struct.pack("<Bd", _DOUBLE << 2, _double(json))
    if isinstance(json, list):
        return _array_of([_value_of(item, names) for item in json])
    return _object_of(json, names)


def _double(number: float | decimal.Decimal) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _integer_of(number: int) -> bytes:
    if -(2**31) <= number < 2**31:
        return struct.pack("<Bi", _INT32 << 2, number)
    if -(2**63) <= number < 2**63:
        return struct.pack("<Bq", _INT64 << 2, number)
    if abs(number) >= 10**38:
        raise DataError("A number in a Variant has at most 38 digits")
    return bytes((_DECIMAL16 << 2, 0)) + number.to_bytes(16, "little", signed=True)


def _array_of(items: list[bytes]) -> bytes:
    data = b"".join(items)
    width = _width(len(data))
    large = len(items) > 255
    head = bytes(((int(large) << 2 | (width - 1)) << 2 | _ARRAY,))
    count = len(items).to_bytes(4 if large else 1, "little")
    return head + count + _offsets(items, width) + data


def _object_of(members: dict[str, Any], names: dict[str, int]) -> bytes:
    made = {}
    for name, value in members.items():
        number = names.setdefault(name, len(names))
        made[name] = (number, _value_of(value, names))
    ordered = [made[name] for name in sorted(made, key=_utf16)]
    values = [value for _, value in ordered]
    data = b"".join(values)
    wide = _width(max((number for number, _ in ordered), default=0))
    width = _width(len(data))
    large = len(ordered) > 255
    head = bytes(((int(large) << 4 | (wide - 1) << 2 | (width - 1)) << 2 | _OBJECT,))
    count = len(ordered).to_bytes(4 if large else 1, "little")
    ids = b"".join([number.to_bytes(wide, "little") for number, _ in ordered])
    return head + count + ids + _offsets(values, width) + data


def _utf16(name: str) -> bytes:
    """Order names as Java does."""
    return name.encode("utf-16-be", "surrogatepass")


def variant_json(metadata: bytes, value: bytes) -> str:
    """Give a Variant as JSON text. Raises DataError for bytes that are none."""
    try:
        return _Reader(bytes(metadata), bytes(value)).text(0, 0)
    except (IndexError, ValueError, struct.error, OverflowError, ArithmeticError) as error:
        raise DataError(f"The bytes are no Variant: {error}") from error


class _Reader:
    """Reads the value at a place of a Variant's bytes."""

    def __init__(self, metadata: bytes, value: bytes) -> None:
        self._value = value
        width = (metadata[0] >> 6) + 1
        count = int.from_bytes(metadata[1 : 1 + width], "little")
        if count > len(metadata):
            raise DataError("The bytes are no Variant: it has more names than bytes")
        at = 1 + width
        ends = [
            int.from_bytes(metadata[at + i * width : at + (i + 1) * width], "little")
            for i in range(count + 1)
        ]
        start = at + (count + 1) * width
        self._names = [
            metadata[start + a : start + b].decode("utf-8", "surrogatepass")
            for a, b in itertools.pairwise(ends)
        ]

    def text(self, at: int, depth: int) -> str:
        if depth > _DEEPEST:
            raise DataError("A Variant is nested too deeply")
        head = self._value[at]
        kind, more = head & 3, head >> 2
        if kind == _SHORT:
            return json_quote(self._value[at + 1 : at + 1 + more].decode("utf-8", "surrogatepass"))
        if kind == _OBJECT:
            return self._object(at, more, depth)
        if kind == _ARRAY:
            return self._array(at, more, depth)
        read = _PRIMITIVES.get(more)
        if read is None:
            raise DataError(f"The bytes are no Variant: a value of type {more}")
        return read(self._value[at + 1 :])

    def _number(self, at: int, width: int) -> int:
        if at + width > len(self._value):
            raise DataError("The bytes are no Variant: they end too early")
        return int.from_bytes(self._value[at : at + width], "little")

    def _array(self, at: int, more: int, depth: int) -> str:
        width, size = (more & 3) + 1, 4 if more & 4 else 1
        count = self._number(at + 1, size)
        first = at + 1 + size
        data = first + (count + 1) * width
        items = [
            self.text(data + self._number(first + i * width, width), depth + 1)
            for i in range(count)
        ]
        return f"[{','.join(items)}]"

    def _object(self, at: int, more: int, depth: int) -> str:
        width, wide, size = (more & 3) + 1, (more >> 2 & 3) + 1, 4 if more & 16 else 1
        count = self._number(at + 1, size)
        ids = at + 1 + size
        first = ids + count * wide
        data = first + (count + 1) * width
        members = []
        for i in range(count):
            name = json_quote(self._names[self._number(ids + i * wide, wide)])
            value = self.text(data + self._number(first + i * width, width), depth + 1)
            members.append(f"{name}:{value}")
        return f"{{{','.join(members)}}}"


def _quoted_unless_finite(text: str, value: float) -> str:
    return text if value - value == 0.0 else f'"{text}"'


def _double_json(data: bytes) -> str:
    (value,) = struct.unpack_from("<d", data)
    return _quoted_unless_finite(double_text(value), value)


def _float_json(data: bytes) -> str:
    (value,) = struct.unpack_from("<f", data)
    return _quoted_unless_finite(float_text(value), value)


def _sized(data: bytes) -> bytes:
    (size,) = struct.unpack_from("<I", data)
    if size > len(data) - 4:
        raise DataError("The bytes are no Variant: they end too early")
    return data[4 : 4 + size]


def _whole(form: str) -> Callable[[bytes], str]:
    return lambda data: str(struct.unpack_from(form, data)[0])


def _decimal(size: int) -> Callable[[bytes], str]:
    def read(data: bytes) -> str:
        unscaled = int.from_bytes(data[1 : 1 + size], "little", signed=True)
        return decimal_text(decimal.Decimal(f"{unscaled}E{-data[0]}"))

    return read


def _moment(nanos: int, *, zone: str, has_day: bool = True) -> str:
    seconds, rest = divmod(nanos, 1_000_000_000)
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)
    shown = moment.strftime("%H:%M:%S")
    if has_day:
        shown = f"{moment.year:04}-{moment.strftime('%m-%d')}T{shown}"
    for digits in (3, 6, 9):
        if rest and rest % 10 ** (9 - digits) == 0:
            return f'"{shown}.{rest // 10 ** (9 - digits):0{digits}}{zone}"'
    return f'"{shown}{zone}"'


def _timed(unit: int, zone: str, *, has_day: bool = True) -> Callable[[bytes], str]:
    return lambda data: _moment(
        struct.unpack_from("<q", data)[0] * unit, zone=zone, has_day=has_day
    )


def _date(data: bytes) -> str:
    day = dt.date(1970, 1, 1) + dt.timedelta(days=struct.unpack_from("<i", data)[0])
    return f'"{day.isoformat()}"'


_PRIMITIVES: Final[dict[int, Callable[[bytes], str]]] = {
    _NULL: lambda _data: "null",
    _TRUE: lambda _data: "true",
    _FALSE: lambda _data: "false",
    3: _whole("<b"),
    4: _whole("<h"),
    _INT32: _whole("<i"),
    _INT64: _whole("<q"),
    _DOUBLE: _double_json,
    8: _decimal(4),
    9: _decimal(8),
    _DECIMAL16: _decimal(16),
    11: _date,
    12: _timed(1000, "Z"),
    13: _timed(1000, ""),
    14: _float_json,
    15: lambda data: f'"{base64.b64encode(_sized(data)).decode()}"',
    _LONG_TEXT: lambda data: json_quote(_sized(data).decode("utf-8", "surrogatepass")),
    17: _timed(1000, "", has_day=False),
    18: _timed(1, "Z"),
    19: _timed(1, ""),
    20: lambda data: f'"{uuid.UUID(bytes=data[:16])}"',
}
"""The readers by the type's number in the format."""
