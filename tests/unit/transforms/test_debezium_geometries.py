"""Geometries with their axes exchanged, and vectors as texts.

What Debezium's classes gave for many shapes is in tests/golden; here stands what is ours.
"""

from __future__ import annotations

import struct

import pytest

from appliance.errors import ConfigError, DataError
from appliance.transforms.debezium.geometries import SwapGeometryCoordinates, swapped


def point(order, x, y):
    return struct.pack(f"{order}BIdd", order == "<", 1, x, y)


def points(*members):
    return struct.pack("<BII", 1, 4, len(members)) + b"".join(members)


def test_each_member_of_a_collection_is_read_in_its_own_byte_order():
    """Well-known binary lets members differ; Debezium spoils those that do."""
    before = points(point("<", 1.5, 2.5), point(">", 3.5, 4.5))

    assert swapped(before) == points(point("<", 2.5, 1.5), point(">", 4.5, 3.5))


@pytest.mark.parametrize(
    "wkb",
    [b"", point("<", 1, 2)[:-1], points(point("<", 1, 2))[:-9], struct.pack("<BII", 1, 2, 2**31)],
)
def test_a_geometry_that_ends_too_early_is_refused(wkb):
    """The record goes the way of errors, and a count without points takes no time."""
    with pytest.raises(DataError, match="ends too early"):
        swapped(wkb)


def test_numbers_of_systems_are_refused_when_one_is_no_number():
    """The option is told before the first record."""
    with pytest.raises(ConfigError, match="'srids' value is invalid"):
        SwapGeometryCoordinates().configure({"srids": "4326,x"})
