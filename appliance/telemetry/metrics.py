"""Metrics: the catalogue of Kafka Connect's attributes, and their text for Prometheus.

Names are those that the JMX exporter's common rules give (dashes become underscores), so that dashboards
made for Kafka Connect keep working. Figures arrive under Connect's attribute names.

Semantics: Kafka Connect 4.3.1 ConnectMetricsRegistry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

Figures = Mapping[str, float | int | str]

_CONNECTOR_TASK: Final = """
    running-ratio pause-ratio batch-size-max batch-size-avg offset-commit-max-time-ms
    offset-commit-avg-time-ms offset-commit-success-percentage offset-commit-failure-percentage
"""
_SOURCE_TASK: Final = """
    source-record-poll-rate source-record-poll-total source-record-write-rate source-record-write-total
    source-record-active-count source-record-active-count-max source-record-active-count-avg
    poll-batch-max-time-ms poll-batch-avg-time-ms transaction-size-min transaction-size-max
    transaction-size-avg
"""
_SINK_TASK: Final = """
    sink-record-read-rate sink-record-read-total sink-record-send-rate sink-record-send-total
    sink-record-active-count sink-record-active-count-max sink-record-active-count-avg partition-count
    offset-commit-seq-no offset-commit-completion-rate offset-commit-completion-total
    offset-commit-skip-rate offset-commit-skip-total put-batch-max-time-ms put-batch-avg-time-ms
    sink-record-lag-max
"""
_TASK_ERROR: Final = """
    total-record-failures total-record-errors total-records-skipped total-retries total-errors-logged
    deadletterqueue-produce-requests deadletterqueue-produce-failures last-error-timestamp
"""
GROUPS: Final[Mapping[str, str]] = {
    attribute: group
    for group, attributes in (
        ("connector_task", _CONNECTOR_TASK),
        ("source_task", _SOURCE_TASK),
        ("sink_task", _SINK_TASK),
        ("task_error", _TASK_ERROR),
    )
    for attribute in attributes.split()
}
"""A task's attribute to its group; what is not here belongs to our own group `appliance_task`."""


_OWN_LABELS: Final = frozenset({"connector", "task", "status", "value"})


class Sample(NamedTuple):
    """One measured value."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


def custom_tags(text: str) -> dict[str, str]:
    """Give the labels of `custom.metric.tags`, which is `name=value,...`; names are made valid ones."""
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {_label_name(name.strip()): value.strip() for name, _, value in pairs if name.strip()}


def _label_name(name: str) -> str:
    valid = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    valid = f"_{valid}" if valid[0].isdigit() else valid
    return f"custom_{valid}" if valid in _OWN_LABELS else valid


def task_samples(
    connector: str, task: int, figures: Figures, tags: Mapping[str, str] | None = None
) -> Iterable[Sample]:
    """Give a task's figures as samples; texts become `..._info` with the text as a label.

    A name that begins with an underscore is a task's own note and not shown; nor are the partitions that a
    sink has, which would be labels without end.
    """
    labels = (("connector", connector), ("task", str(task)), *(tags or {}).items())
    for attribute, value in figures.items():
        if attribute.startswith("_") or attribute == "partitions":
            continue
        if attribute == "trouble":
            # its text is new each time: whether there is any
            yield Sample("ingest_appliance_task_trouble", labels, int(bool(value)))
            continue
        if attribute == "status":
            yield Sample("kafka_connect_connector_status", (*labels, ("status", str(value))), 1)
            continue
        group = GROUPS.get(attribute)
        stem = f"kafka_connect_{group}" if group else "ingest_appliance_task"
        name = f"{stem}_{_underscored(attribute)}"
        if isinstance(value, str):
            yield Sample(f"{name}_info", (*labels, ("value", value)), 1)
        else:
            yield Sample(name, labels, value)


def connector_sample(attribute: str, /, **labels: str) -> Sample:
    """Give an attribute of the group connector-metrics whose value is a text, kept in a label."""
    return Sample(f"kafka_connect_connector_{_underscored(attribute)}", tuple(labels.items()), 1)


def worker_sample(attribute: str, value: float, /, **labels: str) -> Sample:
    """Give a figure of the group connect-worker-metrics."""
    return Sample(f"kafka_connect_worker_{_underscored(attribute)}", tuple(labels.items()), value)


def rebalance_sample(attribute: str, value: float, /, **labels: str) -> Sample:
    """Give a figure of the group connect-worker-rebalance-metrics."""
    name = f"kafka_connect_worker_rebalance_{_underscored(attribute)}"
    return Sample(name, tuple(labels.items()), value)


def prometheus_text(samples: Iterable[Sample]) -> str:
    """Give samples in Prometheus' text format, families together."""
    families: dict[str, list[Sample]] = {}
    for sample in samples:
        families.setdefault(sample.name, []).append(sample)
    lines = []
    for name, members in sorted(families.items()):
        lines.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}")
        lines += [f"{name}{_labels(sample.labels)} {_number(sample.value)}" for sample in members]
    return "\n".join(lines) + "\n"


def _underscored(attribute: str) -> str:
    return attribute.replace("-", "_").replace(".", "_")


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{inner}}}" if inner else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if value != value:  # noqa: PLR0124 - NaN is what differs from itself
        return "NaN"
    return repr(float(value)) if isinstance(value, float) else str(value)
