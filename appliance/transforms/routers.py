"""RegexRouter and TimestampRouter: new topics for records.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.{RegexRouter,TimestampRouter}.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.api import Batch, Stage
from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import ValidRegex
from appliance.data import Schema
from appliance.data.dateformat import DateFormat
from appliance.data.regex import JavaPattern
from appliance.errors import DataError
from appliance.transforms.base import CompiledTransform


class RegexRouter(CompiledTransform):
    """Where the whole topic matches `regex`, its first match is replaced by `replacement`."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "regex",
            ConfigType.STRING,
            NO_DEFAULT,
            validator=ValidRegex(),
            importance=Importance.HIGH,
            doc="A Java regular expression that must match the whole topic.",
        )
        .define(
            "replacement",
            ConfigType.STRING,
            NO_DEFAULT,
            importance=Importance.HIGH,
            doc="The new topic; `$1` or `${name}` stand for groups of the match.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._pattern = JavaPattern.option("regex", parsed["regex"])
        self._replacement = parsed["replacement"]
        self._routed = functools.lru_cache(maxsize=1024)(self._route)

    def _route(self, topic: str | None) -> str | None:
        if topic is None:
            raise DataError("A record without a topic cannot be routed")
        if not self._pattern.matches(topic):
            return topic
        if self._replacement is None:
            raise DataError("Invalid value null for configuration replacement")
        try:
            return self._pattern.replace_first(topic, self._replacement)
        except IndexError as error:
            raise ValueError(str(error)) from error

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Route each topic once."""

        def run(batch: Batch) -> list[Batch]:
            topic: Any = batch.topic
            routed: Any = (
                [self._routed(one) for one in topic]
                if isinstance(topic, list)
                else self._routed(topic)
            )
            return [batch if routed == topic else dataclasses.replace(batch, topic=routed)]

        return run


class TimestampRouter(CompiledTransform):
    """Puts the record's time, as `timestamp.format` writes it, into the topic."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "topic.format",
            ConfigType.STRING,
            "${topic}-${timestamp}",
            importance=Importance.HIGH,
            doc="The new topic; `${topic}` and `${timestamp}` stand for the old one and the time.",
        )
        .define(
            "timestamp.format",
            ConfigType.STRING,
            "yyyyMMdd",
            importance=Importance.HIGH,
            doc="A date pattern of Java's SimpleDateFormat, in UTC.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._topic_format: str | None = parsed["topic.format"]
        self._pattern: str = parsed["timestamp.format"]
        self._routed = functools.lru_cache(maxsize=4096)(self._route)

    @functools.cached_property
    def _format(self) -> DateFormat:
        """Compile the pattern; the peer finds a wrong one with the first record."""
        return DateFormat(self._pattern)

    def _route(self, topic: str, timestamp: int) -> str:
        if self._topic_format is None:
            raise DataError("TimestampRouter needs the option topic.format")
        time = self._format.format(timestamp)
        return self._topic_format.replace("${topic}", topic).replace("${timestamp}", time)

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give each row its topic; one for all where topic and time are."""

        def run(batch: Batch) -> list[Batch]:
            if isinstance(batch.topic, list) or isinstance(batch.timestamps, list):
                topics: Any = [self._row_topic(batch, row) for row in range(len(batch))]
            else:
                topics = self._row_topic(batch, 0)
            return [dataclasses.replace(batch, topic=topics)]

        return run

    def _row_topic(self, batch: Batch, row: int) -> str:
        timestamp = batch.timestamp_at(row)
        if timestamp is None:
            record = batch.source_record(row) if batch.offsets is None else batch.sink_record(row)
            raise DataError(f"Timestamp missing on record: {record}")
        return self._routed(batch.topic_at(row), timestamp)
