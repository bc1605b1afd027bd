"""Who is measured: our daemon and the Java worker, through the same REST calls and with the same options."""

from __future__ import annotations

import compileall
import itertools
import json
import os
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from deploy.parts import Broker, ConnectWorker, free_ports
from tests.benchmarks.processes import cpu_s
from tests.daemon import ROOT, Daemon, worker_options
from tests.waiting import wait_until

TUNED = {
    "producer.compression.type": "lz4",
    "producer.linger.ms": "20",
    "producer.batch.size": "524288",
    "offset.flush.interval.ms": "10000",
}
"""Worker options of both, where throughput counts."""


class Contestant:
    """A running worker: its REST API and its processes."""

    def __init__(self, name: str, url: str, pid: int) -> None:
        self.name = name
        self.url = url
        self.pid = pid

    def cpu_s(self) -> float:
        """Give the CPU-seconds of all its processes so far."""
        return cpu_s(self.pid)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Make a REST call. Raises urllib.error.HTTPError with the answer in its text."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            error.msg = f"{error.msg}: {error.read().decode()}"
            raise
        return json.loads(text) if text else None

    def put(self, connector: str, config: Mapping[str, str]) -> None:
        """Create a connector and wait until a task of it runs."""
        self.call("PUT", f"connectors/{connector}/config", config)
        self.await_tasks(connector, 1)

    def await_tasks(self, connector: str, count: int, timeout_s: float = 90) -> None:
        """Wait until `count` tasks run; AssertionError with the trace when one fails."""

        def running() -> bool:
            tasks = self.call("GET", f"connectors/{connector}/status")["tasks"]
            return [task["state"] for task in tasks].count("RUNNING") == count

        wait_until(running, f"{count} tasks of {connector} run at {self.name}", timeout_s)

    def stop_connector(self, connector: str) -> None:
        """Stop a connector and wait until it has no task."""
        self.call("PUT", f"connectors/{connector}/stop")
        self.await_tasks(connector, 0)

    def resume(self, connector: str) -> None:
        """Let it run again; returns at once."""
        self.call("PUT", f"connectors/{connector}/resume")

    def offsets(self, connector: str) -> list[Any]:
        """Give the stored offsets of a connector."""
        found: list[Any] = self.call("GET", f"connectors/{connector}/offsets")["offsets"]
        return found

    def delete(self, connector: str) -> None:
        """Delete a connector."""
        self.call("DELETE", f"connectors/{connector}")

    def check(self, connector: str) -> None:
        """Raise SystemExit with the trace if a task has failed."""
        try:
            tasks = self.call("GET", f"connectors/{connector}/status")["tasks"]
        except urllib.error.HTTPError as error:
            if error.code != 404:  # created a moment ago, it has no status yet
                raise
            return
        for task in tasks:
            if task["state"] == "FAILED":
                raise SystemExit(f"{self.name}: {connector} failed: {task['trace']}")


@contextmanager
def folder() -> Iterator[Path]:
    """Give a temporary folder that servers of any user can enter; SIGTERM ends all servers in order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="ingest-bench-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def compiled() -> None:
    """See to it that our modules are compiled, as an installation has them."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(str(ROOT / "appliance"), quiet=1)


@contextmanager
def broker(data: Path) -> Iterator[Broker]:
    """Give a running broker that compiles and collects as in production."""
    with Broker(data / "broker", benchmark=True) as running:
        yield running


@contextmanager
def ours(data: Path, bootstrap: str, options: Mapping[str, str]) -> Iterator[Contestant]:
    """Give our daemon with its two workers."""
    compiled()
    home = data / "ours"
    home.mkdir()
    given = worker_options(bootstrap, "bench-ours", free_ports(1)[0])
    with Daemon(home, "run", {**given, **options}) as daemon:
        assert daemon.process is not None
        yield Contestant("ours", daemon.url, daemon.process.pid)


@contextmanager
def peer(data: Path, bootstrap: str, options: Mapping[str, str]) -> Iterator[Contestant]:
    """Give the Java worker with a heap of 1 GB."""
    java = ConnectWorker(
        data / "peer", bootstrap, benchmark=True, heap=("-Xmx1g",), properties=options
    )
    with java:
        yield Contestant("peer", java.url, java.pid)


class Topics:
    """Looks into topics: how much is in them, and what."""

    def __init__(self, bootstrap: str) -> None:
        self._known: set[str] = set()
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "bench-look",
                "enable.auto.commit": False,
                "fetch.queue.backoff.ms": 5,
                "log_level": 1,
            }
        )

    def end(self, topic: str) -> int:
        """Give the end offset of a topic's only partition, 0 while there is no such topic."""
        if topic not in self._known:
            # the client would remember for long that there is no such topic
            found = self._consumer.list_topics(topic, 10).topics[topic]
            if found.error or not found.partitions:
                return 0
            self._known.add(topic)
        _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, 0), 10)
        return int(high or 0)

    def wait(
        self,
        topic: str,
        count: int,
        timeout_s: float = 300,
        check: Callable[[], None] | None = None,
    ) -> float:
        """Wait until the topic holds `count` records; gives the monotonic time of that.

        `check` is called now and then, to end a vain wait.
        """
        turns = itertools.count(1)

        def there() -> bool:
            if check is not None and next(turns) % 40 == 0:
                check()
            return self.end(topic) >= count

        wait_until(there, f"{topic} holds {count} records", timeout_s)
        return time.monotonic()

    def records(self, topic: str, first: int, count: int) -> list[tuple[Any, Any, list[Any]]]:
        """Give key, value and headers of `count` records from offset `first` on."""
        self._consumer.assign([TopicPartition(topic, 0, first)])
        found: list[tuple[Any, Any, list[Any]]] = []
        deadline = time.monotonic() + 60
        while len(found) < count and time.monotonic() < deadline:
            messages: Any = self._consumer.consume(count - len(found), 1)
            found.extend((m.key(), m.value(), m.headers() or []) for m in messages)
        self._consumer.unassign()
        return found

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()
