"""The history of rebalances is put together from what every worker wrote."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.journal.journal import Event
from appliance.rest.console.rebalances import history

W1, W2 = "10.0.4.11:8083", "10.0.4.12:8083"


def seen(number: int, worker: str, ms: int, **more: Any) -> Event:
    body = {"generation": number, "leader_url": f"http://{W1}/", "worker": worker, "ts": ms}
    body |= {"started_ms": ms, "took_ms": 4, "cause": "another worker asked for it"}
    return Event(ms, "rebalance", {**body, **more})


def owned(*shares: list[str]) -> dict[str, list[str]]:
    return {f"http://{worker}/": work for worker, work in zip((W1, W2), shares, strict=False)}


def task(key: str, to: str, ms: int, worker: str = W1) -> Event:
    return Event(ms, "task", {"key": key, "to": to, "ts": ms, "worker": worker})


def test_workers_views_are_one_generation_when_they_share_its_number():
    """Two workers' entries give one, with tasks counted and connectors left out."""
    found = history(
        [
            seen(1, W2, 10, assigned=["a-1"], cause="connector a added"),
            seen(1, W1, 12, assigned=["a", "a-0"], owned=owned(["a", "a-0"], ["a-1"])),
        ],
        {"a"},
    )
    assert len(found) == 1
    assert found[0]["workers"] == {W1: 1, W2: 1}
    assert found[0]["cause"] == {"kind": "config", "worker": W2, "detail": "connector a added"}
    assert (found[0]["started"], found[0]["took_ms"]) == (10, 6)
    assert found[0]["assigned"] == [
        {"task": "a-1", "from": None, "to": W2},
        {"task": "a-0", "from": None, "to": W1},
    ]


def test_lost_worker_is_the_cause_when_it_is_no_longer_a_member():
    """The wait, then the move with its standstill, which began when the group noticed."""
    found = history(
        [
            seen(1, W1, 0, assigned=["a-0"], owned=owned(["a-0"], ["a-1"])),
            task("a-1", "RUNNING", 5),
            seen(2, W1, 1000, owned=owned(["a-0"]), lost=["a-1"], delay_ms=3000),
            seen(
                3, W1, 4000, cause="the delay for lost workers is over", assigned=["a-1"]
            )._replace(id=4),
            task("a-1", "RUNNING", 4200),
        ],
        {"a"},
    )
    moved, waiting, _ = found
    assert waiting["phase"] == "waiting"
    assert waiting["cause"]["kind"] == "died"
    assert waiting["cause"]["worker"] == W2
    assert waiting["cause"]["detail"] == f"{W2} died; its 1 task waits 3 s"
    assert waiting["delay_until"] == 4000
    assert moved["cause"]["kind"] == "delay_over"
    assert moved["standstill_ms"] == {"a-1": 3200}
    assert moved["stopped_ms"] == {"p50": 3200, "max": 3200}


def test_death_is_told_when_the_daemon_saw_it():
    """Of a worker without tasks only its daemon can tell; connectors that are gone do not count as tasks."""
    found = history(
        [
            seen(1, W1, 0, owned=owned(["a", "old"], [])),
            seen(
                2,
                W1,
                1000,
                cause="a worker of this daemon died",
                owned=owned(["a", "old"]),
                connectors=["a", "old"],
            ),
        ],
        {"a"},
    )
    assert found[0]["cause"] == {"kind": "died", "worker": W2, "detail": f"{W2} died"}
    assert found[0]["workers"] == {W1: 0}


def test_worker_left_when_it_had_stopped_its_tasks():
    """Who hands its work over first did not die, though the next worker runs it at once."""
    found = history(
        [
            seen(1, W1, 0, assigned=["a-0"], owned=owned(["a-0"], ["a-1"])),
            seen(1, W2, 0, assigned=["a-1"]),
            task("a-1", "RUNNING", 5),
            task("a-1", "UNASSIGNED", 990),
            seen(2, W1, 1000, assigned=["a-1"], owned=owned(["a-0", "a-1"])),
            task("a-1", "RUNNING", 1100),
        ],
        {"a"},
    )
    assert found[0]["cause"]["detail"] == f"{W2} left"


def test_second_round_is_told_when_work_was_revoked_before():
    """A new worker makes two generations: one revokes, the next assigns."""
    found = history(
        [
            seen(1, W1, 0, owned=owned(["a-0", "a-1"])),
            seen(2, W1, 1000, owned=owned(["a-0"], []), revoked=["a-1"], cause="x"),
            task("a-1", "UNASSIGNED", 1010),
            seen(3, W1, 1100, owned=owned(["a-0"], ["a-1"])),
            seen(3, W2, 1100, assigned=["a-1"]),
            task("a-1", "RUNNING", 1200, W2),
        ],
        {"a"},
    )
    assert [entry["phase"] for entry in found] == ["assign", "revoke", "stable"]
    assert found[1]["cause"]["detail"] == f"{W2} joined: 1 task revoked to level the load"
    assert found[0]["assigned"] == [{"task": "a-1", "from": W1, "to": W2}]
    assert found[0]["standstill_ms"] == {"a-1": 190}


def test_restarted_worker_is_the_cause_when_the_group_never_missed_it():
    """A worker that is back within one generation is named, though its address never went."""
    found = history(
        [
            seen(1, W1, 0, owned=owned(["a-0"], ["a-1"])),
            seen(2, W2, 1000, cause="joining the group", assigned=["a-1"]),
            seen(2, W1, 1001, owned=owned(["a-0"], ["a-1"])),
        ],
        {"a"},
    )
    assert (found[0]["cause"]["kind"], found[0]["cause"]["worker"]) == ("rejoined", W2)
    assert found[0]["cause"]["detail"].startswith(f"{W2} was restarted and is back")


@pytest.mark.parametrize("said", ["a worker of this daemon died", "another worker asked for it"])
def test_death_is_named_when_the_worker_is_back_before_it_was_missed(said):
    """A worker that was killed was not restarted by anybody: its sibling saw it, or no task had stopped."""
    found = history(
        [
            seen(1, W1, 0, owned=owned(["a-0"], ["a-1"])),
            seen(1, W2, 0, assigned=["a-1"]),
            task("a-1", "RUNNING", 5),
            seen(2, W2, 1000, cause="joining the group", assigned=["a-1"]),
            seen(2, W1, 1001, owned=owned(["a-0"], ["a-1"]), cause=said),
        ],
        {"a"},
    )
    assert found[0]["cause"]["detail"] == f"{W2} died and is back: its tasks start again"


def test_change_of_work_is_told_when_it_came_with_another_cause():
    """A connector that came while work moved on, or while a worker joined, is named."""
    found = history(
        [
            seen(1, W1, 0, owned=owned(["a", "a-0"]), revoked=["b-0"]),
            seen(
                2,
                W1,
                10,
                owned=owned(["a", "a-0", "c"]),
                assigned=["c"],
                changed="connector c added",
            ),
            seen(3, W1, 20, owned=owned(["a", "a-0", "c"], []), changed="connector d added"),
        ],
        {"a", "c"},
    )
    assert found[1]["cause"]["kind"] == "config"
    assert found[1]["cause"]["detail"] == "connector c added"
    assert found[0]["cause"] == {
        "kind": "joined",
        "worker": W2,
        "detail": f"{W2} joined; connector d added",
    }


def test_standstill_begins_anew_when_a_task_has_run_since_a_loss():
    """Killed again, and missed by nobody, it stood still since that kill was noticed; waiting counts from the loss."""
    found = history(
        [
            seen(1, W1, 0, assigned=["a-0"], owned=owned(["a-0"])),
            task("a-0", "RUNNING", 5),
            seen(2, W2, 1000, owned=owned([], []), lost=["a-0"], delay_ms=3000),
            seen(3, W2, 2000, owned=owned([], []), lost=["a-0"], delay_ms=2000),
            seen(4, W1, 4000, cause="joining the group", assigned=["a-0"]),
            task("a-0", "RUNNING", 4200),
            seen(5, W1, 100_000, cause="joining the group", assigned=["a-0"]),
            task("a-0", "RUNNING", 100_300),
        ],
        {"a"},
    )
    assert found[0]["standstill_ms"] == {"a-0": 300}
    assert found[1]["standstill_ms"] == {"a-0": 3200}


@pytest.mark.parametrize(
    "set_aside",
    [
        Event(1000, "config", {"key": "a", "config": None, "ts": 1000}),
        Event(1000, "connector", {"key": "a", "to": "STOPPED", "ts": 1000, "worker": W1}),
        Event(1000, "connector", {"key": "a", "to": "PAUSED", "ts": 1000, "worker": W1}),
        task("a-0", "FAILED", 1000),
    ],
    ids=["deleted", "stopped", "paused", "failed"],
)
def test_nothing_stood_still_when_it_was_set_aside(set_aside):
    """What a user stops, pauses or deletes, and what fails, does not wait for a rebalance."""
    events = [
        seen(1, W1, 0, assigned=["a", "a-0"], owned=owned(["a", "a-0"])),
        task("a-0", "RUNNING", 5),
        set_aside,
        seen(2, W1, 1010, owned=owned([]), revoked=["a", "a-0"]),
        task("a-0", "UNASSIGNED", 1020),
        seen(3, W1, 9000, assigned=["a", "a-0"], owned=owned(["a", "a-0"])),
        task("a-0", "RUNNING", 9500),
    ]
    assert history(events, {"a"})[0]["standstill_ms"] == {}
    rest = [event for event in events if event is not set_aside]
    assert history(rest, {"a"})[0]["standstill_ms"] == {"a-0": 8480}
