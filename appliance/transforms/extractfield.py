"""ExtractField: puts one field in the place of the whole key or value.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.ExtractField.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.api import NULL
from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import OneOf
from appliance.data import Field, Schema
from appliance.data.struct import unwrap
from appliance.errors import ConfigError
from appliance.transforms.base import (
    REPLACE_NULL,
    PartTransform,
    Plan,
    required_map,
    required_struct,
    row_by_row,
)
from appliance.transforms.fieldpath import field_of, member_of, parse_path


class ExtractField(PartTransform):
    """The value of `field`, with its schema."""

    purpose = "field extraction"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "field",
            ConfigType.STRING,
            NO_DEFAULT,
            importance=Importance.MEDIUM,
            doc="Name of the field, or with `field.syntax.version=V2` the path to it.",
        )
        .add(REPLACE_NULL)
        .define(
            "field.syntax.version",
            ConfigType.STRING,
            "V1",
            validator=OneOf(("V1", "V2"), ignore_case=True),
            importance=Importance.HIGH,
            doc="`V1` takes `field` as one name. `V2` takes it as a path: names between dots, in "
            "backticks where a name itself has a dot.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        if parsed["field"] is None:
            raise ConfigError.invalid("field", None, "Value must be non-null")
        self._path: str = parsed["field"]
        self._nested = parsed["field.syntax.version"].upper() == "V2"
        self._names = parse_path(self._path, nested=self._nested)
        self._replace_null = parsed["replace.null.with.default"]

    def _check_path(self) -> None:
        if self._nested and not self._path:
            raise ValueError("fromIndex(0) > toIndex(-1)")

    def _field(self, schema: Schema) -> tuple[list[int], Field]:
        self._check_path()
        found = field_of(schema, self._names)
        if found is None:
            raise ValueError(f"Unknown field: {self._path}")
        return found

    def null(self, schema: Schema | None) -> tuple[Schema | None, Any]:
        """Give null under the schema of the field."""
        if schema is None:
            return None, None
        return self._field(schema)[1].schema, None

    def plan(self, schema: Schema | None) -> Plan:
        """Compile the way to the field."""
        if schema is None:
            return Plan(None, row_by_row(self._schemaless))
        refusing = required_struct(schema, self.purpose)
        if refusing is not None:
            return refusing
        places, field = self._field(schema)
        default = unwrap(field.schema.default) if self._replace_null else None

        def extract(row: Any) -> Any:
            for place in places[:-1]:
                row = row[place]
                if row is None:
                    return None
            found = row[places[-1]]
            return default if found is None else found

        return Plan(field.schema, row_by_row(_null_kept(extract)))

    def _schemaless(self, value: Any) -> Any:
        members = required_map(value, self.purpose)
        self._check_path()
        return member_of(members, self._names)


def _null_kept(extract: Any) -> Any:
    def convert(row: Any) -> Any:
        found = extract(row)
        return NULL if found is None else found

    return convert


class Key(ExtractField):
    """ExtractField on keys."""

    part = "key"


class Value(ExtractField):
    """ExtractField on values."""
