"""An Avro schema in its normal form: properties and aliases in order, defaults as values of their types.

Semantics: Confluent 8.5.0 AvroSchemaUtils.toNormalizedString. A name without a namespace inside one that
has it goes into that namespace, as there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from appliance.data.text import float_text
from appliance.schemaregistry.server.avroschema import MISSING, Member, Node

_LOGICAL: Final[Mapping[str, tuple[str, ...]]] = {
    "bytes": ("decimal", "big-decimal"),
    "fixed": ("decimal", "uuid", "duration"),
    "string": ("uuid",),
    "int": ("date", "time-millis"),
    "long": (
        "time-micros",
        "timestamp-millis",
        "timestamp-micros",
        "timestamp-nanos",
        "local-timestamp-millis",
        "local-timestamp-micros",
        "local-timestamp-nanos",
    ),
}
_FIXED_SIZES: Final = {"uuid": 16, "duration": 12}


def normal(node: Node) -> Node:
    """Give a schema that prints as the normal form."""
    return _Normalizer().node(node, "")


class _Normalizer:
    def __init__(self) -> None:
        self._made: dict[int, Node] = {}

    def node(self, node: Node, namespace: str) -> Node:
        if id(node) in self._made or node.is_referred:
            return self._made.get(id(node), node)
        made = dataclasses.replace(node, props=_props(node))
        if node.name:
            self._made[id(node)] = made
            if "." not in node.name and namespace:
                made.name = f"{namespace}.{node.name}"
            made.doc = node.doc or None
            made.aliases = sorted(set(node.aliases))
        space = made.name.rpartition(".")[0]
        made.is_error = False
        made.fields = [self._member(field, space) for field in node.fields]
        made.branches = [self.node(branch, namespace) for branch in node.branches]
        if node.items is not None:
            made.items = self.node(node.items, namespace)
        return made

    def _member(self, field: Member, namespace: str) -> Member:
        return dataclasses.replace(
            field,
            type=self.node(field.type, namespace),
            default=_default(field.type, field.default),
            aliases=sorted(set(field.aliases)),
            props=_sorted(field.props),
        )


def _props(node: Node) -> dict[str, Any]:
    props: dict[str, Any] = _sorted(node.props)
    name = props.get("logicalType")
    if name not in _LOGICAL.get(node.kind, ()) or not _is_valid(node, name):
        return props
    first = ["logicalType"]
    if name == "decimal":
        first += ["precision", *(["scale"] if props.get("scale") else [])]
    return {**{word: props[word] for word in first}, **props}


def _is_valid(node: Node, name: str) -> bool:
    if name == "decimal":
        precision, scale = node.props.get("precision"), node.props.get("scale", 0)
        return (
            isinstance(precision, int)
            and isinstance(scale, int)
            and precision > 0
            and 0 <= scale <= precision
        )
    return node.kind != "fixed" or node.size == _FIXED_SIZES[name]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _default(node: Node, value: Any) -> Any:
    """Give a default as a value of the type; of a union's first branch."""
    if value is MISSING:
        return value
    if node.kind == "union":
        return _default(node.branches[0], value) if node.branches else value
    if isinstance(value, dict):
        inner = {field.name: field.type for field in node.fields}
        return {
            name: _default(node.items if node.kind == "map" else inner[name], value[name])
            for name in sorted(value)
            if node.kind == "map" or name in inner
        }
    if isinstance(value, list) and node.kind == "array":
        return [_default(node.items, item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if node.kind == "double":
            return float(value)
        if node.kind == "float":
            return float(float_text(float(value)))
    return value
