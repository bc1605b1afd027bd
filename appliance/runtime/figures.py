"""A task's metrics: local integers, turned into Connect's attributes once a second.

Names: Kafka Connect 4.3.1 ConnectMetricsRegistry. Rates, maxima and averages cover the last 30 to 60
seconds, as with Kafka's two samples of 30 s. Thread: the task's own.
"""

from __future__ import annotations

from math import log
from typing import Final

WINDOW_S: Final = 30.0
_BEHIND: Final = "milliseconds_behind_source"
_STEP_S: Final = 5.0
_STEP: Final = 1.1
_LOG_STEP: Final = log(_STEP)
_LEAST: Final = 0.001
_LEAST_SIZE: Final = round(log(_LEAST) / _LOG_STEP)
UNKNOWN: Final = float("nan")
"""The value of a figure that is not known, as Kafka's own are."""
Value = float | int | str


class Sampled:
    """Maximum, average and 95th percentile of a quantity over the last window and the running one.

    Values are counted in classes `_STEP` wide, so a percentile is right to a twentieth of itself.
    """

    __slots__ = ("_count", "_max", "_previous", "_sizes", "_sum")

    def __init__(self) -> None:
        self._previous: tuple[int, float, float, dict[int, int]] = (0, 0.0, 0.0, {})
        self._count, self._sum, self._max = 0, 0.0, 0.0
        self._sizes: dict[int, int] = {}

    def record(self, value: float) -> None:
        """Take one observation."""
        self._count += 1
        self._sum += value
        self._max = max(self._max, value)
        size = round(log(value) / _LOG_STEP) if value > _LEAST else _LEAST_SIZE
        self._sizes[size] = self._sizes.get(size, 0) + 1

    def roll(self) -> None:
        """Begin a new window."""
        self._previous = (self._count, self._sum, self._max, self._sizes)
        self._count, self._sum, self._max = 0, 0.0, 0.0
        self._sizes = {}

    @property
    def average(self) -> float:
        """Give the mean, 0 without observations."""
        count = self._count + self._previous[0]
        return (self._sum + self._previous[1]) / count if count else 0.0

    @property
    def maximum(self) -> float:
        """Give the largest value, 0 without observations."""
        return max(self._max, self._previous[2])

    @property
    def p95(self) -> float:
        """Give what nineteen of twenty values do not exceed, 0 without observations."""
        left = 0.05 * (self._count + self._previous[0])
        older = self._previous[3]
        for size in sorted({*self._sizes, *older}, reverse=True):
            left -= self._sizes.get(size, 0) + older.get(size, 0)
            if left < 0:
                return 0.0 if size == _LEAST_SIZE else min(_STEP**size, self.maximum)
        return 0.0


class Figures:
    """What one task counts; `totals` and `gauges` are written directly by whoever counts."""

    def __init__(self, now_s: float, rates: tuple[str, ...]) -> None:
        """Begin at `now_s`; for each name `x` in `rates`, `x-total` also gives `x-rate`."""
        self.totals: dict[str, int] = {f"{name}-total": 0 for name in rates}
        self.gauges: dict[str, Value] = {}
        self._sampled: dict[str, tuple[Sampled, str]] = {}
        self._rates = rates
        self._window_start = now_s
        self._marks = [(now_s, dict(self.totals))]
        self._sent: dict[str, Value] = {}
        self._troubles: dict[str, str] = {}
        self._paused_at: tuple[float, float] | None = None
        """When a pause began, and how many milliseconds the source was behind then."""

    def sampled(self, name: str, unit: str = "") -> Sampled:
        """Give the sampler behind `name-max<unit>`, `name-avg<unit>` and, of times, `name-p95<unit>`."""
        if name not in self._sampled:
            self._sampled[name] = (Sampled(), unit)
        return self._sampled[name][0]

    def add(self, name: str, count: int = 1) -> None:
        """Count under `name`."""
        self.totals[name] = self.totals.get(name, 0) + count

    def changed(self, now_s: float) -> dict[str, Value]:
        """Give what differs from the figures given last time."""
        values = self.values(now_s)
        sent = self._sent
        news = {name: value for name, value in values.items() if not _alike(sent.get(name), value)}
        self._sent = values
        return news

    def fall_behind(self, now_s: float, *, paused: bool) -> None:
        """While paused, let a source that tells how far it is behind be so by the time of its pause more."""
        behind_ms = self.gauges.get(_BEHIND)
        if not paused or not isinstance(behind_ms, (int, float)):
            self._paused_at = None
            return
        if self._paused_at is None:
            self._paused_at = now_s, behind_ms
        since_s, before_ms = self._paused_at
        # in steps: a stream in which nothing happens stays silent
        self.gauges[_BEHIND] = before_ms + (now_s - since_s) // _STEP_S * _STEP_S * 1000

    def set_trouble(self, trouble: str | None, of: str = "task") -> None:
        """Note what is tried again, None when it works again; `of` tells apart who notes it."""
        if trouble:
            self._troubles[of] = trouble
        else:
            self._troubles.pop(of, None)
        if trouble or "trouble" in self.gauges:
            self.gauges["trouble"] = next(reversed(self._troubles.values()), "")

    def values(self, now_s: float) -> dict[str, Value]:
        """Give every attribute."""
        if now_s - self._window_start >= WINDOW_S:
            self._roll(now_s)
        values: dict[str, Value] = {**self.totals, **self.gauges}
        since, before = self._marks[0]
        span = max(now_s - since, 1.0)
        for name in self._rates:
            total = self.totals[f"{name}-total"]
            values[f"{name}-rate"] = round((total - before[f"{name}-total"]) / span, 3)
        for name, (sampled, unit) in self._sampled.items():
            values[f"{name}-max{unit}"] = round(sampled.maximum, 3)
            values[f"{name}-avg{unit}"] = round(sampled.average, 3)
            if unit:
                values[f"{name}-p95{unit}"] = round(sampled.p95, 3)
        return values

    def _roll(self, now_s: float) -> None:
        self._window_start = now_s
        self._marks = [self._marks[-1], (now_s, dict(self.totals))]
        for sampled, _ in self._sampled.values():
            sampled.roll()


def _alike(before: Value | None, now: Value) -> bool:
    """Whether two values are the same, or neither is known."""
    return before == now or (before != before and now != now)  # noqa: PLR0124 - NaN differs from itself
