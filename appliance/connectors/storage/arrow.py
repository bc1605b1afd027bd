"""Rows to Arrow columns, for Parquet; the one module of the sinks that imports pyarrow at its top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from appliance.data import Schema, Type
from appliance.data.logical import (
    DATE_NAME,
    DECIMAL_NAME,
    MILLIS_PER_DAY,
    TIME_NAME,
    TIMESTAMP_NAME,
)
from appliance.data.recursive import refuse_recursion
from appliance.errors import DataError

_PLAIN = {
    Type.INT8: pa.int32(),
    Type.INT16: pa.int32(),
    Type.INT32: pa.int32(),
    Type.INT64: pa.int64(),
    Type.FLOAT32: pa.float32(),
    Type.FLOAT64: pa.float64(),
    Type.BOOLEAN: pa.bool_(),
    Type.STRING: pa.string(),
    Type.BYTES: pa.binary(),
}
_LOGICAL = {
    DATE_NAME: pa.date32(),
    TIME_NAME: pa.time32("ms"),
    TIMESTAMP_NAME: pa.timestamp("ms", tz="UTC"),
}
_LONGEST_DECIMAL128 = 38
_LONGEST_DECIMAL = 76


def arrow_type(schema: Schema) -> Any:
    """Give the Arrow type of a Connect schema. Raises DataError."""
    if schema.name in _LOGICAL:
        return _LOGICAL[schema.name]
    if schema.name == DECIMAL_NAME:
        parameters = schema.parameters or {}
        precision = int(parameters.get("connect.decimal.precision") or 0) or 64
        scale = int(parameters.get("scale", "0"))
        wide = min(max(precision, scale), _LONGEST_DECIMAL)
        return (pa.decimal128 if wide <= _LONGEST_DECIMAL128 else pa.decimal256)(wide, scale)
    if schema.type in _PLAIN:
        return _PLAIN[schema.type]
    if schema.type is Type.STRUCT:
        refuse_recursion(schema, "Parquet cannot hold it; use Avro or JSON")
        return pa.struct([_field(field.name, field.schema) for field in schema.fields])
    value = schema.value_schema
    if value is None:
        raise DataError(f"writing Parquet: the element schema of {schema} is not known")
    if schema.type is Type.ARRAY:
        return pa.list_(_field("element", value))
    key = schema.key_schema
    if key is None:
        raise DataError(f"writing Parquet: the key schema of {schema} is not known")
    return pa.map_(arrow_type(key), _field("value", value))


def _field(name: str, schema: Schema) -> Any:
    return pa.field(name, arrow_type(schema), nullable=schema.optional)


def arrow_schema(schema: Schema) -> Any:
    """Give the Arrow schema of a STRUCT."""
    return pa.schema([_field(field.name, field.schema) for field in schema.fields])


def check_schema(arrow: Any, topic: str) -> None:
    """Raise DataError when Parquet has no form for an Arrow schema, a struct without fields for one."""
    try:
        parquet.ParquetWriter(pa.BufferOutputStream(), arrow).close()
    except pa.ArrowException as error:
        raise DataError(f"writing {topic} as Parquet: {error}") from error


def record_batch(schema: Schema, arrow: Any, rows: Sequence[tuple[Any, ...]]) -> Any:
    """Give the rows as one RecordBatch. Raises DataError when a value does not fit."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema.fields)
    try:
        arrays = [
            _column(field.schema, column)
            for field, column in zip(schema.fields, columns, strict=True)
        ]
        for field, array in zip(arrow, arrays, strict=True):
            _refuse_nulls(field, array)
        return pa.RecordBatch.from_arrays(arrays, schema=arrow)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"writing Parquet: a value does not fit its schema ({error})") from error


def _refuse_nulls(field: Any, array: Any) -> None:
    """Raise DataError for a null where the schema has none; Parquet would find it at the file's end."""
    if array.null_count:
        if not field.nullable:
            raise DataError(f"writing Parquet: {field.name} is null, which its schema forbids")
        array = array.drop_null()
    kind = field.type
    if pa.types.is_struct(kind):
        for index in range(kind.num_fields):
            _refuse_nulls(kind.field(index), array.field(index))
    elif pa.types.is_map(kind):
        _refuse_nulls(kind.item_field, array.items)
    elif pa.types.is_list(kind):
        _refuse_nulls(kind.value_field, array.flatten())


def _column(schema: Schema, values: Sequence[Any]) -> Any:
    if schema.name == DATE_NAME:
        days = [None if value is None else value // MILLIS_PER_DAY for value in values]
        return pa.array(days, pa.int32()).cast(pa.date32())
    if schema.name == TIME_NAME:
        return pa.array(values, pa.int32()).cast(pa.time32("ms"))
    if schema.name == TIMESTAMP_NAME:
        return pa.array(values, pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
    if schema.type is Type.STRUCT:
        mask = pa.array([value is None for value in values], pa.bool_())
        children = [
            _column(
                field.schema, [None if value is None else value[field.index] for value in values]
            )
            for field in schema.fields
        ]
        fields = [
            _field(field.name, field.schema.replace(optional=True)) for field in schema.fields
        ]
        made = pa.StructArray.from_arrays(children, fields=fields, mask=mask)
        return made.cast(arrow_type(schema)) if not schema.optional else made
    if schema.type is Type.MAP:
        return pa.array(
            [None if v is None else list(v.items()) for v in values], arrow_type(schema)
        )
    return pa.array(values, arrow_type(schema))
