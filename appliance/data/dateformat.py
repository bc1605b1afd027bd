"""Java's date patterns: SimpleDateFormat in UTC with English names, lenient.

Semantics: java.text.SimpleDateFormat of JDK 17, locale en_US. A format is compiled once and pure.
"""

from __future__ import annotations

import re
from typing import Final

from appliance.data.calendar import MILLIS_PER_DAY, Moment, days_of, moment_of
from appliance.data.text import DAY_NAMES, MONTH_NAMES

_LETTERS: Final = "GyYMLwWDdFEuaHkKhmsSzZX"
_PIECE: Final = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+|'")
_NUMERIC: Final = frozenset("yYwWDdFuHkKhmsS")
_WORD: Final = re.compile(r"[A-Za-z]+")
_NUMBER: Final = re.compile(r"-?\d+(?:E-?\d{1,9})?")
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


class _Fields(dict[str, int]):
    """What parsing found, by field; the order is that of the pattern, and the last of two rules."""

    zone_ms = 0

    def put(self, name: str, value: int) -> None:
        """Set a field as the latest."""
        self.pop(name, None)
        self[name] = value

    def stamp(self, *names: str) -> int:
        """Give the place of the latest of some fields, 0 when one of them is not set."""
        order = list(self)
        return max(order.index(name) + 1 for name in names) if self.keys() >= {*names} else 0


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
        year = year if year > 0 or letter == "Y" else 1 - year
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
        fields.put("pm" if letter == "a" else "bc", int(word in ("PM", "BC")))
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
                fields.put(what, i + 1 if what == "month" else (i + 1) % 7 + 1)
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


_FIELDS: Final = {
    "Y": "week_year",
    "M": "month",
    "L": "month",
    "w": "week",
    "W": "week_of_month",
    "F": "weekday_in_month",
    "D": "day_of_year",
    "d": "day",
    "H": "hour",
    "k": "hour",
    "K": "hour12",
    "h": "hour12",
    "m": "minute",
    "s": "second",
    "S": "millisecond",
    "u": "weekday",
    "y": "year",
}


def _set_number(fields: _Fields, letter: str, count: int, text: str) -> None:
    value = _int32(int(float(text)) if "E" in text else int(text))
    if letter in "yY" and count <= 2 and len(text) == 2 and text.isdigit():
        value = _full_year(value)
    elif (letter, value) in (("h", 12), ("k", 24)):
        value = 0
    elif letter == "u" and 1 <= value <= 7:
        value = value % 7 + 1
    fields.put(_FIELDS[letter], value)


def _int32(value: int) -> int:
    """Cut a number as Java does: to 32 bits, or to the largest when it has more than 64."""
    if not -(2**63) <= value < 2**63:
        return 2**31 - 1 if value > 0 else -(2**31)
    return (value + 2**31) % 2**32 - 2**31


_PIVOT: Final = 1946
"""Two digits mean a year of the hundred that begin here (Java: 80 years before the program starts)."""


def _full_year(two_digits: int) -> int:
    year = _PIVOT - _PIVOT % 100 + two_digits
    return year if year >= _PIVOT else year + 100


def _resolved(fields: _Fields) -> int:
    get = fields.get
    year = get("year", 1970)
    if get("bc"):
        year = 1 - year
    if fields.stamp("week_year") > fields.stamp("year"):
        day = _day_of_week_year(fields)
    else:
        day = _day(fields, year, get("month", 1))
    twelve = fields.stamp("hour12", "pm") or (0 if "hour" in fields else 1)
    by_twelve = twelve > fields.stamp("hour")
    hour = get("hour12", 0) + 12 * get("pm", 0) if by_twelve else get("hour", 0)
    seconds = (hour * 60 + get("minute", 0)) * 60 + get("second", 0)
    ms = day * MILLIS_PER_DAY + seconds * 1000 + get("millisecond", 0) - fields.zone_ms
    return (ms + 2**63) % 2**64 - 2**63


def _day_of_week_year(fields: _Fields) -> int:
    """Give the day by week year, week and weekday; month and day of the month do not count."""
    week, weekday = fields.get("week", 1), fields.get("weekday", 1)
    if weekday > 7 or weekday <= 0:
        week, weekday = week + (weekday - 1) // 7, (weekday - 1) % 7 + 1
        weekday = weekday % 7 + 1
    first = _sunday_on_or_before(days_of(fields["week_year"], 1, 1))
    return first + weekday - 1 + 7 * (week - 1)


def _weekday_on_or_before(day: int, weekday: int) -> int:
    """Give the last such weekday (1 for Sunday) up to a day."""
    return day - (day + 4 - (weekday - 1)) % 7


def _day(fields: _Fields, year: int, month: int) -> int:
    """Give the day by the fields set last.

    Semantics: GregorianCalendar's field resolution.
    """
    stamp, weekday = fields.stamp, fields.get("weekday", 1)
    by_day, by_day_of_year = stamp("day"), stamp("day_of_year")
    by_week_of_month = stamp("week_of_month", "weekday")
    by_weekday_in_month = stamp("weekday_in_month", "weekday")
    by_week = stamp("week", "weekday")
    best = max(by_day, by_week_of_month, by_weekday_in_month, by_day_of_year, by_week)
    if not best:
        by_week_of_month, by_week = stamp("week_of_month"), stamp("week")
        by_weekday_in_month = max(stamp("weekday_in_month"), stamp("weekday"))
        best = max(by_week_of_month, by_weekday_in_month, by_week)
        by_day = 0 if best else -1
    first = days_of(year, month, 1)
    if best == by_day or not best:
        return first + fields.get("day", 1) - 1
    if best == by_week_of_month:
        sunday = _sunday_on_or_before(first)
        start = sunday if "weekday" not in fields else _weekday_on_or_before(sunday + 6, weekday)
        return start + 7 * (fields["week_of_month"] - 1)
    if best == by_weekday_in_month:
        nth = fields.get("weekday_in_month", 1)
        if nth >= 0:
            return _weekday_on_or_before(first + 7 * nth - 1, weekday)
        return _weekday_on_or_before(days_of(year, month + 1, 1) - 1 + 7 * (nth + 1), weekday)
    first = days_of(year, 1, 1)
    if best == by_day_of_year:
        return first + fields["day_of_year"] - 1
    sunday = _sunday_on_or_before(first)
    start = sunday if "weekday" not in fields else _weekday_on_or_before(sunday + 6, weekday)
    return start + 7 * (fields["week"] - 1)
