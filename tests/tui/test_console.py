"""The console driven by keys, against a scripted daemon, and its pictures."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tui.app import Console
from tui.client import AnswerError, Client, UnreachableError
from tui.feed import Feed
from tui.model import Model
from tui.palette import DARK, MONO, Palette
from tui.widgets.grid import Grid

SPEC = importlib.util.spec_from_file_location("daemon", Path(__file__).parent / "daemon.py")
assert SPEC is not None
assert SPEC.loader is not None
daemon = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(daemon)

DEADLINE_S = 10.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        await asyncio.sleep(0.01)


def console(url: str) -> tuple[Console, Model, Feed]:
    model = Model()
    feed = Feed(Client(url), model, time.time)
    return Console(model, DARK, feed), model, feed


def shown(app: Console, name: str) -> str:
    return str(app._shown.get(name, ""))


async def test_row_changes_when_a_task_fails():
    """A task that fails while the console is open comes first, without a new snapshot."""
    async with daemon.Daemon(daemon.snapshot(failed=0)) as server:
        app, model, _ = console(server.url)
        async with app.run_test(size=(120, 36)):
            await until(lambda: server.followed)
            server.send("task", daemon.task_event("orders-2-3", "FAILED", "Boom"), 8)
            await until(lambda: model.seq == 8)
            await until(lambda: app.query_one(Grid)._keys[:1] == ["orders-2:3"])
            assert server.snapshots == 1
            assert server.asked_after == ["7"]


async def test_cursor_keeps_its_task_when_rows_move():
    """Sorting does not take the cursor away from its task."""
    async with daemon.Daemon(daemon.snapshot(failed=0)) as server:
        app, _, _ = console(server.url)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(lambda: server.followed and app.query_one(Grid).key is not None)
            await pilot.press("j", "j")
            assert app.query_one(Grid).key == "orders-0:2"
            server.send("task", daemon.task_event("orders-3-4", "FAILED", "Boom"), 8)
            await until(lambda: app.query_one(Grid)._keys[:1] == ["orders-3:4"])
            assert app.query_one(Grid).key == "orders-0:2"


async def test_title_says_how_old_the_data_is_when_the_link_is_lost():
    """A lost daemon is named with the age of the data; when it is back, the console is live again."""
    server = daemon.Daemon()
    await server.start()
    app, _, feed = console(server.url)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(lambda: server.followed)
        await server.stop()
        await until(lambda: "lost" in shown(app, "title"))
        assert "data from" in shown(app, "title")
        await server.start()
        await pilot.press("ctrl+r")
        await until(lambda: feed.live and "live" in shown(app, "title"))
    await server.stop()


async def test_problems_only_when_z_is_pressed():
    """Z leaves what does not run."""
    async with daemon.Daemon(daemon.snapshot(failed=2)) as server:
        app, _, _ = console(server.url)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(lambda: app.query_one(Grid).key is not None)
            await pilot.press("z")
            assert app.query_one(Grid)._keys == ["orders-0:0", "orders-0:1"]


async def test_reason_is_given_when_nobody_answers():
    """A wrong address is named, with what to try."""
    client = Client("http://127.0.0.1:1")
    with pytest.raises(
        UnreachableError, match=r"Cannot reach http://127.0.0.1:1: .*daemon running"
    ):
        await client.get("/")


async def test_message_is_the_daemon_s_when_it_answers_with_an_error():
    """An error answer keeps its status and text."""
    async with daemon.Daemon() as server:
        with pytest.raises(AnswerError, match="HTTP 404 Not Found") as caught:
            await Client(server.url).get("/nothing")
        assert caught.value.status == 404


def still(palette: Palette, **shape: int) -> Console:
    model = Model()
    model.load(daemon.snapshot(**shape))
    for at in range(60):
        rates = [[key, float(100 + at * 7 % 40), 250.0] for key in model.tasks]
        model.apply(None, "rates", {"tasks": rates[shape.get("failed", 2) :]})
    model.apply(8, "task", daemon.task_event("orders-3-4", "FAILED", "Boom: disk full"))
    return Console(model, palette, None, lambda: daemon.NOW_S)


@pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
@pytest.mark.parametrize("case", ["failed", "empty", "many", "mono"])
def test_overview_looks_as_recorded_when_drawn(snap_compare, case, size):
    """The first view with failed tasks, nothing, 5,000 tasks, and without colour."""
    palette = MONO if case == "mono" else DARK
    shape = {"empty": {"connectors": 0, "failed": 0}, "many": {"connectors": 500, "tasks": 10}}
    assert snap_compare(still(palette, **shape.get(case, {})), terminal_size=size)
