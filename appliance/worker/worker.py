"""The worker: starts, stops and watches connectors and tasks in processes of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from appliance.ids import ConnectorTaskId, State, TargetState

Offset = Mapping[str, Any]


class WorkerListener(Protocol):
    """Hears what connectors and tasks do; called on the worker's own threads, so it only queues.

    FAILED is what failed by itself and stays so. RESTARTING says that the process of a connector or task
    has ended without a word (it was killed, it crashed, a hung sibling cost it); the worker has forgotten
    it and the herder starts it again. Stopping as asked is not reported.
    """

    def on_connector_state(
        self, name: str, state: State, trace: str | None, version: str | None
    ) -> None:
        """Connector `name` is in a new state."""

    def on_task_state(
        self, id: ConnectorTaskId, state: State, trace: str | None, version: str | None
    ) -> None:
        """A task is in a new state."""

    def on_reconfiguration_requested(self, connector: str) -> None:
        """The connector wants its task configurations taken again."""

    def on_topic_used(self, id: ConnectorTaskId, topic: str) -> None:
        """A task uses `topic` for the first time since it started."""


class Worker(Protocol):
    """What the herder asks of a worker. `config` is always the stored text, providers unresolved."""

    @property
    def connectors(self) -> frozenset[str]:
        """Give the connectors that run here, FAILED ones included."""

    @property
    def tasks(self) -> frozenset[ConnectorTaskId]:
        """Give the tasks that run here, FAILED ones included."""

    def start_connector(
        self, name: str, config: Mapping[str, str], target: TargetState
    ) -> Future[State]:
        """Start a connector; the future gives its state, or the error that made it FAILED."""

    def connector_task_configs(self, name: str, max_tasks: int) -> Future[list[dict[str, str]]]:
        """Ask for task configurations, `task.class` and a sink's topics included."""

    def set_connector_target(self, name: str, target: TargetState) -> None:
        """Pause, stop or resume a connector; the listener hears the new state."""

    def stop_connectors(self, names: Collection[str], timeout_s: float) -> None:
        """End connectors; blocks, and kills what has not ended after `timeout_s`."""

    def start_task(
        self,
        id: ConnectorTaskId,
        connector_config: Mapping[str, str],
        task_config: Mapping[str, str],
        target: TargetState,
    ) -> None:
        """Start a task; returns at once, the listener hears RUNNING, PAUSED or FAILED."""

    def set_task_target(self, id: ConnectorTaskId, target: TargetState) -> None:
        """Pause or resume a task; the listener hears the new state."""

    def stop_tasks(self, ids: Collection[ConnectorTaskId], timeout_s: float) -> None:
        """End tasks; blocks until they have ended, and kills what has not after `timeout_s`."""

    def connector_offsets(
        self, name: str, config: Mapping[str, str]
    ) -> Future[list[tuple[Offset, Offset]]]:
        """Give the stored offsets of a source, the committed ones of a sink's group."""

    def alter_offsets(
        self,
        name: str,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Offset | None, Offset | None]] | None,
    ) -> Future[str]:
        """Change offsets (None: reset all); the future gives the message for the user."""

    def metrics(self) -> dict[ConnectorTaskId, dict[str, float | int | str]]:
        """Give the latest figures of each task, by Connect's attribute names."""

    def lease(self, until_monotonic_s: float) -> None:
        """Let the tasks write until then; they stop by themselves when it is not renewed."""

    def set_log_level(self, logger: str, level: str) -> None:
        """Set a logger's level in every process of this worker."""

    def close(self) -> None:
        """End everything at once."""
