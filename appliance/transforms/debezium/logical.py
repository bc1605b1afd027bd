"""ByLogicalTableRouter: change events of many physical tables into the topic of one logical table.

Semantics: Debezium 3.6.1 io.debezium.transforms.ByLogicalTableRouter. Rows stay as they are, layout and
all: only topics, names of schemas, and keys change.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.api import NULL, Batch, Stage
from appliance.config import ConfigDef, ConfigType, Importance, Width
from appliance.data import Field, Schema, Type
from appliance.data.regex import JavaPattern
from appliance.errors import ConfigError, ConnectError, DataError
from appliance.transforms.base import CompiledTransform, class_of, copied_basics
from appliance.transforms.debezium.options import parsed_untrimmed
from appliance.transforms.debezium.unwrap import is_envelope

_KEY_FIELD = "__dbz__physicalTableIdentifier"
_PURPOSE = "Updating schema"


def _definition() -> ConfigDef:
    definition = ConfigDef()
    for name, type_, default, width, label, doc in (
        (
            "topic.regex",
            ConfigType.STRING,
            None,
            Width.LONG,
            "Topic regex",
            "A Java regular expression; records whose whole topic it matches are routed.",
        ),
        (
            "topic.replacement",
            ConfigType.STRING,
            None,
            Width.LONG,
            "Topic replacement",
            "The topic of the logical table; `$1` or `${name}` stand for groups of the match.",
        ),
        (
            "key.enforce.uniqueness",
            ConfigType.BOOLEAN,
            True,
            Width.SHORT,
            "Add source topic name into key",
            "Append a field that names the physical table to the key.",
        ),
        (
            "key.field.regex",
            ConfigType.STRING,
            None,
            Width.LONG,
            "Key field regex",
            "A Java regular expression on the old topic, from which the value of that field is made.",
        ),
        (
            "key.field.replacement",
            ConfigType.STRING,
            None,
            Width.LONG,
            "Key field replacement",
            "The value of that field, with groups of `key.field.regex`.",
        ),
        (
            "logical.table.cache.size",
            ConfigType.INT,
            16,
            Width.LONG,
            "Logical table cache size",
            "How many schemas of logical tables are remembered.",
        ),
    ):
        definition.define(
            name,
            type_,
            default,
            importance=Importance.LOW,
            width=width,
            display_name=label,
            doc=doc,
            order=1,
        )
    return definition


class ByLogicalTableRouter(CompiledTransform):
    """Routes by `topic.regex`."""

    config_def: ClassVar[ConfigDef] = _definition()

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConnectError."""
        try:
            parsed = parsed_untrimmed(self.config_def, config)
            regex, replacement = parsed["topic.regex"], parsed["topic.replacement"]
            key_regex, key_replacement = (
                parsed["key.field.regex"],
                parsed["key.field.replacement"],
            )
            if not regex or not replacement or (key_regex and not key_replacement):
                raise ConfigError("An option of ByLogicalTableRouter is missing")
            self._regex = JavaPattern.option("topic.regex", regex)
            self._key_regex = (
                JavaPattern.option("key.field.regex", key_regex) if key_regex else None
            )
        except ConfigError as error:
            raise ConnectError("Unable to validate config.") from error
        self._replacement, self._key_replacement = replacement, key_replacement
        self._unique = parsed["key.enforce.uniqueness"]
        self._key_field = config.get("key.field.name") or _KEY_FIELD
        size = max(1, parsed["logical.table.cache.size"])
        self._key_schema = functools.lru_cache(maxsize=size)(self._make_key_schema)
        self._value_schema = functools.lru_cache(maxsize=size)(_renamed_event)

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Route a batch at once; one of many topics goes topic by topic."""

        def run(batch: Batch) -> list[Batch]:
            if isinstance(batch.topic, str):
                return [self._routed(batch, batch.topic)]
            batches: list[Batch] = []
            start = 0
            topics = batch.topic
            for end in range(1, len(topics) + 1):
                if end == len(topics) or topics[end] != topics[start]:
                    batches.append(self._routed(batch.take(range(start, end)), topics[start]))
                    start = end
            return batches

        return run

    def _routed(self, batch: Batch, topic: str) -> Batch:
        if not self._regex.matches(topic):
            return batch
        routed = self._regex.replace_first(topic, self._replacement)
        found = dataclasses.replace(batch, topic=routed)
        if batch.keys is not None:
            self._route_keys(found, topic, routed)
        schema = batch.value_schema
        if (
            schema is not None
            and is_envelope(schema)
            and any(row is not None and row is not NULL for row in batch.values)
        ):
            found.value_schema = self._value_schema(schema, routed)
            found.raw_values = None
        return found

    def _route_keys(self, batch: Batch, topic: str, routed: str) -> None:
        schema = batch.key_schema
        live = [row for row in batch.keys or () if row is not None and row is not NULL]
        if not live:
            batch.key_schema = batch.raw_keys = None
            return
        if schema is None or schema.type is not Type.STRUCT:
            raise DataError(
                f"Only Struct objects supported for [{_PURPOSE}], "
                f"found: {class_of(live[0], schema)}"
            )
        _check_required(schema, live)
        batch.key_schema, batch.raw_keys = self._key_schema(schema, routed), None
        if self._unique:
            tail = (self._physical(topic),)
            batch.keys = [
                row if row is None or row is NULL else row + tail for row in batch.keys or ()
            ]

    def _physical(self, topic: str) -> str:
        if self._key_regex is not None and self._key_regex.matches(topic):
            return self._key_regex.replace_first(topic, self._key_replacement)
        return topic

    def _make_key_schema(self, schema: Schema, topic: str) -> Schema:
        builder = copied_basics(schema.replace(name=f"{topic}.Key"))
        for field in schema.fields:
            builder.field(field.name, field.schema)
        if self._unique:
            builder.field(self._key_field, Schema(Type.STRING))
        return builder.build().replace(optional=schema.optional)


def _check_required(schema: Schema, rows: list[Any]) -> None:
    """Refuse null in a required field, which a default lets into a struct, but not into its copy."""
    for field in schema.fields:
        if field.schema.default is None or field.schema.optional:
            continue
        if any(row[field.index] is None for row in rows):
            raise DataError(
                f'Invalid value: null used for required field: "{field.name}", '
                f"schema type: {field.schema.type.name}"
            )


def _renamed_event(schema: Schema, topic: str) -> Schema:
    """Give the schema of change events of another table name."""

    def renamed(field: Field) -> Field:
        if field.name not in ("before", "after"):
            return field
        inner: Any = field.schema.replace(name=f"{topic}.Value")
        return Field(field.name, field.index, inner)

    return schema.replace(
        name=f"{topic}.Envelope", fields=tuple([renamed(field) for field in schema.fields])
    )
