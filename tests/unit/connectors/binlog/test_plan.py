"""What a start does under each snapshot mode."""

from __future__ import annotations

import pytest

from appliance.connectors.binlog.config import parse
from appliance.connectors.binlog.plan import Plan, make_plan
from appliance.errors import ConnectError

STORED = {"file": "b.000001", "pos": 4}


def plan(mode, offset=None, *, history=True, available=True, **changes):
    """Decide under a mode, with what is left of history and binlog."""
    config = {
        "topic.prefix": "p",
        "database.hostname": "h",
        "database.user": "u",
        "database.server.id": "1",
        "snapshot.mode": mode,
        **changes,
    }
    return make_plan(
        parse("mariadb", config),
        offset,
        history_exists=lambda: history,
        position_available=lambda _offset: available,
    )


@pytest.mark.parametrize(
    ("mode", "schema", "data", "stream"),
    [
        ("initial", True, True, True),
        ("initial_only", True, True, False),
        ("always", True, True, True),
        ("when_needed", True, True, True),
        ("no_data", True, False, True),
        ("schema_only", True, False, True),
        ("never", False, False, True),
    ],
)
@pytest.mark.parametrize("offset", [None, {}, {**STORED, "snapshot": "INITIAL"}])
def test_snapshot_is_taken_when_no_finished_one_is_stored(mode, schema, data, stream, offset):
    """Without offset, with an empty one, or after a snapshot that was cut off, the mode decides."""
    assert plan(mode, offset, history=False) == Plan(schema, data, stream)


@pytest.mark.parametrize("mode", ["initial", "when_needed", "no_data"])
def test_stream_goes_on_when_offset_history_and_binlog_are_there(mode):
    """A finished snapshot is not taken again."""
    found = plan(mode, STORED)
    assert found == Plan(schema=False, data=False, stream=True, offset=STORED)
    assert found.recovers


def test_snapshot_is_taken_again_when_the_mode_is_always():
    """Mode always starts from the beginning each time."""
    assert plan("always", STORED) == Plan(schema=True, data=True, stream=True)


def test_history_is_rebuilt_when_the_mode_is_recovery():
    """Mode recovery reads the definitions and streams from the stored offset."""
    found = plan("recovery", STORED, history=False)
    assert found == Plan(schema=True, data=False, stream=True, offset=STORED)
    assert not found.recovers


@pytest.mark.parametrize(
    ("mode", "offset", "history", "available", "text"),
    [
        ("recovery", None, True, True, "needs a stored offset"),
        ("initial", STORED, False, True, "history topic is missing"),
        ("initial", STORED, True, False, "no longer available on the server"),
        ("custom", None, True, True, "not supported"),
    ],
)
def test_start_is_refused_when_it_would_lose_changes(mode, offset, history, available, text):
    """A lost history or binlog stops the start, with the remedy in the message."""
    with pytest.raises(ConnectError, match=text):
        plan(mode, offset, history=history, available=available)


@pytest.mark.parametrize(("history", "available"), [(False, True), (True, False)])
def test_snapshot_is_taken_when_needed(history, available):
    """Mode when_needed starts anew where history or binlog is lost."""
    found = plan("when_needed", STORED, history=history, available=available)
    assert found == Plan(schema=True, data=True, stream=True)


def test_flags_decide_when_the_mode_is_configuration_based():
    """Each part of the snapshot has an option of its own."""
    base = "snapshot.mode.configuration.based."
    found = plan(
        "configuration_based", **{f"{base}snapshot.schema": "true", f"{base}start.stream": "true"}
    )
    assert found == Plan(schema=True, data=False, stream=True)
