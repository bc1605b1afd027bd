"""A column's default as a value of its schema.

Semantics: Debezium's default value converters. Only the outer quotes of a literal are gone: an escaped
text stays escaped, a BINARY default is the literal's text (corrections A6 and A7 of the peer's
recordings). A default that cannot be read is none.
"""

from __future__ import annotations

import base64
import decimal
import functools
import re
import struct
from collections.abc import Callable
from typing import Any, Final

from appliance.connectors.binlog.forms import ValueForm
from appliance.connectors.binlog.tables import Column
from appliance.connectors.binlog.temporal import (
    MICROS_PER_DAY,
    date_days,
    datetime_micros,
    iso_date,
    iso_datetime,
    iso_time,
    time_micros,
)

EPOCH_TEXT: Final = "1970-01-01 00:00:00"
"""What stands in a history record for CURRENT_TIMESTAMP."""

_NANOS_LIMIT: Final = 2**63
_TRUE: Final = frozenset({"true", "1", "b'1'"})
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BINARY_DIGITS: Final = re.compile(r"[01]+")


def default_value(column: Column, form: ValueForm, *, literal_years: bool = False) -> Any:
    """Give the default of `column` as a row holds it, None for none.

    `literal_years`: years of two digits are not taken as 1970 to 2069.
    """
    text = column.default_expression
    if text is None or (column.optional and form in _DATED and text == EPOCH_TEXT):
        return None
    convert = _LITERAL.get(form) if literal_years else None
    convert = convert or _CONVERTERS.get(form)
    return None if convert is None else convert(text, column)


def _number(text: str) -> decimal.Decimal | None:
    text = text.strip()
    if text.lower() in ("true", "false"):
        return decimal.Decimal(int(text.lower() == "true"))
    return decimal.Decimal(text) if _NUMBER.fullmatch(text) else None


def _integer(text: str, _column: Column) -> int | None:
    number = _number(text)
    return None if number is None else int(number.to_integral_value(decimal.ROUND_HALF_UP))


def _wrapped(text: str, column: Column) -> int | None:
    value = _integer(text, column)
    return value - 2**64 if value is not None and value >= 2**63 else value


def _decimal(text: str, column: Column) -> decimal.Decimal | None:
    number = _number(text)
    if number is None:
        return None
    exponent = decimal.Decimal(1).scaleb(-(column.scale or 0))
    context = decimal.Context(prec=100, rounding=decimal.ROUND_HALF_UP)
    return number.quantize(exponent, context=context)


def _integer_decimal(text: str, column: Column) -> decimal.Decimal | None:
    value = _integer(text, column)
    return None if value is None else decimal.Decimal(value)


def _decimal_text(text: str, column: Column) -> str | None:
    number = _decimal(text, column)
    return None if number is None else f"{number:f}"


def _double(text: str, _column: Column) -> float | None:
    number = _number(text)
    return None if number is None else float(number)


def _decimal_double(text: str, column: Column) -> float | None:
    number = _decimal(text, column)
    return None if number is None else float(number)


def _float(text: str, column: Column) -> float | None:
    number = _double(text, column)
    if number is None or abs(number) > 3.4028235e38:
        return None
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


def _bits(text: str) -> int | None:
    if _BINARY_DIGITS.fullmatch(text):
        return int(text, 2)
    number = _number(text)
    return None if number is None else int(number)


def _bit_bytes(text: str, column: Column) -> bytes | None:
    value = _bits(text)
    size = ((column.length or 1) + 7) // 8
    return None if value is None or value >= 1 << 8 * size else value.to_bytes(size, "little")


def _bit_boolean(text: str, _column: Column) -> bool | None:
    value = _bits(text)
    return None if value is None else bool(value)


def _dated(
    parse: Callable[[str], int | None], show: Callable[[int], Any]
) -> Callable[[str, Column], Any]:
    def convert(text: str, column: Column) -> Any:
        value = parse(text)
        if value is None:
            return None if column.optional else show(0)
        return show(value)

    return convert


def _days(text: str) -> int | None:
    return date_days(text.partition(" ")[0])


def _literal_days(text: str) -> int | None:
    return date_days(text.partition(" ")[0], literal=True)


_literal_micros = functools.partial(datetime_micros, literal=True)


def _of_day(show: Callable[[int], Any]) -> Callable[[int], Any]:
    return lambda micros: show(micros) if 0 <= micros < MICROS_PER_DAY else None


def _nanos(micros: int) -> int | None:
    nanos = micros * 1000
    return nanos if -_NANOS_LIMIT <= nanos < _NANOS_LIMIT else None


def _as_is(value: int) -> int:
    return value


def _millis(micros: int) -> int:
    return micros // 1000


_DATED: Final = frozenset(
    {
        ValueForm.DATE_EPOCH_DAYS,
        ValueForm.CONNECT_DATE,
        ValueForm.DATE_ISO,
        ValueForm.DATETIME_MILLIS,
        ValueForm.DATETIME_MICROS,
        ValueForm.DATETIME_NANOS,
        ValueForm.DATETIME_ISO,
        ValueForm.ZONED_TIMESTAMP_TEXT,
    }
)

_Converters = dict[ValueForm, Callable[[str, Column], Any]]


def _date_converters(days: Callable[[str], int | None]) -> _Converters:
    return {
        ValueForm.DATE_EPOCH_DAYS: _dated(days, _as_is),
        ValueForm.CONNECT_DATE: _dated(days, lambda found: found * 86_400_000),
        ValueForm.DATE_ISO: _dated(days, iso_date),
    }


def _datetime_converters(micros: Callable[[str], int | None]) -> _Converters:
    return {
        ValueForm.DATETIME_MILLIS: _dated(micros, _millis),
        ValueForm.DATETIME_MICROS: _dated(micros, _as_is),
        ValueForm.DATETIME_NANOS: _dated(micros, _nanos),
        ValueForm.DATETIME_ISO: _dated(micros, iso_datetime),
    }


_LITERAL: Final = {**_date_converters(_literal_days), **_datetime_converters(_literal_micros)}
_CONVERTERS: Final[_Converters] = {
    ValueForm.INT: _integer,
    ValueForm.YEAR: _integer,
    ValueForm.UINT64_WRAPPED: _wrapped,
    ValueForm.INTEGER_DECIMAL: _integer_decimal,
    ValueForm.FLOAT: _float,
    ValueForm.FLOAT_WIDENED: _double,
    ValueForm.DOUBLE: _double,
    ValueForm.DECIMAL_PRECISE: _decimal,
    ValueForm.DECIMAL_STRING: _decimal_text,
    ValueForm.DECIMAL_DOUBLE: _decimal_double,
    ValueForm.BOOLEAN: lambda text, _column: text.lower() in _TRUE,
    ValueForm.BIT_BOOLEAN: _bit_boolean,
    ValueForm.BIT: _bit_bytes,
    ValueForm.BYTES: lambda text, _column: text.encode(),
    ValueForm.BASE64: lambda text, _column: base64.b64encode(text.encode()).decode(),
    ValueForm.BASE64_URL: lambda text, _column: base64.urlsafe_b64encode(text.encode()).decode(),
    ValueForm.HEX: lambda text, _column: text.encode().hex(),
    **_date_converters(_days),
    ValueForm.TIME_MICROS: _dated(time_micros, _as_is),
    ValueForm.TIME_NANOS: _dated(time_micros, lambda micros: micros * 1000),
    ValueForm.CONNECT_TIME: _dated(time_micros, _of_day(_millis)),
    ValueForm.TIME_ISO: _dated(time_micros, _of_day(iso_time)),
    **_datetime_converters(datetime_micros),
    ValueForm.ZONED_TIMESTAMP_TEXT: _dated(datetime_micros, iso_datetime),
    **dict.fromkeys(
        (ValueForm.STRING, ValueForm.ENUM, ValueForm.SET, ValueForm.JSON, ValueForm.UUID),
        lambda text, _column: text,
    ),
    ValueForm.INET4: lambda text, _column: text,
    ValueForm.INET6: lambda text, _column: text,
}
