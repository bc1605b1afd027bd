"""The form of a configuration: groups, fields, search, and what is not lost by mistake."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from textual.widgets import Input, Static

from tests.tui.still import (
    opened,
    settled,
    still,
    until,
)
from tui.palette import DARK
from tui.screens.dialogs import Abandon, Ask, Pick, TextScreen
from tui.screens.form import Form
from tui.widgets.fieldline import FieldLine
from tui.widgets.grid import Grid


async def formed(app, pilot) -> Form:
    """Open the form of the first connector."""
    await settled(pilot)
    await pilot.press("2", "e")
    await until(lambda: isinstance(app.screen, Form) and bool(app.screen.errors))
    form = app.screen
    assert isinstance(form, Form)
    return form


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_form_shows_all_groups_and_answers_digits_and_help(size):
    """A digit goes to its group, ? and F1 explain; in a field both signs are typed, and F1 explains still."""
    app = still(DARK, opened())
    async with app.run_test(size=size) as pilot:
        form = await formed(app, pilot)
        form._groups = [f"Group {number}" for number in range(1, 10)]
        form.paint()
        await pilot.press("7")
        line = str(form.query_one("#groups", Static).content)
        assert " 7 Group 7 " in line
        assert [number for number in range(1, 10) if f" {number} " not in line] == []
        hints = str(form.query_one("#hints", Static).content).splitlines()
        assert "C command" in hints[-1]
        assert max(map(len, hints)) <= form.query_one("#hints").size.width
        for key in ("question_mark", "f1"):
            await pilot.press(key)
            await until(lambda: isinstance(app.screen, TextScreen))
            await pilot.press("escape")
            await until(lambda: app.screen is form)
        await form.validate()
        await pilot.press("n")
        name = form.query_one(Grid).key or ""
        await pilot.press("enter", "7", "question_mark")
        assert form.values[name].endswith("7?")
        await pilot.press("f1")
        await until(lambda: isinstance(app.screen, TextScreen))


async def test_field_is_as_it_was_when_escape_ends_it_and_a_form_with_errors_says_it_is_not_saved():
    """Enter keeps what was typed, Escape does not; ctrl+s goes to the field that is wrong and says so."""
    app = still(DARK, opened())
    async with app.run_test(size=(120, 36)) as pilot:
        form = await formed(app, pilot)
        await pilot.press("n")
        key = form.query_one(Grid).key or ""
        before = dict(form.values)
        await pilot.press("enter", "z", "z")
        assert form.values[key].endswith("zz")
        await pilot.press("escape")
        assert form.values == before
        await pilot.press("enter", "z", "enter")
        assert form.values[key].endswith("z")
        await pilot.press("ctrl+s")
        await until(lambda: "not saved" in str(form.query_one(".panel").border_subtitle))


async def test_form_stays_and_says_so_when_the_editor_does_not_start(monkeypatch):
    """A wrong EDITOR does not end the console."""
    app = still(DARK, opened())
    monkeypatch.setattr(app, "suspend", contextlib.nullcontext)
    monkeypatch.setenv("VISUAL", "/nowhere/editor")
    async with app.run_test(size=(120, 36)) as pilot:
        form = await formed(app, pilot)
        form.action_editor()
        assert (form.problem or "").startswith("the editor /nowhere/editor does not start")


async def test_form_asks_before_changes_are_lost():
    """Escape without a change leaves; with one it asks, n goes back to it, a second Escape leaves."""
    app = still(DARK, opened())
    async with app.run_test(size=(120, 36)) as pilot:
        form = await formed(app, pilot)
        await pilot.press("enter", "z", "enter", "escape")
        await until(lambda: isinstance(app.screen, Abandon))
        question = app.screen.query(Static).first()
        assert str(question.content) == "1 changed field is not saved: leave it?"
        await pilot.press("n")
        await until(lambda: app.screen is form)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Abandon))
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1)
        form = await formed(app, pilot)
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1)


async def test_search_of_the_form_begins_anew_and_says_when_nothing_matches():
    """What is typed takes the place of the text before; Escape ends the search and shows all."""
    app = still(DARK, opened())
    async with app.run_test(size=(120, 36)) as pilot:
        form = await formed(app, pilot)
        grid = form.query_one(Grid)
        every = list(grid.keys)
        await pilot.press("slash", *"tasks", "enter")
        assert grid.keys[0] == "tasks.max"
        assert " search: tasks " in str(form.query_one("#groups", Static).content)
        await pilot.press("slash", *"xyz")
        assert form._filter.text == "xyz"
        assert 'no option matches "xyz"; Esc shows all' in grid.render_line(1).text
        await pilot.press("escape")
        assert grid.keys == every
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1)


async def test_new_connector_names_its_plugin_when_typing_has_found_it():
    """Typing filters the plugins; the question for the name and the form tell the class."""
    classes = ("com.example.AudioSinkConnector", "com.example.VideoSinkConnector")
    listed = [{"class": name, "type": "sink", "version": "1.0"} for name in classes]
    plugin = "/connector-plugins/com.example.VideoSinkConnector/config/validate"
    told = opened()["PUT /connector-plugins/FileStreamSink/config/validate"]
    app = still(DARK, {"/connector-plugins": listed, f"PUT {plugin}": told})
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("A")
        await until(lambda: isinstance(app.screen, Pick) and app.screen.is_mounted)
        await pilot.pause()
        await pilot.press(*"xyz")
        grid = app.screen.query_one(Grid)
        assert 'nothing matches "xyz"' in grid.render_line(1).text
        await pilot.press("enter", *["backspace"] * 3, *"video")
        await until(lambda: grid.keys == [classes[1]])
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Ask) and app.screen.is_mounted)
        await pilot.pause()
        assert f"connector of {classes[1]}" in str(app.screen.query(Static).first().content)
        await pilot.press(*"clips", "enter")
        await until(lambda: isinstance(app.screen, Form) and bool(app.screen.errors))
        form = app.screen
        assert isinstance(form, Form)
        assert "New clips, VideoSink" in str(form.query_one(".panel").border_title)


def offered(**more) -> dict[str, Any]:
    """Give a form with a switch, an enumeration, a folded group and a number that has a default."""
    found = opened()
    path = "PUT /connector-plugins/FileStreamSink/config/validate"
    one = found[path]["configs"][0]
    wanted: tuple[tuple[str, str, str, str, str, list[str]], ...] = (
        ("tasks.max", "INT", "1", "HIGH", "Common", []),
        ("format", "STRING", "json", "HIGH", "Common", ["json", "avro", "parquet"]),
        ("tidy", "BOOLEAN", "false", "HIGH", "Common", []),
        ("page.size", "INT", "3", "LOW", "Rare", []),
    )
    configs = [
        {
            "definition": {
                **one["definition"],
                **dict(zip(("name", "type", "default_value"), (name, type_, value), strict=True)),
                "importance": importance,
                "group": group,
                "order_in_group": at,
            },
            "value": {**one["value"], "name": name, "recommended_values": values},
        }
        for at, (name, type_, value, importance, group, values) in enumerate(wanted)
    ]
    configs[0]["value"]["errors"] = ["at least 1"]
    for at, errors in more.items():
        configs[int(at.removeprefix("at"))]["value"]["errors"] = errors
    found[path] = {"groups": ["Common", "Rare"], "configs": configs}
    return found


async def test_field_offers_its_values_and_tab_goes_on():
    """Enter opens the list of an enumeration or a switch; a default stands in the line; Tab edits the next."""
    app = still(DARK, offered())
    async with app.run_test(size=(120, 36)) as pilot:
        form = await formed(app, pilot)
        grid = form.query_one(Grid)
        assert grid.keys == ["tasks.max", "format", "tidy"]
        await pilot.press("enter")
        assert form.query_one("#value", Input).value == "1"
        await pilot.press("tab")
        assert "tasks.max" not in form.values
        await until(lambda: form._editing == "format")
        await pilot.press("a")
        await until(lambda: form.query_one(FieldLine)._suggestion == "avro")
        await pilot.press("tab")
        assert form.values["format"] == "avro"
        await pilot.press("enter", "enter")
        await until(lambda: isinstance(app.screen, Pick) and app.screen.is_mounted)
        await pilot.pause()
        await pilot.press(*"parq", "enter")
        await until(lambda: app.screen is form)
        assert form.values["format"] == "parquet"
        await pilot.press("j", "enter")
        await until(lambda: isinstance(app.screen, Pick) and app.screen.is_mounted)
        await pilot.pause()
        await pilot.press("up", "enter")
        await until(lambda: app.screen is form)
        assert form.values["tidy"] == "true"


async def test_group_of_low_importance_says_which_key_shows_it():
    """An empty list names the key; an error in it is shown without that."""
    app = still(DARK, offered())
    async with app.run_test(size=(120, 36)) as pilot:
        form = await formed(app, pilot)
        assert form._groups == ["Common", "Rare", "Other keys"]
        await pilot.press("2")
        grid = form.query_one(Grid)
        assert "1 option of low importance: + shows" in grid.render_line(1).text
        await pilot.press("plus")
        assert grid.keys == ["page.size"]
    app = still(DARK, offered(at3=["too small"]))
    async with app.run_test(size=(120, 36)) as pilot:
        form = await formed(app, pilot)
        await pilot.press("2")
        assert form.query_one(Grid).keys == ["page.size"]
