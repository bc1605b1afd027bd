"""The newest log lines are kept for the console."""

from __future__ import annotations

import logging

from appliance.clock import ManualClock
from appliance.telemetry import logs
from appliance.telemetry.lines import KEPT, LINES_PER_S, LineRing, Tap


def record(text: str, second: int = 1) -> logging.LogRecord:
    made = logging.LogRecord("appliance.herder", logging.WARNING, "", 1, text, (), None)
    made.created = float(second)
    return made


def test_line_has_its_context_when_it_is_kept():
    """Level, logger, connector and task go with the line; ids grow."""
    ring = LineRing()
    tap = Tap(ring.append)
    with logs.log_context("orders", 2):
        tap.emit(record("stopped"))
    tap.emit(record("later"))
    first, second = ring.after(0)
    assert (first.level, first.context, first.message) == ("WARN", "orders|task-2", "stopped")
    assert ring.after(first.id) == [second]


def test_oldest_lines_go_when_there_are_too_many():
    """Memory is bounded, whatever is logged."""
    ring = LineRing()
    for number in range(KEPT + 5):
        ring.append(number, "INFO", "l", "", str(number))
    assert len(ring.after(0)) == KEPT


def test_flood_is_cut_when_lines_come_too_fast():
    """A second has at most LINES_PER_S lines."""
    ring = LineRing()
    tap = Tap(ring.append)
    for _ in range(LINES_PER_S + 50):
        tap.emit(record("again"))
    tap.emit(record("next second", 2))
    assert len(ring.after(0)) == LINES_PER_S + 1


def test_lines_of_a_restarted_worker_are_new_when_its_last_ones_are_known():
    """Whoever asks for what came after a line goes on with the next process, which has written less."""
    clock = ManualClock(now_ms=1_000_000)
    before, later = LineRing(clock), LineRing(clock)
    for number in range(LINES_PER_S):
        before.append(number, "INFO", "l", "", "of the first life")
    clock.advance(1000)
    later.append(0, "INFO", "l", "", "of the second life")
    seen = before.after(0)[-1].id
    assert [line.message for line in later.after(seen)] == ["of the second life"]


def test_lines_are_given_when_the_clock_was_set_back_between_two_lives():
    """A line that a worker cannot have written hides none of its own."""
    before, later = (
        LineRing(ManualClock(now_ms=9_000_000)),
        LineRing(ManualClock(now_ms=1_000_000)),
    )
    before.append(0, "INFO", "l", "", "of the first life")
    later.append(0, "INFO", "l", "", "of the second life")
    seen = before.after(0)[-1].id
    assert [line.message for line in later.after(seen)] == ["of the second life"]
