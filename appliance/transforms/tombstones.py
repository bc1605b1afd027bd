"""TombstoneHandler of Confluent and of Aiven, and Aiven's MakeTombstone.

Semantics: public documentation of io.confluent.connect.transforms.TombstoneHandler, and
io.aiven.kafka.connect.transforms. A tombstone is a record whose value is null, whatever its schema.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import ClassVar

from appliance.api import NULL, Batch, Stage
from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import OneOf
from appliance.data import Schema
from appliance.errors import DataError
from appliance.transforms.base import CompiledTransform

_LOG = logging.getLogger(__name__)
_DOC = "What becomes of a record without a value: dropped with a warning, dropped silently, or an error."


class TombstoneHandler(CompiledTransform):
    """Confluent's: `warn` and `ignore` drop, `fail` refuses."""

    config_def: ClassVar[ConfigDef] = ConfigDef().define(
        "behavior",
        ConfigType.STRING,
        "warn",
        validator=OneOf(("warn", "ignore", "fail"), ignore_case=True),
        importance=Importance.HIGH,
        doc=_DOC,
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        self._behavior: str = self.config_def.parse(config)["behavior"].lower()

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that keeps rows with a value."""

        def run(batch: Batch) -> list[Batch]:
            kept = [i for i, row in enumerate(batch.values) if row is not None and row is not NULL]
            dropped = len(batch) - len(kept)
            if not dropped:
                return [batch]
            if self._behavior == "fail":
                raise DataError(
                    "Tombstone record encountered, failing due to configured 'fail' behavior"
                )
            if self._behavior in ("warn", "drop_warn"):
                _LOG.warning("Dropped tombstones: count=%d topic=%s", dropped, batch.topic_at(0))
            return [batch.take(kept)] if kept else []

        return run


class AivenTombstoneHandler(TombstoneHandler):
    """Aiven's: `drop_silent` and `drop_warn` drop, `fail` refuses."""

    config_def: ClassVar[ConfigDef] = ConfigDef().define(
        "behavior",
        ConfigType.STRING,
        NO_DEFAULT,
        validator=OneOf(("drop_silent", "drop_warn", "fail"), ignore_case=True),
        importance=Importance.HIGH,
        doc=_DOC,
    )


class MakeTombstone(CompiledTransform):
    """Takes the value away from every record."""

    config_def: ClassVar[ConfigDef] = ConfigDef()

    def configure(self, config: Mapping[str, str]) -> None:
        """Take no options."""

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that leaves null under no schema."""
        return lambda batch: [
            dataclasses.replace(
                batch,
                values=[None] * len(batch),
                value_schema=None,
                layout=None,
                constants=(),
                raw_values=None,
            )
        ]
