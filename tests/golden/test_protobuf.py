"""ProtobufConverter against recordings of Confluent's class (registry/README.md)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.converters.protobuf import ProtobufConverter
from appliance.errors import DataError
from tests.golden.test_registry import described, shown
from tests.unit.converters.local_registry import configured

RECORDED = Path(__file__).parent / "registry/protobuf.jsonl"
CASES = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def comparable(value: Any) -> Any:
    """Give a value with its numbers as floats, and the pairs of its maps in order."""
    if isinstance(value, dict):
        return {name: comparable(item) for name, item in value.items()}
    if isinstance(value, list):
        return sorted(map(comparable, value), key=repr)
    return value if isinstance(value, (bool, str)) or value is None else float(value)


def without_leaks(schema: Any, *, is_item: bool = False) -> Any:
    """Give a schema without the number that a list's messages have of the field before it in the file."""
    found = dict(schema)
    if is_item and found["type"] == "STRUCT":
        found.pop("parameters", None)
    if "fields" in found:
        found["fields"] = {name: without_leaks(field) for name, field in found["fields"].items()}
    for word in ("keys", "values"):
        if word in found:
            found[word] = without_leaks(found[word], is_item=found["type"] == "ARRAY")
    return found


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_message_is_read_as_by_confluent(case):
    """The same schema, optional where the peer's is, the same values; and it is read again when written."""
    options = {name.replace(".", "_"): value for name, value in case["options"].items()}
    converter = configured(ProtobufConverter, **options)
    body = {"schema": case["schema"], "schemaType": "PROTOBUF"}
    converter._client.request("POST", "/subjects/t-value/versions", body)

    for result in case["results"]:
        payload = b"\0\0\0\0\1\0" + base64.b64decode(result["payload"])
        if "error" in result:
            with pytest.raises(DataError):
                converter.decode("t", [payload])
            continue
        (run,) = converter.decode("t", [payload])
        schema = run.schema.replace(version=None)
        assert without_leaks(described(schema, 3)) == without_leaks(case["read"])
        assert comparable(shown(schema, run.rows[0])) == comparable(result["value"])
        if "wrapper.for.nullables" not in case["options"]:
            converter.encoder("u", schema)(run.rows, ())
