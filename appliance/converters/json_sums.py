"""Reading JSON under schemas with alternatives: the first that fits is the one that was written.

Semantics: Confluent JsonSchemaData for oneOf and anyOf. Not on the fast path: such documents are read
exactly, value by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.api import NULL, Run
from appliance.converters.json_coerce import Coercion
from appliance.converters.json_parser import MISSING, parse
from appliance.data import Schema, Type
from appliance.errors import DataError, SerializationError
from appliance.schemaregistry.jsonschemadata import ONE_OF

_INTEGERS = (Type.INT8, Type.INT16, Type.INT32, Type.INT64)


class SumDecoder:
    """Decodes payloads of one schema."""

    def __init__(self, schema: Schema) -> None:
        """Take the schema; structs named OneOf stand for alternatives."""
        self._schema = schema
        self._coercion = Coercion(replace_null_with_default=True)

    def decode(self, payloads: Sequence[bytes | None]) -> list[Run]:
        """Decode in order. Raises DataError."""
        return [Run(self._schema, [None if p is None else self._row(p) for p in payloads])]

    def _row(self, payload: bytes) -> Any:
        try:
            found = parse(payload)
            row = self._value(self._schema, None if found is MISSING else found)
        except (SerializationError, RecursionError) as error:
            raise DataError(f"A payload is not the JSON of its schema: {error}") from error
        return NULL if row is None else row

    def _value(self, schema: Schema, json: Any) -> Any:
        if json is None:
            return self._coercion.row(schema, None)
        if schema.name == ONE_OF:
            return self._alternative(schema, json)
        if schema.type is Type.STRUCT:
            if not isinstance(json, dict):
                raise DataError("Structs should be encoded as JSON objects")
            return tuple([self._value(f.schema, json.get(f.name)) for f in schema.fields])
        if schema.type is Type.ARRAY and schema.value_schema is not None:
            if not isinstance(json, list):
                raise DataError("Arrays should be encoded as JSON arrays")
            return [self._value(schema.value_schema, item) for item in json]
        if schema.type is Type.MAP and schema.value_schema is not None and isinstance(json, dict):
            return {key: self._value(schema.value_schema, item) for key, item in json.items()}
        return self._coercion.row(schema, json)

    def _alternative(self, schema: Schema, json: Any) -> tuple[Any, ...]:
        for field in schema.fields:
            if _fits(field.schema, json):
                row: list[Any] = [None] * len(schema.fields)
                row[field.index] = self._value(field.schema, json)
                return tuple(row)
        raise DataError("A value fits none of the alternatives of its schema")


def _fits(schema: Schema, json: Any) -> bool:
    if schema.name == ONE_OF:
        return any(_fits(field.schema, json) for field in schema.fields)
    if schema.type is Type.STRUCT:
        return isinstance(json, dict) and all(
            _fits(f.schema, json[f.name]) if json.get(f.name) is not None else f.schema.optional
            for f in schema.fields
        )
    if schema.type is Type.MAP:
        return isinstance(json, dict)
    if schema.type is Type.ARRAY:
        item = schema.value_schema
        return isinstance(json, list) and (item is None or all(_fits(item, one) for one in json))
    if schema.type is Type.BOOLEAN:
        return isinstance(json, bool)
    if schema.type in (Type.STRING, Type.BYTES):
        return isinstance(json, str)
    if isinstance(json, (bool, str, list, dict)):
        return False
    return schema.type not in _INTEGERS or isinstance(json, int)
