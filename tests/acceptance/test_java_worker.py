"""A worker of Kafka Connect in Java and our daemon in one group: shared topics, shared work, either's REST."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from appliance.client import Client
from deploy.parts import free_ports
from deploy.parts.connect import ConnectWorker
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until

SPREAD = [f"idle{number}" for number in range(4)]


class Group:
    """Both workers, asked by REST."""

    def __init__(self, java: ConnectWorker, daemon: Daemon) -> None:
        self.java = java
        self.daemon = daemon
        self.theirs = Client(java.url, timeout_s=95)
        self.ours = daemon.client

    def statuses(self, client: Client) -> dict[str, Any]:
        """Give connectors with the states and workers that this REST tells."""
        answer = client.get("connectors", expand="status")
        return {name: entry["status"] for name, entry in answer.items()}

    def await_running(self, names: set[str], workers: set[str]) -> None:
        """Wait until all asked say that all run, and on all these workers together."""
        asked = [
            client
            for client in (self.theirs, self.ours)
            if client.url.removeprefix("http://") in workers
        ]

        def settled() -> bool:
            for client in asked:
                found = self.statuses(client)
                parts = [
                    part
                    for status in found.values()
                    for part in (status["connector"], *status["tasks"])
                ]
                assert names == set(found)
                assert all(status["tasks"] for status in found.values()), found
                assert {"RUNNING"} == {part["state"] for part in parts}, found
                assert workers == {part["worker_id"] for part in parts}, found
            return True

        wait_until(settled, f"all run on {', '.join(sorted(workers))}", 90)


def paused(client: Client) -> bool:
    """Tell whether this REST says that `lines` is paused, connector and task."""
    status = client.get("connectors", "lines", "status")
    states = [part["state"] for part in (status["connector"], *status["tasks"])]
    return states == ["PAUSED", "PAUSED"]


def configured(client: Client, size: str) -> bool:
    """Tell whether this REST knows the new batch size of `idle0`."""
    return bool(size == client.get("connectors", "idle0", "config")["batch.size"])


@pytest.fixture
def group(broker, tmp_path, unique_name):
    """A Java worker that leads and our daemon, both of one group and with the same topics."""
    java_port, port = free_ports(2)
    options = worker_options(broker.bootstrap, unique_name, java_port)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    java = ConnectWorker(
        tmp_path / "java",
        broker.bootstrap,
        java_port,
        properties={**options, "plugin.path": str(plugins)},
    )
    folder = tmp_path / "ours"
    folder.mkdir()
    with java:
        own = {"listeners": f"http://127.0.0.1:{port}", "appliance.workers": "1"}
        daemon = Daemon(folder, "distributed", {**options, **own})
        with daemon:
            yield Group(java, daemon)


@pytest.mark.timeout(400)
def test_work_and_requests_pass_between_java_and_our_daemon_when_both_are_one_group(
    group, tmp_path, unique_name
):
    """Connectors made at either run on both, are changed by either, and go on where the other left them."""
    source, copy = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("")
    lines = {
        "connector.class": "FileStreamSource",
        "tasks.max": "1",
        "file": str(source),
        "topic": unique_name,
    }
    sink = {
        "connector.class": "FileStreamSink",
        "tasks.max": "1",
        "file": str(copy),
        "topics": unique_name,
    }
    theirs, ours = group.theirs, group.ours
    group.theirs.put("connectors", "lines", "config", body=lines)
    ours.put("connectors", "copy", "config", body=sink)
    for number, name in enumerate(SPREAD):
        idle = {**lines, "file": str(tmp_path / name), "topic": f"{unique_name}-idle"}
        (theirs, ours)[number % 2].put("connectors", name, "config", body=idle)
    names = {"lines", "copy", *SPREAD}
    java_id = group.java.url.removeprefix("http://")
    our_id = group.daemon.url.removeprefix("http://")
    group.await_running(names, {java_id, our_id})
    sent = 0

    def passes(what: str) -> None:
        nonlocal sent
        sent += 1
        with source.open("a") as file:
            file.write(f"line {sent}\n")
        wait_until(lambda: f"line {sent}\n" in copy.read_text(), f"a line passes {what}", 90)

    passes("with both")
    for asked, other in ((ours, theirs), (theirs, ours)):
        asked.put("connectors", "lines", "pause")
        wait_until(partial(paused, other), "what one paused is paused at the other", 60)
        other.put("connectors", "lines", "resume")
        asked.put("connectors", "idle0", "config", body={**idle, "batch.size": str(100 + sent)})
        wait_until(
            partial(configured, other, str(100 + sent)),
            "what one configured is known to the other",
            60,
        )
        group.await_running(names, {java_id, our_id})
        passes("after changes at either")
    assert theirs.get("connectors", "lines", "offsets") == ours.get(
        "connectors", "lines", "offsets"
    )

    group.daemon.stop()
    group.await_running(names, {java_id})
    passes("with Java alone")
    group.daemon.start()
    group.await_running(names, {java_id, our_id})
    group.java.stop()
    group.await_running(names, {our_id})
    passes("with ours alone")

    written = copy.read_text().splitlines()
    assert [f"line {number + 1}" for number in range(sent)] == list(dict.fromkeys(written))
    assert " ERROR " not in group.java.log_path.read_text()
