"""Java's date patterns: SimpleDateFormat in UTC with English names, lenient.

Semantics: java.text.SimpleDateFormat of JDK 17, locale en_US. A format is compiled once and pure.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final

from appliance.data.calendar import MILLIS_PER_DAY, Moment, days_of, moment_of
from appliance.data.text import DAY_NAMES, MONTH_NAMES

_LETTERS: Final = "GyYMLwWDdFEuaHkKhmsSzZX"
_PIECE: Final = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+|'")
_NUMERIC: Final = frozenset("yYwWDdFuHkKhmsS")
_WORD: Final = re.compile(r"[A-Za-z]+")
_NUMBER: Final = re.compile(r"-?\d+")
_ZONES: Final = {
    "z": re.compile(
        r"([+-])(\d\d)(\d\d)|(?:GMT|UTC|UT)(?:([+-])(\d{1,2}):(\d\d))?", re.IGNORECASE
    ),
    "X": re.compile(r"Z|([+-])(\d\d)"),
    "XX": re.compile(r"Z|([+-])(\d\d)(\d\d)"),
    "XXX": re.compile(r"Z|([+-])(\d\d):(\d\d)"),
}
_ZONE_HOURS: Final = {
    "CET": 1,
    "CEST": 2,
    "WET": 0,
    "WEST": 1,
    "EET": 2,
    "EEST": 3,
    "BST": 1,
    "MSK": 3,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "JST": 9,
    "KST": 9,
    "AEST": 10,
    "AEDT": 11,
    "AKST": -9,
    "AKDT": -8,
    "HST": -10,
}


@dataclasses.dataclass(slots=True)
class _Fields:
    """What parsing found; None is unset."""

    era_bc: bool = False
    year: int | None = None
    month: int | None = None
    day: int | None = None
    day_of_year: int | None = None
    week: int | None = None
    week_year: int | None = None
    weekday: int | None = None
    hour: int = 0
    hour12: int | None = None
    pm: bool = False
    minute: int = 0
    second: int = 0
    millisecond: int = 0
    zone_ms: int = 0


class DateFormat:
    """A compiled pattern."""

    def __init__(self, pattern: str) -> None:
        """Compile. Raises ValueError with Java's text for a pattern that is none."""
        self.pattern = pattern
        self._parts: list[tuple[str, int, str]] = []
        at = 0
        while at < len(pattern):
            match = _PIECE.match(pattern, at)
            if match is None or match.group() == "'":
                raise ValueError("Unterminated quote")
            text, at = match.group(), match.end()
            if match.group(2):
                self._letter(text)
            elif text[0] == "'":
                self._literal(text[1:-1].replace("''", "'") if len(text) > 2 else "'")
            else:
                self._literal(text)

    def _letter(self, text: str) -> None:
        if text[0] not in _LETTERS:
            raise ValueError(f"Illegal pattern character '{text[0]}'")
        if text[0] == "X" and len(text) > 3:
            raise ValueError(f"invalid ISO 8601 format: length={len(text)}")
        self._parts.append((text[0], len(text), ""))

    def _literal(self, text: str) -> None:
        if self._parts and not self._parts[-1][0]:
            self._parts[-1] = ("", 0, self._parts[-1][2] + text)
        else:
            self._parts.append(("", 0, text))

    def format(self, ms: int) -> str:
        """Give the text of milliseconds since the epoch."""
        at = moment_of(ms)
        return "".join(
            literal or _formatted(letter, count, at) for letter, count, literal in self._parts
        )

    def parse(self, text: str) -> int | None:
        """Give the milliseconds that `text` begins with, None when it does not match."""
        fields = _Fields()
        at = 0
        for i, (letter, count, literal) in enumerate(self._parts):
            if not letter:
                if not text.startswith(literal, at):
                    return None
                at += len(literal)
                continue
            abutting = self._abuts(i)
            found = _read(fields, letter, count, text, at, limit=count if abutting else None)
            if found is None:
                return None
            at = found
        return _resolved(fields)

    def _abuts(self, i: int) -> bool:
        if i + 1 == len(self._parts):
            return False
        letter, count, _ = self._parts[i + 1]
        return letter in _NUMERIC or (letter in ("M", "L") and count < 3)


def _formatted(letter: str, count: int, at: Moment) -> str:
    if letter in "ML":
        if count < 3:
            return f"{at.month:0{count}d}"
        name = MONTH_NAMES[at.month - 1]
        return name if count > 3 else name[:3]
    if letter == "E":
        return DAY_NAMES[at.weekday] if count > 3 else DAY_NAMES[at.weekday][:3]
    if letter == "G":
        return "AD" if at.year > 0 else "BC"
    if letter == "a":
        return "AM" if at.hour < 12 else "PM"
    if letter == "z":
        return "Coordinated Universal Time" if count > 3 else "UTC"
    if letter == "Z":
        return "+0000"
    if letter == "X":
        return "Z"
    return _number_text(letter, count, at)


def _number_text(letter: str, count: int, at: Moment) -> str:
    if letter in "yY":
        year = at.year if letter == "y" else _week_year(at)[0]
        year = year if year > 0 else 1 - year
        return f"{year % 100:02d}" if count == 2 else f"{year:0{count}d}"
    value = {
        "w": lambda: _week_year(at)[1],
        "W": lambda: _week_of_month(at),
        "D": lambda: days_of(at.year, at.month, at.day) - days_of(at.year, 1, 1) + 1,
        "d": lambda: at.day,
        "F": lambda: (at.day - 1) // 7 + 1,
        "u": lambda: at.weekday + 1,
        "H": lambda: at.hour,
        "k": lambda: at.hour or 24,
        "K": lambda: at.hour % 12,
        "h": lambda: at.hour % 12 or 12,
        "m": lambda: at.minute,
        "s": lambda: at.second,
        "S": lambda: at.millisecond,
    }[letter]()
    return f"{value:0{count}d}"


def _sunday_on_or_before(day: int) -> int:
    return day - (day + 4) % 7


def _week_year(at: Moment) -> tuple[int, int]:
    """Give week year and week: weeks start on Sunday, the first one holds 1 January."""
    day = days_of(at.year, at.month, at.day)
    year = at.year
    if _sunday_on_or_before(days_of(year + 1, 1, 1)) <= day:
        year += 1
    first = _sunday_on_or_before(days_of(year, 1, 1))
    return year, (day - first) // 7 + 1


def _week_of_month(at: Moment) -> int:
    first = _sunday_on_or_before(days_of(at.year, at.month, 1))
    return (days_of(at.year, at.month, at.day) - first) // 7 + 1


def _read(
    fields: _Fields, letter: str, count: int, text: str, at: int, *, limit: int | None
) -> int | None:
    """Read one field at `at`; give where it ends, or None."""
    while at < len(text) and text[at] in " \t":
        at += 1
    if letter in "ML" and count >= 3:
        return _read_name(fields, "month", MONTH_NAMES, text, at)
    if letter == "E":
        return _read_name(fields, "weekday", DAY_NAMES, text, at)
    if letter in "aG":
        words = ("AM", "PM") if letter == "a" else ("AD", "BC")
        word = text[at : at + 2].upper()
        if word not in words:
            return None
        if letter == "a":
            fields.pm = word == "PM"
        else:
            fields.era_bc = word == "BC"
        return at + 2
    if letter in "zZX":
        return _read_zone(fields, letter * count if letter == "X" else "z", text, at)
    match = _NUMBER.match(text, at, len(text) if limit is None else min(len(text), at + limit))
    if match is None:
        return None
    _set_number(fields, letter, count, match.group())
    return match.end()


def _read_name(
    fields: _Fields, what: str, names: tuple[str, ...], text: str, at: int
) -> int | None:
    for length in (None, 3):
        for i, name in enumerate(names):
            short = name[:length]
            if text[at : at + len(short)].lower() == short.lower():
                setattr(fields, what, i + 1 if what == "month" else i)
                return at + len(short)
    return None


def _read_zone(fields: _Fields, letter: str, text: str, at: int) -> int | None:
    name = "Coordinated Universal Time"
    if letter == "z" and text[at : at + len(name)].lower() == name.lower():
        return at + len(name)
    if letter == "z":
        word = _WORD.match(text, at)
        hours = _ZONE_HOURS.get(word.group().upper()) if word else None
        if word is not None and hours is not None:
            fields.zone_ms = hours * 3_600_000
            return word.end()
    match = _ZONES[letter].match(text, at)
    if match is None:
        return None
    found = [group for group in match.groups() if group is not None]
    if found:
        minutes = int(found[1]) * 60 + int(found[2] if len(found) > 2 else 0)
        fields.zone_ms = minutes * 60_000 * (-1 if found[0] == "-" else 1)
    return match.end()


def _set_number(fields: _Fields, letter: str, count: int, text: str) -> None:
    value = int(text)
    if letter == "y":
        two_digits = count <= 2 and len(text) == 2 and text.isdigit()
        fields.year = _full_year(value) if two_digits else value
    elif letter == "h":
        fields.hour12 = 0 if value == 12 else value
    elif letter == "k":
        fields.hour = 0 if value == 24 else value
    elif letter == "u":
        fields.weekday = value - 1
    else:
        name = {
            "Y": "week_year",
            "M": "month",
            "L": "month",
            "w": "week",
            "D": "day_of_year",
            "d": "day",
            "H": "hour",
            "K": "hour12",
            "m": "minute",
            "s": "second",
            "S": "millisecond",
        }.get(letter)
        if name is not None:
            setattr(fields, name, value)


_PIVOT: Final = 1946
"""Two digits mean a year of the hundred that begin here (Java: 80 years before the program starts)."""


def _full_year(two_digits: int) -> int:
    year = _PIVOT - _PIVOT % 100 + two_digits
    return year if year >= _PIVOT else year + 100


def _resolved(fields: _Fields) -> int:
    year = 1970 if fields.year is None else fields.year
    if fields.era_bc:
        year = 1 - year
    if fields.week is not None or (fields.week_year is not None and fields.month is None):
        first = _sunday_on_or_before(days_of(fields.week_year or year, 1, 1))
        weekday = 6 if fields.weekday is None else fields.weekday
        day = first + 7 * ((fields.week or 1) - 1) + (weekday + 1) % 7
    elif fields.day_of_year is not None and fields.day is None:
        day = days_of(year, 1, 1) + fields.day_of_year - 1
    else:
        month = 1 if fields.month is None else fields.month
        day = days_of(year, month, 1 if fields.day is None else fields.day)
        if fields.day is None and fields.weekday is not None:
            day += (fields.weekday - day - 3) % 7
    hour = fields.hour
    if fields.hour12 is not None:
        hour = fields.hour12 + (12 if fields.pm else 0)
    seconds = (hour * 60 + fields.minute) * 60 + fields.second
    return day * MILLIS_PER_DAY + seconds * 1000 + fields.millisecond - fields.zone_ms
