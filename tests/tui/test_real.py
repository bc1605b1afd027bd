"""The console driven by keys against a real daemon with a real broker."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from textual.screen import Screen

from deploy.parts import free_ports
from tests.daemon import JSON, Daemon, worker_options
from tests.tui.still import until
from tests.waiting import wait_until
from tui.app import Console
from tui.client import Client
from tui.feed import Feed
from tui.model import Model
from tui.palette import DARK
from tui.scene import Scene
from tui.screens.dialogs import Ask, Choice, Confirm, TextScreen
from tui.screens.dlq import Dlq
from tui.screens.editor import EditText
from tui.screens.form import Form
from tui.screens.workers import Workers
from tui.widgets.frame import Pane
from tui.widgets.grid import Grid

STRING = "org.apache.kafka.connect.storage.StringConverter"
PATIENCE_S = 90.0

# the first test starts the broker as well, and each of them waits for a daemon many times
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def daemon(broker, tmp_path_factory):
    """A daemon with two workers, shared by this module."""
    folder = tmp_path_factory.mktemp("console")
    group = f"console-{uuid.uuid4().hex[:8]}"
    options = worker_options(broker.bootstrap, group, free_ports(1)[0])
    options |= {"session.timeout.ms": "6000", "scheduled.rebalance.max.delay.ms": "1000"}
    with Daemon(folder, "run", options) as running:
        yield running


@pytest.fixture
def orders(daemon, broker, unique_name, tmp_path) -> dict[str, Any]:
    """A topic with two good records and one that is no JSON, and a sink's configuration for it."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(unique_name, 1, 1)])[unique_name].result(30)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for at, value in enumerate((b'{"id": 1}', b'{"id": n/a}', b'{"id": 2}')):
        producer.produce(unique_name, value, f"k{at}".encode())
    producer.flush(30)
    return {
        "connector.class": "FileStreamSink",
        "file": str(tmp_path / "out.txt"),
        "topics": unique_name,
        "key.converter": STRING,
        "value.converter": JSON,
        "value.converter.schemas.enable": "false",
        "consumer.override.auto.offset.reset": "earliest",
    }


@asynccontextmanager
async def opened(daemon: Daemon) -> AsyncIterator[Any]:
    """Open a console on the daemon and wait until it shows it."""
    model, client = Model(), Client(daemon.url)
    feed = Feed(client, model, time.time)
    app = Console(Scene(model, DARK, client, feed, time.time), flush_s=0.05)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(lambda: model.loaded and feed.live and app.complete.is_set(), PATIENCE_S)
        yield pilot
        app.exit()


async def stands(pilot: Any, kind: type[Screen[Any]]) -> None:
    """Wait until a dialog of this kind is there and takes keys; one typed before is lost."""
    await until(lambda: isinstance(pilot.app.screen, kind), PATIENCE_S)
    await until(lambda: pilot.app.screen.is_mounted, PATIENCE_S)
    await pilot.pause()


def states(daemon: Daemon, name: str) -> list[str]:
    found = daemon.client.get("connectors", name, "status")
    return [task["state"] for task in found["tasks"]]


def create(daemon: Daemon, name: str, config: dict[str, Any], *wanted: str) -> None:
    daemon.client.put("connectors", name, "config", body=config)
    wait_until(lambda: states(daemon, name) == list(wanted), f"{name} is {wanted}", PATIENCE_S)


def is_shown(app: Console, name: str, state: str) -> bool:
    return app.scene.model.health(name) == state


def text_of(pilot: Any, name: str) -> str:
    return str(pilot.app.query_one(f"#{name}").text)


async def choose(pilot: Any, view: str, key: str) -> None:
    """Go to a view by command and put the cursor on a row."""
    app = pilot.app
    await pilot.press("colon", *view, "enter")
    await until(lambda: app.view.NAME.lower() == view, PATIENCE_S)
    await until(lambda: key in app.view.grid.keys, PATIENCE_S)
    app.view.grid.go_to(key)
    await pilot.pause()


async def test_trace_is_read_and_the_task_runs_again_when_its_cause_is_mended(daemon, orders):
    """A task fails on a bad record; the trace says why; an edited option and a restart mend it."""
    name = orders["topics"]
    create(daemon, name, orders, "FAILED")
    async with opened(daemon) as pilot:
        app = pilot.app
        await choose(pilot, "connectors", name)
        assert app.scene.model.health(name) == "FAILED"
        await pilot.press("enter")
        await until(lambda: "Caused by" in text_of(pilot, "detail-text"), PATIENCE_S)
        assert "n/a" in text_of(pilot, "detail-text")

        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Form) and app.screen.options.known, PATIENCE_S)
        await pilot.press("slash", *"errors.tolerance", "enter")
        await until(lambda: app.screen.query_one("#fields").key == "errors.tolerance", PATIENCE_S)
        await pilot.press("enter", *"all", "enter", "ctrl+s")
        await stands(pilot, Confirm)
        await pilot.press("y")
        await until(lambda: states(daemon, name) == ["RUNNING"], PATIENCE_S)
        await until(lambda: app.scene.model.health(name) == "RUNNING", PATIENCE_S)
        await until(lambda: app.scene.model.connectors[name].revision == 2, PATIENCE_S)
        assert app.scene.model.connectors[name].version
        await pilot.press(*["right_square_bracket"] * 5)
        grid = app.view.detail.grid
        await until(lambda: len(grid.keys) == 2, PATIENCE_S)
        await until(lambda: grid.texts(grid.keys[0])["by"] == "127.0.0.1", PATIENCE_S)
        assert grid.texts(grid.keys[0])["changed"] == "errors.tolerance"
        await pilot.press(*["left_square_bracket"] * 5)
        await until(lambda: app.view.detail.grid.texts("0")["batch p95"] != "-", PATIENCE_S)
        changed = app.scene.model.connectors[name].changed
        assert changed is not None
        assert abs(time.time() - changed / 1000) < PATIENCE_S
    stored = daemon.client.get("connectors", name, "config")
    assert stored == {**orders, "name": name, "errors.tolerance": "all"}


async def test_task_runs_again_when_restarted_after_its_cause_is_gone(daemon, orders, tmp_path):
    """A sink whose folder is missing fails and says so; once the folder is there, r mends it."""
    name = orders["topics"]
    folder = tmp_path / "later"
    config = {**orders, "errors.tolerance": "all", "file": str(folder / "out.txt")}
    create(daemon, name, config, "FAILED")
    async with opened(daemon) as pilot:
        app = pilot.app
        await choose(pilot, "tasks", f"{name}:0")
        error = app.scene.model.tasks[f"{name}:0"].error
        assert str(folder) in error
        folder.mkdir()
        await pilot.press("r")
        await until(lambda: states(daemon, name) == ["RUNNING"], PATIENCE_S)
        await until(partial(is_shown, app, name, "RUNNING"), PATIENCE_S)
    wait_until(lambda: len(lines_of(folder / "out.txt")) == 2, "it writes", PATIENCE_S)


async def test_connector_pauses_resumes_stops_and_goes_when_keys_say_so(daemon, orders):
    """P, p, x and D with its name do what they say, and the screen follows."""
    name = orders["topics"]
    create(daemon, name, {**orders, "errors.tolerance": "all"}, "RUNNING")
    async with opened(daemon) as pilot:
        app = pilot.app
        await choose(pilot, "connectors", name)
        for key, state in (("p", "PAUSED"), ("u", "RUNNING"), ("p", "PAUSED"), ("p", "RUNNING")):
            await pilot.press(key)
            await until(partial(is_shown, app, name, state), PATIENCE_S)
        await pilot.press("x")
        await stands(pilot, Confirm)
        # what the daemon says it would do, and the call
        assert f"{name}:0" in app.screen.text.plain
        assert f"PUT /connectors/{name}/stop" in app.screen.text.plain
        await pilot.press("y")
        await until(lambda: app.scene.model.health(name) == "STOPPED", PATIENCE_S)
        await pilot.press("D")
        await stands(pilot, Confirm)
        assert f"the configuration of {name}, revision 1" in app.screen.text.plain
        await pilot.press(*"wrong", "enter")
        assert isinstance(app.screen, Confirm)
        await pilot.press(*["backspace"] * 5, *name, "enter")
        await until(lambda: name not in app.scene.model.connectors, PATIENCE_S)
    assert name not in daemon.client.get("connectors")


async def test_new_connector_comes_from_the_form_when_its_errors_are_mended(
    daemon, orders, unique_name
):
    """A leads through plugin, name and form; what is missing is said by its field."""
    name = f"new-{unique_name}"
    async with opened(daemon) as pilot:
        app = pilot.app
        await pilot.press("A")
        await stands(pilot, Choice)
        plugins = app.screen.query_one("#options")
        wanted = "org.apache.kafka.connect.file.FileStreamSinkConnector"
        await until(lambda: wanted in plugins.keys, PATIENCE_S)
        plugins.go_to(wanted)
        await pilot.press("enter")
        await stands(pilot, Ask)
        await pilot.press(*name, "enter")
        await until(lambda: isinstance(app.screen, Form) and app.screen.errors, PATIENCE_S)
        assert "topics" in app.screen.errors
        app.screen.values |= {**orders, "name": name, "errors.tolerance": "all"}
        await pilot.press("ctrl+s")
        await stands(pilot, Confirm)
        await pilot.press("y")
        await until(lambda: name in app.scene.model.connectors, PATIENCE_S)
    wait_until(lambda: states(daemon, name) == ["RUNNING"], f"{name} runs", PATIENCE_S)


async def test_connection_is_tried_from_the_form_when_t_is_pressed(
    daemon, broker, mariadb, unique_name
):
    """What fails stands at its field with what mends it: the port, the password, then nothing."""
    config = {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "database.hostname": mariadb.host,
        "database.port": str(free_ports(1)[0]),
        "database.user": mariadb.user,
        "database.password": "wrong",
        "database.server.id": "7411",
        "topic.prefix": unique_name,
        "schema.history.internal.kafka.bootstrap.servers": "127.0.0.1:1",
        "schema.history.internal.kafka.topic": f"{unique_name}-history",
    }
    async with opened(daemon) as pilot:
        form = Form(pilot.app.scene, "New", {"name": unique_name, **config}, never)
        pilot.app.push_screen(form)
        await stands(pilot, Form)

        async def tried() -> dict[str, str]:
            await pilot.press("t")
            await stands(pilot, TextScreen)
            shown = pilot.app.screen.text.plain
            await pilot.press("escape")
            await stands(pilot, Form)
            return {option: note(form, option) for option in (*config, "topic")} | {"": shown}

        found = await tried()
        assert found["database.port"] == "✗ fails"
        assert found["schema.history.internal.kafka.bootstrap.servers"] == "✗ fails"
        assert "nobody listens there" in found[""]

        form.values["database.port"] = str(mariadb.port)
        form.values["schema.history.internal.kafka.bootstrap.servers"] = broker.bootstrap
        found = await tried()
        assert (found["database.port"], found["database.user"]) == ("", "✗ fails")
        assert "wrong" not in found[""]

        form.values["database.password"] = mariadb.password
        found = await tried()
        assert found["database.user"] == "● works"
        assert form._tested.faults == []
        assert form._groups[0] == "MariaDB"

        # stored, its password is a mask, with which it can be edited and tried all the same
        daemon.client.post(
            "connectors",
            body={"name": unique_name, "config": form.values, "initial_state": "STOPPED"},
        )
        stored = daemon.client.get("connectors", unique_name, "config")
        assert stored["database.password"] == "[hidden]"
        await pilot.press("escape", "escape")
        form = Form(pilot.app.scene, "Edit", stored, never)
        pilot.app.push_screen(form)
        await until(lambda: form.options.known, PATIENCE_S)
        assert form.errors == {}
        assert (await tried())["database.user"] == "● works"


async def never(_config: dict[str, str]) -> bool:
    return False


def note(form: Form, option: str) -> str:
    cell = form._tested.note(option, form.scene.palette)
    return "" if cell is None else cell.text


async def test_last_minutes_are_there_when_a_console_opens(daemon, orders):
    """What flowed before anybody looked is kept by the daemon: of each task, and of all."""
    name = orders["topics"]
    create(daemon, name, {**orders, "errors.tolerance": "all"}, "RUNNING")

    def flowed() -> bool:
        tasks = daemon.client.get("appliance", "v1", "snapshot")["tasks"]
        return any(any(task["hist"]) for task in tasks if task["id"] == f"{name}:0")

    wait_until(flowed, "records went out", PATIENCE_S)
    async with opened(daemon) as pilot:
        model = pilot.app.scene.model
        await until(lambda: any(out for _, out in model.flow), PATIENCE_S)
        assert any(model.trend_of(name))


async def test_lanes_and_cause_are_shown_when_a_worker_is_killed(daemon, orders):
    """A killed worker leaves a generation with its name as the cause, and comes back in another."""
    create(daemon, orders["topics"], {**orders, "errors.tolerance": "all"}, "RUNNING")
    async with opened(daemon) as pilot:
        app = pilot.app
        await pilot.press("colon", *"workers", "enter")
        await until(lambda: isinstance(app.view, Workers), PATIENCE_S)
        view = app.view
        await until(lambda: len(app.scene.model.workers) == 2 and view.rebalances, PATIENCE_S)
        last = view.rebalances[0]["id"]
        os.kill(daemon.processes()["ingest-worker-0"][0], signal.SIGKILL)

        def kinds() -> list[str]:
            later = [entry for entry in view.rebalances if entry["id"] > last]
            return [entry["cause"]["kind"] for entry in later]

        # it may be back before the group has made a generation without it
        await until(lambda: {"died", "rejoined"} & set(kinds()), PATIENCE_S)
        kind = next(kind for kind in kinds() if kind in {"died", "rejoined"})
        await until(lambda: "gen " in text_of(pilot, "lanes"), PATIENCE_S)
        if kind == "died":
            await until(lambda: any(row == "died" for _, row in view._rows.values()), PATIENCE_S)


async def test_offsets_go_back_when_altered_with_a_preview(daemon, orders, tmp_path):
    """Altering says how many records come again, stops the connector, and they do come again."""
    name = orders["topics"]
    create(daemon, name, {**orders, "errors.tolerance": "all"}, "RUNNING")
    out = Path(orders["file"])
    wait_until(lambda: len(lines_of(out)) == 2, "both good records are written", PATIENCE_S)
    committed = [{"kafka_offset": 3}]
    wait_until(lambda: offsets(daemon, name) == committed, "its offset is committed", PATIENCE_S)
    async with opened(daemon) as pilot:
        app = pilot.app
        key = json.dumps({"kafka_partition": 0, "kafka_topic": name})
        await choose(pilot, "offsets", f"{name} {key}")
        row = f"{name} {key}"
        # a task tells its figures once a second
        await until(lambda: app.view.rows[row]["committed_ms"] is not None, PATIENCE_S)
        committed_ms = app.view.rows[row]["committed_ms"]
        assert 0 <= time.time() - committed_ms / 1000 < PATIENCE_S
        await pilot.press("e")
        await stands(pilot, Choice)
        await pilot.press("enter")
        await stands(pilot, Ask)
        await pilot.press("3", "enter")
        await stands(pilot, Confirm)
        assert "3 events again" in app.screen.text.plain
        assert "it is RUNNING" in app.screen.text.plain
        await pilot.press(*name, "enter")
        await until(lambda: offsets(daemon, name) == [{"kafka_offset": 0}], PATIENCE_S)
        await until(partial(is_shown, app, name, "STOPPED"), PATIENCE_S)
        await pilot.press("p")
        await until(lambda: len(lines_of(out)) == 4, PATIENCE_S)


async def test_record_of_a_failed_sink_is_read_from_its_trace(daemon, orders):
    """Its place stands above the trace, Enter shows it first, and Escape leads back; it counts as rejected."""
    name = orders["topics"]
    create(daemon, name, orders, "RUNNING")
    async with opened(daemon) as pilot:
        app = pilot.app
        await until(partial(has_failed, app, name), PATIENCE_S)
        app.open_connector(name)
        pane = app.view.query_one("#detail-text", Pane)
        await until(lambda: "Enter reads it" in pane.text, PATIENCE_S)
        place = pane.text.partition(":")[0].removeprefix(f"record {name}/").replace("/", "@")
        await until(lambda: app.view.grid.texts("0")["rejected"] == "1", PATIENCE_S)
        await pilot.press("enter")
        await until(lambda: app.view.NAME == "Topics", PATIENCE_S)
        grid = app.view.query_one("#records-grid", Grid)
        await until(lambda: bool(grid.keys), PATIENCE_S)
        assert grid.keys[0] == place
        await pilot.press("escape")
        await until(lambda: app.view.NAME == "Connectors", PATIENCE_S)
        assert "Enter reads it" in pane.text


def has_failed(app: Console, name: str) -> bool:
    return any(task.state == "FAILED" for task in app.scene.model.tasks_of(name))


async def test_bad_record_arrives_when_it_is_mended_and_replayed(daemon, orders, tmp_path):
    """The queue says why a record failed; edited and replayed it reaches the sink and leaves."""
    name = orders["topics"]
    queue = {
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": f"dlq-{name}",
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    }
    create(daemon, name, {**orders, **queue}, "RUNNING")
    out = Path(orders["file"])
    wait_until(lambda: len(lines_of(out)) == 2, "both good records are written", PATIENCE_S)
    async with opened(daemon) as pilot:
        app = pilot.app
        await pilot.press("colon", *"dlq", "enter")
        await until(lambda: isinstance(app.view, Dlq), PATIENCE_S)
        view = app.view
        await until(lambda: any(q["topic"] == f"dlq-{name}" for q in app.scene.queues), PATIENCE_S)
        view._open(f"dlq-{name}")
        await until(lambda: view.table.keys == ["0:0"], PATIENCE_S)
        await until(lambda: "n/a" in text_of(pilot, "letter"), PATIENCE_S)
        assert "VALUE_CONVERTER" in text_of(pilot, "letter")

        await pilot.press("R")
        await stands(pilot, EditText)
        app.screen.query_one("TextArea").text = '{"id": 3}'
        await pilot.press("ctrl+s")
        await stands(pilot, Choice)
        await pilot.press("enter")
        await stands(pilot, Confirm)
        assert "1 decode now" in app.screen.text.plain
        await pilot.press("y")
        await until(lambda: len(lines_of(out)) == 3, PATIENCE_S)
        await until(lambda: view.table.keys == [], PATIENCE_S)
        await until(lambda: "DLQ empty since" in view.table.empty, PATIENCE_S)
    assert lines_of(out)[-1] == "{id=3}"


async def test_records_show_as_they_come_when_a_topic_is_followed(daemon, orders, broker):
    """F stands at the end of the topic; what is written then comes to the top by itself."""
    name = orders["topics"]
    async with opened(daemon) as pilot:
        app = pilot.app
        await choose(pilot, "topics", name)
        assert app.view.grid.texts(name)["size"] not in {"-", "0"}
        await pilot.press("enter")
        await until(lambda: len(app.view.records) == 3, PATIENCE_S)
        await pilot.press("F")
        producer = Producer({"bootstrap.servers": broker.bootstrap})

        def came() -> bool:
            # the follower stands at the end a moment after the key
            producer.produce(name, b'{"id": 9}', b"late")
            producer.flush(30)
            return any(one["key"]["text"] == "late" for one in app.view.records.values())

        await until(came, PATIENCE_S)
        await until(
            lambda: "late" in app.view.grid.texts(app.view.grid.keys[0])["key"], PATIENCE_S
        )
        assert "following" in str(app.view.grid.border_title)
        await pilot.press("F")
        assert app.view.following is None


def offsets(daemon: Daemon, name: str) -> list[dict[str, int]]:
    found = daemon.client.get("connectors", name, "offsets")["offsets"]
    return [entry["offset"] for entry in found]


def lines_of(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
