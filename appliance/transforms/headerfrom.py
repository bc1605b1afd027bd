"""HeaderFrom: copies or moves fields to headers.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.HeaderFrom.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.api import Batch
from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import NonEmptyList, OneOf
from appliance.data import Header, Schema
from appliance.data.struct import unwrap, wrap
from appliance.errors import ConfigError, DataError
from appliance.transforms.base import (
    REPLACE_NULL,
    PartTransform,
    Plan,
    RowBuilder,
    copied_basics,
    refused_null,
    required_map,
    required_struct,
    row_by_row,
    with_headers,
)


class HeaderFrom(PartTransform):
    """Fields and the headers they become are paired by their place in the two lists."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "fields",
            ConfigType.LIST,
            NO_DEFAULT,
            validator=NonEmptyList(),
            importance=Importance.HIGH,
            doc="Names of the fields, separated by commas.",
        )
        .define(
            "headers",
            ConfigType.LIST,
            NO_DEFAULT,
            validator=NonEmptyList(),
            importance=Importance.HIGH,
            doc="Names of the headers, as many as fields and in their order.",
        )
        .define(
            "operation",
            ConfigType.STRING,
            NO_DEFAULT,
            validator=OneOf(("move", "copy")),
            importance=Importance.HIGH,
            doc="`copy` leaves the fields in place, `move` drops them.",
        )
        .add(REPLACE_NULL)
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._fields, self._headers = parsed["fields"], parsed["headers"]
        if len(self._fields) != len(self._headers):
            raise ConfigError(
                "'fields' config must have the same number of elements as 'headers' config."
            )
        self._moves = parsed["operation"] == "move"
        self._purpose = f"header {parsed['operation']}"
        self._replace_null = parsed["replace.null.with.default"]

    def null(self, schema: Schema | None) -> tuple[Schema | None, Any]:
        """Refuse null."""
        raise refused_null(schema, self._purpose)

    def replaced(self, batch: Batch, rows: list[Any], schema: Schema | None) -> Batch:
        """Give the batch with the headers; without the fields when they are moved."""
        before = (batch.keys or []) if self.part == "key" else batch.values
        was = batch.key_schema if self.part == "key" else batch.value_schema
        headers = self._block_of(was)
        found = with_headers(batch, [headers(row) for row in before])
        return super().replaced(found, rows, schema) if self._moves else found

    def _block_of(self, schema: Schema | None) -> Any:
        pairs = list(zip(self._fields, self._headers, strict=True))
        if schema is None:
            return lambda row: tuple([Header(h, None, row.get(f)) for f, h in pairs])
        places = []
        for name, header in pairs:
            field = schema.field(name)
            if field is None:
                raise DataError(f"A field to become a header does not exist: {name}")
            places.append((field, header))
        replace = self._replace_null

        def block(row: Any) -> tuple[Header, ...]:
            found = []
            for field, header in places:
                value = row[field.index]
                if value is None and replace:
                    value = unwrap(field.schema.default)
                if value is None and not field.schema.optional:
                    raise DataError(
                        f"A null value requires an optional schema but was {field.schema}"
                    )
                found.append(Header(header, field.schema, wrap(field.schema, value)))
            return tuple(found)

        return block

    def plan(self, schema: Schema | None) -> Plan:
        """Compile the dropping of moved fields."""
        if schema is None:
            return Plan(None, row_by_row(self._schemaless))
        refusing = required_struct(schema, self._purpose)
        if refusing is not None:
            return refusing
        if not self._moves:
            return Plan(schema, lambda rows, _batch: rows)
        builder, row = copied_basics(schema), RowBuilder()
        for field in schema.fields:
            if field.name not in self._fields:
                builder.field(field.name, field.schema)
                row.copy(field, replace_null=self._replace_null)
        return Plan(builder.build(), row_by_row(row.build()))

    def _schemaless(self, value: Any) -> Any:
        members = required_map(value, self._purpose)
        if not self._moves:
            return members
        return {k: v for k, v in members.items() if k not in self._fields}


class Key(HeaderFrom):
    """HeaderFrom on keys."""

    part = "key"


class Value(HeaderFrom):
    """HeaderFrom on values."""
