"""The quickstart's parts that need no server."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from deploy.demo.commands import main
from deploy.demo.connectors import TOPICS, connectors
from deploy.demo.ports import owner_of, taken
from deploy.demo.settings import PORTS, Settings, completed, load_settings
from deploy.demo.view import flows, render
from deploy.parts import PartError, free_ports


@pytest.fixture
def settings(tmp_path):
    """Settings with the usual ports in a folder of the test's own."""
    return Settings(tmp_path, {name: port for name, (port, _) in PORTS.items()})


@pytest.fixture
def state():
    """What the keeper publishes when all runs and nothing has flowed."""
    return {
        "phase": "running",
        "rows": {"insert": 3, "update": 1, "delete": 0},
        "lines": 4,
        "topics": dict.fromkeys(TOPICS, 0),
        "files": {"HDFS": 0, "local": 0},
        "connectors": {"shop-cdc": ["RUNNING", "FAILED"]},
        "servers": {"kafka": True, "mariadb": False},
    }


def test_taken_names_owner_and_option_when_port_is_in_use():
    """The sentence says who has the port and how to choose another one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert taken([("--rest-port", port, "REST API")]) == [
            f"port {port} (REST API) is in use by {owner_of(port)}; choose another with --rest-port N"
        ]
        assert f"(pid {os.getpid()})" in owner_of(port)
    assert taken([("--rest-port", port, "REST API")]) == []


def test_settings_come_back_when_saved(settings):
    """Later commands find the ports of the last start."""
    assert load_settings(settings.folder) is None
    settings.save()
    assert load_settings(settings.folder) == settings


def test_ports_of_the_last_start_are_kept_when_not_given_again(settings):
    """At first the usual ones; a port that is given wins over the one that was kept."""
    folder = settings.folder
    assert completed(Settings(folder, {})) == settings
    Settings(folder, settings.ports | {"rest": 9083, "mariadb": 3399}).save()
    assert completed(Settings(folder, {})).ports == settings.ports | {
        "rest": 9083,
        "mariadb": 3399,
    }
    assert completed(Settings(folder, {"rest": 9183})).ports == settings.ports | {
        "rest": 9183,
        "mariadb": 3399,
    }


@pytest.mark.parametrize("text", ["", '{"ports": {"rest": 80', '{"ports": {"rest": 8083}}', "[]"])
def test_file_is_named_when_saved_settings_cannot_be_read(settings, text):
    """A cut file is one sentence, not a traceback."""
    settings.save()
    settings.file.write_text(text)
    with pytest.raises(PartError, match=f"cannot be read from {settings.file}.*remove that file"):
        load_settings(settings.folder)


def test_start_ends_with_one_sentence_when_its_folder_cannot_be_made(tmp_path, capsys):
    """What was being done, on what, why not, and how to choose another folder."""
    (tmp_path / "taken").touch()
    words = ["start", "--folder", str(tmp_path / "taken" / "below")]
    for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True):
        words += [f"--{name}-port", str(port)]
    assert main(words) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert f"start in {tmp_path}/taken/below failed" in sentence
    assert "Not a directory" in sentence
    assert "--folder FOLDER" in sentence


def test_port_is_refused_when_it_is_none(capsys):
    """With 70000 the sentence names the option."""
    with pytest.raises(SystemExit):
        main(["status", "--rest-port", "70000"])
    assert "--rest-port" in capsys.readouterr().err


def test_every_sunk_topic_is_fed_by_a_source(settings):
    """What the sinks read is what the sources write."""
    configs = connectors(settings, "u", "p", "hdfs://h:1", Path("/conf"))
    sunk = {t for c in configs.values() for t in c.get("topics", "").split(",") if t}
    assert sunk < set(TOPICS)
    assert len(configs) == 5


def test_flows_only_when_every_topic_and_sink_has_something(state):
    """One topic or sink at zero is not "everything flows"."""
    assert not flows(state)
    state["topics"] = dict.fromkeys(TOPICS, 1)
    assert not flows(state)
    state["files"] = {"HDFS": 1, "local": 2}
    assert flows(state)


def test_view_shows_rates_and_what_is_down(settings, state):
    """Counts with their growth, task states, and servers that have ended."""
    before = state | {"topics": dict.fromkeys(TOPICS, 0)}
    state["topics"] = dict.fromkeys(TOPICS, 7)
    text = render(settings, state, before)
    assert "insert 3" in text
    assert "+7/s" in text
    assert "tasks: FAILED" in text
    assert "ended, coming back: mariadb" in text
