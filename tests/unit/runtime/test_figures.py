"""Figures: Connect's attributes out of plain counters."""

from __future__ import annotations

from appliance.runtime.figures import UNKNOWN, Figures


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


def test_figure_is_given_once_when_it_is_not_known() -> None:
    """Not known is news after a number, and none after itself."""
    figures = Figures(0, ())
    figures.gauges["records_behind"] = 3
    figures.changed(1)
    figures.gauges["records_behind"] = UNKNOWN
    assert [*figures.changed(2)] == ["records_behind"]
    assert figures.changed(3) == {}
    figures.gauges["records_behind"] = 0
    assert figures.changed(4) == {"records_behind": 0}


def test_source_falls_behind_by_the_time_of_its_pause() -> None:
    """A source that does not look is not up to date; what it did not know it knows no better."""
    figures = Figures(0, ())
    figures.fall_behind(5, paused=True)
    assert figures.gauges == {}
    figures.gauges["milliseconds_behind_source"] = 300
    seen = []
    for now_s in (10, 14, 15.5, 70):
        figures.fall_behind(now_s, paused=True)
        seen.append(figures.gauges["milliseconds_behind_source"])
    assert seen == [300, 300, 5300, 60_300]
    figures.fall_behind(71, paused=False)
    assert figures.gauges["milliseconds_behind_source"] == 60_300
    figures.gauges["milliseconds_behind_source"] = 0
    figures.fall_behind(80, paused=True)
    assert figures.gauges["milliseconds_behind_source"] == 0


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
