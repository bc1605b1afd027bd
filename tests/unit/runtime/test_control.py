"""What a task is asked from outside."""

from __future__ import annotations

import pytest

from appliance.ids import TargetState
from appliance.runtime.control import Control


@pytest.mark.parametrize(
    "ask",
    [
        lambda control: control.set_target(TargetState.PAUSED),
        lambda control: control.stop(),
        lambda control: control.stop(lapsed=True),
    ],
    ids=["pause", "stop", "lapse"],
)
def test_there_are_news_when_something_is_asked(ask):
    """A loop that waits for records looks at one flag to see that its wait is over."""
    control = Control(TargetState.STARTED)
    assert not control.news
    ask(control)
    assert control.news
