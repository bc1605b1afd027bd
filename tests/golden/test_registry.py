"""JsonSchemaConverter against recordings of Confluent's classes (registry/README.md)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.converters.registry_json import JsonSchemaConverter
from appliance.data import Schema, Type
from appliance.data.recursive import back_references
from appliance.errors import DataError
from appliance.schemaregistry.client import RegistryError
from appliance.schemaregistry.jsonschemadata import json_schema
from appliance.schemaregistry.server.records import schema_key, schema_value
from tests.unit.converters.local_registry import configured

RECORDED = Path(__file__).parent / "registry/json-schema.jsonl"
CASES = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def described(schema: Schema, depth: int = 5) -> dict[str, Any]:
    """Give a schema in the recordings' form."""
    found: dict[str, Any] = {
        "type": schema.type.name,
        "optional": schema.optional or None,
        "name": schema.name,
        "version": schema.version,
        "doc": schema.doc,
        "default": shown(schema, schema.default),
        "parameters": schema.parameters,
    }
    if depth and schema.type is Type.STRUCT:
        found["fields"] = {f.name: described(f.schema, depth - 1) for f in schema.fields}
    elif depth and not schema.type.is_primitive:
        key = schema.key_schema if schema.type is Type.MAP else None
        found["keys"] = described(key, depth - 1) if key else None
        found["values"] = (
            described(schema.value_schema, depth - 1) if schema.value_schema else None
        )
    return {name: value for name, value in found.items() if value is not None}


def shown(schema: Schema | None, row: Any) -> Any:
    """Give a value in the recordings' form."""
    if row is None or schema is None:
        return None
    if isinstance(row, bytes):
        return {"bytes": base64.b64encode(row).decode()}
    if schema.type is Type.STRUCT:
        pairs = zip(schema.fields, row, strict=True)
        return {f.name: shown(f.schema, value) for f, value in pairs if value is not None}
    if schema.type is Type.ARRAY:
        return [shown(schema.value_schema, item) for item in row]
    if schema.type is Type.MAP:
        return [
            [shown(schema.key_schema, k), shown(schema.value_schema, v)] for k, v in row.items()
        ]
    return row


def comparable(document: Any) -> Any:
    """Give a JSON Schema without what is in the order of a hash table."""
    if isinstance(document, list):
        return [comparable(item) for item in document]
    if not isinstance(document, dict):
        return document
    skipped = ("connect.index", "id")
    found = {name: comparable(item) for name, item in document.items() if name not in skipped}
    if found.get("properties") == {}:
        del found["properties"]
    if isinstance(found.get("enum"), list):
        found["enum"] = sorted(found["enum"], key=str)
    return found


def registered(converter: Any, case: dict[str, Any]) -> bytes:
    """Register a case's schema; give what stands before its values."""
    references: list[dict[str, Any]] = []
    for number, (name, schema) in enumerate(case.get("refs", {}).items(), 1):
        kept = {"schemaType": "JSON", "schema": json.dumps(schema), "id": 100 + number}
        value = schema_value({**kept, "subject": name, "version": 1, "deleted": False})
        converter._client.topic.records.append((schema_key(name, 1), value))
        references.append({"name": name, "subject": name, "version": 1})
    body: Any = {
        "schema": json.dumps(case["schema"]),
        "schemaType": "JSON",
        "references": references,
    }
    made = converter._client.request("POST", "/subjects/t-value/versions", body)
    return b"\0" + int(made["id"]).to_bytes(4, "big")


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_json_schema_and_its_values_are_taken_as_by_confluent(case):
    """The same Connect schema, the same values, the same JSON and JSON Schema again."""
    converter = configured(
        JsonSchemaConverter,
        **{name.replace(".", "_"): value for name, value in case.get("options", {}).items()},
    )
    if "error" in case:
        with pytest.raises((DataError, RegistryError)):
            converter.decode("t", [registered(converter, case) + b"{}"])
        return
    head = registered(converter, case)
    schema = None
    for value, result in zip(case["values"], case["results"], strict=True):
        payload = head + json.dumps(value).encode()
        if "error" in result:
            with pytest.raises(DataError):
                converter.decode("t", [payload])
            continue
        (run,) = converter.decode("t", [payload])
        schema = run.schema
        assert shown(schema, run.rows[0]) == result.get("value")
        (written,) = converter.encoder("u", schema)(run.rows, ())
        assert json.loads((written or b"")[5:]) == result["written"]
    if schema is not None:
        schema = schema.replace(version=case["read"].get("version"))
        assert described(schema) == case["read"]
        if not back_references(schema):
            assert comparable(json_schema(schema, converter._writing)) == comparable(case["back"])
