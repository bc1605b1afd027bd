"""AbstractHerder: what a herder does whatever its group: reads, changes, restarts, offsets.

Reads are answered at once on the caller's thread, from the local copy of the internal topics (before
start-up is over they wait for it). Everything else is a step of the tick, which runs once the work that
this worker was assigned runs here. What a subclass adds: who leads, and how task configurations reach
the config topic.

Semantics: Kafka Connect 4.3.1 AbstractHerder and DistributedHerder.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.config.worker import WorkerConfig
from appliance.errors import (
    AlreadyExistsError,
    BadRequestError,
    ConnectError,
    NotFoundError,
)
from appliance.herder.changes import ChangeHandler
from appliance.herder.entities import (
    ActiveTopicsInfo,
    ConnectorInfo,
    ConnectorOffset,
    ConnectorOffsets,
    ConnectorStateInfo,
    Created,
    HerderSnapshot,
    Message,
    RestartRequest,
    Stage,
    TaskInfo,
    TaskState,
)
from appliance.herder.grouprole import GroupRole
from appliance.herder.herder import ConfigCheck, JournalSink
from appliance.herder.inbox import Inbox
from appliance.herder.lifecycle import Lifecycle, Runner
from appliance.herder.requests import chain
from appliance.herder.restart import plan_restart
from appliance.herder.tick import Tick
from appliance.herder.views import (
    TypeOf,
    connector_info,
    connector_state,
    existing_config,
    herder_snapshot,
    task_infos,
    task_state,
)
from appliance.ids import ConnectorTaskId, State, TargetState
from appliance.kafka.membership import Membership
from appliance.storage.snapshot import ClusterConfigState
from appliance.storage.stores import Stores
from appliance.worker.javahash import hash_order

T = TypeVar("T")

NOT_STOPPED = (
    "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for"
    " the specified connector by issuing a 'PUT' request to the '/connectors/{}/stop' endpoint"
)


@dataclasses.dataclass(frozen=True, slots=True)
class HerderContext:
    """What a herder works with, made by the worker's main.

    `check` refuses a configuration, `type_of` tells a source from a sink, `set_log_level` sets a level of
    this process, `on_failure` hears why the worker cannot start, `on_joining` the id with which it waits for
    its group.
    """

    config: WorkerConfig
    stores: Stores
    worker: Runner
    inbox: Inbox
    type_of: TypeOf
    check: ConfigCheck
    set_log_level: Callable[[str, str], None]
    on_failure: Callable[[ConnectError], None]
    journal: JournalSink | None = None
    clock: Clock = SYSTEM_CLOCK
    on_joining: Callable[[str], None] | None = None


class AbstractHerder(abc.ABC):
    """The part of a `Herder` that both modes share; see the module's text for threads."""

    def __init__(
        self,
        context: HerderContext,
        role: GroupRole,
        worker_id: str,
        session_timeout_s: float | None,
    ) -> None:
        self._config = context.config
        self._stores = context.stores
        self._worker = context.worker
        self._role = role
        self._worker_id = worker_id
        self._type_of = context.type_of
        self._check = context.check
        self._clock = context.clock
        self._threads = ThreadPoolExecutor(4, "herder-blocking")
        self._lifecycle = Lifecycle(
            context.worker,
            context.stores.statuses,
            worker_id,
            context.clock,
            context.journal,
            context.config.seconds("task.shutdown.graceful.timeout.ms"),
            context.inbox,
        )
        self._tick = Tick(
            context.stores,
            role,
            self._lifecycle,
            context.inbox,
            context.clock,
            context.journal,
            session_timeout_s,
            self._on_turn,
            context.on_failure,
        )
        self._changes = ChangeHandler(
            context.config,
            context.stores,
            context.worker,
            context.inbox,
            role,
            self._lifecycle,
            self._tick,
            context.journal,
            type_of=context.type_of,
            set_log_level=context.set_log_level,
            publish=self._publish_tasks,
        )

    # What a subclass decides.

    @abc.abstractmethod
    def _new_member(self) -> Membership:
        """Make the membership; called once, by `start`."""

    @abc.abstractmethod
    def _require_leader(self, what: str) -> None:
        """Raise NotLeaderError with `what` unless this worker leads."""

    @abc.abstractmethod
    def _require_owner(self, name: str | ConnectorTaskId, what: str) -> None:
        """Raise NotLeaderError or NotAssignedError unless `name` is this worker's work."""

    @abc.abstractmethod
    def _publish_tasks(self, name: str, configs: Sequence[Mapping[str, str]]) -> Future[None]:
        """Bring a connector's new task configurations into the config topic; on the tick thread."""

    @abc.abstractmethod
    def _before_offsets_change(self, name: str) -> Future[None]:
        """Make sure that no task of `name` can still write; on the tick thread."""

    @abc.abstractmethod
    def _on_turn(self) -> None:
        """Do the herder's part of a turn; on the tick thread."""

    # Life.

    def start(self) -> None:
        """Begin the tick; returns at once."""
        self._tick.start(self._new_member())
        self._changes.watch_leases()

    def stop(self, timeout_s: float) -> None:
        """Hand work over (stop what runs here, leave the group) and end; requests still queued fail."""
        self._tick.stop(timeout_s)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def ready(self) -> Future[None]:
        """Complete inside the next tick after start-up is over: what `/health` waits for."""
        return self._tick.requests.submit(lambda: None)

    @property
    def started(self) -> bool:
        """Whether start-up is over: internal topics read to the end, first work assigned."""
        return self._tick.started

    def stage(self) -> Stage | None:
        """Give what the tick does now or did last, for the text of a time-out."""
        return self._tick.stage

    @property
    def ticked_s(self) -> float:
        """Give when the tick last began a step, monotonic seconds: the watchdog's sign of life."""
        return self._tick.ticked_s

    def progressed(self) -> None:
        """Note that the tick begins another step, if its thread calls."""
        self._tick.progressed()

    @property
    def member(self) -> Membership | None:
        """Give the membership, None before `start`."""
        return self._tick.member if self._tick.has_member else None

    def expect_rebalance(self, cause: str) -> None:
        """Name the cause of a rebalance that another worker will ask for soon; any thread."""
        self._tick.expect(cause)

    def snapshot(self, *, whole: bool = True) -> HerderSnapshot:
        """Give everything for the console, at once and without the tick; see `Herder.snapshot`."""
        return herder_snapshot(
            self._stores.configs.snapshot(),
            self._stores.statuses,
            self._role,
            self._tick,
            self._worker,
            worker_id=self._worker_id,
            group_id="" if self._config.standalone else self._config.group_id,
            now_ms=self._clock.now_ms(),
            type_of=self._type_of,
            whole=whole,
        )

    # Reads.

    @property
    def _known(self) -> ClusterConfigState:
        return self._stores.configs.snapshot()

    def connectors(self) -> Future[tuple[str, ...]]:
        """Give all names."""
        return self._read(lambda: tuple(sorted(self._known.connectors)))

    def connector_info(self, name: str) -> Future[ConnectorInfo]:
        """Give a connector. NotFoundError."""
        return self._read(lambda: connector_info(self._known, name, self._type_of))

    def connector_config(self, name: str) -> Future[Mapping[str, str | None]]:
        """Give a connector's configuration as stored. NotFoundError."""
        return self._read(lambda: existing_config(self._known, name))

    def task_configs(self, name: str) -> Future[tuple[TaskInfo, ...]]:
        """Give the tasks with their configurations. NotFoundError."""
        return self._read(lambda: task_infos(self._known, name))

    def connector_status(self, name: str) -> Future[ConnectorStateInfo]:
        """Give the states. NotFoundError."""
        statuses = self._stores.statuses
        return self._read(lambda: connector_state(self._known, statuses, name, self._type_of))

    def task_status(self, id: ConnectorTaskId) -> Future[TaskState]:
        """Give one task's state. NotFoundError."""
        return self._read(lambda: task_state(self._stores.statuses, id))

    def connector_topics(self, name: str) -> Future[ActiveTopicsInfo]:
        """Give the topics it used, also for an unknown name."""
        return self._read(lambda: ActiveTopicsInfo(name, self._stores.statuses.topics(name)))

    def connector_offsets(self, name: str) -> Future[ConnectorOffsets]:
        """Give its offsets. NotFoundError."""

        def form(pairs: list[tuple[Any, Any]]) -> ConnectorOffsets:
            return ConnectorOffsets(tuple(ConnectorOffset(*pair) for pair in pairs))

        def read() -> Future[ConnectorOffsets]:
            answer: Future[ConnectorOffsets] = Future()
            chain(self._worker.connector_offsets(name, self._texts(name)), answer, form)
            return answer

        return self._read(read)

    def _read(self, step: Callable[[], T | Future[T]]) -> Future[T]:
        """Answer a question here and now, or when start-up is over."""
        if not self._tick.topics_read:
            return self._tick.requests.submit(step, anytime=True)
        answer: Future[T] = Future()
        try:
            value = step()
        except Exception as error:  # noqa: BLE001 - the one who asked gets it
            answer.set_exception(error)
            return answer
        if isinstance(value, Future):
            return value
        answer.set_result(value)
        return answer

    # Configurations and target states.

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
        return self._checked(
            config, lambda: self._put(name, config, target_state, allow_replace=allow_replace)
        )

    def patch_connector_config(
        self, name: str, patch: Mapping[str, str | None]
    ) -> Future[Created]:
        """Change some options, None removes one. NotFoundError, BadRequestError."""

        def step() -> Future[Created]:
            self._require_leader("Only the leader can set connector configs.")
            known = existing_config(self._known, name)
            config = {option: known[option] for option in hash_order(known)}
            for option, value in patch.items():
                if value is None:
                    config.pop(option, None)
                else:
                    config[option] = value
            return self._checked(config, lambda: self._put(name, config, None, allow_replace=True))

        return self._tick.requests.submit(step)

    def _checked(
        self, config: Mapping[str, str | None], step: Callable[[], T | Future[T]]
    ) -> Future[T]:
        """Queue a step when `config` was found good, on a thread that may block."""
        answer: Future[T] = Future()

        def checked(check: Future[None]) -> None:
            error = check.exception()
            if error is not None:
                answer.set_exception(error)
            else:
                self._tick.requests.submit(step, future=answer)

        try:
            self._threads.submit(self._check, config).add_done_callback(checked)
        except RuntimeError:
            answer.set_exception(ConnectError("Worker is shutting down"))
        return answer

    def _put(
        self,
        name: str,
        config: Mapping[str, str | None],
        target: TargetState | None,
        *,
        allow_replace: bool,
    ) -> Created | Future[Created]:
        self._require_leader("Only the leader can set connector configs.")
        known = self._known
        exists = known.contains(name)
        if exists and not allow_replace:
            raise AlreadyExistsError(f"Connector {name} already exists")
        with self._tick.doing(f"writing a config for connector {name} to the config topic"):
            self._stores.configs.put_connector(name, config, target)
        tasks = tuple(task.id for task in task_infos(known, name)) if exists else ()
        return Created(not exists, ConnectorInfo(name, config, tasks, self._type_of(config)))

    def delete_connector(self, name: str) -> Future[None]:
        """Remove a connector; its offsets stay. NotFoundError."""

        def step() -> None:
            self._require_leader("Only the leader can delete connector configs.")
            existing_config(self._known, name)
            with self._tick.doing(
                f"removing the config for connector {name} from the config topic"
            ):
                self._stores.configs.remove_connector(name)

        return self._tick.requests.submit(step)

    def pause_connector(self, name: str) -> Future[None]:
        """Let it rest, tasks stay allocated. NotFoundError."""
        return self._set_target(name, TargetState.PAUSED)

    def resume_connector(self, name: str) -> Future[None]:
        """Let it run. NotFoundError."""
        return self._set_target(name, TargetState.STARTED)

    def _set_target(self, name: str, target: TargetState) -> Future[None]:
        def step() -> None:
            self._require_known(name)
            with self._tick.doing(f"writing a target state for connector {name}"):
                self._stores.configs.put_target_state(name, target)

        return self._tick.requests.submit(step)

    def stop_connector(self, name: str) -> Future[None]:
        """Take its tasks away. NotFoundError."""

        def step() -> None:
            self._require_leader("Only the leader can transition connectors to the STOPPED state.")
            self._require_known(name)
            if self._known.target_state(name) is TargetState.STOPPED:
                return
            with self._tick.doing(f"stopping connector {name}"):
                # Tasks first: a crash in between leaves a connector without tasks, which a resume mends.
                self._stores.configs.put_task_configs(name, ())
                self._stores.configs.put_target_state(name, TargetState.STOPPED)

        return self._tick.requests.submit(step)

    def _require_known(self, name: str) -> None:
        if not self._known.contains(name):
            raise NotFoundError(f"Unknown connector {name}")

    # Restarts.

    def restart_connector(self, name: str) -> Future[None]:
        """Restart the Connector instance; completes when it runs again. NotFoundError."""

        def step() -> Future[None]:
            if not self._known.contains(name):
                raise NotFoundError(f"Unknown connector: {name}")
            self._require_owner(name, "Cannot restart connector since it is not assigned here")
            answer: Future[None] = Future()

            def ended(done: Future[State]) -> None:
                error = done.exception()
                if error is None:
                    # after the turn that writes the new state
                    self._tick.requests.submit(lambda: None, anytime=True, future=answer)
                else:
                    failed = ConnectError(f"Failed to start connector: {name}")
                    failed.__cause__ = error
                    answer.set_exception(failed)

            with self._tick.doing(f"restarting connector {name}"):
                self._changes.restart_connector(name).add_done_callback(ended)
            return answer

        return self._tick.requests.submit(step)

    def restart_task(self, id: ConnectorTaskId) -> Future[None]:
        """Restart one task. NotFoundError."""

        def step() -> None:
            if not self._known.contains(id.connector):
                raise NotFoundError(f"Unknown connector: {id.connector}")
            if id not in self._known.tasks(id.connector):
                raise NotFoundError(f"Unknown task: {id}")
            self._require_owner(id, "Cannot restart task since it is not assigned here")
            with self._tick.doing(f"restarting task {id}"):
                self._changes.restart_tasks([id])

        return self._tick.requests.submit(step)

    def restart_connector_and_tasks(self, request: RestartRequest) -> Future[ConnectorStateInfo]:
        """Restart as asked; gives the plan, what restarts as RESTARTING. NotFoundError."""
        name = request.connector

        def step() -> Future[ConnectorStateInfo]:
            if not self._known.contains(name):
                raise NotFoundError(f"Unknown connector: {name}")
            self._require_leader("Only the leader can process restart requests.")
            if self._stores.statuses.get(name) is None:
                raise NotFoundError(f"Status for connector {name} not found")
            info = connector_state(self._known, self._stores.statuses, name, self._type_of)
            with self._tick.doing(f"writing a restart request for connector {name}"):
                self._stores.configs.put_restart(name, request.only_failed, request.include_tasks)
            planned = plan_restart(request, info).info
            return self._next_turn(planned)

        return self._tick.requests.submit(step)

    # Topics, offsets, loggers.

    def reset_topics(self, name: str) -> Future[None]:
        """Forget the topics it used, also for an unknown name."""
        return self._read(lambda: self._stores.statuses.reset_topics(name))

    def alter_offsets(self, name: str, offsets: Sequence[ConnectorOffset]) -> Future[Message]:
        """Change offsets of a stopped connector. NotFoundError, BadRequestError."""
        return self._change_offsets(name, [(o.partition, o.offset) for o in offsets])

    def reset_offsets(self, name: str) -> Future[Message]:
        """Forget all offsets of a stopped connector. NotFoundError, BadRequestError."""
        return self._change_offsets(name, None)

    def _change_offsets(self, name: str, pairs: list[tuple[Any, Any]] | None) -> Future[Message]:
        def step() -> Future[Message]:
            self._require_leader(
                "Only the leader can process external offsets modification requests"
            )
            self._stores.configs.refresh(10.0)
            known = self._known
            existing_config(known, name)
            if known.target_state(name) is not TargetState.STOPPED or known.tasks(name):
                raise BadRequestError(NOT_STOPPED.format(name))
            answer: Future[Message] = Future()

            def fenced(done: Future[None]) -> None:
                error = done.exception()
                if error is not None:
                    answer.set_exception(error)
                else:
                    altered = self._worker.alter_offsets(name, self._texts(name), pairs)
                    chain(altered, answer, Message)

            with self._tick.doing(f"modifying offsets for connector {name}"):
                self._before_offsets_change(name).add_done_callback(fenced)
            return answer

        return self._tick.requests.submit(step)

    def _next_turn(self, value: T) -> Future[T]:
        """Answer when this worker has taken what was written: a client sees what it asked for."""
        return self._tick.requests.submit(lambda: value, anytime=True)

    def _texts(self, name: str) -> dict[str, str]:
        config = existing_config(self._known, name)
        return {option: value for option, value in config.items() if value is not None}

    def set_cluster_log_level(self, logger: str, level: str) -> Future[None]:
        """Set a logger's level on every worker; `level` is upper case and known to be valid."""

        def step() -> Future[None]:
            self._stores.configs.put_log_level(logger, level)
            return self._next_turn(None)

        return self._tick.requests.submit(step, anytime=True)


def done(value: T) -> Future[T]:
    """Give a Future that is complete."""
    answer: Future[T] = Future()
    answer.set_result(value)
    return answer
