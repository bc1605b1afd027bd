"""Parsed JSON to rows under a schema, exactly: every coercion and every refusal of the peer.

Semantics: Kafka Connect 4.3.1 JsonConverter.convertToConnect. Takes what json_parser gives.
"""

from __future__ import annotations

import base64
import binascii
import decimal
import re
from collections.abc import Callable
from typing import Any, Final

from appliance.converters.json_parser import MISSING
from appliance.data import DATE_NAME, DECIMAL_NAME, TIME_NAME, TIMESTAMP_NAME, Schema, Type
from appliance.data.logical import MILLIS_PER_DAY, decimal_of_bytes
from appliance.data.mapkeys import as_key
from appliance.data.numbers import decimal_to_integer, wrap_integer
from appliance.data.struct import unwrap, validate_value, wrap
from appliance.data.text import to_float32
from appliance.errors import DataError

_BITS: Final = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def kind_of(json: Any) -> str:
    """Give the peer's name for the kind of a parsed value."""
    if json is None:
        return "NULL"
    if json is MISSING:
        return "MISSING"
    if isinstance(json, bool):
        return "BOOLEAN"
    if isinstance(json, str):
        return "STRING"
    if isinstance(json, dict):
        return "OBJECT"
    return "ARRAY" if isinstance(json, list) else "NUMBER"


def low_bits(json: Any, bits: int) -> int:
    """Give a parsed number as an integer of so many bits: fraction cut, wrapped; 0 for another kind."""
    if isinstance(json, bool) or not isinstance(json, (int, decimal.Decimal)):
        return 0
    if isinstance(json, int):
        return wrap_integer(json, bits)
    return wrap_integer(decimal_to_integer(json, 64), bits)


def double_of(json: Any) -> float:
    """Give a parsed number as a double, 0.0 for another kind."""
    if isinstance(json, bool) or not isinstance(json, (int, decimal.Decimal)):
        return 0.0
    try:
        return float(json)
    except OverflowError:
        return float("inf") if json > 0 else float("-inf")


def float_of(json: Any) -> float:
    """Give a parsed number as a 32-bit float, rounded once, 0.0 for another kind."""
    double = double_of(json)
    near = to_float32(double)
    if near == double or near - near != 0.0:
        return near
    exact = decimal.Decimal(json)
    ahead = to_float32(double + (double - near))
    if ahead != near and exact != decimal.Decimal(double):
        # The double lies half-way between two floats: the digits beyond it decide.
        middle = decimal.Decimal(near) + (decimal.Decimal(ahead) - decimal.Decimal(near)) / 2
        if decimal.Decimal(double) == middle:
            low, high = sorted((near, ahead))
            return high if exact > middle else low
    return near


def bytes_of(json: str) -> bytes:
    """Decode base64 as the peer does: padded; white space only between groups of four. ValueError."""
    groups = re.sub(r"((?:[A-Za-z0-9+/=]{4})*)[\x00-\x20]+", r"\1", json)
    if not _BASE64.fullmatch(groups) or len(groups) % 4:
        raise ValueError("Cannot access contents of TextNode as binary due to broken Base64")
    return base64.b64decode(groups, validate=True)


class Coercion:
    """Turns parsed JSON into rows; `replace_null_with_default` as the option of that name."""

    def __init__(self, *, replace_null_with_default: bool) -> None:
        """Take the option."""
        self._replace = replace_null_with_default

    def row(self, schema: Schema, json: Any) -> Any:
        """Give the row form of `json` under `schema` (None for null). Raises DataError."""
        if json is None:
            if schema.default is not None and self._replace:
                return unwrap(schema.default)
            if schema.optional:
                return None
            raise DataError(f"Invalid null value for required {schema.type.name} field")
        logical = _LOGICAL.get(schema.name)
        if logical is not None:
            return logical(schema, json)
        if schema.type in _BITS:
            if schema.type in (Type.INT8, Type.INT16):
                return wrap_integer(low_bits(json, 32), _BITS[schema.type])
            return low_bits(json, _BITS[schema.type])
        if schema.type is Type.STRUCT:
            return self._struct(schema, json)
        if schema.type is Type.ARRAY:
            return self._array(schema, json)
        if schema.type is Type.MAP:
            return self._map(schema, json)
        return _SCALARS[schema.type](json)

    def value(self, schema: Schema, json: Any) -> Any:
        """Give the boundary form. Raises DataError."""
        return wrap(schema, self.row(schema, json))

    def _array(self, schema: Schema, json: Any) -> list[Any]:
        item = schema.value_schema
        members = json.values() if isinstance(json, dict) else json
        if item is None or not isinstance(json, (dict, list)):
            return []
        return [self.row(item, member) for member in members]

    def _map(self, schema: Schema, json: Any) -> dict[Any, Any]:
        key_schema, item = schema.key_schema, schema.value_schema
        if key_schema is None or item is None:
            raise DataError("Cannot look up key schema on non-map type")
        if key_schema.type is Type.STRING:
            if not isinstance(json, dict):
                raise DataError(
                    "Maps with string fields should be encoded as JSON objects, "
                    f"but found {kind_of(json)}"
                )
            return {key: self.row(item, member) for key, member in json.items()}
        if not isinstance(json, list):
            raise DataError(
                "Maps with non-string fields should be encoded as JSON array of tuples, "
                f"but found {kind_of(json)}"
            )
        rows: dict[Any, Any] = {}
        for pair in json:
            if not isinstance(pair, list):
                raise DataError(f"Found invalid map entry instead of array tuple: {kind_of(pair)}")
            if len(pair) != 2:
                raise DataError(
                    f"Found invalid map entry, expected length 2 but found :{len(pair)}"
                )
            rows[as_key(self.row(key_schema, pair[0]))] = self.row(item, pair[1])
        return rows

    def _struct(self, schema: Schema, json: Any) -> tuple[Any, ...]:
        if not isinstance(json, dict):
            raise DataError(
                f"Structs should be encoded as JSON objects, but found {kind_of(json)}"
            )
        row = []
        for field in schema.fields:
            value = self.row(field.schema, json.get(field.name))
            validate_value(f'field: "{field.name}"', field.schema, wrap(field.schema, value))
            row.append(value)
        return tuple(row)


def schemaless(json: Any) -> Any:
    """Give parsed JSON as schemaless values: INT64 and FLOAT64 numbers, maps and lists."""
    if json is MISSING:
        return None
    if isinstance(json, dict):
        return {key: schemaless(member) for key, member in json.items()}
    if isinstance(json, list):
        return [schemaless(member) for member in json]
    if isinstance(json, decimal.Decimal):
        return double_of(json)
    if type(json) is int:
        return wrap_integer(json, 64)
    return json


def _bytes(json: Any) -> bytes | None:
    if not isinstance(json, str):
        return None
    try:
        return bytes_of(json)
    except ValueError as error:
        raise DataError("Invalid bytes field") from error


def _decimal(schema: Schema, json: Any) -> decimal.Decimal:
    if isinstance(json, str):
        try:
            return decimal_of_bytes(schema, bytes_of(json))
        except (ValueError, DataError, binascii.Error) as error:
            raise DataError("Invalid bytes for Decimal field") from error
    if isinstance(json, bool) or not isinstance(json, (int, decimal.Decimal)):
        raise DataError(
            "Invalid type for Decimal, underlying representation should be numeric or bytes "
            f"but was {kind_of(json)}"
        )
    return decimal.Decimal(json)


def _int32(what: str, json: Any) -> int:
    if type(json) is not int or not -(2**31) <= json < 2**31:
        raise DataError(
            f"Invalid type for {what}, underlying representation should be integer "
            f"but was {kind_of(json)}"
        )
    return json


def _date(_schema: Schema, json: Any) -> int:
    return _int32("Date", json) * MILLIS_PER_DAY


def _time(_schema: Schema, json: Any) -> int:
    ms = _int32("Time", json)
    if not 0 <= ms <= MILLIS_PER_DAY:
        raise DataError(
            "Time values must use number of milliseconds greater than 0 and less than 86400000"
        )
    return ms


def _timestamp(_schema: Schema, json: Any) -> int:
    if type(json) is not int:
        raise DataError(
            "Invalid type for Timestamp, underlying representation should be integral "
            f"but was {kind_of(json)}"
        )
    return wrap_integer(json, 64)


_LOGICAL: Final[dict[str | None, Callable[[Schema, Any], Any]]] = {
    DECIMAL_NAME: _decimal,
    DATE_NAME: _date,
    TIME_NAME: _time,
    TIMESTAMP_NAME: _timestamp,
}
_SCALARS: Final[dict[Type, Callable[[Any], Any]]] = {
    Type.FLOAT32: float_of,
    Type.FLOAT64: double_of,
    Type.BOOLEAN: lambda json: json is True,
    Type.STRING: lambda json: json if isinstance(json, str) else None,
    Type.BYTES: _bytes,
}
