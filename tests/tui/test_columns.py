"""What a narrow terminal hides can be had; the key bar can be clicked; the news have signs of their own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tui.daemon import NOW_S, task_event
from tests.tui.still import NOW_MS, open_view, queues, settled, still, until
from tui.chrome import key_at
from tui.model import Model
from tui.palette import DARK
from tui.screens.overview import news
from tui.widgets.grid import Grid


def head(pilot: Any) -> str:
    """Give the titles of the columns as they are drawn."""
    grid = pilot.app.view.grid
    assert isinstance(grid, Grid)
    return grid.render_line(0).text


async def test_hidden_columns_are_there_when_w_is_pressed():
    """A narrow terminal leaves some out; w shows them, right goes along and left comes back."""
    async with still(DARK).run_test(size=(80, 24)) as pilot:
        await open_view(pilot, 2)
        assert "CHANGED" not in head(pilot)
        await pilot.press("w", *["right"] * 5)
        assert "CHANGED" in head(pilot)
        assert head(pilot).split()[:3] == ["STATE", "CONNECTOR", "PLUGIN"]
        await pilot.press(*["h"] * 6)
        assert head(pilot).split()[2] == "IO"
        await pilot.press("w")
        assert "PLUGIN" not in head(pilot)


async def test_more_is_hidden_when_w_is_pressed_in_a_wide_terminal():
    """What takes room from the errors can go."""
    async with still(DARK).run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 2)
        assert "PLUGIN" in head(pilot)
        await pilot.press("w")
        assert "PLUGIN" not in head(pilot)


async def test_key_is_pressed_when_it_is_clicked_in_the_key_bar():
    """A lit key does what it says; one click on `? help` opens the help."""
    app = still(DARK)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        places = range(120)
        hints = app._hints()
        at = next(x for x in places if key_at(app.scene, hints, 120, x) == "question_mark")
        await pilot.click("#keys", offset=(at + 1, 0))
        await until(lambda: len(app.screen_stack) == 2)
        assert key_at(app.scene, hints, 120, 1) == "enter"
        assert key_at(app.scene, (("[ ]", "tab"),), 120, 1) is None
        assert key_at(app.scene, hints, 120, 119) is None


def test_news_have_a_sign_when_colours_cannot_be_told():
    """A state's own glyph, and one for each other kind of event."""
    model = still(DARK).scene.model
    config = {"ts": NOW_MS, "key": "orders-1", "config": {}}
    model.apply(9, "config", config)
    model.apply(10, "audit", {"ts": NOW_MS, "action": "PUT", "key": "/x", "status": 200})
    model.apply(
        11, "rebalance", {"ts": NOW_MS, "generation": 43, "cause": "w left", "assigned": []}
    )
    plain = DARK.with_glyphs(ascii=True)
    lines = news(model, plain, NOW_S, 60, 9).plain.splitlines()
    assert [line[7] for line in lines] == ["~", ".", "*", "X"]


def test_dead_letters_are_told_when_more_have_come():
    """Not those that were there when the console came; nor that some have gone."""
    model = Model()
    queue = queues()["/dlq"][0]
    model.note_queues([queue], NOW_S)
    model.note_queues([{**queue, "records": 12}], NOW_S)
    model.note_queues([{**queue, "records": 3}], NOW_S)
    assert [(entry.text, entry.sign) for entry in model.news] == [
        ("dlq.orders-0 +4 records", "DLQ")
    ]


@pytest.mark.parametrize(("state", "more"), [("RESTARTING", 1), ("RUNNING", 0)])
def test_restarts_are_counted_when_a_task_starts_again(state, more):
    """From what the daemon knows of the time before."""
    model = still(DARK).scene.model
    before = model.tasks["orders-2:1"].restarts or 0
    model.apply(12, "task", task_event("orders-2-1", state))
    assert (model.tasks["orders-2:1"].restarts or 0) == before + more
