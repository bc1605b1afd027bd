"""ReplaceField: keeps, drops and renames fields.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.ReplaceField.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.config import ConfigDef, ConfigType, Importance
from appliance.config.validators import Check, UniqueList
from appliance.data import Field, Schema
from appliance.data.struct import validate_value, wrap
from appliance.errors import ConfigError, DataError
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

_LOG = logging.getLogger("org.apache.kafka.connect.transforms.ReplaceField")


def parse_renames(mappings: list[str]) -> dict[str, str]:
    """Read `old:new` pairs. Raises ConfigError.

    Blanks around a new name are dropped: `datahora: ingest_time` gives `ingest_time`, where the Java
    class gives a field whose name begins with a blank. Old names are taken as they stand, as there.
    """
    renames: dict[str, str] = {}
    for mapping in mappings:
        parts = mapping.split(":")
        if len(parts) != 2 or not parts[1].strip():
            raise ConfigError.invalid(
                "renames", f"[{', '.join(mappings)}]", f"Invalid rename mapping: {mapping}"
            )
        renames[parts[0]] = parts[1].strip()
    return renames


def _check_renames(_name: str, value: Any) -> None:
    parse_renames(value)


class ReplaceField(PartTransform):
    """The fields of `include` (default: all) but for those of `exclude`, renamed by `renames`."""

    purpose = "field replacement"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "exclude",
            ConfigType.LIST,
            [],
            validator=UniqueList(empty_allowed=True),
            importance=Importance.MEDIUM,
            doc="Names of fields to drop; wins over `include`.",
        )
        .define(
            "include",
            ConfigType.LIST,
            [],
            validator=UniqueList(empty_allowed=True),
            importance=Importance.MEDIUM,
            doc="Names of fields to keep; all others are dropped. Empty keeps all.",
        )
        .define(
            "renames",
            ConfigType.LIST,
            [],
            validator=Check(
                _check_renames,
                "list of colon-delimited pairs, e.g. <code>foo:bar,abc:xyz</code>",
            ),
            importance=Importance.MEDIUM,
            doc="New names as `old:new`, separated by commas. Other fields keep theirs.",
        )
        .add(REPLACE_NULL)
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._exclude = frozenset(parsed["exclude"])
        self._include = frozenset(parsed["include"])
        self._renames = parse_renames(parsed["renames"])
        self._sources = {new: old for old, new in self._renames.items()}
        self._replace_null = parsed["replace.null.with.default"]
        for old in ("whitelist", "blacklist"):
            if old in config:
                _LOG.warning("An option of ReplaceField has no effect since Kafka 4.0: %s", old)

    def _keeps(self, name: str) -> bool:
        return name not in self._exclude and (not self._include or name in self._include)

    def plan(self, schema: Schema | None) -> Plan:
        """Compile the selection of fields."""
        if schema is None:
            return Plan(None, row_by_row(self._schemaless))
        refusing = required_struct(schema, self.purpose)
        if refusing is not None:
            return refusing
        builder, row = copied_basics(schema), RowBuilder()
        for field in schema.fields:
            if self._keeps(field.name):
                name = self._renames.get(field.name, field.name)
                builder.field(name, field.schema)
                self._take(row, schema, field, name)
        return Plan(builder.build(), row_by_row(row.build()))

    def _take(self, row: RowBuilder, schema: Schema, field: Field, name: str) -> None:
        """Append the value of the field `name`; the peer looks it up under the name renamed to it."""
        old = self._sources.get(name, name)
        if old == field.name:
            row.copy(field, replace_null=self._replace_null, name=name)
            return
        source = schema.field(old)
        if source is None:
            raise DataError(f"{old} is not a valid field name")

        def checked(value: Any) -> Any:
            validate_value(f'field: "{name}"', field.schema, wrap(source.schema, value))
            return value

        row.convert(source, checked, replace_null=self._replace_null)

    def _schemaless(self, value: Any) -> dict[Any, Any]:
        members = required_map(value, self.purpose)
        renames = self._renames
        return {renames.get(k, k): v for k, v in members.items() if self._keeps(k)}


class Key(ReplaceField):
    """ReplaceField on keys."""

    part = "key"


class Value(ReplaceField):
    """ReplaceField on values."""
