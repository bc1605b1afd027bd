"""Row image parts turned into values: the tables and functions that generated decoders call.

Tables are dicts that compute what is missing (`__missing__`) and start again when they grow too large,
so that a hit costs one lookup. Semantics: Debezium 3.6.1's row deserialisers and value converters.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import struct
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from appliance.connectors.binlog.temporal import (
    EPOCH_ORDINAL,
    MICROS_PER_DAY,
    iso_date,
    iso_datetime,
    iso_time,
)
from appliance.errors import DataError

_LIMIT: Final = 20_000
_NANOS_LIMIT: Final = 2**63


class Table(dict[Any, Any]):
    """Remembers what a function gave for the keys seen lately."""

    def __init__(self, compute: Callable[[Any], Any], limit: int = _LIMIT) -> None:
        super().__init__()
        self._compute = compute
        self._limit = limit

    def __missing__(self, key: Any) -> Any:
        value = self._compute(key)
        if len(self) >= self._limit:
            self.clear()
        self[key] = value
        return value


def _days(year: int, month: int, day: int, *, literal: bool) -> int | None:
    """Give days since the epoch; None for zero and partly zero dates. Raises DataError.

    Unless `literal`, years of two digits are those from 1970 to 2069.
    """
    if year < 100:
        if year == 0:
            return None
        if not literal:
            year += 2000 if year < 70 else 1900
    if month == 0 or day == 0:
        return None
    try:
        return dt.date(year, month, day).toordinal() - EPOCH_ORDINAL
    except ValueError as error:
        raise DataError(
            f"Reading a row failed: {year:04d}-{month:02d}-{day:02d} is no date (the server stored it "
            "under ALLOW_INVALID_DATES); correct the row, or set "
            "event.processing.failure.handling.mode=warn to pass over such events"
        ) from error


def date_table(show: Callable[[int], Any], missing: Any, *, literal: bool) -> Table:
    """Give the table from a DATE's three bytes to its value."""

    def compute(packed: int) -> Any:
        days = _days(packed >> 9, packed >> 5 & 15, packed & 31, literal=literal)
        return missing if days is None else show(days)

    return Table(compute)


def day_table(unit: int, *, literal: bool) -> Table:
    """Give the table from a DATETIME's upper 22 bits to its midnight, `unit` per day; None for no date."""

    def compute(packed: int) -> int | None:
        year, month = divmod(packed >> 5, 13)
        days = _days(year, month, packed & 31, literal=literal)
        return None if days is None else days * unit

    return Table(compute)


HOUR_MINUTE: Final = [(n >> 6) * 3600 + (n & 63) * 60 for n in range(1 << 16)][: 32 << 6]
"""Seconds of the eleven bits hour and minute of a packed time."""

MINUTES_MS: Final = [seconds * 1000 for seconds in HOUR_MINUTE]
MINUTES_US: Final = [seconds * 1_000_000 for seconds in HOUR_MINUTE]


def packed_time(packed: int, fraction_bytes: int) -> int:
    """Give the signed microseconds of a TIME2, its sign bit already taken off by subtraction."""
    sign = -1 if packed < 0 else 1
    packed = abs(packed)
    bits = 8 * fraction_bytes
    whole = packed >> bits
    seconds = (whole >> 12 & 0x3FF) * 3600 + (whole >> 6 & 63) * 60 + (whole & 63)
    fraction = (packed & (1 << bits) - 1) * FRACTION_MICROS[fraction_bytes]
    return sign * (seconds * 1_000_000 + fraction)


FRACTION_MICROS: Final = (0, 10_000, 100, 1)
"""Microseconds of one unit of a fraction stored in 0 to 3 bytes."""


def old_time(packed: int) -> int:
    """Give the signed microseconds of a TIME of MySQL 5.5: the decimal digits HHMMSS."""
    sign, packed = (-1, -packed) if packed < 0 else (1, packed)
    hours, rest = divmod(packed, 10_000)
    return sign * (hours * 3600 + rest // 100 * 60 + rest % 100) * 1_000_000


def old_datetime(packed: int, *, literal: bool = False) -> int | None:
    """Give the microseconds of a DATETIME of MySQL 5.5: the decimal digits YYYYMMDDHHMMSS."""
    day, time = divmod(packed, 1_000_000)
    days = _days(day // 10_000, day // 100 % 100, day % 100, literal=literal)
    return None if days is None else days * MICROS_PER_DAY + old_time(time)


def of_day(show: Callable[[int], Any]) -> Callable[[int], Any]:
    """Limit a function of microseconds to times of day; None outside."""
    return lambda micros: show(micros) if 0 <= micros < MICROS_PER_DAY else None


TIME_SHOWS: Final[dict[str, Callable[[int], Any]]] = {
    "TIME_MICROS": lambda micros: micros,
    "TIME_NANOS": lambda micros: micros * 1000,
    "CONNECT_TIME": of_day(lambda micros: micros // 1000),
    "TIME_ISO": of_day(iso_time),
}
DATE_SHOWS: Final[dict[str, Callable[[int], Any]]] = {
    "DATE_EPOCH_DAYS": lambda days: days,
    "CONNECT_DATE": lambda days: days * 86_400_000,
    "DATE_ISO": iso_date,
}
DATETIME_SHOWS: Final[dict[str, Callable[[int], Any]]] = {
    "DATETIME_MILLIS": lambda micros: micros // 1000,
    "DATETIME_MICROS": lambda micros: micros,
    "DATETIME_NANOS": lambda micros: (
        micros * 1000 if -_NANOS_LIMIT <= micros * 1000 < _NANOS_LIMIT else None
    ),
    "DATETIME_ISO": iso_datetime,
}


def _second_text(seconds: int) -> str:
    return iso_datetime(seconds * 1_000_000)[:-1]


SECOND_TEXTS: Final = Table(_second_text)
"""Seconds since the epoch to `2026-03-04T05:06:07`."""


def set_table(options: tuple[str, ...]) -> Table:
    """Give the table from a SET's bits to its members joined by commas."""
    return Table(lambda bits: ",".join(name for i, name in enumerate(options) if bits >> i & 1))


def enum_table(options: tuple[str, ...]) -> Table:
    """Give the table from an ENUM's index to its member, `""` for an invalid value."""
    return Table(lambda index: options[index - 1] if 0 < index <= len(options) else "")


def geometry(raw: bytes) -> tuple[bytes, int | None]:
    """Split SRID and WKB."""
    return raw[4:], int.from_bytes(raw[:4], "little") or None


def point(raw: bytes) -> tuple[float, float, bytes, int | None]:
    """Give coordinates, WKB and SRID of a point."""
    x, y = struct.unpack_from("<dd" if raw[4] else ">dd", raw, 9)
    return x, y, raw[4:], int.from_bytes(raw[:4], "little") or None


def vector(raw: bytes) -> list[float]:
    """Give the elements of a VECTOR."""
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def uuid_text(raw: bytes) -> str:
    """Give the text of a UUID, whose trailing zero bytes a row image leaves out."""
    digits = raw.ljust(16, b"\0").hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def inet4_text(raw: bytes) -> str:
    """Give the text of an INET4."""
    return str(ipaddress.IPv4Address(raw.ljust(4, b"\0")))


def inet6_text(raw: bytes) -> str:
    """Give the text of an INET6."""
    return str(ipaddress.IPv6Address(raw.ljust(16, b"\0")))


def uncompressed(raw: bytes) -> bytes:
    """Undo the compression of a MariaDB COMPRESSED column."""
    if not raw or raw[0] == 0:
        return raw[1:]
    data = raw[1 + (raw[0] & 7) :]
    return zlib.decompress(data, 15 if raw[0] & 8 else -15)


def decimal_of(unscaled: int, scale: int) -> Decimal:
    """Give an exact Decimal of any size."""
    return Decimal((unscaled < 0, tuple(map(int, str(abs(unscaled)))), -scale))
