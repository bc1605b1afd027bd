"""Source offsets in a task: looked up by what they say, stored in the bytes they had."""

from __future__ import annotations

import pytest

from appliance.errors import ConnectError
from appliance.runtime.offsets import SourceOffsets


def test_partition_keeps_its_bytes_when_stored_again() -> None:
    """Kafka compares keys as bytes: another order of members would be another partition."""
    key = b'["c",{"b":1,"a":2}]'
    offsets = SourceOffsets("c", [(key, b'{"p":5}')])
    assert offsets.of([{"a": 2, "b": 1}, {"a": 3}]) == [{"p": 5}, None]
    assert offsets.entries([({"a": 2, "b": 1}, {"p": 6})]) == [(key, b'{"p":6}')]
    assert offsets.of([{"b": 1, "a": 2}]) == [{"p": 6}]


def test_new_partition_is_written_as_connect_does() -> None:
    """Compact JSON in the order of the connector's map."""
    assert SourceOffsets("c", []).entries([({"filename": "/d/á"}, {"position": 1})]) == [
        ('["c",{"filename":"/d/á"}]'.encode(), b'{"position":1}')
    ]


def test_offset_is_refused_when_it_is_not_flat() -> None:
    """Connect's rule, in its words."""
    with pytest.raises(ConnectError, match="field x contains MAP"):
        SourceOffsets("c", []).entries([({}, {"x": {}})])
