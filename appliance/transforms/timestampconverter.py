"""TimestampConverter: moments as text, as numbers since the epoch, or as Connect's logical types.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.TimestampConverter, in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import OneOf
from appliance.data import DATE_NAME, TIME_NAME, TIMESTAMP_NAME, Instant, Schema, Struct, Type
from appliance.data.dateformat import DateFormat
from appliance.data.logical import MILLIS_PER_DAY
from appliance.data.struct import java_class_name, wrap
from appliance.errors import ConfigError, ConnectError, DataError
from appliance.transforms.base import (
    REPLACE_NULL,
    PartTransform,
    Plan,
    RowBuilder,
    copied_basics,
    required_map,
    required_struct,
    row_by_row,
)

_TARGETS: Final = {
    "string": Schema(Type.STRING),
    "unix": Schema(Type.INT64),
    "Date": Schema(Type.INT32, name=DATE_NAME, version=1),
    "Time": Schema(Type.INT32, name=TIME_NAME, version=1),
    "Timestamp": Schema(Type.INT64, name=TIMESTAMP_NAME, version=1),
}
_PER_MS: Final = {"nanoseconds": 1_000_000, "microseconds": 1000, "milliseconds": 1}
_LIMIT: Final = 2**63
Conversion = Callable[[Any], Any]


def _bounded(number: int) -> int:
    return max(-_LIMIT, min(_LIMIT - 1, number))


def _cut(number: int, divisor: int) -> int:
    """Divide towards zero."""
    return -(-number // divisor) if number < 0 else number // divisor


class TimestampConverter(PartTransform):
    """Converts `field`, or the whole key or value, to `target.type`."""

    purpose = "converting timestamp formats"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "field",
            ConfigType.STRING,
            "",
            importance=Importance.HIGH,
            doc="Name of the field; empty means the whole key or value.",
        )
        .define(
            "target.type",
            ConfigType.STRING,
            NO_DEFAULT,
            validator=OneOf(("string", "unix", "Date", "Time", "Timestamp")),
            importance=Importance.HIGH,
            doc="What to convert to: `string`, `unix`, `Date`, `Time` or `Timestamp`.",
        )
        .define(
            "format",
            ConfigType.STRING,
            "",
            importance=Importance.MEDIUM,
            doc="The pattern (Java's SimpleDateFormat) of texts, read or written.",
        )
        .define(
            "unix.precision",
            ConfigType.STRING,
            "milliseconds",
            validator=OneOf(("nanoseconds", "microseconds", "milliseconds", "seconds")),
            importance=Importance.LOW,
            doc="The unit of numbers, read or written.",
        )
        .add(REPLACE_NULL)
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._field, self._target = parsed["field"], parsed["target.type"]
        self._precision = parsed["unix.precision"]
        self._replace_null = parsed["replace.null.with.default"]
        pattern = parsed["format"]
        if self._target == "string" and not pattern:
            raise ConfigError(
                "TimestampConverter requires format option to be specified "
                "when using string timestamps"
            )
        self._format: DateFormat | None = None
        if pattern:
            try:
                self._format = DateFormat(pattern)
            except ValueError as error:
                raise ConfigError(
                    f"Invalid value java.lang.IllegalArgumentException: {error} for configuration "
                    "TimestampConverter requires a SimpleDateFormat-compatible pattern for string "
                    f"timestamps: {pattern}"
                ) from error

    def _from_text(self, text: str) -> int:
        if self._format is None:
            raise DataError(
                "TimestampConverter needs the option format to read timestamps from text"
            )
        ms = self._format.parse(text)
        if ms is None:
            raise DataError(
                f"Could not parse timestamp: value ({text}) does not match pattern "
                f"({self._format.pattern})"
            )
        return ms

    def _from_unix(self, number: int) -> int:
        if self._precision == "seconds":
            return _bounded(number * 1000)
        return _cut(number, _PER_MS[self._precision])

    def _to_target(self, ms: int) -> Any:
        if self._target == "string":
            return self._format.format(ms) if self._format else None
        if self._target == "unix":
            if self._precision == "seconds":
                return _cut(ms, 1000)
            return _bounded(ms * _PER_MS[self._precision])
        if self._target == "Date":
            return Instant(ms - ms % MILLIS_PER_DAY)
        return Instant(ms % MILLIS_PER_DAY if self._target == "Time" else ms)

    def _conversion(self, schema: Schema) -> Conversion:
        """Give the function for live values of `schema`. Raises ConnectError."""
        if schema.name in (DATE_NAME, TIME_NAME, TIMESTAMP_NAME):
            return self._to_target
        if schema.type is Type.STRING:
            return lambda text: self._to_target(self._from_text(text))
        if schema.type is Type.INT64:
            return lambda number: self._to_target(self._from_unix(number))
        raise ConnectError(f"Schema {schema} does not correspond to a known timestamp type format")

    def _convert(self, value: Any) -> Any:
        """Convert a schemaless value by its class."""
        if value is None:
            return None
        if isinstance(value, Instant):
            return self._to_target(value)
        if type(value) is int:
            return self._to_target(self._from_unix(value))
        if isinstance(value, str):
            return self._to_target(self._from_text(value))
        raise DataError(
            f"TimestampConverter does not support {java_class_name(value)} objects as timestamps"
        )

    def _target_schema(self, optional: bool) -> Schema:
        return _TARGETS[self._target].replace(optional=optional)

    def null(self, schema: Schema | None) -> tuple[Schema | None, Any]:
        """Give null under the converted schema."""
        if schema is None:
            return None, None
        if not self._field:
            self._conversion(schema)
            return self._target_schema(schema.optional), None
        if schema.type is Type.STRUCT:
            return self._struct_schema(schema), None
        return self._struct_plan(schema)[0], None

    def plan(self, schema: Schema | None) -> Plan:
        """Pick the conversion."""
        if schema is None:
            return Plan(None, row_by_row(self._schemaless))
        if not self._field:
            return Plan(self._target_schema(schema.optional), row_by_row(self._conversion(schema)))
        refusing = required_struct(schema, self.purpose)
        if refusing is not None:
            return refusing
        changed, convert = self._struct_plan(schema)
        return Plan(changed, row_by_row(convert))

    def _struct_schema(self, schema: Schema) -> Schema:
        builder = copied_basics(schema)
        for field in schema.fields:
            own = field.schema
            converted = field.name == self._field
            builder.field(field.name, self._target_schema(own.optional) if converted else own)
        return builder.optional().build() if schema.optional else builder.build()

    def _struct_plan(self, schema: Schema) -> tuple[Schema, Callable[[Any], tuple[Any, ...]]]:
        row = RowBuilder()
        for field in schema.fields:
            if field.name == self._field:
                convert = self._conversion(field.schema)
                row.convert(field, _or_null(convert), replace_null=self._replace_null)
            else:
                row.copy(field, replace_null=self._replace_null)
        function = row.build()
        changed = self._struct_schema(schema)
        if isinstance(schema.default, Struct):
            default = wrap(changed, function(schema.default.row()))
            changed = changed.replace(default=default)
        return changed, function

    def _schemaless(self, value: Any) -> Any:
        if not self._field:
            return self._convert(value)
        members = dict(required_map(value, self.purpose))
        members[self._field] = self._convert(members.get(self._field))
        return members


def _or_null(convert: Conversion) -> Conversion:
    return lambda value: None if value is None else convert(value)


class Key(TimestampConverter):
    """TimestampConverter on keys."""

    part = "key"


class Value(TimestampConverter):
    """TimestampConverter on values."""
