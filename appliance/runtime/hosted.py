"""Connector instances: one thread each, which starts, pauses and asks them in turn.

Semantics: Kafka Connect 4.3.1 WorkerConnector. A connector only plans work and watches its source; its
tasks run elsewhere.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from appliance.api import Connector
from appliance.channel import ConnectorStatus, Reconfigure, Reply, StartConnector
from appliance.errors import ConnectError, java_class_of, java_trace
from appliance.ids import State, TargetState
from appliance.runtime.control import Report
from appliance.runtime.offsets import SourceOffsets
from appliance.runtime.plugins import imported
from appliance.telemetry.logs import log_context

log = logging.getLogger("org.apache.kafka.connect.runtime.WorkerConnector")


class HostedConnector:
    """One connector instance and its thread."""

    def __init__(self, start: StartConnector, report: Report) -> None:
        self.name = start.name
        self._start = start
        self._report = report
        self._offsets = SourceOffsets(start.name, start.offsets)
        self._actions: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._connector: Connector | None = None
        self._running = False
        self._failed = False
        self._thread = threading.Thread(
            target=self._run, name=f"connector-{start.name}", daemon=True
        )
        self._actions.put(lambda: self._move(start.target))
        self._thread.start()

    # the connector's context

    def request_task_reconfiguration(self) -> None:
        """Ask that `task_configs` be called again soon; any thread."""
        self._report(Reconfigure(self.name))

    def raise_error(self, error: BaseException) -> None:
        """Fail the connector; any thread."""
        self._actions.put(lambda: self._fail(error))

    def offsets(self, partitions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
        """Give the offsets that were stored when the connector started."""
        return self._offsets.of(partitions)

    # called by the process's main thread

    def set_target(self, target: TargetState) -> None:
        """Start, pause or stop."""
        self._actions.put(lambda: self._move(target))

    def task_configs(self, call: int, max_tasks: int) -> None:
        """Answer with the task configurations."""
        self._actions.put(lambda: self._answer(call, max_tasks))

    def stop(self) -> None:
        """End the instance and its thread."""
        self._actions.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout_s)

    # on the connector's thread

    def _run(self) -> None:
        with log_context(self.name, scope="worker"):
            while (action := self._actions.get()) is not None:
                try:
                    action()
                except Exception as error:  # noqa: BLE001 - whatever a plugin raises is its failure
                    self._fail(error)
            self._end()
        self._report(ConnectorStatus(self.name, State.UNASSIGNED))

    def _move(self, target: TargetState) -> None:
        if self._failed:
            log.warning("Cannot move connector %s to %s: it has failed", self.name, target)
            return
        if target is TargetState.STARTED:
            self._begin()
            self._say(State.RUNNING)
            return
        self._end()
        self._say(State.PAUSED if target is TargetState.PAUSED else State.STOPPED)

    def _begin(self) -> None:
        if not self._running:
            connector: Connector = imported(self._start.plugins["connector"].target)()
            self._connector = connector
            connector.start(self, self._start.config)
            self._running = True

    def _end(self) -> None:
        connector, self._running = self._connector, False
        if connector is not None:
            try:
                connector.stop()
            except Exception:
                log.exception("Stopping connector %s failed", self.name)

    def _answer(self, call: int, max_tasks: int) -> None:
        try:
            if self._connector is None:
                raise ConnectError(f"asking connector {self.name} for tasks: it is not started")
            configs = self._connector.task_configs(max_tasks)
        except Exception as error:  # noqa: BLE001 - goes to whoever asked
            self._report(Reply(call, None, str(error), java_class_of(error)))
        else:
            self._report(Reply(call, orjson.dumps([dict(config) for config in configs])))

    def _fail(self, error: BaseException) -> None:
        self._failed = True
        self._end()
        log.error("Connector %s failed\n%s", self.name, java_trace(error))
        self._report(ConnectorStatus(self.name, State.FAILED, java_trace(error)))

    def _say(self, state: State) -> None:
        version = self._start.plugins["connector"].version
        self._report(ConnectorStatus(self.name, state, None, version))
