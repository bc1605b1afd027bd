"""GUIDs of schemas against recordings of Confluent's (registry/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.schemaregistry.server.registry import Definition, extras_of
from tests.unit.converters.local_registry import LocalRegistry

RECORDED = Path(__file__).parent / "registry/guids.jsonl"
CASES = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_a_schema_has_confluents_guid(case):
    """Text, references, metadata and rules make it; type, subject and version do not."""
    schema = case["schema"]
    references = tuple(
        (r["name"], r["subject"], r["version"]) for r in schema.get("references", ())
    )
    kind = schema.get("schemaType", "AVRO")

    assert case["guid"] == Definition(kind, schema["schema"], references, extras_of(schema)).guid


def test_a_schema_is_found_by_its_guid():
    """It is told where a schema is registered, and leads to it and to its ids in all contexts."""
    http = LocalRegistry().http
    made = http.post("/subjects/s/versions", json={"schema": '"int"'}).json()
    http.post("/subjects/:.c:s/versions", json={"schema": '"int"'})
    guid = made["guid"]

    assert guid == CASES[0]["guid"]
    assert http.get(f"/schemas/guids/{guid}").json() == {"guid": guid, "schema": '"int"'}
    assert http.get("/subjects/s/versions/1").json()["guid"] == guid
    ids = [{"context": ".", "id": 1}, {"context": ".c", "id": 1}]
    assert http.get(f"/schemas/guids/{guid}/ids").json() == ids
    missing = http.get(f"/schemas/guids/{guid[::-1]}")
    assert (missing.status_code, missing.json()["error_code"]) == (404, 40403)
    assert http.get(f"/schemas/guids/{guid[::-1]}/ids").json() == []
