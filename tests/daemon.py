"""The real daemon as a child process, for conformance and acceptance tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from appliance.client import Client
from appliance.config.properties import render_properties
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
JSON = "org.apache.kafka.connect.json.JsonConverter"
START_S = 90.0


def worker_options(bootstrap: str, group: str, port: int, **more: str) -> dict[str, str]:
    """Give a distributed worker's options for a group of its own."""
    options = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "key.converter": JSON,
        "value.converter": JSON,
        "listeners": f"http://127.0.0.1:{port}",
        "offset.flush.interval.ms": "500",
        "scheduled.rebalance.max.delay.ms": "0",
        "offset.storage.partitions": "3",
        "status.storage.partitions": "2",
    }
    for store in ("config", "offset", "status"):
        options[f"{store}.storage.topic"] = f"{group}-{store}"
        options[f"{store}.storage.replication.factor"] = "1"
    return {**options, **{name.replace("__", "."): value for name, value in more.items()}}


class Daemon:
    """A daemon started from a worker file; use as a context."""

    def __init__(
        self, folder: Path, command: str, options: Mapping[str, str], *connectors: Path
    ) -> None:
        self.folder = folder
        self.url = options["listeners"].split(",")[0]
        self.client = Client(self.url, timeout_s=95)
        file = folder / "worker.properties"
        own = {
            "appliance.runtime.dir": str(folder / "run"),
            "appliance.state.dir": str(folder / "state"),
        }
        file.write_text(render_properties({**own, **options}))
        self._command = [
            sys.executable,
            "-m",
            "appliance",
            command,
            str(file),
            *(str(path) for path in connectors),
        ]
        self.log = folder / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}
        self.in_session = False
        """Whether it is started in a session of its own, to be killed with all its processes at once."""

    def start(self, ready: bool = True) -> Self:
        """Start it; with `ready` wait until /health says healthy."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
                start_new_session=self.in_session,
            )
        if ready:
            wait_until(self.healthy, f"{self.url}/health is healthy", START_S)
        return self

    def healthy(self) -> Any:
        """Tell whether the worker is ready; AssertionError when the daemon has ended."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended: {self.log.read_text()[-3000:]}")
        return self.client.get("health")["status"] == "healthy"

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        """Send the supervisor a signal."""
        assert self.process is not None
        self.process.send_signal(signal_number)

    def stop(self, timeout_s: float = 45) -> int:
        """Stop it gracefully; give its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def __enter__(self) -> Self:
        if self.process is None:
            try:
                self.start()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def processes(self) -> dict[str, list[int]]:
        """Give the pids below the supervisor by name."""
        assert self.process is not None
        return _children(self.process.pid)


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _children(parent: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    pending = [parent]
    while pending:
        for children in Path(f"/proc/{pending.pop()}/task").glob("*/children"):
            with suppress(OSError):  # a thread or a process that ended meanwhile
                for child in children.read_text().split():
                    name = Path(f"/proc/{child}/comm").read_text().strip()
                    found.setdefault(name, []).append(int(child))
                    pending.append(int(child))
    return found
