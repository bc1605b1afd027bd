"""The model: a snapshot and the events after it."""

from __future__ import annotations

import re

import pytest

from tests.tui import daemon
from tui.model import RESTART, Model
from tui.palette import THEMES, chosen
from tui.summary import lag_of
from tui.text import age, cause_first, count, cut, dots, hills, recent


def loaded(**shape) -> Model:
    model = Model()
    model.load(daemon.snapshot(**shape))
    return model


def test_task_fails_in_place_when_an_event_says_so():
    """A task's event changes its state, error and rate, and marks its row."""
    model = loaded(failed=0)
    known = model.apply(8, "task", daemon.task_event("orders-1-2", "FAILED", "Boom: x\n\tat y"))
    task = model.tasks["orders-1:2"]
    assert known
    assert (task.state, task.error, task.rate) == ("FAILED", "Boom: x", None)
    assert model.dirty == {"orders-1:2"}
    assert model.seq == 8


def test_new_owner_stays_when_the_old_one_tells_that_it_gave_up_the_task():
    """UNASSIGNED from a worker that no longer holds the task changes nothing."""
    model = loaded(failed=0)
    model.apply(8, "task", daemon.task_event("orders-1-2", "UNASSIGNED"))
    assert model.tasks["orders-1:2"].worker == "10.0.4.11:8083"
    assert model.tasks["orders-1:2"].state == "RUNNING"


def test_new_owner_stays_when_the_old_one_tells_that_it_gave_up_the_connector():
    """The state that the new worker told is not covered by what the old one tells later."""
    model = loaded(failed=0)
    told = {"key": "orders-1", "ts": 1, "to": "STOPPED", "worker": "new:8083"}
    model.apply(8, "connector", told)
    model.apply(9, "connector", {**told, "to": "UNASSIGNED", "worker": "old:8083"})
    assert model.connectors["orders-1"].state == "STOPPED"


@pytest.mark.parametrize(("type_", "key"), [("connector", "orders-1"), ("task", "orders-1-2")])
def test_restart_is_over_when_the_connector_or_one_of_its_tasks_runs(type_, key):
    """A restart of the connector alone has no task's event, and is over all the same."""
    model = loaded(failed=0)
    model.expect("orders-1", RESTART, 5.0)
    model.answered("orders-1", RESTART, 6.0)
    assert model.settle(7.0) == []
    assert model.health("orders-1") == "RESTARTING"
    model.apply(8, type_, {**daemon.task_event(key, "RUNNING"), "worker": "10.0.4.11:8083"})
    assert model.health("orders-1") == "RUNNING"
    assert model.settle(60.0) == []


def test_way_is_told_when_a_change_was_asked_for():
    """Who pauses a connector does not read that it restarts."""
    model = loaded(failed=0)
    assert model.way_of("orders-1") == "running"
    for state, word in (("PAUSED", "pausing"), ("STOPPED", "stopping"), (RESTART, "restarting")):
        model.expect("orders-1", state, 5.0)
        assert model.way_of("orders-1") == word


def test_restart_is_told_with_its_cause():
    """That a process died is read where its task is seen to start again."""
    model = loaded(failed=0)
    body = {
        **daemon.task_event("orders-1-2", "RESTARTING"),
        "cause": "its process died of signal 9",
    }
    model.apply(8, "task", body)
    assert model.news[0].text == "orders-1-2 RESTARTING (its process died of signal 9)"


def test_snapshot_is_asked_for_when_events_cannot_tell():
    """An unknown task, a rebalance and a resync need a new snapshot."""
    model = loaded()
    rebalance = {"ts": 1, "generation": 43, "cause": "w left", "assigned": []}
    assert not model.apply(8, "task", daemon.task_event("new-0", "RUNNING"))
    assert not model.apply(9, "rebalance", rebalance)
    assert not model.apply(10, "resync", {})


def test_trouble_is_shown_until_it_is_over():
    """A task that runs says what it waits for with its rates; a failed one keeps its reason."""
    model = loaded()
    key = next(key for key, task in model.tasks.items() if task.state == "RUNNING")
    failed = next(key for key, task in model.tasks.items() if task.state == "FAILED")
    reason = model.tasks[failed].error
    model.apply(None, "rates", {"tasks": [[key, 0.0, 5.0, "no space"], [failed, 0.0, None]]})
    assert (model.tasks[key].error, model.tasks[failed].error) == ("no space", reason)
    model.apply(None, "rates", {"tasks": [[key, 1.0, 0.0]]})
    assert model.tasks[key].error is None


def test_task_is_a_problem_when_it_runs_and_something_keeps_it_from_its_work():
    """It is degraded: counted apart, in front of those that work, and its connector with it."""
    model = loaded(failed=0)
    model.apply(None, "rates", {"tasks": [["orders-3:4", 0.0, 5.0, "no space"]]})
    assert model.state_of(model.tasks["orders-3:4"]) == "DEGRADED"
    assert model.problems_first()[0] == "orders-3:4"
    assert (model.counts["DEGRADED"], model.counts["RUNNING"]) == (1, 19)
    assert model.health("orders-3") == "DEGRADED"
    model.apply(None, "rates", {"tasks": [["orders-3:4", 1.0, 0.0]]})
    assert (model.counts["DEGRADED"], model.counts["RUNNING"]) == (0, 20)
    assert model.health("orders-3") == "RUNNING"


def test_lag_is_unknown_when_a_source_has_lost_what_it_reads():
    """It is shown as that, in its row, its connector's and the overview's, not as up to date."""
    model = loaded(failed=0)
    key = next(key for key, task in model.tasks.items() if task.unit == "ms")
    name = model.tasks[key].connector
    model.apply(None, "rates", {"tasks": [[key, 0.0, None, "connection lost"]]})
    model.add_up()
    assert model.tasks[key].dark
    assert lag_of(model, name) == (None, "?")
    assert model.totals.dark == model.tasks[key]
    model.apply(None, "rates", {"tasks": [[key, 0.0, 0.0]]})
    model.add_up()
    assert lag_of(model, name)[1] != "?"
    assert model.totals.dark is None


@pytest.mark.parametrize(
    ("assigned", "told"),
    [
        (["orders-0", "orders-0-0", "orders-0-1"], "gen 43 +1 connector +2 tasks w left"),
        (["orders-0-1"], "gen 43 +1 task w left"),
        (["gone"], "gen 43 +1 connector w left"),
        ([], "gen 43 w left"),
    ],
)
def test_rebalance_counts_connectors_and_tasks_when_work_is_placed(assigned, told):
    """A connector, one that is no longer known too, does not count as a task."""
    model = loaded()
    connectors = ["gone", "orders-0"]
    body = {"ts": 1, "generation": 43, "cause": "w left", "assigned": assigned}
    body["connectors"] = connectors
    model.apply(9, "rebalance", body)
    assert model.news[0].text == told


def test_problems_stand_first_when_tasks_are_listed():
    """Failed tasks come before those that run; names and numbers order the rest."""
    model = loaded(failed=0)
    model.apply(8, "task", daemon.task_event("orders-3-4", "FAILED", "x"))
    order = model.problems_first()
    assert order[:3] == ["orders-3:4", "orders-0:0", "orders-0:1"]


def test_past_stands_behind_what_was_seen_when_it_is_fetched_later():
    """Events that came meanwhile stay in front, and none is told twice."""
    model = loaded(failed=0)
    model.apply(8, "task", daemon.task_event("orders-1-2", "FAILED", "x"))
    now_ms = model.news[0].ts
    audit = {"action": "PUT", "key": "/connectors/a/config", "status": 201}
    rebalance = {"started": now_ms - 2000, "gen": 7, "cause": {"detail": "w left"}}
    model.remember([{**audit, "ts": now_ms - 1000}, {**audit, "ts": now_ms + 5}], [rebalance])
    assert [entry.text for entry in model.news] == [
        "orders-1-2 FAILED x",
        "PUT /connectors/a/config: 201",
        "gen 7 w left",
    ]


def test_lines_begin_with_what_the_daemon_kept_when_a_console_opens():
    """A snapshot brings each task's last minutes; from then on a step is added every few seconds."""
    told = daemon.snapshot(connectors=2, tasks=2, failed=0)
    for task in told["tasks"]:
        task["hist"] = [1.0, 2.0]
    model = Model()
    model.load(told)
    model.take_flow({"in": [1.0, 3.0, 5.0], "out": [0.0, 0.0, 1.0]})
    assert model.trend_of("orders-1") == [2.0, 4.0]
    model.note_step()
    assert list(model.trends["orders-1:0"]) == [1.0, 2.0, 100.0]
    assert list(model.flow)[-2:] == [(5.0, 1.0), (201.0, 201.0)]
    model.take_flow({"in": [9.0], "out": [9.0]})
    assert len(model.flow) == 4


def test_hills_stand_at_the_right_edge_when_there_is_less_than_room():
    """Both halves are scaled to their highest, and what is above nothing is seen."""
    assert hills([0, 8, 4, 0.1], 6, 2, ascii=True) == ["   #  ", "   ##."]
    assert hills([1, 2], 2, 1) == [" ⣤".replace("⣤", chr(0x2800 + 0x44 + 0xB8))]
    assert hills([1, 2], 1, 1, down=True) == [chr(0x2800 + 0x01 + 0x02 + 0xB8)]
    assert hills([], 2, 1) == ["  "]


def test_line_ends_at_the_right_edge_when_little_is_known():
    """Lines of several tasks can be read across; without any rate there is none."""
    assert recent([1.0, 2.0], 6) == "\u2800\u2800" + dots([1.0, 2.0], 6)
    assert recent([0.0], 6) == ""
    assert recent([1.0, 2.0], 6, ascii=True) == "=@"


def test_rates_keep_the_event_id_when_they_have_none():
    """Rates are not events of the journal: the place to resume stays."""
    model = loaded()
    model.apply(None, "rates", {"tasks": [["orders-1:2", 5.0, 9.0], ["gone:1", 1.0, None]]})
    assert model.seq == 7
    assert (model.tasks["orders-1:2"].rate, model.tasks["orders-1:2"].lag) == (5.0, 9.0)


def test_numbers_and_spans_are_short_when_written():
    """Figures fit their columns."""
    assert [count(value) for value in (None, 0, 7.25, 941, 36_900)] == [
        "-", "0", "7.2", "941", "36.9k",
    ]  # fmt: skip
    assert [age(value) for value in (12, 61, 11_250, 540_000)] == ["12s", "1m", "3h 7m", "6d 6h"]
    assert cut("two\nlines here", 6) == "two l…"


def light(colour: str) -> float:
    """Give the relative luminance that WCAG defines."""
    found = re.search(r"#(\w\w)(\w\w)(\w\w)", colour)
    assert found is not None
    parts = [int(part, 16) / 255 for part in found.groups()]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", THEMES, ids=lambda palette: palette.name)
def test_text_is_legible_when_drawn_in_each_theme(palette):
    """Every colour of a theme stands 4.5 to 1 or better against the ground it is drawn on."""
    for ground, on_cursor in ((palette.background, False), (palette.cursor, True)):
        styles = [palette.style(role, on_cursor=on_cursor) for role in palette.roles]
        for style in [palette.text, palette.accent, palette.sink, *styles]:
            if "#" in style:
                assert contrast(style, ground) >= 4.5, (style, ground)


def test_theme_is_without_colour_when_no_color_is_set():
    """NO_COLOR wins over the option; a locale without UTF-8 asks for ASCII."""
    assert chosen("light", {"NO_COLOR": "1", "LANG": "C.UTF-8"}, ascii=False).name == "mono"
    assert chosen(None, {"LANG": "C"}, ascii=False).ascii


def test_connector_has_failed_when_none_of_its_tasks_runs():
    """Degraded is what still works in part; how far a failed sink is behind nobody knows."""
    model = loaded(connectors=1, tasks=2, failed=0)
    model.apply(8, "task", daemon.task_event("orders-0-0", "FAILED", "Boom: x"))
    assert model.health("orders-0") == "DEGRADED"
    model.apply(9, "task", daemon.task_event("orders-0-1", "FAILED", "Boom: x"))
    assert model.health("orders-0") == "FAILED"
    model.add_up()
    assert (model.totals.sink_lag, model.totals.unknown) == (0, 2)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        ("FileNotFoundException: /no/such", "/no/such (FileNotFoundException)"),
        ("Boom: disk full: 3 left", "disk full: 3 left (Boom)"),
        ("the disk is full", "the disk is full"),
        ("Boom: ", "Boom: "),
        ("", ""),
    ],
)
def test_reason_stands_before_the_class_when_a_row_has_little_room(error, wanted):
    """What is cut off a row is the name of the class."""
    assert cause_first(error) == wanted
