"""The recorded operations on schemas, structs and logical types, done with the product's own model."""

from __future__ import annotations

from typing import Any

from appliance.converters.json_coerce import Coercion
from appliance.converters.json_encoder import Options, decimal_bytes, value_text
from appliance.data import Headers, Schema, SchemaBuilder, Struct, Type
from appliance.data.logical import decimal_of_bytes, decimal_scale
from appliance.data.projector import project
from appliance.data.struct import validate_value
from appliance.errors import DataError
from tests.golden import forms


def schema(case: dict[str, Any]) -> Any:
    found = forms.read_schema(case["schema"])
    return {"schema": found, "text": str(found)}


def accessor(case: dict[str, Any]) -> Any:
    found = forms.read_schema(case["schema"])
    assert found is not None
    name = {"keySchema": "key_schema", "valueSchema": "value_schema"}.get(
        case["name"], case["name"]
    )
    if name == "field":
        return {"result": str(found.field("x"))}
    result = getattr(found, name)
    if isinstance(result, tuple):
        return {"result": f"[{', '.join(map(str, result))}]"}
    return {"result": str(result)}


def builder(case: dict[str, Any]) -> Any:
    found = SchemaBuilder(Type[case["type"]])
    for step, *arguments in case["steps"]:
        if step == "field":
            found.field(arguments[0], forms.read_schema(arguments[1]))
        elif step == "default":
            wanted = found.build()
            found.default(forms.read_value(arguments[0], wanted))
        else:
            getattr(found, step)(*arguments)
    return {"schema": found.build()}


def array_builder(case: dict[str, Any]) -> Any:
    return {"schema": SchemaBuilder.array(forms.read_schema(case["schema"])).build()}


def map_builder(case: dict[str, Any]) -> Any:
    keys, values = forms.read_schema(case["keys"]), forms.read_schema(case["values"])
    return {"schema": SchemaBuilder.map(keys, values).build()}


def validate(case: dict[str, Any]) -> Any:
    found = forms.read_schema(case["schema"])
    validate_value("value", found, forms.read_value(case["value"], found))
    return {"valid": True}


def struct(case: dict[str, Any]) -> Any:
    own = forms.read_schema(case["schema"])
    assert own is not None
    found = Struct(own)
    for name, value in case["put"]:
        field = own.field(name)
        found.put(name, forms.read_value(value, field.schema if field else None))
    if case.get("validate"):
        found.validate()
    result: dict[str, Any] = {"text": str(found)}
    if "get" in case:
        getter, name = case.get("getter", "get"), case["get"]
        if getter == "getWithoutDefault":
            result["value"] = found.get_without_default(name)
        elif getter == "get":
            result["value"] = found.get(name)
        else:
            result["value"] = found.get_typed(name, Type[getter.removeprefix("get").upper()])
        field = own.field(name)
        result["schema_of_value"] = field.schema if field else None
    return result


def projected(case: dict[str, Any]) -> Any:
    source, target = forms.read_schema(case["source"]), forms.read_schema(case["target"])
    assert source is not None
    assert target is not None
    value = project(source, forms.read_value(case["value"], source), target)
    return {"value": value, "schema_of_value": target}


def headers(case: dict[str, Any]) -> Any:
    found = Headers()
    for name, form, value in case["add"]:
        own = forms.read_schema(form)
        found.add(name, forms.read_value(value, own), own)
    return {"size": len(found)}


def logical(case: dict[str, Any]) -> Any:
    """Encode and decode through the JSON converter, which writes the encoded forms."""
    own = forms.read_schema(case["schema"])
    assert own is not None
    kind, _, way = case["name"].partition(".")
    if own.name != f"org.apache.kafka.connect.data.{kind}":
        raise DataError(f"Requested conversion of {kind} object but the schema does not match.")
    value = forms.read_value(case["value"])
    if kind == "Decimal":
        if way == "fromLogical":
            return {"result": decimal_bytes(value, decimal_scale(own))}
        return {"result": decimal_of_bytes(own, value)}
    if way == "fromLogical":
        return {"result": int(value_text(own, value, Options())), "schema_of_value": own}
    row = Coercion(replace_null_with_default=True).row(own, int(value))
    return {"result": row, "schema_of_value": own}


FUNCTIONS: dict[str, Any] = {
    "schema": schema,
    "accessor": accessor,
    "builder": builder,
    "arrayBuilder": array_builder,
    "mapBuilder": map_builder,
    "validate": validate,
    "struct": struct,
    "project": projected,
    "headers": headers,
    "logical": logical,
}
__all__ = ["FUNCTIONS", "Schema"]
