"""REST with 200 tasks running: how long a GET and a config PUT take.

    python -m tests.benchmarks.rest [--gets N] [--puts N] [--pause S]

20 FileStreamSink connectors of ten tasks each (`appliance.task.isolation=connector`) on a broker that runs.
GETs go round the resources that clients poll, on one kept connection; PUTs change one connector after
another, `--pause` seconds between them: each restarts ten tasks by a rebalance, and the next has to wait for
it. Budgets: GET p99 10 ms, PUT p95 500 ms.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import time
from collections import defaultdict

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.parts import free_ports
from tests.benchmarks.contestants import broker, compiled, folder
from tests.benchmarks.processes import machine
from tests.benchmarks.startup_memory import create_sinks
from tests.daemon import Daemon, worker_options

CONNECTORS = 20
GATES_MS = {"GET p99": 10.0, "PUT p95": 500.0}
RESOURCES = (
    "/",
    "/connectors",
    "/connectors?expand=status&expand=info",
    "/connectors/sink7",
    "/connectors/sink7/config",
    "/connectors/sink7/status",
    "/connectors/sink7/tasks",
    "/connectors/sink7/tasks/3/status",
    "/connectors/sink7/topics",
    "/connector-plugins",
    "/admin/loggers/root",
)


class Client:
    """One kept connection; every answer has to be a good one."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=100)

    def took_ms(self, method: str, path: str, body: object = None) -> float:
        """Give how long the answer took, body included."""
        content = None if body is None else json.dumps(body)
        began = time.perf_counter()
        self._connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        took_ms = (time.perf_counter() - began) * 1000
        assert answer.status < 300, f"{method} {path}: {answer.status} {text[:300]!r}"
        return took_ms

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def share(times_ms: list[float], part: float) -> float:
    """Give the time that this part of all is not above."""
    return sorted(times_ms)[min(int(len(times_ms) * part), len(times_ms) - 1)]


def gets(client: Client, rounds: int) -> float:
    """Print the slowest resources; give the p99 of all."""
    times_ms: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for path in RESOURCES:
            times_ms[path].append(client.took_ms("GET", path))
    for path, found in sorted(times_ms.items(), key=lambda item: -share(item[1], 0.5)):
        print(
            f"  GET {path:<40} p50 {share(found, 0.5):6.2f} ms  p99 {share(found, 0.99):6.2f} ms"
        )
    return share([took for found in times_ms.values() for took in found], 0.99)


def puts(client: Client, daemon: Daemon, count: int, pause_s: float) -> float:
    """Change configurations one after another; give the p95."""
    times_ms = []
    for number in range(count):
        name = f"sink{number % CONNECTORS}"
        config = daemon.client.get("connectors", name, "config")
        body = {**config, "errors.retry.delay.max.ms": str(60_000 + number)}
        times_ms.append(client.took_ms("PUT", f"/connectors/{name}/config", body))
        time.sleep(pause_s)  # else each change waits for the rebalance of the one before
    print(f"  PUT config p50 {share(times_ms, 0.5):.0f} ms, slowest {max(times_ms):.0f} ms")
    return share(times_ms, 0.95)


def main() -> int:
    """Measure and say whether the budgets are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gets", type=int, default=100)
    parser.add_argument("--puts", type=int, default=40)
    parser.add_argument("--pause", type=float, default=1.0)
    chosen = parser.parse_args()
    compiled()
    print(machine())
    with folder() as home, broker(home) as running:
        admin = AdminClient({"bootstrap.servers": running.bootstrap})
        admin.create_topics([NewTopic("rest", 10, 1)])["rest"].result(20)
        port = free_ports(1)[0]
        options = worker_options(running.bootstrap, "rest-benchmark", port)
        options |= {"appliance.task.isolation": "connector", "offset.flush.interval.ms": "10000"}
        with Daemon(home, "run", options) as daemon:
            create_sinks(daemon, CONNECTORS)
            client = Client(port)
            found = {"GET p99": gets(client, chosen.gets)}
            found["PUT p95"] = puts(client, daemon, chosen.puts, chosen.pause)
            client.close()
    for what, took_ms in found.items():
        print(f"{what} {took_ms:.1f} ms (at most {GATES_MS[what]:g} ms)")
    return 0 if all(took_ms <= GATES_MS[what] for what, took_ms in found.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
