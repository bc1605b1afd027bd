"""What the console says of itself: filter and order in the title, empty lists, where keys lead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.binding import Binding
from textual.geometry import Region
from textual.widgets import Input

from tests.tui import daemon
from tests.tui.still import StillClient, open_view, opened, queues, settled, still, topics, until
from tui import keys
from tui.app import Console
from tui.client import Client, ServerEvent, UnreachableError
from tui.contexts import ContextError, Contexts
from tui.feed import Feed
from tui.model import Model
from tui.palette import ANSI, DARK, chosen
from tui.prompt import Line
from tui.screens.dialogs import Abandon, Ask, Choice, Confirm, Dialog, Pick, TextScreen
from tui.screens.dlq import LetterGrid
from tui.screens.editor import EditText
from tui.screens.finder import Finder
from tui.screens.form import Form
from tui.screens.topics import Topics
from tui.text import shortened
from tui.widgets.fieldline import FieldLine
from tui.widgets.frame import Box, Pane
from tui.widgets.grid import Grid

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])


def title(grid: Grid) -> str:
    """Give the upper edge of a table as it is drawn."""
    return grid.render_lines(Region(0, 0, grid.outer_size.width, 1))[0].text


def said(app: Any) -> str:
    """Give the sentence that stands where the keys do."""
    return "" if app._said is None else app._said[0]


def table(app: Any, name: str = "") -> Grid:
    found = app.view.query_one(f"#{name}", Grid) if name else app.view.grid
    assert isinstance(found, Grid)
    return found


@SIZES
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 8, 9])
async def test_filter_stands_in_the_title_of_every_view(number, size):
    """Who sees few rows sees why, in a small terminal too; Escape takes it away."""
    app = still(DARK, {**queues(), **topics()})
    async with app.run_test(size=size) as pilot:
        await open_view(pilot, number)
        app.view.set_filter("nosuchrow")
        name = "generations" if number == 4 else ""
        await until(lambda: "/nosuchrow" in title(table(app, name)))
        grid = table(app, name)
        assert "…" not in title(grid)
        if number < 4:
            assert "sort: problems first" in title(grid)
        assert grid.empty == "nothing matches nosuchrow; Esc clears it"
        await pilot.press("escape")
        await until(lambda: "/nosuchrow" not in title(table(app, name)))


@SIZES
async def test_filter_and_order_stand_in_the_title_of_a_connector_s_tab(size):
    """A tab has a filter of its own: that of the list is not taken along, and is there again after it."""
    app = still(DARK, opened())
    async with app.run_test(size=size) as pilot:
        await open_view(pilot, 2)
        app.view.set_filter("orders-0")
        await pilot.press("enter")
        await until(lambda: table(app).id == "tab-tasks")
        assert "/orders-0" not in title(table(app))
        app.view.set_filter("state:stopped")
        await until(lambda: "/state:stopped" in title(table(app)))
        assert table(app).empty == "nothing matches state:stopped; Esc clears it"
        await pilot.press("escape", "s", "s", "S")
        await until(lambda: "sort: task, reversed" in title(table(app)))
        assert table(app).keys == ["4", "3", "2", "1", "0"]
        await pilot.press("escape")
        await until(lambda: table(app).id == "connectors-grid")
        assert table(app).keys == ["orders-0"]


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_list_says_that_there_are_no_problems_when_all_is_well(number):
    """With z on a healthy list nobody is told to add a connector."""
    app = still(DARK, None, failed=0)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_view(pilot, number)
        await pilot.press("z")
        await until(lambda: not table(app).keys)
        assert table(app).empty == "no problems; z shows all"


async def test_workers_and_queues_are_sorted_when_s_is_pressed():
    """Every list that has columns to choose from takes s and S; others say why they do not."""
    found = queues()
    found["/dlq"] += [{**found["/dlq"][0], "topic": "dlq.a", "records": 2}]
    app = still(DARK, found)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 4)
        members = table(app, "members")
        members.focus()
        before = list(members.keys)
        await pilot.press("s", "s", "S")
        await until(lambda: members.keys == before[::-1])
        await open_view(pilot, 6)
        grid = table(app, "queues")
        grid.focus()
        await pilot.press("s")
        await until(lambda: grid.keys == ["dlq.a", "dlq.orders-0"])
        await open_view(pilot, 9)
        await pilot.press("s")
        assert "log lines stand in the order of time" in said(app)
        assert table(app).order == ""


async def test_rows_stay_where_they_are_while_keys_arrive():
    """A list is put in order again two seconds after the last key, not under the user's hand."""
    app = still(DARK, None, failed=0)
    now_s = [daemon.NOW_S]
    app.scene.clock = lambda: now_s[0]
    async with app.run_test(size=(80, 24)) as pilot:
        await open_view(pilot, 3)
        app.scene.model.apply(9, "task", daemon.task_event("orders-2-1", "FAILED", "Boom"))
        now_s[0] += 3
        await pilot.press("j")
        app.flush()
        assert table(app).keys[0] == "orders-0:0"
        app.scene.model.dirty.add("orders-2:1")
        now_s[0] += 3
        app.flush()
        assert table(app).keys[0] == "orders-2:1"


async def test_next_problem_comes_round_when_the_last_one_is_passed():
    """N and shift+N go from one failed task to the next and wrap; with a filter they take every row."""
    app = still(DARK)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_view(pilot, 3)
        seen = []
        for _ in range(4):
            await pilot.press("n")
            seen.append(table(app).key)
        assert seen == ["orders-0:1", "orders-3:4", "orders-0:0", "orders-0:1"]
        await pilot.press("N", "N")
        assert table(app).key == "orders-3:4"
        app.view.set_filter("connector:orders-2")
        await pilot.press("n", "n")
        assert table(app).key == "orders-2:4"
        await pilot.press("n")
        assert table(app).key == "orders-2:0"


async def test_cursor_of_a_line_does_not_blink():
    """Nothing on the screen changes by itself."""
    app = still(DARK)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("slash")
        await until(lambda: app.query_one("#line", Input).has_focus)
        await pilot.pause()
        assert not app.query_one("#line", Input).cursor_blink


async def test_command_line_does_what_its_verbs_say():
    """Verbs act on the connector named, tabs and records open, and what is unknown is told what there is."""
    app = still(DARK, {**opened(), **topics(), "PUT /connectors/orders-2/pause": {}})
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.obey("pause orders-2")
        client = app.scene.client
        assert isinstance(client, StillClient)
        await until(lambda: client.changes)
        assert client.changes == [("PUT", "/connectors/orders-2/pause", None)]
        app.obey("stop orders-1 orders-2")
        await until(lambda: isinstance(app.screen, Confirm))
        await pilot.pause()
        await pilot.press("escape")
        app.obey("resume nobody")
        await until(lambda: "no connector 'nobody'" in said(app))
        app.obey("history orders-0")
        await until(lambda: app.view.NAME == "Connectors" and table(app).id == "tab-history")
        app.obey("record orders 2@88119")
        await until(lambda: isinstance(app.view, Topics) and app.view.partition == 2)
        app.obey("frobnicate")
        await until(lambda: "no command 'frobnicate'" in said(app))
        assert "resume" in said(app)
        app.obey("contexts")
        await until(lambda: "no contexts" in said(app))


async def test_raw_row_of_a_tab_is_shown_when_y_is_pressed():
    """Within a connector y shows the task with its whole trace, not the connector."""
    app = still(DARK, opened())
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_connector("orders-0")
        await settled(pilot)
        await pilot.press("y")
        await until(lambda: isinstance(app.screen, TextScreen))
        assert isinstance(app.screen, TextScreen)
        assert "Caused by: org.apache" in app.screen.text.plain
        assert '"number": 0' in app.screen.text.plain


async def test_only_the_table_with_the_keys_has_a_cursor():
    """Of two tables beside each other one shows where keys go."""
    app = still(DARK.with_glyphs(ascii=True), queues())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        first, second = table(app, "letters"), table(app, "queues")
        assert first.render_line(1).text.startswith(">")
        assert second.render_line(1).text.startswith(" ")
        second.focus()
        await pilot.pause()
        assert first.render_line(1).text.startswith(" ")
        assert second.render_line(1).text.startswith(">")


async def test_newest_record_stays_chosen_while_a_topic_is_followed():
    """Who stands on the first row reads what comes; who stands elsewhere keeps their record."""
    app = still(DARK, topics())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 7)
        await pilot.press("enter")
        await settled(pilot)
        view = app.view
        assert isinstance(view, Topics)
        view.following = app.run_worker(asyncio.sleep(60))
        record = next(iter(view.records.values()))

        def comes(offset: int) -> None:
            view.records = {f"2@{offset}": {**record, "offset": offset}, **view.records}
            view.refilter()

        comes(90_000)
        assert table(app).key == "2@90000"
        await pilot.press("j")
        kept = table(app).key
        comes(90_001)
        assert table(app).key == kept


async def test_stopped_connector_keeps_its_row_when_its_offsets_are_gone():
    """After a reset there is something for p to act on, and the overview counts what is stopped."""
    app = still(DARK, {"/lag": []})
    model = app.scene.model
    model.connectors["orders-1"] = model.connectors["orders-1"]._replace(state="STOPPED")
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        health = app.query_one("#health", Box).text
        assert "4 connectors, 1 stopped" in health
        await open_view(pilot, 5)
        await until(lambda: table(app).keys)
        assert "p lets it run" in table(app).texts(table(app).keys[0])["partition"]
        assert [one.connector for one in app.view.selection()] == ["orders-1"]
        await pilot.press("e")
        await until(lambda: "has no offset" in said(app))


async def test_snapshots_are_polled_when_the_stream_never_says_anything(monkeypatch):
    """Behind a proxy that keeps streams back the console is live, and says how."""
    async with daemon.Daemon() as server:
        model = Model()
        client = Client(server.url)
        monkeypatch.setattr("tui.feed.POLL_S", 0.05)
        monkeypatch.setattr(client, "events", lambda after: silent())
        feed = Feed(client, model, time.time)
        task = asyncio.ensure_future(feed.run())
        try:
            await until(lambda: feed.polled and server.snapshots > 4)
            assert feed.live
        finally:
            task.cancel()


async def silent() -> AsyncGenerator[ServerEvent | None]:
    """Give a stream that breaks before it has said anything."""
    for error in (UnreachableError("nothing came for 12 s"),):
        raise error
    yield None


def test_sixteen_colours_are_the_terminal_s_own():
    """The theme for them writes their numbers, not colours that it mixes itself."""
    for style in (ANSI.text, ANSI.grey, ANSI.accent, *ANSI.roles.values()):
        codes = Style.parse(f"{style} on {ANSI.background}").render(
            "x", color_system=ColorSystem.STANDARD
        )
        assert "38;2" not in codes
    wanted = {ANSI.background: 0, ANSI.text: 15, ANSI.grey: 7, ANSI.roles["green"]: 10}
    for colour, number in wanted.items():
        assert Color.parse(colour).downgrade(ColorSystem.STANDARD).number == number


async def test_console_writes_sixteen_colours_when_the_theme_says_so():
    """Choosing the theme changes what is written from then on."""
    app = still(DARK)
    app._colour_system = ColorSystem.TRUECOLOR
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        seen = []
        for theme in ("ansi", "dark"):
            app.action_theme(theme)
            seen.append(app.console._color_system)
        assert seen == [ColorSystem.STANDARD, ColorSystem.TRUECOLOR]


def test_ascii_is_taken_when_the_variable_asks_for_it():
    """A session of a terminal without glyphs sets it once."""
    utf = {"LANG": "C.UTF-8"}
    assert chosen(None, {**utf, "INGEST_TUI_ASCII": "1"}, ascii=False).ascii
    assert not chosen(None, {**utf, "INGEST_TUI_ASCII": "0"}, ascii=False).ascii


def test_context_has_its_colour_when_the_file_names_one(tmp_path):
    """Production is red at a glance; a colour that is none is refused with those there are."""
    path = tmp_path / "contexts.toml"
    path.write_text('[contexts.a]\ncolour = "red"\n[contexts.b]\ncolour = "mauve"\n')
    contexts = Contexts(path, {})
    assert contexts.get("a").colour == "red"
    with pytest.raises(ContextError, match="no colour mauve; there are red"):
        contexts.get("b")


def test_present_group_is_named_whole_when_there_are_many():
    """At eighty columns every group keeps its number and some of its name."""
    names = ["Common", "Connection", "Tables", "Converters", "Errors", "Transforms"]
    found = shortened(names, 1, 30)
    assert found[1] == "Connection"
    assert all(found)
    assert sum(len(name) + 1 for name in found) <= 30
    assert shortened(names, 1, 500) == names


def test_every_binding_has_a_name():
    """What has a name can be given another key."""
    kinds = (Console, Line, Grid, Pane, LetterGrid, FieldLine, Form, EditText, Finder)
    for kind in (*kinds, Dialog, TextScreen, Confirm, Abandon, Pick, Ask):
        for binding in kind.BINDINGS:
            assert isinstance(binding, Binding)
            assert str(binding.id) in keys.NAMES, (kind, binding)


@pytest.mark.parametrize("kind", ["name", "list"])
async def test_dialog_says_which_keys_answer_it(kind):
    """A line to fill in and a list to choose from name Enter and Escape."""
    app = still(DARK)
    async with app.run_test(size=(80, 24)):
        await app.complete.wait()
        options = [("a", "a", "the first")]
        scene = app.scene
        asks = Ask(scene, "Name", "Which?") if kind == "name" else Choice(scene, "Which", options)
        app.push_screen(asks)
        await until(lambda: app.screen is asks and asks.is_mounted)
        await until(lambda: "Enter takes it  Esc" in str(asks.query_one(".panel").border_subtitle))


async def test_sentence_about_a_state_goes_when_i_is_pressed():
    """The chosen task's state is explained in one sentence, for who wants it."""
    app = still(DARK)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert "r restarts it" in app.query_one("#chosen", Box).text
        await pilot.press("i")
        await until(lambda: "r restarts it" not in app.query_one("#chosen", Box).text)
