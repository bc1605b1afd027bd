"""Schemas: what a value may be, as an immutable tree with equality by value.

Semantics: Kafka Connect 4.3.1 ConnectSchema and SchemaBuilder. A schema is built once (per table
version, per topic) and then only compared, mostly by identity; `hash()` is computed once.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Any, Self

from appliance.errors import DataError, SchemaBuilderError


class Type(enum.Enum):
    """Connect's types; the value is the name used in JSON schemas."""

    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float"
    FLOAT64 = "double"
    BOOLEAN = "boolean"
    STRING = "string"
    BYTES = "bytes"
    ARRAY = "array"
    MAP = "map"
    STRUCT = "struct"

    @property
    def is_primitive(self) -> bool:
        """Whether values of the type hold no other values."""
        return self not in (Type.ARRAY, Type.MAP, Type.STRUCT)


class Field:
    """One named member of a STRUCT schema, with its place in the row."""

    __slots__ = ("index", "name", "schema")

    def __init__(self, name: str, index: int, schema: Schema) -> None:
        """Name the member `name` at place `index` (from 0)."""
        self.name = name
        self.index = index
        self.schema = schema

    def __eq__(self, other: object) -> bool:
        """Compare name, place and schema."""
        return (
            isinstance(other, Field)
            and self.name == other.name
            and self.index == other.index
            and self.schema == other.schema
        )

    def __hash__(self) -> int:
        """Hash name, place and schema."""
        return hash((self.name, self.index, self.schema))

    def __repr__(self) -> str:
        """Give Java's text form."""
        return f"Field{{name={self.name}, index={self.index}, schema={self.schema}}}"


class Schema:
    """An immutable schema.

    `default` is a value of this schema (a Struct for STRUCT) or None for no default. `fields` is the
    tuple of a STRUCT's fields in order, `key_schema`/`value_schema` those of MAP and ARRAY.
    """

    __slots__ = (
        "_by_name",
        "_fields",
        "_hash",
        "_key_schema",
        "_value_schema",
        "default",
        "doc",
        "name",
        "optional",
        "parameters",
        "type",
        "version",
    )

    def __init__(
        self,
        type_: Type,
        *,
        optional: bool = False,
        default: Any = None,
        name: str | None = None,
        version: int | None = None,
        doc: str | None = None,
        parameters: Mapping[str, str] | None = None,
        fields: tuple[Field, ...] | None = None,
        key_schema: Schema | None = None,
        value_schema: Schema | None = None,
    ) -> None:
        """Build the schema as given, without validating the default."""
        self.type = type_
        self.optional = optional
        self.default = default
        self.name = name
        self.version = version
        self.doc = doc
        self.parameters = dict(parameters) if parameters else None
        self._fields = (fields or ()) if type_ is Type.STRUCT else None
        self._key_schema = key_schema
        self._value_schema = value_schema
        self._by_name = {f.name: f for f in self._fields or ()}
        self._hash: int | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        """Give a STRUCT's fields in order. Raises DataError for another type."""
        if self.type is not Type.STRUCT or self._fields is None:
            raise DataError("Cannot list fields on non-struct type")
        return self._fields

    @property
    def key_schema(self) -> Schema | None:
        """Give a MAP's key schema. Raises DataError for another type."""
        if self.type is not Type.MAP:
            raise DataError("Cannot look up key schema on non-map type")
        return self._key_schema

    @property
    def value_schema(self) -> Schema | None:
        """Give the schema of a MAP's values or an ARRAY's items. Raises DataError for another type."""
        if self.type is not Type.MAP and self.type is not Type.ARRAY:
            raise DataError("Cannot look up value schema on non-array and non-map type")
        return self._value_schema

    def field(self, name: str) -> Field | None:
        """Give the field called `name`, or None. Raises DataError for another type than STRUCT."""
        if self.type is not Type.STRUCT:
            raise DataError("Cannot look up fields on non-struct type")
        return self._by_name.get(name)

    def replace(self, **changes: Any) -> Schema:
        """Give a copy with some attributes changed (`optional`, `default`, `name`, ...)."""
        attributes: dict[str, Any] = {
            "optional": self.optional,
            "default": self.default,
            "name": self.name,
            "version": self.version,
            "doc": self.doc,
            "parameters": self.parameters,
            "fields": self._fields,
            "key_schema": self._key_schema,
            "value_schema": self._value_schema,
        }
        attributes.update(changes)
        return Schema(self.type, **attributes)

    def _identity(self) -> tuple[Any, ...]:
        return (
            self.type,
            self.optional,
            self.name,
            self.version,
            self.doc,
            self.parameters,
            self._fields,
            self._key_schema,
            self._value_schema,
        )

    def __eq__(self, other: object) -> bool:
        """Compare every attribute; identical objects first."""
        if self is other:
            return True
        if not isinstance(other, Schema) or hash(self) != hash(other):
            return False
        return self._identity() == other._identity() and _same(self.default, other.default)

    def __hash__(self) -> int:
        """Hash type, name, version and members, once."""
        if self._hash is None:
            self._hash = hash(
                (
                    self.type,
                    self.optional,
                    self.name,
                    self.version,
                    self._fields,
                    self._key_schema,
                    self._value_schema,
                )
            )
        return self._hash

    def __repr__(self) -> str:
        """Give Java's text form, `Schema{name:TYPE}`."""
        return (
            f"Schema{{{self.name}:{self.type.name}}}"
            if self.name
            else f"Schema{{{self.type.name}}}"
        )


def _same(one: Any, other: Any) -> bool:
    """Tell whether two defaults are equal as Java's objects are: NaN equals itself."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    return bool(one == other)


class SchemaBuilder:
    """Builds one schema; each attribute may be set once. Raises SchemaBuilderError."""

    def __init__(self, type_: Type) -> None:
        """Start a schema of type `type_`."""
        self.type = type_
        self._attributes: dict[str, Any] = {}
        self._parameters: dict[str, str] = {}
        self._fields: list[Field] = []
        self._key_schema: Schema | None = None
        self._value_schema: Schema | None = None

    @classmethod
    def struct(cls) -> SchemaBuilder:
        """Start a STRUCT."""
        return cls(Type.STRUCT)

    @classmethod
    def array(cls, value_schema: Schema | None) -> SchemaBuilder:
        """Start an ARRAY of `value_schema`."""
        if value_schema is None:
            raise SchemaBuilderError("valueSchema cannot be null.")
        builder = cls(Type.ARRAY)
        builder._value_schema = value_schema
        return builder

    @classmethod
    def map(cls, key_schema: Schema | None, value_schema: Schema | None) -> SchemaBuilder:
        """Start a MAP from `key_schema` to `value_schema`."""
        if key_schema is None:
            raise SchemaBuilderError("keySchema cannot be null.")
        if value_schema is None:
            raise SchemaBuilderError("valueSchema cannot be null.")
        builder = cls(Type.MAP)
        builder._key_schema = key_schema
        builder._value_schema = value_schema
        return builder

    def _set_once(self, attribute: str, key: str, value: Any) -> Self:
        known = self._attributes.get(key)
        if known is not None and (isinstance(known, str) or known != value):
            raise SchemaBuilderError(
                f"Invalid SchemaBuilder call: {attribute} has already been set."
            )
        self._attributes[key] = value
        return self

    def optional(self) -> Self:
        """Allow null."""
        return self._set_once("optional", "optional", True)

    def required(self) -> Self:
        """Refuse null (the default)."""
        return self._set_once("optional", "optional", False)

    def default(self, value: Any) -> Self:
        """Give the value that stands for an unset one; checked against the schema built so far."""
        if value is None:
            return self.null_default()
        known = self._attributes.get("default")
        if known is not None and known != value:
            raise SchemaBuilderError("Invalid SchemaBuilder call: default has already been set.")
        from appliance.data.struct import validate_value

        try:
            validate_value("value", self._snapshot(), value)
        except DataError as error:
            raise SchemaBuilderError("Invalid default value") from error
        return self._set_once("default", "default", value)

    def null_default(self) -> Self:
        """Check that null may be the default, which then is none. Raises SchemaBuilderError."""
        if not self._attributes.get("optional", False):
            cause = DataError(
                f"Invalid value: null used for required value, schema type: {self.type.name}"
            )
            raise SchemaBuilderError("Invalid default value") from cause
        return self

    def name(self, name: str) -> Self:
        """Name the schema."""
        return self._set_once("name", "name", name)

    def version(self, version: int) -> Self:
        """Give the schema a version."""
        return self._set_once("version", "version", version)

    def doc(self, doc: str) -> Self:
        """Document the schema."""
        return self._set_once("doc", "doc", doc)

    def parameter(self, key: str, value: str) -> Self:
        """Set one parameter."""
        self._parameters[key] = value
        return self

    def parameters(self, parameters: Mapping[str, str]) -> Self:
        """Set several parameters."""
        self._parameters.update(parameters)
        return self

    def field(self, name: str | None, schema: Schema | None) -> Self:
        """Append a field to a STRUCT."""
        if self.type is not Type.STRUCT:
            raise SchemaBuilderError(f"Cannot create fields on type {self.type.name}")
        if not name:
            raise SchemaBuilderError("fieldName cannot be null.")
        if schema is None:
            raise SchemaBuilderError(f"fieldSchema for field {name} cannot be null.")
        if any(f.name == name for f in self._fields):
            raise SchemaBuilderError(
                f"Cannot create field because of field name duplication {name}"
            )
        self._fields.append(Field(name, len(self._fields), schema))
        return self

    def _snapshot(self) -> Schema:
        return Schema(
            self.type,
            parameters=self._parameters or None,
            fields=tuple(self._fields) if self.type is Type.STRUCT else None,
            key_schema=self._key_schema,
            value_schema=self._value_schema,
            **self._attributes,
        )

    def build(self) -> Schema:
        """Give the finished schema."""
        return self._snapshot()


def _plain(type_: Type) -> tuple[Schema, Schema]:
    return Schema(type_), Schema(type_, optional=True)


INT8_SCHEMA, OPTIONAL_INT8_SCHEMA = _plain(Type.INT8)
INT16_SCHEMA, OPTIONAL_INT16_SCHEMA = _plain(Type.INT16)
INT32_SCHEMA, OPTIONAL_INT32_SCHEMA = _plain(Type.INT32)
INT64_SCHEMA, OPTIONAL_INT64_SCHEMA = _plain(Type.INT64)
FLOAT32_SCHEMA, OPTIONAL_FLOAT32_SCHEMA = _plain(Type.FLOAT32)
FLOAT64_SCHEMA, OPTIONAL_FLOAT64_SCHEMA = _plain(Type.FLOAT64)
BOOLEAN_SCHEMA, OPTIONAL_BOOLEAN_SCHEMA = _plain(Type.BOOLEAN)
STRING_SCHEMA, OPTIONAL_STRING_SCHEMA = _plain(Type.STRING)
BYTES_SCHEMA, OPTIONAL_BYTES_SCHEMA = _plain(Type.BYTES)
