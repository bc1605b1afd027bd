"""What is to pause or stop does so while the group still forms."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from appliance.clock import ManualClock
from appliance.config.worker import WorkerConfig
from appliance.herder.changes import ChangeHandler
from appliance.herder.inbox import Inbox
from appliance.herder.lifecycle import Lifecycle
from appliance.ids import State, TargetState
from appliance.storage.stores import standalone_stores


class FakeRunner:
    """Starts at once, and keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, TargetState]] = []

    def start_connector(self, name: str, config: Any, target: TargetState) -> Future[State]:
        started: Future[State] = Future()
        started.set_result(State.RUNNING)
        return started

    def set_connector_target(self, name: str, target: TargetState) -> None:
        self.told.append((name, target))


def test_connector_stops_once_when_the_group_has_not_settled(tmp_path):
    """The note stays for the turn after; what was told is not told again, and a resume waits for it."""
    inbox = Inbox()
    runner: Any = FakeRunner()
    stores = standalone_stores(tmp_path / "offsets", inbox)
    stores.configs.go_live()
    stores.configs.put_connector("a", {"connector.class": "x"}, None)
    stores.configs.put_connector("b", {"connector.class": "x"}, TargetState.PAUSED)
    lifecycle = Lifecycle(
        runner,
        stores.statuses,
        "w1",
        ManualClock(0),
        None,
        1.0,
        inbox,
    )
    for name in ("a", "b"):
        lifecycle.start_connector(name, stores.configs.snapshot())
    nothing: Any = SimpleNamespace(settled_state=stores.configs.snapshot())
    changes = ChangeHandler(
        WorkerConfig({}, "run"), stores, runner, inbox, nothing, lifecycle, nothing, None,
        type_of=nothing, set_log_level=nothing, publish=nothing,
    )  # fmt: skip
    inbox.take_changes()

    stores.configs.put_target_state("a", TargetState.STOPPED)
    stores.configs.put_target_state("b", TargetState.STARTED)
    changes.rest()
    changes.rest()
    assert runner.told == [("a", TargetState.STOPPED)]

    changes.take_changes()
    assert runner.told == [("a", TargetState.STOPPED), ("b", TargetState.STARTED)]
