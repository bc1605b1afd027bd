"""What the leader decides: Java's rules case by case, and what must hold whatever happens."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.herder.assignor import (
    AssignorState,
    assign_eagerly,
    assign_incrementally,
    units_of,
)
from appliance.herder.protocol import NO_WORK, Work
from appliance.ids import ConnectorTaskId

DELAY_MS = 300_000


def configured(**tasks):
    return Work(
        tuple(tasks),
        tuple(ConnectorTaskId(name, n) for name, count in tasks.items() for n in range(count)),
    )


class Cluster:
    """Members that do what each round tells them, and the leader's memory."""

    def __init__(self, *members, delay_ms=DELAY_MS, **tasks):
        self.work = dict.fromkeys(members, NO_WORK)
        self.configured = configured(**tasks)
        self.state = AssignorState()
        self.delay_ms = delay_ms
        self.generation = 0
        self.now_ms = 1_000_000
        self.returned: dict[ConnectorTaskId, str] = {}

    def rebalance(self, *, reached=True):
        last = self.generation
        self.generation += 1
        self.state, outcome = assign_incrementally(
            self.state,
            self.work,
            self.configured,
            last_generation=last if reached else last - 1,
            generation=self.generation,
            now_ms=self.now_ms,
            max_delay_ms=self.delay_ms,
            returned=self.returned,
        )
        for member in self.work:
            kept = self.work[member].minus(outcome.revoked[member])
            assert not set(kept.tasks) & set(outcome.added[member].tasks)
            self.work[member] = kept.plus(outcome.added[member])
            assert set(self.work[member].tasks) == set(outcome.owned[member].tasks)
            assert set(self.work[member].connectors) == set(outcome.owned[member].connectors)
        return outcome

    def settle(self):
        """Rebalance as the members would: again after a revocation, again when a delay is over."""
        for _ in range(40):
            outcome = self.rebalance()
            if not outcome.delay_ms and not any(outcome.revoked.values()):
                return
            self.now_ms += outcome.delay_ms
        raise AssertionError("the group does not come to rest")

    def sizes(self):
        return {m: (len(w.connectors), len(w.tasks)) for m, w in self.work.items()}

    def running(self):
        return Counter(task for work in self.work.values() for task in work.tasks)


def test_work_is_spread_at_once_when_the_group_forms():
    """New work waits for nobody, connectors and tasks are counted apart."""
    cluster = Cluster("w1", "w2", a=4, b=4)
    outcome = cluster.rebalance()
    assert cluster.sizes() == {"w1": (1, 4), "w2": (1, 4)}
    assert outcome.delay_ms == 0
    assert configured(a=4, b=4).tasks == outcome.created.tasks


def test_new_member_gets_work_in_the_second_round_when_load_is_levelled():
    """Levelling revokes first and assigns in the follow-up round; nothing counts as lost."""
    cluster = Cluster("w1", a=4, b=4)
    cluster.rebalance()
    cluster.work["w2"] = NO_WORK
    first = cluster.rebalance()
    assert first.added["w2"] == NO_WORK
    assert len(first.revoked["w1"].tasks) == 4
    second = cluster.rebalance()
    assert second.lost == NO_WORK
    assert second.delay_ms == 0
    assert cluster.sizes() == {"w1": (1, 4), "w2": (1, 4)}


def test_lost_work_waits_when_its_worker_may_come_back():
    """Work of a vanished worker stays unassigned until the delay is over, then goes to the others."""
    cluster = Cluster("w1", "w2", a=4)
    cluster.rebalance()
    lost = cluster.work.pop("w2")
    assert cluster.rebalance().delay_ms == DELAY_MS
    cluster.now_ms += 100_000
    waiting = cluster.rebalance()
    assert waiting.delay_ms == DELAY_MS - 100_000
    assert set(lost.tasks) == set(waiting.lost.tasks)
    assert not set(lost.tasks) & set(cluster.running())
    cluster.now_ms += 200_000
    assert cluster.rebalance().delay_ms == 0
    assert cluster.sizes() == {"w1": (1, 4)}


def test_returning_worker_gets_the_lost_work_when_it_comes_empty():
    """A worker that joins without work while the delay runs is a candidate for all that was lost."""
    cluster = Cluster("w1", "w2", a=4)
    cluster.rebalance()
    kept, lost = cluster.work["w1"], cluster.work.pop("w2")
    cluster.rebalance()
    cluster.work["w2-again"] = NO_WORK
    assert cluster.rebalance().added["w2-again"] == NO_WORK
    cluster.now_ms += DELAY_MS
    cluster.rebalance()
    assert set(lost.tasks) == set(cluster.work["w2-again"].tasks)
    assert kept == cluster.work["w1"]


def test_lost_work_goes_back_at_once_when_its_worker_is_known_to_be_back():
    """The delay is for a worker that may come back; the one that has come need not wait for its end."""
    cluster = Cluster("w1", "w2", "w3", a=6)
    cluster.rebalance()
    kept = cluster.work["w1"]
    lost, away = cluster.work.pop("w2"), cluster.work.pop("w3")
    cluster.rebalance()
    cluster.work["w2-again"] = NO_WORK
    cluster.returned = dict.fromkeys(units_of(lost), "w2-again")
    outcome = cluster.rebalance()
    assert set(units_of(cluster.work["w2-again"])) == set(units_of(lost))
    assert outcome.delay_ms == DELAY_MS
    assert not set(away.tasks) & set(cluster.running())
    cluster.work["w3-again"] = NO_WORK
    cluster.returned = dict.fromkeys(units_of(away), "w3-again")
    assert cluster.rebalance().delay_ms == 0
    assert set(units_of(cluster.work["w3-again"])) == set(units_of(away))
    assert kept == cluster.work["w1"]


def test_lost_work_goes_back_when_its_worker_is_back_before_it_was_missed():
    """One round sees the old member gone and the new one there: nobody has to wait for anything."""
    cluster = Cluster("w1", "w2", a=4)
    cluster.rebalance()
    lost = cluster.work.pop("w2")
    cluster.work["w2-again"] = NO_WORK
    cluster.returned = dict.fromkeys(units_of(lost), "w2-again")
    assert cluster.rebalance().delay_ms == 0
    assert set(units_of(cluster.work["w2-again"])) == set(units_of(lost))
    assert not any(cluster.rebalance().revoked.values())


def test_lost_work_moves_at_once_when_the_delay_is_0():
    """`scheduled.rebalance.max.delay.ms` = 0 reassigns in the same round."""
    cluster = Cluster("w1", "w2", delay_ms=0, a=4)
    cluster.rebalance()
    del cluster.work["w2"]
    assert cluster.rebalance().delay_ms == 0
    assert cluster.sizes() == {"w1": (1, 4)}


def test_missing_work_is_new_when_nobody_left():
    """If all members are still there, an assignment did not reach one of them: give it out again."""
    cluster = Cluster("w1", "w2", a=4)
    cluster.rebalance()
    cluster.work["w2"] = NO_WORK
    assert cluster.rebalance().delay_ms == 0
    assert {name: sizes[1] for name, sizes in cluster.sizes().items()} == {"w1": 2, "w2": 2}


def test_duplicates_are_revoked_from_both_when_a_member_returns_with_old_work():
    """Work claimed twice is taken from both and given to one in the follow-up round."""
    cluster = Cluster("w1", delay_ms=0, a=2)
    cluster.rebalance()
    cluster.work["w2"] = cluster.work["w1"]
    first = cluster.rebalance()
    assert set(first.revoked["w1"].tasks) == set(first.revoked["w2"].tasks)
    assert not cluster.running()
    cluster.settle()
    assert {1} == set(cluster.running().values())


def test_revocation_is_repeated_when_it_did_not_take_effect():
    """A member that still reports revoked work has it revoked again, nothing counts as lost."""
    cluster = Cluster("w1", a=4)
    cluster.rebalance()
    before = cluster.work["w1"]
    cluster.work["w2"] = NO_WORK
    cluster.rebalance()
    cluster.work["w1"] = before
    again = cluster.rebalance()
    assert again.lost == NO_WORK
    cluster.now_ms += again.delay_ms
    cluster.settle()
    assert {name: sizes[1] for name, sizes in cluster.sizes().items()} == {"w1": 2, "w2": 2}


def test_deleted_work_is_revoked_when_a_connector_goes():
    """Work that is no longer configured stops and is not lost."""
    cluster = Cluster("w1", "w2", a=2, b=2)
    cluster.rebalance()
    cluster.configured = configured(a=2)
    outcome = cluster.rebalance()
    assert {"b"} == {task.connector for task in outcome.deleted.tasks}
    assert outcome.lost == NO_WORK
    cluster.settle()
    assert set(configured(a=2).tasks) == set(cluster.running())


def test_levelling_is_spaced_when_rounds_revoke_one_after_another():
    """The second of two successive revoking rounds waits 40 ms, the third 1600 ms."""
    cluster = Cluster("w1", a=12)
    cluster.rebalance()
    cluster.work["w2"] = NO_WORK
    assert any(cluster.rebalance().revoked.values())
    cluster.work["w3"] = NO_WORK
    spaced = cluster.rebalance()
    assert spaced.delay_ms == 40
    assert not any(spaced.revoked.values())
    cluster.now_ms += 40
    assert any(cluster.rebalance().revoked.values())
    cluster.work["w4"] = NO_WORK
    assert cluster.rebalance().delay_ms == 1600


def test_memory_is_dropped_when_the_last_round_did_not_complete():
    """A round that the leader itself did not see completed says nothing about what is lost."""
    cluster = Cluster("w1", "w2", a=4)
    cluster.rebalance()
    del cluster.work["w2"]
    outcome = cluster.rebalance(reached=False)
    assert outcome.lost == NO_WORK
    assert cluster.sizes() == {"w1": (1, 4)}


def test_nothing_moves_when_nothing_happened():
    """A round without cause changes nothing."""
    cluster = Cluster("w1", "w2", "w3", a=4, b=3)
    cluster.rebalance()
    before = dict(cluster.work)
    outcome = cluster.rebalance()
    assert not any(outcome.added.values())
    assert not any(outcome.revoked.values())
    assert before == cluster.work


def test_eager_deals_in_turn_when_sorted():
    """Connectors first, then tasks, in one turn over the sorted members."""
    outcome = assign_eagerly(["w2", "w1"], configured(b=2, a=1))
    assert Work(("a",), (ConnectorTaskId("a", 0), ConnectorTaskId("b", 1))) == outcome.owned["w1"]
    assert Work(("b",), (ConnectorTaskId("b", 0),)) == outcome.owned["w2"]


members = st.lists(st.sampled_from(["w1", "w2", "w3", "w4", "w5"]), min_size=1, unique=True)
task_counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 7))
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("members"), members),
        st.tuples(st.just("configure"), task_counts),
        st.tuples(st.just("wait"), st.integers(1, 2 * DELAY_MS)),
        st.tuples(st.just("unreached"), st.none()),
        st.tuples(st.just("new leader"), st.none()),
        st.tuples(st.just("forget"), st.sampled_from(["w1", "w2", "w3"])),
    ),
    max_size=8,
)


def happen(cluster, kind, value):
    if kind == "members":
        cluster.work = {name: cluster.work.get(name, NO_WORK) for name in value}
    elif kind == "configure":
        cluster.configured = configured(**value)
    elif kind == "wait":
        cluster.now_ms += value
    elif kind == "new leader":
        cluster.state = AssignorState()
    elif kind == "forget" and value in cluster.work:
        cluster.work[value] = NO_WORK


@settings(max_examples=300, deadline=None)
@given(members, task_counts, st.sampled_from([0, 1, 3_000, DELAY_MS]), happenings)
def test_each_task_runs_once_and_evenly_when_the_group_has_come_to_rest(
    names, counts, delay_ms, story
):
    """Whatever happens on the way: in no round two members are given the same work, and at rest all
    configured work runs exactly once, balanced within one.
    """
    cluster = Cluster(*names, delay_ms=delay_ms, **counts)
    for kind, value in story:
        happen(cluster, kind, value)
        cluster.rebalance(reached=kind != "unreached")
        assert all(count == 1 for count in cluster.running().values())
    cluster.settle()
    assert dict.fromkeys(cluster.configured.tasks, 1) == cluster.running()
    sizes = list(cluster.sizes().values())
    for kind in (0, 1):
        assert max(size[kind] for size in sizes) - min(size[kind] for size in sizes) <= 1
    before = dict(cluster.work)
    cluster.rebalance()
    assert before == cluster.work


@settings(max_examples=100, deadline=None)
@given(members, members, task_counts)
def test_no_more_moves_than_needed_when_members_change(names, others, counts):
    """Work of members that stay moves only as far as the balance asks for it."""
    cluster = Cluster(*names, delay_ms=0, **counts)
    cluster.settle()
    before = {name: set(work.tasks) for name, work in cluster.work.items()}
    happen(cluster, "members", others)
    cluster.settle()
    total, share = len(cluster.configured.tasks), len(cluster.work)
    for name, work in cluster.work.items():
        moved = before.get(name, set()) - set(work.tasks)
        assert len(moved) <= max(len(before.get(name, set())) - total // share, 0)
