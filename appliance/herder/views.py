"""Views: entities made of the config topic's and the status topic's last state; nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from appliance.errors import NotFoundError
from appliance.herder.entities import (
    ConnectorInfo,
    ConnectorStateInfo,
    ConnectorType,
    GroupSnapshot,
    HerderSnapshot,
    InstanceState,
    TaskInfo,
    TaskName,
    TaskState,
    WorkerSnapshot,
)
from appliance.herder.grouprole import GroupRole
from appliance.herder.lifecycle import Runner
from appliance.herder.tick import Tick
from appliance.ids import ConnectorTaskId
from appliance.storage.snapshot import ClusterConfigState, Config
from appliance.storage.statuses import Status, StatusStore

TypeOf = Callable[[Config], ConnectorType]
"""Gives what kind of connector a configuration means, `unknown` when its class is unknown."""


def connector_info(state: ClusterConfigState, name: str, type_of: TypeOf) -> ConnectorInfo:
    """Give a connector. NotFoundError."""
    config = existing_config(state, name)
    tasks = tuple(TaskName.of(task) for task in state.tasks(name))
    return ConnectorInfo(name, config, tasks, type_of(config))


def existing_config(state: ClusterConfigState, name: str) -> Config:
    """Give a configuration as stored. NotFoundError."""
    config = state.config(name)
    if config is None:
        raise NotFoundError(f"Connector {name} not found")
    return config


def task_infos(state: ClusterConfigState, name: str) -> tuple[TaskInfo, ...]:
    """Give a connector's tasks with their configurations. NotFoundError."""
    existing_config(state, name)
    return tuple(
        TaskInfo(TaskName.of(task), state.all_task_configs[task]) for task in state.tasks(name)
    )


def connector_state(
    state: ClusterConfigState, statuses: StatusStore, name: str, type_of: TypeOf
) -> ConnectorStateInfo:
    """Give the states of a connector and its tasks. NotFoundError."""
    status = statuses.get(name)
    if status is None:
        raise NotFoundError(f"No status found for connector {name}")
    config = state.config(name)
    kind = "unknown" if config is None else type_of(config)
    return _state_info(name, status, statuses.tasks(name), kind)


def _state_info(
    name: str, status: Status, tasks: Mapping[int, Status], kind: ConnectorType
) -> ConnectorStateInfo:
    return ConnectorStateInfo(
        name,
        InstanceState(status.state.value, status.worker_id, status.version, status.trace or None),
        tuple(_task_state(number, task) for number, task in tasks.items()),
        kind,
    )


def task_state(statuses: StatusStore, id: ConnectorTaskId) -> TaskState:
    """Give one task's state. NotFoundError."""
    status = statuses.get(id)
    if status is None:
        raise NotFoundError(f"No status found for task {id}")
    return _task_state(id.task, status)


def _task_state(number: int, status: Status) -> TaskState:
    return TaskState(
        number, status.state.value, status.worker_id, status.version, status.trace or None
    )


def herder_snapshot(
    state: ClusterConfigState,
    statuses: StatusStore,
    role: GroupRole,
    tick: Tick,
    worker: Runner,
    *,
    worker_id: str,
    group_id: str,
    now_ms: int,
    type_of: TypeOf,
    whole: bool = True,
) -> HerderSnapshot:
    """Give everything that the console shows, from the local copy of the internal topics.

    Not `whole`: without connectors and tasks.
    """
    states: dict[str, ConnectorStateInfo] = {}
    running: dict[str, list[int]] = {worker_id: [0, 0]}
    names = sorted(state.connectors) if whole else []
    by_connector = statuses.all_tasks() if whole else {}
    for name in names:
        status = statuses.get(name)
        if status is None:
            continue
        tasks = by_connector.get(name, {})
        states[name] = _state_info(name, status, tasks, type_of(state.connector_configs[name]))
        running.setdefault(status.worker_id, [0, 0])[0] += 1
        for task in tasks.values():
            running.setdefault(task.worker_id, [0, 0])[1] += 1
    alive = {url.split("://")[-1].rstrip("/") for url in role.workers.values() if url}
    return HerderSnapshot(
        now_ms,
        _group(role, tick, group_id),
        tuple(
            WorkerSnapshot(worker, worker == worker_id, *running.get(worker, (0, 0)))
            for worker in sorted(alive | running.keys())
        ),
        {name: connector_info(state, name, type_of) for name in names},
        states,
        {name: state.target_state(name).value for name in names},
        {str(task): figures for task, figures in worker.metrics().items()},
        state.offset,
        worker.figures(),
        tick.rebalances.figures(),
        {name: statuses.topics(name) for name in statuses.tracked_connectors()} if whole else {},
    )


def _group(role: GroupRole, tick: Tick, group_id: str) -> GroupSnapshot:
    if not tick.has_member:
        return GroupSnapshot(group_id, -1, None, False, "", "starting")
    member = tick.member
    fault = member.fault
    if not tick.topics_read:
        phase = "starting"
    elif fault is not None:
        phase = "lost"
    elif not tick.settled:
        phase = "joining"
    else:
        phase = "stable" if tick.delay_until_ms is None else "waiting"
    return GroupSnapshot(
        group_id,
        member.generation,
        role.leader_url,
        member.is_leader,
        member.member_id,
        phase,
        tick.delay_until_ms,
        fault,
        round(member.silence_s * 1000),
        role.protocol.name.lower(),
    )
