"""How the options of a file-writing sink go together: found out when they are validated."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from appliance.clock import SYSTEM_CLOCK
from appliance.config.define import ConfigValue
from appliance.connectors.storage import config as keys
from appliance.connectors.storage.formats import find_format
from appliance.connectors.storage.partitioner import (
    Extractor,
    by_time,
    compile_joda,
    has_names,
    partitioner_name,
    zone_of,
)
from appliance.connectors.storage.topicfolders import missing_group, topic_groups
from appliance.errors import ConfigError

_SAMPLE: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def check_together(values: Mapping[str, ConfigValue], topics: Sequence[str] = ()) -> None:
    """Check how options go together, and with the topics; findings are added to `values`."""
    if any(value.errors for value in values.values()):
        return
    parsed = {name: value.value for name, value in values.items()}
    _check(values[keys.FORMAT_CLASS], find_format, parsed[keys.FORMAT_CLASS])
    _check(values[keys.PARTITIONER], partitioner_name, parsed[keys.PARTITIONER])
    _check_folders(values, parsed, topics)
    if values[keys.PARTITIONER].errors:
        return
    name = partitioner_name(parsed[keys.PARTITIONER])
    if name == "Field" and not parsed[keys.PARTITION_FIELD]:
        values[keys.PARTITION_FIELD].errors.append(
            "partition.field.name has to name at least one field"
        )
    if name == "TimeBased":
        _check_path_format(values, parsed)
    if by_time(name):
        for option, label in ((keys.LOCALE, "Locale"), (keys.TIMEZONE, "Timezone")):
            if not parsed[option]:
                values[option].errors.append(f"{label} cannot be empty.")
        field = parsed[keys.TIMESTAMP_FIELD]
        _check(
            values[keys.EXTRACTOR],
            lambda extractor: Extractor(extractor, field, SYSTEM_CLOCK),
            parsed[keys.EXTRACTOR],
        )
    if parsed[keys.SCHEDULE_MS] > 0 and not parsed[keys.TIMEZONE]:
        values[keys.TIMEZONE].errors.append(
            "rotate.schedule.interval.ms needs timezone, to know when midnight is"
        )
    if parsed[keys.TIMEZONE] and not values[keys.TIMEZONE].errors:
        _check_zone(parsed[keys.TIMEZONE], values[keys.TIMEZONE])


def _check(value: ConfigValue, find: Callable[[str], object], text: str) -> bool:
    """Give whether `find` takes the text."""
    try:
        find(text)
    except ConfigError as error:
        value.errors.append(str(error))
    return not value.errors


def _check_folders(
    values: Mapping[str, ConfigValue], parsed: Mapping[str, Any], topics: Sequence[str]
) -> None:
    regex = parsed[keys.CAPTURE_REGEX]
    found = values[keys.CAPTURE_REGEX]
    if not _check(found, topic_groups, regex):
        return
    for option in (keys.TOPICS_DIR, keys.LOGS_DIR):
        missing = missing_group(parsed[option], regex)
        if missing is None:
            continue
        why = "has no such group" if regex else "is not set"
        text = f"{missing} is a group of topic.capture.groups.regex, which {why}"
        values[option].errors.append(str(ConfigError.invalid(option, parsed[option], text)))
    match = topic_groups(regex)
    if match is not None:
        for topic in topics:
            _check(found, match, topic)


def _check_path_format(values: Mapping[str, ConfigValue], parsed: Mapping[str, Any]) -> None:
    if parsed[keys.DURATION_MS] <= 0:
        values[keys.DURATION_MS].errors.append("Partition duration needs to be a positive.")
    pattern, found = parsed[keys.PATH_FORMAT], values[keys.PATH_FORMAT]
    if not pattern:
        found.errors.append("Path format cannot be empty.")
        return
    if not _check(found, compile_joda, pattern):
        return
    if {".", ".."}.intersection(compile_joda(pattern)(_SAMPLE).split("/")):
        text = "it leaves the folder of the topic"
        found.errors.append(str(ConfigError.invalid(keys.PATH_FORMAT, pattern, text)))
    locale = parsed[keys.LOCALE]
    if locale and has_names(pattern) and locale.replace("_", "-").split("-")[0].lower() != "en":
        text = (
            "names in path.format are written in English only; use an English locale such as en-US, or "
            "digits (MM for MMM, dd for E, HH for a)"
        )
        values[keys.LOCALE].errors.append(str(ConfigError.invalid(keys.LOCALE, locale, text)))


def _check_zone(text: str, value: ConfigValue) -> None:
    try:
        zone_of(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        value.errors.append(
            f"timezone {text} is not known; use a region such as Europe/Madrid, UTC or +01:00"
        )
