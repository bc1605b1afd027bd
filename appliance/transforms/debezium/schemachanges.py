"""SchemaChangeEventFilter: drops events of the schema change topic by their kind.

Semantics: Debezium 3.6.1 io.debezium.transforms.SchemaChangeEventFilter. The first of an event's table
changes gives its kind; an event without a list of them is dropped, one with an empty list is a database's
own (DATABASE).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from appliance.api import NULL, Batch, Stage
from appliance.config import ConfigDef, ConfigType, Importance, Width
from appliance.data import Schema, Type
from appliance.errors import DataError
from appliance.transforms.base import CompiledTransform
from appliance.transforms.debezium.options import refused

_OPTION: Final = "schema.change.event.exclude.list"
_KINDS: Final = ("CREATE", "ALTER", "DROP", "TRUNCATE", "DATABASE")
_NAMES: Final = (".SchemaChangeValue", ".SchemaChangeKey")


class SchemaChangeEventFilter(CompiledTransform):
    """Drops events whose kind is listed."""

    config_def: ClassVar[ConfigDef] = ConfigDef().define(
        _OPTION,
        ConfigType.STRING,
        None,
        importance=Importance.HIGH,
        width=Width.SHORT,
        order=1,
        display_name="Schema change event exclude list",
        doc="Kinds to drop, separated by commas: CREATE, ALTER, DROP, TRUNCATE, DATABASE.",
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the option. Raises ConfigError; ValueError for a kind that there is not."""
        text = config.get(_OPTION)
        if not text or not text.strip():
            raise refused(_OPTION, text, "A value is required")
        self._excluded = frozenset(_kind(word.strip()) for word in text.rstrip(",").split(","))

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage; what is no schema change passes as it is."""
        if value_schema is None or not (value_schema.name or "").endswith(_NAMES):
            return lambda batch: [batch]
        field = value_schema.field("tableChanges")

        def run(batch: Batch) -> list[Batch]:
            full = batch.expanded()
            kept = []
            for i, row in enumerate(full.values):
                if row is None or row is NULL:
                    kept.append(i)
                    continue
                if field is None:
                    raise DataError("tableChanges is not a valid field name")
                if self._keeps(row[field.index], field.schema):
                    kept.append(i)
            return [full.take(kept)] if kept else []

        return run

    def _keeps(self, changes: Any, schema: Schema) -> bool:
        if changes is None:
            return False
        if not changes:
            return "DATABASE" not in self._excluded
        change = schema.value_schema
        kind = None if change is None or change.type is not Type.STRUCT else change.field("type")
        if kind is None:
            raise DataError("type is not a valid field name")
        return _kind(changes[0][kind.index]) not in self._excluded


def _kind(word: str) -> str:
    if word not in _KINDS:
        name = "io.debezium.schema.SchemaChangeEvent.SchemaChangeEventType"
        raise ValueError(f"No enum constant {name}.{word}")
    return word
