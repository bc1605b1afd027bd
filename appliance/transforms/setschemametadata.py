"""SetSchemaMetadata: gives a struct's schema another name or version.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.SetSchemaMetadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.config import ConfigDef, ConfigType, Importance
from appliance.data import Schema
from appliance.errors import ConfigError, DataError
from appliance.transforms.base import REPLACE_NULL, PartTransform, Plan, RowBuilder, row_by_row


class SetSchemaMetadata(PartTransform):
    """Sets `schema.name` and `schema.version`."""

    purpose = "updating schema metadata"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "schema.name",
            ConfigType.STRING,
            None,
            importance=Importance.HIGH,
            doc="The new name of the schema.",
        )
        .define(
            "schema.version",
            ConfigType.INT,
            None,
            importance=Importance.HIGH,
            doc="The new version of the schema.",
        )
        .add(REPLACE_NULL)
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._changes = {
            attribute: parsed[f"schema.{attribute}"]
            for attribute in ("name", "version")
            if parsed[f"schema.{attribute}"] is not None
        }
        self._replace_null = parsed["replace.null.with.default"]
        if not self._changes:
            raise ConfigError("Neither schema name nor version configured")

    def _changed(self, schema: Schema | None) -> Schema:
        if schema is None:
            raise DataError(f"Schema required for [{self.purpose}]")
        return schema.replace(fields=schema.fields, **self._changes)

    def null(self, schema: Schema | None) -> tuple[Schema | None, Any]:
        """Give null under the changed schema."""
        return (None if schema is None else self._changed(schema)), None

    def plan(self, schema: Schema | None) -> Plan:
        """Give the changed schema; the rows are copied."""
        changed = self._changed(schema)
        if all(field.schema.default is None for field in changed.fields):
            return Plan(changed, lambda rows, _batch: rows)
        row = RowBuilder()
        for field in changed.fields:
            row.copy(field, replace_null=self._replace_null)
        return Plan(changed, row_by_row(row.build()))


class Key(SetSchemaMetadata):
    """SetSchemaMetadata on keys."""

    part = "key"


class Value(SetSchemaMetadata):
    """SetSchemaMetadata on values."""
