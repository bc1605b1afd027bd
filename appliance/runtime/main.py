"""The process of tasks and connectors: takes orders from its worker, runs each in a thread of its own.

The main thread only reads the channel and watches the lease. The process ends with the channel: a worker
that is gone must not have writers left. While a task lives it holds a lock file, so that on one host a
second copy waits until the first one, however stuck, is gone.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from appliance.channel import (
    AlterOffsets,
    AskGroupOffsets,
    AskTaskConfigs,
    Channel,
    ChannelClosed,
    Configure,
    ConnectorStatus,
    Imported,
    Lease,
    LogLine,
    Message,
    Reply,
    SetConnectorTarget,
    SetLogLevel,
    SetTaskTarget,
    StartConnector,
    StartTask,
    StopConnector,
    StopTask,
    TaskStatus,
)
from appliance.clock import SYSTEM_CLOCK
from appliance.config.secrets import hide_in_logs
from appliance.config.worker import WorkerConfig
from appliance.errors import ConnectError, java_class_of, java_trace
from appliance.ids import ConnectorTaskId, State
from appliance.imports import own_imports
from appliance.lockfile import lock_path
from appliance.runtime.control import Control
from appliance.runtime.hosted import HostedConnector
from appliance.runtime.lock import TaskLock
from appliance.telemetry import logs
from appliance.telemetry.lines import Tap
from appliance.telemetry.loggers import LOGGERS

log = logging.getLogger("org.apache.kafka.connect.runtime.WorkerTask")

ORPHAN_GRACE_S: Final = 0.8
LAPSE_GRACE_S: Final = 1.0
_EXIT_LAPSED: Final = 75
_COLLECT_EVERY: Final = 50_000


def main(_arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Be a task process until the channel closes."""
    # a control message or a lease check must not wait long behind a hot decoding loop
    sys.setswitchinterval(0.0005)
    # a hot loop makes tuples by the thousand and no cycles: Python's 700 would have it look all the time
    gc.set_threshold(_COLLECT_EVERY, 20, 20)
    gc.freeze()
    return Host(Channel(sockets[0])).run()


class RunningTask:
    """One task's thread, from waiting for its lock to its last word."""

    def __init__(self, host: Host, start: StartTask, worker: WorkerConfig) -> None:
        self.id = start.id
        self.control = Control(start.target)
        self._host = host
        self._start = start
        self._worker = worker
        self._runner: Any = None
        self.thread = threading.Thread(
            target=self._run_with_context, name=f"task-{start.id}", daemon=True
        )
        self.thread.start()

    def stop(self, *, lapsed: bool = False) -> None:
        """Ask the task to end."""
        self.control.stop(lapsed=lapsed)
        runner = self._runner
        if runner is not None:
            try:
                runner.stop()
            except Exception:
                log.exception("%s: stop failed", self.id)

    def _run_with_context(self) -> None:
        with logs.log_context(self.id.connector, self.id.task):
            self._run()

    def _run(self) -> None:
        status = TaskStatus(self.id, State.UNASSIGNED)
        try:
            with TaskLock(self._host.lock_path(self.id)) as lock:
                if lock.acquire(self.id, self.control):
                    self._runner = self._make_runner(lock)
                    self._runner.run()
        except BaseException as error:  # noqa: BLE001 - every end of a task is reported
            log.error(
                "%s: the task failed and stays so until it is restarted\n%s",
                self.id,
                java_trace(error),
            )
            version = self._start.plugins["task"].version
            status = TaskStatus(self.id, State.FAILED, java_trace(error), version)
        if self.control.lapsed:
            status = TaskStatus(self.id, State.UNASSIGNED, lapsed=True)
        self._host.ended(self, status)

    def _make_runner(self, lock: TaskLock) -> Any:
        # lazily: a process of connectors alone needs neither loop nor client
        if self._start.plugins["task"].kind == "source":
            from appliance.runtime.source import SourceRunner

            return SourceRunner(
                self._start, self._worker, self.control, self._host.report, SYSTEM_CLOCK
            )
        from appliance.runtime.sink import SinkRunner

        return SinkRunner(
            self._start, self._worker, self.control, self._host.report, SYSTEM_CLOCK, lock
        )


class Host:
    """The main thread of a task process."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._worker: WorkerConfig | None = None
        self._lock_dir: Path | None = None
        self._tasks: dict[ConnectorTaskId, RunningTask] = {}
        self._connectors: dict[str, HostedConnector] = {}
        self._lease: float | None = None
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._on_message: dict[type[Message], Callable[[Any], None]] = {
            Configure: self._configure,
            StartTask: self._start_task,
            SetTaskTarget: self._set_task_target,
            StopTask: lambda m: self._with_task(m.id, RunningTask.stop),
            StartConnector: self._start_connector,
            SetConnectorTarget: self._set_connector_target,
            StopConnector: self._stop_connector,
            AskTaskConfigs: self._ask_task_configs,
            AskGroupOffsets: lambda m: self._in_thread(m.call, lambda: self._group_offsets(m)),
            AlterOffsets: lambda m: self._in_thread(m.call, lambda: self._alter(m)),
            Lease: self._renew,
            SetLogLevel: lambda m: LOGGERS.apply(m.logger, m.level),
        }

    def run(self) -> int:
        """Take orders until the worker closes the channel or is gone."""
        try:
            while True:
                message = self._channel.receive(self._lease_left())
                if message is not None:
                    self._on_message[type(message)](message)
                elif self._lease_left() == 0.0:
                    self._lapse()
        except ChannelClosed:
            self._stop_all(ORPHAN_GRACE_S, lapsed=False)
        return 0

    def report(self, message: Message) -> None:
        """Tell the worker; one that is gone need not know. A trace shows no secret."""
        if isinstance(message, TaskStatus | ConnectorStatus) and message.trace:
            message = msgspec.structs.replace(message, trace=logs.blotted(message.trace))
        try:
            self._channel.send(message)
            if isinstance(message, TaskStatus | ConnectorStatus):
                self._tell_imports()
        except ChannelClosed:
            pass

    def _tell_imports(self) -> None:
        """Tell which modules were brought in since the last time."""
        with self._lock:
            new = [name for name in own_imports() if name not in self._told]
            self._told.update(new)
        if new:
            self._channel.send(Imported(new))

    def lock_path(self, id: ConnectorTaskId) -> Path | None:
        """Give the lock file of a task."""
        if self._lock_dir is None or self._worker is None:
            return None
        return lock_path(self._lock_dir, self._worker.group_id, id)

    def ended(self, task: RunningTask, status: TaskStatus) -> None:
        """A task's thread is about to end; called on it."""
        with self._lock:
            if self._tasks.get(task.id) is task:
                del self._tasks[task.id]
        self.report(status)

    def _configure(self, message: Configure) -> None:
        mode: Any = message.mode
        config = self._worker = WorkerConfig(message.properties, mode)
        logs.configure(config.text("appliance.log.level"), config.text("appliance.log.format"))
        logging.getLogger().addHandler(Tap(lambda *line: self._channel.send(LogLine(*line))))
        self._lock_dir = Path(message.lock_dir) if message.lock_dir else None
        self._lease = message.lease

    @property
    def _configured(self) -> WorkerConfig:
        if self._worker is None:
            raise ConnectError("a task process must be configured first")
        return self._worker

    def _start_task(self, message: StartTask) -> None:
        hide_in_logs(message.config)
        hide_in_logs(message.connector_config)
        with self._lock:
            self._tasks[message.id] = RunningTask(self, message, self._configured)

    def _with_task(self, id: ConnectorTaskId, action: Callable[[RunningTask], None]) -> None:
        with self._lock:
            task = self._tasks.get(id)
        if task is not None:
            action(task)

    def _set_task_target(self, message: SetTaskTarget) -> None:
        self._with_task(message.id, lambda task: task.control.set_target(message.target))

    def _start_connector(self, message: StartConnector) -> None:
        hide_in_logs(message.config)
        self._connectors[message.name] = HostedConnector(message, self.report)

    def _set_connector_target(self, message: SetConnectorTarget) -> None:
        connector = self._connectors.get(message.name)
        if connector is not None:
            connector.set_target(message.target)

    def _stop_connector(self, message: StopConnector) -> None:
        connector = self._connectors.pop(message.name, None)
        if connector is not None:
            connector.stop()

    def _ask_task_configs(self, message: AskTaskConfigs) -> None:
        connector = self._connectors.get(message.name)
        if connector is not None:
            connector.task_configs(message.call, message.max_tasks)
        else:
            self._answer(message.call, lambda: self._no_connector(message.name))

    def _no_connector(self, name: str) -> Any:
        raise ConnectError(f"asking connector {name} for tasks: it does not run here")

    def _group_offsets(self, message: AskGroupOffsets) -> Any:
        from appliance.runtime.alter import group_offsets

        return group_offsets(message.config, self._configured)

    def _alter(self, message: AlterOffsets) -> Any:
        from appliance.runtime.alter import alter

        return alter(message, orjson.loads(message.offsets), self._configured)

    def _in_thread(self, call: int, work: Callable[[], Any]) -> None:
        threading.Thread(
            target=self._answer, args=(call, work), name=f"call-{call}", daemon=True
        ).start()

    def _answer(self, call: int, work: Callable[[], Any]) -> None:
        try:
            reply = Reply(call, orjson.dumps(work()))
        except Exception as error:  # noqa: BLE001 - goes to whoever asked
            reply = Reply(call, None, str(error), java_class_of(error))
        self.report(reply)

    def _renew(self, message: Lease) -> None:
        self._lease = message.until

    def _lease_left(self) -> float | None:
        if self._lease is None or not self._tasks:
            return None
        return max(0.0, self._lease - time.monotonic())

    def _lapse(self) -> None:
        log.error(
            "The worker has lost touch with its group; %d tasks stop, so that another worker may run"
            " them",
            len(self._tasks),
        )
        self._lease = None
        if not self._stop_all(LAPSE_GRACE_S, lapsed=True):
            os._exit(_EXIT_LAPSED)

    def _stop_all(self, timeout_s: float, *, lapsed: bool) -> bool:
        """Stop everything; give whether all threads ended in time."""
        with self._lock:
            tasks = list(self._tasks.values())
        connectors = [] if lapsed else list(self._connectors.values())
        for task in tasks:
            task.stop(lapsed=lapsed)
        for connector in connectors:
            connector.stop()
        deadline = time.monotonic() + timeout_s
        for task in tasks:
            task.thread.join(max(0.0, deadline - time.monotonic()))
        for connector in connectors:
            connector.join(max(0.0, deadline - time.monotonic()))
        return not any(task.thread.is_alive() for task in tasks)
