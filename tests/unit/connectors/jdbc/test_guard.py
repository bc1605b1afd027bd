"""The visibility guard: when a bound is given out."""

from __future__ import annotations

from typing import Any

from appliance.clock import ManualClock
from appliance.connectors.jdbc.guard import VisibilityGuard


class OpenTransactions:
    """A database that is only asked for its open transactions."""

    def __init__(self, *open_now: int, known: bool = True) -> None:
        self.open_now = set(open_now)
        self.known = known

    def horizon(self) -> frozenset[int] | None:
        return frozenset(self.open_now) if self.known else None

    def passed(self, horizon: frozenset[int]) -> bool:
        return not horizon & self.open_now


class Reading:
    """A guard with what it asks of the table."""

    def __init__(self, database: Any, hold_s: float = 1.0) -> None:
        self.database = database
        self.clock = ManualClock()
        self.guard = VisibilityGuard("table t", hold_s, lambda _s: None, self.clock)
        self.newest: int | None = 7
        self.complete = False

    def bound(self) -> int | None:
        found: int | None = self.guard.bound(
            self.database, lambda: self.newest, lambda _upper: self.complete
        )
        return found


def test_bound_is_given_at_once_when_nothing_is_open() -> None:
    """Rows are not delayed while nobody writes, and nothing is asked when there is no new row."""
    reading = Reading(OpenTransactions())
    assert reading.bound() == 7
    reading.newest = None
    assert reading.bound() is None
    assert not reading.guard.waiting


def test_first_bound_is_kept_when_transactions_are_open() -> None:
    """What was noted is given out once its transactions have ended, whatever began or came later."""
    database = OpenTransactions(1)
    reading = Reading(database)
    assert reading.bound() is None
    reading.newest = 9
    database.open_now = {1, 2}
    assert reading.bound() is None
    assert reading.guard.waiting
    database.open_now = {2}
    assert reading.bound() == 7
    assert reading.bound() is None
    database.open_now = set()
    assert reading.bound() == 9


def test_bound_waits_for_the_hold_when_transactions_are_unknown() -> None:
    """Without a list of transactions a gap waits the configured time, and no longer."""
    reading = Reading(OpenTransactions(known=False), hold_s=1.0)
    assert reading.bound() is None
    reading.clock.advance(900)
    assert reading.bound() is None
    reading.clock.advance(100)
    assert reading.bound() == 7


def test_bound_is_given_at_once_when_no_number_is_missing() -> None:
    """Without a list of transactions numbers without a gap are complete."""
    reading = Reading(OpenTransactions(known=False))
    reading.complete = True
    assert reading.bound() == 7


def test_long_wait_is_told_when_a_transaction_stays_open(caplog: Any) -> None:
    """A forgotten transaction is named as the cause once a minute."""
    reading = Reading(OpenTransactions(1))
    for _ in range(130):
        assert reading.bound() is None
        reading.clock.advance(1000)
    assert caplog.text.count("new rows of table t have waited") == 2


def test_noted_bound_is_dropped_when_the_connection_is_lost() -> None:
    """A new connection begins with a new bound."""
    reading = Reading(OpenTransactions(1))
    assert reading.bound() is None
    reading.guard.forget()
    reading.database = OpenTransactions()
    reading.newest = 9
    assert reading.bound() == 9
