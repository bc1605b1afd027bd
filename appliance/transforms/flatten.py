"""Flatten: fields of nested structs and maps become fields of the outermost one.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.Flatten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from appliance.config import ConfigDef, ConfigType, Importance
from appliance.data import Schema, SchemaBuilder, Struct, Type
from appliance.data.infer import type_of
from appliance.data.recursive import refuse_recursion
from appliance.data.struct import java_class_name, unwrap
from appliance.errors import DataError
from appliance.transforms.base import (
    PartTransform,
    Plan,
    copied_basics,
    required_map,
    required_struct,
    row_by_row,
)


class Flatten(PartTransform):
    """Joins names with `delimiter`."""

    purpose = "flattening"
    config_def: ClassVar[ConfigDef] = ConfigDef().define(
        "delimiter",
        ConfigType.STRING,
        ".",
        importance=Importance.MEDIUM,
        doc="Stands between the names of the outer and the inner field.",
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        delimiter = self.config_def.parse(config)["delimiter"]
        self._delimiter = "null" if delimiter is None else delimiter

    def _name(self, prefix: str, name: str) -> str:
        return f"{prefix}{self._delimiter}{name}" if prefix else name

    def plan(self, schema: Schema | None) -> Plan:
        """Compile the ways to all inner fields."""
        if schema is None:
            return Plan(None, row_by_row(self._schemaless))
        refusing = required_struct(schema, self.purpose)
        if refusing is not None:
            return refusing
        builder = copied_basics(schema)
        getters: list[Callable[[Any], Any]] = []
        default = schema.default if isinstance(schema.default, Struct) else None
        self._add_fields(builder, getters, schema, ("", (), schema.optional, default))
        return Plan(builder.build(), row_by_row(lambda row: tuple([get(row) for get in getters])))

    def _add_fields(
        self,
        builder: SchemaBuilder,
        getters: list[Callable[[Any], Any]],
        schema: Schema,
        outer: tuple[str, tuple[int, ...], bool, Struct | None],
    ) -> None:
        """Append the fields of one struct; `outer` is its name, place, optionality and default."""
        prefix, places, outer_optional, outer_default = outer
        for field in schema.fields:
            name = self._name(prefix, field.name)
            optional = outer_optional or field.schema.optional
            default = field.schema.default
            if default is None and outer_default is not None:
                default = outer_default.get(field.name)
            way = (*places, field.index)
            if field.schema.type is Type.STRUCT:
                refuse_recursion(field.schema, f"it cannot be flattened (for field {field.name})")
                self._add_fields(builder, getters, field.schema, (name, way, optional, default))
                continue
            if field.schema.type is Type.MAP:
                raise DataError(
                    "Flatten transformation does not support MAP for record with schemas "
                    f"(for field {name})."
                )
            flat = copied_basics(field.schema)
            if optional:
                flat.optional()
            if default is not None:
                flat.default(default)
            builder.field(name, flat.build())
            getters.append(_getter(way, unwrap(field.schema.default)))

    def _schemaless(self, value: Any) -> dict[Any, Any]:
        flat: dict[Any, Any] = {}
        self._add_members(flat, required_map(value, self.purpose), "")
        return flat

    def _add_members(self, flat: dict[Any, Any], members: Mapping[Any, Any], prefix: str) -> None:
        for key, value in members.items():
            if not isinstance(key, str):
                raise DataError(f"Keys of maps must be text to be flattened: {key}")
            name = self._name(prefix, key)
            if isinstance(value, dict):
                self._add_members(flat, value, name)
                continue
            if isinstance(value, Struct):
                raise DataError(
                    f"Flatten transformation does not support {java_class_name(value)} "
                    f"for record without schemas (for field {name})."
                )
            if value is not None and type_of(value) is None:
                raise DataError(
                    f"Flatten transformation was passed a value of type {java_class_name(value)} "
                    "which is not supported by Connect's data API"
                )
            flat[name] = value


def _getter(places: tuple[int, ...], default: Any) -> Callable[[Any], Any]:
    *way, last = places

    def get(row: Any) -> Any:
        for place in way:
            row = row[place]
            if row is None:
                return None
        found = row[last]
        return default if found is None else found

    return get


class Key(Flatten):
    """Flatten on keys."""

    part = "key"


class Value(Flatten):
    """Flatten on values."""
