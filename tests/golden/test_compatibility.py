"""The built-in registry's compatibility checks against recordings of Confluent's (registry/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.converters.local_registry import LocalRegistry

RECORDED = Path(__file__).parent / "registry/compatibility.jsonl"
CASES = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def text(schema: Any) -> str:
    """Give a schema as it is registered."""
    return schema if isinstance(schema, str) else json.dumps(schema)


def referred(registry: LocalRegistry, case: dict[str, Any], which: str) -> list[dict[str, Any]]:
    """Register what a schema refers to; give its references."""
    own: list[dict[str, Any]] = []
    for schema in case.get(which, ()):
        subject = f"{which}-{schema['name'].replace('/', '-')}"
        body = {"schema": text(schema["schema"]), "schemaType": case["kind"], "references": own}
        registry.http.post(f"/subjects/{subject}/versions", json=body)
        own = [*own, {"name": schema["name"], "subject": subject, "version": 1}]
    return own


def shown(found: list[str]) -> list[str]:
    """Give findings without those that tell of the check, in any order."""
    told = ("{oldSchema", "{validateFields")
    return sorted({finding for finding in found if not finding.startswith(told)})


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_schemas_are_compared_as_by_confluent(case):
    """References of both versions are followed; each finding is the peer's, word for word."""
    registry = LocalRegistry()
    forms = {
        word: {
            "schema": text(case[word]),
            "schemaType": case["kind"],
            "references": referred(registry, case, f"{word}References"),
        }
        for word in ("old", "new")
    }
    registry.http.post("/subjects/s/versions", json=forms["old"])

    for level, found in case["found"].items():
        registry.http.put("/config/s", json={"compatibility": level})
        path = "/compatibility/subjects/s/versions/latest?verbose=true"
        answer = registry.http.post(path, json=forms["new"])
        assert answer.status_code == 200, answer.text
        if found == ["error"]:
            (message,) = answer.json()["messages"]
            assert message.startswith("Either the input schema or one its references is invalid")
            continue
        assert shown(answer.json().get("messages", [])) == shown(found)
        assert answer.json()["is_compatible"] is not bool(found)
