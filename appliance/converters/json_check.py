"""What JsonConverter accepts: values under a schema checked in its words, schemaless values as JSON text.

Semantics: Kafka Connect 4.3.1 JsonConverter.convertToJson.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from typing import Any, Final

from appliance.converters.json_encoder import (
    NULL_FOR_REQUIRED,
    Options,
    bytes_json,
    double_json,
    float_json,
)
from appliance.data import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Float32,
    Instant,
    Schema,
    Struct,
    Type,
)
from appliance.data.logical import Float64, Int8, Int16, Int32, Int64
from appliance.data.mapkeys import KeyList, KeyMap
from appliance.data.struct import java_class_name
from appliance.data.text import json_quote
from appliance.errors import DataError

_DATES: Final = {DATE_NAME: "Date", TIME_NAME: "Time", TIMESTAMP_NAME: "Timestamp"}


def _fits(kind: type, tagged: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is kind or isinstance(value, tagged)


_FITS: Final[dict[Type, Callable[[Any], bool]]] = {
    Type.INT8: _fits(int, Int8),
    Type.INT16: _fits(int, Int16),
    Type.INT32: _fits(int, Int32),
    Type.INT64: _fits(int, Int64),
    Type.FLOAT32: _fits(float, Float32),
    Type.FLOAT64: _fits(float, Float64),
    Type.BOOLEAN: lambda value: isinstance(value, bool),
    Type.STRING: lambda value: isinstance(value, str),
    Type.ARRAY: lambda value: isinstance(value, list),
    Type.MAP: lambda value: isinstance(value, dict),
    Type.STRUCT: lambda value: isinstance(value, Struct),
}


def check_value(schema: Schema, value: Any, options: Options) -> None:
    """Raise DataError when the boundary value cannot be written under `schema`."""
    if value is None:
        if schema.default is not None and options.replace_null_with_default:
            check_value(schema, schema.default, options)
        elif not schema.optional:
            raise DataError(NULL_FOR_REQUIRED)
        return
    if schema.name == DECIMAL_NAME:
        if not isinstance(value, decimal.Decimal):
            raise DataError(
                f"Invalid type for Decimal, expected BigDecimal but was {java_class_name(value)}"
            )
    elif schema.name in _DATES:
        if type(value) is not int and not isinstance(value, Instant):
            raise DataError(
                f"Invalid type for {_DATES[schema.name]}, expected Date "
                f"but was {java_class_name(value)}"
            )
    elif schema.type is Type.BYTES:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise DataError(f"Invalid type for bytes type: {java_class_name(value)}")
    elif not _FITS[schema.type](value):
        raise DataError(f"Invalid type for {schema.type.name}: {java_class_name(value)}")
    else:
        _check_members(schema, value, options)


def _check_members(schema: Schema, value: Any, options: Options) -> None:
    if schema.type is Type.ARRAY and schema.value_schema is not None:
        for item in value:
            check_value(schema.value_schema, item, options)
    elif schema.type is Type.MAP and schema.key_schema and schema.value_schema:
        for key, item in value.items():
            check_value(schema.key_schema, key, options)
            check_value(schema.value_schema, item, options)
    elif schema.type is Type.STRUCT:
        if value.schema != schema:
            raise DataError("Mismatching schema.")
        for field in schema.fields:
            check_value(field.schema, value.get_without_default(field.name), options)


def dynamic_text(value: Any) -> str:
    """Give a schemaless value as JSON text. Raises DataError for a value without a schema type."""
    if value is None:
        return "null"
    write = _WRITERS.get(type(value))
    if write is None:
        raise DataError(
            f"Java class {java_class_name(value)} does not have corresponding schema type."
        )
    return write(value)


def _list_text(value: list[Any]) -> str:
    return f"[{','.join([dynamic_text(item) for item in value])}]"


def _map_text(value: Mapping[Any, Any]) -> str:
    if all(isinstance(key, str) for key in value):
        members = [f"{json_quote(k)}:{dynamic_text(v)}" for k, v in value.items()]
        return f"{{{','.join(members)}}}"
    return f"[{','.join([f'[{dynamic_text(k)},{dynamic_text(v)}]' for k, v in value.items()])}]"


def _struct_text(_value: Any) -> str:
    raise DataError("Mismatching schema.")


_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    str: json_quote,
    bool: lambda value: "true" if value else "false",
    int: int.__repr__,
    Int8: int.__repr__,
    Int16: int.__repr__,
    Int32: int.__repr__,
    Int64: int.__repr__,
    float: double_json,
    Float64: double_json,
    Float32: float_json,
    bytes: bytes_json,
    bytearray: bytes_json,
    memoryview: bytes_json,
    list: _list_text,
    KeyList: _list_text,
    dict: _map_text,
    KeyMap: _map_text,
    tuple: _struct_text,
    Struct: _struct_text,
}
