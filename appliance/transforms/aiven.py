"""Aiven's ConcatFields, CaseTransform and FilterByFieldValue.

Semantics: io.aiven.kafka.connect.transforms. Names of fields may be paths, `address.city`. KeyToValue has a
module of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from appliance.api import NULL, Stage
from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import NonEmptyString, OneOf
from appliance.data import Schema, SchemaBuilder, Type
from appliance.data.infer import infer_schema
from appliance.data.regex import JavaPattern
from appliance.data.schema import OPTIONAL_STRING_SCHEMA
from appliance.data.struct import unwrap, wrap
from appliance.data.text import java_text
from appliance.data.values import format_value, parse_string, typed
from appliance.errors import ConfigError, DataError
from appliance.transforms.base import (
    CompiledTransform,
    PartTransform,
    Plan,
    kept_by,
    required_map,
    required_struct,
    row_by_row,
)

_HIGH, _MEDIUM = Importance.HIGH, Importance.MEDIUM


class Found(NamedTuple):
    """What a path leads to: the schema of the value (None: schemaless), and the function to it."""

    schema: Schema | None
    get: Callable[[Any], Any]


def path_of(schema: Schema | None, name: str) -> Found | None:
    """Find a dotted path in rows of a schema; None where a schema has no such field."""
    steps = name.split(".")
    if schema is None:
        return Found(None, lambda row: _in_maps(row, steps))
    way: list[int] = []
    inside: Schema = schema
    for step in steps:
        field = inside.field(step) if inside.type is Type.STRUCT else None
        if field is None:
            return None
        way.append(field.index)
        inside = field.schema
    default = unwrap(inside.default)

    def get(row: Any) -> Any:
        for place in way:
            if row is None or row is NULL:
                return None
            row = row[place]
        return default if row is None else row

    return Found(inside, get)


def _in_maps(row: Any, steps: list[str]) -> Any:
    for step in steps:
        if not isinstance(row, dict):
            return None
        row = row.get(step)
    return row


def _text_of(found: Found, row: Any) -> str | None:
    value = found.get(row)
    return None if value is None else java_text(wrap(found.schema, value), found.schema)


def _no_null(part: str) -> DataError:
    return DataError(f"{part} Value can't be null: set a predicate that keeps such records away")


class ConcatFieldsOfValue(PartTransform):
    """Joins the texts of fields into a new one, the last."""

    purpose = "concatenating fields"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "field.names",
            ConfigType.LIST,
            NO_DEFAULT,
            importance=_HIGH,
            doc="Fields to join, in order.",
        )
        .define(
            "output.field.name",
            ConfigType.STRING,
            NO_DEFAULT,
            validator=NonEmptyString(),
            importance=_HIGH,
            doc="Field for the joined text.",
        )
        .define(
            "field.replace.missing",
            ConfigType.STRING,
            "",
            importance=_HIGH,
            doc="What stands for a field that is missing or null.",
        )
        .define(
            "delimiter", ConfigType.STRING, "", importance=_HIGH, doc="What stands between texts."
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._names: list[str] = parsed["field.names"]
        self._output: str = parsed["output.field.name"]
        self._missing: str = parsed["field.replace.missing"]
        self._delimiter: str = parsed["delimiter"]

    def null(self, schema: Schema | None) -> tuple[Schema | None, Any]:
        """Refuse null."""
        raise _no_null(self.part)

    def plan(self, schema: Schema | None) -> Plan:
        """Append the joined text."""
        found = [path_of(schema, name) for name in self._names]

        def joined(row: Any) -> str:
            texts = [None if one is None else _text_of(one, row) for one in found]
            return self._delimiter.join(self._missing if t is None else t for t in texts)

        if schema is None:
            return Plan(
                None,
                row_by_row(
                    lambda row: {**required_map(row, self.purpose), self._output: joined(row)}
                ),
            )
        refusing = required_struct(schema, self.purpose)
        if refusing is not None:
            return refusing
        builder = SchemaBuilder.struct()
        for field in schema.fields:
            builder.field(field.name, field.schema)
        builder.field(self._output, OPTIONAL_STRING_SCHEMA)
        return Plan(builder.build(), row_by_row(lambda row: (*row, joined(row))))


class ConcatFieldsOfKey(ConcatFieldsOfValue):
    """io.aiven.kafka.connect.transforms.ConcatFields$Key."""

    part = "key"


class CaseTransformOfValue(PartTransform):
    """Turns the texts of fields into upper or lower case."""

    purpose = "changing case"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "field.names", ConfigType.LIST, NO_DEFAULT, importance=_HIGH, doc="Fields to change."
        )
        .define(
            "case",
            ConfigType.STRING,
            NO_DEFAULT,
            validator=OneOf(("upper", "lower"), ignore_case=True),
            importance=_HIGH,
            doc="`upper` or `lower`.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._names = frozenset(parsed["field.names"])
        self._change: Callable[[str], str] = (
            str.upper if parsed["case"].lower() == "upper" else str.lower
        )

    def null(self, schema: Schema | None) -> tuple[Schema | None, Any]:
        """Refuse null."""
        raise _no_null(self.part)

    def plan(self, schema: Schema | None) -> Plan:
        """Change the fields that there are."""
        if schema is None:
            return Plan(None, row_by_row(self._schemaless))
        refusing = required_struct(schema, self.purpose)
        if refusing is not None:
            return refusing
        for field in schema.fields:
            if field.name in self._names and field.schema.type is not Type.STRING:
                raise DataError(f"CaseTransform changes texts, but {field.name} is {field.schema}")
        parts = [
            (field.name in self._names, unwrap(field.schema.default)) for field in schema.fields
        ]
        change = self._change

        def convert(row: Any) -> Any:
            values = (
                default if value is None else value
                for (_, default), value in zip(parts, row, strict=True)
            )
            return tuple(
                [
                    change(value) if chosen and value is not None else value
                    for (chosen, _), value in zip(parts, values, strict=True)
                ]
            )

        return Plan(schema, row_by_row(convert))

    def _schemaless(self, row: Any) -> Any:
        members = dict(required_map(row, self.purpose))
        for name in self._names:
            value = members.get(name)
            members[name] = None if value is None else self._change(java_text(value))
        return members


class CaseTransformOfKey(CaseTransformOfValue):
    """io.aiven.kafka.connect.transforms.CaseTransform$Key."""

    part = "key"


class FilterByFieldValueOfValue(CompiledTransform):
    """Keeps records by the value of a field; those without key or value pass."""

    part: ClassVar[Literal["key", "value"]] = "value"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "field.name",
            ConfigType.STRING,
            None,
            importance=_HIGH,
            doc="The field; none means the whole key or value.",
        )
        .define(
            "field.value",
            ConfigType.STRING,
            None,
            importance=_HIGH,
            doc="The value to find: a number, boolean or date by its look, else a text.",
        )
        .define(
            "field.value.pattern",
            ConfigType.STRING,
            None,
            importance=_HIGH,
            doc="Or a Java regular expression to find in its text.",
        )
        .define(
            "field.value.matches",
            ConfigType.BOOLEAN,
            True,
            importance=_MEDIUM,
            doc="Keep what matches, or with `false` what does not.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._name: str = parsed["field.name"] or ""
        expected, pattern = parsed["field.value"], parsed["field.value.pattern"]
        if (expected is not None) == bool(pattern):
            raise ConfigError(
                "Either field.value or field.value.pattern have to be set to apply filter transform"
            )
        self._wanted = parsed["field.value.matches"]
        self._pattern = JavaPattern.option("field.value.pattern", pattern) if pattern else None
        self._expected = None if expected is None else parse_string(expected)[1]

    def _matches(self, schema: Schema | None, value: Any) -> bool:
        if value is None:
            return False
        value = typed(schema, wrap(schema, value))
        if self._pattern is not None:
            text = format_value(schema or infer_schema(value), value) or ""
            return self._pattern.find(text) is not None
        return type(value) is type(self._expected) and bool(value == self._expected)

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that keeps or drops."""
        schema = key_schema if self.part == "key" else value_schema
        whole = Found(schema, lambda row: row)
        found = path_of(schema, self._name) if self._name else whole

        def kept(row: Any) -> bool:
            if row is None or row is NULL:
                return True
            matches = found is not None and self._matches(found.schema, found.get(row))
            return bool(matches == self._wanted)

        return kept_by(self.part, kept)


class FilterByFieldValueOfKey(FilterByFieldValueOfValue):
    """io.aiven.kafka.connect.transforms.FilterByFieldValue$Key."""

    part = "key"
