"""The console driven by keys, against a scripted daemon, and its pictures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from textual.geometry import Region

from tests.tui import daemon
from tests.tui.still import rebalance, still, until
from tui.app import Console
from tui.client import AnswerError, Client, UnreachableError
from tui.contexts import Context
from tui.feed import Feed
from tui.help import no_daemon
from tui.model import PATIENCE_S, Model
from tui.palette import DARK
from tui.scene import Scene
from tui.screens.dialogs import Confirm
from tui.screens.finder import Finder
from tui.screens.workers import Workers
from tui.widgets.frame import Box
from tui.widgets.grid import Grid


def console(url: str) -> tuple[Console, Model, Feed]:
    model, client = Model(), Client(url)
    feed = Feed(client, model, time.time)
    return Console(Scene(model, DARK, client, feed, time.time)), model, feed


def grid(app: Console) -> Grid:
    found = app.view.grid
    assert found is not None
    return found


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
            await until(lambda: grid(app).keys[:1] == ["orders-2:3"])
            assert server.snapshots == 1
            assert server.asked_after == ["7"]


async def test_cursor_keeps_its_task_when_rows_move():
    """Sorting does not take the cursor away from its task."""
    async with daemon.Daemon(daemon.snapshot(failed=0)) as server:
        app, _, _ = console(server.url)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(lambda: server.followed and grid(app).key is not None)
            await pilot.press("j", "j")
            assert grid(app).key == "orders-0:2"
            server.send("task", daemon.task_event("orders-3-4", "FAILED", "Boom"), 8)
            await until(lambda: grid(app).keys[:1] == ["orders-3:4"])
            assert grid(app).key == "orders-0:2"


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
            await until(lambda: grid(app).key is not None)
            await pilot.press("z")
            assert grid(app).keys == ["orders-0:0", "orders-0:1"]


async def test_task_in_trouble_is_among_the_problems_and_says_what_it_waits_for():
    """Z keeps it though it runs; the overview counts it; opened, its trouble stands before its figures."""
    async with daemon.Daemon(daemon.snapshot(failed=0)) as server:
        server.answers = {
            "/connectors/orders-2/status": {"tasks": []},
            "/appliance/v1/connectors/orders-2/metrics": {
                "3": {"batch-size-avg": 3.0, "trouble": "an older one"}
            },
        }
        app, _, _ = console(server.url)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(lambda: server.followed)
            server.send("rates", {"tasks": [["orders-2:3", 0.0, 5.0, "mkdir /proc/nope: no"]]})
            await pilot.press("z")
            await until(lambda: grid(app).keys == ["orders-2:3"])
            assert "1 degraded" in app.view.query_one("#health", Box).text
            await pilot.press("enter")
            await until(lambda: "batch-size-avg" in app.view.copied())
            assert app.view.copied().startswith("mkdir /proc/nope: no\n")


async def test_nothing_is_claimed_before_the_first_answer():
    """Zeros would say that all is well: until the daemon has told its state there are none."""
    app, model, _ = console("http://127.0.0.1:1")
    async with app.run_test(size=(120, 36)) as pilot:
        health, behind = (app.view.query_one(f"#{name}", Box) for name in ("health", "lag"))
        await until(lambda: (health.text, behind.text) == ("loading ...", "loading ..."))
        assert "0" not in app.view.query_one("#flow", Box).text
        assert grid(app).empty == "loading ..."
        model.load(daemon.snapshot(failed=0))
        app.flush()
        await pilot.pause()
        assert "20 running" in health.text
        assert "DLQ       - new" in behind.text
        app.scene.counted = True
        app.view.tell_again()
        app.flush()
        assert "DLQ       0 new" in behind.text


async def test_age_of_the_picture_is_told_when_workers_are_opened_again():
    """What stood there when the view was left is no present, and does not say that it follows."""
    async with daemon.Daemon(daemon.snapshot(failed=0)) as server:
        server.answers = {
            "/appliance/v1/workers": server.state["workers"],
            "/appliance/v1/rebalances?limit=200": [rebalance(44, 75, (10, 10))],
        }
        app, _, _ = console(server.url)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(lambda: server.followed)
            await pilot.press("4")
            generations = app.query_one("#generations", Grid)
            await until(lambda: str(generations.border_title) == "Generations  following")
            view = app.view
            assert isinstance(view, Workers)
            view._read_s, view.loaded_s = time.time() - 60, float("inf")
            view.tell_again()
            app.flush()
            assert str(generations.border_title) == "Generations  as of 1m ago, loading ..."


async def test_view_changes_when_its_tab_is_clicked():
    """The tab bar takes the mouse, and a number typed before its view is there is not lost."""
    async with daemon.Daemon() as server:
        app, _, _ = console(server.url)
        async with app.run_test(size=(120, 36)) as pilot:
            await pilot.press("9")
            await until(lambda: app.view.NAME == "Logs")
            await pilot.click("#tabs", offset=(app._ends[2] + 2, 0))
            await until(lambda: app.view.NAME == "Workers")


async def test_palette_finds_and_does_what_some_letters_mean():
    """Ctrl+p takes letters in order: a connector opens, a view shows, a theme and an action apply."""
    state = daemon.snapshot()
    state["connectors"].append({"name": "quorum", "type": "sink", "state": "PAUSED"})
    async with daemon.Daemon(state) as server:
        app, _, _ = console(server.url)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(lambda: server.followed and app.complete.is_set())

            async def find(letters: str, first: str) -> None:
                await pilot.press("ctrl+p")
                await until(lambda: isinstance(app.screen, Finder) and app.screen.is_mounted)
                await pilot.pause()
                finder = app.screen
                assert isinstance(finder, Finder)
                await pilot.press(*letters)
                await until(
                    lambda: finder.entries[finder.query_one(Grid).key or "0"].word == first
                )
                await pilot.press("enter")
                await until(lambda: app.screen is app.screen_stack[0])

            await find("od2", "orders-2")
            await until(lambda: app.view.NAME == "Connectors" and grid(app).id == "tab-tasks")
            await find("quo", "quorum")
            await find("plug", "Plugins")
            await until(lambda: app.view.NAME == "Plugins")
            await find("thli", "theme light")
            await until(lambda: app.scene.theme.name == "light")
            await find("freeze", "freeze the picture, or follow again")
            await until(lambda: app.frozen)


async def test_little_is_painted_while_another_window_has_the_keys():
    """Nobody looks: changes wait for the second, and are shown at once when the keys are back."""
    async with daemon.Daemon(daemon.snapshot(failed=0)) as server:
        app, model, _ = console(server.url)
        async with app.run_test(size=(120, 36)):
            await until(lambda: server.followed and grid(app).key is not None)
            app.app_focus = False
            app._flushed_s = float("inf")  # the second never ends
            model.apply(8, "task", daemon.task_event("orders-1-2", "FAILED", "Boom"))
            app.flush()
            assert model.dirty == {"orders-1:2"}
            app.app_focus = True
            await until(lambda: not model.dirty)


async def test_kafka_connect_is_shown_when_it_is_what_answers():
    """Its connectors, tasks and offsets are polled; views that it cannot fill say what they need."""
    task = {
        "id": 0,
        "state": "FAILED",
        "worker_id": "java:8083",
        "trace": "a.b.BoomError: no\n\tat x",
    }
    status = {"state": "RUNNING", "worker_id": "java:8083"}
    one = {
        "info": {"config": {"connector.class": "a.FileSink", "topics": "t"}, "tasks": [{}]},
        "status": {"name": "out", "type": "sink", "connector": status, "tasks": [task]},
    }
    place = {
        "partition": {"kafka_topic": "t", "kafka_partition": 0},
        "offset": {"kafka_offset": 3},
    }
    async with daemon.Daemon() as server:
        server.stock = {
            "/connectors?expand=info&expand=status": {"out": one},
            "/connectors/out/offsets": {"offsets": [place]},
        }
        app, model, feed = console(server.url)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(lambda: feed.stock and app.complete.is_set())
            await until(lambda: grid(app).keys == ["out:0"])
            assert (model.tasks["out:0"].error, model.health("out")) == ("BoomError: no", "FAILED")
            await until(lambda: "Kafka Connect" in shown(app, "title"))
            await pilot.press("5")
            await until(lambda: app.view.NAME == "Offsets" and len(grid(app).keys) == 1)
            await pilot.press("4")
            await until(lambda: "needs ingest-appliance" in str(app.view.problem))
            task["state"] = "RUNNING"
            await until(lambda: model.tasks["out:0"].state == "RUNNING")


def connector_event(key: str, to: str) -> dict[str, Any]:
    return {"key": key, "ts": 1, "from": None, "to": to, "worker": "10.0.4.11:8083"}


async def test_changes_are_made_in_order_when_keys_come_before_their_answers():
    """A key never ends a change that is under way: the next one waits until it is answered."""
    async with daemon.Daemon(daemon.snapshot(connectors=1, tasks=1, failed=0)) as server:
        app, model, _ = console(server.url)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(lambda: server.followed and grid(app).key is not None)
            server.answering.clear()
            await pilot.press("p")
            await until(lambda: len(server.changes) == 1)
            assert model.health("orders-0") == "RESTARTING"
            await pilot.press("u")
            await until(lambda: model.pending["orders-0"].state == "RUNNING")
            await pilot.press("p")
            await until(lambda: model.pending["orders-0"].state == "PAUSED")
            assert len(server.changes) == 1
            server.answering.set()
            await until(lambda: len(server.changes) == 3)
            server.send("connector", connector_event("orders-0", "PAUSED"), 8)
            server.send("task", daemon.task_event("orders-0-0", "PAUSED"), 9)
            await until(lambda: model.health("orders-0") == "PAUSED")
    assert [change.rpartition("/")[2] for change in server.changes] == ["pause", "resume", "pause"]


async def test_failure_is_said_when_one_of_several_changes_fails():
    """What went wrong is not covered by what went well after it, and is no longer expected."""
    async with daemon.Daemon(daemon.snapshot(connectors=3, tasks=1, failed=0)) as server:
        server.refused.add("/connectors/orders-0/pause")
        app, model, _ = console(server.url)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(lambda: server.followed and grid(app).key is not None)
            await pilot.press("asterisk", "p")
            await until(lambda: isinstance(app.screen, Confirm))
            await pilot.pause()
            assert isinstance(app.screen, Confirm)
            assert "orders-0, orders-1, orders-2" in app.screen.text.plain
            assert not server.changes
            await pilot.press("y")
            await until(lambda: "1 of 3 calls failed" in shown(app, "keys"))
            assert "PUT /connectors/orders-0/pause: 500 it cannot" in shown(app, "keys")
            assert sorted(model.pending) == ["orders-1", "orders-2"]


async def test_everything_is_read_anew_when_what_was_asked_for_does_not_come():
    """What the events have not told ten seconds after the answer is said, and asked for."""
    now_s = [daemon.NOW_S]
    async with daemon.Daemon(daemon.snapshot(connectors=1, tasks=1, failed=0)) as server:
        app, model, feed = console(server.url)
        feed._clock = app.scene.clock = lambda: now_s[0]
        async with app.run_test(size=(120, 36)) as pilot:
            await until(lambda: server.followed and grid(app).key is not None)
            await pilot.press("p")
            await until(lambda: "orders-0" in model.pending and model.pending["orders-0"].answered)
            server.state["connectors"][0]["state"] = "PAUSED"
            now_s[0] += PATIENCE_S + 1
            await until(lambda: "not yet so" in shown(app, "keys"))
            await until(lambda: model.health("orders-0") == "PAUSED")
            assert server.snapshots == 2


async def test_reason_is_given_when_nobody_answers():
    """A wrong address is named, with what to try."""
    client = Client("http://127.0.0.1:1")
    with pytest.raises(
        UnreachableError, match=r"Cannot reach http://127.0.0.1:1: .*daemon running"
    ):
        await client.get("/")


PAGE = b"HTTP/1.0 200 OK\r\nServer: SimpleHTTP\r\nContent-Type: text/html\r\n\r\n<html>hi</html>"
AWAY = b"HTTP/1.1 302 Found\r\nLocation: https://login.example/\r\nContent-Length: 0\r\n\r\n"
OTHER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


@asynccontextmanager
async def stranger(answer: bytes) -> AsyncIterator[str]:
    """Answer everything alike; gives the address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (PAGE, "answers GET /appliance/v1/snapshot with HTTP status 200 and text/html"),
        (AWAY, "302, which leads to https://login.example/"),
        (OTHER, "JSON of another kind"),
        (b"SSH-2.0-OpenSSH\r\n", "what answers does not speak HTTP"),
        (b"SSH\r\n", "what answers does not speak HTTP"),
    ],
    ids=["page", "led away", "other JSON", "no HTTP", "one word"],
)
async def test_console_says_who_answers_when_it_is_no_daemon(answer, told):
    """The screen names the address and what is wrong with what answers, and goes on trying."""
    async with stranger(answer) as url:
        app, _, feed = console(url)
        async with app.run_test(size=(120, 36)) as pilot:
            await app.complete.wait()
            await until(lambda: feed.error is not None)
            assert told in str(feed.error)
            assert url in str(feed.error)
            await until(lambda: f"No daemon answers at {url}" in no_daemon(app.scene, 0).plain)
            await pilot.press("q")
    assert app.return_code == 0


async def test_link_is_lost_when_a_proxy_s_page_takes_the_daemon_s_place():
    """In the middle of a session too: the data stays, and the reason is said."""
    async with daemon.Daemon() as server:
        app, _, feed = console(server.url)
        async with app.run_test(size=(120, 36)):
            await app.complete.wait()
            await until(lambda: server.followed and feed.live)
            server.page = PAGE
            await server.stop()
            await server.start()
            await until(lambda: feed.error is not None and "text/html" in feed.error)
            await until(lambda: "lost" in shown(app, "title"))
            assert grid(app).keys


async def test_message_is_the_daemon_s_when_it_answers_with_an_error():
    """An error answer keeps its status and text."""
    async with daemon.Daemon() as server:
        with pytest.raises(AnswerError, match="HTTP 404 Not Found") as caught:
            await Client(server.url).get("/nothing")
        assert caught.value.status == 404


async def test_token_goes_with_every_request_when_a_context_has_one():
    """A bearer token is used in place of user and password, for requests and streams."""
    async with daemon.Daemon() as server:
        client = Client.of(Context(server.url, user="ana", password="pw", token="t0k"))
        await client.get("/appliance/v1/snapshot")
        async with aclosing(client.events(7)) as events:
            waiting = asyncio.ensure_future(anext(events))
            await until(lambda: server.followed)
            server.beat()
            await waiting
        assert server.logins == ["Bearer t0k", "Bearer t0k"]


async def test_console_is_drawn_when_colours_are_off(monkeypatch):
    """NO_COLOR takes the colours out of every line, those of the bars among them."""
    monkeypatch.setenv("NO_COLOR", "1")
    app = still(DARK)
    async with app.run_test(size=(80, 24)):
        await asyncio.wait_for(app.complete.wait(), 20)
        title = app.query_one("#title")
        (line,) = title.render_lines(Region(0, 0, 80, 1))
        assert line.text.strip().startswith("ingest")
        grid = app.query_one("#overview-tasks")
        for drawn in (line, *grid.render_lines(Region(0, 0, 80, 10))):
            styles = [segment.style for segment in drawn if segment.style is not None]
            colours = [one.name for style in styles for one in (style.color, style.bgcolor) if one]
            assert set(colours) <= {"default"}
