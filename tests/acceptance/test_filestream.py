"""A text file goes through a topic into another file by the daemon, whoever is killed meanwhile."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from appliance.config.properties import render_properties
from deploy.parts import free_ports
from tests.acceptance.pipelines import payloads
from tests.daemon import JSON, Daemon, alive, worker_options
from tests.waiting import wait_until

ENVELOPES = [
    f'{{"schema":{{"type":"string","optional":false}},"payload":"{line}"}}'
    for line in ("Hola", "Adéu", "Otra línea")
]


def source(name: str, file: Path, topic: str) -> dict[str, str]:
    return {"name": name, "connector.class": "FileStreamSource", "file": str(file), "topic": topic}


def sink(name: str, file: Path, topic: str) -> dict[str, str]:
    java_class = "org.apache.kafka.connect.file.FileStreamSinkConnector"
    return {"name": name, "connector.class": java_class, "file": str(file), "topics": topic}


def states(daemon: Daemon, name: str) -> list[str]:
    found = daemon.client.get("connectors", name, "status")
    return [found["connector"]["state"], *(task["state"] for task in found["tasks"])]


def await_running(daemon: Daemon, name: str) -> None:
    running = ["RUNNING", "RUNNING"]
    wait_until(lambda: states(daemon, name) == running, f"{name} and its task run")


def append(file: Path, *lines: str) -> None:
    with file.open("a", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in lines)


def await_lines_one_by_one(file: Path, out: Path) -> None:
    """Wait for the first line, then append the others, each when the one before has arrived."""
    wait_until(lambda: lines_of(out) == ["Hola"], "the first line")
    append(file, "Adéu")
    wait_until(lambda: lines_of(out) == ["Hola", "Adéu"], "the second line")
    append(file, "Otra línea")
    wait_until(lambda: lines_of(out) == ["Hola", "Adéu", "Otra línea"], "the third line")


def lines_of(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.fixture
def daemon(broker, unique_name, tmp_path):
    """A daemon with two workers."""
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    with Daemon(tmp_path, "run", {**options, "session.timeout.ms": "6000"}) as running:
        yield running


def test_lines_arrive_when_standalone_reads_connector_files(broker, unique_name, tmp_path):
    """Kafka Connect's first example: a worker file, two connector files, and text flows."""
    file, out = tmp_path / "test.txt", tmp_path / "test.sink.txt"
    append(file, "Hola")
    port = free_ports(1)[0]
    first, second = tmp_path / "source.properties", tmp_path / "sink.json"
    first.write_text(render_properties(source("local-file-source", file, unique_name)))
    second.write_text(json.dumps(sink("local-file-sink", out, unique_name)))
    options = {
        "bootstrap.servers": broker.bootstrap,
        "key.converter": JSON,
        "value.converter": JSON,
        "listeners": f"http://127.0.0.1:{port}",
        "offset.storage.file.filename": str(tmp_path / "offsets"),
        "offset.flush.interval.ms": "500",
    }
    with Daemon(tmp_path, "standalone", options, first, second) as daemon:
        await_lines_one_by_one(file, out)
        assert payloads(broker.bootstrap, unique_name, 3) == ENVELOPES
        await_running(daemon, "local-file-sink")
        offset = {"partition": {"filename": str(file)}, "offset": {"position": 23}}
        wait_until(
            lambda: (
                daemon.client.get("connectors", "local-file-source", "offsets")
                == {"offsets": [offset]}
            ),
            "the offset is stored",
        )
        assert daemon.stop() == 0


def test_lines_arrive_one_by_one_when_distributed(daemon, broker, unique_name, tmp_path):
    """Each appended line is in the sink's file before the next is written; bytes as from Java."""
    file, out = tmp_path / "in.txt", tmp_path / "out.txt"
    append(file, "Hola")
    daemon.client.put("connectors", "in", "config", body=source("in", file, unique_name))
    daemon.client.put("connectors", "out", "config", body=sink("out", out, unique_name))
    await_lines_one_by_one(file, out)
    assert payloads(broker.bootstrap, unique_name, 3) == ENVELOPES


def test_connector_obeys_when_paused_resumed_stopped_and_deleted(daemon, unique_name, tmp_path):
    """REST is the remote control: what it says comes about, and what it answers is true."""
    file, out = tmp_path / "in.txt", tmp_path / "out.txt"
    append(file, "one")
    client = daemon.client
    made = client.post(
        "connectors", body={"name": "in", "config": source("in", file, unique_name)}
    )
    assert made["type"] == "source"
    client.put("connectors", "out", "config", body=sink("out", out, unique_name))
    wait_until(lambda: lines_of(out) == ["one"], "the first line")
    client.put("connectors", "in", "pause")
    wait_until(lambda: states(daemon, "in") == ["PAUSED", "PAUSED"], "the source is paused")
    append(file, "two")
    client.put("connectors", "in", "resume")
    wait_until(lambda: lines_of(out) == ["one", "two"], "the line written while paused")
    client.put("connectors", "in", "stop")
    wait_until(lambda: states(daemon, "in") == ["STOPPED"], "the source has no tasks")
    client.delete("connectors", "in", "offsets")
    client.put("connectors", "in", "resume")
    wait_until(lambda: lines_of(out) == ["one", "two"] * 2, "the file is read from its start")
    client.delete("connectors", "in")
    wait_until(lambda: client.get("connectors") == ["out"], "the source is gone")


def test_nothing_is_lost_when_task_worker_and_daemon_are_killed(daemon, unique_name, tmp_path):
    """Each comes back by itself, the daemon with its next start, and every line arrives in order."""
    file, out = tmp_path / "in.txt", tmp_path / "out.txt"
    append(file, "0")
    daemon.client.put("connectors", "in", "config", body=source("in", file, unique_name))
    daemon.client.put("connectors", "out", "config", body=sink("out", out, unique_name))
    wait_until(lambda: "0" in lines_of(out), "the first line")
    victims = ("task", "worker", "daemon")
    for number, victim in enumerate(victims, 1):
        kill(daemon, victim)
        line = str(number)
        append(file, line)
        await_line(out, line, victim)
        await_running(daemon, "in")
    firsts = list(dict.fromkeys(lines_of(out)))
    assert firsts == [str(number) for number in range(len(victims) + 1)]


def kill(daemon: Daemon, victim: str) -> None:
    """Send SIGKILL to a task's process, a worker or the daemon; start the daemon again."""
    found = daemon.processes()
    if victim != "daemon":
        is_worker = victim == "worker"
        pids = [
            pids[0]
            for name, pids in found.items()
            if name.startswith("ingest-")
            and "spawn" not in name
            and name.startswith("ingest-worker") == is_worker
        ]
        os.kill(pids[0], signal.SIGKILL)
        return
    daemon.kill()
    every = [pid for pids in found.values() for pid in pids]
    wait_until(lambda: not any(map(alive, every)), "all processes of the daemon have ended", 5)
    daemon.stop()
    daemon.start()


def await_line(file: Path, line: str, victim: str) -> None:
    wait_until(lambda: line in lines_of(file), f"a line after the {victim} died", 60)


def test_task_takes_a_changed_secret_when_its_term_is_over(broker, unique_name, tmp_path):
    """What a config provider's file says anew reaches a running task, its place in the source kept."""
    file, secrets = tmp_path / "in.txt", tmp_path / "secrets.properties"
    secrets.write_text(f"topic={unique_name}-old\n")
    append(file, "Hola")
    options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
    options |= {
        "config.providers": "file",
        "config.providers.file.class": "FileConfigProvider",
        "config.providers.file.param.ttl.ms": "500",
    }
    config = source(unique_name, file, f"${{file:{secrets}:topic}}")
    with Daemon(tmp_path, "distributed", options) as daemon:
        daemon.client.post("connectors", body={"name": unique_name, "config": config})
        assert payloads(broker.bootstrap, f"{unique_name}-old", 1) == [ENVELOPES[0]]
        secrets.write_text(f"topic={unique_name}-new\n")

        def moved() -> bool:
            append(file, "Adéu")
            topics = daemon.client.get("connectors", unique_name, "topics")[unique_name]["topics"]
            return f"{unique_name}-new" in topics

        wait_until(moved, "lines in the second topic")
        assert payloads(broker.bootstrap, f"{unique_name}-new", 1) == [ENVELOPES[1]]
