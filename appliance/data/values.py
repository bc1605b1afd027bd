"""Values and their texts: parsing text without a schema, formatting and converting.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.data.Values, in UTC, its tokenizer included.
"""

from __future__ import annotations

import decimal
import math
from typing import Any, Final

from appliance.data.dateformat import DateFormat
from appliance.data.logical import (
    DATE_NAME,
    DECIMAL_NAME,
    MILLIS_PER_DAY,
    TIME_NAME,
    TIMESTAMP_NAME,
    Float32,
    Instant,
    Int8,
    Int16,
    Int32,
    decimal_of_bytes,
)
from appliance.data.mapkeys import as_key
from appliance.data.numbers import (
    decimal_to_integer,
    parse_decimal,
    saturated,
    wrap_integer,
)
from appliance.data.schema import Schema, SchemaBuilder, Type
from appliance.data.struct import Struct, java_class_name
from appliance.data.text import base64_text, java_text, to_float32
from appliance.errors import DataError

TIME_FORMAT: Final = DateFormat("HH:mm:ss.SSS'Z'")
DATE_FORMAT: Final = DateFormat("yyyy-MM-dd")
TIMESTAMP_FORMAT: Final = DateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")

DATE_SCHEMA: Final = Schema(Type.INT32, name=DATE_NAME, version=1)
TIME_SCHEMA: Final = Schema(Type.INT32, name=TIME_NAME, version=1)
TIMESTAMP_SCHEMA: Final = Schema(Type.INT64, name=TIMESTAMP_NAME, version=1)
_STRING: Final = Schema(Type.STRING)
_TEMPORAL: Final = {
    10: (DATE_SCHEMA, DATE_FORMAT),
    13: (TIME_SCHEMA, TIME_FORMAT),
    24: (TIMESTAMP_SCHEMA, TIMESTAMP_FORMAT),
}
_DELIMITERS: Final = frozenset(':,{}[]"')
_WIDTHS: Final = {
    Type.INT8: Int8,
    Type.INT16: Int16,
    Type.INT32: Int32,
    Type.FLOAT32: Float32,
}
_LADDER: Final = (
    Type.INT8,
    Type.INT16,
    Type.INT32,
    Type.INT64,
    Type.FLOAT32,
    Type.FLOAT64,
)
Parsed = tuple[Schema | None, Any]


def typed(schema: Schema | None, value: Any) -> Any:
    """Give a boundary value with the width and class that its schema says in the value itself."""
    if schema is None or value is None:
        return value
    if schema.name in (DATE_NAME, TIME_NAME, TIMESTAMP_NAME):
        return Instant(value) if isinstance(value, int) else value
    if type(value) in (int, float) and schema.type in _WIDTHS:
        return _WIDTHS[schema.type](value)
    return value


def parse_string(text: str | None) -> Parsed:
    """Give schema and value that the text seems to hold; (None, None) for null."""
    if text is None:
        return None, None
    if not text:
        return _STRING, text
    return _Parser(text).parse(embedded=False)


class _Parser:
    """Tokens of a text, and the values made of them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.pending: str | None = None
        self.pending_at = 0
        self.previous: str | None = None

    def has_next(self) -> bool:
        return self.pending is not None or self.at < len(self.text)

    def mark(self) -> int:
        return self.at if self.pending is None else self.pending_at

    def rewind(self, position: int) -> None:
        self.at, self.pending, self.previous = position, None, None

    def token(self) -> str:
        text, start, escaped = self.text, self.at, False
        while self.at < len(text):
            char = text[self.at]
            if char == "\\":
                escaped = not escaped
            elif char in _DELIMITERS and not escaped:
                if start < self.at:
                    return text[start : self.at]
                self.at += 1
                return char
            else:
                escaped = False
            self.at += 1
        return text[start:]

    def next(self) -> str:
        if self.pending is None:
            self.previous = self.token()
        else:
            self.previous, self.pending = self.pending, None
        return self.previous

    def next_four(self) -> str | None:
        start = self.mark()
        for _ in range(4):
            if not self.has_next():
                self.rewind(start)
                return None
            self.next()
        return self.text[start : self.at]

    def consume(self, expected: str) -> bool:
        if self.pending is None:
            if not self.has_next():
                return False
            self.pending_at = self.at
            self.pending = self.token()
        while not _trim(self.pending) and self.at < len(self.text):
            self.pending_at = self.at
            self.pending = self.token()
        if _trim(self.pending) != expected:
            return False
        self.pending = None
        return True

    def literal(self, expected: str, *, embedded: bool) -> bool:
        start = self.mark()
        if self.consume(expected) and (embedded or not self.has_next()):
            return True
        self.rewind(start)
        return False

    def parse(self, *, embedded: bool) -> Parsed:
        if not self.has_next():
            return None, None
        if embedded and self.consume('"'):
            return self.quoted()
        for word, found in (
            ("null", (None, None)),
            ("true", (Schema(Type.BOOLEAN), True)),
            ("false", (Schema(Type.BOOLEAN), False)),
        ):
            if self.literal(word, embedded=embedded):
                return found
        start = self.mark()
        try:
            if self.consume("["):
                return self.array()
            if self.consume("{"):
                return self.map()
        except DataError:
            self.rewind(start)
        token = self.next()
        if not _trim(token):
            return _STRING, token
        return self.scalar(_trim(token), embedded=embedded)

    def scalar(self, token: str, *, embedded: bool) -> Parsed:
        if token[0].isdecimal():
            temporal = self.temporal(token)
            if temporal is not None:
                return temporal
        if token[0].isdecimal() or token[0] in "+-":
            try:
                return _number(parse_decimal(token))
            except ValueError:
                pass
        if embedded:
            raise DataError("Failed to parse embedded value")
        return _STRING, self.text

    def temporal(self, token: str) -> Parsed | None:
        start = self.mark()
        rest = self.next_four()
        if rest is not None:
            found = _temporal(token + rest)
            if found is not None:
                return found
        self.rewind(start)
        return _temporal(token)

    def quoted(self) -> Parsed:
        parts: list[str] = []
        while self.has_next() and not self.consume('"'):
            parts.append(self.next())
        content = "".join(parts)
        return _temporal(content) or (_STRING, content)

    def array(self) -> Parsed:
        items: list[Any] = []
        merged = _Merger()
        while self.has_next():
            if self.consume("]"):
                if merged.schema is None:
                    return Schema(Type.ARRAY), items
                return SchemaBuilder.array(merged.schema).build(), [
                    convert_to(merged.schema, None, item) for item in items
                ]
            if self.consume(","):
                raise DataError(f"Unable to parse an empty array element: {self.text}")
            schema, value = self.parse(embedded=True)
            merged.add(schema)
            items.append(value)
            position = self.mark()
            if self.consume("]"):
                self.rewind(position)
            elif not self.consume(","):
                raise DataError(f"Array elements missing ',' delimiter: {self.text}")
        raise DataError(f"Array is missing terminating ']': {self.text}")

    def map(self) -> Parsed:
        entries: dict[Any, Any] = {}
        keys, values = _Merger(), _Merger()
        while self.has_next():
            if self.consume("}"):
                return _map_of(entries, keys.schema, values.schema)
            if self.consume(","):
                raise DataError(f"Unable to parse a map entry with no key or value: {self.text}")
            key_schema, key = self.parse(embedded=True)
            if key is None:
                raise DataError(f"Map entry may not have a null key: {self.text}")
            if not self.consume(":"):
                raise DataError(f"Map entry is missing ':': {self.text}")
            schema, value = self.parse(embedded=True)
            entries[as_key(key)] = value
            self.consume(",")
            keys.add(key_schema)
            values.add(schema)
        raise DataError(f"Map is missing terminating '}}': {self.text}")


def _trim(text: str) -> str:
    return text.strip("".join(map(chr, range(33))))


def _map_of(entries: dict[Any, Any], keys: Schema | None, values: Schema | None) -> Parsed:
    if keys is None:
        return Schema(Type.MAP), entries
    schema = Schema(Type.MAP, key_schema=keys, value_schema=values)
    return schema, {
        as_key(convert_to(keys, None, key)): value
        if values is None
        else convert_to(values, None, value)
        for key, value in entries.items()
    }


def _temporal(text: str) -> Parsed | None:
    text = text.replace("\\:", ":")
    known = _TEMPORAL.get(len(text))
    if known is None:
        return None
    ms = known[1].parse(text)
    return None if ms is None else (known[0], Instant(ms))


def _number(value: decimal.Decimal) -> Parsed:
    integer = _exact_integer(value)
    if integer is not None:
        for type_, bits in ((Type.INT8, 8), (Type.INT16, 16), (Type.INT32, 32)):
            if -(1 << (bits - 1)) <= integer < 1 << (bits - 1):
                return Schema(type_), _WIDTHS[type_](integer)
        return Schema(Type.INT64), integer
    scale = -int(value.as_tuple().exponent)
    if scale != 0:
        double = float(value)
        single = to_float32(double)
        if not math.isinf(single):
            return Schema(Type.FLOAT32), Float32(single)
        if not math.isinf(double):
            return Schema(Type.FLOAT64), double
    return (
        Schema(Type.BYTES, name=DECIMAL_NAME, version=1, parameters={"scale": str(scale)}),
        value,
    )


def _exact_integer(value: decimal.Decimal) -> int | None:
    """Give the number when it is integral and fits 64 bits."""
    sign, digits, exponent = value.as_tuple()
    power = int(exponent)
    if not any(digits):
        return 0
    if len(digits) + power > 19:
        return None
    number = int("".join(map(str, digits)))
    if power >= 0:
        number *= 10**power
    else:
        if -power >= len(digits):
            return None
        number, rest = divmod(number, 10**-power)
        if rest:
            return None
    number = -number if sign else number
    return number if -(2**63) <= number < 2**63 else None


class _Merger:
    """The common schema of several values; None once there is none."""

    def __init__(self) -> None:
        self.schema: Schema | None = None
        self._any = False
        self._split = False

    def add(self, schema: Schema | None) -> None:
        if schema is None or self._split:
            return
        if self.schema is None:
            self.schema = schema
            return
        self.schema = _common(self.schema, schema)
        self._split = self.schema is None


def _common(one: Schema, other: Schema) -> Schema | None:
    if one.type is other.type:
        return other
    if one.type in _LADDER and other.type in _LADDER:
        return max(one, other, key=lambda schema: _LADDER.index(schema.type))
    return None


def format_value(schema: Schema | None, value: Any) -> str | None:
    """Give the text of a boundary value, from which `parse_string` mostly reads it back."""
    return None if value is None else _formatted(schema, value, embedded=False)


def _formatted(schema: Schema | None, value: Any, *, embedded: bool) -> str:
    value = typed(schema, value)
    if value is None:
        return "null"
    if isinstance(value, str):
        if not embedded:
            return value
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, Instant):
        return format_instant(value)
    if isinstance(value, (bool, int, float, decimal.Decimal)):
        return java_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f'"{base64_text(value)}"' if embedded else base64_text(value)
    if isinstance(value, list):
        items = schema.value_schema if schema is not None and schema.type is Type.ARRAY else None
        return f"[{','.join(_formatted(items, item, embedded=True) for item in value)}]"
    if isinstance(value, dict):
        is_map = schema is not None and schema.type is Type.MAP
        keys = schema.key_schema if schema is not None and is_map else None
        values = schema.value_schema if schema is not None and is_map else None
        members = (
            f"{_formatted(keys, k, embedded=True)}:{_formatted(values, v, embedded=True)}"
            for k, v in value.items()
        )
        return f"{{{','.join(members)}}}"
    if isinstance(value, Struct):
        members = (
            f"{_formatted(None, f.name, embedded=True)}:"
            f"{_formatted(f.schema, value.get(f.name), embedded=True)}"
            for f in value.schema.fields
        )
        return f"{{{','.join(members)}}}"
    name = java_class_name(value).removeprefix("class ")
    raise DataError(f"Failed to serialize unexpected value type {name}: {value}")


def format_instant(ms: int) -> str:
    """Give a date object as time, date or timestamp, by its value."""
    if ms < MILLIS_PER_DAY:
        return TIME_FORMAT.format(ms)
    return (DATE_FORMAT if ms % MILLIS_PER_DAY == 0 else TIMESTAMP_FORMAT).format(ms)


NULL_REFUSED: Final = "Unable to convert a null value to a schema that requires a value"


def _refusal(value: Any, target: str) -> DataError:
    return DataError(
        f"Unable to convert {java_text(value)} ({java_class_name(value)}) to {target}"
    )


def encoded_instant(schema: Schema | None, value: Instant) -> int | None:
    """Give the number that a date object is under its schema, None when that is no logical type.

    Raises DataError for a date with a time of day, or a time outside the first day.
    """
    name = schema.name if schema is not None else None
    if name == DATE_NAME:
        days, rest = divmod(int(value), MILLIS_PER_DAY)
        if rest:
            raise DataError(
                "Kafka Connect Date type should not have any time fields set to non-zero values."
            )
        return days
    if name == TIME_NAME and not 0 <= value <= MILLIS_PER_DAY:
        raise DataError(
            "Kafka Connect Time type should not have any date fields set to non-zero values."
        )
    return int(value) if name in (TIME_NAME, TIMESTAMP_NAME) else None


def _number_of(schema: Schema | None, value: Any) -> int | float | decimal.Decimal:
    """Give a value as a number: itself, of its text, or a date's encoding. Raises DataError."""
    value = typed(schema, value)
    cause: ValueError | None = None
    if isinstance(value, Instant):
        encoded = encoded_instant(schema, value)
        if encoded is not None:
            return encoded
    elif isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
        return value
    elif isinstance(value, str):
        try:
            return parse_decimal(value)
        except ValueError as error:
            cause = error
    raise _refusal(value, "a number" if schema is None else str(schema)) from cause


def to_long(schema: Schema | None, value: Any) -> int:
    """Give a value as a 64-bit integer. Raises DataError."""
    number = _number_of(schema, value)
    if isinstance(number, decimal.Decimal):
        return decimal_to_integer(number, 64)
    return saturated(number, 64) if isinstance(number, float) else wrap_integer(number, 64)


def to_integer(schema: Schema | None, value: Any, bits: int) -> int | None:
    """Give a value as an integer of so many bits, wrapped from 64; None for null."""
    return None if value is None else wrap_integer(to_long(schema, value), bits)


def to_double(schema: Schema | None, value: Any) -> float | None:
    """Give a value as a double; None for null. Raises DataError."""
    if value is None:
        return None
    try:
        return float(_number_of(schema, value))
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def to_boolean(schema: Schema | None, value: Any) -> bool | None:
    """Give a value as a boolean; None for null. Raises DataError."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        _, parsed = parse_string(value)
        if isinstance(parsed, bool):
            return parsed
    return to_long(schema, value) != 0


def to_decimal(schema: Schema | None, value: Any, target: Schema) -> decimal.Decimal:
    """Give a value as a decimal; bytes take the scale of `target`, numbers go through double.

    Raises DataError.
    """
    value = typed(schema, value)
    if value is None:
        raise DataError(NULL_REFUSED)
    if isinstance(value, decimal.Decimal):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return decimal_of_bytes(target, bytes(value))
    if isinstance(value, str):
        try:
            return parse_decimal(value)
        except ValueError as error:
            raise DataError(f"A text is no decimal number: {value}") from error
    if isinstance(value, (int, float)) and not isinstance(value, (bool, Instant)):
        return parse_decimal(java_text(float(value)))
    raise _refusal(value, f"Schema{{{DECIMAL_NAME}:BYTES}}")


def to_container(schema: Schema | None, value: Any, target: Type) -> Any:
    """Give a value as a list or a map, parsed if it is text, or a Struct. Raises DataError."""
    if value is None:
        raise DataError(NULL_REFUSED)
    kind = {Type.ARRAY: list, Type.MAP: dict, Type.STRUCT: Struct}[target]
    if isinstance(value, str) and target is not Type.STRUCT:
        _, parsed = parse_string(value)
        value, schema = parsed, None
    if not isinstance(value, kind):
        raise _refusal(typed(schema, value), f"Schema{{{target.name}}}")
    return value


def to_instant(schema: Schema | None, value: Any, target: Schema) -> Instant:
    """Give a value as a date object of the logical type `target`. Raises DataError."""
    if value is None:
        raise DataError(NULL_REFUSED)
    value = typed(schema, value)
    if isinstance(value, str):
        _, value = parse_string(value)
        if value is None:
            raise DataError(NULL_REFUSED)
    if isinstance(value, Instant) and (schema is None or schema.name):
        name = schema.name if schema is not None else None
        found = _between(int(value), name, target.name)
        if found is not None:
            return Instant(found)
    number = to_long(schema, value)
    if target.name == DATE_NAME:
        return Instant(wrap_integer(number, 32) * MILLIS_PER_DAY)
    if target.name == TIME_NAME:
        ms = wrap_integer(number, 32)
        if not 0 <= ms <= MILLIS_PER_DAY:
            raise DataError(
                "Time values must use number of milliseconds greater than 0 and less than 86400000"
            )
        return Instant(ms)
    return Instant(number)


def _between(ms: int, source: str | None, target: str | None) -> int | None:
    """Convert a date object from one logical type to another, None where the peer does not."""
    if source == target:
        return ms
    if target == TIMESTAMP_NAME:
        return ms
    if target == DATE_NAME:
        if source is None:
            return ms
        return ms - ms % MILLIS_PER_DAY if source == TIMESTAMP_NAME else None
    return ms % MILLIS_PER_DAY if source in (None, TIMESTAMP_NAME) else None


def convert_to(target: Schema, schema: Schema | None, value: Any) -> Any:
    """Convert a value to the type of `target`; the result carries its width. Raises DataError."""
    if value is None:
        if target.optional:
            return None
        raise DataError(NULL_REFUSED)
    if target.name in (DATE_NAME, TIME_NAME, TIMESTAMP_NAME):
        return to_instant(schema, value, target)
    if target.name == DECIMAL_NAME:
        return to_decimal(schema, value, target)
    if target.type in (Type.INT8, Type.INT16, Type.INT32, Type.INT64):
        bits = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}[target.type]
        return _WIDTHS.get(target.type, int)(to_integer(schema, value, bits) or 0)
    if target.type is Type.FLOAT32:
        return Float32(to_float32(to_double(schema, value) or 0.0))
    if target.type is Type.FLOAT64:
        return to_double(schema, value)
    if target.type is Type.BOOLEAN:
        return to_boolean(schema, value)
    if target.type is Type.STRING:
        return format_value(schema, value)
    if target.type is Type.BYTES:
        return value
    return to_container(schema, value, target.type)
