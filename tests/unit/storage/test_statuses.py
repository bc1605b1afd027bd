"""Which status counts, and which write is sent again."""

from __future__ import annotations

from concurrent.futures import Future

from appliance.clock import ManualClock
from appliance.errors import RetriableError
from appliance.ids import ConnectorTaskId, State
from appliance.storage.memory import MemoryLog
from appliance.storage.statuses import Status, StatusStore

TASK = ConnectorTaskId("x", 0)


class Broken(MemoryLog):
    """A log whose sends fail while `broken`."""

    broken = False
    sent = 0

    def send(self, key, value):
        self.sent += 1
        if not self.broken:
            return super().send(key, value)
        failed: Future[None] = Future()
        failed.set_exception(RetriableError("no broker"))
        return failed


def store_on(log):
    return StatusStore(log, ManualClock(5))


def test_unassigned_is_ignored_when_another_worker_runs_it_in_a_later_generation():
    """A late word of the last owner does not hide that the next one runs the work."""
    store = store_on(MemoryLog())
    for name in (TASK, "x"):
        store.put(name, Status(State.RUNNING, "b", 5))
        store.put(name, Status(State.UNASSIGNED, "a", 4))
        assert store.get(name).state is State.RUNNING


def test_unassigned_counts_when_the_worker_that_ran_it_says_so():
    """A worker that stops cleanly is believed."""
    store = store_on(MemoryLog())
    store.put(TASK, Status(State.RUNNING, "a", 5))
    store.put(TASK, Status(State.UNASSIGNED, "a", 5))
    assert store.get(TASK).state is State.UNASSIGNED


def test_safe_write_is_dropped_when_a_later_generation_wrote():
    """A FAILED of a worker that was left behind does not overwrite the new owner's status."""
    store = store_on(MemoryLog())
    store.put(TASK, Status(State.RUNNING, "b", 5))
    store.put(TASK, Status(State.FAILED, "a", 4), safe=True)
    assert store.get(TASK).state is State.RUNNING


def test_failed_write_is_sent_again_when_nothing_newer_is_known():
    """The tick's retry carries the last word over an outage."""
    log = Broken()
    store = store_on(log)
    log.broken = True
    store.put(TASK, Status(State.RUNNING, "a", 1))
    assert store.get(TASK) is None
    log.broken = False
    store.retry()
    assert store.get(TASK).state is State.RUNNING
    store.retry()
    assert log.sent == 2


def test_failed_write_is_not_sent_again_when_the_generation_went_on():
    """What belongs to an earlier generation is never let out late."""
    log = Broken()
    store = store_on(log)
    log.broken = True
    store.put(TASK, Status(State.UNASSIGNED, "a", 1))
    log.broken = False
    store.put("y", Status(State.RUNNING, "a", 2))
    store.retry()
    assert store.get(TASK) is None


def test_failed_write_is_not_sent_again_when_purged():
    """After the group went on without this worker, nothing of it is written."""
    log = Broken()
    store = store_on(log)
    log.broken = True
    store.put(TASK, Status(State.UNASSIGNED, "a", 1))
    store.purge()
    log.broken = False
    store.retry()
    assert store.get(TASK) is None


def test_topics_are_listed_once_when_used_again_and_gone_when_reset():
    """The first use of a topic is on record until the reset."""
    log = Broken()
    store = store_on(log)
    store.put_topic("t", TASK)
    store.put_topic("t", TASK)
    assert store.topics("x") == ("t",)
    assert log.sent == 1
    store.reset_topics("x")
    assert store.topics("x") == ()


def test_tasks_are_ordered_by_number_when_read_in_another_order():
    """REST lists tasks by number."""
    store = store_on(MemoryLog())
    for number in (10, 2, 0):
        store.put(ConnectorTaskId("x", number), Status(State.RUNNING, "a", 1))
    assert list(store.tasks("x")) == [0, 2, 10]


def test_status_is_gone_when_removed():
    """Deleting leaves no trace."""
    store = store_on(MemoryLog())
    store.put("x", Status(State.RUNNING, "a", 1))
    store.remove("x")
    assert store.get("x") is None
    assert store.names() == []
