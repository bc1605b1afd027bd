"""Connect's three predicates.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.predicates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from appliance.api import NULL, Batch, Predicate
from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import NonEmptyString, ValidRegex
from appliance.data.record import ConnectRecord
from appliance.data.regex import JavaPattern


class TopicNameMatches(Predicate):
    """Holds for records whose whole topic name matches `pattern`."""

    config_def: ClassVar[ConfigDef] = ConfigDef().define(
        "pattern",
        ConfigType.STRING,
        NO_DEFAULT,
        validator=ValidRegex(non_empty=True),
        importance=Importance.MEDIUM,
        doc="A Java regular expression that must match the whole topic name.",
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        self._pattern = JavaPattern.option("pattern", self.config_def.parse(config)["pattern"])
        self._known: dict[str | None, bool] = {}

    def _matches(self, topic: str | None) -> bool:
        known = self._known.get(topic)
        if known is None:
            known = topic is not None and self._pattern.matches(topic)
            self._known[topic] = known
        return known

    def test(self, record: ConnectRecord) -> bool:
        """Whether the record's topic matches."""
        return self._matches(record.topic)

    def mask(self, batch: Batch) -> bool | list[bool]:
        """Decide once per topic."""
        if isinstance(batch.topic, list):
            return [self._matches(topic) for topic in batch.topic]
        return self._matches(batch.topic)


class HasHeaderKey(Predicate):
    """Holds for records with at least one header called `name`."""

    config_def: ClassVar[ConfigDef] = ConfigDef().define(
        "name",
        ConfigType.STRING,
        NO_DEFAULT,
        validator=NonEmptyString(),
        importance=Importance.MEDIUM,
        doc="The exact name of the header.",
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        self._name = self.config_def.parse(config)["name"]

    def test(self, record: ConnectRecord) -> bool:
        """Whether the record has the header."""
        return any(header.key == self._name for header in record.headers)

    def mask(self, batch: Batch) -> bool | list[bool]:
        """Decide once for the shared block of headers."""
        if any(header.key == self._name for header in batch.headers):
            return True
        if not batch.extra_headers:
            return False
        return [
            any(header.key == self._name for header in batch.extra_headers.get(row, ()))
            for row in range(len(batch))
        ]


class RecordIsTombstone(Predicate):
    """Holds for records whose value is null."""

    config_def: ClassVar[ConfigDef] = ConfigDef()

    def configure(self, config: Mapping[str, str]) -> None:
        """Take no options."""

    def test(self, record: ConnectRecord) -> bool:
        """Whether the value is null."""
        return record.value is None

    def mask(self, batch: Batch) -> list[bool]:
        """Decide by row."""
        return [row is None or row is NULL for row in batch.values]
