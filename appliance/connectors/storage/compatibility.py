"""Whether a record may go into the open file, and how it is projected to the file's schema.

Semantics: Confluent StorageSchemaCompatibility (NONE, BACKWARD, FORWARD, FULL) over SchemaProjector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from appliance.api.batch import NULL
from appliance.data import Schema, Struct, Type
from appliance.errors import DataError, SchemaProjectorError

Mode = Literal["NONE", "BACKWARD", "FORWARD", "FULL"]
Projection = Callable[[Sequence[Any]], list[Any]]

_WIDTHS: Final = (Type.INT8, Type.INT16, Type.INT32, Type.INT64, Type.FLOAT32, Type.FLOAT64)


def parse_mode(text: str) -> Mode:
    """Give the mode; an unknown text is NONE, as in the original."""
    upper = text.upper()
    return upper if upper in ("BACKWARD", "FORWARD", "FULL") else "NONE"  # type: ignore[return-value]


def must_rotate(mode: Mode, record: Schema | None, file: Schema | None) -> bool:
    """Whether records of schema `record` need a new file. Raises DataError for a switch to schemaless."""
    if record is file or record == file:
        return False
    if record is None or file is None:
        raise DataError("Switch between schema-based and schema-less data is not supported")
    if mode == "NONE":
        return True
    if record.version is None or file.version is None:
        raise DataError(f"Schema version required for {mode} compatibility")
    newer = record.version > file.version
    older = record.version < file.version
    if (older if mode == "FORWARD" else newer) or not (newer or older):
        return True
    try:
        projection(record, file)
    except SchemaProjectorError:
        return True
    return False


def projection(source: Schema, target: Schema) -> Projection:
    """Give the function that turns rows of `source` into rows of `target`. Raises SchemaProjectorError."""
    convert = _value(source, target)
    return lambda rows: [row if row is None or row is NULL else convert(row) for row in rows]


def _value(source: Schema, target: Schema) -> Callable[[Any], Any]:
    if source.type is not target.type and not (
        source.type in _WIDTHS
        and target.type in _WIDTHS
        and _WIDTHS.index(source.type) <= _WIDTHS.index(target.type)
    ):
        raise SchemaProjectorError(
            f"Schema type mismatch. source type: {source.type} and target type: {target.type}"
        )
    if source.name != target.name:
        raise SchemaProjectorError(
            f"Schema name mismatch. source name: {source.name} and target name: {target.name}"
        )
    if (source.parameters or {}) != (target.parameters or {}):
        raise SchemaProjectorError(
            f"Schema parameters not equal. source parameters: {source.parameters} and target: {target.parameters}"
        )
    if source.optional and not target.optional and target.default is None:
        raise SchemaProjectorError(
            "Writer schema is optional, however, target schema does not provide a default value."
        )
    convert = _members(source, target)
    default = _row_default(target)
    return lambda value: default if value is None else convert(value)


def _row_default(schema: Schema) -> Any:
    return schema.default.row() if isinstance(schema.default, Struct) else schema.default


def _members(source: Schema, target: Schema) -> Callable[[Any], Any]:
    if source.type is Type.STRUCT:
        return _struct(source, target)
    if source.type is Type.ARRAY and source.value_schema and target.value_schema:
        item = _value(source.value_schema, target.value_schema)
        return lambda values: [item(value) for value in values]
    if source.type is Type.MAP and source.value_schema and target.value_schema:
        item = _value(source.value_schema, target.value_schema)
        return lambda values: {key: item(value) for key, value in values.items()}
    if target.type in (Type.FLOAT32, Type.FLOAT64) and source.type not in (
        Type.FLOAT32,
        Type.FLOAT64,
    ):
        return float
    return lambda value: value


def _always(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def _struct(source: Schema, target: Schema) -> Callable[[Any], Any]:
    parts: list[tuple[int, Callable[[Any], Any]]] = []
    for field in target.fields:
        found = source.field(field.name)
        if found is not None:
            parts.append((found.index, _value(found.schema, field.schema)))
        elif field.schema.optional or field.schema.default is not None:
            parts.append((0, _always(_row_default(field.schema))))
        else:
            raise SchemaProjectorError(
                f"Required field `{field.name}` is missing from source schema: {source}"
            )
    return lambda row: tuple([convert(row[index]) for index, convert in parts])
