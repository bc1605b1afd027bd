"""HeaderToValue: headers become fields of the value.

Semantics: Debezium 3.6.1 io.debezium.transforms.HeaderToValue. Headers differ from row to row; rows with
the same schemas of headers share one plan.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from appliance.api import NULL, Batch, Stage
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.data import Field, Header, Schema, SchemaBuilder, Type
from appliance.data.struct import unwrap, validate_value, wrap
from appliance.errors import ConfigError, ConnectError, DataError
from appliance.transforms.base import CompiledTransform, class_of, copied_basics, runs_of
from appliance.transforms.debezium.options import refused

_PURPOSE = "Header field insertion"
Shape = tuple[tuple[str, Schema | None], ...]


class _Target(NamedTuple):
    """Where a header goes: the path of the field, and the header's schema and place in the shape."""

    path: tuple[str, ...]
    schema: Schema | None
    place: int


Convert = Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]


class HeaderToValue(CompiledTransform):
    """Copies or moves `headers` to `fields`."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "headers",
            ConfigType.LIST,
            None,
            importance=Importance.HIGH,
            order=1,
            display_name="Header names list",
            doc="Names of the headers.",
        )
        .define(
            "fields",
            ConfigType.LIST,
            None,
            importance=Importance.HIGH,
            order=1,
            display_name="Field names list",
            doc="The field of each header, in the same order; `after.name` for one of a nested struct.",
        )
        .define(
            "operation",
            ConfigType.STRING,
            None,
            importance=Importance.HIGH,
            order=1,
            display_name="Operation: mover or copy",
            doc="Whether the headers stay (`copy`) or go (`move`).",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        for name in ("headers", "fields", "operation"):
            if not config.get(name):
                raise refused(name, config.get(name), "A value is required")
        operation = config["operation"].strip().lower()
        if operation not in ("move", "copy"):
            raise refused("operation", config["operation"], "Value must be one of move, copy")
        parsed = self.config_def.parse(config)
        headers, fields = parsed["headers"], parsed["fields"]
        if len(headers) != len(fields):
            raise ConfigError(
                "'fields' config must have the same number of elements as 'headers' config."
            )
        self._moves = operation == "move"
        self._fields: dict[str, tuple[str, ...]] = {}
        for header, field in zip(headers, fields, strict=True):
            self._fields.setdefault(header, tuple(field.rstrip(".").split(".")))

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage, with one plan per combination of headers."""
        plans: dict[Shape, tuple[Schema, Convert]] = {}

        def run(batch: Batch) -> list[Batch]:
            full = batch.expanded()
            found: list[tuple[Any, ...]] = []
            for i, row in enumerate(full.values):
                chosen = {h.key: h for h in full.headers_at(i) if h.key in self._fields}
                if row is None or row is NULL:
                    found.append((None if row is None else value_schema, row, False))
                    continue
                if value_schema is None or value_schema.type is not Type.STRUCT:
                    raise DataError(
                        f"Only Struct objects supported for [{_PURPOSE}], "
                        f"found: {class_of(row, value_schema)}"
                    )
                if not chosen:
                    found.append((value_schema, row, False))
                    continue
                shape = tuple([(h.key, h.schema) for h in chosen.values()])
                if shape not in plans:
                    plans[shape] = self._plan(value_schema, shape)
                schema, convert = plans[shape]
                values = tuple([unwrap(h.value) for h in chosen.values()])
                found.append((schema, convert(row, values), True))
            if not any(changed for *_, changed in found):
                return [batch]
            return [self._assembled(full, found, run) for _, run in runs_of(found)]

        return run

    def _assembled(self, batch: Batch, found: list[tuple[Any, ...]], run: list[int]) -> Batch:
        some = dataclasses.replace(
            batch.take(run),
            values=[found[i][1] for i in run],
            value_schema=next((found[i][0] for i in run if found[i][0] is not None), None),
            raw_values=None,
        )
        if self._moves and found[run[0]][2]:
            some.headers = self._left(some.headers)
            if some.extra_headers:
                some.extra_headers = {i: self._left(b) for i, b in some.extra_headers.items()}
        return some

    def _left(self, block: tuple[Header, ...]) -> tuple[Header, ...]:
        return tuple([header for header in block if header.key not in self._fields])

    def _plan(self, schema: Schema, shape: Shape) -> tuple[Schema, Convert]:
        targets = [
            _Target(self._fields[name], own, place) for place, (name, own) in enumerate(shape)
        ]
        return _grown(schema, targets, ())


def _grown(
    schema: Schema, targets: list[_Target], above: tuple[str, ...]
) -> tuple[Schema, Convert]:
    """Give a struct's schema with the targets in it, and the function from its rows to the new ones."""
    if schema.type is not Type.STRUCT:
        full = ".".join((*above, *targets[0].path))
        raise ConnectError(
            f"Field '{'.'.join(above)}' is a primitive type, not a struct. "
            f"Cannot add nested field '{full}'."
        )
    builder: SchemaBuilder = copied_basics(schema)
    parts: list[Convert] = []
    for field in schema.fields:
        nested = [t._replace(path=t.path[1:]) for t in targets if t.path[0] == field.name]
        direct = [t for t in nested if not t.path]
        inner = [t for t in nested if t.path]
        if inner:
            grown, convert = _grown(field.schema, inner, (*above, field.name))
            builder.field(field.name, grown)
            parts.append(_nested(field, convert, inside=bool(above)))
        else:
            builder.field(field.name, field.schema)
            parts.append(_replaced(field, direct[-1].place) if direct else _copied(field))
    known = {field.name for field in schema.fields}
    for name in dict.fromkeys(t.path[0] for t in targets if t.path[0] not in known):
        inner = [t._replace(path=t.path[1:]) for t in targets if t.path[0] == name]
        if len(inner[0].path):
            empty = SchemaBuilder.struct().build()
            grown, convert = _grown(empty, inner, (*above, name))
            builder.field(name, grown.replace(optional=True))
            parts.append(_made(convert))
        else:
            builder.field(name, inner[0].schema)
            parts.append(_direct(inner[0].place))
    return builder.build(), lambda row, headers: tuple([part(row, headers) for part in parts])


def _copied(field: Field) -> Convert:
    index, default = field.index, unwrap(field.schema.default)
    return lambda row, _headers: default if row[index] is None else row[index]


def _nested(field: Field, convert: Convert, *, inside: bool) -> Convert:
    """Give the part for a struct that grows; inside another one a null has no schema to stand under."""
    index = field.index

    def part(row: Any, headers: tuple[Any, ...]) -> Any:
        if row[index] is None:
            if inside:
                raise DataError(
                    f'Invalid value: null used for required field: "{field.name}", '
                    "schema type: STRUCT"
                )
            return None
        return convert(row[index], headers)

    return part


def _made(convert: Convert) -> Convert:
    return lambda _row, headers: convert((), headers)


def _replaced(field: Field, place: int) -> Convert:
    where, schema = f'field: "{field.name}"', field.schema

    def part(_row: Any, headers: tuple[Any, ...]) -> Any:
        validate_value(where, schema, wrap(schema, headers[place]))
        return headers[place]

    return part


def _direct(place: int) -> Convert:
    return lambda _row, headers: headers[place]
