"""Dates and times as the server writes them, turned into numbers and the peer's texts.

Texts are the server's (`2026-03-04 05:06:07.12`, `-838:59:59.5`). A date that does not exist, partial
zeros (`2021-00-10`) included, is None: the caller puts null or the column's fallback in its place.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from typing import Final

EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()
MICROS_PER_DAY: Final = 86_400_000_000
_DAYS_OF_400_YEARS: Final = 146_097
_TIME: Final = re.compile(
    r"(-?)(?:(\d+) +)?(?:(\d+):(\d{1,2})(?::(\d{1,2}))?|(\d+))(?:\.(\d*))?", re.ASCII
)
_DATE: Final = re.compile(r"(\d{1,4})\D(\d{1,2})\D(\d{1,2})", re.ASCII)
_COMPACT_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)


@functools.lru_cache(maxsize=65536)
def date_days(text: str, *, literal: bool = False) -> int | None:
    """Give the days since the epoch of `YYYY-MM-DD`, None for a date that does not exist.

    Years of two digits are those from 1970 to 2069, as in events; with `literal` those of two thousand years
    ago, and there is a year 0.
    """
    match = _DATE.fullmatch(text) or _COMPACT_DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups())
    if 0 < year < 100 and not literal:
        year += 2000 if year < 70 else 1900
    try:
        if literal and year == 0:
            # the calendar repeats itself every 400 years
            return dt.date(400, month, day).toordinal() - _DAYS_OF_400_YEARS - EPOCH_ORDINAL
        return dt.date(year, month, day).toordinal() - EPOCH_ORDINAL
    except ValueError:
        return None


def time_micros(text: str) -> int | None:
    """Give the signed microseconds of a TIME text, None when it is no time."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    sign, days, hours, minutes, seconds, compact, fraction = match.groups()
    if compact is not None:
        padded = compact.zfill(6)
        hours, minutes, seconds = padded[:-4], padded[-4:-2], padded[-2:]
    total = (int(days or 0) * 24 + int(hours)) * 3600 + int(minutes) * 60 + int(seconds or 0)
    micros = total * 1_000_000 + int(((fraction or "") + "000000")[:6])
    return -micros if sign else micros


def datetime_micros(text: str, *, literal: bool = False) -> int | None:
    """Give the microseconds since the epoch of a DATETIME text, read as UTC; None when invalid."""
    head, _, tail = text.strip().replace("T", " ").partition(" ")
    days = date_days(head, literal=literal)
    micros = time_micros(tail) if tail else 0
    if days is None or micros is None:
        return None
    return days * MICROS_PER_DAY + micros


def _fraction(micros: int) -> str:
    return f".{micros:06d}".rstrip("0") if micros else ""


def iso_date(days: int) -> str:
    """Give `2017-09-15Z`."""
    return dt.date.fromordinal(days + EPOCH_ORDINAL).isoformat() + "Z"


def iso_time(micros: int) -> str:
    """Give `01:02:03.5Z` for a time of day."""
    seconds, fraction = divmod(micros, 1_000_000)
    hours, rest = divmod(seconds, 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}{_fraction(fraction)}Z"


def iso_datetime(micros: int) -> str:
    """Give `2017-09-15T01:02:03.5Z`, the fraction without trailing zeros."""
    days, rest = divmod(micros, MICROS_PER_DAY)
    return f"{dt.date.fromordinal(days + EPOCH_ORDINAL).isoformat()}T{iso_time(rest)}"
