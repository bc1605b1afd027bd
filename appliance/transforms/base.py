"""What the built-in transforms share: compiling per schema, and the parts of records they work on.

A `PartTransform` works on keys or on values. It gives a `Plan` per schema (None: schemaless), and says
what becomes of a null; batches, nulls between rows, and single records are handled here.
Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms and its Requirements, SchemaUtil.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from appliance.api import NULL, Batch, Stage, Transform
from appliance.config import ConfigKey, ConfigType, Importance
from appliance.data import Field, Header, Schema, SchemaBuilder, Type
from appliance.data.record import ConnectRecord
from appliance.data.struct import java_class_name, unwrap, wrap
from appliance.errors import DataError

REPLACE_NULL = ConfigKey(
    "replace.null.with.default",
    ConfigType.BOOLEAN,
    True,
    importance=Importance.MEDIUM,
    doc="Put a field's default in the place of null in every field that is copied. With `false` null "
    "stays null.",
)

RowsFunction = Callable[[list[Any], Batch], list[Any]]


class Plan(NamedTuple):
    """How the live rows of one schema are changed: the schema they then have, and the function."""

    schema: Schema | None
    rows: RowsFunction


def row_by_row(convert: Callable[[Any], Any]) -> RowsFunction:
    """Give the function over rows that calls `convert` for each."""
    return lambda rows, _batch: [convert(row) for row in rows]


class CompiledTransform(Transform):
    """A transform that is defined by its stages; single records go through a batch of one."""

    def __init__(self) -> None:
        """Start without stages."""
        self._stages: dict[tuple[Schema | None, Schema | None], Stage] = {}

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage for batches of these schemas."""
        raise NotImplementedError

    def compile(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage, made once per pair of schemas."""
        known = self._stages.get((key_schema, value_schema))
        if known is None:
            known = self._stages[key_schema, value_schema] = self.stage(key_schema, value_schema)
        return known

    def apply(self, record: ConnectRecord) -> Any:
        """Give the record that takes this one's place, or None."""
        batch = Batch.of_record(record)
        for found in self.compile(record.key_schema, record.value_schema)(batch):
            if len(found):
                return _record_after(record, batch, found)
        return None


def _record_after(record: ConnectRecord, before: Batch, after: Batch) -> ConnectRecord:
    if after is before:
        return record
    changes: dict[str, Any] = {
        "topic": after.topic_at(0),
        "partition": after.partition_at(0),
        "timestamp": after.timestamp_at(0),
        "headers": after.headers_at(0),
    }
    for part, rows, schema, was, was_schema in (
        ("key", after.keys, after.key_schema, before.keys, before.key_schema),
        ("value", after.values, after.value_schema, before.values, before.value_schema),
    ):
        if rows is was and schema is was_schema:
            continue
        row = None if rows is None else rows[0]
        changes[f"{part}_schema"] = None if row is None else schema
        changes[part] = None if row is NULL else wrap(schema, row)
    return record.replace(**changes)


class PartTransform(CompiledTransform):
    """A transform of keys or of values."""

    part: ClassVar[Literal["key", "value"]] = "value"
    purpose: ClassVar[str] = ""

    def plan(self, schema: Schema | None) -> Plan:
        """Give the plan for live rows of `schema`. Raises DataError when there can be none."""
        raise NotImplementedError

    def null(self, schema: Schema | None) -> tuple[Schema | None, Any]:
        """Give what becomes of a null under `schema`: by default the same."""
        return schema, None

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage; the plan is made when the first live row comes."""
        schema = key_schema if self.part == "key" else value_schema
        plan: Plan | None = None

        def run(batch: Batch) -> list[Batch]:
            nonlocal plan
            rows = batch.keys if self.part == "key" else batch.values
            if rows is None:
                rows = [None] * len(batch)
            elif self.part == "value" and batch.layout is not None:
                batch = batch.expanded()
                rows = batch.values
            if not rows:
                return [batch]
            if None in rows or NULL in rows:
                return self._with_nulls(batch, rows, schema)
            if plan is None:
                plan = self.plan(schema)
            return [self.replaced(batch, plan.rows(rows, batch), plan.schema)]

        return run

    def _with_nulls(self, batch: Batch, rows: list[Any], schema: Schema | None) -> list[Batch]:
        live = [i for i, row in enumerate(rows) if row is not None and row is not NULL]
        found: list[tuple[Schema | None, Any]] = (
            [self.null(None if row is None else schema) for row in rows]
            if len(live) < len(rows)
            else []
        )
        if live:
            plan = self.plan(schema)
            some = batch.take(live)
            some_rows = (some.keys or []) if self.part == "key" else some.values
            for place, row in zip(live, plan.rows(some_rows, some), strict=True):
                found[place] = (plan.schema, row)
        unchanged = [(None if row is None else schema, None) for row in rows]
        if not live and found == unchanged:
            return [batch]
        return [
            self.replaced(batch.take(run), [_null_row(*found[i]) for i in run], run_schema)
            for run_schema, run in runs_of(found)
        ]

    def replaced(self, batch: Batch, rows: list[Any], schema: Schema | None) -> Batch:
        """Give the batch with the changed rows."""
        if self.part == "key":
            return dataclasses.replace(batch, keys=rows, key_schema=schema, raw_keys=None)
        return dataclasses.replace(batch, values=rows, value_schema=schema, raw_values=None)


def _null_row(schema: Schema | None, row: Any) -> Any:
    return NULL if row is None and schema is not None else row


def runs_of(found: Sequence[tuple[Any, ...]]) -> list[tuple[Schema | None, list[int]]]:
    """Group neighbouring rows that may share a batch; a null without a schema fits any.

    Each entry is a schema, a row and, where that too must be equal, something more.
    """
    runs: list[tuple[Schema | None, list[int]]] = []
    for i, (schema, row, *more) in enumerate(found):
        last = runs[-1] if runs else None
        if last is None or (more and found[last[1][-1]][2:] != tuple(more)):
            runs.append((schema, [i]))
        elif (schema is None and row is None) or last[0] is schema or last[0] == schema:
            last[1].append(i)
        elif all(found[j][0] is None and found[j][1] is None for j in last[1]):
            runs[-1] = (schema, [*last[1], i])
        else:
            runs.append((schema, [i]))
    return runs


def copied_basics(schema: Schema) -> SchemaBuilder:
    """Start a schema with the type, name, version, doc and parameters of another."""
    if schema.type is Type.ARRAY:
        builder = SchemaBuilder.array(schema.value_schema)
    elif schema.type is Type.MAP:
        builder = SchemaBuilder.map(schema.key_schema, schema.value_schema)
    else:
        builder = SchemaBuilder(schema.type)
    if schema.name is not None:
        builder.name(schema.name)
    if schema.version is not None:
        builder.version(schema.version)
    if schema.doc is not None:
        builder.doc(schema.doc)
    if schema.parameters:
        builder.parameters(schema.parameters)
    return builder


def required_struct(schema: Schema, purpose: str) -> Plan | None:
    """Give None for a STRUCT schema, else the plan that refuses every value."""
    if schema.type is Type.STRUCT:
        return None

    def refuse(value: Any) -> Any:
        raise DataError(
            f"Only Struct objects supported for [{purpose}], found: {class_of(value, schema)}"
        )

    return Plan(schema, row_by_row(refuse))


def required_map(value: Any, purpose: str) -> dict[Any, Any]:
    """Give `value` when it is a map. Raises DataError otherwise."""
    if not isinstance(value, dict):
        raise DataError(
            f"Only Map objects supported in absence of schema for [{purpose}], "
            f"found: {class_of(value, None)}"
        )
    return value


_BOXES = {
    Type.INT8: "java.lang.Byte",
    Type.INT16: "java.lang.Short",
    Type.INT32: "java.lang.Integer",
    Type.FLOAT32: "java.lang.Float",
}


def class_of(value: Any, schema: Schema | None) -> str:
    """Give the Java class of a row, `null` for None."""
    if value is None or value is NULL:
        return "null"
    if schema is not None and type(value) in (int, float) and schema.type in _BOXES:
        return _BOXES[schema.type]
    return java_class_name(wrap(schema, value)).removeprefix("class ")


def only_sink_records(batch: Batch, purpose: str) -> None:
    """Raise DataError unless the rows come from Kafka."""
    if batch.offsets is None:
        raise DataError(
            f"Only SinkRecord supported for [{purpose}], "
            "found: org.apache.kafka.connect.source.SourceRecord"
        )


def refused_null(schema: Schema | None, purpose: str) -> DataError:
    """Give the error of a transform that does not take null."""
    if schema is None:
        return DataError(
            f"Only Map objects supported in absence of schema for [{purpose}], found: null"
        )
    return DataError(f"Only Struct objects supported for [{purpose}], found: null")


def kept_by(part: str, keep: Callable[[Any], bool]) -> Stage:
    """Give the stage that drops every row whose key or value `keep` does not want."""

    def run(batch: Batch) -> list[Batch]:
        rows = batch.keys if part == "key" else batch.expanded().values
        places = [i for i, row in enumerate(rows or [None] * len(batch)) if keep(row)]
        if len(places) == len(batch):
            return [batch]
        return [batch.take(places)] if places else []

    return run


def with_headers(batch: Batch, blocks: Sequence[tuple[Header, ...]]) -> Batch:
    """Give the batch with one more block of headers per row."""
    before = batch.extra_headers or {}
    extra = {row: before.get(row, ()) + block for row, block in enumerate(blocks)}
    return dataclasses.replace(batch, extra_headers=extra)


class RowBuilder:
    """Puts together the function that makes one row from another, as generated code."""

    def __init__(self) -> None:
        """Start without fields."""
        self._parts: list[str] = []
        self._names: dict[str, Any] = {}
        self._copied: list[int] = []

    def _bind(self, value: Any) -> str:
        name = f"K{len(self._names)}"
        self._names[name] = value
        return name

    def copy(
        self,
        field: Field,
        *,
        replace_null: bool,
        name: str | None = None,
        kind: Type | None = None,
    ) -> None:
        """Append the value of a field, its default in the place of null if asked for.

        `name` and `kind` are the field's new name and type, for the error of a null.
        """
        if field.schema.default is not None and replace_null:
            default = self._bind(unwrap(field.schema.default))
            self._parts.append(f"({default} if r[{field.index}] is None else r[{field.index}])")
        elif field.schema.default is not None and not field.schema.optional:
            present = _present(name or field.name, kind or field.schema.type)
            self._parts.append(f"{self._bind(present)}(r[{field.index}])")
        else:
            self._parts.append(f"r[{field.index}]")
            self._copied.append(field.index)

    def convert(
        self,
        field: Field,
        function: Callable[[Any], Any],
        *,
        replace_null: bool,
        kind: Type | None = None,
    ) -> None:
        """Append what `function` gives for the value of a field, of type `kind` if that changes."""
        self.copy(field, replace_null=replace_null, kind=kind)
        if self._copied and self._parts[-1] == f"r[{field.index}]":
            self._copied.pop()
        self._parts[-1] = f"{self._bind(function)}({self._parts[-1]})"

    def constant(self, value: Any) -> None:
        """Append a constant."""
        self._parts.append(self._bind(value))

    def build(self) -> Callable[[Any], tuple[Any, ...]]:
        """Give the function."""
        if len(self._copied) == len(self._parts) > 1:
            return operator.itemgetter(*self._copied)
        body = "".join(f"{part}, " for part in self._parts)
        made: Callable[[Any], Any] = eval(f"lambda r: ({body})", dict(self._names))  # noqa: S307 - generated here
        return made


def _present(name: str, kind: Type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value is None:
            raise DataError(
                f'Invalid value: null used for required field: "{name}", schema type: {kind.name}'
            )
        return value

    return check
