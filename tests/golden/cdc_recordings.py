"""The recorded Debezium runs: topics, handling modes and statements of both databases."""

from __future__ import annotations

import functools
import json
import lzma
import pathlib
from typing import Any

from appliance.connectors.binlog.tables import Column

FOLDER = pathlib.Path(__file__).parent / "cdc"
PREFIXES = {"mariadb": "dbz-smp-ma", "mysql": "dbz-smp-my"}


@functools.cache
def recording(database: str) -> dict[str, Any]:
    """Give everything recorded of one database: `topics`, `modes`, `statements`, `connector`."""
    with lzma.open(FOLDER / f"{database}.json.xz", "rt", encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
        return found


def history(database: str) -> list[dict[str, Any]]:
    """Give the values of the schema history topic."""
    records = recording(database)["topics"][f"{PREFIXES[database]}-history"]
    return [json.loads(record["value"]) for record in records]


def recorded_column(form: dict[str, Any]) -> Column:
    """Build a column from its form in a history record."""
    return Column(
        form["name"],
        form["position"],
        form["typeName"],
        form.get("length"),
        form.get("scale"),
        form.get("charsetName"),
        tuple(form.get("enumValues") or ()),
        form["optional"],
        form["autoIncremented"],
        form["generated"],
        form["hasDefaultValue"],
        form.get("defaultValueExpression"),
        form.get("comment"),
    )
