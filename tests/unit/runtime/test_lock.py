"""Lock files: one copy of a task at a time, and notes that outlive their process."""

from __future__ import annotations

import pytest

from appliance.errors import ConnectError
from appliance.ids import ConnectorTaskId, TargetState
from appliance.lockfile import is_held, lock_path
from appliance.runtime.control import Control
from appliance.runtime.lock import TaskLock
from tests.fulldisk import largest_file


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


def test_task_runs_on_when_its_note_cannot_be_written(tmp_path, caplog):
    """A full runtime folder fails no task; the note of before stays."""
    task = ConnectorTaskId("sink", 0)
    path = lock_path(tmp_path, "group", task)
    with TaskLock(path) as lock:
        lock.acquire(task, Control(TargetState.STARTED))
        lock.set_note("old")
        with largest_file(0):
            lock.set_note("newer")
            lock.set_note("newest")
        assert path.read_text() == "old"
    assert caplog.text.count("is not noted") == 1


def test_task_says_what_to_do_when_its_lock_file_cannot_be_made(tmp_path):
    """The trace names the file and the option of its folder."""
    (tmp_path / "file").touch()
    task = ConnectorTaskId("sink", 0)
    text = (
        r"making the lock file .*/file/.*: .*; .*, or change appliance\.runtime\.dir, and restart"
    )
    with (
        TaskLock(lock_path(tmp_path / "file", "group", task)) as lock,
        pytest.raises(ConnectError, match=text),
    ):
        lock.acquire(task, Control(TargetState.STARTED))
