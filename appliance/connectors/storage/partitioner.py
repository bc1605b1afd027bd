"""Partitioners: from records to the folders they are written to.

Semantics: Confluent's DefaultPartitioner, FieldPartitioner, TimeBasedPartitioner, HourlyPartitioner and
DailyPartitioner, with Joda's pattern letters in `path.format`. A partitioner gives one folder for a whole
batch where it can, and looks at rows only where the folder depends on them.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from appliance.api.batch import NULL, Batch
from appliance.clock import Clock
from appliance.connectors.storage import config as keys
from appliance.data import Schema, Type
from appliance.data.logical import TIMESTAMP_NAME
from appliance.errors import ConfigError, DataError

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_DAILY: Final = "'year'=YYYY/'month'=MM/'day'=dd"
_NAMES: Final = ("Default", "Field", "TimeBased", "Hourly", "Daily")
_EPOCH: Final = dt.datetime(1970, 1, 1)

Timestamps = int | list[int | None]
"""The time of each row in ms, or one for the whole batch."""


class Partitioner(Protocol):
    """Gives the folder, relative to the topic's, of every row."""

    def folders(self, batch: Batch, partition: int, timestamps: Timestamps) -> str | list[str]:
        """Give one folder for all rows or one per row. Raises DataError for a row without one."""


def partitioner_name(class_name: str) -> str:
    """Give `Default`, `Field`, ... for a class name or short name. Raises ConfigError."""
    simple = class_name.rpartition(".")[2].removesuffix("Partitioner")
    if simple not in _NAMES:
        raise ConfigError.invalid(
            keys.PARTITIONER,
            class_name,
            f"use one of {', '.join(f'{name}Partitioner' for name in _NAMES)}",
        )
    return simple


def by_time(name: str) -> bool:
    """Whether a partitioner, by its short name, looks at the time of records."""
    return name in ("TimeBased", "Hourly", "Daily")


def make_partitioner(parsed: Mapping[str, Any]) -> Partitioner:
    """Give the configured partitioner."""
    name = partitioner_name(parsed[keys.PARTITIONER])
    delimiter = parsed[keys.DIRECTORY_DELIM]
    if name == "Default":
        return _Default()
    if name == "Field":
        return _Field(parsed[keys.PARTITION_FIELD], delimiter)
    duration, path = {
        "Hourly": (_HOUR_MS, f"{_DAILY}/'hour'=HH"),
        "Daily": (_DAY_MS, _DAILY),
    }.get(name, (parsed[keys.DURATION_MS], parsed[keys.PATH_FORMAT]))
    return _TimeBased(
        duration,
        path.replace("/", delimiter) if delimiter != "/" else path,
        zone_of(parsed[keys.TIMEZONE]),
    )


class _Default:
    """One folder per Kafka partition."""

    def folders(self, batch: Batch, partition: int, timestamps: Timestamps) -> str:
        return f"partition={partition}"


class _Field:
    """Folders named by field values."""

    def __init__(self, fields: Sequence[str], delimiter: str) -> None:
        self._fields = [(name, name.split(".")) for name in fields]
        self._delimiter = delimiter
        self._getters: dict[Schema, list[tuple[str, Callable[[Any], Any]]]] = {}

    def folders(self, batch: Batch, partition: int, timestamps: Timestamps) -> list[str]:
        schema = batch.value_schema
        if schema is None or schema.type is not Type.STRUCT:
            raise DataError(
                "Error encoding partition. FieldPartitioner needs values with a STRUCT schema"
            )
        getters = self._getters.get(schema)
        if getters is None:
            getters = self._getters[schema] = [
                (name, _getter(schema, path)) for name, path in self._fields
            ]
        return [self._folder(getters, row) for row in batch.values]

    def _folder(self, getters: list[tuple[str, Callable[[Any], Any]]], row: Any) -> str:
        if row is None or row is NULL:
            raise DataError("Error encoding partition. The record has no value")
        return self._delimiter.join(f"{name}={_folder_text(get(row))}" for name, get in getters)


def _getter(schema: Schema, path: Sequence[str]) -> Callable[[Any], Any]:
    indexes = []
    for name in path:
        field = schema.field(name) if schema.type is Type.STRUCT else None
        if field is None:
            raise DataError(f"Error encoding partition. There is no field {'.'.join(path)}")
        indexes.append(field.index)
        schema = field.schema
    if schema.type not in _FOLDER_TYPES:
        raise DataError(f"Error encoding partition. A {schema.type.name} cannot name a folder")

    def get(row: Any) -> Any:
        for index in indexes:
            if row is None:
                return None
            row = row[index]
        return row

    return get


_FOLDER_TYPES: Final = (Type.INT8, Type.INT16, Type.INT32, Type.INT64, Type.STRING, Type.BOOLEAN)


def _folder_text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value).replace("/", "%2F")
    if text in (".", ".."):
        raise DataError(f"Error encoding partition. A value {text!r} cannot name a folder")
    return text


class _TimeBased:
    """Folders named by the record's time, rounded down to the duration in local time."""

    def __init__(self, duration_ms: int, path_format: str, zone: dt.tzinfo) -> None:
        self._duration_ms = duration_ms
        self._render = compile_joda(path_format)
        self._zone = zone
        # zones are whole minutes away from UTC: within such a step of time nothing changes
        self._step_ms = math.gcd(duration_ms, 60_000)
        self._cache: dict[int, str] = {}

    def folders(self, batch: Batch, partition: int, timestamps: Timestamps) -> str | list[str]:
        if not isinstance(timestamps, list):
            return self._folder(timestamps)
        folder = self._folder
        return [folder(timestamp) for timestamp in timestamps]

    def _folder(self, timestamp: int | None) -> str:
        if timestamp is None:
            raise DataError(
                "Unable to determine timestamp using timestamp.extractor: the record has none"
            )
        step = timestamp // self._step_ms
        found = self._cache.get(step)
        if found is None:
            if len(self._cache) > 10_000:
                self._cache.clear()
            found = self._cache[step] = self._render(
                floor_local(step * self._step_ms, self._duration_ms, self._zone)
            )
        return found


def floor_local(timestamp_ms: int, duration_ms: int, zone: dt.tzinfo) -> dt.datetime:
    """Give the local time of a moment, rounded down to a multiple of the duration."""
    moment = dt.datetime.fromtimestamp(timestamp_ms / 1000, zone)
    local_ms = (moment.replace(tzinfo=None) - _EPOCH) // dt.timedelta(milliseconds=1)
    floored = _EPOCH + dt.timedelta(milliseconds=local_ms // duration_ms * duration_ms)
    return floored.replace(tzinfo=zone)


def zone_of(text: str) -> dt.tzinfo:
    """Give the zone for a region, UTC or `+hh:mm`. Raises ValueError or ZoneInfoNotFoundError."""
    match = re.fullmatch(r"([+-])(\d\d):?(\d\d)", text)
    if match:
        offset = dt.timedelta(hours=int(match[2]), minutes=int(match[3]))
        return dt.timezone(-offset if match[1] == "-" else offset)
    return dt.UTC if text in ("", "UTC", "Z") else zoneinfo.ZoneInfo(text)


_LETTERS: Final[dict[str, Callable[[dt.datetime], int | str]]] = {
    "C": lambda t: t.year // 100,
    "Y": lambda t: t.year,
    "y": lambda t: t.year,
    "x": lambda t: t.isocalendar().year,
    "w": lambda t: t.isocalendar().week,
    "M": lambda t: t.month,
    "d": lambda t: t.day,
    "D": lambda t: t.timetuple().tm_yday,
    "e": lambda t: t.isoweekday(),
    "H": lambda t: t.hour,
    "k": lambda t: t.hour or 24,
    "K": lambda t: t.hour % 12,
    "h": lambda t: t.hour % 12 or 12,
    "m": lambda t: t.minute,
    "s": lambda t: t.second,
}


_TOKEN: Final = re.compile(r"'(?:[^']|'')*(?:'|$)|([A-Za-z])\1*|[^A-Za-z']+")
_NAMED: Final = ("E", "G", "a")


def has_names(pattern: str) -> bool:
    """Whether Joda's `pattern` writes words of a language, such as names of months."""
    letters = [found.group() for found in _TOKEN.finditer(pattern) if found[1]]
    return any(word[0] in _NAMED or word.startswith("MMM") for word in letters)


def compile_joda(pattern: str) -> Callable[[dt.datetime], str]:
    """Give the function that renders Joda's `pattern`, names in English; a trailing slash is dropped.

    Raises ConfigError.
    """
    parts: list[Callable[[dt.datetime], str] | str] = []
    for token in _TOKEN.finditer(pattern.rstrip("/")):
        text = token.group()
        if text == "''":
            parts.append("'")
        elif text.startswith("'"):
            # without an end it reaches to the end of the pattern, as Joda has it
            parts.append(text.removesuffix("'")[1:].replace("''", "'"))
        elif token[1]:
            parts.append(_letter(text, pattern))
        else:
            parts.append(text)
    return lambda moment: "".join(
        part if isinstance(part, str) else part(moment) for part in parts
    )


def _letter(token: str, pattern: str) -> Callable[[dt.datetime], str]:
    letter, width = token[0], len(token)
    if letter == "M" and width >= 3:
        return lambda t: t.strftime("%b" if width == 3 else "%B")
    if letter == "E":
        return lambda t: t.strftime("%a" if width <= 3 else "%A")
    if letter == "G":
        return lambda _: "AD"
    if letter == "a":
        return lambda t: t.strftime("%p")
    if letter == "S":
        return lambda t: f"{t.microsecond:06d}"[:width].ljust(width, "0")
    if letter == "z":
        return lambda t: t.strftime("%Z")
    if letter == "Z":
        return lambda t: _zone_text(t, width)
    value = _LETTERS.get(letter)
    if value is None:
        raise ConfigError.invalid(keys.PATH_FORMAT, pattern, f"Illegal pattern component: {token}")
    if letter in ("Y", "y", "x") and width == 2:
        return lambda t: f"{int(value(t)) % 100:02d}"
    return lambda t: f"{value(t):0{width}d}"


def _zone_text(moment: dt.datetime, width: int) -> str:
    """Give +0100, +01:00 or, from three letters on, the zone's name."""
    offset = moment.strftime("%z")
    if width >= 3 and isinstance(moment.tzinfo, zoneinfo.ZoneInfo):
        return str(moment.tzinfo)
    return offset if width == 1 else f"{offset[:3]}:{offset[3:]}"


class Extractor:
    """Where the time of a record comes from: `Wallclock`, `Record` or `RecordField`."""

    def __init__(self, name: str, field: str, clock: Clock) -> None:
        """Take `timestamp.extractor` and `timestamp.field`. Raises ConfigError."""
        simple = name.rpartition(".")[2].rpartition("$")[2].removesuffix("TimestampExtractor")
        if simple not in ("Wallclock", "Record", "RecordField"):
            raise ConfigError.invalid(
                keys.EXTRACTOR,
                name,
                "Invalid timestamp extractor; use Wallclock, Record or RecordField",
            )
        self.by_record = simple != "Wallclock"
        self._field = field.split(".") if simple == "RecordField" else None
        self._clock = clock

    def timestamps(self, batch: Batch) -> Timestamps:
        """Give the time of the batch's rows. Raises DataError."""
        if not self.by_record:
            return self._clock.now_ms()
        if self._field is None:
            return batch.timestamps if batch.timestamps is not None else [None] * len(batch)
        schema = batch.value_schema
        if schema is None:
            return [_moment(_dig(row, self._field)) for row in batch.values]
        get = _timestamp_getter(schema, self._field)
        return [None if row is None or row is NULL else get(row) for row in batch.values]


def _dig(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _timestamp_getter(schema: Schema, path: Sequence[str]) -> Callable[[Any], int | None]:
    indexes = []
    for name in path:
        field = schema.field(name) if schema.type is Type.STRUCT else None
        if field is None:
            raise DataError(
                f"Unable to determine timestamp using timestamp.extractor RecordField: "
                f"no field {'.'.join(path)}"
            )
        indexes.append(field.index)
        schema = field.schema
    if schema.type not in (Type.INT32, Type.INT64, Type.STRING) and schema.name != TIMESTAMP_NAME:
        raise DataError(
            f"Error extracting timestamp from record field {'.'.join(path)}: a {schema.type.name}"
        )

    def get(row: Any) -> int | None:
        for index in indexes:
            if row is None:
                return None
            row = row[index]
        return _moment(row)

    return get


def _moment(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str):
        if re.fullmatch(r"-?\d+", value):
            return int(value)
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError as error:
            raise DataError(
                f"Error extracting timestamp: {value!r} is no ISO-8601 time"
            ) from error
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        return int(aware.timestamp() * 1000)
    raise DataError(f"Error extracting timestamp: {value!r} is neither a number nor a text")
