"""JSON text as a struct with a schema made from it, for the payloads of an outbox.

Semantics: Debezium 3.6.1 io.debezium.transforms.outbox.JsonSchemaData. Schemas and values are made apart,
as there: a document may get a schema and still stay text.
"""

from __future__ import annotations

import decimal
from typing import Any

from appliance.converters.json_parser import MISSING, parse
from appliance.data import Schema, SchemaBuilder, Struct, Type
from appliance.errors import ConnectError


class _Mixed(Exception):
    """An array whose elements have no schema in common."""


def expanded(text: str, *, nulls_as_bytes: bool) -> tuple[Schema, Any] | None:
    """Give schema and value of a JSON object or array, None when the text stays what it is."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        json = parse(text.encode("utf-8", "surrogatepass"))
        if json is MISSING:
            return None
        schema = _schema(json, "payload", nulls_as_bytes=nulls_as_bytes)
    except (ConnectError, _Mixed):
        return None
    if schema is None:
        return None
    if isinstance(json, list) or _too_large(json):
        return schema, text
    return schema, _value(json, schema)


def _too_large(json: Any) -> bool:
    if isinstance(json, dict):
        return any(map(_too_large, json.values()))
    if isinstance(json, list):
        return any(map(_too_large, json))
    return type(json) is int and not -(2**63) <= json < 2**63


def _schema(json: Any, name: str, *, nulls_as_bytes: bool) -> Schema | None:
    if json is None:
        return Schema(Type.BYTES, optional=True) if nulls_as_bytes else None
    if isinstance(json, bool):
        return Schema(Type.BOOLEAN, optional=True)
    if isinstance(json, str):
        return Schema(Type.STRING, optional=True)
    if isinstance(json, decimal.Decimal):
        return Schema(Type.FLOAT64, optional=True)
    if isinstance(json, int):
        kind = Type.INT32 if -(2**31) <= json < 2**31 else Type.INT64
        return Schema(kind, optional=True)
    if isinstance(json, list):
        return _array_schema(json, name, nulls_as_bytes=nulls_as_bytes)
    return _struct_schema([json], name, nulls_as_bytes=nulls_as_bytes).replace(optional=True)


def _struct_schema(objects: list[dict[str, Any]], name: str, *, nulls_as_bytes: bool) -> Schema:
    builder = SchemaBuilder.struct().name(name)
    members: dict[str, Schema] = {}
    for json in objects:
        for key, value in json.items():
            found = _schema(value, f"{name}.{key}", nulls_as_bytes=nulls_as_bytes)
            if found is None:
                continue
            known = members.setdefault(key, found)
            if known.type is not found.type:
                raise _Mixed
    for key, schema in members.items():
        builder.field(key, schema)
    return builder.build()


def _array_schema(json: list[Any], name: str, *, nulls_as_bytes: bool) -> Schema | None:
    if not json:
        return None
    live = [item for item in json if item is not None]
    if not live:
        raise _Mixed
    if all(isinstance(item, dict) for item in live):
        items: Schema | None = _struct_schema(live, name, nulls_as_bytes=nulls_as_bytes)
    else:
        found = [_schema(item, name, nulls_as_bytes=nulls_as_bytes) for item in live]
        items = found[0]
        if items is None or any(one is None or one.type is not items.type for one in found):
            raise _Mixed
    return SchemaBuilder.array(items).optional().build()


def _value(json: Any, schema: Schema) -> Any:
    if json is None:
        return None
    if schema.type is Type.STRUCT:
        struct = Struct(schema)
        for field in schema.fields:
            if json.get(field.name) is not None:
                struct.put_unchecked(field, _value(json[field.name], field.schema))
        return struct
    if schema.type is Type.ARRAY and schema.value_schema is not None:
        items = schema.value_schema
        return [_value(item, items) for item in json]
    return float(json) if schema.type is Type.FLOAT64 else json
