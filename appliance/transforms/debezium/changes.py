"""ExtractChangedRecordState: headers that name the fields an update changed, and those it did not.

Semantics: Debezium 3.6.1 io.debezium.transforms.ExtractChangedRecordState.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.api import NULL, Batch, Stage
from appliance.config import ConfigDef, ConfigType, Importance, Width
from appliance.data import Header, Schema, Type
from appliance.data.schema import OPTIONAL_STRING_SCHEMA
from appliance.transforms.base import CompiledTransform, with_headers
from appliance.transforms.debezium.options import parsed_untrimmed
from appliance.transforms.debezium.unwrap import is_envelope


class ExtractChangedRecordState(CompiledTransform):
    """Adds `header.changed.name` and `header.unchanged.name` to change events."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "header.changed.name",
            ConfigType.STRING,
            None,
            importance=Importance.LOW,
            order=1,
            width=Width.LONG,
            display_name="Header change name.",
            doc="Name of the header that lists the fields an update changed.",
        )
        .define(
            "header.unchanged.name",
            ConfigType.STRING,
            None,
            importance=Importance.LOW,
            order=1,
            width=Width.LONG,
            display_name="Header unchanged name.",
            doc="Name of the header that lists the fields an update left as they were.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options."""
        parsed = parsed_untrimmed(self.config_def, config)
        self._changed: str | None = parsed["header.changed.name"]
        self._unchanged: str | None = parsed["header.unchanged.name"]

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage; other records pass."""
        places = (
            [
                value_schema.field(name) if value_schema is not None else None
                for name in ("before", "after")
            ]
            if is_envelope(value_schema)
            else []
        )
        before, after = places or (None, None)
        if before is None or after is None:
            return lambda batch: [batch]
        names = [field.name for field in after.schema.fields]
        schemas = [
            (
                place,
                name,
                Schema(Type.ARRAY, optional=True, name=name, value_schema=OPTIONAL_STRING_SCHEMA),
            )
            for place, name in enumerate((self._changed, self._unchanged))
            if name
        ]

        def block(row: Any) -> tuple[Header, ...]:
            if row is None or row is NULL:
                return ()
            was, now = row[before.index], row[after.index]
            lists: tuple[list[str], list[str]] = ([], [])
            if was is not None and now is not None:
                for name, old, new in zip(names, was, now, strict=True):
                    lists[old == new].append(name)
            return tuple([Header(name, schema, lists[place]) for place, name, schema in schemas])

        def run(batch: Batch) -> list[Batch]:
            if not schemas:
                return [batch]
            return [with_headers(batch, [block(row) for row in batch.expanded().values])]

        return run
