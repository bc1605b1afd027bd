"""Confluent's ExtractTopic$Header, MessageTimestampRouter, Filter and Drop.

Semantics: the public documentation of io.confluent.connect.transforms.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from appliance.api import NULL, Batch, Stage
from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import Check, OneOf
from appliance.data import Schema
from appliance.data.dateformat import DateFormat
from appliance.data.struct import wrap
from appliance.data.text import java_text
from appliance.errors import ConfigError, DataError
from appliance.transforms.base import CompiledTransform, class_of, kept_by, required_map
from appliance.transforms.jsonpath import JsonPath

_HIGH, _LOW = Importance.HIGH, Importance.LOW


def _check_path(name: str, value: Any) -> None:
    if value is not None:
        JsonPath(name, value)


def _check_date_format(name: str, value: Any) -> None:
    try:
        DateFormat(value or "")
    except ValueError as error:
        raise ConfigError.invalid(name, value, str(error)) from error


_DATE_FORMAT = Check(_check_date_format, "date format")


class TopicOfHeader(CompiledTransform):
    """The text of a header, its last one of that name, becomes the topic."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "field", ConfigType.STRING, NO_DEFAULT, importance=_HIGH, doc="Name of the header."
        )
        .define(
            "skip.missing.or.null",
            ConfigType.BOOLEAN,
            False,
            importance=_LOW,
            doc="Leave a record as it is that has no such header. With `false` it fails.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._name: str = parsed["field"]
        self._skip: bool = parsed["skip.missing.or.null"]

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that routes each row; values stay as they are."""

        def run(batch: Batch) -> list[Batch]:
            if not batch.extra_headers and not isinstance(batch.topic, list):
                return [dataclasses.replace(batch, topic=self._topic(batch, 0))]
            topics = [self._topic(batch, row) for row in range(len(batch))]
            return [dataclasses.replace(batch, topic=topics)]

        return run

    def _topic(self, batch: Batch, row: int) -> str:
        found = [h.value for h in batch.headers_at(row) if h.key == self._name]
        value = found[-1] if found else None
        if value is None or value == "":
            if self._skip:
                return batch.topic_at(row)
            raise DataError(
                f"The header {self._name} is missing or null; set skip.missing.or.null=true to leave "
                "such records as they are"
            )
        if not isinstance(value, (str, bool, int, float)):
            raise DataError(f"A topic cannot be made of {class_of(value, None)}")
        return java_text(value)


class MessageTimestampRouter(CompiledTransform):
    """Puts a time found in the value, which must be a map, into the topic."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "topic.format",
            ConfigType.STRING,
            "${topic}-${timestamp}",
            importance=_HIGH,
            doc="The new topic; `${topic}` and `${timestamp}` stand for the old one and the time.",
        )
        .define(
            "message.timestamp.format",
            ConfigType.STRING,
            "yyyy-MM-dd",
            validator=_DATE_FORMAT,
            importance=_HIGH,
            doc="Date pattern of the time in the message.",
        )
        .define(
            "message.timestamp.keys",
            ConfigType.LIST,
            NO_DEFAULT,
            importance=_HIGH,
            doc="Members that may hold the time; the first that does counts.",
        )
        .define(
            "topic.timestamp.format",
            ConfigType.STRING,
            "yyyyMMdd",
            validator=_DATE_FORMAT,
            importance=_HIGH,
            doc="Date pattern of the time in the topic.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._format: str = parsed["topic.format"]
        self._keys: list[str] = parsed["message.timestamp.keys"]
        self._read = DateFormat(parsed["message.timestamp.format"])
        self._write = DateFormat(parsed["topic.timestamp.format"])

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that routes each row."""
        if value_schema is not None:
            raise DataError(
                "MessageTimestampRouter takes values without a schema, found: "
                f"{value_schema.type.name}"
            )

        def run(batch: Batch) -> list[Batch]:
            topics = [self._topic(row, batch.topic_at(i)) for i, row in enumerate(batch.values)]
            return [dataclasses.replace(batch, topic=topics)]

        return run

    def _topic(self, row: Any, topic: str) -> str:
        members = required_map(row, "routing by a time in the message")
        value = next((members[key] for key in self._keys if members.get(key) is not None), None)
        if value is None:
            raise DataError(f"None of {', '.join(self._keys)} holds a time")
        text = java_text(value)
        time = self._read.parse(text)
        if time is None:
            raise DataError(
                f"Could not parse timestamp: value ({text}) does not match pattern "
                f"({self._read.pattern})"
            )
        routed = self._format.replace("${topic}", topic)
        return routed.replace("${timestamp}", self._write.format(time))


class FilterOfValue(CompiledTransform):
    """Keeps or drops the records to which a JSON path applies."""

    part: ClassVar[Literal["key", "value"]] = "value"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "filter.condition",
            ConfigType.STRING,
            NO_DEFAULT,
            validator=Check(_check_path, "JSON path"),
            importance=_HIGH,
            doc="A JSON path with a condition, `$[?(@.count > 5)]`; it applies where it finds anything.",
        )
        .define(
            "filter.type",
            ConfigType.STRING,
            NO_DEFAULT,
            validator=OneOf(("include", "exclude"), ignore_case=True),
            importance=_HIGH,
            doc="Whether such records are kept (`include`) or dropped (`exclude`).",
        )
        .define(
            "missing.or.null.behavior",
            ConfigType.STRING,
            "fail",
            validator=OneOf(("fail", "include", "exclude"), ignore_case=True),
            importance=_LOW,
            doc="What becomes of records that lack what the path names before its condition.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        text: str = parsed["filter.condition"]
        self._path = JsonPath("filter.condition", text)
        self._before = JsonPath("filter.condition", text.partition("[?")[0])
        self._includes: bool = parsed["filter.type"].lower() == "include"
        self._missing = parsed["missing.or.null.behavior"].lower()

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that keeps or drops."""
        schema = key_schema if self.part == "key" else value_schema

        def kept(row: Any) -> bool:
            value = None if row is NULL else wrap(schema, row)
            if self._path.find(value):
                return self._includes
            if any(found is not None for found in self._before.find(value)):
                return not self._includes
            if self._missing == "fail":
                raise DataError(
                    f"The {self.part} of a record has nothing at {self._before.text}; set "
                    "missing.or.null.behavior to include or exclude"
                )
            return bool(self._missing == "include")

        return kept_by(self.part, kept)


class FilterOfKey(FilterOfValue):
    """io.confluent.connect.transforms.Filter$Key."""

    part = "key"


class DropOfValue(CompiledTransform):
    """Sets the value to null."""

    part: ClassVar[Literal["key", "value"]] = "value"
    config_def: ClassVar[ConfigDef] = ConfigDef().define(
        "schema.behavior",
        ConfigType.STRING,
        "nullify",
        validator=OneOf(("nullify", "retain", "validate", "force_optional"), ignore_case=True),
        importance=Importance.MEDIUM,
        doc="What becomes of the schema: gone (`nullify`), kept (`retain`), kept if optional else an error "
        "(`validate`), or kept and made optional (`force_optional`).",
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        self._behavior: str = self.config_def.parse(config)["schema.behavior"].lower()

    def _schema(self, schema: Schema | None) -> Schema | None:
        if self._behavior == "nullify" or schema is None:
            return None
        if self._behavior == "force_optional":
            return schema.replace(optional=True)
        if self._behavior == "validate" and not schema.optional:
            raise DataError(
                f"The {self.part} cannot be dropped: its schema is not optional; set "
                "schema.behavior to nullify or force_optional"
            )
        return schema

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that leaves nulls."""

        def run(batch: Batch) -> list[Batch]:
            schema = self._schema(key_schema if self.part == "key" else value_schema)
            rows: list[Any] = [None if schema is None else NULL] * len(batch)
            if self.part == "key":
                return [dataclasses.replace(batch, keys=rows, key_schema=schema, raw_keys=None)]
            return [
                dataclasses.replace(
                    batch,
                    values=rows,
                    value_schema=schema,
                    layout=None,
                    constants=(),
                    raw_values=None,
                )
            ]

        return run


class DropOfKey(DropOfValue):
    """io.confluent.connect.transforms.Drop$Key."""

    part = "key"
