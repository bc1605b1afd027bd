"""What the herder answers: the entities of Kafka Connect's REST API, ready to be encoded.

Each struct encodes with `msgspec` to the JSON that Kafka Connect 4.3.1 answers: member names, nulls that
are present (`version`) and members that are left out (`trace`) included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from appliance.ids import ConnectorTaskId

ConnectorType = Literal["source", "sink", "unknown"]


class TaskName(msgspec.Struct, frozen=True):
    """A task's id as REST answers show it."""

    connector: str
    task: int

    @classmethod
    def of(cls, id: ConnectorTaskId) -> TaskName:
        """Give the entity for `id`."""
        return cls(id.connector, id.task)


class ConnectorInfo(msgspec.Struct, frozen=True):
    """A connector: its configuration as stored, and its tasks."""

    name: str
    config: Mapping[str, str | None]
    tasks: tuple[TaskName, ...]
    type: ConnectorType


class Created(msgspec.Struct, frozen=True):
    """The answer to a configuration write: whether the connector is new, and what it is now."""

    created: bool
    info: ConnectorInfo


class TaskInfo(msgspec.Struct, frozen=True):
    """A task and its generated configuration."""

    id: TaskName
    config: Mapping[str, str]


class InstanceState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a Connector instance; `trace` is left out when there is none."""

    state: str
    worker_id: str
    version: str | None
    trace: str | None = None


class TaskState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a task; `trace` is left out when there is none."""

    id: int
    state: str
    worker_id: str
    version: str | None
    trace: str | None = None


class ConnectorStateInfo(msgspec.Struct, frozen=True):
    """The state of a connector and of its tasks, ordered by number."""

    name: str
    connector: InstanceState
    tasks: tuple[TaskState, ...]
    type: ConnectorType


class ActiveTopicsInfo(msgspec.Struct, frozen=True):
    """The topics that a connector's tasks have used since the last reset."""

    connector: str
    topics: tuple[str, ...]


class ConnectorOffset(msgspec.Struct, frozen=True):
    """One partition of a connector's source (or one Kafka partition of a sink) and its offset."""

    partition: Mapping[str, Any] | None
    offset: Mapping[str, Any] | None = None


class ConnectorOffsets(msgspec.Struct, frozen=True):
    """All offsets of a connector."""

    offsets: tuple[ConnectorOffset, ...]


class Message(msgspec.Struct, frozen=True):
    """An answer in words."""

    message: str


class RestartRequest(msgspec.Struct, frozen=True):
    """A request to restart a connector's instance and tasks."""

    connector: str
    only_failed: bool = False
    include_tasks: bool = False


class InternalSignature(msgspec.Struct, frozen=True):
    """The signature of a request between workers.

    `signature` and `algorithm` are the texts of the headers `X-Connect-Authorization` and
    `X-Connect-Request-Signature-Algorithm` (None: absent), `body` the exact bytes of the request.
    """

    body: bytes
    signature: str | None
    algorithm: str | None


class Stage(msgspec.Struct, frozen=True):
    """What the tick does or did last; times in ms since the epoch, `completed_ms` None while it lasts."""

    description: str
    started_ms: int
    completed_ms: int | None = None


class GroupSnapshot(msgspec.Struct, frozen=True):
    """The group as one worker sees it.

    `phase` is `starting`, `joining`, `stable`, `waiting` (a lost worker's tasks wait for its return,
    until `delay_until_ms`) or `lost` (the coordinator cannot be reached; `problem` says why).
    `silence_ms` is how long ago the coordinator answered last.
    """

    group_id: str
    generation: int
    leader_url: str | None
    leader: bool
    member_id: str
    phase: str
    delay_until_ms: int | None = None
    problem: str | None = None
    silence_ms: int | None = None
    protocol: str = ""


class WorkerSnapshot(msgspec.Struct, frozen=True):
    """One worker, and what it runs as far as statuses tell; `here` marks the worker that answers."""

    worker_id: str
    here: bool
    connectors: int
    tasks: int


class HerderSnapshot(msgspec.Struct, frozen=True):
    """Connectors, tasks, states and workers at one moment, from the local copy of the internal topics.

    `metrics` holds the latest figures of the tasks that run here, by the text form of their id;
    `worker_figures` and `rebalance_figures` are those of the groups connect-worker-metrics and
    connect-worker-rebalance-metrics, by attribute; `topics` are those that each connector has used.
    """

    taken_ms: int
    group: GroupSnapshot
    workers: tuple[WorkerSnapshot, ...]
    connectors: Mapping[str, ConnectorInfo]
    states: Mapping[str, ConnectorStateInfo]
    target_states: Mapping[str, str]
    metrics: Mapping[str, Mapping[str, float | int | str]]
    config_offset: int
    worker_figures: Mapping[str, float | int] = {}
    rebalance_figures: Mapping[str, float | int] = {}
    topics: Mapping[str, tuple[str, ...]] = {}
