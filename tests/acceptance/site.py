"""A daemon with a pipeline that nothing may disturb, and what a user does with it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from deploy.parts import free_ports
from tests.daemon import JSON, Daemon, worker_options
from tests.waiting import wait_until

HDFS = "io.confluent.connect.hdfs3.Hdfs3SinkConnector"


class Site:
    """A daemon whose answers are all kept, and what a user does with it."""

    def __init__(self, daemon: Daemon, bootstrap: str, folder: Path) -> None:
        self.daemon = daemon
        self.bootstrap = bootstrap
        self.folder = folder
        self.answers: list[str] = []
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request (bytes as they are, else JSON); give status and answer, errors too."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            self.daemon.url + path,
            method=method,
            data=data,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=95) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode()
        self.answers.append(text)
        return status, json.loads(text) if text else None

    def refusal(self, config: Mapping[str, str]) -> str:
        """Give the message with which the daemon refuses a connector."""
        status, answer = self.ask("POST", "/connectors", {"name": "refused", "config": config})
        assert status == 400, answer
        return str(answer["message"])

    def create(self, name: str, config: Mapping[str, str]) -> str:
        """Create a connector; give its name."""
        status, answer = self.ask("POST", "/connectors", {"name": name, "config": config})
        assert status == 201, answer
        return name

    def task(self, name: str) -> dict[str, Any]:
        """Give the status of a connector's first task, {} before there is one."""
        tasks = self.ask("GET", f"/connectors/{name}/status")[1].get("tasks") or [{}]
        return dict(tasks[0])

    def trace(self, name: str) -> str:
        """Wait until the connector's task has failed; give its trace."""
        wait_until(lambda: self.task(name).get("state") == "FAILED", f"the task of {name} fails")
        return str(self.task(name)["trace"])

    def trouble(self, name: str) -> str | None:
        """Give what a console shows as wrong with the connector's task."""
        _, seen = self.ask("GET", "/appliance/v1/snapshot")
        (task,) = (task for task in seen["tasks"] if task["id"] == f"{name}:0")
        error: str | None = task["error"]
        return error

    def settled(self) -> int:
        """Wait until the group has not rebalanced for two seconds; give its generation."""
        seen: list[int] = []

        def stays() -> bool:
            seen.append(self.ask("GET", "/appliance/v1/snapshot")[1]["group"]["gen"])
            return len(seen) > 10 and len(set(seen[-10:])) == 1

        wait_until(stays, "the group rebalances no more", every_s=0.2)
        return seen[-1]

    def delete(self, name: str) -> None:
        """Delete a connector."""
        self.ask("DELETE", f"/connectors/{name}")

    def send(self, topic: str, *values: str) -> None:
        """Write records."""
        for value in values:
            self._producer.produce(topic, value.encode())
        self._producer.flush()

    def logged(self, *words: str) -> list[str]:
        """Give the lines of the log that hold all these words."""
        lines = self.daemon.log.read_text().splitlines()
        return [line for line in lines if all(word in line for word in words)]


@contextmanager
def open_site(bootstrap: str, folder: Path) -> Iterator[Site]:
    """Start a daemon of two workers and a pipeline from file to file."""
    group = f"bad-{uuid.uuid4().hex[:8]}"
    options = worker_options(bootstrap, group, free_ports(1)[0])
    options["connector.client.config.override.allowlist"] = "bootstrap.servers"
    with Daemon(folder, "run", {**options, "session.timeout.ms": "6000"}) as daemon:
        site = Site(daemon, bootstrap, folder)
        topic = f"{group}-lines"
        (folder / "in.txt").write_text("0\n")
        source = {"connector.class": "FileStreamSource", "topic": topic}
        site.create("bystander-in", {**source, "file": str(folder / "in.txt")})
        sink = {"connector.class": "FileStreamSink", "topics": topic}
        site.create("bystander-out", {**sink, "file": str(folder / "out.txt")})
        yield site


def file_source(site: Site, topic: str, **more: str) -> dict[str, str]:
    """Give the options of a source that has one line to send."""
    file = site.folder / f"{topic}.txt"
    file.write_text("one\n")
    named = {name.replace("__", "."): value for name, value in more.items()}
    return {"connector.class": "FileStreamSource", "file": str(file), "topic": topic, **named}


def files_sink(url: str, topic: str, **more: str) -> dict[str, str]:
    """Give the options of a sink that writes one JSON file per record below `url`."""
    return {
        "connector.class": HDFS,
        "topics": topic,
        "store.url": url,
        "flush.size": "1",
        "retry.backoff.ms": "500",
        "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
        "value.converter": JSON,
        "value.converter.schemas.enable": "false",
        **{name.replace("__", "."): value for name, value in more.items()},
    }
