"""Connect's logical types and the Python values that carry Java's number widths.

With a schema, a plain `int` or `float` serves every width, `decimal.Decimal` a Decimal and any `int`
of milliseconds since the epoch a Date, Time or Timestamp. Without a schema the width must be in the
value: plain `int` is INT64 and plain `float` FLOAT64, the subclasses here are the rest, and `Instant`
is Java's `java.util.Date`. Semantics: org.apache.kafka.connect.data.{Decimal,Date,Time,Timestamp}.
"""

from __future__ import annotations

import decimal
import re
from typing import TYPE_CHECKING, Final

from appliance.errors import DataError

if TYPE_CHECKING:
    from appliance.data.schema import Schema

DECIMAL_NAME: Final = "org.apache.kafka.connect.data.Decimal"
DATE_NAME: Final = "org.apache.kafka.connect.data.Date"
TIME_NAME: Final = "org.apache.kafka.connect.data.Time"
TIMESTAMP_NAME: Final = "org.apache.kafka.connect.data.Timestamp"
LOGICAL_NAMES: Final = frozenset({DECIMAL_NAME, DATE_NAME, TIME_NAME, TIMESTAMP_NAME})
SCALE_FIELD: Final = "scale"
MILLIS_PER_DAY: Final = 86_400_000


class Int8(int):
    """A schemaless value of type INT8 (java.lang.Byte)."""

    __slots__ = ()


class Int16(int):
    """A schemaless value of type INT16 (java.lang.Short)."""

    __slots__ = ()


class Int32(int):
    """A schemaless value of type INT32 (java.lang.Integer)."""

    __slots__ = ()


class Int64(int):
    """An INT64 that must not pass as another width, for values whose Java class is known."""

    __slots__ = ()


class Float64(float):
    """A FLOAT64 that must not pass as a FLOAT32, for values whose Java class is known."""

    __slots__ = ()


class Float32(float):
    """A schemaless value of type FLOAT32 (java.lang.Float); always a value that fits 32 bits."""

    __slots__ = ()


class BigInteger(int):
    """A schemaless value of Java's java.math.BigInteger."""

    __slots__ = ()


class Instant(int):
    """Java's java.util.Date: milliseconds since the epoch, UTC."""

    __slots__ = ()


def decimal_scale(schema: Schema) -> int:
    """Give the scale of a Decimal schema. Raises DataError when it is missing or no number."""
    text = (schema.parameters or {}).get(SCALE_FIELD)
    if text is None:
        raise DataError("Invalid Decimal schema: scale parameter not found.")
    if not re.fullmatch(r"[+-]?\d+", text) or not -(2**31) <= int(text) < 2**31:
        raise DataError("Invalid scale parameter found in Decimal schema: ")
    return int(text)


def decimal_of_bytes(schema: Schema, unscaled: bytes) -> decimal.Decimal:
    """Give the Decimal of a big-endian unscaled integer. Raises DataError for empty bytes."""
    if not unscaled:
        raise DataError("Zero length BigInteger")
    scale = decimal_scale(schema)
    return decimal.Decimal(f"{int.from_bytes(unscaled, 'big', signed=True)}E{-scale}")
