"""The whole daemon killed at once, and started again as systemd does; and a second one beside it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from deploy.parts import Broker, free_ports
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until

STRING = "org.apache.kafka.connect.storage.StringConverter"
KILLS = 3
RESTART_S = 2.0
"""RestartSec of systemd/ingest-appliance.service."""
DEADLINE_S = 40.0
"""Far more than what is promised: the machine of a test may be busy with other ones."""
OURS_ALONE = (
    "offset.flush.interval.ms",
    "scheduled.rebalance.max.delay.ms",
    "offset.storage.partitions",
    "status.storage.partitions",
)


def connectors(folder: Path, topic: str) -> dict[str, dict[str, str]]:
    """Give two sources and a sink of two tasks, with a file each."""
    source = {"connector.class": "FileStreamSource", "topic": topic, "value.converter": STRING}
    sink = {"connector.class": "FileStreamSink", "topics": topic, "value.converter": STRING}
    return {
        **{f"in{n}": {**source, "file": str(folder / f"in{n}.txt")} for n in range(2)},
        "out": {**sink, "file": str(folder / "out.txt"), "tasks.max": "2"},
    }


def running(daemon: Daemon, names: list[str]) -> bool:
    """Tell whether connectors and tasks run, and nothing else is told of any."""
    found = [daemon.client.get("connectors", name, "status") for name in names]
    return all(
        status["tasks"]
        and {part["state"] for part in (status["connector"], *status["tasks"])} == {"RUNNING"}
        for status in found
    )


@pytest.mark.parametrize("broker_waits_ms", [0, 3000], ids=["no-delay", "brokers-default-delay"])
def test_all_runs_again_in_seconds_when_everything_is_killed(
    open_tmp_path, unique_name, broker_waits_ms
):
    """With the settings that are shipped nobody waits for a dead member's session; no line is lost."""
    folder = open_tmp_path
    delay = {"group.initial.rebalance.delay.ms": broker_waits_ms}
    with Broker(folder / "kafka", properties=delay) as broker:
        options = worker_options(broker.bootstrap, unique_name, free_ports(1)[0])
        for name in OURS_ALONE:
            del options[name]
        daemon = Daemon(folder, "run", options)
        daemon.in_session = True
        wanted = connectors(folder, unique_name)
        lines: set[str] = set()

        def arrived() -> bool:
            return lines <= set((folder / "out.txt").read_text().splitlines())

        def append(text: str) -> None:
            for n in range(2):
                with (folder / f"in{n}.txt").open("a") as out:
                    out.write(f"{text} of {n}\n")
                lines.add(f"{text} of {n}")

        with daemon.start():
            append("before")
            for name, config in wanted.items():
                daemon.client.put("connectors", name, "config", body=config)
            wait_until(lambda: running(daemon, list(wanted)) and arrived(), "all runs", 60)
            for kill in range(KILLS):
                append(f"before kill {kill}")
                assert daemon.process is not None
                os.killpg(daemon.process.pid, signal.SIGKILL)
                killed_s = time.monotonic()
                daemon.process.wait()
                append(f"after kill {kill}")
                time.sleep(RESTART_S)  # the unit's RestartSec, part of the time promised
                daemon.start(ready=False)
                took_s = []
                for what, condition in (
                    ("REST answers", lambda: daemon.client.get("")["version"]),
                    ("the daemon is healthy", daemon.healthy),
                    ("all runs", lambda: running(daemon, list(wanted))),
                    ("the lines arrive", arrived),
                ):
                    wait_until(condition, what, DEADLINE_S, 0.02)
                    took_s.append(f"{what} {time.monotonic() - killed_s:.1f} s")
                print("after SIGKILL:", ", ".join(took_s))


@pytest.mark.parametrize(
    ("option", "leaf"), [("appliance.runtime.dir", "run"), ("appliance.state.dir", "state")]
)
def test_second_daemon_ends_with_78_when_the_first_has_the_folder(
    broker, unique_name, open_tmp_path, option, leaf
):
    """One sentence names the first one, which goes on; systemd leaves the second one down."""
    first_port, second_port = free_ports(2)
    with Daemon(
        open_tmp_path, "run", worker_options(broker.bootstrap, unique_name, first_port)
    ) as first:
        assert first.process is not None
        other = open_tmp_path / "other"
        other.mkdir()
        same = {option: str(open_tmp_path / leaf)}
        options = {**worker_options(broker.bootstrap, unique_name, second_port), **same}
        second = Daemon(other, "run", options).start(ready=False)
        assert second.process is not None
        assert second.process.wait(20) == 78
        (line,) = second.log.read_text().splitlines()
        folder = open_tmp_path / leaf
        assert (
            f"Another daemon (pid {first.process.pid}) already runs on the folder {folder}" in line
        )
        assert f"another folder in {option}" in line
        assert first.healthy()
