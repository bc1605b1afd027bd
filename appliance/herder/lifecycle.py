"""Lifecycle: what runs here, started and stopped through the worker, with its statuses.

Statuses say what this worker does: the worker's own words as they come, UNASSIGNED for what was stopped
here (a FAILED task stays FAILED). A process that dies is started again by the worker, which reports
RESTARTING. Tick thread only. Semantics: Kafka Connect 4.3.1 AbstractHerder (statuses) and Worker.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from appliance.clock import Clock
from appliance.errors import ConnectError, java_trace
from appliance.herder.herder import JournalSink
from appliance.herder.inbox import StateEvent
from appliance.ids import ConnectorTaskId, State, TargetState
from appliance.storage.snapshot import ClusterConfigState
from appliance.storage.statuses import Name, Status, StatusStore

log = logging.getLogger("org.apache.kafka.connect.runtime.distributed.DistributedHerder")

CONNECTOR_STOP_TIMEOUT_S = 5.0

Offset = Mapping[str, Any]


class Runner(Protocol):
    """What the herder needs of `appliance.worker.worker.Worker`, whose words these are."""

    def start_connector(
        self, name: str, config: Mapping[str, str], target: TargetState
    ) -> Future[State]: ...

    def connector_task_configs(
        self, name: str, max_tasks: int
    ) -> Future[list[dict[str, str]]]: ...

    def set_connector_target(self, name: str, target: TargetState) -> None: ...

    def stop_connectors(self, names: Collection[str], timeout_s: float) -> None: ...

    def start_task(
        self,
        id: ConnectorTaskId,
        connector_config: Mapping[str, str],
        task_config: Mapping[str, str],
        target: TargetState,
    ) -> None: ...

    def set_task_target(self, id: ConnectorTaskId, target: TargetState) -> None: ...

    def stop_tasks(self, ids: Collection[ConnectorTaskId], timeout_s: float) -> None: ...

    def connector_offsets(
        self, name: str, config: Mapping[str, str]
    ) -> Future[list[tuple[Offset, Offset]]]: ...

    def alter_offsets(
        self,
        name: str,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Offset | None, Offset | None]] | None,
    ) -> Future[str]: ...

    def metrics(self) -> dict[ConnectorTaskId, dict[str, float | int | str]]: ...

    def figures(self) -> dict[str, float | int]: ...

    def lease(self, until_monotonic_s: float) -> None: ...

    @property
    def shortest_lease_s(self) -> float | None: ...

    def expired_leases(self) -> list[ConnectorTaskId | str]: ...

    def fence_producers(
        self, name: str, config: Mapping[str, str], transactional_ids: Sequence[str]
    ) -> Future[None]: ...

    def set_log_level(self, logger: str, level: str) -> None: ...


class ConnectorListener(Protocol):
    """Hears of a connector that fails before the worker is asked to start it."""

    def on_connector_state(
        self, name: str, state: State, trace: str | None, version: str | None
    ) -> None: ...


@dataclasses.dataclass(slots=True)
class _Running:
    """Something that was started: what it was started from, the target it was told, and its last state."""

    config: Mapping[str, Any]
    target: TargetState
    state: State | None = None


class Lifecycle:
    """Starts, stops, and keeps count; `generation` goes into every status."""

    def __init__(
        self,
        worker: Runner,
        statuses: StatusStore,
        worker_id: str,
        clock: Clock,
        journal: JournalSink | None,
        task_timeout_s: float,
        listener: ConnectorListener,
    ) -> None:
        self.worker = worker
        self.worker_id = worker_id
        self.generation = 0
        self._statuses = statuses
        self._clock = clock
        self._journal = journal
        self._task_timeout_s = task_timeout_s
        self._listener = listener
        self._running: dict[Name, _Running] = {}
        self._stopped_s: dict[Name, float] = {}
        self._versions: dict[Name, str] = {}
        self.standstill_ms: dict[str, int] = {}
        """How long each task stood still here, from its stop to RUNNING; the rebalance takes it."""

    @property
    def connectors(self) -> list[str]:
        """Give the connectors that were started here."""
        return [name for name in self._running if isinstance(name, str)]

    @property
    def tasks(self) -> list[ConnectorTaskId]:
        """Give the tasks that were started here."""
        return [name for name in self._running if isinstance(name, ConnectorTaskId)]

    def runs(self, name: Name) -> bool:
        """Tell whether it was started here, FAILED or not."""
        return name in self._running

    def state_of(self, name: Name) -> State | None:
        """Give the last state that the worker reported."""
        running = self._running.get(name)
        return None if running is None else running.state

    def is_current(self, name: Name, state: ClusterConfigState) -> bool:
        """Tell whether what runs was started from the very configuration that `state` holds.

        Compared by identity: a configuration that was written again counts as changed.
        """
        running = self._running.get(name)
        if running is None:
            return False
        if isinstance(name, str):
            return running.config is state.config(name)
        return running.config is state.task_config(name) and name in state.tasks(name.connector)

    def start_connector(self, name: str, state: ClusterConfigState) -> Future[State]:
        """Start a connector from its configuration; the Future tells when it runs."""
        config = state.config(name)
        failed: Future[State] = Future()
        if config is None:
            failed.set_exception(ConnectError(f"starting connector {name}: it has been deleted"))
            return failed
        self._running[name] = _Running(config, state.target_state(name))
        log.info("Starting a connector. connector=%s", name)
        null = next((key for key, value in config.items() if value is None), None)
        if null is not None:
            trace = (
                "java.lang.ClassCastException: Non-string value found in original settings for key "
                f"{null}: null"
            )
            self._listener.on_connector_state(name, State.FAILED, trace, None)
            failed.set_exception(ConnectError(trace))
            return failed
        texts = {key: value for key, value in config.items() if value is not None}
        return self.worker.start_connector(name, texts, state.target_state(name))

    def start_task(self, id: ConnectorTaskId, state: ClusterConfigState) -> None:
        """Start a task from its configuration; the worker reports what becomes of it."""
        self.announce_task(id, state)
        self.start_announced_task(id, state)

    def announce_task(self, id: ConnectorTaskId, state: ClusterConfigState) -> None:
        """Count a task as one of this worker's from now on; it is started later."""
        task_config = state.task_config(id)
        if task_config is None:
            log.warning("A task has no configuration yet and is not started. task=%s", id)
            return
        self._running[id] = _Running(task_config, state.target_state(id.connector))

    def start_announced_task(self, id: ConnectorTaskId, state: ClusterConfigState) -> None:
        """Start a task that was announced and not stopped since."""
        config, running = state.config(id.connector), self._running.get(id)
        if config is None or running is None:
            return
        log.info("Starting a task. task=%s", id)
        texts = {key: value for key, value in config.items() if value is not None}
        running.target = state.target_state(id.connector)
        self.worker.start_task(id, texts, running.config, running.target)

    def fail_task(self, id: ConnectorTaskId, error: BaseException) -> None:
        """Write that an announced task could not be started."""
        self.take(StateEvent(id, State.FAILED, java_trace(error), None))

    def stop(self, names: Collection[Name], *, report: bool = True) -> None:
        """Stop what runs of `names` and write UNASSIGNED, unless the group went on without us."""
        leaving = {name: self._running[name] for name in names if name in self._running}
        if not leaving:
            return
        log.info("Stopping. names=%s", ",".join(map(str, leaving)))
        connectors = [name for name in leaving if isinstance(name, str)]
        tasks = [name for name in leaving if isinstance(name, ConnectorTaskId)]
        for name in leaving:
            del self._running[name]
            self._stopped_s[name] = self._clock.monotonic_s()
        if connectors:
            self.worker.stop_connectors(connectors, CONNECTOR_STOP_TIMEOUT_S)
        if tasks:
            self.worker.stop_tasks(tasks, self._task_timeout_s)
        for name, running in leaving.items():
            failed_task = running.state is State.FAILED and not isinstance(name, str)
            if report and not failed_task:
                version = self._versions.get(name) if isinstance(name, str) else None
                self._write(name, running.state, State.UNASSIGNED, None, version, "stopped here")

    def stop_all(self, *, report: bool = True) -> None:
        """Stop everything."""
        self.stop(list(self._running), report=report)

    def mark_restarting(self, name: Name) -> None:
        """Write that something is about to start again."""
        version = self._versions.get(name)
        self._write(name, None, State.RESTARTING, None, version, "restart requested")

    def set_target(self, connector: str, target: TargetState) -> None:
        """Pass a target state to a connector and its tasks, as far as they run here and do not know it."""
        for name, running in self._running.items():
            if running.target is target:
                continue
            if name == connector:
                running.target = target
                self.worker.set_connector_target(connector, target)
            elif isinstance(name, ConnectorTaskId) and name.connector == connector:
                running.target = target
                self.worker.set_task_target(name, target)

    def take(self, event: StateEvent) -> bool:
        """Write what the worker reported; False when it is about something that was stopped since."""
        running = self._running.get(event.name)
        if running is None:
            return False
        before, running.state = running.state, event.state
        if event.version is not None:
            self._versions[event.name] = event.version
        if event.state is State.RUNNING and event.name in self._stopped_s:
            still_s = self._clock.monotonic_s() - self._stopped_s.pop(event.name)
            self.standstill_ms[str(event.name)] = round(still_s * 1000)
        if event.state is State.FAILED:
            # the whole trace stands in the status, and in the log of the process that failed
            log.warning("Failed. name=%s cause=%s", event.name, (event.trace or "").split("\n")[0])
        # why it starts again is no failure's trace
        restarts = event.state is State.RESTARTING
        cause = (event.trace if restarts else None) or "reported by the worker"
        trace = None if restarts else event.trace
        self._write(event.name, before, event.state, trace, event.version, cause)
        return True

    def _write(
        self,
        name: Name,
        before: State | None,
        after: State,
        trace: str | None,
        version: str | None,
        cause: str,
    ) -> None:
        status = Status(after, self.worker_id, self.generation, version, trace)
        self._statuses.put(name, status, safe=after in (State.UNASSIGNED, State.FAILED))
        if self._journal is not None:
            self._journal.transition(name, before, after, trace, cause)
