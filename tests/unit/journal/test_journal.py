"""The journal follows one log and numbers events by its offsets."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from appliance.clock import ManualClock
from appliance.errors import RetriableError
from appliance.journal.journal import Event, Journal, Revised


class FakeLog:
    def __init__(self) -> None:
        self.deliver: Callable[[bytes, bytes | None, int], None] = lambda *_: None
        self.sent: list[tuple[bytes, bytes | None]] = []
        self.error: Exception | None = None

    def subscribe(self, on_record):
        self.deliver = on_record

    def send(self, key, value):
        self.sent.append((key, value))
        future: Future[None] = Future()
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(None)
            self.deliver(key, value, 40 + len(self.sent))
        return future


def test_events_take_the_logs_offsets_as_ids():
    """What one worker writes every worker numbers alike."""
    log: Any = FakeLog()
    journal = Journal(log, "w1", ManualClock(5))
    seen: list[Event] = []
    journal.subscribe(seen.append)

    journal.append("task", {"key": "a-0"})

    assert log.sent[0][0] == b"task"
    assert json.loads(log.sent[0][1] or b"") == {
        "ts": 5,
        "type": "task",
        "worker": "w1",
        "key": "a-0",
    }
    assert seen == [Event(41, "task", {"ts": 5, "type": "task", "worker": "w1", "key": "a-0"})]
    assert journal.last_id == 41


def test_gap_is_told_when_older_events_are_forgotten():
    """A reader learns whether something is missing between its place and the ring."""
    log: Any = FakeLog()
    journal = Journal(log, "w1")
    journal.append("task", {})

    assert journal.after(40)[1]
    assert not journal.after(12)[1]


def test_recent_events_are_given_when_they_came_lately():
    """What came within the time asked for, oldest first, with the id of the newest of all."""
    clock = ManualClock()
    journal = Journal(None, "w1", clock)
    for number in range(3):
        journal.append("task", {"key": f"a-{number}"})
        clock.advance(4000)

    assert journal.recent(9.0) == (2, journal.after(0)[0])
    assert journal.recent(1.0) == (2, [])


def test_one_warning_is_logged_when_events_cannot_be_written(caplog):
    """An outage costs events, not the herder, and not the log's readability."""
    log: Any = FakeLog()
    log.error = RetriableError("no broker")
    journal = Journal(log, "w1", ManualClock())

    journal.append("task", {})
    journal.append("task", {})

    assert len(caplog.records) == 1
    assert journal.last_id == -1


def test_last_change_is_known_with_who_asked_for_it():
    """The number of the revision, its time, and the user of the request; an address is no user."""
    clock = ManualClock(5)
    journal = Journal(None, "w1", clock)
    journal.revision("a b", {"x": "1"})
    journal.audit("POST", "/connectors", 201, "ana", "10.0.0.1")
    first = journal.revised("a b")
    clock.advance(60)
    journal.revision("a b", {"x": "2"})
    journal.audit("PUT", "/connectors/a%20b/config", 200, "10.0.0.1", "10.0.0.1")
    second = journal.revised("a b")
    clock.advance(60)
    journal.audit("PATCH", "/connectors/a%20b/config", 200, "bo", "10.0.0.1")
    journal.revision("a b", {"x": "3"})
    third = journal.revised("a b")
    journal.revision("a b", None)

    assert first == Revised(5, 1, "ana")
    assert second is not None
    assert third is not None
    assert (second.number, second.by) == (2, None)
    assert (third.number, third.by) == (3, "bo")
    assert journal.revised("a b") is None


def test_revisions_tell_who_asked_when_the_trail_knows():
    """The nearest request that names the connector; one that creates it names none; a file is one too."""
    clock = ManualClock(5)
    journal = Journal(None, "w1", clock)
    journal.revision("a", {"x": "1"})
    journal.audit("POST", "/connectors", 201, "ana", "10.0.0.1")
    clock.advance(20_000)
    journal.revision("a", {"x": "2"})
    journal.audit("POST", "/connectors", 201, "bo", "10.0.0.2")
    clock.advance(20_000)
    journal.audit("PUT", "/connectors/a/config", 200, "10.0.0.3", "10.0.0.3")
    journal.audit("PUT", "/connectors/a/pause", 202, "bo", "10.0.0.2")
    journal.audit("PATCH", "/connectors/a/config", 403, "eve", "10.0.0.4")
    journal.revision("a", {"x": "3"})
    clock.advance(20_000)
    journal.audit("PUT", "/connectors/a/config", 200, "/etc/a.properties")
    journal.revision("a", {"x": "4"})
    clock.advance(20_000)
    journal.revision("a", None)
    journal.audit("DELETE", "/connectors/a", 204, "cy", "10.0.0.5")

    found = journal.revisions("a", 10)
    assert [entry["by"] for entry in found] == [
        "cy",
        "/etc/a.properties",
        "10.0.0.3",
        None,
        "ana",
    ]
    assert found[0]["from"] == "10.0.0.5"
    assert [entry["by"] for entry in journal.revisions("a", 1)] == ["cy"]


def test_queue_is_empty_since_its_last_letter_went():
    """Hidden or deleted: either is remembered with its time."""
    clock = ManualClock(5)
    journal = Journal(None, "w1", clock)
    assert journal.emptied_ms("dlq") is None
    journal.discard("dlq", [[0, 1]], "replayed")
    assert journal.emptied_ms("dlq") == 5
    clock.advance(2_000)
    journal.purged("dlq", 3)
    assert journal.emptied_ms("dlq") == 2005
