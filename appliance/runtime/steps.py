"""Transforms of a connector as steps over batches: compiled per schema, gated by predicates.

Semantics: Kafka Connect 4.3.1 TransformationStage and TransformationChain. Thread: the task's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from appliance.api import NULL, Batch, Predicate, Stage, Transform, row_form
from appliance.channel import PluginRef
from appliance.config.connector import ConnectorConfig
from appliance.data import Schema, SinkRecord, SourceRecord
from appliance.data.record import ConnectRecord
from appliance.errors import ConfigError
from appliance.runtime.plugins import load

View = Callable[[Batch, int], ConnectRecord]


class Step:
    """One transform with its predicate."""

    def __init__(
        self,
        transform: Transform,
        java_class: str,
        predicate: Predicate | None = None,
        *,
        negate: bool = False,
        sink: bool = False,
    ) -> None:
        self.transform = transform
        self.java_class = java_class
        self._predicate = predicate
        self._negate = negate
        self._view: View = Batch.sink_record if sink else Batch.source_record
        self._stages: dict[tuple[Schema | None, Schema | None], Stage | None] = {}
        # a built-in transform may be run twice on the same rows; foreign code runs once per row
        self.pure = type(transform).compile is not Transform.compile

    def run(self, batch: Batch) -> list[Batch]:
        """Give the batches that take the place of `batch`, in order."""
        if self._predicate is None:
            return self._apply(batch)
        wanted = self._wanted(batch, self._predicate)
        if isinstance(wanted, bool):
            return self._apply(batch) if wanted else [batch]
        result: list[Batch] = []
        for apply, rows in _runs(wanted):
            part = batch.take(rows)
            result += self._apply(part) if apply else [part]
        return result

    def close(self) -> None:
        """Give back what transform and predicate hold."""
        self.transform.close()
        if self._predicate is not None:
            self._predicate.close()

    def _wanted(self, batch: Batch, predicate: Predicate) -> bool | list[bool]:
        mask = predicate.mask(batch)
        if mask is None:
            test = predicate.test
            mask = [test(self._view(batch, row)) for row in range(len(batch))]
        if isinstance(mask, bool):
            return mask is not self._negate
        wanted = [flag is not self._negate for flag in mask]
        if all(wanted):
            return True
        return wanted if any(wanted) else False

    def _apply(self, batch: Batch) -> list[Batch]:
        schemas = (batch.key_schema, batch.value_schema)
        try:
            stage = self._stages[schemas]
        except KeyError:
            stage = self._stages[schemas] = self.transform.compile(*schemas)
        return stage(batch) if stage is not None else self._apply_to_each(batch)

    def _apply_to_each(self, batch: Batch) -> list[Batch]:
        result = []
        for row in range(len(batch)):
            record = self._view(batch, row)
            changed = self.transform.apply(record)
            if changed is record:
                result.append(batch.take([row]))
            elif changed is not None:
                result.append(with_record(batch.take([row]), changed))
        return result


def _runs(flags: Sequence[bool]) -> list[tuple[bool, list[int]]]:
    runs: list[tuple[bool, list[int]]] = []
    for row, flag in enumerate(flags):
        if runs and runs[-1][0] is flag:
            runs[-1][1].append(row)
        else:
            runs.append((flag, [row]))
    return runs


def with_record(single: Batch, record: SourceRecord | SinkRecord) -> Batch:
    """Give a batch of one row with what a transform made of its record."""
    same_value = record.value_schema is single.value_schema and _unchanged(single, record)
    changed = dataclasses.replace(
        single,
        topic=record.topic or "",
        partition=record.partition,
        timestamps=record.timestamp,
        headers=tuple(record.headers),
        extra_headers=None,
        keys=[row_form(record.key_schema, record.key)],
        key_schema=record.key_schema,
        values=[row_form(record.value_schema, record.value)],
        value_schema=record.value_schema,
        layout=None,
        constants=(),
        raw_values=single.raw_values if same_value else None,
    )
    if isinstance(record, SinkRecord):
        changed.original_topic = record.original_topic
        changed.original_partition = record.original_kafka_partition
    else:
        changed.source_partition = record.source_partition
        changed.source_offset = record.source_offset
    return changed


def _unchanged(single: Batch, record: ConnectRecord) -> bool:
    row = single.values[0]
    return single.layout is None and row is not NULL and row is row_form(None, record.value)


def build_steps(
    config: ConnectorConfig, plugins: Mapping[str, PluginRef], *, sink: bool
) -> list[Step]:
    """Give the steps that `transforms` and `predicates` ask for. Raises ConfigError."""
    return [_build(config, plugins, alias, sink=sink) for alias in config["transforms"]]


def _build(
    config: ConnectorConfig, plugins: Mapping[str, PluginRef], alias: str, *, sink: bool
) -> Step:
    prefix = f"transforms.{alias}."
    options = config.with_prefix(prefix)
    ref, transform = _configured(plugins, "transformation", prefix + "type", options)
    name = options.get("predicate")
    negate = options.get("negate", "false").strip().lower() == "true"
    if name is None:
        if "negate" in options:
            raise ConfigError(
                f"Config '{prefix}negate' was provided but there is no config '{prefix}predicate'"
                " defining a predicate to be negated."
            )
        return Step(transform, ref.java_class, sink=sink)
    predicate_prefix = f"predicates.{name}."
    _, predicate = _configured(
        plugins, "predicate", predicate_prefix + "type", config.with_prefix(predicate_prefix)
    )
    return Step(transform, ref.java_class, predicate, negate=negate, sink=sink)


def _configured(
    plugins: Mapping[str, PluginRef], kind: str, option: str, options: Mapping[str, str]
) -> tuple[PluginRef, Any]:
    name = options.get("type")
    if name is None:
        raise ConfigError(f'Missing required configuration "{option}" which has no default value.')
    ref, plugin = load(plugins, kind, name)
    plugin.configure(options)
    return ref, plugin
