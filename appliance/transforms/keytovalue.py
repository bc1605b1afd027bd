"""Aiven's KeyToValue: fields of the key, or the whole key, become fields of the value.

Semantics: io.aiven.kafka.connect.transforms.KeyToValue. Headers stay, which the peer loses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from appliance.api import NULL, Batch, Stage
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.data import Schema, Type
from appliance.data.infer import infer_schema
from appliance.data.struct import unwrap
from appliance.errors import DataError
from appliance.transforms.base import CompiledTransform, class_of, copied_basics

_WHOLE_KEY = "_key"
Part = Callable[[Any, Any], Any]


class KeyToValue(CompiledTransform):
    """Copies `key.fields` to `value.fields`."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "key.fields",
            ConfigType.LIST,
            "",
            importance=Importance.HIGH,
            doc="Fields of the key, or `*` for the whole key.",
        )
        .define(
            "value.fields",
            ConfigType.LIST,
            "",
            importance=Importance.HIGH,
            doc="Their names in the value, in the same order; by default the same, `_key` for `*`.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises DataError for a name given twice."""
        parsed = self.config_def.parse(config)
        keys, values = parsed["key.fields"] or ["*"], parsed["value.fields"]
        self._fields: dict[str, str] = {}
        for place, key in enumerate(keys):
            name = values[place] if place < len(values) else key
            name = _WHOLE_KEY if name == "*" else name
            if name in self._fields:
                raise DataError(
                    f"More than one key value is copied to the value field name '{name}'"
                )
            self._fields[name] = key

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage; with schemas the new rows are put together once per pair."""
        plan: tuple[Schema, list[Part]] | None = None

        def run(batch: Batch) -> list[Batch]:
            nonlocal plan
            full = batch.expanded()
            keys = full.keys if full.keys is not None else [None] * len(full)
            if value_schema is None:
                rows = [
                    self._map(key_schema, k, v) for k, v in zip(keys, full.values, strict=True)
                ]
                return [dataclasses.replace(full, values=rows, raw_values=None)]
            if None in full.values or NULL in full.values:
                raise _no_struct()
            if plan is None:
                plan = self._plan(key_schema, keys[0] if keys else None, value_schema)
            schema, parts = plan
            rows = [
                tuple([part(key, row) for part in parts])
                for key, row in zip(keys, full.values, strict=True)
            ]
            return [dataclasses.replace(full, values=rows, value_schema=schema, raw_values=None)]

        return run

    def _named(self) -> str:
        return f"[{', '.join(self._fields.values())}]"

    def _map(self, key_schema: Schema | None, key: Any, value: Any) -> Any:
        if not isinstance(value, dict):
            raise _no_struct()
        key = None if key is NULL else key
        found = dict(value)
        for name, wanted in self._fields.items():
            if wanted == "*":
                found[name] = key
            elif key_schema is not None:
                found[name] = self._key_field(key_schema, wanted)(key, None)
            elif isinstance(key, dict):
                found[name] = key.get(wanted)
            else:
                raise DataError(
                    f"Named key fields {self._named()} cannot be copied from the key class: "
                    f"{class_of(key, None)}"
                )
        return found

    def _key_field(self, schema: Schema, name: str) -> Part:
        if schema.type is not Type.STRUCT:
            raise DataError(
                f"Named key fields {self._named()} cannot be copied from the key schema: "
                f"{schema.type.name}"
            )
        field = schema.field(name)
        if field is None:
            raise DataError(f"Key field '{name}' not found in key schema")
        index, default = field.index, unwrap(field.schema.default)
        return lambda key, _row: default if key[index] is None else key[index]

    def _plan(
        self, key_schema: Schema | None, key: Any, schema: Schema
    ) -> tuple[Schema, list[Part]]:
        if schema.type is not Type.STRUCT:
            raise _no_struct()
        own = key_schema
        if own is None:
            if isinstance(key, dict):
                raise DataError(
                    "The value requires a schema, but the key class is a schemaless Map"
                )
            inferred = infer_schema(key)
            if inferred is None:
                raise DataError(
                    f"Cannot infer schema for unsupported key class: {class_of(key, None)}"
                )
            own = inferred.replace(optional=True)
        schemas: dict[str, tuple[Schema, Part]] = {
            field.name: (field.schema, _copied(field.index, unwrap(field.schema.default)))
            for field in schema.fields
        }
        for name, wanted in self._fields.items():
            if wanted == "*":
                schemas[name] = (own, lambda key, _row: None if key is NULL else key)
            else:
                part = self._key_field(own, wanted)
                found = own.field(wanted)
                schemas[name] = (own if found is None else found.schema, part)
        builder = copied_basics(schema)
        for name, (member, _) in schemas.items():
            builder.field(name, member)
        return builder.build().replace(optional=schema.optional), [p for _, p in schemas.values()]


def _copied(index: int, default: Any) -> Part:
    return lambda _key, row: default if row[index] is None else row[index]


def _no_struct() -> DataError:
    return DataError("The value needs to be a Struct or Map in order to append fields")
