"""ValueToKey: makes the key of fields of the value.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.ValueToKey.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.api import Batch
from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import UniqueList
from appliance.data import Schema, SchemaBuilder
from appliance.errors import DataError
from appliance.transforms.base import (
    REPLACE_NULL,
    PartTransform,
    Plan,
    RowBuilder,
    refused_null,
    required_map,
    required_struct,
    row_by_row,
)


class ValueToKey(PartTransform):
    """A struct, or a map, of `fields` in that order."""

    purpose = "copying fields from value to key"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "fields",
            ConfigType.LIST,
            NO_DEFAULT,
            validator=UniqueList(),
            importance=Importance.HIGH,
            doc="Names of the fields of the value that make up the key, separated by commas.",
        )
        .add(REPLACE_NULL)
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._fields = parsed["fields"]
        self._replace_null = parsed["replace.null.with.default"]

    def null(self, schema: Schema | None) -> tuple[Schema | None, Any]:
        """Refuse null."""
        raise refused_null(schema, self.purpose)

    def replaced(self, batch: Batch, rows: list[Any], schema: Schema | None) -> Batch:
        """Put the rows in the place of the keys."""
        return dataclasses.replace(batch, keys=rows, key_schema=schema, raw_keys=None)

    def plan(self, schema: Schema | None) -> Plan:
        """Compile the selection of fields."""
        if schema is None:
            return Plan(None, row_by_row(self._schemaless))
        refusing = required_struct(schema, self.purpose)
        if refusing is not None:
            return refusing
        builder, row = SchemaBuilder.struct(), RowBuilder()
        for name in self._fields:
            field = schema.field(name)
            if field is None:
                raise DataError(f"Field does not exist: {name}")
            builder.field(name, field.schema)
            row.copy(field, replace_null=self._replace_null)
        return Plan(builder.build(), row_by_row(row.build()))

    def _schemaless(self, value: Any) -> dict[Any, Any]:
        members = required_map(value, self.purpose)
        return {name: members.get(name) for name in self._fields}
