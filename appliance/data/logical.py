"""Connect's logical types and the Python values that carry Java's number widths.

With a schema, a plain `int` or `float` serves every width, `decimal.Decimal` a Decimal and any `int`
of milliseconds since the epoch a Date, Time or Timestamp. Without a schema the width must be in the
value: plain `int` is INT64 and plain `float` FLOAT64, the subclasses here are the rest, and `Instant`
is Java's `java.util.Date`. Semantics: org.apache.kafka.connect.data.{Decimal,Date,Time,Timestamp}.
"""

from __future__ import annotations

from typing import Final

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


class Float32(float):
    """A schemaless value of type FLOAT32 (java.lang.Float); always a value that fits 32 bits."""

    __slots__ = ()


class BigInteger(int):
    """A schemaless value of Java's java.math.BigInteger."""

    __slots__ = ()


class Instant(int):
    """Java's java.util.Date: milliseconds since the epoch, UTC."""

    __slots__ = ()
