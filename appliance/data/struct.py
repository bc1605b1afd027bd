"""Struct values and the validation of a value against its schema.

Semantics: Kafka Connect 4.3.1 Struct and ConnectSchema.validateValue, error texts included. A Struct is
the boundary form of a row: `schema` plus a tuple of values in field order. Hot paths use bare tuples.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from typing import Any

from appliance.data.logical import (
    DATE_NAME,
    DECIMAL_NAME,
    LOGICAL_NAMES,
    TIME_NAME,
    TIMESTAMP_NAME,
    BigInteger,
    Float32,
    Float64,
    Instant,
    Int8,
    Int16,
    Int32,
    Int64,
)
from appliance.data.mapkeys import KeyList, KeyMap
from appliance.data.schema import Field, Schema, Type
from appliance.data.text import java_text
from appliance.errors import DataError


class Struct:
    """A value of a STRUCT schema; fields are set by `put` and checked at once."""

    __slots__ = ("_values", "schema")

    def __init__(self, schema: Schema, values: Mapping[str, Any] | None = None) -> None:
        """Start with every field unset, then put `values`. Raises DataError."""
        if schema.type is not Type.STRUCT:
            raise DataError(f"Not a struct schema: {schema}")
        self.schema = schema
        self._values: list[Any] = [None] * len(schema.fields)
        for name, value in (values or {}).items():
            self.put(name, value)

    @classmethod
    def of_row(cls, schema: Schema, row: tuple[Any, ...]) -> Struct:
        """Wrap a row (nested structs as tuples) without checking it."""
        struct = cls.__new__(cls)
        struct.schema = schema
        struct._values = [
            wrap(f.schema, value) for f, value in zip(schema.fields, row, strict=True)
        ]
        return struct

    def row(self) -> tuple[Any, ...]:
        """Give the values in field order, nested structs as tuples."""
        return tuple(unwrap(value) for value in self._values)

    def put(self, name: str, value: Any) -> Struct:
        """Set the field `name`; give self. Raises DataError when it does not exist or fit."""
        field = self.schema.field(name)
        if field is None:
            raise DataError(f"{name} is not a valid field name")
        validate_value(f'field: "{name}"', field.schema, value)
        self._values[field.index] = value
        return self

    def put_unchecked(self, field: Field, value: Any) -> None:
        """Set a field whose value is known to fit."""
        self._values[field.index] = value

    def get(self, name: str) -> Any:
        """Give the field `name`, its default when unset. Raises DataError for an unknown name."""
        field = self.schema.field(name)
        if field is None:
            raise DataError(f"{name} is not a valid field name")
        value = self._values[field.index]
        return field.schema.default if value is None else value

    def get_without_default(self, name: str) -> Any:
        """Give the stored value of the field `name`. Raises DataError for an unknown name."""
        field = self.schema.field(name)
        if field is None:
            raise DataError(f"{name} is not a valid field name")
        return self._values[field.index]

    def get_typed(self, name: str, type_: Type) -> Any:
        """Give the stored value of a field of this type. Raises DataError for another type."""
        value = self.get_without_default(name)
        field = self.schema.field(name)
        if field is None or field.schema.type is not type_:
            raise DataError(f"Field '{name}' is not of type {type_.name}")
        return value

    def validate(self) -> None:
        """Check every field. Raises DataError."""
        for field, value in zip(self.schema.fields, self._values, strict=True):
            if value is None and (field.schema.optional or field.schema.default is not None):
                continue
            validate_value(f'field: "{field.name}"', field.schema, value)

    def __eq__(self, other: object) -> bool:
        """Compare schema and stored values."""
        return (
            isinstance(other, Struct)
            and self.schema == other.schema
            and self._values == other._values
        )

    def __hash__(self) -> int:
        """Hash the stored values: a struct may be the key of a map, and must not change there."""
        return hash((self.schema, tuple(self._values)))

    def __repr__(self) -> str:
        """Give Java's text form, `Struct{a=1,b=x}`, without unset fields."""
        shown = (
            f"{f.name}={java_text(v, f.schema)}"
            for f, v in zip(self.schema.fields, self._values, strict=True)
            if v is not None
        )
        return f"Struct{{{','.join(shown)}}}"


def wrap(schema: Schema | None, value: Any) -> Any:
    """Turn the row form of a value into the boundary form: tuples become Structs, at any depth."""
    if schema is None or value is None:
        return value
    if schema.type is Type.STRUCT:
        return Struct.of_row(schema, value) if isinstance(value, tuple) else value
    if schema.type is Type.ARRAY:
        items = [wrap(schema.value_schema, item) for item in value]
        return KeyList(items) if type(value) is KeyList else items
    if schema.type is Type.MAP:
        keys, values = schema.key_schema, schema.value_schema
        members = {wrap(keys, k): wrap(values, v) for k, v in value.items()}
        return KeyMap(members) if type(value) is KeyMap else members
    return value


def unwrap(value: Any) -> Any:
    """Turn the boundary form of a value into the row form: Structs become tuples, at any depth."""
    if isinstance(value, Struct):
        return value.row()
    if isinstance(value, list):
        items = [unwrap(item) for item in value]
        return KeyList(items) if type(value) is KeyList else items
    if isinstance(value, dict):
        members = {unwrap(k): unwrap(v) for k, v in value.items()}
        return KeyMap(members) if type(value) is KeyMap else members
    return value


def _is_int(*tagged: type) -> Callable[[Any], bool]:
    return lambda v: type(v) is int or isinstance(v, tagged)


_ACCEPTS: dict[Type, Callable[[Any], bool]] = {
    Type.INT8: _is_int(Int8),
    Type.INT16: _is_int(Int16),
    Type.INT32: _is_int(Int32),
    Type.INT64: _is_int(Int64),
    Type.FLOAT32: lambda v: type(v) is float or isinstance(v, Float32),
    Type.FLOAT64: lambda v: type(v) is float or isinstance(v, Float64),
    Type.BOOLEAN: lambda v: isinstance(v, bool),
    Type.STRING: lambda v: isinstance(v, str),
    Type.BYTES: lambda v: isinstance(v, (bytes, bytearray, memoryview)),
    Type.ARRAY: lambda v: isinstance(v, list),
    Type.MAP: lambda v: isinstance(v, dict),
    Type.STRUCT: lambda v: isinstance(v, Struct),
}


def _accepts_logical(name: str, value: Any) -> bool:
    if name == DECIMAL_NAME:
        return isinstance(value, decimal.Decimal)
    return type(value) is int or isinstance(value, Instant)


def validate_value(location: str, schema: Schema | None, value: Any) -> None:
    """Check that `value` (boundary form) fits `schema`. Raises DataError with Connect's text."""
    if schema is None:
        raise DataError(f"No schema defined for {location}")
    if value is None:
        if not schema.optional:
            raise DataError(
                f"Invalid value: null used for required {location}, schema type: {schema.type.name}"
            )
        return
    if schema.name in LOGICAL_NAMES:
        fits = _accepts_logical(schema.name or "", value)
    else:
        fits = _ACCEPTS[schema.type](value)
    if not fits:
        named = f' "{schema.name}"' if schema.name else ""
        raise DataError(
            f"Invalid Java object for schema{named} with type {schema.type.name}: "
            f"{java_class_name(value)} for {location}"
        )
    _validate_members(location, schema, value)


def _validate_members(location: str, schema: Schema, value: Any) -> None:
    if schema.type is Type.STRUCT:
        if value.schema != schema:
            raise DataError("Struct schemas do not match.")
        value.validate()
    elif schema.type is Type.ARRAY:
        for item in value:
            validate_value(f"element of array {location}", schema.value_schema, item)
    elif schema.type is Type.MAP:
        for key, item in value.items():
            validate_value(f"key of map {location}", schema.key_schema, key)
            validate_value(f"value of map {location}", schema.value_schema, item)


def check_header(schema: Schema | None, value: Any) -> None:
    """Check a header's value against its schema, outermost class only. Raises DataError."""
    if schema is None:
        return
    if value is None:
        if not schema.optional:
            raise DataError(f"A null value requires an optional schema but was {schema}")
        return
    if not _ACCEPTS[schema.type](value) and not (
        schema.name in LOGICAL_NAMES and _accepts_logical(schema.name or "", value)
    ):
        raise DataError(f"The value {value} is not compatible with the schema {schema}")


_JAVA_NAMES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "java.lang.Boolean"),
    (Int8, "java.lang.Byte"),
    (Int16, "java.lang.Short"),
    (Int32, "java.lang.Integer"),
    (BigInteger, "java.math.BigInteger"),
    (Instant, "java.util.Date"),
    (Float32, "java.lang.Float"),
    (int, "java.lang.Long"),
    (float, "java.lang.Double"),
    (decimal.Decimal, "java.math.BigDecimal"),
    (str, "java.lang.String"),
    (bytes, "[B"),
    (bytearray, "[B"),
    (memoryview, "java.nio.HeapByteBuffer"),
    (list, "java.util.ArrayList"),
    (dict, "java.util.HashMap"),
    ((Struct, tuple), "org.apache.kafka.connect.data.Struct"),
)


def java_class_name(value: Any) -> str:
    """Give `class <Java class>` for a value, as Connect's error texts print it."""
    own = getattr(value, "java_class", None)
    if isinstance(own, str):
        return f"class {own}"
    for kind, name in _JAVA_NAMES:
        if isinstance(value, kind):
            return f"class {name}"
    return f"class {type(value).__module__}.{type(value).__qualname__}"


__all__ = [
    "DATE_NAME",
    "TIMESTAMP_NAME",
    "TIME_NAME",
    "Struct",
    "check_header",
    "java_class_name",
    "unwrap",
    "validate_value",
    "wrap",
]
