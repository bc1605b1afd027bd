"""Rows of one schema as rows of another, compatible one.

Semantics: Kafka Connect 4.3.1 SchemaProjector. What can be told from the schemas alone is told when the
projector is made; it is then a pure function over rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from appliance.data.recursive import BackReference, node_of
from appliance.data.schema import Schema, Type
from appliance.data.struct import unwrap, wrap
from appliance.data.text import to_float32
from appliance.errors import SchemaProjectorError

Projector = Callable[[Any], Any]

_LADDER: Final = (
    Type.INT8,
    Type.INT16,
    Type.INT32,
    Type.INT64,
    Type.FLOAT32,
    Type.FLOAT64,
)


def _same(row: Any) -> Any:
    return row


def projector(source: Schema, target: Schema) -> Projector:
    """Give the function from rows of `source` to rows of `target`. Raises SchemaProjectorError."""
    _check(source, target)
    if source == target and not _fills(source):
        return _same
    default: Any = None
    if source.optional and not target.optional:
        if target.default is None:
            raise SchemaProjectorError(
                "Writer schema is optional, however, target schema does not provide a default value."
            )
        default = unwrap(target.default)
    live = _live(source, target)
    return lambda row: default if row is None else live(row)


def project(source: Schema, value: Any, target: Schema) -> Any:
    """Project one boundary value. Raises SchemaProjectorError."""
    return wrap(target, projector(source, target)(unwrap(value)))


def _check(source: Schema, target: Schema) -> None:
    if source.type is not target.type and not _promotable(source.type, target.type):
        raise SchemaProjectorError(
            f"Schema type mismatch. source type: {source.type.name} "
            f"and target type: {target.type.name}"
        )
    if source.name != target.name:
        raise SchemaProjectorError(
            f"Schema name mismatch. source name: {_shown(source.name)} "
            f"and target name: {_shown(target.name)}"
        )
    if (source.parameters or None) != (target.parameters or None):
        raise SchemaProjectorError(
            f"Schema parameters not equal. source parameters: {_shown(source.parameters)} "
            f"and target parameters: {_shown(target.parameters)}"
        )


def _fills(schema: Schema, above: frozenset[int] = frozenset()) -> bool:
    """Tell whether a null below has a default, which takes its place; `above` are structs around."""
    if schema.type is Type.STRUCT:
        if node_of(schema) in above:
            return False
        within = above | {node_of(schema)}
        return any(f.schema.default is not None or _fills(f.schema, within) for f in schema.fields)
    members = []
    if schema.type in (Type.ARRAY, Type.MAP):
        members.append(schema.value_schema)
    if schema.type is Type.MAP:
        members.append(schema.key_schema)
    return any(member is not None and _fills(member, above) for member in members)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k}={v}' for k, v in value.items())}}}"
    return "null" if value is None else str(value)


def _promotable(source: Type, target: Type) -> bool:
    return (
        source in _LADDER and target in _LADDER and _LADDER.index(source) <= _LADDER.index(target)
    )


def _live(source: Schema, target: Schema) -> Projector:
    if target.type is Type.STRUCT:
        return _struct(source, target)
    if target.type is Type.ARRAY and source.value_schema and target.value_schema:
        item = _deferred(source.value_schema, target.value_schema)
        return lambda row: [item(member) for member in row]
    if target.type is Type.MAP and source.key_schema and target.key_schema:
        key = _deferred(source.key_schema, target.key_schema)
        if source.value_schema is None or target.value_schema is None:
            return _same
        value = _deferred(source.value_schema, target.value_schema)
        return lambda row: {key(k): value(v) for k, v in row.items()}
    if target.type is Type.FLOAT32 and source.type is not Type.FLOAT32:
        return lambda row: to_float32(float(row))
    return float if target.type is Type.FLOAT64 else _same


def _deferred(source: Schema, target: Schema) -> Projector:
    """Give the projector of members, made with the first: an empty list fits any schema."""
    made: list[Projector] = []

    def convert(row: Any) -> Any:
        if not made:
            made.append(projector(source, target))
        return made[0](row)

    return convert


def _struct(source: Schema, target: Schema) -> Projector:
    parts: list[Projector] = []
    for field in target.fields:
        known = source.field(field.name)
        if known is not None:
            try:
                make = _deferred if isinstance(known.schema, BackReference) else projector
                convert = make(known.schema, field.schema)
            except SchemaProjectorError as error:
                raise SchemaProjectorError(f"Error projecting {field.name}") from error
            parts.append(_member(known.index, unwrap(known.schema.default), convert))
        elif field.schema.optional:
            parts.append(lambda _row: None)
        elif field.schema.default is not None:
            parts.append(_constant(unwrap(field.schema.default)))
        else:
            raise SchemaProjectorError(
                f"Required field `{field.name}` is missing from source schema: {source}"
            )
    return lambda row: tuple([part(row) for part in parts])


def _member(index: int, default: Any, convert: Projector) -> Projector:
    if default is None:
        return lambda row: convert(row[index])
    return lambda row: convert(default if row[index] is None else row[index])


def _constant(value: Any) -> Projector:
    return lambda _row: value
