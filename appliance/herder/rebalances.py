"""RebalanceFigures: how many rebalances this worker went through and how long they took.

Semantics: Kafka Connect 4.3.1 DistributedHerder.HerderMetrics; maximum and average cover the worker's whole
life. Written on the tick thread, read on any.
"""

from __future__ import annotations

from appliance.clock import Clock


class RebalanceFigures:
    """The figures of one worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0
        self._sum_ms = 0
        self._max_ms = 0
        self._last_s: float | None = None

    def completed(self, took_ms: int) -> None:
        """Count a rebalance whose work runs here now."""
        self._count += 1
        self._sum_ms += took_ms
        self._max_ms = max(self._max_ms, took_ms)
        self._last_s = self._clock.monotonic_s()

    def figures(self) -> dict[str, float | int]:
        """Give them under Connect's attribute names; the time since the last only after one."""
        found: dict[str, float | int] = {
            "completed-rebalances-total": self._count,
            "rebalance-max-time-ms": self._max_ms,
            "rebalance-avg-time-ms": self._sum_ms / self._count if self._count else 0.0,
        }
        if self._last_s is not None:
            since_ms = (self._clock.monotonic_s() - self._last_s) * 1000
            found["time-since-last-rebalance-ms"] = round(since_ms)
        return found
