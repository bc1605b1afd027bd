"""InsertField: adds fields with the record's coordinates or a fixed text.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.InsertField.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from appliance.api import Batch
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.data import TIMESTAMP_NAME, Schema, Type
from appliance.data.logical import Int32
from appliance.errors import ConfigError, DataError
from appliance.transforms.base import (
    REPLACE_NULL,
    PartTransform,
    Plan,
    RowBuilder,
    copied_basics,
    only_sink_records,
    required_map,
    required_struct,
)

_SUFFIX = "Suffix with `!` for a required field, `?` for an optional one (the default)."


class _Insertion(NamedTuple):
    """One field to insert: its name and schema, and where its values come from."""

    name: str
    schema: Schema
    column: Callable[[Batch], Any]
    boxed: Callable[[Any], Any]
    skips_null: bool


def _same(value: Any) -> Any:
    return value


def _offsets(batch: Batch) -> Any:
    only_sink_records(batch, "field insertion")
    return list(batch.offsets or ())


_SOURCES: tuple[tuple[str, Schema, Callable[[Batch], Any], Callable[[Any], Any], bool], ...] = (
    ("topic.field", Schema(Type.STRING), lambda batch: batch.topic, _same, False),
    ("partition.field", Schema(Type.INT32), lambda batch: batch.partition, Int32, True),
    ("offset.field", Schema(Type.INT64), _offsets, _same, True),
    (
        "timestamp.field",
        Schema(Type.INT64, name=TIMESTAMP_NAME, version=1),
        lambda batch: batch.timestamps,
        _same,
        True,
    ),
)


def _insertion(
    text: str,
    schema: Schema,
    column: Callable[[Batch], Any],
    boxed: Callable[[Any], Any],
    skips_null: bool,
) -> _Insertion:
    if text.endswith("?"):
        return _Insertion(text[:-1], schema.replace(optional=True), column, boxed, skips_null)
    if text.endswith("!"):
        return _Insertion(text[:-1], schema, column, boxed, skips_null)
    return _Insertion(text, schema.replace(optional=True), column, boxed, skips_null)


def _option(what: str) -> str:
    return f"Name of the field that takes {what}. {_SUFFIX}"


class InsertField(PartTransform):
    """Appends topic, partition, offset, timestamp and a fixed text, in that order."""

    purpose = "field insertion"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "topic.field",
            ConfigType.STRING,
            None,
            importance=Importance.MEDIUM,
            doc=_option("the topic"),
        )
        .define(
            "partition.field",
            ConfigType.STRING,
            None,
            importance=Importance.MEDIUM,
            doc=_option("the Kafka partition"),
        )
        .define(
            "offset.field",
            ConfigType.STRING,
            None,
            importance=Importance.MEDIUM,
            doc=_option("the Kafka offset (sink connectors only)"),
        )
        .define(
            "timestamp.field",
            ConfigType.STRING,
            None,
            importance=Importance.MEDIUM,
            doc=_option("the record's timestamp"),
        )
        .define(
            "static.field",
            ConfigType.STRING,
            None,
            importance=Importance.MEDIUM,
            doc=_option("the text of `static.value`"),
        )
        .define(
            "static.value",
            ConfigType.STRING,
            None,
            importance=Importance.MEDIUM,
            doc="The text for the field named by `static.field`.",
        )
        .add(REPLACE_NULL)
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._replace_null = parsed["replace.null.with.default"]
        self._insertions = [
            _insertion(parsed[option], schema, column, boxed, skips)
            for option, schema, column, boxed, skips in _SOURCES
            if parsed[option] is not None
        ]
        static_field, text = parsed["static.field"], parsed["static.value"]
        if static_field is not None:
            if text is None:
                raise ConfigError.invalid(
                    "static.value",
                    None,
                    "No value specified for static field: "
                    "org.apache.kafka.connect.transforms.InsertField$InsertionSpec@0",
                )
            self._insertions.append(
                _insertion(static_field, Schema(Type.STRING), lambda _batch: text, _same, False)
            )
        if not self._insertions:
            raise ConfigError("No field insertion configured")

    def plan(self, schema: Schema | None) -> Plan:
        """Compile the new schema and the copying of the old fields."""
        if schema is None:
            return Plan(None, self._schemaless)
        refusing = required_struct(schema, self.purpose)
        if refusing is not None:
            return refusing
        builder, copy = copied_basics(schema), RowBuilder()
        for field in schema.fields:
            builder.field(field.name, field.schema)
            copy.copy(field, replace_null=self._replace_null)
        for insertion in self._insertions:
            builder.field(insertion.name, insertion.schema)
        plain = all(f.schema.default is None for f in schema.fields)
        return Plan(builder.build(), self._appender(None if plain else copy.build()))

    def _appender(
        self, copy: Callable[[Any], tuple[Any, ...]] | None
    ) -> Callable[[list[Any], Batch], list[Any]]:
        def append(rows: list[Any], batch: Batch) -> list[Any]:
            columns = [self._column(insertion, batch) for insertion in self._insertions]
            old = rows if copy is None else [copy(row) for row in rows]
            if not any(isinstance(column, list) for column in columns):
                tail = tuple(columns)
                return [row + tail for row in old]
            full = [c if isinstance(c, list) else [c] * len(rows) for c in columns]
            return [row + tail for row, tail in zip(old, zip(*full, strict=True), strict=True)]

        return append

    @staticmethod
    def _column(insertion: _Insertion, batch: Batch) -> Any:
        column = insertion.column(batch)
        if insertion.skips_null or insertion.schema.optional:
            return column
        if column is None or (isinstance(column, list) and None in column):
            raise DataError(
                f'Invalid value: null used for required field: "{insertion.name}", '
                f"schema type: {insertion.schema.type.name}"
            )
        return column

    def _schemaless(self, rows: list[Any], batch: Batch) -> list[Any]:
        found = [dict(required_map(row, self.purpose)) for row in rows]
        for insertion in self._insertions:
            column = insertion.column(batch)
            values = column if isinstance(column, list) else [column] * len(rows)
            for members, value in zip(found, values, strict=True):
                if value is not None:
                    members[insertion.name] = insertion.boxed(value)
                elif not insertion.skips_null:
                    members[insertion.name] = None
        return found


class Key(InsertField):
    """InsertField on keys."""

    part = "key"


class Value(InsertField):
    """InsertField on values."""
