"""How a column looks in an event: its Connect schema and the form of its values.

One table of rules serves snapshot and stream. Semantics: Debezium MySQL 3.6.1.Final and MariaDB
3.5.0.Final value converters. Where a value cannot be shown (a TIME beyond a day as a time of day, a
date beyond int64 nanoseconds) it is null, as there.
"""

from __future__ import annotations

import dataclasses
import decimal
from collections.abc import Callable
from typing import Any, Final

from appliance.connectors.binlog.defaults import default_value
from appliance.connectors.binlog.forms import ValueForm
from appliance.connectors.binlog.tables import Column
from appliance.data import Schema, Type
from appliance.data.logical import DATE_NAME, DECIMAL_NAME, TIME_NAME, TIMESTAMP_NAME
from appliance.data.schema import Field
from appliance.errors import DataError

__all__ = ["ColumnType", "Modes", "ValueForm", "column_type"]


@dataclasses.dataclass(frozen=True, slots=True)
class Modes:
    """The options that choose between forms, with the peer's defaults and words."""

    decimal: str = "precise"
    time_precision: str = "adaptive_time_microseconds"
    bigint_unsigned: str = "long"
    binary: str = "bytes"
    comments: bool = False
    literal_years: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnType:
    """A column's schema (with its default) and form; `fallback` stands for null when it is NOT NULL.

    `literal_years`: years of two digits are not taken as 1970 to 2069.
    """

    schema: Schema
    form: ValueForm
    fallback: Any = None
    literal_years: bool = False


_STRINGS: Final = (
    frozenset(
        [
            "CHAR",
            "VARCHAR",
            "TINYTEXT",
            "TEXT",
            "MEDIUMTEXT",
            "LONGTEXT",
            "NCHAR",
            "NVARCHAR",
            "CHARACTER",
            "LONG",
        ]
    )
    | {"NATIONAL CHAR", "NATIONAL CHARACTER", "NATIONAL VARCHAR", "NCHAR VARCHAR", "LONG VARCHAR"}
    | {
        "CHAR VARYING",
        "CHARACTER VARYING",
        "NATIONAL CHAR VARYING",
        "NATIONAL CHARACTER VARYING",
        "VARCHARACTER",
    }
)
_BINARIES: Final = frozenset(
    {"BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "LONG VARBINARY"}
)
_GEOMETRIES: Final = frozenset(
    [
        "GEOMETRY",
        "LINESTRING",
        "POLYGON",
        "MULTIPOINT",
        "MULTILINESTRING",
        "MULTIPOLYGON",
        "GEOMETRYCOLLECTION",
        "GEOMCOLLECTION",
    ]
)
_INTEGERS: Final = {  # bytes of storage
    "TINYINT": 1, "INT1": 1, "SMALLINT": 2, "INT2": 2, "MEDIUMINT": 3, "INT3": 3, "MIDDLEINT": 3,
    "INT": 4, "INTEGER": 4, "INT4": 4, "BIGINT": 8, "INT8": 8, "SERIAL": 8,
}  # fmt: skip
_DECIMALS: Final = frozenset({"DECIMAL", "DEC", "FIXED", "NUMERIC", "NUMBER"})
_DOUBLES: Final = frozenset({"DOUBLE", "DOUBLE PRECISION", "FLOAT8"})

_Spec = tuple[Type, ValueForm, str | None, dict[str, str] | None, Any]


def _plain(type_: Type, form: ValueForm, zero: Any, name: str | None = None) -> _Spec:
    return (type_, form, name, None, zero)


def column_type(column: Column, modes: Modes) -> ColumnType:
    """Give the schema and form of a column. Raises DataError for an unknown type."""
    structured = _structured(column)
    if structured is not None:
        return structured
    type_, form, name, parameters, zero = _spec(column, modes)
    schema = Schema(
        type_,
        optional=column.optional,
        name=name,
        version=1 if name is not None else None,
        doc=column.comment if modes.comments else None,
        parameters=parameters,
    )
    default = default_value(column, form, literal_years=modes.literal_years)
    if default is not None:
        schema = schema.replace(default=default)
    fallback = None if column.optional else (zero if default is None else default)
    return ColumnType(schema, form, fallback, modes.literal_years)


def _spec(column: Column, modes: Modes) -> _Spec:
    base = column.base_type
    if base in _INTEGERS:
        return _integer(column, _INTEGERS[base], modes)
    if base in _STRINGS:
        return _plain(Type.STRING, ValueForm.STRING, "")
    if base in _DECIMALS:
        return _decimal(column, modes)
    if base in _BINARIES:
        return _BINARY_FORMS[modes.binary]
    temporal = _TEMPORAL.get(base)
    if temporal is not None:
        return temporal(column, modes)
    other = _OTHERS.get(base)
    if other is not None:
        return other(column)
    raise DataError(
        f"Column {column.name} has the type {column.type_name}, which cannot be captured; "
        "leave the column's table out with table.exclude.list or change the type"
    )


def _integer(column: Column, size: int, modes: Modes) -> _Spec:
    if size == 8:
        if not column.unsigned or column.base_type == "SERIAL":
            return _plain(Type.INT64, ValueForm.INT, 0)
        if modes.bigint_unsigned == "precise":
            parameters = {"scale": "0", "connect.decimal.precision": "20"}
            form = ValueForm.INTEGER_DECIMAL
            return (Type.BYTES, form, DECIMAL_NAME, parameters, decimal.Decimal(0))
        return _plain(Type.INT64, ValueForm.UINT64_WRAPPED, 0)
    needed = size + 1 if column.unsigned and size in (2, 4) else size
    type_ = Type.INT16 if needed <= 2 else Type.INT32 if needed <= 4 else Type.INT64
    return _plain(type_, ValueForm.INT, 0)


def _decimal(column: Column, modes: Modes) -> _Spec:
    precision, scale = column.length or 10, column.scale or 0
    zero = decimal.Decimal(0).scaleb(-scale)
    if modes.decimal == "double":
        return _plain(Type.FLOAT64, ValueForm.DECIMAL_DOUBLE, 0.0)
    if modes.decimal == "string":
        return _plain(Type.STRING, ValueForm.DECIMAL_STRING, f"{zero:f}")
    parameters = {"scale": str(scale), "connect.decimal.precision": str(precision)}
    return (Type.BYTES, ValueForm.DECIMAL_PRECISE, DECIMAL_NAME, parameters, zero)


_BINARY_FORMS: Final[dict[str, _Spec]] = {
    "bytes": _plain(Type.BYTES, ValueForm.BYTES, b""),
    "base64": _plain(Type.STRING, ValueForm.BASE64, ""),
    "base64-url-safe": _plain(Type.STRING, ValueForm.BASE64_URL, ""),
    "hex": _plain(Type.STRING, ValueForm.HEX, ""),
}

_EPOCH: Final = "1970-01-01T00:00:00Z"
_MICROS: Final = _plain(
    Type.INT64, ValueForm.DATETIME_MICROS, 0, "io.debezium.time.MicroTimestamp"
)
_DATES: Final[dict[str, _Spec]] = {
    "connect": _plain(Type.INT32, ValueForm.CONNECT_DATE, 0, DATE_NAME),
    "isostring": _plain(
        Type.STRING, ValueForm.DATE_ISO, "1970-01-01Z", "io.debezium.time.IsoDate"
    ),
}
_DATE: Final = _plain(Type.INT32, ValueForm.DATE_EPOCH_DAYS, 0, "io.debezium.time.Date")
_TIMES: Final[dict[str, _Spec]] = {
    "connect": _plain(Type.INT32, ValueForm.CONNECT_TIME, 0, TIME_NAME),
    "isostring": _plain(Type.STRING, ValueForm.TIME_ISO, "00:00:00Z", "io.debezium.time.IsoTime"),
    "nanoseconds": _plain(Type.INT64, ValueForm.TIME_NANOS, 0, "io.debezium.time.NanoTime"),
}
_TIME: Final = _plain(Type.INT64, ValueForm.TIME_MICROS, 0, "io.debezium.time.MicroTime")
_DATETIMES: Final[dict[str, _Spec]] = {
    "connect": _plain(Type.INT64, ValueForm.DATETIME_MILLIS, 0, TIMESTAMP_NAME),
    "isostring": _plain(
        Type.STRING, ValueForm.DATETIME_ISO, _EPOCH, "io.debezium.time.IsoTimestamp"
    ),
    "microseconds": _MICROS,
    "nanoseconds": _plain(
        Type.INT64, ValueForm.DATETIME_NANOS, 0, "io.debezium.time.NanoTimestamp"
    ),
}
_DATETIME: Final = _plain(Type.INT64, ValueForm.DATETIME_MILLIS, 0, "io.debezium.time.Timestamp")
_ZONED: Final = _plain(
    Type.STRING, ValueForm.ZONED_TIMESTAMP_TEXT, _EPOCH, "io.debezium.time.ZonedTimestamp"
)


def _datetime(column: Column, modes: Modes) -> _Spec:
    adaptive = _MICROS if (column.length or 0) > 3 else _DATETIME
    return _DATETIMES.get(modes.time_precision, adaptive)


_TEMPORAL: Final[dict[str, Callable[[Column, Modes], _Spec]]] = {
    "DATE": lambda _column, modes: _DATES.get(modes.time_precision, _DATE),
    "TIME": lambda _column, modes: _TIMES.get(modes.time_precision, _TIME),
    "DATETIME": _datetime,
    "TIMESTAMP": lambda _column, _modes: _ZONED,
}


def _bit(column: Column) -> _Spec:
    length = column.length or 1
    if length == 1:
        return _plain(Type.BOOLEAN, ValueForm.BIT_BOOLEAN, zero=False)
    zero = bytes((length + 7) // 8)
    return (Type.BYTES, ValueForm.BIT, "io.debezium.data.Bits", {"length": str(length)}, zero)


def _float(column: Column) -> _Spec:
    if column.scale is not None:
        return _plain(Type.FLOAT64, ValueForm.FLOAT_WIDENED, 0.0)
    if column.length is not None and column.length > 24:
        return _plain(Type.FLOAT64, ValueForm.DOUBLE, 0.0)
    return _plain(Type.FLOAT32, ValueForm.FLOAT, 0.0)


def _allowed(form: ValueForm, name: str) -> Callable[[Column], _Spec]:
    return lambda column: (Type.STRING, form, name, {"allowed": ",".join(column.options)}, "")


def _constant(spec: _Spec) -> Callable[[Column], _Spec]:
    return lambda _column: spec


_OTHERS: Final[dict[str, Callable[[Column], _Spec]]] = {
    "YEAR": _constant(_plain(Type.INT32, ValueForm.YEAR, 0, "io.debezium.time.Year")),
    "BOOLEAN": _constant(_plain(Type.BOOLEAN, ValueForm.BOOLEAN, zero=False)),
    "BOOL": _constant(_plain(Type.BOOLEAN, ValueForm.BOOLEAN, zero=False)),
    "BIT": _bit,
    "FLOAT": _float,
    "FLOAT4": _float,
    "REAL": _constant(_plain(Type.FLOAT32, ValueForm.FLOAT, 0.0)),
    **dict.fromkeys(_DOUBLES, _constant(_plain(Type.FLOAT64, ValueForm.DOUBLE, 0.0))),
    "ENUM": _allowed(ValueForm.ENUM, "io.debezium.data.Enum"),
    "SET": _allowed(ValueForm.SET, "io.debezium.data.EnumSet"),
    "JSON": _constant(_plain(Type.STRING, ValueForm.JSON, "{}", "io.debezium.data.Json")),
    "UUID": _constant(_plain(Type.STRING, ValueForm.UUID, "", "io.debezium.data.Uuid")),
    "INET4": _constant(_plain(Type.STRING, ValueForm.INET4, "0.0.0.0")),  # noqa: S104  a value, no address to listen on
    "INET6": _constant(_plain(Type.STRING, ValueForm.INET6, "::")),
}


def _structured(column: Column) -> ColumnType | None:
    """Give the type of a spatial column or a vector, which have no defaults."""
    base = column.base_type
    if base == "POINT":
        empty = (0.0, 0.0, None, None)
        return _struct(column, _POINT, ValueForm.POINT, empty)
    if base in _GEOMETRIES:
        return _struct(column, _GEOMETRY, ValueForm.GEOMETRY, (b"", None))
    if base == "VECTOR":
        return _struct(column, _VECTOR, ValueForm.VECTOR, [])
    return None


def _struct(column: Column, schema: Schema, form: ValueForm, zero: Any) -> ColumnType:
    if column.optional:
        return ColumnType(schema.replace(optional=True), form)
    return ColumnType(schema, form, zero)


def _fields(*members: tuple[str, Type, bool]) -> tuple[Field, ...]:
    return tuple(
        Field(name, index, Schema(type_, optional=optional))
        for index, (name, type_, optional) in enumerate(members)
    )


_GEOMETRY: Final = Schema(
    Type.STRUCT,
    name="io.debezium.data.geometry.Geometry",
    version=1,
    doc="Geometry",
    fields=_fields(("wkb", Type.BYTES, False), ("srid", Type.INT32, True)),
)
_POINT: Final = Schema(
    Type.STRUCT,
    name="io.debezium.data.geometry.Point",
    version=1,
    doc="Geometry (POINT)",
    fields=_fields(
        ("x", Type.FLOAT64, False),
        ("y", Type.FLOAT64, False),
        ("wkb", Type.BYTES, True),
        ("srid", Type.INT32, True),
    ),
)
_VECTOR: Final = Schema(
    Type.ARRAY, name="io.debezium.data.FloatVector", version=1, value_schema=Schema(Type.FLOAT32)
)
