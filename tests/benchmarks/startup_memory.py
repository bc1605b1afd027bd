"""Start and rest: time until REST answers, memory of everything at rest, CPU at rest.

    python -m tests.benchmarks.startup_memory [--starts N] [--rest S]

A real broker that runs, internal topics that exist, two workers. Tasks are those of FileStreamSink
connectors on a topic of ten partitions: 10 with a process each, 50 (5 connectors) with
`appliance.task.isolation=connector`. Memory is the proportional set size of all processes of the daemon.
"""

from __future__ import annotations

import argparse
import functools
import http.client
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.parts import free_ports
from tests.benchmarks.contestants import Contestant, broker, compiled, folder
from tests.benchmarks.processes import cpu_s, machine, memory_mb, named_memory
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until

GATES = {"start": 1.0, "0": 160.0, "10": 260.0, "50": 340.0, "cpu": 2.0}
SETTLED_S = 5.0


def answers(port: int) -> bool:
    """Tell whether the connectors can be listed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/connectors")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def starts(home: Path, options: Mapping[str, str], count: int) -> None:
    """Start and stop; print the time from exec to the first good answer, and the CPU it took."""
    port = int(options["listeners"].rsplit(":", 1)[1])
    walls, cpus = [], []
    for number in range(count + 1):
        began = time.monotonic()
        daemon = Daemon(home, "run", options).start(ready=False)
        assert daemon.process is not None
        with daemon:
            wait_until(functools.partial(answers, port), "REST answers", 60, 0.005)
            wall = time.monotonic() - began
            if number:  # the first one makes the internal topics
                walls.append(wall)
                cpus.append(cpu_s(daemon.process.pid))
            daemon.stop()
    print(
        f"REST answers after {min(walls):.2f} s at best, {statistics.median(walls):.2f} s median of "
        f"{count} (at most {GATES['start']} s), {min(cpus):.2f} CPU-s",
        flush=True,
    )


def create_sinks(daemon: Daemon, connectors: int) -> None:
    """Make FileStreamSink connectors of ten tasks each; returns when each task has its partition."""
    assert daemon.process is not None
    ours = Contestant("ours", daemon.url, daemon.process.pid)
    for number in range(connectors):
        config = {
            "connector.class": "FileStreamSink",
            "tasks.max": "10",
            "topics": "rest",
            "file": str(daemon.folder / f"out{number}"),
        }
        ours.call("PUT", f"connectors/sink{number}/config", config)
    for number in range(connectors):
        ours.await_tasks(f"sink{number}", 10)

    def settled() -> bool:
        figures = daemon.client.get("appliance", "v1", "metrics").values()
        return int(sum(task.get("partition-count", 0) for task in figures)) == connectors * 10

    wait_until(settled, "each task has its partition", 60)


def rest(home: Path, options: Mapping[str, str], connectors: int, seconds: float) -> None:
    """Print memory and CPU at rest with ten tasks of each connector."""
    with Daemon(home, "run", options) as daemon:
        assert daemon.process is not None
        pid = daemon.process.pid
        create_sinks(daemon, connectors)
        # what is measured is nothing happening: first it has to settle, then this long
        time.sleep(SETTLED_S)
        began, before = time.monotonic(), cpu_s(pid)
        time.sleep(seconds)
        share = (cpu_s(pid) - before) / (time.monotonic() - began) * 100
        tasks = connectors * 10
        print(
            f"{tasks:2} tasks: PSS {memory_mb(pid):.0f} MB (at most {GATES[str(tasks)]:.0f}), "
            f"{share:.2f} % of a core (at 50 at most {GATES['cpu']:.0f} %); {named_memory(pid)}",
            flush=True,
        )
        daemon.stop()


def main() -> None:
    """Measure starts, then each load at rest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--rest", type=float, default=20)
    chosen = parser.parse_args()
    compiled()
    print(machine())
    with folder() as home, broker(home) as running:
        admin = AdminClient({"bootstrap.servers": running.bootstrap})
        admin.create_topics([NewTopic("rest", 10, 1)])["rest"].result(20)
        for name, connectors in (("start", None), ("t0", 0), ("t10", 1), ("t50", 5)):
            place = home / name
            place.mkdir()
            options = worker_options(running.bootstrap, name, free_ports(1)[0])
            options["offset.flush.interval.ms"] = "10000"
            if connectors == 5:
                options["appliance.task.isolation"] = "connector"
            if connectors is None:
                starts(place, options, chosen.starts)
            else:
                rest(place, options, connectors, chosen.rest)


if __name__ == "__main__":
    main()
