from __future__ import annotations

import random

import pytest

from appliance.connectors.binlog.events import Gtid
from appliance.connectors.binlog.gtid import MariaDbGtidSet, MySqlGtidSet
from appliance.connectors.binlog.position import Mark, Offsets
from appliance.errors import ConnectError

A, B = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"


def _gtid(source, number):
    return Gtid(source, number, f"{source}:{number}")


def test_set_is_written_as_the_server_writes_it_when_read_back():
    """Intervals merge, sources are sorted, tags follow their source."""
    text = MySqlGtidSet(f"{B}:5,{A}:1-3:5:4:tag:7-8:9\n").text
    assert text == f"{A}:1-5:tag:7-9,{B}:5"
    assert MySqlGtidSet(text).text == text
    assert MySqlGtidSet(text).tagged
    assert not MySqlGtidSet(f"{A}:1").tagged


def test_set_holds_exactly_what_was_added_when_order_is_random():
    """Whatever the order of transactions, the set is that of their numbers."""
    dice = random.Random(3)
    for _ in range(200):
        numbers = [dice.randrange(1, 40) for _ in range(dice.randrange(30))]
        found = MySqlGtidSet()
        found.add_all(_gtid(A, number) for number in numbers)
        held = [n for n in range(45) if found.contains(_gtid(A, n))]
        assert held == sorted(set(numbers))
        assert MySqlGtidSet(found.text).text == found.text


def test_containment_and_union_are_those_of_sets():
    """A set contains another one if it holds all its intervals."""
    whole, part = MySqlGtidSet(f"{A}:1-10:20-30"), MySqlGtidSet(f"{A}:2-3:20-30")
    assert whole.contains_all(part)
    assert not part.contains_all(whole)
    assert not whole.contains_all(MySqlGtidSet(f"{B}:1"))
    assert part.union(MySqlGtidSet(f"{A}:1:4-10,{B}:1")).text == f"{A}:1-10:20-30,{B}:1"
    assert whole.only([B]).text == ""


def test_copy_stays_when_the_original_grows():
    """A copy is independent."""
    original = MySqlGtidSet(f"{A}:1-5")
    copy = original.copy()
    original.add_all([_gtid(A, 6)])
    assert (copy.text, original.text) == (f"{A}:1-5", f"{A}:1-6")


def test_domain_moves_on_when_a_transaction_is_added():
    """MariaDB's position is the last transaction of each domain."""
    position = MariaDbGtidSet("0-1-25,1-2-7")
    position.add_all([Gtid("0", 26, "0-3-26"), Gtid("0", 27, "0-1-27")])
    assert position.text == "0-1-27,1-2-7"
    assert position.contains(Gtid("0", 26, "0-3-26"))
    assert not position.contains(Gtid("1", 8, "1-2-8"))
    assert position.contains_all(MariaDbGtidSet("0-1-25"))


@pytest.mark.parametrize("kind", [MySqlGtidSet, MariaDbGtidSet])
def test_bad_text_is_refused(kind):
    """A text that is no set is an error that quotes it, never an empty set."""
    with pytest.raises(ConnectError, match="x1"):
        kind(f"{A}:1-x1")


@pytest.mark.parametrize("order", [(1, 2, 2, 5), (5, 2, 0, 3)])
def test_offset_holds_the_transactions_before_its_mark_whatever_was_asked_before(order):
    """Offsets of one stretch do not leave traces in each other, nor in the set that it begins with."""
    base = MariaDbGtidSet("0-1-10")
    offsets = Offsets(base, [Gtid("0", 11 + step, f"0-1-{11 + step}") for step in range(5)])

    found = [offsets.map(Mark("f", 4, 0, 0, 0, 1, count, None))["gtids"] for count in order]

    assert found == [f"0-1-{10 + count}" for count in order]
    assert base.text == "0-1-10"
