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
