"""InsertHeader and DropHeaders.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.{InsertHeader,DropHeaders}.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from appliance.api import Batch, Stage
from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import NonNull, UniqueList
from appliance.data import Header, Schema
from appliance.data.values import parse_string
from appliance.transforms.base import CompiledTransform, with_headers


class InsertHeader(CompiledTransform):
    """Appends the header `header` with what `value.literal` seems to hold."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "header",
            ConfigType.STRING,
            NO_DEFAULT,
            validator=NonNull(),
            importance=Importance.HIGH,
            doc="Name of the header.",
        )
        .define(
            "value.literal",
            ConfigType.STRING,
            NO_DEFAULT,
            validator=NonNull(),
            importance=Importance.HIGH,
            doc="Value of the header: a number, boolean, date, list or map by its look, else text.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._block = (Header(parsed["header"], *parse_string(parsed["value.literal"])),)

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Append to the shared block, or per row where rows have headers of their own."""

        def run(batch: Batch) -> list[Batch]:
            if batch.extra_headers:
                return [with_headers(batch, [self._block] * len(batch))]
            return [dataclasses.replace(batch, headers=batch.headers + self._block)]

        return run


class DropHeaders(CompiledTransform):
    """Drops every header whose name is in `headers`."""

    config_def: ClassVar[ConfigDef] = ConfigDef().define(
        "headers",
        ConfigType.LIST,
        NO_DEFAULT,
        validator=UniqueList(),
        importance=Importance.HIGH,
        doc="Names of the headers to drop, separated by commas.",
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        self._names = frozenset(self.config_def.parse(config)["headers"])

    def _kept(self, block: tuple[Header, ...]) -> tuple[Header, ...]:
        return tuple([header for header in block if header.key not in self._names])

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Filter the shared block once, and the blocks of single rows."""

        def run(batch: Batch) -> list[Batch]:
            extra = batch.extra_headers
            if extra:
                extra = {row: self._kept(block) for row, block in extra.items()}
            return [
                dataclasses.replace(batch, headers=self._kept(batch.headers), extra_headers=extra)
            ]

        return run
