"""What a worker tells of a task, by its state."""

from __future__ import annotations

import pytest

from appliance.ids import ConnectorTaskId, State, TargetState
from appliance.worker.resident import Resident

FIGURES: dict[str, float | int | str] = {
    "sink-record-read-rate": 6.9,
    "sink-record-read-total": 700,
    "offset-commit-completion-rate": 0.1,
    "records_behind": 0,
    "trouble": "no space",
}


def resident(state: State | None) -> Resident:
    one = Resident(ConnectorTaskId("lake", 0), {}, {}, TargetState.STARTED, state)
    one.figures = dict(FIGURES)
    return one


@pytest.mark.parametrize("state", [State.FAILED, State.UNASSIGNED, State.RESTARTING, None])
def test_nothing_is_read_or_known_when_a_task_has_ended(state):
    """Its last second is not repeated for ever, whether it failed or its process was killed."""
    assert resident(state).told() == {
        "sink-record-read-rate": 0.0,
        "sink-record-read-total": 700,
        "offset-commit-completion-rate": 0.0,
        "status": (state or State.UNASSIGNED).lower(),
    }


def test_nothing_is_read_when_a_task_is_paused():
    """How far it is behind it still tells, and it goes on to commit."""
    told = resident(State.PAUSED).told()
    assert told == {**FIGURES, "sink-record-read-rate": 0.0, "status": "paused"}


def test_figures_are_the_task_s_when_it_runs():
    """Nothing is made up."""
    assert resident(State.RUNNING).told() == {**FIGURES, "status": "running"}
