"""What the config topic's records add up to."""

from __future__ import annotations

import json

import pytest

from appliance.ids import ConnectorTaskId, TargetState
from appliance.storage.configs import ConfigReader, ConfigStore
from appliance.storage.memory import MemoryLog
from appliance.storage.snapshot import SessionKey


class Notes:
    """A listener that keeps what it heard."""

    def __init__(self):
        self.heard = []

    def __getattr__(self, name):
        return lambda *arguments: self.heard.append((name, *arguments))


def feed(*records):
    reader = ConfigReader()
    for offset, (key, value) in enumerate(records):
        reader.apply(key.encode(), None if value is None else json.dumps(value).encode(), offset)
    return reader.snapshot()


def task(name, number, **config):
    return (f"task-{name}-{number}", {"properties": config})


X = ("connector-x", {"properties": {"name": "x"}})


def test_tasks_do_not_count_when_no_commit_record_follows():
    """Task records without their commit are no tasks."""
    state = feed(X, task("x", 0))
    assert state.tasks("x") == ()
    assert state.offset == 2


def test_tasks_count_when_the_commit_record_is_read():
    """A complete set takes effect at once, also for a name with dashes."""
    state = feed(
        ("connector-x-1", {"properties": {}}),
        task("x-1", 0, a="0"),
        task("x-1", 1, a="1"),
        ("commit-x-1", {"tasks": 2}),
    )
    assert state.tasks("x-1") == (ConnectorTaskId("x-1", 0), ConnectorTaskId("x-1", 1))
    assert state.task_configs("x-1") == ({"a": "0"}, {"a": "1"})


def test_connector_is_inconsistent_when_compaction_took_a_task_record():
    """A commit for more tasks than were read yields none, until a complete set comes."""
    half = [X, task("x", 1), ("commit-x", {"tasks": 2})]
    assert feed(*half).inconsistent == {"x"}
    assert feed(*half).tasks("x") == ()
    whole = [*half, task("x", 0), task("x", 1), ("commit-x", {"tasks": 2})]
    assert len(feed(*whole).tasks("x")) == 2


def test_set_is_complete_when_compaction_kept_tasks_of_a_larger_one():
    """More task records than committed are no fault."""
    state = feed(X, task("x", 0), task("x", 1), task("x", 2), ("commit-x", {"tasks": 2}))
    assert len(state.tasks("x")) == 2


def test_tasks_are_gone_when_none_are_committed():
    """Stopping a connector commits an empty set."""
    state = feed(X, task("x", 0), ("commit-x", {"tasks": 1}), ("commit-x", {"tasks": 0}))
    assert state.tasks("x") == ()
    assert not state.inconsistent


def test_nothing_is_left_when_a_connector_is_deleted():
    """Configuration, target and tasks go with the tombstones; a later connector starts afresh."""
    state = feed(
        X,
        task("x", 0),
        ("commit-x", {"tasks": 1}),
        ("target-state-x", {"state": "PAUSED"}),
        ("connector-x", None),
        ("target-state-x", None),
    )
    assert not state.contains("x")
    assert state.tasks("x") == ()
    assert feed(("connector-x", None), X).target_state("x") is TargetState.STARTED


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"state": "PAUSED", "state.v2": "STOPPED"}, TargetState.STOPPED),
        ({"state": "PAUSED"}, TargetState.PAUSED),
        ({"state": "STARTED", "state.v2": "LATER"}, TargetState.STARTED),
    ],
)
def test_newer_field_wins_when_a_target_state_has_both(value, expected):
    """A worker before 3.5 reads `state`, later ones `state.v2` when they know its word."""
    assert feed(X, ("target-state-x", value)).target_state("x") is expected


def test_unreadable_record_is_ignored_when_others_follow():
    """One bad record costs itself only."""
    state = feed(("commit-x", "what"), ("nobody-knows", {}), ("connector-y", [1]), X)
    assert state.connectors == {"x"}
    assert state.offset == 4


def test_config_that_tasks_come_from_is_kept_when_it_changes_later():
    """Changes that do not reach the task configurations can be told by the applied one."""
    changed = ("connector-x", {"properties": {"name": "x", "k": "v"}})
    state = feed(X, task("x", 0), ("commit-x", {"tasks": 1}), changed)
    assert state.applied_configs["x"] == {"name": "x"}
    assert state.config("x") == {"name": "x", "k": "v"}


def test_fencing_is_pending_when_tasks_came_after_the_task_count_record():
    """A commit asks for a new round of fencing, the task count record ends it."""
    commit, count = ("commit-x", {"tasks": 0}), ("tasks-fencing-x", {"task-count": 3})
    assert feed(X, count, commit).pending_fencing == {"x"}
    assert feed(X, commit, count).pending_fencing == set()
    assert feed(X, commit, count).task_count_records == {"x": 3}


def test_listener_hears_only_what_is_new_when_the_store_goes_live():
    """History is silent; a restart request or log level of the past is not carried out again."""
    log, notes = MemoryLog(), Notes()
    store = ConfigStore(log, notes)
    store.put_restart("x", only_failed=True, include_tasks=False)
    store.put_log_level("a", "DEBUG")
    assert notes.heard == []
    store.go_live()
    store.put_connector("x", {"name": "x"}, TargetState.STOPPED)
    store.put_task_configs("x", [{"a": "1"}])
    store.put_restart("x", only_failed=True, include_tasks=False)
    store.put_log_level("a", "INFO")
    store.remove_connector("x")
    assert notes.heard == [
        ("on_target_state_changed", "x"),
        ("on_connector_updated", "x"),
        ("on_tasks_updated", "x", (ConnectorTaskId("x", 0),)),
        ("on_restart_requested", "x", True, False),
        ("on_log_level", "a", "INFO"),
        ("on_connector_removed", "x"),
    ]


def test_session_key_comes_back_when_it_was_written():
    """The key survives the trip through its record and never shows in a text."""
    store = ConfigStore(MemoryLog(), Notes())
    key = SessionKey(b"k" * 32, "HmacSHA256", 17)
    store.put_session_key(key)
    assert store.snapshot().session_key == key
    assert "kkk" not in repr(store.snapshot())


def test_config_object_stays_the_same_when_other_records_arrive():
    """Identity tells whether a record was written again; a rewrite of equal content is a change."""
    store = ConfigStore(MemoryLog(), Notes())
    store.put_connector("x", {"name": "x"}, None)
    first = store.snapshot().config("x")
    store.put_connector("y", {"name": "y"}, None)
    assert store.snapshot().config("x") is first
    store.put_connector("x", {"name": "x"}, None)
    assert store.snapshot().config("x") is not first
