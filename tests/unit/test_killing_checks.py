"""The judge of the kill tests finds what it is there for."""

from __future__ import annotations

import pytest

from tests.killing.checks import (
    Rerun,
    Seen,
    StoredFile,
    files_hold_once,
    folded,
    lines_at_least_once,
    reruns_after_offset,
    split_by_partition,
    walk,
)
from tests.killing.ledger import Event


def seen(text: str) -> list[Seen]:
    return [Seen(offset, offset, letter) for offset, letter in enumerate(text)]


def test_rerun_is_no_violation_when_it_is_contiguous():
    """At least once: a stretch may come again, also one rerun inside another."""
    found = walk("t-0", "abcdef", seen("abcdbcdbcdef"))
    assert found.violations == []
    assert [rerun.first.offset for rerun in found.reruns] == [4, 7]
    assert found.repeated == 5 + 1


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ("abdef", "1 lost before d"),
        ("abcdbdef", "1 missing in a rerun before d"),
        ("abcde", "1 lost at the end"),
        ("abcxdef", "x was never committed"),
    ],
)
def test_hole_is_told_when_a_record_is_missing(records, said):
    """What is lost, skipped in a rerun, or was never there is named with its place."""
    (violation,) = walk("t-0", "abcdef", seen(records)).violations
    assert said in violation


def test_rerun_is_a_violation_when_it_begins_before_the_stored_offset():
    """Only what came after the last stored offset may come again."""
    stored = [(5, ("", 3)), (100, ("", 9))]
    early, late = (Rerun("t-0", Seen(7, 10, "c", ("", place))) for place in (2, 3))
    assert reruns_after_offset([late], stored, lambda record: record.place) == []
    (violation,) = reruns_after_offset([early], stored, lambda record: record.place)
    assert "had been stored" in violation


def test_key_is_told_when_it_is_in_two_partitions_or_nowhere():
    """A key's events are in one partition, and every key is somewhere."""
    one, two, three = Event("c", 1, 1), Event("u", 1, 2), Event("c", 2, 3)
    records = {0: [Seen(0, 0, one)], 1: [Seen(0, 0, two)]}
    split, violations = split_by_partition("t", [one, two, three], records)
    assert split == {0: [one, two], 1: []}
    assert [text.split(":")[1] for text in violations] == [
        " key 1 is in two partitions",
        " 1 lost of keys never seen",
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([(0, 1, "ab"), (1, 2, "bc")], "doubles"),
        ([(0, 1, "ab")], "1 lost, first at [2]"),
        ([(0, 1, "ab"), (2, 2, "x")], "are not the"),
        ([(0, 2, "abcc")], "are not the"),
    ],
)
def test_files_are_told_when_a_record_is_not_there_once(files, said):
    """Each record of a topic partition is in the files exactly once."""
    topic = dict(enumerate("abc"))
    made = [StoredFile(f"{start}", start, end, list(text)) for start, end, text in files]
    assert any(said in violation for violation in files_hold_once("hdfs", made, topic))


def test_files_are_fine_when_tombstones_leave_gaps():
    """Offsets of records that a sink ignores need not be in a name."""
    files = [StoredFile("a", 0, 1, ["a", "b"]), StoredFile("b", 3, 3, ["d"])]
    assert files_hold_once("hdfs", files, {0: "a", 1: "b", 3: "d"}) == []


def test_lines_may_repeat_but_none_is_lost():
    """At least once for the plain file sink."""
    assert lines_at_least_once("out", ["a", "b", "c"], ["a", "b", "a", "b", "c"]).violations == []
    assert lines_at_least_once("out", ["a", "b", "c"], ["a", "c"]).violations != []


def test_table_is_told_when_the_folded_topic_differs():
    """The last value of each key is the row."""
    assert folded("t", {1: "x"}, {1: "x"}) == []
    assert "differs from the table in 2" in folded("t", {1: "x"}, {1: "y", 2: "z"})[0]
