"""What resources work with, and how they wait for the herder."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from appliance.api.connector import OffsetChange, OffsetPreview
from appliance.config.worker import WorkerConfig
from appliance.doctor.findings import Finding
from appliance.herder.entities import Stage
from appliance.herder.herder import Herder
from appliance.journal.journal import Journal
from appliance.rest.console.trends import Trends
from appliance.rest.errors import RestError
from appliance.telemetry.loggers import Loggers
from appliance.worker.plugins import Plugins
from appliance.worker.validation import ConfigInfos

T = TypeVar("T")

HEALTH_TIMEOUT_S = 10.0


class Checks(Protocol):
    """What a Validator gives REST; blocks."""

    def validate(self, config: dict[str, str | None]) -> ConfigInfos:
        """Give what a configuration amounts to."""

    def plugin_config(self, name: str, version: str | None) -> list[dict[str, Any]]:
        """Give the options of a plugin."""


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """One worker, as its REST resources see it."""

    config: WorkerConfig
    herder: Herder
    plugins: Plugins
    checks: Checks
    loggers: Loggers
    journal: Journal
    cluster_id: Callable[[], str | None]
    set_task_log_level: Callable[[str, str], None]
    test_connection: Callable[[Mapping[str, str | None]], list[Finding]]
    preview_offsets: Callable[
        [Mapping[str, str | None], Sequence[OffsetChange]], list[OffsetPreview]
    ]
    trends: Trends = dataclasses.field(default_factory=Trends)
    daemon_figures: Callable[[], Mapping[str, int]] = dict
    task_pids: Callable[[], list[int]] = list

    @property
    def timeout_s(self) -> float:
        """Give the longest wait for the herder."""
        return self.config.seconds("appliance.rest.timeout.ms")

    async def wait(self, future: Future[T]) -> T:
        """Give the herder's answer. Raises RestError 500 after the timeout; the step is not undone."""
        try:
            async with asyncio.timeout(self.timeout_s):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise RestError(500, timeout_text(self.herder.stage())) from error

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Give what a blocking function gives, run on another thread."""
        return await asyncio.to_thread(function, *arguments)


def timeout_text(stage: Stage | None) -> str:
    """Say in Connect's words what the worker was doing when a request timed out."""
    if stage is None:
        return "Request timed out"
    return f"Request timed out. {stage_text(stage)}."


def stage_text(stage: Stage) -> str:
    """Say what the worker does or did last."""
    began = _instant(stage.started_ms)
    if stage.completed_ms is None:
        return f"The worker is currently {stage.description}, which began at {began}"
    return (
        f"The last operation the worker completed was {stage.description}, which began at {began} "
        f"and completed at {_instant(stage.completed_ms)}"
    )


def _instant(time_ms: int) -> str:
    moment = dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
