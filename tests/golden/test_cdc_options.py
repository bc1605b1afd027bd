"""Options and their errors are the recorded ones."""

from __future__ import annotations

import json
import lzma

import pytest

from appliance.config.types import text_of
from appliance.connectors.binlog.config import DEFINITIONS, validate
from tests.golden.cdc_recordings import FOLDER

with lzma.open(FOLDER / "options.json.xz", "rt") as file:
    RECORDED = json.load(file)


@pytest.mark.parametrize("database", ["mariadb", "mysql"])
def test_definition_equals_recorded_one(database):
    """Names, types, defaults, groups, order, widths and labels are the peer's; texts are our own."""
    definition, recorded = DEFINITIONS[database], RECORDED["definitions"][database]
    assert definition.groups == recorded["groups"]
    assert list(definition.keys) == [key["name"] for key in recorded["keys"]]
    for ours, theirs in zip(definition.keys.values(), recorded["keys"], strict=True):
        assert ours.doc
        default = None if ours.default is None else text_of(ours.default, ours.type)
        assert (
            ours.name, ours.type.value, ours.required, default, ours.importance.value, ours.group,
            ours.order, ours.width.value, ours.label, list(ours.dependents),
        ) == (
            theirs["name"], theirs["type"], theirs["required"], theirs["default_text"],
            theirs["importance"], theirs["group"], theirs["order"], theirs["width"],
            theirs["display_name"], theirs["dependents"],
        )  # fmt: skip


@pytest.mark.parametrize("case", RECORDED["validations"], ids=lambda case: case["id"])
def test_validation_equals_recorded_one(case):
    """Errors and recommendations per option are the peer's, texts included."""
    found = {value.name: value for value in validate(case["database"], case["config"])}
    assert set(found) == {value["name"] for value in case["values"]}
    for theirs in case["values"]:
        ours = found[theirs["name"]]
        assert (ours.errors, ours.recommended_values, ours.visible, ours.value) == (
            theirs["errors"],
            theirs["recommended_values"],
            theirs["visible"],
            theirs["value"],
        ), theirs["name"]
