"""From JSON Schema to Connect schemas.

Semantics: Confluent JsonSchemaData.toConnectSchema. Alternatives become a struct with a field for each,
what may be anything a Variant, an object that contains itself a struct with back references. Raises
DataError.
"""

from __future__ import annotations

import base64
import decimal
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from appliance.data.logical import DATE_NAME, DECIMAL_NAME, MILLIS_PER_DAY, decimal_of_bytes
from appliance.data.recursive import Knot
from appliance.data.schema import Field, Schema, Type
from appliance.errors import DataError
from appliance.schemaregistry.avrodata import GENERAL_ENUM, GENERAL_UNION
from appliance.schemaregistry.jsonreferences import Documents
from appliance.schemaregistry.jsonschemadata import (
    ENUM,
    EXTRAS,
    EXTRAS_SCHEMA,
    NULL_SYMBOL,
    ONE_OF,
)
from appliance.schemaregistry.variant import VARIANT_SCHEMA

_NUMBERS: Final = {
    "int8": Type.INT8,
    "int16": Type.INT16,
    "int32": Type.INT32,
    "int64": Type.INT64,
    "float32": Type.FLOAT32,
    "float64": Type.FLOAT64,
    "bytes": Type.BYTES,
}
_WORDS: Final = {
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependencies",
    ),
    "array": ("items", "minItems", "maxItems", "uniqueItems", "contains", "additionalItems"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("pattern", "minLength", "maxLength", "format"),
}
"""What tells of a schema without a type which one is meant."""
_OF_ONE_TYPE: Final = frozenset(("connect.type", *(w for words in _WORDS.values() for w in words)))
_INTEGERS: Final = (Type.INT8, Type.INT16, Type.INT32, Type.INT64)
_FLOATS: Final = (Type.FLOAT32, Type.FLOAT64)


class JsonReading(NamedTuple):
    """What the converter's options say about reading."""

    optional_unless_required: bool = False
    generalized: bool = False
    flatten_singletons: bool = True
    keep_additional: bool = False


def read_json_schema(documents: Documents, options: JsonReading) -> Schema:
    """Give the Connect schema of a JSON Schema. Raises DataError."""
    try:
        return _Reader(documents, options).of(*documents.root)
    except RecursionError as error:
        raise DataError("Reading a JSON Schema: it is nested too deeply") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"Reading a JSON Schema: {error}") from error


def _is_null(one: Any) -> bool:
    return isinstance(one, Mapping) and one.get("type") == "null"


class _Reader:
    """Makes schemas; what is being made is open, and may be referred to from inside."""

    def __init__(self, documents: Documents, options: JsonReading) -> None:
        self._documents = documents
        self._options = options
        self._open: dict[int, Knot] = {}
        self._made: dict[int, Schema] = {}
        self._unions = 0

    def of(self, found: Any, base: str) -> Schema:
        if found is True:
            return VARIANT_SCHEMA
        if not isinstance(found, Mapping):
            raise DataError(f"Reading a JSON Schema: {found!r} gives no type")
        knot = self._open[id(found)] = Knot()
        try:
            return knot.tie(self._read(found, self._documents.base_of(found, base)))
        finally:
            del self._open[id(found)]

    def _read(self, found: Mapping[str, Any], base: str) -> Schema:
        reference = self._documents.reference(found)
        if reference is not None:
            return self._referred(reference, base)
        parts = [*_list(found, "allOf")]
        parts += [{word: found[word]} for word in ("oneOf", "anyOf") if word in found]
        if isinstance(found.get("type"), list):
            alike = {word: value for word, value in found.items() if word in _OF_ONE_TYPE}
            parts.append({"anyOf": [{**alike, "type": one} for one in found["type"]]})
        if not parts:
            return self._single(found, base)
        own = {k: v for k, v in found.items() if k not in ("allOf", "oneOf", "anyOf")}
        if isinstance(own.get("type"), list):
            del own["type"]
        if _kind_of(own) is not None or "enum" in own or "const" in own:
            parts.append(own)
        if len(parts) == 1 and "allOf" not in found:
            (word,) = parts[0]
            return self._one_of(parts[0][word], base, found)
        return self._all_of(parts, base)

    def _referred(self, reference: str, base: str) -> Schema:
        target, at = self._documents.find(reference, base)
        key = id(target)
        if key in self._open:
            return self._open[key].reference()
        if key not in self._made:
            self._made[key] = self.of(target, at)
        return self._made[key]

    def _one_of(self, branches: Any, base: str, found: Mapping[str, Any]) -> Schema:
        """Give the schema of alternatives: the only one, or a struct with a field for each."""
        if not isinstance(branches, list) or not branches:
            raise DataError("Reading a JSON Schema: alternatives are a list")
        if len(branches) == 1 and self._options.flatten_singletons:
            return self.of(branches[0], base)
        others = [one for one in branches if not _is_null(one)]
        number, self._unions = self._unions, self._unions + 1
        if not others:
            raise DataError("Reading a JSON Schema: a value that is always null has no type")
        if len(branches) == 2 and len(others) == 1:
            return self.of(others[0], base).replace(optional=True)
        general = f"connect_union_{number}" if self._options.generalized else None
        prefix = "connect_union_field_" if general else f"{ONE_OF}.field."
        fields = [
            Field(f"{prefix}{index}", index, self.of(one, base).replace(optional=True))
            for index, one in enumerate(others)
        ]
        return Schema(
            Type.STRUCT,
            name=general or ONE_OF,
            version=found.get("connect.version"),
            doc=found.get("description"),
            parameters={GENERAL_UNION: general} if general else None,
            optional=len(others) < len(branches),
            fields=tuple(fields),
        )

    def _all_of(self, parts: list[Any], base: str) -> Schema:
        """Give the schema of a value that must fit all parts."""
        if len(parts) == 1 and self._options.flatten_singletons:
            return self.of(parts[0], base)
        properties: dict[str, tuple[Any, str]] = {}
        required: set[str] = set()
        self._collect(parts, base, properties, required, set())
        if properties:
            made = {name: self.of(inner, at) for name, (inner, at) in properties.items()}
            return _struct([(n, self._needed(s, n in required)) for n, s in made.items()])
        parts = [part for part in parts if isinstance(part, Mapping)]
        combined = [p for p in parts if {"oneOf", "anyOf", "allOf"} & set(p)]
        numbers = [p for p in parts if _kind_of(p) in ("number", "integer")]
        texts = [p for p in parts if _kind_of(p) == "string"]
        enums = [p for p in parts if "enum" in p]
        references = [p for p in parts if self._documents.reference(p) is not None]
        if any("const" in part for part in parts):
            enums = []
        for candidates in (combined, enums if texts else [], numbers, texts, references):
            if candidates:
                return self.of(candidates[-1], base)
        raise DataError("Reading a JSON Schema: allOf of parts that give no type together")

    def _collect(
        self,
        parts: Iterable[Any],
        base: str,
        properties: dict[str, tuple[Any, str]],
        required: set[str],
        walked: set[int],
    ) -> None:
        """Add up the properties of parts, and of what they refer to."""
        for part in parts:
            if not isinstance(part, Mapping) or id(part) in walked:
                continue
            walked.add(id(part))
            at = self._documents.base_of(part, base)
            reference = self._documents.reference(part)
            if reference is not None:
                target, at = self._documents.find(reference, at)
                self._collect([target], at, properties, required, walked)
                continue
            self._collect(_list(part, "allOf"), at, properties, required, walked)
            for name, inner in (part.get("properties") or {}).items():
                properties[name] = (inner, at)
            required.update(part.get("required") or ())

    def _needed(self, schema: Schema, is_required: bool) -> Schema:
        if self._options.optional_unless_required and not is_required:
            return schema.replace(optional=True)
        return schema

    def _single(self, found: Mapping[str, Any], base: str) -> Schema:
        kind, connect = _kind_of(found), found.get("connect.type")
        if "const" in found and kind not in ("string", "number", "integer"):
            schema = self._enum([found["const"]])
        elif isinstance(found.get("enum"), list) and kind not in ("number", "integer"):
            schema = self._enum(found["enum"])
        elif kind == "object" and connect == "map":
            values = self.of(found.get("additionalProperties", True), base)
            schema = Schema(Type.MAP, key_schema=Schema(Type.STRING), value_schema=values)
        elif kind == "object":
            schema = self._struct(found, base)
        elif kind == "array":
            schema = self._array(found, base)
        elif kind in ("integer", "number"):
            if connect is not None and connect not in _NUMBERS:
                raise DataError(f"Unsupported type {connect}")
            plain = Type.INT64 if kind == "integer" else Type.FLOAT64
            schema = Schema(_NUMBERS[connect] if connect is not None else plain)
        elif kind == "boolean":
            schema = Schema(Type.BOOLEAN)
        elif kind == "string":
            schema = Schema(Type.BYTES if connect == "bytes" else Type.STRING)
        elif kind is None and "not" not in found:
            schema = VARIANT_SCHEMA
        else:
            raise DataError(f"Reading a JSON Schema: type {kind or 'not'} is not supported")
        return _annotated(schema, found)

    def _enum(self, symbols: list[Any]) -> Schema:
        general = self._options.generalized
        word = GENERAL_ENUM if general else ENUM
        parameters = {word: ""}
        for number, one in enumerate(symbols):
            symbol = _symbol(one)
            parameters[f"{word}.{symbol}"] = str(number) if general else symbol
        return Schema(Type.STRING, parameters=parameters)

    def _array(self, found: Mapping[str, Any], base: str) -> Schema:
        items = found.get("items")
        if isinstance(items, list) or items is None or self._has_prefix(found):
            raise DataError("Array schema did not specify the items type")
        if found.get("connect.type") == "map" and isinstance(items, Mapping):
            properties = items.get("properties") or {}
            if "key" in properties and "value" in properties:
                return Schema(
                    Type.MAP,
                    key_schema=self.of(properties["key"], base),
                    value_schema=self.of(properties["value"], base),
                )
        return Schema(Type.ARRAY, value_schema=self.of(items, base))

    def _has_prefix(self, found: Mapping[str, Any]) -> bool:
        return self._documents.is_modern and "prefixItems" in found

    def _struct(self, found: Mapping[str, Any], base: str) -> Schema:
        required = found.get("required") or ()
        properties = sorted(
            (found.get("properties") or {}).items(),
            key=lambda item: (
                item[1].get("connect.index", 1 << 31) if isinstance(item[1], Mapping) else 1 << 31
            ),
        )
        fields = [
            (name, self._needed(self.of(inner, base), name in required))
            for name, inner in properties
        ]
        if self._options.keep_additional and found.get("additionalProperties", True) is not False:
            if any(name == EXTRAS for name, _ in fields):
                raise DataError(
                    f"JSON Schema property name '{EXTRAS}' collides with the reserved field name "
                    "for preserve.additional.properties=true. Rename the property or disable the "
                    "config."
                )
            fields.append((EXTRAS, EXTRAS_SCHEMA))
        return _struct(fields)


def _struct(fields: list[tuple[str, Schema]]) -> Schema:
    made = [Field(name, index, schema) for index, (name, schema) in enumerate(fields)]
    return Schema(Type.STRUCT, fields=tuple(made))


def _list(found: Mapping[str, Any], word: str) -> list[Any]:
    value = found.get(word)
    return value if isinstance(value, list) else []


def _kind_of(found: Mapping[str, Any]) -> str | None:
    """Give the type of a schema, told by its other words if it names none."""
    kind = found.get("type")
    if isinstance(kind, str):
        return kind
    return next(
        (kind for kind, words in _WORDS.items() if not found.keys().isdisjoint(words)), None
    )


def _symbol(value: Any) -> str:
    if value is None:
        return NULL_SYMBOL
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _annotated(schema: Schema, found: Mapping[str, Any]) -> Schema:
    """Add name, doc, version, parameters and default."""
    parameters = {**(schema.parameters or {}), **(found.get("connect.parameters") or {})}
    made = schema.replace(
        name=schema.name or found.get("title"),
        doc=found.get("description"),
        version=found.get("connect.version"),
        parameters=parameters,
    )
    if found.get("default") is None:
        return made
    return made.replace(default=_default(made, found["default"]))


def _default(schema: Schema, value: Any) -> Any:
    """Give a default as a value of the schema; that of a struct is not kept."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if schema.type in _INTEGERS:
        number = int(value) if is_number else 0
        return number * MILLIS_PER_DAY if schema.name == DATE_NAME else number
    if schema.type in _FLOATS:
        return float(value) if is_number else 0.0
    if schema.type is Type.BOOLEAN:
        return value is True
    if schema.type is Type.STRING:
        return value if isinstance(value, str) else None
    if schema.type is Type.BYTES:
        return _bytes_default(schema, value)
    if schema.type is Type.ARRAY and isinstance(value, list) and schema.value_schema is not None:
        items = [_default(schema.value_schema, item) for item in value]
        return None if any(item is None for item in items) else items
    return None


def _bytes_default(schema: Schema, value: Any) -> Any:
    if schema.name == DECIMAL_NAME and not isinstance(value, str):
        return decimal.Decimal(str(value)) if isinstance(value, (int, float)) else None
    data = base64.b64decode(str(value), validate=True)
    return decimal_of_bytes(schema, data) if schema.name == DECIMAL_NAME else data
