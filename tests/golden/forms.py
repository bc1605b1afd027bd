"""The notation of the recordings: typed values, schemas, records and errors, read and compared.

Each line of a recording is one JSON object: what was done to which class with which input, and what the
peer gave (`expect`; `expect_java21`, `expect_java25` where newer Java gives another text).
"""

from __future__ import annotations

import base64
import decimal
import json
import lzma
import math
import os
import pathlib
from collections.abc import Iterator
from typing import Any, TypeGuard, cast

from appliance.data import (
    Field,
    Float32,
    Header,
    Instant,
    Int8,
    Int16,
    Int32,
    Schema,
    SinkRecord,
    SourceRecord,
    Struct,
    Type,
)
from appliance.data.logical import BigInteger, Float64, Int64
from appliance.data.mapkeys import as_key
from appliance.data.text import to_float32

DATA = pathlib.Path(os.environ.get("GOLDEN_DATA") or pathlib.Path(__file__).parent / "data")
_TYPES = {t.value: t for t in Type}
_INTS: dict[str, type] = {"i8": Int8, "i16": Int16, "i32": Int32}
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def lines(pattern: str) -> Iterator[dict[str, Any]]:
    """Give the cases of every file whose name matches the pattern."""
    for path in sorted(DATA.glob(pattern)):
        opened = lzma.open if path.suffix == ".xz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            yield from (json.loads(line) for line in file)


def read_schema(form: Any) -> Schema | None:
    """Build a schema from its form."""
    if form is None:
        return None
    bare = Schema(
        _TYPES[form["type"]],
        optional=form.get("optional", False),
        name=form.get("name"),
        version=form.get("version"),
        doc=form.get("doc"),
        parameters=form.get("parameters"),
        fields=tuple(
            Field(f["field"], i, cast("Schema", read_schema(f)))
            for i, f in enumerate(form.get("fields", ()))
        ),
        key_schema=read_schema(form.get("keys")),
        value_schema=read_schema(form.get("items", form.get("values"))),
    )
    if form.get("default") is None:
        return bare
    return bare.replace(default=read_value(form["default"], bare))


def read_value(form: Any, schema: Schema | None = None) -> Any:
    """Build a boundary value from its form; widths that the schema does not ask for stay tagged."""
    if not isinstance(form, dict):
        return form
    (tag, *_), (inner, *_) = form.keys(), form.values()
    if tag in _INTS:
        return _INTS[tag](inner)
    if tag == "i64":
        return (
            inner
            if schema is None or (schema.type is Type.INT64 and not schema.name)
            else Int64(inner)
        )
    if tag in ("f32", "f64"):
        number = _SPECIAL[inner] if inner in _SPECIAL else float(inner)
        if tag == "f32":
            return Float32(to_float32(number))
        return number if schema is None or schema.type is Type.FLOAT64 else Float64(number)
    return _READERS[tag](form, inner, schema)


def _own_schema(form: Any) -> Schema | None:
    """Give a struct's own schema; that of a default is in the peer the builder with the default in it."""
    return read_schema({k: v for k, v in form["schema"].items() if k != "default"})


def _read_struct(form: Any, inner: Any, schema: Schema | None) -> Struct:
    own = _own_schema(form) if "schema" in form else schema
    if own is None:
        raise AssertionError("a struct without a schema")
    struct = Struct(own)
    for name, value in inner:
        field = own.field(name)
        if field is None:
            raise AssertionError(name)
        struct.put_unchecked(field, read_value(value, field.schema))
    return struct


def _read_map(_form: Any, inner: Any, schema: Schema | None) -> dict[Any, Any]:
    keys, values = (
        (schema.key_schema, schema.value_schema) if _is(schema, Type.MAP) else (None, None)
    )
    return {as_key(read_value(k, keys)): read_value(v, values) for k, v in inner}


def _bucket(size: int) -> Any:
    """Give the place of an entry of a Java HashMap grown to `size` entries."""
    capacity = 16
    while size > capacity * 0.75:
        capacity *= 2

    def place(entry: Any) -> int:
        code = 0
        for char in str(entry[0]):
            code = (code * 31 + ord(char)) & 0xFFFFFFFF
        return (code ^ code >> 16) & (capacity - 1)

    return place


def _is(schema: Schema | None, kind: Type) -> TypeGuard[Schema]:
    return schema is not None and schema.type is kind


class Other:
    """An object of a Java class that the product has no value for."""

    def __init__(self, java_class: str, text: str) -> None:
        self.java_class, self.text = java_class, text

    def __str__(self) -> str:
        return self.text


_READERS: dict[str, Any] = {
    "b64": lambda _f, inner, _s: base64.b64decode(inner),
    "buf": lambda _f, inner, _s: memoryview(base64.b64decode(inner)),
    "dec": lambda _f, inner, _s: decimal.Decimal(inner),
    "ms": lambda _f, inner, _s: Instant(inner),
    "list": lambda _f, inner, s: [
        read_value(i, s.value_schema if _is(s, Type.ARRAY) else None) for i in inner
    ],
    "map": _read_map,
    "hashmap": lambda f, inner, s: _read_map(f, sorted(inner, key=_bucket(len(inner))), s),
    "struct": _read_struct,
    "bigint": lambda _f, inner, _s: BigInteger(inner),
    "char": lambda _f, inner, _s: Other("java.lang.Character", inner),
    "uuid": lambda _f, inner, _s: Other("java.util.UUID", inner),
    "java": lambda f, inner, _s: Other(inner, f["text"]),
}


def read_bytes(form: Any) -> bytes | None:
    """Give the bytes of an input or a result."""
    if form is None:
        return None
    if "b64" in form:
        return base64.b64decode(form["b64"])
    if "hex" in form:
        return bytes.fromhex(form["hex"])
    return str(form["utf8"]).encode("utf-8", "surrogatepass")


def read_record(form: Any) -> SinkRecord | SourceRecord:
    """Build a record; absent members have the recorder's defaults."""
    key_schema, value_schema = (
        read_schema(form.get("key_schema")),
        read_schema(form.get("value_schema")),
    )
    common: dict[str, Any] = {
        "topic": form.get("topic", "t"),
        "partition": form.get("partition", 0),
        "key_schema": key_schema,
        "key": read_value(form.get("key"), key_schema),
        "value_schema": value_schema,
        "value": read_value(form.get("value"), value_schema),
        "timestamp": form.get("timestamp"),
        "headers": tuple(
            Header(name, read_schema(schema), read_value(value, read_schema(schema)))
            for name, schema, value in form.get("headers", ())
        ),
    }
    if form.get("kind", "sink") == "source":
        return SourceRecord(
            **common,
            source_partition=read_value(form.get("source_partition")) or {},
            source_offset=read_value(form.get("source_offset")) or {},
        )
    return SinkRecord(
        **common,
        kafka_offset=form.get("offset", 0),
        timestamp_type=form.get(
            "timestamp_type", "NoTimestampType" if form.get("timestamp") is None else "CreateTime"
        ),
        original_topic=form.get("original_topic", common["topic"]),
        original_kafka_partition=form.get("original_partition", common["partition"]),
        original_kafka_offset=form.get("original_offset", form.get("offset", 0)),
    )


def same_value(form: Any, value: Any, schema: Schema | None) -> bool:
    """Whether a value is what its form says; without a schema its class must match too."""
    if not isinstance(form, dict):
        return type(form) is type(value) and bool(form == value)
    (tag, *_), (inner, *_) = form.keys(), form.values()
    if tag in ("i8", "i16", "i32", "i64"):
        tagged = schema is not None or type(value) in (
            _INTS.get(tag, int),
            *((Int64,) if tag == "i64" else ()),
        )
        return isinstance(value, int) and not isinstance(value, bool) and tagged and value == inner
    if tag in ("f32", "f64"):
        wanted = _SPECIAL[inner] if inner in _SPECIAL else float(inner)
        wanted = to_float32(wanted) if tag == "f32" else wanted
        tagged = schema is not None or isinstance(value, Float32) == (tag == "f32")
        return (
            isinstance(value, float) and tagged and float.__repr__(wanted) == float.__repr__(value)
        )
    if tag == "dec":
        found = decimal.Decimal(inner)
        return (
            isinstance(value, decimal.Decimal)
            and found.as_tuple()[1:] == value.as_tuple()[1:]
            and (found.is_zero() or found.is_signed() == value.is_signed())
        )
    if tag == "ms":
        return (
            isinstance(value, int)
            and (schema is not None or isinstance(value, Instant))
            and value == inner
        )
    if tag in ("b64", "buf"):
        return isinstance(value, (bytes, bytearray, memoryview)) and bytes(
            value
        ) == base64.b64decode(inner)
    if tag == "list":
        items = schema.value_schema if _is(schema, Type.ARRAY) else None
        return (
            isinstance(value, list)
            and len(value) == len(inner)
            and all(same_value(f, v, items) for f, v in zip(inner, value, strict=True))
        )
    if tag == "map":
        return _same_map(form, inner, value, schema)
    if tag == "struct":
        return _same_struct(form, inner, value)
    if tag == "bigint":
        return isinstance(value, BigInteger) and value == int(inner)
    raise AssertionError(f"unknown form {tag}")


def _same_map(form: Any, inner: Any, value: Any, schema: Schema | None) -> bool:
    keys, values = (
        (schema.key_schema, schema.value_schema) if _is(schema, Type.MAP) else (None, None)
    )
    if not isinstance(value, dict) or len(value) != len(inner):
        return False
    if form.get("order") == "hash":
        left = list(value.items())
        for k, v in inner:
            hit = next(
                (p for p in left if same_value(k, p[0], keys) and same_value(v, p[1], values)),
                None,
            )
            if hit is None:
                return False
            left.remove(hit)
        return True
    return all(
        same_value(k, key, keys) and same_value(v, item, values)
        for (k, v), (key, item) in zip(inner, value.items(), strict=True)
    )


def _same_struct(form: Any, inner: Any, value: Any) -> bool:
    if not isinstance(value, Struct) or [f.name for f in value.schema.fields] != [
        n for n, _ in inner
    ]:
        return False
    if "schema" in form and _own_schema(form) != value.schema:
        return False
    return all(
        same_value(f, value.get_without_default(n), value.schema.fields[i].schema)
        for i, (n, f) in enumerate(inner)
    )
