"""Between Connect schemas and JSON Schema.

Semantics: Confluent JsonSchemaData. Read are objects, arrays, scalars, nullable types (`oneOf` or `anyOf`
with null, a list of types) and references inside the document; other combinations and schemas that
contain themselves are refused. Raises DataError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appliance.data.logical import DECIMAL_NAME
from appliance.data.schema import Field, Schema, Type
from appliance.errors import DataError

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
_NUMBERS: Final = {
    "int8": Type.INT8,
    "int16": Type.INT16,
    "int32": Type.INT32,
    "int64": Type.INT64,
    "float32": Type.FLOAT32,
    "float64": Type.FLOAT64,
    "bytes": Type.BYTES,
}


def json_schema(
    schema: Schema, *, numeric: bool = False, open_objects: bool = True, require: bool = False
) -> dict[str, Any]:
    """Give the JSON Schema of a Connect schema; `require` lists what is not optional."""

    def of(inner: Schema | None, index: int | None = None) -> dict[str, Any]:
        if inner is None:
            raise DataError("writing a JSON Schema: the schema of keys or elements is not known")
        made = single(inner)
        if inner.optional:
            made = {"oneOf": [{"type": "null"}, made]}
        if index is not None:
            made["connect.index"] = index
        return made

    def single(inner: Schema) -> dict[str, Any]:
        if inner.type is Type.STRUCT:
            made: dict[str, Any] = {
                "type": "object",
                "properties": {f.name: of(f.schema, f.index) for f in inner.fields},
            }
            if require:
                made["required"] = [f.name for f in inner.fields if not f.schema.optional]
            if not open_objects:
                made["additionalProperties"] = False
        elif inner.type is Type.ARRAY:
            made = {"type": "array", "items": of(inner.value_schema)}
        elif inner.type is Type.MAP:
            if inner.key_schema is None or inner.key_schema.type is not Type.STRING:
                raise DataError(
                    f"{inner} cannot be written with a JSON Schema: keys must be STRING"
                )
            values = of(inner.value_schema)
            made = {"type": "object", "connect.type": "map", "additionalProperties": values}
        else:
            kind, connect = _WRITTEN[inner.type]
            decimal_number = numeric and inner.name == DECIMAL_NAME
            made = {"type": "number" if decimal_number else kind}
            if connect:
                made["connect.type"] = connect
        return made | _properties(inner)

    return of(schema)


def _properties(schema: Schema) -> dict[str, Any]:
    found = {
        "title": schema.name,
        "description": schema.doc,
        "connect.version": schema.version,
        "connect.parameters": schema.parameters,
    }
    if schema.type.is_primitive and schema.type is not Type.BYTES:
        found["default"] = schema.default
    return {key: value for key, value in found.items() if value is not None}


ONE_OF: Final = "io.confluent.connect.json.OneOf"
ENUM: Final = "io.confluent.connect.json.Enum"


def _is_null(one: Any) -> bool:
    return isinstance(one, Mapping) and one.get("type") == "null"


class JsonSchemaReader:
    """Makes Connect schemas of the types of one JSON Schema document."""

    def __init__(self, document: Mapping[str, Any], *, optional_unless_required: bool) -> None:
        """Read `document`; properties that are not required may be made optional."""
        self._document = document
        self._unless_required = optional_unless_required
        self._open: list[str] = []
        self.has_alternatives = False

    def schema(self) -> Schema:
        """Give the schema of the whole document. Raises DataError."""
        try:
            return self._of(self._document)
        except RecursionError as error:
            raise DataError(
                "Reading a JSON Schema: it refers to itself or is nested too deeply"
            ) from error

    def _of(self, found: Any) -> Schema:
        if not isinstance(found, Mapping):
            raise DataError(f"Reading a JSON Schema: {found!r} gives no type")
        if "$ref" in found:
            return self._referred(str(found["$ref"]))
        if isinstance(found.get("allOf"), list):
            return self._of(self._merged(found))
        for word in ("oneOf", "anyOf"):
            if isinstance(found.get(word), list):
                return self._one_of(found[word])
        kind = found.get("type")
        if isinstance(kind, list):
            return self._one_of([{**found, "type": one} for one in kind])
        return self._annotated(self._single(kind, found), found)

    def _one_of(self, branches: list[Any]) -> Schema:
        """Give the schema of alternatives: the only one, or a struct with a field for each."""
        others = [one for one in branches if not _is_null(one)]
        nullable = len(others) < len(branches)
        if not others:
            raise DataError("Reading a JSON Schema: a value that is always null has no type")
        if len(others) == 1:
            return self._of(others[0]).replace(optional=nullable)
        self.has_alternatives = True
        fields = [
            Field(f"{ONE_OF}.field.{index}", index, self._of(one).replace(optional=True))
            for index, one in enumerate(others)
        ]
        return Schema(Type.STRUCT, name=ONE_OF, optional=nullable, fields=tuple(fields))

    def _merged(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Give one schema for all that a value must fit; properties and required add up."""
        merged: dict[str, Any] = {name: value for name, value in found.items() if name != "allOf"}
        for one in found["allOf"]:
            part = (
                self._target(str(one["$ref"])) if isinstance(one, dict) and "$ref" in one else one
            )
            if not isinstance(part, dict):
                raise DataError(f"Reading a JSON Schema: {part!r} gives no type")
            part = self._merged(part) if "allOf" in part else part
            properties = {**(merged.get("properties") or {}), **(part.get("properties") or {})}
            required = [*(merged.get("required") or ()), *(part.get("required") or ())]
            merged = {**part, **merged}
            if properties:
                merged["properties"] = properties
            if required:
                merged["required"] = required
        return merged

    def _target(self, path: str) -> Any:
        if not path.startswith("#"):
            raise DataError(f"Reading a JSON Schema: the reference {path} is not inside it")
        target: Any = self._document
        for part in path[1:].split("/")[1:]:
            target = target.get(part) if isinstance(target, Mapping) else None
        return target

    def _referred(self, path: str) -> Schema:
        if path in self._open or not path.startswith("#"):
            raise DataError(
                f"Reading a JSON Schema: the reference {path} is not inside or recursive"
            )
        self._open.append(path)
        made = self._of(self._target(path))
        self._open.pop()
        return made

    def _single(self, kind: Any, found: Mapping[str, Any]) -> Schema:
        connect = found.get("connect.type")
        if kind == "object" and connect == "map":
            values = self._of(found.get("additionalProperties"))
            return Schema(Type.MAP, key_schema=Schema(Type.STRING), value_schema=values)
        if kind == "object" or (kind is None and "properties" in found):
            return self._struct(found)
        if kind == "array":
            return Schema(Type.ARRAY, value_schema=self._of(found.get("items")))
        if kind in ("integer", "number"):
            plain = Type.INT64 if kind == "integer" else Type.FLOAT64
            return Schema(_NUMBERS.get(str(connect), plain))
        if kind == "boolean":
            return Schema(Type.BOOLEAN)
        if isinstance(found.get("enum"), list) and kind in (None, "string"):
            symbols = [str(symbol) for symbol in found["enum"] if symbol is not None]
            parameters = {ENUM: "", **{f"{ENUM}.{symbol}": symbol for symbol in symbols}}
            return Schema(Type.STRING, parameters=parameters)
        if kind == "string":
            return Schema(Type.BYTES if connect == "bytes" else Type.STRING)
        raise DataError(f"Reading a JSON Schema: type {kind} is not supported")

    def _struct(self, found: Mapping[str, Any]) -> Schema:
        required = found.get("required") or ()
        properties = sorted(
            (found.get("properties") or {}).items(),
            key=lambda item: item[1].get("connect.index", 1 << 31),
        )
        fields = []
        for index, (name, inner) in enumerate(properties):
            schema = self._of(inner)
            if self._unless_required and name not in required:
                schema = schema.replace(optional=True)
            fields.append(Field(name, index, schema))
        return Schema(Type.STRUCT, fields=tuple(fields))

    def _annotated(self, schema: Schema, found: Mapping[str, Any]) -> Schema:
        changes = {
            "name": found.get("title"),
            "doc": found.get("description"),
            "version": found.get("connect.version"),
            "parameters": {**(schema.parameters or {}), **(found.get("connect.parameters") or {})},
        }
        if schema.type.is_primitive and schema.type is not Type.BYTES:
            changes["default"] = found.get("default")
        return schema.replace(**changes)
