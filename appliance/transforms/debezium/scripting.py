"""Filter and ContentBasedRouter: records dropped or routed by an expression over their content.

Option names as in Debezium 3.6 io.debezium.transforms.{Filter,ContentBasedRouter}; the language is our own
(transforms/expression.py), whatever `language` says: no code of the configuration is ever run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.api import NULL, Batch, Stage
from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import Check, OneOf
from appliance.data import Schema
from appliance.data.regex import JavaPattern
from appliance.errors import DataError
from appliance.transforms.base import CompiledTransform
from appliance.transforms.expression import Evaluate, Expression, Row


def _check_expression(name: str, value: Any) -> None:
    if value is not None:
        Expression(name, value)


def _check_regex(name: str, value: Any) -> None:
    if value is not None:
        JavaPattern.option(name, value)


def _definition(option: str, doc: str) -> ConfigDef:
    return (
        ConfigDef()
        .define(
            option,
            ConfigType.STRING,
            NO_DEFAULT,
            validator=Check(_check_expression, "an expression"),
            importance=Importance.HIGH,
            doc=doc,
        )
        .define(
            "language",
            ConfigType.STRING,
            None,
            importance=Importance.LOW,
            doc="Accepted for the sake of existing configurations; there is one language.",
        )
        .define(
            "topic.regex",
            ConfigType.STRING,
            None,
            validator=Check(_check_regex, "valid regex"),
            importance=Importance.MEDIUM,
            doc="Only records whose topic this matches are looked at; others pass.",
        )
        .define(
            "null.handling.mode",
            ConfigType.STRING,
            "keep",
            validator=OneOf(("keep", "drop", "evaluate")),
            importance=Importance.MEDIUM,
            doc="What becomes of records with a null value: `keep`, `drop`, or `evaluate` like others.",
        )
    )


class _ByExpression(CompiledTransform):
    """Walks over the records of a batch with the value of an expression for each."""

    option: ClassVar[str]

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._expression = Expression(self.option, parsed[self.option] or "")
        regex = parsed["topic.regex"]
        self._topics = None if regex is None else JavaPattern.option("topic.regex", regex)
        self._nulls = parsed["null.handling.mode"]

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Compile the expression when the first record needs it."""
        evaluate: Evaluate | None = None

        def run(batch: Batch) -> list[Batch]:
            nonlocal evaluate
            if evaluate is None:
                evaluate = self._expression.compile(key_schema, value_schema)
            full = batch.expanded()
            kept: list[int] = []
            topics: list[str] = []
            for i, value in enumerate(full.values):
                topic = self._decided(full, i, value, evaluate)
                if topic is not None:
                    kept.append(i)
                    topics.append(topic)
            if not kept:
                return []
            found = batch if len(kept) == len(batch) else batch.take(kept)
            if topics == [found.topic_at(i) for i in range(len(kept))]:
                return [found]
            return [dataclasses.replace(found, topic=topics)]

        return run

    def _decided(self, batch: Batch, i: int, value: Any, evaluate: Evaluate) -> str | None:
        """Give the record's topic from here on, None to drop it."""
        topic = batch.topic_at(i)
        if self._topics is not None and not self._topics.matches(topic):
            return topic
        null = value is None or value is NULL
        if null and self._nulls != "evaluate":
            return topic if self._nulls == "keep" else None
        key = None if batch.keys is None else batch.keys[i]
        row = Row(
            None if key is NULL else key,
            None if null else value,
            topic,
            batch.partition_at(i),
            batch.timestamp_at(i),
            {header.key: header.value for header in batch.headers_at(i)},
        )
        return self.outcome(evaluate(row), topic)

    def outcome(self, found: Any, topic: str) -> str | None:
        """Turn the value of the expression into the topic, None to drop."""
        raise NotImplementedError


class Filter(_ByExpression):
    """Keeps the records for which `condition` is true."""

    option = "condition"
    config_def = _definition("condition", "Records for which this is true are kept.")

    def outcome(self, found: Any, topic: str) -> str | None:
        """Keep or drop. Raises DataError for a value that is no boolean."""
        if not isinstance(found, bool):
            raise DataError(f"The condition {self._expression.text} gives {found}, not a boolean")
        return topic if found else None


class ContentBasedRouter(_ByExpression):
    """Sends records to the topic that `topic.expression` gives; null leaves them where they are."""

    option = "topic.expression"
    config_def = _definition(
        "topic.expression", "The new topic, or null to leave the record alone."
    )

    def outcome(self, found: Any, topic: str) -> str | None:
        """Route. Raises DataError for a value that is neither text nor null."""
        if found is not None and not isinstance(found, str):
            raise DataError(f"The expression {self._expression.text} gives {found}, not a topic")
        return found or topic
