"""The newest log lines are kept for the console."""

from __future__ import annotations

import logging

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
