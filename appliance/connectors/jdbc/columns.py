"""Columns of a result: their Connect schemas and the generated function from driver rows to rows.

Semantics: kafka-connect-jdbc 10.10 GenericDatabaseDialect.addFieldToSchema and columnConverterFor. The
function is generated once per result schema: a column whose driver value is final is handed on as it is.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import struct
import zoneinfo
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from appliance.data import SchemaBuilder, Type
from appliance.data.logical import (
    DATE_NAME,
    DECIMAL_NAME,
    MILLIS_PER_DAY,
    SCALE_FIELD,
    TIME_NAME,
    TIMESTAMP_NAME,
)
from appliance.data.schema import Schema
from appliance.errors import DataError

Kind = Literal[
    "BOOLEAN", "INT8", "INT16", "INT32", "INT64", "FLOAT32", "FLOAT64", "DECIMAL", "NUMERIC",
    "STRING", "BYTES", "DATE", "TIME", "TIMESTAMP",
]  # fmt: skip

_EPOCH_ORDINAL: Final = 719_163
_PLAIN: Final = {
    "BOOLEAN": Type.BOOLEAN,
    "INT8": Type.INT8,
    "INT16": Type.INT16,
    "INT32": Type.INT32,
    "INT64": Type.INT64,
    "FLOAT32": Type.FLOAT32,
    "FLOAT64": Type.FLOAT64,
    "STRING": Type.STRING,
    "BYTES": Type.BYTES,
}
_RANGES: Final = {"INT8": 2**7, "INT16": 2**15, "INT32": 2**31, "INT64": 2**63}
_UNSET_SCALE: Final = 127
_LONG_DIGITS: Final = 18


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a result.

    `precision` and `scale` matter for DECIMAL and NUMERIC; `zoned` marks timestamps that are instants;
    `form` names a driver value that needs a conversion of its own (`bits`, `year`, `memory`, `text`).
    """

    label: str
    kind: Kind
    nullable: bool = True
    precision: int = 0
    scale: int = 0
    zoned: bool = False
    form: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """How the values of a connector look: the options that decide about schemas and conversions."""

    numeric_mapping: str = "none"
    granularity: str = "connect_logical"
    timezone: str = "UTC"
    zero_dates: str = "EXCEPTION"


def numeric_kind(column: Column, mapping: str) -> Kind:
    """Give the kind that a NUMERIC column has under `numeric.mapping`."""
    if column.kind != "NUMERIC" or mapping == "none":
        return "DECIMAL" if column.kind == "NUMERIC" else column.kind
    precision, scale = column.precision, column.scale
    if precision == 0 and scale == 0:
        return "FLOAT64" if mapping.startswith("best_fit") else "DECIMAL"
    whole = scale == 0 if mapping == "precision_only" else -84 <= scale <= 0
    if whole and precision <= _LONG_DIGITS:
        sizes: tuple[tuple[int, Kind], ...] = (
            (2, "INT8"),
            (4, "INT16"),
            (9, "INT32"),
            (18, "INT64"),
        )
        return next(kind for digits, kind in sizes if precision <= digits)
    if scale > 0 and (
        mapping == "best_fit_eager_double" or (mapping == "best_fit" and precision <= _LONG_DIGITS)
    ):
        return "FLOAT64"
    return "DECIMAL"


def decimal_scale(column: Column) -> int:
    """Give the scale of a column that stays Decimal; an unconstrained one has 127."""
    unset = column.precision == 0 and column.scale == 0
    return _UNSET_SCALE if unset or column.scale == -127 else column.scale


def field_schema(column: Column, shape: Shape) -> Schema:
    """Give the schema of a column's field."""
    kind = numeric_kind(column, shape.numeric_mapping)
    optional = column.nullable
    if kind == "DECIMAL":
        parameters = {
            SCALE_FIELD: str(decimal_scale(column)),
            "connect.decimal.precision": str(column.precision),
        }
        return Schema(
            Type.BYTES, optional=optional, name=DECIMAL_NAME, version=1, parameters=parameters
        )
    if kind == "DATE":
        return Schema(Type.INT32, optional=optional, name=DATE_NAME, version=1)
    if kind == "TIME":
        return Schema(Type.INT32, optional=optional, name=TIME_NAME, version=1)
    if kind == "TIMESTAMP":
        if shape.granularity == "connect_logical":
            return Schema(Type.INT64, optional=optional, name=TIMESTAMP_NAME, version=1)
        return Schema(
            Type.INT64 if shape.granularity.endswith("_long") else Type.STRING, optional=optional
        )
    return Schema(_PLAIN[kind], optional=optional)


def row_schema(columns: Sequence[Column], name: str | None, shape: Shape) -> Schema:
    """Give the STRUCT schema of a result, named by the bare table name (None for a query)."""
    builder = SchemaBuilder.struct()
    if name is not None:
        builder.name(name)
    for column in columns:
        builder.field(column.label, field_schema(column, shape))
    return builder.build()


RowFunction = Callable[[list[tuple[Any, ...]]], list[tuple[Any, ...]]]


def row_function(columns: Sequence[Column], shape: Shape) -> RowFunction | None:
    """Give the function from driver rows to rows, or None when driver rows are final already."""
    names = [f"c{i}" for i in range(len(columns))]
    scope: dict[str, Any] = {"date": dt.date, "datetime": dt.datetime}
    parts = [
        _expression(column, name, shape, scope)
        for column, name in zip(columns, names, strict=True)
    ]
    if parts == names:
        return None
    body = f"lambda rows: [({', '.join(parts)},) for ({', '.join(names)},) in rows]"
    function: RowFunction = eval(body, scope)  # noqa: S307 - made of column numbers, never of names or values
    return function


def _expression(column: Column, name: str, shape: Shape, scope: dict[str, Any]) -> str:
    kind = numeric_kind(column, shape.numeric_mapping)
    if kind == "DATE" and not column.form:
        scope[f"f_{name}"] = _or_none(lambda v: zero_date(v, shape, column.label))
        days = f"({name}.toordinal() - {_EPOCH_ORDINAL})"
        return f"{days} * {MILLIS_PER_DAY} if type({name}) is date else f_{name}({name})"
    if kind == "TIMESTAMP" and not column.form and _is_plain_utc(column, shape):
        scope[f"f_{name}"] = _or_none(lambda v: zero_date(v, shape, column.label))
        millis = (
            f"({name}.toordinal() - {_EPOCH_ORDINAL}) * {MILLIS_PER_DAY} + {name}.hour * 3600000"
            f" + {name}.minute * 60000 + {name}.second * 1000 + {name}.microsecond // 1000"
        )
        return f"{millis} if type({name}) is datetime else f_{name}({name})"
    function = _converter(column, kind, shape)
    if function is None:
        return name
    scope[f"f_{name}"] = function
    return (
        f"f_{name}({name}) if {name} is not None else None"
        if column.nullable
        else f"f_{name}({name})"
    )


def _is_plain_utc(column: Column, shape: Shape) -> bool:
    return shape.granularity == "connect_logical" and shape.timezone == "UTC" and not column.zoned


def _or_none(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else function(value)


def _converter(column: Column, kind: Kind, shape: Shape) -> Callable[[Any], Any] | None:
    if kind == "FLOAT32":
        return float32
    if kind == "FLOAT64":
        return float if column.kind == "NUMERIC" else None
    if kind in ("DATE", "TIMESTAMP") and column.form == "text":
        return text_instant(kind, shape)
    if kind == "TIMESTAMP":
        return timestamp_function(column, shape)
    if kind == "DATE":
        return year_ms
    if kind == "TIME":
        return time_ms
    if kind == "DECIMAL":
        return _decimal_function(column)
    if kind == "BYTES":
        return bytes if column.form == "memory" else None
    if kind == "STRING":
        return text_of if column.form == "text" else None
    if column.form == "bits":
        return signed_bits if kind == "INT8" else lambda v: bool(int.from_bytes(v, "big"))
    if kind == "BOOLEAN":
        return bool
    if kind in _RANGES and (column.kind == "NUMERIC" or column.form == "unsigned"):
        return _bounded_int(column.label, _RANGES[kind])
    return None


def _bounded_int(label: str, bound: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        number = int(value)
        if not -bound <= number < bound:
            raise DataError(f"reading column {label}: {number} does not fit its type")
        return number

    return convert


def _decimal_function(column: Column) -> Callable[[Any], decimal.Decimal]:
    exponent = decimal.Decimal(1).scaleb(-decimal_scale(column))
    context = decimal.Context(prec=400)

    def convert(value: Any) -> decimal.Decimal:
        number = value if isinstance(value, decimal.Decimal) else decimal.Decimal(str(value))
        return number.quantize(exponent, context=context)

    return convert


def float32(value: Any) -> float:
    """Give the nearest value that fits 32 bits."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def text_of(value: Any) -> str:
    """Give the text of a value that the driver made something else of (uuid, interval)."""
    return value if isinstance(value, str) else str(value)


def signed_bits(value: bytes) -> int:
    """Give the lowest byte of a BIT value as a signed number."""
    return ((value[-1] if value else 0) + 128) % 256 - 128


def year_ms(value: int) -> int:
    """Give January 1 of a YEAR in ms since the epoch."""
    return (dt.date(value or 1, 1, 1).toordinal() - _EPOCH_ORDINAL) * MILLIS_PER_DAY


def time_ms(value: dt.timedelta | dt.time) -> int:
    """Give a time of day (or a signed duration) in ms."""
    if isinstance(value, dt.timedelta):
        return value // dt.timedelta(milliseconds=1)
    return (
        (value.hour * 60 + value.minute) * 60 + value.second
    ) * 1000 + value.microsecond // 1000


def zero_date(value: Any, shape: Shape, label: str) -> int | None:
    """Give what stands for a date that is none, such as 0000-00-00. Raises DataError by default."""
    if shape.zero_dates == "CONVERT_TO_NULL":
        return None
    if shape.zero_dates == "ROUND":
        return (1 - _EPOCH_ORDINAL) * MILLIS_PER_DAY
    raise DataError(
        f"reading column {label}: {value} is no date; "
        "add zeroDateTimeBehavior=CONVERT_TO_NULL to connection.url"
    )


def epoch_micros(value: dt.datetime, timezone: str) -> int:
    """Give a timestamp in microseconds since the epoch; without a zone it is read in `timezone`."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=dt.UTC if timezone == "UTC" else zoneinfo.ZoneInfo(timezone))
    return (value - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def timestamp_function(column: Column, shape: Shape) -> Callable[[Any], Any]:
    """Give the function from a datetime to the form that `timestamp.granularity` asks for."""
    zone, form = shape.timezone, shape.granularity

    def micros(value: Any) -> int:
        return epoch_micros(value, zone)

    def guarded(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda v: (
            make(v) if isinstance(v, dt.datetime) else zero_date(v, shape, column.label)
        )

    if form == "connect_logical":
        return guarded(lambda v: micros(v) // 1000)
    factor, digits = (1, "") if form.startswith("micros") else (1000, "000")
    if form.endswith("_long"):
        return guarded(lambda v: micros(v) * factor)
    if form.endswith("iso_datetime_string"):
        return guarded(lambda v: _wall(v, zone).strftime("%Y-%m-%dT%H:%M:%S.%f") + digits)
    return guarded(lambda v: str(micros(v) * factor))


def _wall(value: dt.datetime, timezone: str) -> dt.datetime:
    return value if value.tzinfo is None else value.astimezone(zoneinfo.ZoneInfo(timezone))


def text_instant(kind: Kind, shape: Shape) -> Callable[[Any], Any]:
    """Give the function for dates kept as text, epoch ms or Julian days (SQLite)."""
    inner = timestamp_function(Column("", "TIMESTAMP"), shape)

    def convert(value: Any) -> Any:
        moment = parse_moment(value)
        if kind == "DATE":
            return (moment.toordinal() - _EPOCH_ORDINAL) * MILLIS_PER_DAY
        return inner(moment)

    return convert


def parse_moment(value: Any) -> dt.datetime:
    """Read ISO text, integer epoch ms or a Julian day number. Raises DataError."""
    epoch = dt.datetime(1970, 1, 1)
    if isinstance(value, float):
        return epoch + dt.timedelta(days=value - 2440587.5)
    if isinstance(value, int):
        return epoch + dt.timedelta(milliseconds=value)
    try:
        return dt.datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"reading a date: {value!r} is neither ISO text, epoch milliseconds nor a Julian day"
        ) from error
