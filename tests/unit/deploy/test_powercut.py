"""The judgement of a power cut: what is missing, what the broker had lost, when rows stream again."""

from __future__ import annotations

from deploy.packaging.powercut import Account


def test_row_is_missing_when_it_is_only_in_what_a_cut_took_back():
    """What could be read before a cut counts only if it can be read after it."""
    account = Account()
    account.note({"committed": 1})
    account.note({"begin": 0, "ids": [1, 2, 3]})
    account.cut()
    account.note({"begin": 0, "ids": [1, 2]})
    assert account.missing({1, 2, 3}) == {3}
    assert account.taken_back() == 1


def test_record_is_taken_back_when_another_stands_at_its_offset():
    """A connector that begins again earlier writes other records where lost ones stood."""
    account = Account()
    account.note({"begin": 0, "ids": [1, 2, 3, 4]})
    account.cut()
    account.note({"begin": 0, "ids": [1, 2, 2, 3]})
    account.note({"begin": 4, "ids": [4]})
    assert account.taken_back() == 2
    assert account.missing({1, 2, 3, 4}) == set()


def test_rows_stream_when_one_has_arrived_that_was_committed_since_the_start():
    """Old records that are read again do not count."""
    account = Account()
    account.note({"committed": 1})
    account.note({"begin": 0, "ids": [1]})
    account.cut()
    account.note({"begin": 0, "ids": [1]})
    assert not account.streams()
    account.note({"committed": 2})
    account.note({"begin": 1, "ids": [2]})
    assert account.streams()
    assert account.skipped() == 0


def test_row_is_passed_over_when_a_later_one_has_arrived():
    """A connector that goes on behind a lost record is found out at once."""
    account = Account()
    for row in (1, 2):
        account.note({"committed": row})
    account.cut()
    account.note({"committed": 3})
    account.note({"begin": 0, "ids": [1, 3]})
    assert account.skipped() == 1
