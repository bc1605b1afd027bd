"""Schemas as JsonConverter writes and reads them.

Semantics: Kafka Connect 4.3.1 JsonConverter.asJsonSchema and asConnectSchema. Writing gives text in the
peer's member order; reading takes parsed JSON (converters/json_parser.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from appliance.data import Schema, SchemaBuilder, Type
from appliance.data.recursive import refuse_recursion
from appliance.data.text import json_quote
from appliance.errors import DataError

ValueText = Callable[[Schema, Any], str]
ReadValue = Callable[[Schema, Any], Any]

_TYPES: Final = {t.value: t for t in Type}


def schema_text(schema: Schema | None, value_text: ValueText, field: str | None = None) -> str:
    """Give the JSON text of `schema`; `value_text` writes defaults (boundary form)."""
    if schema is None:
        return "null"
    refuse_recursion(schema, "JsonConverter's schemas cannot hold it; set schemas.enable=false")
    members = [f'"type":"{schema.type.value}"']
    if schema.type is Type.ARRAY:
        members.append(f'"items":{schema_text(schema.value_schema, value_text)}')
    elif schema.type is Type.MAP:
        members.append(f'"keys":{schema_text(schema.key_schema, value_text)}')
        members.append(f'"values":{schema_text(schema.value_schema, value_text)}')
    elif schema.type is Type.STRUCT:
        fields = ",".join(schema_text(f.schema, value_text, f.name) for f in schema.fields)
        members.append(f'"fields":[{fields}]')
    members.append(f'"optional":{"true" if schema.optional else "false"}')
    if schema.name is not None:
        members.append(f'"name":{json_quote(schema.name)}')
    if schema.version is not None:
        members.append(f'"version":{int(schema.version)}')
    if schema.doc is not None:
        members.append(f'"doc":{json_quote(schema.doc)}')
    if schema.parameters:
        pairs = (f"{json_quote(k)}:{json_quote(v)}" for k, v in schema.parameters.items())
        members.append(f'"parameters":{{{",".join(pairs)}}}')
    if schema.default is not None:
        if schema.type is Type.STRUCT:
            # A struct under a schema with a default never has that very schema.
            raise DataError("Mismatching schema.")
        members.append(f'"default":{value_text(schema.replace(default=None), schema.default)}')
    if field is not None:
        members.append(f'"field":{json_quote(field)}')
    return f"{{{','.join(members)}}}"


def read_schema(json: Any, read_value: ReadValue) -> Schema | None:
    """Build the schema that parsed JSON describes; None for null. Raises DataError."""
    if json is None:
        return None
    type_name = json.get("type") if isinstance(json, dict) else None
    if not isinstance(type_name, str):
        raise DataError("Schema must contain 'type' field")
    builder = _builder(type_name, json, read_value)
    if json.get("optional") is True:
        builder.optional()
    else:
        builder.required()
    if isinstance(json.get("name"), str):
        builder.name(json["name"])
    version = json.get("version")
    if type(version) is int:
        builder.version(((version + 2**31) % 2**32) - 2**31)
    if isinstance(json.get("doc"), str):
        builder.doc(json["doc"])
    _read_parameters(builder, json.get("parameters"))
    if "default" in json:
        _read_default(builder, json["default"], read_value)
    return builder.build()


def _builder(type_name: str, json: Mapping[str, Any], read_value: ReadValue) -> SchemaBuilder:
    type_ = _TYPES.get(type_name)
    if type_ is None:
        raise DataError(f"Unknown schema type: {type_name}")
    if type_ is Type.ARRAY:
        if json.get("items") is None:
            raise DataError("Array schema did not specify the element type")
        return SchemaBuilder.array(read_schema(json["items"], read_value))
    if type_ is Type.MAP:
        for member, what in (("keys", "key"), ("values", "value")):
            if member not in json:
                raise DataError(f"Map schema did not specify the {what} type")
        return SchemaBuilder.map(
            read_schema(json["keys"], read_value), read_schema(json["values"], read_value)
        )
    builder = SchemaBuilder(type_)
    if type_ is Type.STRUCT:
        _read_fields(builder, json.get("fields"), read_value)
    return builder


def _read_fields(builder: SchemaBuilder, fields: Any, read_value: ReadValue) -> None:
    if not isinstance(fields, list):
        raise DataError('Struct schema\'s "fields" argument is not an array.')
    for member in fields:
        name = member.get("field") if isinstance(member, dict) else None
        if not isinstance(name, str):
            raise DataError("Struct schema's field name not specified properly")
        builder.field(name, read_schema(member, read_value))


def _read_parameters(builder: SchemaBuilder, parameters: Any) -> None:
    if not isinstance(parameters, dict):
        return
    for key, value in parameters.items():
        if not isinstance(value, str):
            raise DataError("Schema parameters must have string values.")
        builder.parameter(key, value)


def _read_default(builder: SchemaBuilder, default: Any, read_value: ReadValue) -> None:
    value = read_value(builder.build(), default)
    if value is None:
        # The builder validates null too: only an optional schema may have it.
        builder.null_default()
    else:
        builder.default(value)
