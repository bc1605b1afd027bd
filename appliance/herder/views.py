"""Views: entities made of the config topic's and the status topic's last state; nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable

from appliance.errors import NotFoundError
from appliance.herder.entities import (
    ConnectorInfo,
    ConnectorStateInfo,
    ConnectorType,
    InstanceState,
    TaskInfo,
    TaskName,
    TaskState,
)
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
    return ConnectorStateInfo(
        name,
        InstanceState(
            status.state.value, status.worker_id, status.version, status.trace or None
        ),
        tuple(_task_state(number, task) for number, task in statuses.tasks(name).items()),
        "unknown" if config is None else type_of(config),
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
