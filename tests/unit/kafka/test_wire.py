"""The bytes of group requests and answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ConnectError, DataError
from appliance.kafka import wire


def test_classic_request_has_sized_strings_when_the_version_is_old():
    """JoinGroup 2: int16 strings, int32 arrays, header without tags."""
    body = wire.join_group_request(
        2,
        "g",
        "",
        [("default", b"\1\2")],
        session_timeout_ms=10_000,
        rebalance_timeout_ms=60_000,
        reason="why",
    )
    assert body.hex() == (
        "000167000027100000ea6000000007636f6e6e65637400000001000764656661756c74000000020102"
    )
    frame = wire.request(wire.JOIN_GROUP, 2, 7, "c", body)
    assert len(frame) - 4 == int.from_bytes(frame[:4], "big")
    assert frame[4:15].hex() == "000b000200000007000163"
    assert body == frame[15:]


def test_flexible_request_has_compact_lengths_when_the_version_is_new():
    """JoinGroup 9: compact strings and arrays, null instance id, the reason, tags everywhere."""
    body = wire.join_group_request(
        9,
        "g",
        "m",
        [("default", b"\1\2")],
        session_timeout_ms=10_000,
        rebalance_timeout_ms=60_000,
        reason="why",
    )
    assert body.hex() == (
        "0267" "00002710" "0000ea60" "026d" "00" "08636f6e6e656374"
        "02" "0864656661756c74" "030102" "00" "04776879" "00"
    )  # fmt: skip
    assert wire.request(wire.JOIN_GROUP, 9, 7, "c", b"")[12:].hex() == "00016300"


@pytest.mark.parametrize("version", [2, 5, 7, 9])
def test_join_answer_is_read_when_any_version_is_spoken(version):
    """Generation, protocol, leader and members are found whatever stands between them."""
    flexible = version >= wire.JOIN_GROUP.flexible_from
    writer = wire.Writer(flexible=flexible)
    writer.int32(0)
    writer.int16(0)
    writer.int32(5)
    if version >= 7:
        writer.string("connect")
    writer.string("sessioned")
    writer.string("m1")
    if version >= 9:
        writer.int8(0)
    writer.string("m1")
    writer.count(2)
    for name in ("m1", "m2"):
        writer.string(name)
        if version >= 5:
            writer.string(None)
        writer.data(name.encode())
        writer.tags()
    writer.tags()
    join = wire.read_join_group(version, wire.Reader(writer.whole(), flexible=flexible))
    assert wire.Join(0, 5, "sessioned", "m1", "m1", [("m1", b"m1"), ("m2", b"m2")]) == join


def test_error_of_the_member_counts_when_leaving():
    """LeaveGroup 5 answers 0 for the whole and 25 for a member that is gone."""
    writer = wire.Writer(flexible=True)
    writer.int32(0)
    writer.int16(0)
    writer.count(1)
    writer.string("m1")
    writer.string(None)
    writer.int16(25)
    writer.tags()
    writer.tags()
    assert wire.read_leave_group(5, wire.Reader(writer.whole(), flexible=True)) == 25


def test_highest_common_version_is_picked_when_both_offer_several():
    """Neither side is asked for more than it knows; no overlap is an error that names the request."""
    assert wire.pick_version(wire.JOIN_GROUP, {11: (2, 12)}) == 9
    assert wire.pick_version(wire.JOIN_GROUP, {11: (0, 4)}) == 4
    with pytest.raises(ConnectError, match="JoinGroup"):
        wire.pick_version(wire.JOIN_GROUP, {11: (10, 12)})
    with pytest.raises(ConnectError, match="JoinGroup"):
        wire.pick_version(wire.JOIN_GROUP, {})


def test_answer_that_ends_early_is_refused_when_read():
    """A short frame raises DataError."""
    with pytest.raises(DataError, match="Kafka listener"):
        wire.read_heartbeat(wire.Reader(b"\0\0\0\0\0", flexible=False))


@given(st.booleans(), st.text(max_size=300), st.binary(max_size=300))
def test_fields_survive_when_written_and_read(flexible, text, data):
    """Strings and byte arrays come back, in both forms and of any length."""
    writer = wire.Writer(flexible=flexible)
    writer.string(text)
    writer.data(data)
    writer.count(len(data))
    writer.tags()
    reader = wire.Reader(writer.whole(), flexible=flexible)
    assert (text, data, len(data)) == (reader.string(), reader.data(), reader.count())


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_sizes_are_read_when_any_version_is_spoken(version):
    """Each partition's bytes, whatever stands between them; a copy on the move is left out."""
    flexible = version >= wire.DESCRIBE_LOG_DIRS.flexible_from
    writer = wire.Writer(flexible=flexible)
    writer.int32(0)
    if version >= 3:
        writer.int16(0)
    writer.count(1)
    writer.int16(0)
    writer.string("/data")
    writer.count(1)
    writer.string("orders")
    writer.count(2)
    for partition, size, future in ((0, 5 << 32, 0), (0, 7, 1)):
        writer.int32(partition)
        for number in (size, 0):
            writer.int32(number >> 32)
            writer.int32(number & 0xFFFFFFF)
        writer.int8(future)
        writer.tags()
    writer.tags()
    if version >= 4:
        for _ in range(4):
            writer.int32(0)
    writer.tags()
    writer.tags()
    reader = wire.Reader(writer.whole(), flexible=flexible)
    assert wire.read_describe_log_dirs(version, reader) == (0, {("orders", 0): 5 << 32})


def test_every_topic_is_meant_when_sizes_are_asked_for():
    """Null in both forms of an array."""
    assert wire.describe_log_dirs_request(1).hex() == "ffffffff"
    assert wire.describe_log_dirs_request(4).hex() == "0000"
