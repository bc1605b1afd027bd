"""The quickstart's parts that need no server."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from deploy.demo.connectors import TOPICS, connectors
from deploy.demo.ports import owner_of, taken
from deploy.demo.settings import PORTS, Settings, load_settings
from deploy.demo.view import flows, render


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
