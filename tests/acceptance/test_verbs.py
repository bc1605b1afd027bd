"""The command line does from a script what REST does: each verb against a real daemon."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from appliance.rest.users import Role, token_line
from deploy.parts import free_ports
from tests.acceptance.pipelines import await_running
from tests.daemon import ROOT, Daemon, worker_options
from tests.tui.still import until
from tests.waiting import wait_until
from tui.app import Console
from tui.client import Client
from tui.contexts import Context
from tui.feed import Feed
from tui.model import Model
from tui.palette import DARK
from tui.scene import Scene


@pytest.fixture
def daemon(broker, unique_name, tmp_path):
    """A daemon with two workers."""
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    provider = "org.apache.kafka.common.config.provider.FileConfigProvider"
    options |= {
        "config.providers": "file",
        "config.providers.file.class": provider,
        "config.providers.file.param.allowed.paths": str(tmp_path),
    }
    with Daemon(tmp_path, "run", options) as running:
        yield running


@pytest.fixture
def verb(daemon):
    """Run a verb; give exit code, standard output and standard error."""

    def run(*words: str, stdin: str = "", editor: str = ""):
        name, *others = words
        actions = {"offsets", "config", "topic"}
        cut = 1 if name in actions else 0
        command = [name, *others[:cut], "--url", daemon.url, *others[cut:]]
        done = subprocess.run(
            [sys.executable, "-m", "appliance", *command],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "EDITOR": editor},
            timeout=90,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def start_source(daemon: Daemon, folder: Path, topic: str, **more: str) -> dict[str, str]:
    """Run a FileStreamSource `in` over a file with one line; give its configuration."""
    lines = folder / "in.txt"
    lines.write_text("one\n")
    config = {"connector.class": "FileStreamSource", "file": str(lines), "topic": topic, **more}
    daemon.client.put("connectors", "in", "config", body=config)
    await_running(daemon, "in")
    return config


def test_connector_is_made_shown_changed_and_removed_when_only_verbs_are_used(
    daemon, verb, unique_name, tmp_path
):
    """From a file to its last day; standard output is data that the next verb reads."""
    lines = tmp_path / "in.txt"
    lines.write_text("one\ntwo\n")
    file = tmp_path / "in.json"
    config = {"connector.class": "FileStreamSource", "file": str(lines), "topic": unique_name}
    file.write_text(json.dumps({"name": "in", "config": config}))

    assert verb("apply", "--check", "-f", str(file))[0] == 1
    assert verb("validate", str(file))[0] == 0
    assert verb("connection-test", str(file)) == (0, f"ok       in: {lines} can be read\n", "")
    assert verb("apply", "-f", str(file)) == (0, "", "in: created\n")
    assert verb("apply", "-f", str(file)) == (0, "", "in: unchanged\n")
    await_running(daemon, "in")
    _, table, _ = verb("get", "connectors")
    assert table.splitlines()[0].split() == ["NAME", "STATE", "TASKS", "TYPE", "CLASS", "WORKER"]
    assert table.splitlines()[1].split()[:4] == ["in", "RUNNING", "1/1", "source"]
    assert verb("get", "connectors", "-o", "name")[1] == "in\n"
    assert verb("pause", "--wait", "-e", "^in$")[0] == 0
    assert json.loads(verb("get", "tasks", "-o", "json")[1])[0]["state"] == "PAUSED"
    assert verb("stop", "--wait", "in")[0] == 0
    wait_until(lambda: json.loads(verb("offsets", "get", "in")[1])["offsets"], "an offset")
    shown = verb("offsets", "get", "in")[1]
    assert verb("offsets", "alter", "in", stdin=shown)[0] == 0
    assert json.loads(verb("offsets", "reset", "in", "--dry-run")[1])["offsets"][0]["to"] is None
    assert verb("patch", "in", "--set", "batch.size=7")[0] == 0
    assert json.loads(verb("describe", "in", "-o", "json")[1])["config"]["batch.size"] == "7"
    code, _, err = verb("delete", "in", stdin="y\n")
    assert (code, err) == (1, "nothing deleted: without a terminal give --yes\n")
    assert verb("delete", "--yes", "in")[0] == 0
    assert verb("get", "connectors", "-o", "name") == (0, "", "")


def test_offset_of_a_binlog_is_checked_when_its_change_is_previewed(
    daemon, verb, broker, mariadb, unique_name, tmp_path
):
    """With the password that a provider resolves; a server that is away is a check, not an error."""
    (tmp_path / "secrets").write_text(f"password={mariadb.password}\n")
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {unique_name}")
        cursor.execute(f"CREATE TABLE {unique_name}.t (id INT PRIMARY KEY)")
        cursor.execute(f"INSERT INTO {unique_name}.t VALUES (1)")
        config = {
            "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
            "database.hostname": mariadb.host,
            "database.port": str(mariadb.port),
            "database.user": mariadb.user,
            "database.password": f"${{file:{tmp_path}/secrets:password}}",
            "database.server.id": str(10_000 + os.getpid()),
            "database.include.list": unique_name,
            "topic.prefix": unique_name,
            "schema.history.internal.kafka.bootstrap.servers": broker.bootstrap,
            "schema.history.internal.kafka.topic": f"{unique_name}-history",
        }
        daemon.client.put("connectors", "cdc", "config", body=config)
        await_running(daemon, "cdc")

        def stored() -> list[dict]:
            found: list[dict] = daemon.client.get("connectors", "cdc", "offsets")["offsets"]
            return found

        wait_until(lambda: stored() and "snapshot" not in stored()[0]["offset"], "it streams", 60)
        before = stored()[0]
        for number in range(2, 200):
            cursor.execute(f"INSERT INTO {unique_name}.t VALUES ({number})")

        def measured() -> bool:
            text = json.dumps({"offsets": [before]})
            told = json.loads(verb("offsets", "alter", "cdc", "--dry-run", stdin=text)[1])
            (entry,) = told["offsets"]
            assert entry["events"] > 100, entry
            return bool(entry["eta_s"])

        wait_until(measured, "the stream has moved, and its rate is known", 60)
        text = json.dumps({"offsets": [before]})
        code, shown, told = verb("offsets", "alter", "cdc", "--dry-run", stdin=text)
        (entry,) = json.loads(shown)["offsets"]
        assert (code, entry["direction"]) == (0, "again")
        assert entry["bytes"] > entry["events"] > 100
        assert all(check["ok"] for check in entry["checks"])
        assert "connector must be stopped: it is RUNNING" in told

        gone = {**before, "offset": {**before["offset"], "file": "gone.000001"}}
        text = json.dumps({"offsets": [gone]})
        code, _, told = verb("offsets", "alter", "cdc", "--dry-run", stdin=text)
        assert code == 1
        assert "no: file still on the server: it has " in told


def test_change_is_told_and_not_made_when_it_is_a_dry_run(daemon, verb, unique_name, tmp_path):
    """What would stop, be lost or be wrong; who uses a plugin, how large a topic is."""
    config = start_source(daemon, tmp_path, unique_name)

    plan = json.loads(verb("delete", "in", "--dry-run", "-o", "json")[1])
    assert plan["lost"] == ["the configuration of in, revision 1"]
    assert [task["task"] for task in plan["stops"]] == ["in:0"]
    assert "The group rebalances" in verb("stop", "--all", "--dry-run")[1]
    assert verb("patch", "in", "--set", "tasks.max=0", "--dry-run")[0] == 1
    assert daemon.client.get("connectors", "in", "config") == {**config, "name": "in"}
    used = json.loads(verb("get", "topics", "in", "-o", "json")[1])
    assert [(one["topic"], one["written_by"]) for one in used] == [(unique_name, ["in"])]
    assert used[0]["size_bytes"] > 0
    plugins = json.loads(verb("get", "plugins", "-o", "json")[1])
    assert next(one["version"] for one in plugins if one["used_by"] == ["in"])


def test_configuration_goes_forth_and_back_when_it_is_edited_and_rolled_back(
    daemon, verb, unique_name, tmp_path
):
    """An editor's work is checked and applied; the history shows it, and it can be taken back."""
    config = start_source(daemon, tmp_path, unique_name, **{"batch.size": "5"})

    spoil = "sed -i s/FileStreamSource/Nothing/"
    code, _, err = verb("edit", "in", "--yes", editor=spoil)
    assert (code, "Nothing" in err) == (1, True)
    assert verb("edit", "in", "--yes", editor="true") == (0, "", "nothing changed\n")
    code, _, err = verb("edit", "in", "--yes", editor='sed -i \'s/"5"/"6"/\'')
    assert (code, err) == (0, "in: valid\n- batch.size=5\n+ batch.size=6\nin: changed\n")
    wait_until(lambda: len(json.loads(verb("config", "history", "in", "-o", "json")[1])) == 2, "2")
    newest = json.loads(verb("config", "history", "in", "-o", "json")[1])[0]
    assert newest["by"] == newest["from"] == "127.0.0.1"
    assert verb("config", "diff", "in")[:2] == (1, "- batch.size=5\n+ batch.size=6\n")
    file = tmp_path / "in.json"
    file.write_text(json.dumps({"name": "in", "config": {**config, "batch.size": "7"}}))
    assert verb("config", "diff", "in", "-f", str(file))[1] == "- batch.size=6\n+ batch.size=7\n"
    assert verb("config", "rollback", "in")[0] == 1, "it asks, and nobody answers"
    assert verb("config", "rollback", "in", "--yes")[0] == 0
    assert daemon.client.get("connectors", "in", "config")["batch.size"] == "5"


def test_everything_is_told_when_things_are_described(daemon, verb, unique_name, tmp_path):
    """A connector, its task, the worker that holds it, its plugin, a rebalance; records as they come."""
    lines = Path(start_source(daemon, tmp_path, unique_name)["file"])

    task = json.loads(verb("describe", "task", "in", "0", "-o", "json")[1])
    worker = task["status"]["worker_id"]
    assert task["config"]["file"] == str(lines)
    held = json.loads(verb("describe", "worker", worker, "-o", "json")[1])["task_instances"]
    assert [one["id"] for one in held] == ["in:0"]
    options = json.loads(verb("describe", "plugin", "FileStreamSource", "-o", "json")[1])[
        "options"
    ]
    assert "topic" in [option["name"] for option in options]
    newest = json.loads(verb("get", "rebalances", "-o", "json")[1])[0]["id"]
    assert (
        json.loads(verb("describe", "rebalance", "--id", str(newest), "-o", "json")[1])["id"]
        == newest
    )
    assert "RUNNING" in verb("describe", "connector", "in")[1]
    assert verb("describe", "nothing", "in")[0] == 2
    assert verb("restart", "in", "--task", "0", "--wait")[0] == 0
    before = json.loads(verb("describe", "task", "in", "0", "-o", "json")[1])["transitions"]
    assert verb("restart", "in", "--wait")[0] == 0
    after = json.loads(verb("describe", "task", "in", "0", "-o", "json")[1])
    assert after["status"]["state"] == "RUNNING"
    assert len(after["transitions"]) > len(before)
    planned = json.loads(verb("restart", "in", "--dry-run", "-o", "json")[1])
    assert [one["task"] for one in planned["restarts"]] == ["in:0"]

    with lines.open("a") as out, ThreadPoolExecutor(1) as pool:
        followed = ("topic", "peek", unique_name, "--follow", "--limit", "1", "-o", "json")
        following = pool.submit(verb, *followed)

        def came() -> bool:
            # the follower stands at the end a moment after it was started
            out.write("more\n")
            out.flush()
            return following.done()

        wait_until(came, "a record is printed", 80.0, every_s=0.5)
    assert "more" in json.loads(following.result()[1])["value"]["text"]
    shown = verb("topic", "peek", unique_name, "--from", "oldest", "--limit", "1")[1]
    assert shown.startswith("0@0  20")
    assert "one" in shown
    assert len(shown) < 200


def test_exit_code_tells_refused_from_unreachable_when_a_verb_fails(verb, tmp_path):
    """A script can tell what to do next: 4 refused, 3 try again, 1 found to be wrong."""
    code, out, err = verb("describe", "nobody")
    assert (code, out) == (4, "")
    assert "Connector nobody not found" in err
    for words in (
        ("get", "connectors", "nobody"),
        ("get", "tasks", "nobody"),
        ("get", "topics", "nobody"),
        ("topic", "peek", "nothing"),
        ("describe", "worker", "nobody"),
        ("config", "history", "nobody"),
    ):
        code, out, err = verb(*words)
        assert (code, out) == (4, ""), words
        assert "no" in err
    bad = tmp_path / "bad.properties"
    bad.write_text("name=bad\nconnector.class=FileStreamSink\n")
    worse = tmp_path / "worse.json"
    worse.write_text('{"name": "worse",\n "file": }')
    code, _, err = verb("validate", str(worse), str(bad))
    assert code == 1
    assert f"{worse}: it is not JSON: Expecting value at line 2, column 10" in err
    assert f"{bad}: bad is not valid" in err
    assert "topics" in err
    port = free_ports(1)[0]
    lake = tmp_path / "lake.json"
    config = {
        "connector.class": "io.confluent.connect.hdfs3.Hdfs3SinkConnector",
        "topics": "nowhere",
        "store.url": f"http://127.0.0.1:{port}",
    }
    lake.write_text(json.dumps({"name": "lake", "config": config}))
    code, out, _ = verb("connection-test", str(lake), "-o", "json")
    levels = {finding["option"]: finding["level"] for finding in json.loads(out)}
    assert (code, levels) == (1, {"store.url": "problem", "topics": "warning"})
    code, _, err = verb("get", "connectors", "--url", f"http://127.0.0.1:{port}")
    assert code == 3
    assert "Is the daemon running" in err


def test_token_says_who_one_is_when_a_context_or_the_environment_has_it(
    broker, unique_name, tmp_path
):
    """Verbs and console log in by bearer token, with the rights of its role and no secret in an argument."""
    viewer, view_token = token_line("grafana", Role.VIEW)
    keeper, keep_token = token_line("ana", Role.ADMINISTER)
    (tmp_path / "users").write_text(f"{viewer}\n{keeper}\n")
    secret = tmp_path / "secret"
    secret.write_text(keep_token)
    secret.chmod(0o600)
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    options |= {"appliance.rest.users.file": str(tmp_path / "users")}
    daemon = Daemon(tmp_path, "run", options).start(ready=False)

    def run(*words: str, **environ: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "appliance", *words],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "home"), **environ},
            timeout=90,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    try:
        kept = ("--url", daemon.url, "--token-file", str(secret))
        assert run("ctx", "set", "lab", *kept)[0] == 0
        wait_until(lambda: run("whoami")[0] == 0, "the daemon answers", 90.0, every_s=0.5)
        assert json.loads(run("whoami")[1])["user"] == "ana"
        config = f"{tmp_path}/one.json"
        Path(config).write_text(
            json.dumps({"name": "one", "config": {"connector.class": "FileStreamSource",
                                                 "topic": unique_name, "file": "/dev/null"}})
        )  # fmt: skip
        wait_until(lambda: run("apply", "-f", config)[0] == 0, "it is applied", 60.0, every_s=0.5)
        seen = run("get", "connectors", "-o", "name", "--url", daemon.url)
        assert (seen[0], "Say who you are" in seen[2]) == (4, True)
        viewing = {"INGEST_APPLIANCE_URL": daemon.url, "INGEST_APPLIANCE_TOKEN": view_token}
        assert run("get", "connectors", "-o", "name", **viewing)[:2] == (0, "one\n")
        assert run("pause", "one", **viewing)[0] == 4
        asyncio.run(_refused_in_the_console(daemon.url, view_token))
    finally:
        daemon.stop()


async def _refused_in_the_console(url: str, token: str) -> None:
    """See the connector as a viewer; p says why nothing changes."""
    model, client = Model(), Client.of(Context(url, token=token))
    feed = Feed(client, model, time.time)
    app = Console(Scene(model, DARK, client, feed, time.time), flush_s=0.05)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(lambda: "one" in model.connectors and app.scene.role == "view")
        await until(lambda: app.view.grid is not None and app.view.grid.key is not None)
        await pilot.press("p")
        await until(lambda: "needs the role operate" in str(app._shown.get("keys")))
        app.exit()


@contextlib.contextmanager
def followed(daemon: Daemon, out: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Follow the log with the verb; give what tells its lines so far."""
    command = [sys.executable, "-m", "appliance", "logs", "-f", "-o", "json", "--url", daemon.url]
    with out.open("wb") as file, subprocess.Popen(command, stdout=file, cwd=ROOT) as process:

        def lines() -> list[dict[str, Any]]:
            assert process.poll() is None
            *whole, _ = out.read_text().split("\n")
            return [json.loads(line) for line in whole]

        try:
            yield lines
        finally:
            process.terminate()


@pytest.mark.parametrize("victim", ["one worker", "the daemon"])
def test_lines_of_a_restarted_process_come_when_logs_are_followed(daemon, tmp_path, victim):
    """Each worker's lines go on after a kill, with one that says that it has started; none comes twice."""
    asked = ("appliance", "v1", "logs", "recent")
    with followed(daemon, tmp_path / "lines") as lines:

        def starts() -> list[tuple[str, int]]:
            told = [(line["worker"], line["message"].partition("pid=")) for line in lines()]
            return [(worker, int(pid)) for worker, (text, _, pid) in told if "has started" in text]

        before = wait_until(
            lambda: found if len(found := starts()) == 2 else [], "both have started"
        )
        seen = {line["worker"]: line["id"] for line in daemon.client.get(*asked, limit=2000)}
        if victim == "the daemon":
            daemon.kill()
            daemon.process.wait(30)
            daemon.start()
            workers = {worker for worker, _ in before}
        else:
            workers = {before[0][0]}
            os.kill(before[0][1], signal.SIGKILL)

        def back(worker: str) -> bool:
            own = [line["message"] for line in lines() if line["worker"] == worker]
            started = [at for at, text in enumerate(own) if "has started" in text]
            return any(text.startswith("Joined group") for text in own[started[1] :])

        def again() -> bool:
            later = starts()[2:]
            return {worker for worker, _ in later} == workers and all(map(back, workers))

        wait_until(again, "the lines of the new processes")
        told = [(line["worker"], line["id"]) for line in lines()]
        assert len(set(told)) == len(told)
    after = ",".join(f"{worker}={last}" for worker, last in seen.items())
    found = daemon.client.get(*asked, limit=2000, after=after)
    assert workers <= {line["worker"] for line in found if "has started" in line["message"]}
