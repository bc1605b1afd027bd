"""How far the end of the binlog is."""

from __future__ import annotations

import pytest

from appliance.connectors.binlog.distance import remaining

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
