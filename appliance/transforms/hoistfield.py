"""HoistField: wraps the whole key or value into one field.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.HoistField.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.data import Schema, SchemaBuilder
from appliance.data.struct import validate_value
from appliance.transforms.base import PartTransform, Plan, row_by_row


class HoistField(PartTransform):
    """A struct (or a map, without a schema) of one field, `field`."""

    config_def: ClassVar[ConfigDef] = ConfigDef().define(
        "field",
        ConfigType.STRING,
        NO_DEFAULT,
        importance=Importance.MEDIUM,
        doc="Name of the field that takes the key or value.",
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        self._field = self.config_def.parse(config)["field"]

    def _schema(self, schema: Schema) -> Schema:
        return SchemaBuilder.struct().field(self._field, schema).build()

    def null(self, schema: Schema | None) -> tuple[Schema | None, Any]:
        """Wrap null like any value. Raises DataError when it is required."""
        if schema is None:
            return None, {self._field: None}
        hoisted = self._schema(schema)
        validate_value(f'field: "{self._field}"', schema, None)
        return hoisted, (None,)

    def plan(self, schema: Schema | None) -> Plan:
        """Give the wrapping."""
        if schema is None:
            return Plan(None, row_by_row(lambda value: {self._field: value}))
        return Plan(self._schema(schema), row_by_row(lambda row: (row,)))


class Key(HoistField):
    """HoistField on keys."""

    part = "key"


class Value(HoistField):
    """HoistField on values."""
