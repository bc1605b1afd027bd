"""Figures: Connect's attributes out of plain counters."""

from __future__ import annotations

from appliance.runtime.figures import Figures


def test_rates_cover_the_last_window_when_time_passes() -> None:
    """A rate forgets what is older than a minute."""
    figures = Figures(0, ("source-record-poll",))
    figures.totals["source-record-poll-total"] += 100
    assert figures.values(10)["source-record-poll-rate"] == 10
    figures.values(30)
    figures.values(60)
    assert figures.values(90)["source-record-poll-rate"] == 0
    assert figures.values(90)["source-record-poll-total"] == 100


def test_maxima_and_means_are_windowed() -> None:
    """Names carry their unit behind max and avg."""
    figures = Figures(0, ())
    for value in (2, 4):
        figures.sampled("put-batch", "-time-ms").record(value)
    values = figures.values(1)
    assert (values["put-batch-max-time-ms"], values["put-batch-avg-time-ms"]) == (4, 3)
    figures.values(31)
    assert figures.values(62)["put-batch-max-time-ms"] == 0


def test_only_changes_are_given_when_asked_again() -> None:
    """An idle task sends nothing."""
    figures = Figures(0, ("r",))
    assert figures.changed(1) == {"r-total": 0, "r-rate": 0}
    assert figures.changed(2) == {}
    figures.totals["r-total"] += 4
    assert figures.changed(4) == {"r-total": 4, "r-rate": 1}


def test_percentile_leaves_out_the_slowest_when_times_are_sampled() -> None:
    """Five slow ones of a hundred do not count, the sixth does; quantities have none."""
    figures = Figures(0, ())
    times = figures.sampled("put-batch", "-time-ms")
    for value in [10.0] * 95 + [900.0] * 5:
        times.record(value)
    figures.sampled("batch-size").record(3)
    assert 9.5 <= float(figures.values(1)["put-batch-p95-time-ms"]) <= 10.5
    times.record(900.0)
    values = figures.values(2)
    assert 850 <= float(values["put-batch-p95-time-ms"]) <= 900
    assert "batch-size-p95" not in values
    figures.values(31)
    assert figures.values(62)["put-batch-p95-time-ms"] == 0


def test_percentile_is_nothing_when_no_time_passed() -> None:
    """A clock that did not move between two looks is no error."""
    figures = Figures(0, ())
    figures.sampled("poll-batch", "-time-ms").record(0.0)
    assert figures.values(1)["poll-batch-p95-time-ms"] == 0
