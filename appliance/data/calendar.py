"""Java's default calendar in UTC: Julian before 15 October 1582, Gregorian from then on.

Semantics: java.util.GregorianCalendar. Days count from 1 January 1970; years are astronomical (0 is 1 BC).
"""

from __future__ import annotations

from typing import Final, NamedTuple

MILLIS_PER_DAY: Final = 86_400_000
_CUTOVER: Final = -141_427
_JULIAN_EPOCH: Final = 719_470
_GREGORIAN_EPOCH: Final = 719_468


class Moment(NamedTuple):
    """A moment by the calendar and clock; `weekday` is 0 for Monday."""

    year: int
    month: int
    day: int
    weekday: int
    hour: int
    minute: int
    second: int
    millisecond: int


def moment_of(ms: int) -> Moment:
    """Split milliseconds since the epoch into calendar and clock."""
    days, rest = divmod(ms, MILLIS_PER_DAY)
    year, month, day = _date_of(days)
    seconds, millisecond = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return Moment(year, month, day, (days + 3) % 7, hour, minute, second, millisecond)


def days_of(year: int, month: int, day: int) -> int:
    """Give the day of a date; month and day may lie outside their usual range."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    days = _gregorian_days(year, month) + day - 1
    return days if days >= _CUTOVER else _julian_days(year, month) + day - 1


def _date_of(days: int) -> tuple[int, int, int]:
    if days >= _CUTOVER:
        shifted = days + _GREGORIAN_EPOCH
        era, of_era = divmod(shifted, 146_097)
        year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
        of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
        year = year_of_era + era * 400
    else:
        shifted = days + _JULIAN_EPOCH
        era, of_era = divmod(shifted, 1461)
        year_of_era = min(of_era // 365, 3)
        of_year = of_era - 365 * year_of_era
        year = year_of_era + era * 4
    shifted_month = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return year + (month <= 2), month, day


def _days_in_year(month: int) -> int:
    return (153 * (month - 3 if month > 2 else month + 9) + 2) // 5


def _gregorian_days(year: int, month: int) -> int:
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_era_days = of_era * 365 + of_era // 4 - of_era // 100 + _days_in_year(month)
    return era * 146_097 + of_era_days - _GREGORIAN_EPOCH


def _julian_days(year: int, month: int) -> int:
    year -= month <= 2
    era, of_era = divmod(year, 4)
    return era * 1461 + of_era * 365 + _days_in_year(month) - _JULIAN_EPOCH
