"""The bytes that Connect workers exchange, against recorded frames and round trips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import DataError
from appliance.herder.protocol import (
    CONFIG_MISMATCH,
    NO_WORK,
    Assignment,
    ConnectProtocol,
    Metadata,
    Work,
    accumulate,
    decode_assignment,
    decode_metadata,
    encode_assignment,
    encode_metadata,
    encode_shares,
    offered_protocols,
)
from appliance.ids import ConnectorTaskId

URL = "http://127.0.0.1:28083/"
URL_BYTES = "0017" + URL.encode().hex()
LEADER = "connect-127.0.0.1:28083-0f2b3c4d-1111-2222-3333-444455556666"
LEADER_BYTES = f"{len(LEADER):04x}" + LEADER.encode().hex()


def tasks(connector, *numbers):
    return tuple(ConnectorTaskId(connector, number) for number in numbers)


def test_first_join_is_as_recorded_when_sessioned():
    """A worker's first metadata has no nested assignment, in all three versions."""
    offered = offered_protocols(ConnectProtocol.SESSIONED, URL, 1, None)
    assert [
        ("sessioned", f"0002{URL_BYTES}0000000000000001ffffffff"),
        ("compatible", f"0001{URL_BYTES}0000000000000001ffffffff"),
        ("default", f"0000{URL_BYTES}0000000000000001"),
    ] == [(name, data.hex()) for name, data in offered]


def test_only_lower_protocols_are_offered_when_one_is_set():
    """A worker offers its own protocol and all lower ones."""
    eager = ConnectProtocol.from_config("eager")
    assert [name for name, _ in offered_protocols(eager, URL, -1, None)] == ["default"]
    compatible = ConnectProtocol.from_config("COMPATIBLE")
    names = [name for name, _ in offered_protocols(compatible, URL, -1, None)]
    assert names == ["compatible", "default"]


@pytest.mark.parametrize(
    ("assignment", "tail"),
    [
        (
            Assignment(LEADER, URL, 12, Work((), tasks("snk", 0, 1, 2))),
            "000000000000000c000000010003736e6b000000030000000000000001000000020000000000000000",
        ),
        (
            Assignment(LEADER, URL, 12, revoked=Work(("f1",), tasks("f1", 0))),
            "000000000000000c00000000000000010002663100000002ffffffff0000000000000000",
        ),
        (
            Assignment(LEADER, URL, 12, delay_ms=20_000),
            "000000000000000c000000000000000000004e20",
        ),
    ],
)
def test_assignment_is_as_recorded_when_written_and_read(assignment, tail):
    """Work, revocation and delay stand where Java puts them."""
    expected = "00020000" + LEADER_BYTES + URL_BYTES + tail
    assert expected == encode_assignment(assignment).hex()
    assert assignment == decode_assignment(bytes.fromhex(expected))


def test_eager_assignment_has_no_increment_when_written():
    """Version 0 ends after the work."""
    assignment = Assignment("l", "u", 3, Work(("a",), tasks("a", 0)), version=0)
    expected = "0000000000016c00017500000000000000030000000100016100000002ffffffff00000000"
    assert expected == encode_assignment(assignment).hex()
    assert assignment == decode_assignment(encode_assignment(assignment))


def test_accumulated_work_is_reported_when_joining_again():
    """A member takes revoked work away, adds new work, and reports the sum with an empty revocation."""
    held = Assignment("l", "u", 3, Work(("a", "b"), tasks("a", 0, 1)))
    received = Assignment(
        "m", "v", 4, Work(("c",), tasks("b", 0)), Work(("a",), tasks("a", 1)), delay_ms=7
    )
    summed = accumulate(held, received)
    assert Work(("c", "b"), (*tasks("b", 0), *tasks("a", 0))) == summed.work
    assert (
        summed.leader_id,
        summed.leader_url,
        summed.config_offset,
        summed.revoked,
        summed.delay_ms,
    ) == ("m", "v", 4, NO_WORK, 7)
    metadata = Metadata(URL, 4, summed)
    assert metadata == decode_metadata(encode_metadata(metadata))


def test_work_is_kept_and_reported_when_the_leader_could_not_assign():
    """A config mismatch must not make a member claim nothing while its tasks run."""
    held = Assignment("l", "u", 3, Work(("a",), tasks("a", 0)))
    failed = accumulate(held, Assignment("l", "u", 9, error=CONFIG_MISMATCH))
    assert failed.failed
    assert held.work == failed.work


def test_whole_work_replaces_the_held_when_eager():
    """Version 0 carries all work, so nothing is carried over."""
    held = Assignment("l", "u", 3, Work(("a",), tasks("a", 0)), version=0)
    received = Assignment("l", "u", 3, Work(("b",)), version=0)
    assert received == accumulate(held, received)


def test_every_member_gets_an_answer_when_shares_are_missing():
    """A member without a share is told that it has nothing new."""
    template = Assignment("l", "u", 3)
    answers = encode_shares(template, ["m1", "m2"], {"m1": (Work(("a",)), NO_WORK)})
    assert Work(("a",)) == decode_assignment(answers["m1"]).work
    assert decode_assignment(answers["m2"]).work == NO_WORK


@pytest.mark.parametrize("size", range(30))
def test_bytes_that_end_early_are_refused_when_read(size):
    """Truncated frames raise DataError, never an index error."""
    whole = encode_assignment(Assignment("l", "u", 3, Work(("a",), tasks("a", 0))))
    with pytest.raises(DataError, match="Kafka Connect workers"):
        decode_assignment(whole[:size])


names = st.text(min_size=1, max_size=8)
works = st.builds(
    lambda connectors, numbers: Work(
        tuple(connectors), tuple(t for name in numbers for t in tasks(name, *numbers[name]))
    ),
    st.lists(names, unique=True, max_size=4),
    st.dictionaries(names, st.lists(st.integers(0, 99), unique=True, min_size=1), max_size=4),
)
assignments = st.builds(
    Assignment,
    leader_id=names,
    leader_url=names,
    config_offset=st.integers(-1, 2**62),
    work=works,
    revoked=works,
    delay_ms=st.integers(0, 2**31 - 1),
    error=st.sampled_from([0, 1]),
    version=st.sampled_from([1, 2]),
)


@given(assignments)
def test_assignment_survives_when_written_and_read(assignment):
    """Reading gives the same work, and writing that again the same bytes."""
    data = encode_assignment(assignment)
    read = decode_assignment(data)
    assert set(assignment.work.tasks) == set(read.work.tasks)
    assert set(assignment.work.connectors) == set(read.work.connectors)
    assert decode_assignment(encode_assignment(read)) == read


@given(works, works)
def test_difference_and_sum_agree_when_combined(left, right):
    """Taking work away and adding it again gives the union, each piece once."""
    both = left.minus(right).plus(right)
    assert {*left.tasks, *right.tasks} == set(both.tasks)
    assert len(both.tasks) == len(set(both.tasks))
    assert not set(left.minus(right).connectors) & set(right.connectors)
