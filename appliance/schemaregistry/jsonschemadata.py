"""From Connect schemas to JSON Schema, and the forms that JSON gives to alternatives and enums.

Semantics: Confluent JsonSchemaData.fromConnectSchema. A struct inside itself is a `$ref` to the place where
it is described. Raises DataError.
"""

from __future__ import annotations

import base64
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from appliance.data.logical import DATE_NAME, DECIMAL_NAME, MILLIS_PER_DAY, decimal_scale
from appliance.data.recursive import BackReference, back_references, node_of
from appliance.data.schema import Field, Schema, Type
from appliance.errors import DataError
from appliance.schemaregistry.avrodata import GENERAL_ENUM, GENERAL_UNION, unscaled_bytes
from appliance.schemaregistry.variant import VARIANT, VARIANT_SCHEMA

NAMESPACE: Final = "io.confluent.connect.json"
ONE_OF: Final = f"{NAMESPACE}.OneOf"
ENUM: Final = f"{NAMESPACE}.Enum"
NULL_SYMBOL: Final = "<NULL>"
EXTRAS: Final = "__connect_additional_properties__"
EXTRAS_SCHEMA: Final = Schema(
    Type.MAP, key_schema=Schema(Type.STRING), value_schema=VARIANT_SCHEMA, optional=True
)
"""The field of members that a schema does not name."""
_WRITTEN: Final = {
    Type.INT8: ("integer", "int8"),
    Type.INT16: ("integer", "int16"),
    Type.INT32: ("integer", "int32"),
    Type.INT64: ("integer", "int64"),
    Type.FLOAT32: ("number", "float32"),
    Type.FLOAT64: ("number", "float64"),
    Type.BOOLEAN: ("boolean", None),
    Type.STRING: ("string", None),
    Type.BYTES: ("string", "bytes"),
}


class JsonWriting(NamedTuple):
    """What the converter's options say about writing; `require` lists what is not optional."""

    numeric: bool = False
    open_objects: bool = True
    require: bool = False
    keep_additional: bool = False


def is_sum(schema: Schema) -> bool:
    """Whether a struct stands for alternatives."""
    return schema.type is Type.STRUCT and (
        schema.name == ONE_OF or GENERAL_UNION in (schema.parameters or {})
    )


def is_object_map(schema: Schema) -> bool:
    """Whether a map is an object in JSON; others are lists of keys and values."""
    key = schema.key_schema
    return key is not None and key.type is Type.STRING and not key.optional


def is_extras(field: Field) -> bool:
    """Whether a field holds the members that the schema does not name."""
    schema = field.schema
    return (
        field.name == EXTRAS
        and schema.type is Type.MAP
        and is_object_map(schema)
        and schema.value_schema is not None
        and schema.value_schema.name == VARIANT
    )


def json_schema(schema: Schema, options: JsonWriting | None = None) -> dict[str, Any]:
    """Give the JSON Schema of a Connect schema. Raises DataError."""
    return _Writer(schema, options or JsonWriting()).of(schema, "#")


class _Writer:
    """Describes schemas; `path` is the place of a description in the document."""

    def __init__(self, schema: Schema, options: JsonWriting) -> None:
        self._options = options
        self._nodes = back_references(schema)
        self._places: dict[int, str] = {}

    def of(self, schema: Schema | None, path: str, index: int | None = None) -> dict[str, Any]:
        if schema is None:
            raise DataError("writing a JSON Schema: the schema of keys or elements is not known")
        if is_sum(schema) or not schema.optional or schema.name == VARIANT:
            made = self._required(schema, path)
        else:
            inner = self._required(schema, f"{path}/oneOf/1")
            made = {"oneOf": [{"type": "null"}, inner]}
        return made if index is None else {**made, "connect.index": index}

    def _required(self, schema: Schema, path: str) -> dict[str, Any]:
        if schema.type is not Type.STRUCT:
            return self._other(schema, path) | self._properties(schema)
        if schema.name == VARIANT:
            return self._properties(schema)
        node = node_of(schema)
        if node in self._nodes:
            if isinstance(schema, BackReference) and node in self._places:
                return {"$ref": self._places[node]}
            self._places[node] = path
        if is_sum(schema):
            return self._sum(schema, path)
        return self._object(schema, path) | self._properties(schema)

    def _sum(self, schema: Schema, path: str) -> dict[str, Any]:
        branches: list[dict[str, Any]] = [{"type": "null"}] if schema.optional else []
        for field in schema.fields:
            place = f"{path}/oneOf/{len(branches)}"
            branches.append(self.of(field.schema.replace(optional=False), place, field.index))
        return {"oneOf": branches}

    def _object(self, schema: Schema, path: str) -> dict[str, Any]:
        fields = [
            field
            for field in schema.fields
            if not (self._options.keep_additional and is_extras(field))
        ]
        made: dict[str, Any] = {
            "type": "object",
            "properties": {
                field.name: self.of(
                    field.schema, f"{path}/properties/{_step(field.name)}", field.index
                )
                for field in fields
            },
        }
        if self._options.require:
            made["required"] = [field.name for field in fields if not field.schema.optional]
        if not self._options.open_objects:
            made["additionalProperties"] = False
        return made

    def _other(self, schema: Schema, path: str) -> dict[str, Any]:
        if schema.type is Type.ARRAY:
            return {"type": "array", "items": self.of(schema.value_schema, f"{path}/items")}
        if schema.type is Type.MAP:
            return self._map(schema, path)
        symbols = enum_symbols(schema)
        if symbols is not None:
            return {"enum": symbols}
        kind, connect = _WRITTEN[schema.type]
        if self._options.numeric and schema.name == DECIMAL_NAME:
            kind = "number"
        return {"type": kind, "connect.type": connect} if connect else {"type": kind}

    def _map(self, schema: Schema, path: str) -> dict[str, Any]:
        if is_object_map(schema):
            values = self.of(schema.value_schema, f"{path}/additionalProperties")
            return {"type": "object", "connect.type": "map", "additionalProperties": values}
        place = f"{path}/items/properties"
        members = {
            "key": self.of(schema.key_schema, f"{place}/key", 0),
            "value": self.of(schema.value_schema, f"{place}/value", 1),
        }
        entry = {"type": "object", "properties": members}
        return {"type": "array", "connect.type": "map", "items": entry}

    def _properties(self, schema: Schema) -> dict[str, Any]:
        parameters = {
            name: value
            for name, value in (schema.parameters or {}).items()
            if not name.startswith(NAMESPACE)
        }
        found = {
            "title": schema.name,
            "description": schema.doc,
            "connect.version": schema.version,
            "connect.parameters": parameters or None,
            "default": _default(schema, schema.default, numeric=self._options.numeric),
        }
        return {key: value for key, value in found.items() if value is not None}


def enum_symbols(schema: Schema) -> list[str | None] | None:
    """Give the symbols of a text that stands for an enum, null among them; None for others."""
    parameters = schema.parameters or {}
    for word in (GENERAL_ENUM, ENUM):
        if schema.type is Type.STRING and word in parameters:
            names = [name[len(word) + 1 :] for name in parameters if name.startswith(f"{word}.")]
            return [None if name == NULL_SYMBOL else name for name in names]
    return None


def _step(name: str) -> str:
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


def _default(schema: Schema, value: Any, *, numeric: bool) -> Any:
    """Give a default in JSON's form; those of maps and structs are left out."""
    if value is None or schema.type in (Type.MAP, Type.STRUCT):
        return None
    if schema.name == DATE_NAME:
        return int(value) // MILLIS_PER_DAY
    if schema.name == DECIMAL_NAME:
        if numeric:
            return float(value)
        return base64.b64encode(unscaled_bytes(value, decimal_scale(schema))).decode()
    if schema.type is Type.BYTES:
        return base64.b64encode(value).decode()
    if schema.type is Type.ARRAY and schema.value_schema is not None:
        return [_default(schema.value_schema, item, numeric=numeric) for item in value]
    return value
