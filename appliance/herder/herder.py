"""Herder: what REST may ask of a worker, one method per verb.

Every method may be called on any thread. It queues a step for the tick thread and gives a Future, which
the tick completes; a caller that stops waiting does not undo the step. Besides the errors named at each
method, a Future may fail with:

* NotLeaderError, NotAssignedError: another worker must do this; `forward_url` is its address or None.
* RebalanceNeededError: a rebalance is about to change the answer.
* ConnectError: the worker is stopping, or an internal topic could not be written.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.runtime.Herder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final, Protocol

from appliance.errors import ConnectError
from appliance.herder.entities import (
    ActiveTopicsInfo,
    ConnectorInfo,
    ConnectorOffset,
    ConnectorOffsets,
    ConnectorStateInfo,
    Created,
    HerderSnapshot,
    InternalSignature,
    Message,
    RestartRequest,
    Stage,
    TaskInfo,
    TaskState,
)
from appliance.ids import ConnectorTaskId, State, TargetState
from appliance.storage.snapshot import SessionKey

JOINING: Final = "joining the group"
UNSAID: Final = "another worker asked for it"
WORKER_DIED: Final = "a worker of this daemon died"
"""Causes of rebalances that are read again where the history is put together."""


class SignatureError(ConnectError):
    """A request between workers is not signed as it must be; `status` is the HTTP status for it."""

    def __init__(self, message: str, status: int) -> None:
        """Keep the status: 400 missing or wrong algorithm, 403 invalid, 503 no key known yet."""
        super().__init__(message)
        self.status = status


class ConfigCheck(Protocol):
    """Checks a connector configuration before it is written; blocks, called on a thread of its own."""

    def __call__(self, config: Mapping[str, str | None]) -> None:
        """Raise BadRequestError with Connect's text (all findings) when `config` will not do."""


class InternalClient(Protocol):
    """Sends a request to another worker; blocks, called on a thread of its own."""

    def __call__(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Return when it was answered with 2xx. Raises ConnectError with the answer's message."""


class JournalSink(Protocol):
    """Keeps what statuses forget; called on the tick thread, must not block."""

    def rebalance(self, event: Mapping[str, Any]) -> None:
        """Take a rebalance as this worker saw it.

        Members: `generation`, `leader_url`, `is_leader`, `cause` (what began it, a sentence),
        `changed` (what work came or went since the last one, "" for nothing), `started_ms`, `took_ms`,
        `assigned`, `revoked` (texts of connectors and task ids), `connectors` (those of all texts that name
        connectors), `lost` and `owned` (leader only), `delay_ms`,
        `standstill_ms` (text of task id -> ms from its stop here to its start here).
        """

    def transition(
        self,
        id: str | ConnectorTaskId,
        before: State | None,
        after: State,
        trace: str | None,
        cause: str,
    ) -> None:
        """Take a change of state of a connector (its name) or a task of this worker."""

    def revision(self, connector: str, config: Mapping[str, str | None] | None) -> None:
        """Take a new configuration (None: deleted) of a connector; called by the leader only."""


class Herder(Protocol):
    """One worker's part of the cluster; see the module's text for threads and errors."""

    def start(self) -> None:
        """Begin the tick; returns at once."""

    def stop(self, timeout_s: float) -> None:
        """Hand work over (stop what runs here, leave the group) and end; requests still queued fail."""

    def ready(self) -> Future[None]:
        """Complete inside the next tick after start-up is over: what `/health` waits for."""

    @property
    def started(self) -> bool:
        """Whether start-up is over: internal topics read to the end, first tick done."""

    def stage(self) -> Stage | None:
        """Give what the tick does now or did last, for the text of a time-out."""

    @property
    def session_key(self) -> SessionKey | None:
        """Give the key that the group's workers sign with, None where there is none; any thread."""

    def snapshot(self, *, whole: bool = True) -> HerderSnapshot:
        """Give everything for the console, at once and without the tick.

        Not `whole`: workers, group and figures alone, which costs the same with one task and thousands.
        """

    def connectors(self) -> Future[tuple[str, ...]]:
        """Give all names."""

    def connector_info(self, name: str) -> Future[ConnectorInfo]:
        """Give a connector. NotFoundError."""

    def connector_config(self, name: str) -> Future[Mapping[str, str | None]]:
        """Give a connector's configuration as stored. NotFoundError."""

    def put_connector_config(
        self,
        name: str,
        config: Mapping[str, str | None],
        target_state: TargetState | None,
        allow_replace: bool,
    ) -> Future[Created]:
        """Check and write a configuration (`name` is a member of it).

        `target_state` None keeps the one it has. BadRequestError, AlreadyExistsError.
        """

    def patch_connector_config(
        self, name: str, patch: Mapping[str, str | None]
    ) -> Future[Created]:
        """Change some options, None removes one. NotFoundError, BadRequestError."""

    def delete_connector(self, name: str) -> Future[None]:
        """Remove a connector; its offsets stay. NotFoundError."""

    def task_configs(self, name: str) -> Future[tuple[TaskInfo, ...]]:
        """Give the tasks with their configurations. NotFoundError."""

    def connector_status(self, name: str) -> Future[ConnectorStateInfo]:
        """Give the states. NotFoundError."""

    def task_status(self, id: ConnectorTaskId) -> Future[TaskState]:
        """Give one task's state. NotFoundError."""

    def restart_connector(self, name: str) -> Future[None]:
        """Restart the Connector instance; completes when it runs again. NotFoundError."""

    def restart_connector_and_tasks(self, request: RestartRequest) -> Future[ConnectorStateInfo]:
        """Restart as asked; gives the plan, what restarts as RESTARTING. NotFoundError."""

    def restart_task(self, id: ConnectorTaskId) -> Future[None]:
        """Restart one task. NotFoundError."""

    def pause_connector(self, name: str) -> Future[None]:
        """Let it rest, tasks stay allocated. NotFoundError."""

    def resume_connector(self, name: str) -> Future[None]:
        """Let it run. NotFoundError."""

    def stop_connector(self, name: str) -> Future[None]:
        """Take its tasks away. NotFoundError."""

    def connector_topics(self, name: str) -> Future[ActiveTopicsInfo]:
        """Give the topics it used, also for an unknown name."""

    def reset_topics(self, name: str) -> Future[None]:
        """Forget the topics it used, also for an unknown name."""

    def connector_offsets(self, name: str) -> Future[ConnectorOffsets]:
        """Give its offsets. NotFoundError."""

    def alter_offsets(self, name: str, offsets: Sequence[ConnectorOffset]) -> Future[Message]:
        """Change offsets of a stopped connector. NotFoundError, BadRequestError."""

    def reset_offsets(self, name: str) -> Future[Message]:
        """Forget all offsets of a stopped connector. NotFoundError, BadRequestError."""

    def put_task_configs(
        self, name: str, configs: Sequence[Mapping[str, str]], signature: InternalSignature
    ) -> Future[None]:
        """Write task configurations that another worker generated. SignatureError and its kin."""

    def fence_zombies(self, name: str, signature: InternalSignature) -> Future[None]:
        """Fence earlier task producers of an exactly-once source. SignatureError and its kin."""

    def set_cluster_log_level(self, logger: str, level: str) -> Future[None]:
        """Set a logger's level on every worker; `level` is upper case and known to be valid."""
