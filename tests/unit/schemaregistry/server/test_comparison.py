"""Comparing versions: with schemas whose parts refer to each other, and beside other requests."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from tests.unit.converters.local_registry import LocalRegistry

MANY = 80


def woven(changed: range, many: int = MANY) -> dict[str, Any]:
    """Give a schema of definitions that refer to all others; some have a number for a text."""
    parts = {
        f"D{i}": {
            "type": "object",
            "properties": {
                "own": {"type": "integer" if i in changed else "string"},
                **{f"p{j}": {"$ref": f"#/definitions/D{j}"} for j in range(many) if j != i},
            },
        }
        for i in range(many)
    }
    root = {"type": "object", "properties": {"r": {"$ref": "#/definitions/D0"}}}
    return {"schemaType": "JSON", "schema": json.dumps({**root, "definitions": parts})}


@pytest.mark.parametrize("changed", [range(0), range(1), range(MANY - 1, MANY), range(MANY)])
def test_definitions_that_refer_to_all_others_are_compared_in_a_moment(changed):
    """Whatever differs, each pair of definitions is compared once; the findings told are bounded."""
    registry = LocalRegistry()
    registry.http.post("/subjects/s/versions", json=woven(range(0)))
    began_s = time.process_time()

    path = "/compatibility/subjects/s/versions/latest?verbose=true"
    answer = registry.http.post(path, json=woven(changed)).json()

    assert time.process_time() - began_s < 10
    assert answer["is_compatible"] is not bool(changed)
    messages = answer.get("messages", [])
    assert len(messages) <= 1003
    assert bool(changed) is any("TYPE_CHANGED" in message for message in messages)


def test_requests_are_answered_while_schemas_are_compared():
    """Somebody else's long comparison, here that of a registration, is no reason to wait."""
    registry = LocalRegistry()
    registry.http.post("/subjects/s/versions", json=woven(range(0), 100))
    body = woven(range(100), 100)
    thread = threading.Thread(
        target=registry.http.post, args=("/subjects/s/versions",), kwargs={"json": body}
    )
    thread.start()
    answered = 0
    while thread.is_alive():
        assert registry.http.get("/subjects").json() == ["s"]
        answered += thread.is_alive()
    assert answered >= 5
