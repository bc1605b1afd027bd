"""The console in the hand: keys, commands, tables and dialogs on a model that stands still."""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from typing import Any

from textual.geometry import Region
from textual.widgets import Input, Static

from tests.tui.still import (
    NOW_MS,
    W1,
    StillClient,
    history,
    opened,
    planned,
    settled,
    still,
    until,
)
from tui import keys
from tui.__main__ import main
from tui.app import Console
from tui.contexts import Contexts
from tui.palette import DARK
from tui.prompt import Line
from tui.screens.dialogs import Ask, Choice, Confirm, Pick, TextScreen
from tui.screens.dlq import Dlq
from tui.screens.offsets import Offsets
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
        app.view.set_filter("nosuchline")
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
        await pilot.press("1", "2", "2")
        assert app.view.grid is not None
        assert app.view.grid.id == "tab-tasks"
        await pilot.press("escape")
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
