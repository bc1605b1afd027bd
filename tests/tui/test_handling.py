"""The console in the hand: keys, commands, tables and dialogs on a model that stands still."""

from __future__ import annotations

import asyncio
import gc
import time
from functools import partial
from typing import Any

import pytest
from textual.geometry import Region
from textual.widgets import Input, Static, TextArea

from tests.tui.daemon import task_event
from tests.tui.still import (
    NOW_MS,
    W1,
    StillClient,
    history,
    open_view,
    opened,
    planned,
    queues,
    settled,
    still,
    topics,
    until,
)
from tui import keys
from tui.__main__ import main
from tui.app import Console, Line
from tui.client import ServerEvent
from tui.contexts import Contexts
from tui.palette import DARK
from tui.screens.dialogs import Abandon, Ask, Choice, Confirm, Pick, TextScreen
from tui.screens.dlq import Dlq
from tui.screens.editor import EditText
from tui.screens.form import Form
from tui.screens.offsets import Offsets
from tui.screens.topics import Topics
from tui.widgets.fieldline import FieldLine
from tui.widgets.frame import Pane
from tui.widgets.grid import Grid


async def test_action_takes_another_key_when_the_file_gives_one(tmp_path):
    """The key of the config file works, the usual one no longer does; help shows the new one."""
    file = tmp_path / "contexts.toml"
    file.write_text('[keys]\nhelp = "H"\nnext_tab = "ctrl+n"\n')
    app = still(DARK)
    app.scene.keymap = keys.remapped(Contexts(file, {}).keys)
    app.set_keymap(app.scene.keymap)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("question_mark")
        assert not isinstance(app.screen, TextScreen)
        await pilot.press("H")
        await until(lambda: isinstance(app.screen, TextScreen))
        screen = app.screen
        assert isinstance(screen, TextScreen)
        assert "ctrl+n" in screen.text.plain
        assert " H help" in str(app._shown["keys"])


async def test_completion_is_taken_when_tab_is_pressed():
    """Tab writes the rest of the command."""
    app = still(DARK)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("colon", "w")
        await until(lambda: app.query_one(Line)._suggestion == "workers")
        await pilot.press("tab", "enter")
        await until(lambda: app.view.NAME == "Workers")


async def test_pane_has_the_whole_screen_when_zoomed():
    """Plus gives the pane with the keys all room, Escape takes it back."""
    app = still(DARK)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        grid = app.view.grid
        assert grid is not None
        before = grid.size.height
        await pilot.press("plus")
        await until(lambda: grid.size.height > before)
        await pilot.press("escape")
        await until(lambda: grid.size.height == before)


async def test_generations_are_stepped_through_when_brackets_are_pressed():
    """The newest stands first: the one before is below it, the next one above."""
    app = still(DARK)
    async with app.run_test(size=(120, 36)) as pilot:
        await app.complete.wait()
        await pilot.press("4")
        grid = app.view.query_one("#generations", Grid)
        await until(lambda: len(grid.keys) > 2)
        newest, older = grid.keys[:2]
        await pilot.press("left_square_bracket")
        assert grid.key == older
        await pilot.press("right_square_bracket")
        assert grid.key == newest


async def test_key_explains_instead_of_acting_when_the_role_is_too_low():
    """A viewer's p changes nothing; the key bar shows such keys paler, the title RO."""
    app = still(DARK, {"/whoami": {"principal": "ana", "user": "ana", "role": "view"}})
    async with app.run_test(size=(120, 36)) as pilot:
        await until(lambda: app.scene.who)
        await pilot.press("p")
        await until(lambda: "needs the role operate" in str(app._said))
        assert " RO " in str(app._shown["title"])
        client = app.scene.client
        assert isinstance(client, StillClient)
        assert client.changes == []


async def test_table_says_that_it_asks_when_no_answer_has_come_yet(monkeypatch):
    """An empty table tells that there is nothing only once the daemon has said so."""
    app = still(DARK, {"/lag": []})
    client, get = app.scene.client, app.scene.client.request
    answer = asyncio.Event()

    async def slow(method, path, body=None):
        if path.endswith("/lag"):
            await answer.wait()
        return await get(method, path, body)

    monkeypatch.setattr(client, "request", slow)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("5")
        await until(lambda: isinstance(app.view, Offsets) and app.view.table.asks)
        assert isinstance(app.view, Offsets)
        table = app.view.table
        assert "asking the daemon" in table.render_line(1).text
        answer.set()
        await until(lambda: not table.asks)
        assert "No offsets yet" in table.render_line(1).text


async def test_layout_follows_when_the_terminal_changes_its_size():
    """At 80 columns the side goes and frames lose their sides, also below a dialog; at 120 all comes back."""
    app = still(DARK)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        side, grid = app.view.query_one(".side"), app.view.grid
        assert side.display
        assert grid is not None
        await pilot.resize_terminal(80, 24)
        await until(lambda: not side.display and grid.size.width >= 78)
        assert grid.styles.border.left[0] == ""
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, TextScreen))
        await pilot.resize_terminal(120, 36)
        await pilot.press("escape")
        await until(lambda: side.display and bool(grid.styles.border.left[0]))


async def test_queue_is_opened_when_a_command_names_it_or_its_connector():
    """:dlq takes the topic or the connector; what is neither filters the letters."""
    shared = {"exists": True, "discarded": 0, "last_ms": NOW_MS, "empty_since_ms": None}
    found = [
        {**shared, "topic": f"dlq.{at}", "connectors": [f"sink-{at}"], "records": 1, "new_1h": at}
        for at in range(3)
    ]
    app = still(DARK, {"/dlq": found})
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await until(lambda: app.scene.queues)
        for line, topic, text in (
            ("dlq sink-1", "dlq.1", ""),
            ("dlq dlq.0", "dlq.0", ""),
            ("dlq n/a", "dlq.0", "n/a"),
        ):
            await pilot.press("colon", *line, "enter")
            await until(lambda: isinstance(app.view, Dlq))
            assert isinstance(app.view, Dlq)
            view = app.view
            await until(partial(is_open, view, topic))
            assert view.filter.text == text


def is_open(view: Dlq, topic: str) -> bool:
    return view.topic == topic


async def test_change_is_asked_without_a_plan_when_the_daemon_gives_none():
    """An older daemon, or one that is slow, is no reason not to ask."""
    app = still(DARK)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("x")
        await until(lambda: len(app.screen_stack) == 2)
        assert isinstance(app.screen, Confirm)
        assert "configuration and offsets stay" in app.screen.text.plain
        assert "PUT /connectors/orders-0/stop" in app.screen.text.plain


async def test_change_is_refused_when_its_plan_says_so():
    """What the daemon would not do is said and not asked."""
    refused = "Connector orders-0 is defined in the file /etc/a.json of host."
    app = still(DARK, {"POST /plan": {**planned(), "refused": refused}})
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("D")
        await until(lambda: app._said is not None and app._said[0] == refused)
        assert len(app.screen_stack) == 1


async def test_head_keeps_both_lines_when_a_connector_has_many_topics():
    """What is too long is cut: rate and lag stay in the second line; whose worker is told is said."""
    app = still(DARK, opened())
    model = app.scene.model
    topics = tuple(f"orders-of-a-long-name-{number}" for number in range(20))
    known = model.connectors["orders-0"]._replace(topics=topics, worker=W1)
    model.connectors["orders-0"] = known
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.open_connector("orders-0")
        await settled(pilot)
        head = app.view.query_one("#detail-head", Static).render_lines(Region(0, 0, 80, 2))
        first, second = (strip.text for strip in head)
        assert "connector on w1" in first
        assert "topics orders-of" in first
        assert "rec/s" in second


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_form_shows_all_groups_and_answers_digits_and_help(size):
    """A digit goes to its group, ? and F1 explain; in a field both signs are typed, and F1 explains still."""
    app = still(DARK, opened())
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press("2", "e")
        await until(lambda: isinstance(app.screen, Form) and bool(app.screen.errors))
        form = app.screen
        assert isinstance(form, Form)
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


async def test_topic_of_a_connector_is_told_and_opened():
    """Below the tab's list stands what the cluster knows of the topic; Enter goes to its records."""
    used = {"/connectors/orders-0/topics": {"orders-0": {"topics": ["gone", "orders"]}}}
    app = still(DARK, {**opened(), **topics(), **used})
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_connector("orders-0", "Topics")
        pane = app.view.query_one("#detail-text", Pane)
        await until(lambda: "no such topic" in pane.text)
        await pilot.press("j")
        await until(lambda: "partitions  6" in pane.text)
        assert "read by     orders-0" in pane.text
        await pilot.press("enter")
        await until(lambda: app.view.NAME == "Topics")
        await until(lambda: len(app.view.query_one("#records-grid", Grid).keys) > 1)


async def test_table_takes_other_keys_when_they_are_given():
    """Moving in a table is remapped like any other action."""
    app = still(DARK)
    app.set_keymap(keys.remapped({"row_down": "ctrl+n"}))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        grid = app.view.grid
        assert grid is not None
        first = grid.key
        await pilot.press("ctrl+n")
        await until(lambda: grid.key != first)
        second = grid.key
        await pilot.press("j")
        assert grid.key == second


async def test_field_is_as_it_was_when_escape_ends_it_and_a_form_with_errors_says_it_is_not_saved():
    """Enter keeps what was typed, Escape does not; ctrl+s goes to the field that is wrong and says so."""
    app = still(DARK, opened())
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("2", "e")
        await until(lambda: isinstance(app.screen, Form) and bool(app.screen.errors))
        form = app.screen
        assert isinstance(form, Form)
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


async def formed(app, pilot) -> Form:
    """Open the form of the first connector."""
    await settled(pilot)
    await pilot.press("2", "e")
    await until(lambda: isinstance(app.screen, Form) and bool(app.screen.errors))
    form = app.screen
    assert isinstance(form, Form)
    return form


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


async def test_restart_is_not_sent_when_the_connector_rests():
    """What is paused is resumed by p; a failed task of it is restarted after a word on what that means."""
    app = still(DARK)
    model = app.scene.model
    for at, state in ((0, "PAUSED"), (1, "STOPPED")):
        name = f"orders-{at}"
        model.connectors[name] = model.connectors[name]._replace(state=state)
    model.tasks["orders-0:1"] = model.tasks["orders-0:1"]._replace(state="PAUSED")
    client = app.scene.client
    assert isinstance(client, StillClient)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert app.view.grid is not None
        app.view.grid.go_to("orders-0:1")
        await pilot.press("r")
        present = "p resumes it (with the present configuration)"
        await until(lambda: app._said is not None)
        assert app._said is not None
        assert app._said[0] == f"orders-0 is paused: {present}"
        app.view.grid.go_to("orders-1:1")
        await pilot.press("r")
        await until(lambda: app._said is not None and "orders-1 is stopped" in app._said[0])
        assert client.changes == []
        app.view.grid.go_to("orders-0:0")
        await pilot.press("r")
        await until(lambda: isinstance(app.screen, Confirm) and app.screen.is_mounted)
        assert isinstance(app.screen, Confirm)
        assert "paused, and stays so" in app.screen.text.plain
        await pilot.press("y")
        await until(lambda: client.changes)
        assert client.changes[0][1] == "/connectors/orders-0/tasks/0/restart"


async def test_key_bar_comes_back_when_a_key_is_pressed_or_the_view_changes():
    """What was done is said in plain words until the next key; what failed until the view changes."""
    app = still(DARK, {"PUT /connectors/orders-0/pause": {}})
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert app.view.grid is not None
        app.view.grid.go_to("orders-0:2")
        await pilot.press("p")
        await until(lambda: "paused orders-0  u undoes" in str(app._shown["keys"]))
        await pilot.press("j")
        app.flush()
        assert "Enter open" in str(app._shown["keys"])
        app.say("it failed", "red")
        await pilot.press("j")
        app.flush()
        assert "it failed" in str(app._shown["keys"])
        await pilot.press("3")
        app.flush()
        assert "Enter open" in str(app._shown["keys"])


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


async def test_level_is_set_on_a_known_logger_and_told_with_its_end():
    """Loggers that wrote or have a level are offered, DEBUG first; the line says until when."""
    answers = {
        "/admin/loggers": {"root": {"level": "INFO", "last_modified": None}},
        "PUT /loggers/org.apache.kafka.connect.runtime.WorkerTask": {"before": "INFO"},
    }
    app = still(DARK, answers)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("9")
        await settled(pilot)
        assert "newest last" in str(app.view.query_one("#logs-grid", Grid).border_title)
        await pilot.press("L")
        await until(lambda: isinstance(app.screen, Pick) and app.screen.is_mounted)
        await pilot.pause()
        dialog = app.screen
        assert isinstance(dialog, Pick)
        assert "org.apache.kafka.connect" in dialog.options
        await pilot.press(*"worktsk", "enter")
        assert app.screen is dialog
        await pilot.press(*["backspace"] * 7, *"workertask", "enter")
        await until(lambda: isinstance(app.screen, Choice) and app.screen is not dialog)
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("enter")
        await until(lambda: app._said is not None and "at DEBUG until" in app._said[0])
        assert app._said is not None
        assert app._said[0].endswith("WorkerTask at DEBUG until 14:23, then INFO")


async def test_lower_pane_is_empty_when_no_line_matches():
    """What the filter leaves nothing of is no longer told below."""
    app = still(DARK)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("9")
        await settled(pilot)
        pane = app.view.query_one("#logline", Pane)
        await until(lambda: pane.text)
        app.view.set_filter("level:debug")
        await until(lambda: not pane.text)


async def test_rows_are_written_where_the_user_says(tmp_path):
    """E asks for the file, and writes over none."""
    app = still(DARK)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for said in ("20 rows in ", "writing "):
            await pilot.press("E")
            await until(lambda: isinstance(app.screen, Ask) and app.screen.is_mounted)
            await pilot.pause()
            line = app.screen.query_one(Input)
            assert "ingest-overview-" in line.value
            line.value = str(tmp_path / "rows.jsonl")
            await pilot.press("enter")
            await until(partial(says, app, said))
        assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 20


def says(app, text: str) -> bool:
    return app._said is not None and text in app._said[0]


async def test_candidates_stand_beside_the_command_while_it_is_typed():
    """Views and connectors are shown by the letters so far; a connector's name alone opens it."""
    app = still(DARK)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("colon", "o")
        offers = app.query_one("#offers", Static)
        await until(lambda: "overview  offsets  orders-0" in str(offers.content))
        await pilot.press(*"rders-2", "enter")
        await until(lambda: app.view.NAME == "Connectors" and app.view.grid is not None)
        await until(lambda: app.view.grid is not None and app.view.grid.id == "tab-tasks")
        await pilot.press("1", "2")
        assert app.view.grid is not None
        assert app.view.grid.id == "tab-tasks"
        await pilot.press("2")
        await until(lambda: app.view.grid is not None and app.view.grid.id == "connectors-grid")


async def test_cursor_stands_on_a_connector_as_soon_as_it_is_there():
    """What was just created is pointed at in the list, whatever view it was created from."""
    app = still(DARK)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        model = app.scene.model
        app.point_at("orders-9")
        await until(lambda: app.view.NAME == "Connectors")
        model.connectors["orders-9"] = model.connectors["orders-0"]._replace(name="orders-9")
        app.view.refilter()
        assert app.view.grid is not None
        assert app.view.grid.key == "orders-9"
        app.flush()
        bar = str(app._shown["keys"])
        assert [
            key for key in ("e edit", "A add", "D delete", "? ", " q ") if key not in bar
        ] == []


async def test_present_revision_is_not_offered_to_be_applied():
    """On the newest revision u says that it is so already; an older one is offered."""
    more = {**opened(), "/connectors/orders-0/history": history()}
    app = still(DARK, more)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_connector("orders-0", "History")
        pane = app.view.query_one("#detail-text", Pane)
        await until(lambda: "by  ana" in pane.text)
        assert "u applies" not in pane.text
        await pilot.press("u")
        await until(partial(says, app, "this is the present configuration"))
        await pilot.press("j")
        await until(lambda: "u applies this revision" in pane.text)


def two_topics() -> dict[str, Any]:
    """Give two topics whose records stand at different places; what follows the first one is newer."""
    found = topics()
    found["/topics"] = found["/topics"][:2]
    shared = found["/topics/orders/records"][0]
    found["/topics/orders/records"] = [
        {**shared, "partition": 0, "offset": at} for at in (1311, 1310)
    ]
    found["/topics/orders-returns/records"] = [{**shared, "partition": 1, "offset": 7}]
    return found


async def test_other_topic_is_peeked_at_after_the_first_one_was_left():
    """Its own records stand there, of the one before none; the same topic opens again after F as well."""
    app = still(DARK, two_topics())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 7)
        grid = app.view.query_one("#records-grid", Grid)
        await pilot.press("enter")
        await until(lambda: grid.keys == ["0@1311", "0@1310"])
        await pilot.press("escape", "j", "enter")
        await until(lambda: grid.keys == ["1@7"])
        await pilot.press("F", "escape", "enter")
        await until(lambda: grid.keys == ["1@7"])
        app.open_topic("orders")
        await pilot.pause()
        await until(lambda: grid.keys == ["0@1311", "0@1310"])


async def test_row_is_empty_when_the_view_has_given_it_up():
    """A table that is drawn before it has heard of the new rows draws, and the console goes on."""
    app = still(DARK, two_topics())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 7)
        assert isinstance(app.view, Topics)
        await pilot.press("enter")
        grid = app.view.query_one("#records-grid", Grid)
        await until(lambda: len(grid.keys) == 2)
        app.view.records = {}
        grid.refresh()
        await pilot.press("j", "enter", "y")
        assert grid.render_line(1).text.strip() == ""
        assert app.is_running


def test_console_ends_with_another_code_than_zero_when_an_error_ends_it(monkeypatch, capsys):
    """What started it can tell that it did not end because somebody left it."""

    class Ending(Console):
        def flush(self) -> None:
            raise RuntimeError("no such thing")

        def run(self, **_more: Any) -> str | None:
            return super().run(headless=True)

    monkeypatch.setattr("tui.app.Console", Ending)
    try:
        assert main(["--url", "http://127.0.0.1:1", "--browser"]) == 1
    finally:
        gc.enable()
    assert "no such thing" in capsys.readouterr().err


async def test_records_are_unfiltered_when_the_list_is_filtered():
    """The list's filter is there again on the way back; what `t` of a connector filters is the list."""
    app = still(DARK, two_topics())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 7)
        grid = app.view.query_one("#records-grid", Grid)
        await pilot.press("slash", *"returns", "enter", "enter")
        await until(lambda: grid.keys == ["1@7"])
        assert app.view.filter.text == ""
        await pilot.press("slash", *"nothing", "enter")
        await until(lambda: grid.keys == [])
        await pilot.press("escape")
        await until(lambda: grid.keys == ["1@7"])
        await pilot.press("escape")
        assert app.view.filter.text == "returns"
        assert app.view.query_one("#topics-grid", Grid).keys == ["orders-returns"]
        await pilot.press("enter", "2", "t")
        await until(lambda: app.view.NAME == "Topics")
        assert isinstance(app.view, Topics)
        assert app.view.topic == ""
        assert app.view.filter.text.startswith("orders-")


async def test_records_of_a_connector_lead_back_to_it():
    """Escape in records that a connector's tab opened shows that tab, at its row."""
    used = {"/connectors/orders-0/topics": {"orders-0": {"topics": ["orders", "orders-returns"]}}}
    app = still(DARK, {**opened(), **two_topics(), **used})
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_connector("orders-0", "Topics")
        await until(lambda: app.view.grid is not None and len(app.view.grid.keys) == 2)
        await pilot.press("j", "enter")
        await until(lambda: app.view.NAME == "Topics")
        await until(lambda: app.view.query_one("#records-grid", Grid).keys == ["1@7"])
        await pilot.press("1", "7", "escape")
        await until(lambda: app.view.NAME == "Connectors")
        await until(lambda: app.view.grid is not None and app.view.grid.key == "orders-returns")


async def test_offsets_say_that_they_are_limited_and_their_number_shows_all():
    """What `o` limits the view to stands in the frame; a sink that has committed nothing has its partitions."""
    figures = {"orders-3-0": {"partitions": "orders/0 orders/1"}, "orders-1-0": {}}
    app = still(DARK, {"/metrics": figures})
    app.scene.model.connectors["orders-3"] = app.scene.model.connectors["orders-3"]._replace(
        kind="sink"
    )
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_connector("orders-3")
        await pilot.press("o")
        await until(lambda: isinstance(app.view, Offsets))
        assert isinstance(app.view, Offsets)
        table = app.view.table
        await until(lambda: len(table.keys) == 2)
        assert table.texts(table.keys[0])["committed"] == "-"
        assert str(table.border_subtitle) == "connector: orders-3, Esc shows all"
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Choice))
        assert isinstance(app.screen, Choice)
        assert list(app.screen.options) == ["to", "forget"]
        await pilot.press("escape", "2", "escape", "5")
        await until(lambda: len(table.keys) > 2)
        assert not table.border_subtitle
        app.view.limit("connector", "orders-2")
        assert "orders-2 has committed nothing yet" in table.empty
        await pilot.press("e")
        await until(lambda: "nothing to alter: orders-2" in str(app._said))
        await pilot.press("escape")
        await until(lambda: len(table.keys) > 2)


async def test_preview_is_of_the_offset_that_the_new_one_was_reckoned_from():
    """The offset is read again when the question opens; what is committed meanwhile is told apart."""
    app = still(DARK)
    client = app.scene.client
    assert isinstance(client, StillClient)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 5)
        row = client.answers["/lag"][0]
        place = row["partition"]
        row = {**row, "committed": {"kafka_offset": 3202}}
        client.answers["/lag"] = [row]
        previewed = {
            "partition": place,
            "from": {"kafka_offset": 3235},
            "to": {"kafka_offset": 3152},
            "direction": "again",
            "events": 83,
            "bytes": None,
            "eta_s": 8.3,
            "checks": [],
        }
        client.answers["/connectors/orders-0/offsets/preview"] = {
            "offsets": [previewed],
            "checks": [],
        }
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Choice))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Ask))
        assert isinstance(app.screen, Ask)
        assert "back from the committed offset 3202" in app.screen._text
        await pilot.press("5", "0", "enter")
        await until(lambda: isinstance(app.screen, Confirm))
        assert isinstance(app.screen, Confirm)
        asked = client.changes[-1][2]["offsets"]
        assert asked == [{"partition": place, "offset": {"kafka_offset": 3152}}]
        told = app.screen.text.plain
        assert "from 3202  to 3152\n  = 50 events again, about 5s at 10.0/s" in told
        assert "3235 is committed by now: 33 more come again" in told


async def test_records_go_on_from_the_newest_row_when_the_topic_is_followed():
    """What came between the peek and F is there; of what the daemon left out a row says how many."""
    found = two_topics()
    shared = found["/topics/orders/records"][0]
    path = "/appliance/v1/topics/orders/records?follow=true&as=auto"
    record = ServerEvent(None, "record", {**shared, "offset": 1320, "ts": NOW_MS})
    found[f"STREAM {path}"] = [None, ServerEvent(None, "skipped", {}), record]
    app = still(DARK, found)
    client = app.scene.client
    assert isinstance(client, StillClient)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 7)
        grid = app.view.query_one("#records-grid", Grid)
        await pilot.press("enter")
        await until(lambda: grid.keys == ["0@1311", "0@1310"])
        client.answers["/topics/orders/records"] = [
            {**shared, "offset": at} for at in (1313, 1312, 1311)
        ]
        await pilot.press("F")
        await until(lambda: len(grid.keys) > 2)
        assert grid.keys == ["0@1320", "0@1314", "0@1313", "0@1312", "0@1311", "0@1310"]
        passed = grid.texts("0@1314")["value"]
        assert passed.startswith("6 passed over: offset 1314 to 1319")
        await pilot.press("g", "j")
        assert app.view.query_one("#record", Pane).text.startswith("6 passed over")
        assert len(app.view.exported()) == 5


def mended() -> dict[str, Any]:
    """Give what a replay of a letter answers."""
    found = queues()
    for one in found["/dlq/dlq.orders-0/records"]:
        one["value"] = {**one["value"], "bytes_b64": "bi9h"}
    dry = {"decode": 1, "still_failing": 0, "without_origin": 0, "failures": []}
    job = {"id": "replay-1", "state": "done", "total": 1, "done": 1, "failed": 0, "error": None}
    replay = {**dry, **job, "targets": {"dlq.orders-0.retry": 1}}
    config = {"name": "orders-0", "topics": "orders"}
    return {
        **found,
        "POST /dlq/dlq.orders-0/replay": replay,
        "/connectors/orders-0/config": config,
    }


async def test_edited_payload_is_kept_when_it_is_not_sent_yet():
    """Escape at the question keeps it for the next R; the dry run is in words, the end tells who has it."""
    app = still(DARK, mended())
    client = app.scene.client
    assert isinstance(client, StillClient)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        for step in ("escape", "down"):
            await pilot.press("R")
            await until(lambda: isinstance(app.screen, EditText))
            area = app.screen.query_one(TextArea)
            if step == "escape":
                assert area.text == "n/a"
                area.text = "12.5"
            assert area.text == "12.5"
            await pilot.press("ctrl+s")
            await until(lambda: isinstance(app.screen, Choice))
            await pilot.press(step)
            if step == "escape":
                await until(lambda: "R goes on with the edited payload of 0:0" in str(app._said))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Confirm))
        assert isinstance(app.screen, Confirm)
        told = app.screen.text.plain
        assert "reads the retry topic too: topics=orders,dlq.orders-0.retry" in told
        assert "{" not in told
        await pilot.press("y")
        await until(lambda: "the broker has acknowledged 1 of 1" in str(app._said))
        sent = [body for method, path, body in client.changes if path.endswith("/replay")][-1]
        assert sent["edits"] == {"0:0": "12.5"}


async def test_letter_shows_what_the_connector_wrote_beside_its_own_headers():
    """The context headers stand in their own group, under their own names."""
    app = still(DARK, queues())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("left_square_bracket")
        pane = app.view.query_one("#letter", Pane)
        lines = [line.split(maxsplit=1) for line in pane.text.splitlines()]
        assert ["trace", "a1"] in lines
        assert ["__connect.errors.topic", "orders"] in lines
        exception = "org.apache.kafka.connect.errors.DataException"
        assert ["__connect.errors.exception.class.name", exception] in lines
        assert ["__connect.errors.task.id", "0"] in lines


async def test_queue_is_not_there_yet_when_nothing_was_written_into_it():
    """That is not a queue with 0 records; at 80 columns the keys that act on letters stay in the bar."""
    found = queues()
    (queue,) = found["/dlq"]
    later = {**queue, "topic": "dlq.later", "exists": False, "records": 0, "new_1h": 0}
    found["/dlq"] = [queue, {**later, "last_ms": None}]
    app = still(DARK, found)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_view(pilot, 6)
        assert isinstance(app.view, Dlq)
        keys_shown = str(app._shown["keys"])
        assert [
            key for key in (" r replay", " R edit+", " D discard") if key not in keys_shown
        ] == []
        table = app.view.table
        assert "t shows 1 other queue" in str(table.border_subtitle)
        listed = app.view.query_one("#queues", Grid).texts("dlq.later")
        assert listed["dlq topic"] == "dlq.later not there yet"
        assert listed["recs"] == "-"
        app.view.open_named("dlq.later")
        app.scene.client.answers["/dlq/dlq.later/records"] = []  # type: ignore[attr-defined]
        await settled(pilot)
        await until(lambda: str(table.border_title) == "dlq.later  not there yet")
        assert "first dead letter makes it" in table.empty


@pytest.mark.parametrize("tab", ["Tasks", "States"])
async def test_record_that_a_trace_names_is_read_by_enter(tab):
    """Above the trace stands which record it was; Enter shows it, Escape the trace again."""
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n"
        "\tof stage VALUE_CONVERTER, consumed record is {topic='orders', partition=0, "
        "offset=1310, timestamp=1001, timestampType=CreateTime}\nCaused by: no\n"
    )
    path = "/connectors/orders-0"
    change = {"id": 4, "ts": NOW_MS, "type": "task", "key": "orders-0-0", "worker": W1}
    tasks = [{"id": 0, "state": "FAILED", "worker_id": W1, "trace": trace}]
    more = {
        f"{path}/status": {"tasks": tasks},
        f"{path}/transitions": [{**change, "to": "FAILED", "trace": trace}],
    }
    app = still(DARK, {**opened(), **two_topics(), **more}, failed=1)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.scene.model.apply(9, "task", task_event("orders-0-0", "FAILED", "no"))
        app.open_connector("orders-0", tab)
        pane = app.view.query_one("#detail-text", Pane)
        await until(lambda: pane.text.startswith("record orders/0@1310: Enter reads it\n"))
        await pilot.press("enter")
        await until(lambda: app.view.NAME == "Topics")
        grid = app.view.query_one("#records-grid", Grid)
        await until(lambda: len(grid.keys) == 2)
        assert isinstance(app.view, Topics)
        asked = app.view._path(f"from={app.view.start}")
        assert asked.endswith("/topics/orders/records?from=1310&as=auto&partition=0")
        assert "of partition 0, from 1310" in str(grid.border_title)
        await pilot.press("escape")
        await until(lambda: pane.text.startswith("record orders/0@1310"))
        assert app.view.NAME == "Connectors"


async def test_rejected_records_are_counted_and_changes_of_state_tell_the_second():
    """A record that the task itself rejects is an error and no failed operation."""
    figures = {"0": {"total-record-failures": 0, "total-record-errors": 3}}
    path = "/connectors/orders-0"
    change = {"id": 4, "ts": NOW_MS, "type": "connector", "key": "orders-0", "worker": W1}
    more = {f"{path}/metrics": figures, f"{path}/transitions": [{**change, "to": "RUNNING"}]}
    app = still(DARK, {**opened(), **more})
    async with app.run_test(size=(140, 36)) as pilot:
        await settled(pilot)
        app.open_connector("orders-0")
        await until(lambda: app.view.grid is not None and app.view.grid.keys)
        grid = app.view.grid
        assert grid is not None
        await until(lambda: grid.texts("0")["rejected"] == "3")
        app.open_connector("orders-0", "States")
        states = app.view.query_one("#tab-states", Grid)
        await until(lambda: states.keys == ["4"])
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(NOW_MS / 1000))
        assert states.texts("4")["when"] == when
