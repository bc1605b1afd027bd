"""What `/metrics` shows of this worker: Connect's catalogue, under the names that dashboards know.

Names are those of the JMX exporter's usual rules; a text becomes a label of a sample `..._info`. Each
worker shows what runs on it, so that sums over the workers count nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from appliance.api.plugin import KAFKA_VERSION
from appliance.herder.entities import ConnectorInfo, ConnectorStateInfo, HerderSnapshot
from appliance.ids import ConnectorTaskId, State
from appliance.telemetry.metrics import (
    Sample,
    connector_sample,
    custom_tags,
    rebalance_sample,
    task_samples,
    worker_sample,
)


def samples(snapshot: HerderSnapshot, daemon: Mapping[str, int]) -> Iterator[Sample]:
    """Give what `/metrics` shows of this worker, and of its daemon where that tells it."""
    yield Sample("kafka_connect_version_info", (("version", KAFKA_VERSION),), 1)
    here = next((worker for worker in snapshot.workers if worker.here), None)
    for attribute, figure in snapshot.worker_figures.items():
        yield worker_sample(attribute, figure)
    for name, figure in daemon.items():
        yield Sample(f"ingest_appliance_{name}", (), figure)
    yield from _group_samples(snapshot)
    for part in ("connectors", "tasks"):
        count: float = snapshot.worker_figures.get(f"{part[:-1]}-count", 0)
        yield Sample(f"kafka_connect_coordinator_assigned_{part}", (), count)
    worker_id = here.worker_id if here is not None else ""
    for name, info in snapshot.states.items():
        if info.connector.worker_id == worker_id:
            yield from _connector_samples(name, info, snapshot.connectors[name])
        yield from _task_counts(name, [t.state for t in info.tasks if t.worker_id == worker_id])
    for text, figures in snapshot.metrics.items():
        name, number = ConnectorTaskId.parse(text)
        yield from task_samples(name, number, figures, _tags(snapshot.connectors.get(name)))


def _tags(info: ConnectorInfo | None) -> dict[str, str]:
    return custom_tags((info.config.get("custom.metric.tags") if info is not None else None) or "")


def _group_samples(snapshot: HerderSnapshot) -> Iterator[Sample]:
    group = snapshot.group
    yield rebalance_sample("epoch", group.generation)
    yield rebalance_sample("rebalancing", int(group.phase not in ("stable", "waiting")))
    for attribute, figure in snapshot.rebalance_figures.items():
        yield rebalance_sample(attribute, figure)
    yield rebalance_sample("leader-name-info", 1, value=group.leader_url or "")
    yield rebalance_sample("connect-protocol-info", 1, value=group.protocol)


def _connector_samples(
    name: str, states: ConnectorStateInfo, info: ConnectorInfo
) -> Iterator[Sample]:
    yield connector_sample("status", connector=name, status=states.connector.state.lower())
    described = {
        "connector-type": info.type,
        "connector-class": info.config.get("connector.class") or "",
        "connector-version": states.connector.version or "unknown",
    }
    for attribute, value in described.items():
        yield connector_sample(f"{attribute}-info", connector=name, value=value)


def _task_counts(connector: str, states: Sequence[str]) -> Iterator[Sample]:
    """Give how many of a connector's tasks on this worker are in each state."""
    if not states:
        return
    yield worker_sample("connector-total-task-count", len(states), connector=connector)
    for state in State:
        if state is not State.STOPPED:
            attribute = f"connector-{state.lower()}-task-count"
            yield worker_sample(attribute, states.count(state.value), connector=connector)
