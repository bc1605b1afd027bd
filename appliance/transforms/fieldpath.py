"""Paths to fields: one name (V1), or names between dots with backticks around names that have dots (V2).

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.field.SingleFieldPath.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.data import Field, Schema
from appliance.errors import ConfigError
from appliance.transforms.base import required_map


def parse_path(path: str, *, nested: bool) -> list[str]:
    """Give the names of a path. Raises ConfigError for an open backtick."""
    if not nested:
        return [path]
    names: list[str] = []
    at = 0
    while at <= len(path):
        if path.startswith("`", at):
            name, at = _quoted(path, at)
        else:
            end = path.find(".", at)
            end = len(path) if end < 0 else end
            name, at = path[at:end], end + 1
        names.append(name)
    return names


def _quoted(path: str, start: int) -> tuple[str, int]:
    """Read a name that begins with a backtick; give it and where the next one begins."""
    name: list[str] = []
    at = start + 1
    while at < len(path):
        char = path[at]
        ends = char == "`" and (at + 1 == len(path) or path[at + 1] == ".")
        if ends and path[at - 1] == "\\" and at - 1 > start:
            name[-1] = "`"
        elif ends:
            return "".join(name), at + 2
        else:
            name.append(char)
        at += 1
    raise ConfigError(
        f"Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick "
        f"at position {start} to escape it"
    )


def field_of(schema: Schema, names: list[str]) -> tuple[list[int], Field] | None:
    """Give the places on the way and the last field, None when there is none. Raises DataError."""
    places: list[int] = []
    field: Field | None = None
    for name in names:
        field = schema.field(name)
        if field is None:
            return None
        places.append(field.index)
        schema = field.schema
    return None if field is None else (places, field)


def member_of(value: Mapping[Any, Any], names: list[str]) -> Any:
    """Follow the names through maps; None where one is missing. Raises DataError."""
    found: Any = value
    for name in names[:-1]:
        found = found.get(name)
        if found is None:
            return None
        found = required_map(found, "nested field access")
    return found.get(names[-1])
