"""TimezoneConverter: the times of a change event in another time zone.

Semantics: Debezium 3.6.1 io.debezium.transforms.TimezoneConverter. Texts with an offset keep their moment
and get the zone's offset; numbers since the epoch are taken as local times of the zone and moved to the
moment these are.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import zoneinfo
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

from appliance.api import NULL, Batch, Stage
from appliance.clock import Clock, SystemClock
from appliance.config import ConfigDef, ConfigType, Importance, Width
from appliance.data import TIMESTAMP_NAME, Schema, Type
from appliance.errors import ConnectError, DataError
from appliance.transforms.base import CompiledTransform
from appliance.transforms.debezium.options import parsed_untrimmed, refused
from appliance.transforms.debezium.unwrap import is_envelope

_D: Final = "io.debezium.time."
_PER_SECOND: Final = {
    f"{_D}Timestamp": 1000,
    TIMESTAMP_NAME: 1000,
    f"{_D}MicroTimestamp": 1_000_000,
    f"{_D}NanoTimestamp": 1_000_000_000,
}
_OFFSET: Final = re.compile(r"([+-])(\d{2}):(\d{2})(?::(\d{2}))?")
_CLOCK: Final = r"(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2}(?::\d{2})?)"
_MOMENT: Final = re.compile(rf"(\d{{4}})-(\d{{2}})-(\d{{2}})T{_CLOCK}")
_TIME: Final = re.compile(_CLOCK)
_RULE: Final = re.compile(r'["\w.\s]+:["\w.\s]+(?::["\w.\s]+)?', re.ASCII)
_EPOCH: Final = dt.datetime(1970, 1, 1)
_SECOND: Final = dt.timedelta(seconds=1)
_FARTHEST: Final = 18 * 3600
Convert = Callable[[Any], Any]


class _Rules(NamedTuple):
    """What a list says, by topic, table or either: the fields named, none for all of them."""

    topics: dict[str, set[str]]
    tables: dict[str, set[str]]
    either: dict[str, set[str]]

    def fields(self, table: str | None, topic: str | None) -> set[str] | None:
        """Give the fields of the one entry that counts for a record, None where no entry does."""
        for names, name in (
            (self.topics, topic),
            (self.tables, table),
            (self.either, topic),
            (self.either, table),
        ):
            if name is not None and name in names:
                return names[name]
        return None


def _rules(items: list[str], option: str) -> _Rules:
    ruled = [item for i, item in enumerate(items) if ":" in item or not i]
    if not ruled or not all(map(_RULE.fullmatch, ruled)):
        raise ConnectError(
            f"Invalid {option} list format. Please specify a list of rules in the format of "
            '"source:<tablename>:<fieldnames>", "topic:<topicname>:<fieldnames>", '
            '"<matchname>:<fieldnames>"'
        )
    found = _Rules({}, {}, {})
    names = found.either
    for item in items:
        parts = item.split(":")
        # A rule without `source` or `topic` is of the kind of the one before it.
        if len(parts) > 1 and parts[0] in ("source", "topic"):
            names = found.tables if parts[0] == "source" else found.topics
            del parts[0]
        names.setdefault(parts[0], set()).update(parts[1:2])
    return found


def _listed(items: list[str] | None) -> list[str] | None:
    """Give the items of a list; nothing but commas is no list."""
    return None if items and not any(items) else items


def _seconds(text: str) -> int:
    match = _OFFSET.fullmatch(text)
    if match is None:
        return 0
    sign, hours, minutes, seconds = match.groups()
    total = int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
    return -total if sign == "-" else total


def _zone(text: str) -> dt.tzinfo:
    if _OFFSET.fullmatch(text) and abs(_seconds(text)) <= _FARTHEST:
        return dt.timezone(dt.timedelta(seconds=_seconds(text)))
    try:
        if text in zoneinfo.available_timezones():
            return zoneinfo.ZoneInfo(text)
    except (ValueError, zoneinfo.ZoneInfoNotFoundError):
        pass
    raise ConnectError(
        "Invalid timezone format. Please specify either a geographic timezone "
        "(e.g. America/Los_Angeles) or a UTC offset in the format of +/-hh:mm, (e.g. +08:00)."
    )


def _option(name: str, type_: ConfigType, label: str, doc: str) -> dict[str, Any]:
    return {
        "name": name,
        "type_": type_,
        "default": None,
        "importance": Importance.HIGH,
        "order": 1,
        "width": Width.MEDIUM,
        "display_name": label,
        "doc": doc,
    }


def _definition() -> ConfigDef:
    definition = ConfigDef()
    rules = "Rules `source:TABLE`, `topic:TOPIC`, either with `:FIELD`, or `NAME:FIELD` for both."
    for option in (
        _option(
            "converted.timezone",
            ConfigType.STRING,
            "Converted Timezone",
            "The zone, `America/New_York` or `+08:00`.",
        ),
        _option("include.list", ConfigType.LIST, "Include List", f"What to convert. {rules}"),
        _option("exclude.list", ConfigType.LIST, "Exclude List", f"What to leave. {rules}"),
    ):
        definition.define(**option)
    return definition


class TimezoneConverter(CompiledTransform):
    """Converts the times in `before` and `after`; records that are no change events pass."""

    config_def: ClassVar[ConfigDef] = _definition()

    def __init__(self, clock: Clock | None = None) -> None:
        """Take the clock that says which offset a zone has now (for times without a date)."""
        super().__init__()
        self._clock = clock or SystemClock()

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError, ConnectError."""
        name = config.get("converted.timezone")
        if not name:
            raise refused("converted.timezone", name, "A value is required")
        parsed = parsed_untrimmed(self.config_def, config)
        include, exclude = (_listed(parsed[f"{way}.list"]) for way in ("include", "exclude"))
        self._include = None if include is None else _rules(include, "include")
        self._exclude = None if exclude is None else _rules(exclude, "exclude")
        self._zone = _zone(name)
        if include and exclude:
            raise ConnectError(
                "Both include and exclude lists are specified. Please specify only one."
            )
        self._now_offset = dt.timedelta(0)

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage; what to convert is found once per table and topic."""
        if value_schema is None or not is_envelope(value_schema):
            return lambda batch: [batch]
        source = value_schema.field("source")
        table = None
        if source is not None and source.schema.type is Type.STRUCT:
            inner = source.schema.field("table")
            table = None if inner is None else (source.index, inner.index)
        plans: dict[tuple[str | None, str | None], Convert] = {}

        def run(batch: Batch) -> list[Batch]:
            now = dt.datetime.fromtimestamp(self._clock.now_ms() / 1000, self._zone)
            self._now_offset = now.utcoffset() or dt.timedelta(0)
            full = batch.expanded()
            rows = []
            for i, row in enumerate(full.values):
                if row is None or row is NULL:
                    rows.append(row)
                    continue
                origin = row[table[0]] if table else None
                where = (origin[table[1]] if table and origin else None, batch.topic_at(i))
                if where not in plans:
                    plans[where] = self._plan(value_schema, *where)
                rows.append(plans[where](row))
            return [dataclasses.replace(full, values=rows, raw_values=None)]

        return run

    def _plan(self, schema: Schema, table: str | None, topic: str | None) -> Convert:
        parts: list[Convert] = []
        for field in schema.fields:
            changed = field.name in ("before", "after") and field.schema.type is Type.STRUCT
            parts.append(
                self._row_converter(field.schema, field.name, table, topic) if changed else _same
            )
        return lambda row: tuple([p(v) for p, v in zip(parts, row, strict=True)])

    def _row_converter(
        self, schema: Schema, side: str, table: str | None, topic: str | None
    ) -> Convert:
        parts = [
            self._converter(field.schema) if self._chosen(side, field.name, table, topic) else None
            for field in schema.fields
        ]
        if not any(parts):
            return _same

        def convert(row: Any) -> Any:
            if row is None:
                return None
            return tuple(
                [
                    value if part is None or value is None else part(value)
                    for part, value in zip(parts, row, strict=True)
                ]
            )

        return convert

    def _chosen(self, side: str, name: str, table: str | None, topic: str | None) -> bool:
        rules = self._include or self._exclude
        if rules is None:
            return True
        fields = rules.fields(table, topic)
        named = fields is not None and (not fields or bool({name, f"{side}.{name}"} & fields))
        return named == (self._include is not None)

    def _converter(self, schema: Schema) -> Convert | None:
        name = schema.name or ""
        if name == f"{_D}ZonedTimestamp":
            return self._moment
        if name == f"{_D}ZonedTime":
            return self._time
        per_second = _PER_SECOND.get(name)
        if per_second is None:
            return None
        return lambda value: value - self._local_offset(value // per_second) * per_second

    def _local_offset(self, local_seconds: int) -> int:
        """Give the zone's offset at a local time, that before the change where there are two or none."""
        try:
            local = _EPOCH + dt.timedelta(seconds=local_seconds)
        except OverflowError as error:
            raise DataError(f"A time lies outside the years 1 to 9999: {local_seconds}") from error
        offset = self._zone.utcoffset(local.replace(tzinfo=self._zone))
        return int((offset or dt.timedelta(0)).total_seconds())

    def _moment(self, text: str) -> str:
        match = _MOMENT.fullmatch(text)
        if match is None:
            raise DataError(f"Text '{text}' could not be parsed at index 0")
        year, month, day, hour, minute, second, fraction, offset = match.groups()
        local = dt.datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second or 0)
        )
        # The zone is asked for its offset at the text's own local time, not at its moment.
        new = dt.timedelta(seconds=self._local_offset((local - _EPOCH) // _SECOND))
        try:
            there = local - dt.timedelta(seconds=_seconds(offset)) + new
        except OverflowError as error:
            raise DataError(f"A time lies outside the years 1 to 9999: {text}") from error
        shown = there.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        return f"{shown}{_fraction(fraction)}{_offset_text(new)}"

    def _time(self, text: str) -> str:
        match = _TIME.fullmatch(text)
        if match is None:
            raise DataError(f"Text '{text}' could not be parsed at index 0")
        hour, minute, second, fraction, offset = match.groups()
        at = int(hour) * 3600 + int(minute) * 60 + int(second or 0)
        at = (at - _seconds(offset) + int(self._now_offset.total_seconds())) % 86400
        shown = f"{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}"
        return f"{shown}{_fraction(fraction)}{_offset_text(self._now_offset)}"


def _same(value: Any) -> Any:
    return value


def _fraction(digits: str | None) -> str:
    kept = (digits or "").rstrip("0")
    return f".{kept}" if kept else ""


def _offset_text(offset: dt.timedelta | None) -> str:
    total = int((offset or dt.timedelta(0)).total_seconds())
    if not total:
        return "Z"
    sign, total = "-" if total < 0 else "+", abs(total)
    seconds = f":{total % 60:02d}" if total % 60 else ""
    return f"{sign}{total // 3600:02d}:{total // 60 % 60:02d}{seconds}"
