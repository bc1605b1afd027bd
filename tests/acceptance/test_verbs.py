"""The command line does from a script what REST does: each verb against a real daemon."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from deploy.parts import free_ports
from tests.acceptance.pipelines import await_running
from tests.daemon import ROOT, Daemon, worker_options
from tests.waiting import wait_until


@pytest.fixture
def daemon(broker, unique_name, tmp_path):
    """A daemon with two workers."""
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    with Daemon(tmp_path, "run", options) as running:
        yield running


@pytest.fixture
def verb(daemon):
    """Run a verb; give exit code, standard output and standard error."""

    def run(*words: str, stdin: str = ""):
        name, *others = words
        actions = {"offsets"}
        cut = 1 if name in actions else 0
        command = [name, *others[:cut], "--url", daemon.url, *others[cut:]]
        done = subprocess.run(
            [sys.executable, "-m", "appliance", *command],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=90,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


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
    assert verb("patch", "in", "--set", "batch.size=7")[0] == 0
    assert json.loads(verb("describe", "in")[1])["config"]["batch.size"] == "7"
    assert verb("delete", "in")[0] == 1, "it asks, and nobody answers"
    assert verb("delete", "--yes", "in")[0] == 0
    assert verb("get", "connectors", "-o", "name") == (0, "", "")


def test_exit_code_tells_refused_from_unreachable_when_a_verb_fails(verb, tmp_path):
    """A script can tell what to do next: 4 refused, 3 try again, 1 found to be wrong."""
    code, out, err = verb("describe", "nobody")
    assert (code, out) == (4, "")
    assert "Connector nobody not found" in err
    bad = tmp_path / "bad.properties"
    bad.write_text("name=bad\nconnector.class=FileStreamSink\n")
    code, _, err = verb("validate", str(bad))
    assert code == 1
    assert "topics" in err
    port = free_ports(1)[0]
    code, _, err = verb("get", "connectors", "--url", f"http://127.0.0.1:{port}")
    assert code == 3
    assert "Is the daemon running" in err
