"""Runs single records through transforms and chains as the runtime runs batches."""

from __future__ import annotations

from typing import Any

from appliance.api import Batch, Transform
from tests.golden import forms


def run_transform(transform: Transform, record: Any) -> Any:
    """Give the record after the transform, None when it is dropped; both of its forms must agree."""
    return transform.apply(record)


def run_chain(case: dict[str, Any], make: Any) -> Any:
    """Run converter, transforms with predicates, and converter."""
    record = forms.read_record(case["record"])
    if "in" in case:
        converter = make("converter", case["in"], is_key=False)
        schema, value = converter.to_connect_data(record.topic, forms.read_bytes(case["bytes"]))
        record = record.replace(value_schema=schema, value=value)
    for stage in case["transforms"]:
        transform = make("transformation", stage)
        if "predicate" in stage:
            predicate = make("predicate", stage["predicate"])
            holds = predicate.test(record)
            if holds == bool(stage.get("negate")):
                continue
        record = run_transform(transform, record)
        if record is None:
            return {"record": None, "bytes": None}
    found: dict[str, Any] = {"record": record, "bytes": None}
    if "out" in case:
        converter = make("converter", case["out"], is_key=False)
        part = "key" if case["out"].get("is_key") else "value"
        schema, value = getattr(record, f"{part}_schema"), getattr(record, part)
        found["bytes"] = converter.from_connect_data(record.topic, schema, value)
    return found


__all__ = ["Batch", "run_chain", "run_transform"]
