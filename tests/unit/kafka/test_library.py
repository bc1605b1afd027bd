"""What the library says reaches the log, but not twenty times a second."""

from __future__ import annotations

import logging

from appliance.clock import ManualClock
from appliance.kafka.library import LibraryLog


def test_line_is_written_once_when_only_its_numbers_differ(caplog):
    """An outage is one WARN line per client in ten seconds, and another matter is told at once."""
    clock = ManualClock()
    log = LibraryLog(logging.getLogger("library"), clock)
    for attempt in range(20):
        log.log(logging.ERROR, "%s [%s] %s", "FAIL", "sink-0", f"refused (after {attempt}ms)")
    log.log(logging.ERROR, "%s [%s] %s", "SESSTMOUT", "sink-0", "session timed out")
    clock.advance(10_000)
    log.log(logging.ERROR, "%s [%s] %s", "FAIL", "sink-0", "refused (after 0ms)")
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "FAIL [sink-0] refused (after 0ms)"),
        ("WARNING", "SESSTMOUT [sink-0] session timed out"),
        (
            "WARNING",
            "FAIL [sink-0] refused (after 0ms) (and 19 times since it was last said)",
        ),
    ]
