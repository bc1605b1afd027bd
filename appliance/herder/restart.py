"""Restarts: which request wins, and what it touches; pure functions.

Semantics: Kafka Connect 4.3.1 RestartRequest and RestartPlan.
"""

from __future__ import annotations

import dataclasses

import msgspec

from appliance.herder.entities import ConnectorStateInfo, RestartRequest
from appliance.ids import ConnectorTaskId, State


@dataclasses.dataclass(frozen=True, slots=True)
class RestartPlan:
    """What a request restarts; `info` shows it as RESTARTING and everything else as it is."""

    connector: bool
    tasks: tuple[ConnectorTaskId, ...]
    info: ConnectorStateInfo


def wider(first: RestartRequest, second: RestartRequest) -> RestartRequest:
    """Give the request that restarts more; the first when they are equal."""
    return second if _reach(second) > _reach(first) else first


def _reach(request: RestartRequest) -> tuple[bool, bool]:
    return (not request.only_failed, request.include_tasks)


def plan_restart(request: RestartRequest, info: ConnectorStateInfo) -> RestartPlan:
    """Decide from the present states."""

    def hit(state: str) -> bool:
        return not request.only_failed or state == State.FAILED

    connector = hit(info.connector.state)
    numbers = {task.id for task in info.tasks if request.include_tasks and hit(task.state)}
    shown = info.connector
    if connector:
        shown = msgspec.structs.replace(shown, state=State.RESTARTING.value)
    return RestartPlan(
        connector,
        tuple(ConnectorTaskId(info.name, number) for number in sorted(numbers)),
        ConnectorStateInfo(
            info.name,
            shown,
            tuple(
                msgspec.structs.replace(task, state=State.RESTARTING.value)
                if task.id in numbers
                else task
                for task in info.tasks
            ),
            info.type,
        ),
    )
