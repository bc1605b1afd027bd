"""VectorToJsonConverter: vectors become their texts in JSON.

Semantics: Debezium 3.6.1 io.debezium.transforms.VectorToJsonConverter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from appliance.config import ConfigDef
from appliance.data import Schema, Type
from appliance.data.recursive import refuse_recursion
from appliance.data.struct import unwrap
from appliance.data.text import java_text
from appliance.errors import DataError
from appliance.transforms.base import (
    PartTransform,
    Plan,
    class_of,
    copied_basics,
    required_struct,
    row_by_row,
)

_VECTORS: Final = ("io.debezium.data.DoubleVector", "io.debezium.data.FloatVector")
_SPARSE: Final = "io.debezium.data.SparseDoubleVector"
_JSON: Final = Schema(Type.STRING, name="io.debezium.data.Json", version=1)
_PURPOSE: Final = "Value should be a struct"
Convert = Callable[[Any], Any]


class VectorToJsonConverter(PartTransform):
    """Writes the vectors of a value, at any depth of structs, as texts."""

    config_def: ClassVar[ConfigDef] = ConfigDef()

    def configure(self, config: Mapping[str, str]) -> None:
        """Take no options."""

    def plan(self, schema: Schema | None) -> Plan:
        """Give the plan; values that are no structs are refused."""
        if schema is None:
            return Plan(None, row_by_row(_refuse))
        refusing = required_struct(schema, _PURPOSE)
        if refusing is not None:
            return refusing
        found, convert = _converted(schema)
        return Plan(found, row_by_row(convert))


def _refuse(value: Any) -> Any:
    raise DataError(
        f"Only Struct objects supported for [{_PURPOSE}], found: {class_of(value, None)}"
    )


def _converted(schema: Schema) -> tuple[Schema, Convert]:
    builder = copied_basics(schema)
    parts: list[Convert] = []
    for field in schema.fields:
        own = field.schema
        if own.type is Type.STRUCT:
            refuse_recursion(own, "vectors inside cannot be changed")
        if own.name in _VECTORS or own.name == _SPARSE:
            builder.field(field.name, _JSON.replace(optional=own.optional))
            write = _sparse(own) if own.name == _SPARSE else _dense(own)
        elif own.type is Type.STRUCT:
            grown, write = _converted(own)
            builder.field(field.name, grown)
        else:
            builder.field(field.name, own)
            write = _same
        parts.append(_part(field.index, unwrap(own.default), write))
    return (
        builder.build().replace(optional=schema.optional),
        lambda row: tuple([part(row) for part in parts]),
    )


def _part(index: int, default: Any, write: Convert) -> Convert:
    def part(row: Any) -> Any:
        value = default if row[index] is None else row[index]
        return None if value is None else write(value)

    return part


def _same(value: Any) -> Any:
    return value


def _dense(schema: Schema) -> Convert:
    items = schema.value_schema

    def write(value: Any) -> str:
        return f'{{ "values": [{", ".join([java_text(item, items) for item in value])}] }}'

    return write


def _sparse(schema: Schema) -> Convert:
    dimensions, vector = schema.field("dimensions"), schema.field("vector")
    if dimensions is None or vector is None:
        raise DataError("A sparse vector needs the fields dimensions and vector")
    size, place, items = dimensions.index, vector.index, vector.schema.value_schema

    def write(row: Any) -> str:
        pairs = sorted(row[place].items())
        members = ", ".join([f'"{key}": {java_text(item, items)}' for key, item in pairs])
        return f'{{ "dimensions": {row[size]}, "vector": {{ {members} }} }}'

    return write
