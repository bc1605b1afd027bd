"""Transforms of Confluent and Aiven that take a field of the record: ExtractTopic, ExtractTimestamp, Hash.

Semantics: the public documentation of io.confluent.connect.transforms.ExtractTopic and the classes of
io.aiven.kafka.connect.transforms; Confluent's paths in JSON_PATH form are not taken.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from appliance.api import NULL, Batch, Stage
from appliance.config import NO_DEFAULT, ConfigDef, ConfigKey, ConfigType, Importance
from appliance.config.validators import OneOf
from appliance.data import TIMESTAMP_NAME, Schema, Type
from appliance.errors import DataError
from appliance.transforms.base import CompiledTransform, class_of, required_map

_HIGH, _LOW = Importance.HIGH, Importance.LOW
_SKIP = ConfigKey(
    "skip.missing.or.null",
    ConfigType.BOOLEAN,
    False,
    importance=_LOW,
    doc="Leave a record as it is whose field is missing or null. With `false` it fails.",
)


def _field_option(name: str, doc: str) -> ConfigKey:
    return ConfigKey(name, ConfigType.STRING, "", importance=_HIGH, doc=doc)


class FieldTransform(CompiledTransform):
    """Reads one field, or the whole key or value where no field is named, of each row."""

    part: ClassVar[Literal["key", "value"]] = "value"
    option: ClassVar[str] = "field.name"

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        self._parsed = self.config_def.parse(config)
        self._name: str = self._parsed[self.option] or ""
        self._skip: bool = self._parsed["skip.missing.or.null"]

    def _rows(self, batch: Batch) -> list[Any]:
        rows = batch.keys if self.part == "key" else batch.values
        return [None] * len(batch) if rows is None else rows

    def _place(self, schema: Schema | None) -> int:
        """Give the field's index, -1 for one that is not there or for the whole value."""
        if not self._name or schema is None:
            return -1
        if schema.type is not Type.STRUCT:
            raise DataError(
                f"Only Struct objects supported for [reading field {self._name}], "
                f"found: {schema.type.name}"
            )
        found = schema.field(self._name)
        return -1 if found is None else found.index

    def _getter(self, schema: Schema | None) -> Callable[[Any], Any]:
        name, place = self._name, self._place(schema)
        if not name:
            return lambda row: None if row is NULL else row
        if schema is None:
            return lambda row: (
                None if row is None else required_map(row, f"reading field {name}").get(name)
            )
        return lambda row: None if row is None or row is NULL or place < 0 else row[place]

    def _missing(self) -> DataError:
        what = f"field {self._name} of the {self.part}" if self._name else f"the {self.part}"
        return DataError(
            f"{type(self).__name__}: {what} is missing or null; set skip.missing.or.null=true to leave "
            "such records as they are"
        )


class ExtractTopic(FieldTransform):
    """The text of a field becomes the topic."""

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that routes each row."""
        schema = key_schema if self.part == "key" else value_schema
        get = self._getter(schema)

        def topic(row: Any, before: str) -> str:
            found = get(row)
            if found is None or found == "":
                if self._skip:
                    return before
                raise self._missing()
            if isinstance(found, (str, bool, int, float)):
                return found if isinstance(found, str) else _number_text(found)
            raise DataError(f"A topic cannot be made of {class_of(found, None)}")

        def run(batch: Batch) -> list[Batch]:
            batch = batch.expanded()
            rows = self._rows(batch)
            topics = [topic(row, batch.topic_at(i)) for i, row in enumerate(rows)]
            return [dataclasses.replace(batch, topic=topics)]

        return run


def _number_text(value: float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_CONFLUENT_TOPIC = (
    ConfigDef()
    .add(
        _field_option("field", "Field whose text is the topic; empty for the whole key or value.")
    )
    .add(_SKIP)
    .define(
        "field.format",
        ConfigType.STRING,
        "PLAIN",
        validator=OneOf(("PLAIN",), ignore_case=True),
        importance=_LOW,
        doc="How `field` is written: PLAIN, one name.",
    )
)
_AIVEN_TOPIC = (
    ConfigDef()
    .add(
        _field_option(
            "field.name", "Field whose text is the topic; empty for the whole key or value."
        )
    )
    .add(_SKIP)
)


class ConfluentTopicOfKey(ExtractTopic):
    """io.confluent.connect.transforms.ExtractTopic$Key."""

    part, option, config_def = "key", "field", _CONFLUENT_TOPIC


class ConfluentTopicOfValue(ExtractTopic):
    """io.confluent.connect.transforms.ExtractTopic$Value."""

    option, config_def = "field", _CONFLUENT_TOPIC


class AivenTopicOfKey(ExtractTopic):
    """io.aiven.kafka.connect.transforms.ExtractTopic$Key."""

    part, config_def = "key", _AIVEN_TOPIC


class AivenTopicOfValue(ExtractTopic):
    """io.aiven.kafka.connect.transforms.ExtractTopic$Value."""

    config_def = _AIVEN_TOPIC


class ExtractTimestampOfValue(FieldTransform):
    """A field, INT64 or Timestamp, becomes the record's timestamp."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "field.name",
            ConfigType.STRING,
            NO_DEFAULT,
            importance=_HIGH,
            doc="Field with the time.",
        )
        .define(
            "timestamp.resolution",
            ConfigType.STRING,
            "milliseconds",
            validator=OneOf(("milliseconds", "seconds")),
            importance=_LOW,
            doc="Unit of a time that is a bare number.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        self._parsed = self.config_def.parse(config)
        self._name = self._parsed["field.name"] or ""
        self._factor = 1000 if self._parsed["timestamp.resolution"] == "seconds" else 1

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that sets each row's timestamp."""
        schema = key_schema if self.part == "key" else value_schema
        get, place = self._getter(schema), self._place(schema)
        logical = (
            schema is not None
            and place >= 0
            and (schema.fields[place].schema.name == TIMESTAMP_NAME)
        )
        factor = 1 if logical else self._factor

        def time(row: Any) -> int:
            found = get(row)
            if not isinstance(found, int) or isinstance(found, bool):
                raise DataError(
                    f"Field {self._name} must be INT64 or a Timestamp and not null to give the record's "
                    f"time, but it is {class_of(found, None)}"
                )
            return found * factor

        def run(batch: Batch) -> list[Batch]:
            batch = batch.expanded()
            return [
                dataclasses.replace(batch, timestamps=[time(row) for row in self._rows(batch)])
            ]

        return run


class ExtractTimestampOfKey(ExtractTimestampOfValue):
    """io.aiven.kafka.connect.transforms.ExtractTimestamp$Key."""

    part = "key"


class HashOfValue(FieldTransform):
    """A text is replaced by its digest in hexadecimal."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .add(_field_option("field.name", "Field to replace; empty for the whole key or value."))
        .add(_SKIP)
        .define(
            "function",
            ConfigType.STRING,
            NO_DEFAULT,
            validator=OneOf(("md5", "sha1", "sha256")),
            importance=_HIGH,
            doc="The digest.",
        )
    )

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that replaces the text of each row."""
        schema = key_schema if self.part == "key" else value_schema
        get, place, function = self._getter(schema), self._place(schema), self._parsed["function"]

        def hashed(row: Any) -> Any:
            found = get(row)
            if found is None:
                if self._skip:
                    return row
                raise self._missing()
            if not isinstance(found, str):
                raise DataError(f"Hash takes text only, found: {class_of(found, None)}")
            digest = hashlib.new(function, found.encode(), usedforsecurity=False).hexdigest()
            if not self._name:
                return digest
            if schema is None:
                return {**row, self._name: digest}
            return (*row[:place], digest, *row[place + 1 :])

        def run(batch: Batch) -> list[Batch]:
            batch = batch.expanded()
            rows = [hashed(row) for row in self._rows(batch)]
            if self.part == "key":
                return [dataclasses.replace(batch, keys=rows, raw_keys=None)]
            return [dataclasses.replace(batch, values=rows, raw_values=None)]

        return run


class HashOfKey(HashOfValue):
    """io.aiven.kafka.connect.transforms.Hash$Key."""

    part = "key"
