"""What a worker knows of one connector or task that runs on it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Final

from appliance.ids import ConnectorTaskId, State, TargetState
from appliance.worker.hosts import Host

CONNECTORS: Final = "connectors"
DEATHS_WITHIN_S: Final = 60.0
_OF_THE_MOMENT: Final = (
    "sink-record-lag-max",
    "records_behind",
    "milliseconds_behind_source",
    "bytes_behind_source",
    "trouble",
)


@dataclasses.dataclass(slots=True, eq=False, repr=False)
class Resident:
    """A connector or task of this worker, from its start to its end. Configurations are stored texts."""

    id: ConnectorTaskId | str
    config: Mapping[str, str]
    task_config: Mapping[str, str]
    target: TargetState
    state: State | None = None
    host: Host | None = None
    launch: Future[None] | None = None
    started: Future[State] = dataclasses.field(default_factory=Future)
    ended: threading.Event = dataclasses.field(default_factory=threading.Event)
    starting: bool = True
    stopping: bool = False
    moving: bool = False
    lapsed: bool = False
    deaths: list[float] = dataclasses.field(default_factory=list)
    figures: dict[str, float | int | str] = dataclasses.field(default_factory=dict)

    @property
    def host_key(self) -> str:
        """Give the name of the process that it lives in."""
        return CONNECTORS if isinstance(self.id, str) else f"task {self.id}"

    def told(self) -> dict[str, float | int | str]:
        """Give a task's figures as they are true of its state.

        One that does not run reads nothing, whatever its rate was; one that has ended waits for nothing and
        does not know how far it is behind by now.
        """
        state = self.state or State.UNASSIGNED
        figures = {**self.figures, "status": state.lower()}
        if state is State.RUNNING:
            return figures
        ended = state is not State.PAUSED
        for name in figures:
            if name.endswith("-rate") and (ended or "-record-" in name):
                figures[name] = 0.0
        for name in _OF_THE_MOMENT if ended else ():
            figures.pop(name, None)
        return figures

    def count_death(self, now_s: float) -> int:
        """Count a death of its process; give how many there were within `DEATHS_WITHIN_S`."""
        self.deaths = [at_s for at_s in self.deaths if now_s - at_s < DEATHS_WITHIN_S]
        self.deaths.append(now_s)
        return len(self.deaths)
