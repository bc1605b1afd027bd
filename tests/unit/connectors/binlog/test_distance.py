"""How far the end of the binlog is, and how fast it is read."""

from __future__ import annotations

import pytest

from appliance.connectors.binlog.distance import Pace, remaining

FILES = [("bin.1", 1000), ("bin.2", 500), ("bin.3", 70)]


@pytest.mark.parametrize(
    ("file", "pos", "wanted"),
    [
        ("bin.3", 70, 0),
        ("bin.3", 4, 66),
        ("bin.1", 900, 670),
        ("bin.2", 501, 70),
        ("bin.0", 4, None),
    ],
)
def test_rest_of_the_file_and_all_later_ones_count(file, pos, wanted):
    """What lies behind a place is the rest of its file and every later file; a lost file tells nothing."""
    assert remaining(FILES, file, pos) == wanted


def test_pace_is_of_the_busy_time_when_the_server_has_nothing_for_long():
    """Waiting and pauses do not count; the way of records to Kafka, between two polls, does."""
    pace = Pace()
    pace.polled(0, 0, began_s=0.0, waited_s=1.0, ended_s=1.0)
    assert [pace.bytes_per_second, pace.bytes_per_record] == [None, None]
    pace.polled(4000, 100, began_s=1.5, waited_s=0.5, ended_s=2.25)
    pace.polled(8000, 100, began_s=2.5, waited_s=0.25, ended_s=3.25)
    pace.polled(8000, 0, began_s=900.0, waited_s=1.0, ended_s=901.0)
    assert [pace.bytes_per_second, pace.bytes_per_record] == [8000, 40]
