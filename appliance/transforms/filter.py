"""Filter: drops every record that reaches it; made to be used with a predicate.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.Filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from appliance.api import Stage
from appliance.config import ConfigDef
from appliance.data import Schema
from appliance.transforms.base import CompiledTransform


class Filter(CompiledTransform):
    """Drops all."""

    config_def: ClassVar[ConfigDef] = ConfigDef()

    def configure(self, config: Mapping[str, str]) -> None:
        """Take no options."""

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage that gives nothing."""
        return lambda _batch: []
