"""The visibility guard: up to where a table may be read without passing over rows yet to be committed.

Ids and times are given out in one order and committed in another, so that a row can appear below what
was read already. The guard notes a bound (the largest id, or the end of the time range) and then which
transactions are open: rows up to the bound are complete once those have ended, at once when there are
none. Where the database does not tell, ids without a gap count as complete, and all else waits a time.
Rows are only ever delayed. Thread: the task's own.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any, Final

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.connectors.jdbc.database import Database

_LOG = logging.getLogger("io.confluent.connect.jdbc.source.JdbcSourceTask")

RECHECK_S: Final = 0.15
"""How soon to ask again whether the transactions have ended."""

_GRACE_S: Final = 0.05
_WARN_EVERY_S: Final = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Noted:
    """A bound, the transactions that were open after it was read (None: not known), and when."""

    bound: Any
    horizon: Any
    at_s: float


class VisibilityGuard:
    """Gives the bounds of one table, each after the transactions that could add rows below it."""

    def __init__(
        self,
        described: str,
        hold_s: float,
        wait: Callable[[float], object],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`hold_s` is how long rows wait where open transactions are not known."""
        self._described = described
        self._hold_s = hold_s
        self._wait = wait
        self._clock = clock
        self._noted: _Noted | None = None
        self._warn_at_s = 0.0
        self._told = False

    @property
    def waiting(self) -> bool:
        """Whether a bound is noted that is not given out yet."""
        return self._noted is not None

    def forget(self) -> None:
        """Drop the noted bound, as after a lost connection."""
        self._noted = None

    def bound(
        self,
        database: Database,
        newest: Callable[[], Any | None],
        complete: Callable[[Any], bool],
    ) -> Any | None:
        """Give the bound up to which nothing is missing; None when there is nothing to read yet.

        `newest` reads the bound of now, None when there is nothing new; `complete` tells whether rows up
        to a bound have no gap. Raises the driver's error.
        """
        if self._noted is None:
            bound = newest()
            if bound is None:
                return None
            # a number is drawn a moment before its transaction can be seen
            self._wait(_GRACE_S)
            now_s = self._clock.monotonic_s()
            self._noted = _Noted(bound, database.horizon(), now_s)
            self._warn_at_s = now_s + _WARN_EVERY_S
        if not self._passed(database, self._noted, complete):
            return None
        bound, self._noted = self._noted.bound, None
        return bound

    def _passed(self, database: Database, noted: _Noted, complete: Callable[[Any], bool]) -> bool:
        now_s = self._clock.monotonic_s()
        if noted.horizon is None:
            self._tell()
            return now_s - noted.at_s >= self._hold_s or complete(noted.bound)
        if database.passed(noted.horizon):
            return True
        if now_s >= self._warn_at_s:
            self._warn_at_s = now_s + _WARN_EVERY_S
            _LOG.warning(
                "new rows of %s have waited %d s for transactions that were open when the rows were "
                "seen; end those, or set visibility.guard.enable=false",
                self._described,
                now_s - noted.at_s,
            )
        return False

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            _LOG.warning(
                "the database does not tell which transactions are open, so new rows of %s wait %d ms "
                "wherever numbers are missing (visibility.guard.hold.ms); GRANT PROCESS ON *.* to the "
                "user of connection.user ends this",
                self._described,
                self._hold_s * 1000,
            )
