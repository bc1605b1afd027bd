"""The texts that the built-in registry keeps, against recordings of Confluent's (registry/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.converters.local_registry import LocalRegistry

RECORDED = Path(__file__).parent / "registry/canonical.jsonl"
CASES = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
REFUSED = "Either the input schema or one its references is invalid"


def registered(case: dict[str, Any], query: str = "") -> tuple[LocalRegistry, Any]:
    """Register what a schema refers to and then the schema; give the answer."""
    registry = LocalRegistry()
    own: list[dict[str, Any]] = []
    for i, schema in enumerate(reversed(case.get("references", ()))):
        body = {"schema": schema["schema"], "schemaType": case["kind"], "references": own}
        assert registry.http.post(f"/subjects/r{i}/versions", json=body).status_code == 200
        own = [*own, {"name": schema["name"], "subject": f"r{i}", "version": 1}]
    body = {"schema": case["schema"], "schemaType": case["kind"], "references": own}
    return registry, registry.http.post(f"/subjects/s/versions{query}", json=body)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_schema_is_kept_as_confluent_prints_it(case):
    """Blanks and comments make no other version; what the peer refuses is refused."""
    registry, answer = registered(case)
    if "error" in case or "refused" in case:
        assert answer.json()["message"].startswith(REFUSED)
        return
    assert answer.status_code == 200, answer.text
    found = registry.http.get(f"/schemas/ids/{answer.json()['id']}").json()

    assert found["schema"] == case["canonical"]
    body = {**found, "schema": case["canonical"]}
    assert registry.http.post("/subjects/s", json=body).json()["version"] == 1
    again = registry.http.post("/subjects/s/versions", json=body).json()
    assert (again["id"], again["version"]) == (answer.json()["id"], 1)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if "normalized" in case],
    ids=[case["id"] for case in CASES if "normalized" in case],
)
def test_a_schema_is_normalized_as_by_confluent(case):
    """With `normalize=true` the normal form is registered and looked up."""
    registry, answer = registered(case, "?normalize=true")
    assert answer.status_code == 200, answer.text

    assert answer.json()["schema"] == case["normalized"]
    body = {**answer.json(), "schema": case["schema"]}
    assert registry.http.post("/subjects/s?normalize=true", json=body).json()["version"] == 1
