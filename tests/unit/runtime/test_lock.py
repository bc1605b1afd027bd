"""Lock files: one copy of a task at a time, and notes that outlive their process."""

from __future__ import annotations

from appliance.ids import ConnectorTaskId, TargetState
from appliance.lockfile import is_held, lock_path
from appliance.runtime.control import Control
from appliance.runtime.lock import TaskLock


def test_lock_is_held_while_its_task_lives(tmp_path):
    """Who starts a task can see whether its former copy has ended."""
    task = ConnectorTaskId("sink", 0)
    path = lock_path(tmp_path, "group", task)
    assert not is_held(path)
    with TaskLock(path) as lock:
        assert lock.acquire(task, Control(TargetState.STARTED))
        assert is_held(path)
    assert not is_held(path)


def test_notes_of_ended_tasks_are_found_and_those_of_living_ones_are_not(tmp_path):
    """A connector's next task takes over what its former ones may have left behind, line by line."""
    ids = [ConnectorTaskId("sink", number) for number in range(3)]
    first, ended, living = (TaskLock(lock_path(tmp_path, "group", task)) for task in ids)
    control = Control(TargetState.STARTED)
    with ended as lock:
        lock.acquire(ids[1], control)
        lock.set_note("member-a\nmember-b")
    with living as alive, first as lock:
        alive.acquire(ids[2], control)
        alive.set_note("member-c")
        lock.acquire(ids[0], control)
        assert lock.left_behind() == ["member-a", "member-b"]
        assert lock.left_behind() == []
