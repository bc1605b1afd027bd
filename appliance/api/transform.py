"""Transforms and predicates: single message transforms, compiled per schema where they are built in.

A built-in transform gives `compile`, which does all schema work once and returns a Stage over batches. A
third-party transform only gives `apply`; the runtime then hands it single-record views.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from appliance.api.batch import Batch
from appliance.config.define import ConfigDef
from appliance.data import Schema
from appliance.data.record import ConnectRecord

Stage = Callable[[Batch], list[Batch]]
"""A batch to the batches that take its place, in order; a dropped row is simply missing.

The batch it gets may carry a layout; a stage that looks into values calls `expanded()` first, one that
does not (routing, headers) hands it on. A stage is pure: the runtime may run it twice on the same rows.
"""


class Transform(abc.ABC):
    """One transform of a chain. Not thread-safe: each task has its own."""

    config_def: ClassVar[ConfigDef]

    @abc.abstractmethod
    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options below `transforms.<alias>.`. Raises ConfigError."""

    def compile(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage | None:
        """Give the stage for batches of these schemas, or None to be called record by record.

        Called once per pair of schemas. The stage raises what `apply` would raise for the first bad row.
        """
        return None

    @abc.abstractmethod
    def apply(self, record: ConnectRecord) -> Any:
        """Give the record that takes this one's place, or None to drop it."""

    def close(self) -> None:
        """Give back what the transform holds."""


class Predicate(abc.ABC):
    """Decides whether a transform applies to a record."""

    config_def: ClassVar[ConfigDef]

    @abc.abstractmethod
    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options below `predicates.<name>.`. Raises ConfigError."""

    @abc.abstractmethod
    def test(self, record: ConnectRecord) -> bool:
        """Whether the predicate holds for one record."""

    def mask(self, batch: Batch) -> bool | list[bool] | None:
        """Whether the predicate holds for all rows (one bool), for each row, or None: ask `test`."""
        return None

    def close(self) -> None:
        """Give back what the predicate holds."""
