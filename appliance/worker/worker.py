"""The worker: starts, stops and watches connectors and tasks in processes of their own.

A task whose process dies comes back in place, with growing pauses; one that dies over and over is FAILED.
A task that does not stop in time is killed; what shared its process (`appliance.task.isolation=connector`)
commits, ends and starts again. The listener hears of every state; it is called on the worker's own
threads and only queues. Every method may be called on any thread.

Semantics: Kafka Connect 4.3.1 Worker.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol

from appliance.channel import (
    AskTaskConfigs,
    Committed,
    Configure,
    ConnectorStatus,
    Figures,
    Lease,
    LogLine,
    Message,
    Reconfigure,
    Reply,
    SetConnectorTarget,
    SetLogLevel,
    SetTaskTarget,
    StartConnector,
    StartTask,
    StopConnector,
    StopTask,
    TaskStatus,
    TopicUsed,
)
from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.config.connector import ConnectorConfig, topic_creation_groups
from appliance.config.providers import Providers
from appliance.config.worker import WorkerConfig
from appliance.errors import ConnectError, RetriableError, java_trace
from appliance.ids import ConnectorTaskId, State, TargetState
from appliance.kafka.clients import connector_admin
from appliance.kafka.fencing import fence_producers
from appliance.lockfile import is_held, lock_path
from appliance.storage.offsets import OffsetStore
from appliance.telemetry.lines import LINES
from appliance.worker.calls import Calls
from appliance.worker.hosts import Host, Hosts
from appliance.worker.offsets import ConnectorOffsets
from appliance.worker.plugins import Plugins
from appliance.worker.processes import Spawner
from appliance.worker.references import references
from appliance.worker.resident import DEATHS_WITHIN_S, Resident
from appliance.worker.starts import Kind, Starts
from appliance.worker.valueleases import ValueLeases

log = logging.getLogger("org.apache.kafka.connect.runtime.Worker")

Offset = Mapping[str, Any]

_STARTERS: Final = 4
_REFRESH_S: Final = 10.0
_RETRY_S: Final = 1.0
_FORMER_COPY_S: Final = 5.0
_LOCK_POLL_S: Final = 0.05
_KILL_WAIT_S: Final = 5.0
_SIBLINGS_S: Final = 2.0
_LAPSED_STATUS: Final = 75
_FENCING_TIMEOUT_S: Final = 30.0
_DEATHS_ALLOWED: Final = 5
_SHARED: Final = "its process is killed with a task in it that did not stop"


class WorkerListener(Protocol):
    """Hears what connectors and tasks do; called on the worker's own threads, so it only queues."""

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


class Worker:
    """Runs connectors and tasks. `config` arguments are stored texts, providers unresolved."""

    def __init__(
        self,
        config: WorkerConfig,
        plugins: Plugins,
        listener: WorkerListener,
        spawner: Spawner,
        offsets: OffsetStore,
        clock: Clock = SYSTEM_CLOCK,
        worker_id: str = "",
    ) -> None:
        self._config = config
        self._plugins = plugins
        self._listener = listener
        self._offsets = offsets
        self._clock = clock
        self._worker_id = worker_id
        self._providers = Providers.from_config(config.originals)
        self._shared = not config.standalone and (
            config.text("appliance.task.isolation") == "connector"
        )
        self._lock = threading.RLock()
        self._residents: dict[ConnectorTaskId | str, Resident] = {}
        self._lease: float | None = None
        self._closing = threading.Event()
        self._starters = ThreadPoolExecutor(_STARTERS, "worker-starter")
        self._hosts = Hosts(spawner, self._configure, self._on_message, self._on_exit)
        self._calls = Calls(self._hosts)
        self._starts = Starts()
        self._leases = ValueLeases(self._providers, clock)
        self._altering = ConnectorOffsets(config, plugins, self._providers, offsets, self._calls)

    # what runs here

    @property
    def connectors(self) -> frozenset[str]:
        """Give the connectors that run here, FAILED ones included."""
        with self._lock:
            return frozenset(key for key in self._residents if isinstance(key, str))

    @property
    def tasks(self) -> frozenset[ConnectorTaskId]:
        """Give the tasks that run here, FAILED ones included."""
        with self._lock:
            return frozenset(key for key in self._residents if isinstance(key, ConnectorTaskId))

    def metrics(self) -> dict[ConnectorTaskId, dict[str, float | int | str]]:
        """Give the latest figures of each task, by Connect's attribute names."""
        with self._lock:
            return {
                key: resident.told()
                for key, resident in self._residents.items()
                if isinstance(key, ConnectorTaskId)
            }

    def process_ids(self) -> list[int]:
        """Give the pids of the processes of connectors and tasks."""
        return [host.process.pid for host in self._hosts.all() if host.process is not None]

    def figures(self) -> dict[str, float | int]:
        """Give how much runs here and how starts ended, by Connect's attribute names."""
        counts = {"connector-count": len(self.connectors), "task-count": len(self.tasks)}
        return {**counts, **self._starts.figures()}

    # connectors

    def start_connector(
        self, name: str, config: Mapping[str, str], target: TargetState
    ) -> Future[State]:
        """Start a connector; the future gives its state, or a ConnectError with the trace."""
        return self._start(Resident(name, dict(config), {}, target)).started

    def connector_task_configs(self, name: str, max_tasks: int) -> Future[list[dict[str, str]]]:
        """Ask for task configurations, `task.class` and a sink's topics included."""
        return self._starters.submit(self._task_configs, name, max_tasks)

    def _task_configs(self, name: str, max_tasks: int) -> list[dict[str, str]]:
        resident = self._resident(name)
        if resident is None or resident.host is None:
            raise ConnectError(f"asking connector {name} for tasks: it does not run here")
        question = AskTaskConfigs(self._calls.number(), name, max_tasks)
        answer = self._calls.ask(resident.host, question)
        resolved = self._providers.resolve(resident.config)
        ref = references(resolved, self._config, self._plugins)["connector"]
        config = ConnectorConfig(resolved, "source" if ref.kind == "source" else "sink")
        problem = config.check_task_count(len(answer))
        if problem is not None:
            if config["tasks.max.enforce"]:
                self._tell(resident, State.FAILED, f"{ConnectError.java_class}: {problem}", None)
                raise ConnectError(problem)
            log.warning("%s", problem)
        topics = [] if ref.kind == "source" else ["topics", "topics.regex"]
        more = {option: resolved[option] for option in topics if option in resolved}
        task_class = {"task.class": ref.task_class or ref.java_class}
        return [
            self._unresolved({**task, **task_class, **more}, resident.config, resolved)
            for task in answer
        ]

    @staticmethod
    def _unresolved(
        task: dict[str, str], raw: Mapping[str, str], resolved: Mapping[str, str]
    ) -> dict[str, str]:
        """Put the stored text back where a provider's value was handed on unchanged."""
        return {
            option: raw[option] if option in raw and resolved.get(option) == value else value
            for option, value in task.items()
        }

    def set_connector_target(self, name: str, target: TargetState) -> None:
        """Pause, stop or resume a connector; the listener hears the new state."""
        self._set_target(name, target, SetConnectorTarget(name, target))

    def stop_connectors(self, names: Collection[str], timeout_s: float) -> None:
        """End connectors; blocks, and kills what has not ended after `timeout_s`."""
        self._stop(names, timeout_s)

    # tasks

    def start_task(
        self,
        id: ConnectorTaskId,
        connector_config: Mapping[str, str],
        task_config: Mapping[str, str],
        target: TargetState,
    ) -> None:
        """Start a task; returns at once, the listener hears RUNNING, PAUSED or FAILED."""
        self._start(Resident(id, dict(connector_config), dict(task_config), target))

    def set_task_target(self, id: ConnectorTaskId, target: TargetState) -> None:
        """Pause or resume a task; the listener hears the new state."""
        self._set_target(id, target, SetTaskTarget(id, target))

    def stop_tasks(self, ids: Collection[ConnectorTaskId], timeout_s: float) -> None:
        """End tasks; blocks until they have ended, and kills what has not after `timeout_s`."""
        self._stop(ids, timeout_s)

    # both

    @property
    def shortest_lease_s(self) -> float | None:
        """Give how often `expired_leases` is worth asking, None for never."""
        return self._providers.shortest_ttl_s

    def expired_leases(self) -> list[ConnectorTaskId | str]:
        """Give what stands on values of config providers that have changed since it started."""
        return self._leases.expired(self.connectors | self.tasks)

    def _start(self, resident: Resident) -> Resident:
        with self._lock:
            if resident.id in self._residents:
                raise ConnectError(f"starting {resident.id}: it runs here already")
            self._residents[resident.id] = resident
        resident.launch = self._starters.submit(self._launch, resident)
        return resident

    def _launch(self, resident: Resident) -> None:
        """Put a resident into a process; a failure is told as FAILED."""
        resident.starting = True
        try:
            message = self._start_message(resident)
            with self._lock:
                if resident.stopping or self._closing.is_set():
                    resident.ended.set()
                    return
                resident.host = self._hosts.enter(self._host_key(resident), resident.id, resident)
            resident.host.send(message)
        except Exception as error:  # noqa: BLE001 - whatever hinders the start is its failure
            resident.ended.set()
            self._tell(resident, State.FAILED, java_trace(error), None)

    def _start_message(self, resident: Resident) -> StartTask | StartConnector:
        config = self._providers.resolve(resident.config)
        self._leases.take(resident.id, resident.config, config)
        refs = references(config, self._config, self._plugins)
        source = refs["task"].kind == "source"
        parsed = ConnectorConfig(config, "source" if source else "sink")
        if source and self._config.flag("topic.creation.enable"):
            topic_creation_groups(parsed)
        entries = self._stored(resident, config) if source else []
        if isinstance(resident.id, str):
            return StartConnector(resident.id, config, refs, resident.target, entries)
        task_config = self._providers.resolve(resident.task_config)
        return StartTask(
            resident.id,
            task_config,
            config,
            refs,
            resident.target,
            entries,
            self._config.standalone,
        )

    def _stored(
        self, resident: Resident, config: Mapping[str, str]
    ) -> list[tuple[bytes, bytes | None]]:
        """Give the stored offsets, read to the end; waits for the brokers as long as it takes.

        A task's former copy stores its last offsets when it ends, so nothing is read before. With
        exactly-once support it may be on another host too, and what it was about to commit is decided first.
        """
        task = resident.id if isinstance(resident.id, ConnectorTaskId) else None
        name = task.connector if task else str(resident.id)
        decided = task is not None and self._config.exactly_once
        if task:
            self._await_former_copy(task, resident)
        while not (resident.stopping or self._closing.is_set()):
            try:
                if decided:
                    self._fence(name, config, [f"{self._config.group_id}-{task}"])
                self._offsets.refresh(_REFRESH_S, decided=decided)
            except RetriableError as error:
                log.warning("%s: its offsets cannot be read yet: %s", name, error)
                self._clock.wait(self._closing, _RETRY_S)
            else:
                break
        return [(stored.key, stored.value) for stored in self._offsets.all_of(name)]

    def _await_former_copy(self, id: ConnectorTaskId, resident: Resident) -> None:
        path = lock_path(self._lock_dir, self._config.group_id, id)
        deadline = self._clock.monotonic_s() + _FORMER_COPY_S
        while is_held(path) and not resident.stopping and self._clock.monotonic_s() < deadline:
            if self._clock.wait(self._closing, _LOCK_POLL_S):
                return

    @property
    def _lock_dir(self) -> Path:
        return self._config.runtime_dir / "locks"

    def _host_key(self, resident: Resident) -> str:
        if self._shared and isinstance(resident.id, ConnectorTaskId):
            return f"tasks of {resident.id.connector}"
        return resident.host_key

    def _resident(self, id: ConnectorTaskId | str) -> Resident | None:
        with self._lock:
            return self._residents.get(id)

    def _set_target(
        self, id: ConnectorTaskId | str, target: TargetState, message: Message
    ) -> None:
        resident = self._resident(id)
        if resident is None:
            return
        with self._lock:
            resident.target = target
            host = resident.host
        if host is not None:
            host.send(message)

    def _stop(self, ids: Collection[ConnectorTaskId | str], timeout_s: float) -> None:
        deadline = self._clock.monotonic_s() + timeout_s
        with self._lock:
            leaving = [self._residents.pop(key) for key in ids if key in self._residents]
            for resident in leaving:
                resident.stopping = True
        for resident in leaving:
            self._ask_to_stop(resident, deadline)
        for resident in leaving:
            resident.ended.wait(max(0.0, deadline - self._clock.monotonic_s()))
        late = [resident for resident in leaving if not resident.ended.is_set()]
        hosts = {id(r.host): r.host for r in late if r.host is not None}
        for host in hosts.values():
            self._kill(host)
        for resident in late:
            log.warning("%s did not stop within %.1f s and was killed", resident.id, timeout_s)
            resident.ended.wait(_KILL_WAIT_S)

    def _ask_to_stop(self, resident: Resident, deadline: float) -> None:
        if resident.launch is not None:
            try:
                resident.launch.result(max(0.0, deadline - self._clock.monotonic_s()))
            except TimeoutError:
                # the launch sees `stopping` and gives up by itself
                return
        if resident.host is None or resident.ended.is_set():
            self._leave(resident)
            resident.ended.set()
        elif isinstance(resident.id, str):
            resident.host.send(StopConnector(resident.id))
        else:
            resident.host.send(StopTask(resident.id))

    def _kill(self, host: Host) -> None:
        """Kill a process, after those of its residents that still answer have committed."""
        with self._lock:
            host.doomed = True
            siblings = [r for r in host.residents.values() if not r.stopping]
            for sibling in siblings:
                sibling.moving = True
        for sibling in siblings:
            if isinstance(sibling.id, ConnectorTaskId):
                self._tell(sibling, State.RESTARTING, _SHARED, None)
                host.send(StopTask(sibling.id))
        deadline = self._clock.monotonic_s() + _SIBLINGS_S
        for sibling in siblings:
            if isinstance(sibling.id, ConnectorTaskId):
                sibling.ended.wait(max(0.0, deadline - self._clock.monotonic_s()))
        host.kill()

    def _leave(self, resident: Resident) -> None:
        host = resident.host
        if host is not None:
            self._hosts.leave(host, resident.id)

    # offsets

    def connector_offsets(
        self, name: str, config: Mapping[str, str]
    ) -> Future[list[tuple[Offset, Offset]]]:
        """Give the stored offsets of a source, the committed ones of a sink's group."""
        return self._starters.submit(self._altering.read, name, dict(config))

    def alter_offsets(
        self,
        name: str,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Offset | None, Offset | None]] | None,
    ) -> Future[str]:
        """Change offsets (None: reset all); the future gives the message for the user."""
        return self._starters.submit(self._altering.alter, name, dict(config), offsets)

    def fence_producers(
        self, name: str, config: Mapping[str, str], transactional_ids: Sequence[str]
    ) -> Future[None]:
        """Shut out the producers of a source's earlier tasks."""
        return self._starters.submit(self._fence, name, dict(config), transactional_ids)

    def _fence(self, name: str, raw: Mapping[str, str], ids: Sequence[str]) -> None:
        connector = ConnectorConfig(self._providers.resolve(raw), "source")
        settings = connector_admin(self._config, connector, f"connector-adminclient-{name}")
        fence_producers(settings, ids, _FENCING_TIMEOUT_S)

    # group, logs, end

    def lease(self, until_monotonic_s: float) -> None:
        """Let the tasks write until then; they stop by themselves when it is not renewed."""
        with self._lock:
            self._lease = until_monotonic_s
            lapsed = [r for r in self._residents.values() if r.lapsed and r.ended.is_set()]
        for host in self._hosts.all():
            host.send(Lease(until_monotonic_s))
        for resident in lapsed:
            resident.lapsed = False
            self._relaunch(resident, 0.0)

    def set_log_level(self, logger: str, level: str) -> None:
        """Set a logger's level in every process of this worker."""
        for host in self._hosts.all():
            host.send(SetLogLevel(logger, level))

    def close(self) -> None:
        """End everything at once."""
        self._closing.set()
        with self._lock:
            for resident in self._residents.values():
                resident.stopping = True
        self._hosts.close()
        self._starters.shutdown(cancel_futures=True)

    # what the processes say

    def _configure(self) -> Configure:
        return Configure(
            dict(self._config.originals),
            self._config.mode,
            self._worker_id,
            str(self._lock_dir),
            self._lease,
        )

    def _on_message(self, host: Host, message: Any) -> None:
        if isinstance(message, Reply):
            self._calls.on_reply(message)
            return
        if isinstance(message, LogLine):
            LINES.append(
                message.ts, message.level, message.logger, message.context, message.message
            )
            return
        key = getattr(message, "id", None) or message.name
        resident: Resident | None = host.residents.get(key)
        if resident is None or resident.host is not host:
            return
        if isinstance(message, (TaskStatus, ConnectorStatus)):
            self._on_status(resident, message)
        elif isinstance(message, Figures):
            with self._lock:
                resident.figures.update(message.values)
        elif isinstance(message, TopicUsed):
            self._listener.on_topic_used(message.id, message.topic)
        elif isinstance(message, Reconfigure):
            self._listener.on_reconfiguration_requested(message.name)
        elif isinstance(message, Committed):
            self._offsets.append(message.offsets)

    def _on_status(self, resident: Resident, message: TaskStatus | ConnectorStatus) -> None:
        task = isinstance(message, TaskStatus)
        over = message.state is State.UNASSIGNED or (task and message.state is State.FAILED)
        if not over:
            self._tell(resident, message.state, message.trace, message.version)
            return
        resident.lapsed = isinstance(message, TaskStatus) and message.lapsed
        if not resident.moving:
            self._leave(resident)
            self._tell(resident, message.state, message.trace, message.version)
        resident.ended.set()

    def _tell(
        self, resident: Resident, state: State, trace: str | None, version: str | None
    ) -> None:
        resident.state = state
        self._count_start(resident, state)
        if isinstance(resident.id, ConnectorTaskId):
            self._listener.on_task_state(resident.id, state, trace, version)
            return
        self._listener.on_connector_state(resident.id, state, trace, version)
        if not resident.started.done():
            if state is State.FAILED:
                resident.started.set_exception(ConnectError(trace or "the connector failed"))
            else:
                resident.started.set_result(state)

    def _count_start(self, resident: Resident, state: State) -> None:
        if resident.starting and state not in (State.RESTARTING, State.UNASSIGNED):
            resident.starting = False
            kind: Kind = "connector" if isinstance(resident.id, str) else "task"
            self._starts.ended(kind, success=state is not State.FAILED)

    def _on_exit(self, host: Host, status: int) -> None:
        with self._lock:
            residents = [r for r in host.residents.values() if r is not None]
            host.residents.clear()
        self._calls.on_lost(host)
        for resident in residents:
            self._on_death(resident, status)

    def _on_death(self, resident: Resident, status: int) -> None:
        resident.host = None
        resident.ended.set()
        if resident.stopping or self._closing.is_set():
            self._tell(resident, State.UNASSIGNED, None, None)
            return
        if status == _LAPSED_STATUS or resident.lapsed:
            resident.lapsed = True
            self._tell(resident, State.UNASSIGNED, None, None)
            return
        if resident.moving:
            resident.moving = False
            self._relaunch(resident, 0.0)
            return
        deaths = resident.count_death(self._clock.monotonic_s())
        how = f"signal {-status}" if status < 0 else f"exit code {status}"
        if deaths > _DEATHS_ALLOWED:
            trace = (
                f"{ConnectError.java_class}: the process of {resident.id} died of {how}, for the"
                f" {deaths}th time within {DEATHS_WITHIN_S:.0f} s; see the log for what"
                " it said, then restart it\n"
            )
            self._tell(resident, State.FAILED, trace, None)
            return
        log.error("The process of %s died of %s; it is started again", resident.id, how)
        self._tell(resident, State.RESTARTING, f"its process died of {how}", None)
        self._relaunch(resident, 0.1 * 4 ** (deaths - 1))

    def _relaunch(self, resident: Resident, delay_s: float) -> None:
        resident.ended.clear()

        def launch() -> None:
            if delay_s:
                self._clock.wait(self._closing, delay_s)
            self._launch(resident)

        try:
            resident.launch = self._starters.submit(launch)
        except RuntimeError:
            # the worker is closing
            resident.ended.set()
