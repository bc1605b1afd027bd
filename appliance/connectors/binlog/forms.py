"""The forms in which the values of columns stand in rows."""

from __future__ import annotations

import enum


class ValueForm(enum.Enum):
    """The Python value that stands for a column's value in a row."""

    INT = enum.auto()  # int
    UINT64_WRAPPED = enum.auto()  # int, 2^63 and more as negative numbers
    INTEGER_DECIMAL = enum.auto()  # Decimal of a 64-bit unsigned integer column
    FLOAT = enum.auto()  # float that fits 32 bits
    FLOAT_WIDENED = enum.auto()  # the same of a FLOAT(M,D), under a 64-bit schema
    DOUBLE = enum.auto()  # float
    DECIMAL_PRECISE = enum.auto()  # Decimal with the column's scale
    DECIMAL_STRING = enum.auto()  # str, all digits of the scale
    DECIMAL_DOUBLE = enum.auto()  # float
    STRING = enum.auto()  # str, decoded by the column's charset
    BYTES = enum.auto()  # bytes
    BASE64 = enum.auto()  # str
    BASE64_URL = enum.auto()  # str
    HEX = enum.auto()  # str, lower case
    DATE_EPOCH_DAYS = enum.auto()  # int, days since the epoch
    CONNECT_DATE = enum.auto()  # int, ms since the epoch at midnight (Connect's Date)
    DATE_ISO = enum.auto()  # str `2017-09-15Z`
    TIME_MICROS = enum.auto()  # int, signed
    TIME_NANOS = enum.auto()  # int, signed
    CONNECT_TIME = enum.auto()  # int, ms (Connect's Time); None outside a day
    TIME_ISO = enum.auto()  # str `01:02:03.5Z`; None outside a day
    DATETIME_MILLIS = enum.auto()  # int since the epoch, as if UTC; Connect's Timestamp too
    DATETIME_MICROS = enum.auto()  # int
    DATETIME_NANOS = enum.auto()  # int; None beyond int64
    DATETIME_ISO = enum.auto()  # str, fraction without trailing zeros
    ZONED_TIMESTAMP_TEXT = enum.auto()  # str in UTC `…Z`
    YEAR = enum.auto()  # int
    BOOLEAN = enum.auto()  # bool of an integer column
    BIT_BOOLEAN = enum.auto()  # bool of a BIT(1)
    BIT = enum.auto()  # bytes, little-endian, ceil(length / 8)
    ENUM = enum.auto()  # str
    SET = enum.auto()  # str, members joined by commas
    JSON = enum.auto()  # str
    GEOMETRY = enum.auto()  # (wkb, srid or None)
    POINT = enum.auto()  # (x, y, wkb, srid or None)
    VECTOR = enum.auto()  # list of float
    UUID = enum.auto()  # str
    INET4 = enum.auto()  # str
    INET6 = enum.auto()  # str
