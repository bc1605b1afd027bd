"""What steers a task from outside, and the context that every task gets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from appliance.channel import Message
from appliance.clock import Clock
from appliance.config.worker import WorkerConfig
from appliance.ids import ConnectorTaskId, TargetState
from appliance.kafka.clients import Settings, connector_client
from appliance.runtime.figures import Figures
from appliance.runtime.offsets import SourceOffsets

Report = Callable[[Message], None]
"""Sends a message to the worker."""


class Control:
    """Stop, pause and resume; set by the process's main thread, read by the task's."""

    def __init__(self, target: TargetState) -> None:
        self._stop = threading.Event()
        self._changed = threading.Event()
        self._target = target
        self.news = False
        """Whether anything was asked for since the task set this to False."""
        self.lapsed = False

    @property
    def stopping(self) -> bool:
        """Whether the task has been asked to stop."""
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        """Whether the task has been asked to pause."""
        return self._target is not TargetState.STARTED

    def set_target(self, target: TargetState) -> None:
        """Pause or resume."""
        self._target = target
        self._tell()

    def stop(self, *, lapsed: bool = False) -> None:
        """Ask the task to stop; `lapsed`: because it may no longer write."""
        self.lapsed = self.lapsed or lapsed
        self._stop.set()
        self._tell()

    def _tell(self) -> None:
        self.news = True
        self._changed.set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep, less when asked to stop; give `stopping`."""
        return self._stop.wait(timeout_s)

    def wait_for_change(self, timeout_s: float) -> None:
        """Sleep, less when asked for anything."""
        if self._changed.wait(timeout_s):
            self._changed.clear()


class Context:
    """The part of the context that source and sink tasks share."""

    def __init__(
        self, id: ConnectorTaskId, config: Mapping[str, str], control: Control, figures: Figures
    ) -> None:
        self._id = id
        self._config = config
        self._control = control
        self._figures = figures

    @property
    def id(self) -> ConnectorTaskId:
        """Give connector name and task number."""
        return self._id

    @property
    def config(self) -> Mapping[str, str]:
        """Give the task's configuration, providers resolved."""
        return self._config

    @property
    def stopping(self) -> bool:
        """Whether the task has been asked to stop."""
        return self._control.stopping

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`, less when asked to stop; give `stopping`."""
        return self._control.wait(timeout_s)

    def set_metric(self, name: str, value: float) -> None:
        """Publish a figure of the task's own."""
        self._figures.gauges[name] = value

    def set_trouble(self, trouble: str | None) -> None:
        """Say what the task waits for and tries again, None when it works again."""
        self._figures.set_trouble(trouble)


class SourceContext(Context):
    """What a source task gets."""

    def __init__(
        self,
        id: ConnectorTaskId,
        config: Mapping[str, str],
        control: Control,
        figures: Figures,
        worker: WorkerConfig,
        offsets: SourceOffsets,
    ) -> None:
        super().__init__(id, config, control, figures)
        self._worker = worker
        self._offsets = offsets

    def offsets(self, partitions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
        """Give the stored offset of each source partition."""
        return self._offsets.of(partitions)

    def client_config(self, prefix: str) -> Settings:
        """Give connection settings: the worker's, with the task's options below `prefix` on top."""
        return connector_client(self._worker, self._config, prefix)


class Ticker:
    """Publishes a task's figures once a second, and tells how long it ran and paused."""

    def __init__(
        self, id: ConnectorTaskId, figures: Figures, clock: Clock, publish: Callable[[Any], None]
    ) -> None:
        self._id = id
        self._figures = figures
        self._clock = clock
        self._publish = publish
        self._started_s = self._last_s = clock.monotonic_s()
        self._paused_s = 0.0
        self._next_s = 0.0

    def tick(self, now_s: float, *, paused: bool) -> bool:
        """Count the time since the last call; give whether figures are due to be published."""
        if paused:
            self._paused_s += now_s - self._last_s
        self._last_s = now_s
        if now_s < self._next_s:
            return False
        self._next_s = now_s + 1.0
        ratio = round(self._paused_s / max(now_s - self._started_s, 0.001), 3)
        self._figures.gauges["pause-ratio"] = ratio
        self._figures.gauges["running-ratio"] = round(1.0 - ratio, 3)
        self._figures.gauges["status"] = "paused" if paused else "running"
        return True

    def publish(self, now_s: float) -> None:
        """Send what changed."""
        changed = self._figures.changed(now_s)
        if changed:
            self._publish(changed)
