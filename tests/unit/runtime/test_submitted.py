"""Submitted positions: newest per partition, stored only once acknowledged and held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.runtime.submitted import Submitted


def test_newest_position_per_partition_is_given_when_acknowledged() -> None:
    """One flush acknowledges everything before it, and only that."""
    submitted = Submitted()
    submitted.add({"f": "a"}, {"p": 1})
    submitted.add({"f": "b"}, {"p": 5})
    submitted.add({"f": "a"}, {"p": 2})
    submitted.acknowledge(10)
    submitted.add({"f": "a"}, {"p": 3})
    assert submitted.take(10) == [({"f": "a"}, {"p": 2}), ({"f": "b"}, {"p": 5})]
    assert submitted.take(10) == []
    assert submitted


def test_positions_are_held_back_when_a_hold_is_set() -> None:
    """A single broker may lose what it acknowledged a moment ago; at a clean stop all is stored."""
    submitted = Submitted(hold_s=3)
    submitted.add({}, {"p": 1})
    submitted.acknowledge(10)
    submitted.add({}, {"p": 2})
    submitted.acknowledge(12)
    assert not submitted.is_due(12.9)
    assert submitted.take(12.9) == []
    assert submitted.is_due(13)
    assert submitted.take(13) == [({}, {"p": 1})]
    assert submitted.take(13, everything=True) == [({}, {"p": 2})]


def test_newer_positions_win_when_older_ones_are_given_back() -> None:
    """A failed write is tried again without going back in time."""
    submitted = Submitted()
    submitted.add({}, {"p": 1})
    submitted.acknowledge(1)
    taken = submitted.take(1)
    submitted.add({}, {"p": 2})
    submitted.acknowledge(2)
    submitted.give_back(2, taken)
    assert submitted.take(2) == [({}, {"p": 2})]


@given(st.lists(st.sampled_from(["add", "ack", "take", "fail"]), max_size=40), st.integers(0, 3))
def test_no_position_is_stored_before_it_is_acknowledged(steps: list[str], hold: int) -> None:
    """Whatever happens in between, what is stored was acknowledged, and it never goes back."""
    submitted = Submitted(hold_s=hold)
    added = acknowledged = stored = 0
    for now, step in enumerate(steps):
        if step == "add":
            added += 1
            submitted.add({}, {"p": added})
        elif step == "ack":
            submitted.acknowledge(now)
            acknowledged = added
        else:
            positions = submitted.take(now)
            if positions and step == "fail":
                submitted.give_back(now, positions)
            elif positions:
                assert stored < positions[0][1]["p"] <= acknowledged
                stored = positions[0][1]["p"]
    submitted.acknowledge(len(steps))
    left = submitted.take(len(steps), everything=True)
    assert (left[0][1]["p"] if left else stored) == added
