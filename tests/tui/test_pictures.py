"""Pictures of the views in the states that matter, at both sizes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tui.still import (
    NOW_MS,
    history,
    lost,
    open_view,
    opened,
    planned,
    queues,
    settled,
    still,
    topics,
    until,
    waiting,
    waiting_answers,
)
from tui.palette import DARK, LIGHT, MONO
from tui.screens.dialogs import TextScreen
from tui.screens.form import Form

SHAPES: dict[str, dict[str, int]] = {
    "healthy": {"failed": 0},
    "empty": {"connectors": 0, "failed": 0},
    "many": {"connectors": 500, "tasks": 10},
}
SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])


async def cut(pilot: Any) -> None:
    """Break the link of a console that has shown something."""
    await settled(pilot)
    lost(pilot.app)
    pilot.app.flush()
    await pilot.pause()


@SIZES
@pytest.mark.parametrize(
    "case", ["failed", "healthy", "empty", "many", "mono", "rebalance", "lost"]
)
def test_overview_looks_as_recorded_when_drawn(snap_compare, case, size):
    """The first view: failed tasks, none, nothing, 5,000 tasks, no colour, a rebalance, a lost link."""
    palette = MONO if case == "mono" else DARK
    app = still(palette, None, **SHAPES.get(case, {}))
    if case == "rebalance":
        waiting(app)
    assert snap_compare(app, terminal_size=size, run_before=cut if case == "lost" else settled)


@SIZES
def test_reason_and_remedies_look_as_recorded_when_no_daemon_answers(snap_compare, size):
    """Without a daemon the screen says why, and what to try."""

    async def painted(pilot):
        await pilot.app.complete.wait()
        pilot.app.flush()
        await pilot.pause()

    assert snap_compare(lost(still(DARK), None), terminal_size=size, run_before=painted)


@SIZES
@pytest.mark.parametrize("case", ["failed", "many"])
def test_tasks_look_as_recorded_when_there_are_some(snap_compare, case, size):
    """The list of all tasks, of 5,000 as well."""

    async def tasks(pilot):
        await open_view(pilot, 3)

    app = still(DARK, None, **SHAPES.get(case, {}))
    assert snap_compare(app, terminal_size=size, run_before=tasks)


@SIZES
@pytest.mark.parametrize("number", [2, 4, 5, 6, 7, 9])
def test_view_names_the_next_step_when_it_is_empty(snap_compare, number, size):
    """Nothing there: connectors, rebalances, offsets, dead letters, topics, log lines."""

    async def view(pilot):
        await open_view(pilot, number)

    nothing: dict[str, Any] = {
        path: [] for path in ("/lag", "/rebalances", "/topics", "/logs/recent")
    }
    app = still(DARK, nothing, **SHAPES["empty"])
    assert snap_compare(app, terminal_size=size, run_before=view)


@SIZES
@pytest.mark.parametrize("case", ["topics", "records", "plugins"])
def test_topics_and_plugins_look_as_recorded_when_there_are_some(snap_compare, case, size):
    """Topics with who reads them, the records of one, and the plugins."""

    async def view(pilot):
        await open_view(pilot, 8 if case == "plugins" else 7)
        if case == "records":
            await pilot.press("enter")
            await settled(pilot)

    assert snap_compare(still(DARK, topics()), terminal_size=size, run_before=view)


@SIZES
def test_connectors_look_as_recorded_when_there_are_500(snap_compare, size):
    """500 connectors with ten tasks each."""

    async def connectors(pilot):
        await open_view(pilot, 2)

    app = still(DARK, None, **SHAPES["many"])
    assert snap_compare(app, terminal_size=size, run_before=connectors)


def test_overview_looks_as_recorded_when_light_and_ascii(snap_compare):
    """The light theme with glyphs of ASCII."""
    app = still(LIGHT.with_glyphs(ascii=True))
    assert snap_compare(app, terminal_size=(120, 36), run_before=settled)


@SIZES
@pytest.mark.parametrize("case", ["waiting", "lost"])
def test_workers_look_as_recorded_when_one_is_away(snap_compare, case, size):
    """A worker that left, its tasks waiting with the time counted down; and the same without a link."""

    async def workers(pilot):
        await open_view(pilot, 4)
        if case == "lost":
            await cut(pilot)

    app = waiting(still(DARK, waiting_answers()))
    assert snap_compare(app, terminal_size=size, run_before=workers)


@SIZES
def test_workers_look_as_recorded_when_one_came_back(snap_compare, size):
    """Lanes, generations with their causes, and the moves of the newest one."""

    async def workers(pilot):
        await open_view(pilot, 4)

    assert snap_compare(still(DARK), terminal_size=size, run_before=workers)


@SIZES
def test_connectors_look_as_recorded_when_some_are_degraded(snap_compare, size):
    """The list with a degraded connector first."""

    async def connectors(pilot):
        await open_view(pilot, 2)

    assert snap_compare(still(DARK), terminal_size=size, run_before=connectors)


@SIZES
def test_detail_looks_as_recorded_when_a_task_failed(snap_compare, size):
    """Tasks of a connector with the trace of the failed one."""

    async def detail(pilot):
        await open_view(pilot, 2)
        await pilot.press("enter")
        await settled(pilot)

    assert snap_compare(still(DARK, opened()), terminal_size=size, run_before=detail)


@SIZES
def test_history_tells_who_changed_what(snap_compare, size):
    """Revisions with the user, the file or nobody, and what each one changed."""

    async def tab(pilot):
        await open_view(pilot, 2)
        await pilot.press("enter", *["right_square_bracket"] * 5)
        await settled(pilot)

    more = {**opened(), "/connectors/orders-0/history": history()}
    assert snap_compare(still(DARK, more), terminal_size=size, run_before=tab)


@SIZES
def test_empty_queue_says_since_when(snap_compare, size):
    """A queue whose letters have all been seen to is good news with a time."""

    async def view(pilot):
        await open_view(pilot, 6)

    queue = {"topic": "dlq.orders-0", "connectors": ["orders-0"], "records": 0, "new_1h": 0}
    gone = {"exists": True, "discarded": 8, "last_ms": NOW_MS - 3 * 86_400_000}
    more = {
        "/dlq": [{**queue, **gone, "empty_since_ms": NOW_MS - 2 * 86_400_000}],
        "/dlq/dlq.orders-0/records": [],
    }
    assert snap_compare(still(DARK, more), terminal_size=size, run_before=view)


@SIZES
def test_form_looks_as_recorded_when_a_field_is_wrong(snap_compare, size):
    """The form of a configuration at its field with an error."""

    async def form(pilot):
        await open_view(pilot, 2)
        await pilot.press("e")
        await until(lambda: isinstance(pilot.app.screen, Form) and pilot.app.screen.errors)
        await pilot.press("n")
        await pilot.pause()

    assert snap_compare(still(DARK, opened()), terminal_size=size, run_before=form)


@SIZES
def test_form_looks_as_recorded_when_a_connection_was_tried(snap_compare, size):
    """What the daemon found, the worst first with what mends it."""

    async def form(pilot):
        await open_view(pilot, 2)
        await pilot.press("e")
        await until(lambda: isinstance(pilot.app.screen, Form) and pilot.app.screen.errors)
        await pilot.press("t")
        await until(lambda: isinstance(pilot.app.screen, TextScreen))
        await pilot.pause()

    found = [
        {
            "level": "ok",
            "option": "file",
            "text": "/data can be written, 80.1 GB free",
            "remedy": "",
        },
        {
            "level": "problem",
            "option": "topics",
            "text": "no topic is called orders yet, or the user may not see it",
            "remedy": "ingest-appliance get topics",
        },
    ]
    more = {**opened(), "POST /connection-test": found}
    assert snap_compare(still(DARK, more), terminal_size=size, run_before=form)


@SIZES
@pytest.mark.parametrize("case", ["offsets", "dlq", "logs"])
def test_records_look_as_recorded_when_there_are_some(snap_compare, case, size):
    """Offsets with their lag, dead letters with the reason of the first one, log lines."""

    async def view(pilot):
        await open_view(pilot, {"offsets": 5, "dlq": 6, "logs": 9}[case])

    assert snap_compare(still(DARK, queues()), terminal_size=size, run_before=view)


@pytest.mark.parametrize("case", ["help", "confirm", "small"])
def test_dialog_looks_as_recorded_when_open(snap_compare, case):
    """Help of a view, the question before a connector goes, and a terminal that is too small."""

    async def dialog(pilot):
        await open_view(pilot, 2)
        await pilot.press("D" if case == "confirm" else "question_mark")
        await until(lambda: len(pilot.app.screen_stack) == 2)
        await pilot.pause()

    size = (50, 12) if case == "small" else (80, 24)
    before = settled if case == "small" else dialog
    app = still(DARK, {"POST /plan": planned()})
    assert snap_compare(app, terminal_size=size, run_before=before)
