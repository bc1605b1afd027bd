"""The console driven by keys against Kafka Connect itself."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest

from appliance.client import Client as Blocking
from deploy.parts import free_ports
from deploy.parts.connect import ConnectWorker
from tests.daemon import worker_options
from tests.tui.still import until
from tests.waiting import wait_until
from tui.app import Console
from tui.client import Client
from tui.feed import Feed
from tui.model import Model
from tui.palette import DARK
from tui.scene import Scene
from tui.stock import NEEDED

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def connect(broker, unique_name, tmp_path):
    """A distributed Java worker."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    port = free_ports(1)[0]
    options = worker_options(broker.bootstrap, unique_name, port) | {"plugin.path": str(plugins)}
    with ConnectWorker(tmp_path / "java", broker.bootstrap, port, properties=options) as worker:
        yield worker


async def test_connectors_are_shown_and_paused_when_java_s_worker_answers(
    connect, unique_name, tmp_path
):
    """States are polled, p acts, offsets are listed, and what only ingest-appliance knows is said."""
    lines = tmp_path / "in.txt"
    lines.write_text("one\ntwo\n")
    blocking = Blocking(connect.url)
    config = {"connector.class": "FileStreamSource", "file": str(lines), "topic": unique_name}
    blocking.put("connectors", "in", "config", body=config)
    offsets = ("connectors", "in", "offsets")
    wait_until(lambda: blocking.get(*offsets)["offsets"], "an offset is committed", 120.0)

    model, client = Model(), Client(connect.url)
    feed = Feed(client, model, time.time)
    app = Console(Scene(model, DARK, client, feed, time.time), flush_s=0.05)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(lambda: feed.stock and app.complete.is_set())
        await until(partial(is_shown, model, "RUNNING"))
        view: Any = app.view
        await until(lambda: view.tasks_grid.key is not None)
        assert model.connectors["in"].kind == "source"
        for key, state in (("p", "PAUSED"), ("u", "RUNNING")):
            await pilot.press(key)
            await until(partial(is_shown, model, state))
        await pilot.press("5")
        await until(lambda: app.view.NAME == "Offsets" and app.view.grid is not None)
        await until(lambda: [row["connector"] for row in rows(app).values()] == ["in"])
        await pilot.press("4")
        await until(lambda: app.view.problem == NEEDED)
        await pilot.press("8")
        await until(lambda: app.view.NAME == "Plugins" and len(rows(app)) > 3)
        app.exit()


def rows(app: Console) -> dict[str, Any]:
    view: Any = app.view
    found: dict[str, Any] = view.rows
    return found


def is_shown(model: Model, state: str) -> bool:
    return "in" in model.connectors and model.health("in") == state
