"""Types and schemas told from schemaless values.

Semantics: Kafka Connect 4.3.1 ConnectSchema.schemaType and Values.inferSchema.
"""

from __future__ import annotations

from typing import Any, Final

from appliance.data.logical import Float32, Instant, Int8, Int16, Int32
from appliance.data.schema import Schema, SchemaBuilder, Type
from appliance.data.struct import Struct
from appliance.errors import SchemaBuilderError


def infer_schema(value: Any) -> Schema | None:
    """Give the schema that a schemaless value would have, None when it cannot be told."""
    if isinstance(value, Struct):
        return value.schema
    if isinstance(value, list):
        items = _detected(value)
        return None if items is None else SchemaBuilder.array(items).build()
    if isinstance(value, dict):
        keys, values = _detected(list(value)), _detected(list(value.values()))
        return None if keys is None or values is None else SchemaBuilder.map(keys, values).build()
    kind = type_of(value)
    return None if kind is None else Schema(kind)


def type_of(value: Any) -> Type | None:
    """Give the type that a schemaless value's class has, None when it has none."""
    for python, kind in _CLASSES:
        if isinstance(value, python):
            return kind
    return None


def _detected(values: list[Any]) -> Schema | None:
    found: Schema | None = None
    optional = False
    for value in values:
        if value is None:
            optional = True
            continue
        kind = type_of(value)
        if kind is None or (found is not None and found.type is not kind):
            return None
        inferred = infer_schema(value)
        if inferred is None:
            return None
        found = found or (inferred if kind is Type.STRUCT else Schema(kind))
    if found is None:
        if optional:
            raise SchemaBuilderError("type cannot be null")
        return None
    return found.replace(optional=optional)


_CLASSES: Final[tuple[tuple[type | tuple[type, ...], Type | None], ...]] = (
    (bool, Type.BOOLEAN),
    (Instant, None),
    (Int8, Type.INT8),
    (Int16, Type.INT16),
    (Int32, Type.INT32),
    (int, Type.INT64),
    (Float32, Type.FLOAT32),
    (float, Type.FLOAT64),
    (str, Type.STRING),
    ((bytes, bytearray, memoryview), Type.BYTES),
    (list, Type.ARRAY),
    (dict, Type.MAP),
    (Struct, Type.STRUCT),
)
