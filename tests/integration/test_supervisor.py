"""The supervisor keeps workers alive, lets one at a time accept, and takes everything down with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.parts import free_ports
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
MAIN = """
import sys
from appliance.config.worker import WorkerConfig
from appliance.supervisor import Supervisor
from appliance.telemetry import logs
logs.configure()
options = {"appliance.runtime.dir": sys.argv[2], "appliance.state.dir": f"{sys.argv[2]}/state"}
options |= {"listeners": f"http://127.0.0.1:{sys.argv[1]}", "appliance.workers": "2"}
config = WorkerConfig({**options, "task.shutdown.graceful.timeout.ms": "1000"}, "run")
sys.exit(Supervisor(config, (), "tests.integration.fakeworker:main", step_s=3.0).run())
"""
PORT = free_ports(1)[0]


def answer(port: int = PORT) -> tuple[int, int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as response:
        index, pid, words = response.read().decode().split(" ", 2)
    return int(index), int(pid), words


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def supervisor(tmp_path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, str(PORT), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        wait_until(answer, "the first worker accepts", 20)
        wait_until(lambda: answer(PORT + 101), "the second worker serves its own address", 20)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_next_worker_accepts_when_the_first_dies(supervisor):
    """The public socket moves on, a sibling takes the dead member out, the dead worker comes back."""
    index, pid, _ = answer()
    os.kill(pid, signal.SIGKILL)

    wait_until(lambda: answer()[0] != index, "a sibling accepts")
    successor = answer()
    assert f"leave:member-{index}" in wait_until(
        lambda: answer()[2] if "leave" in answer()[2] else "", "the sibling is told"
    )
    reborn = wait_until(lambda: answer(PORT + 100 + index), "the dead worker is back")

    assert successor[1] != pid
    assert reborn[1] != pid
    assert answer()[0] == successor[0]


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGUSR1], ids=["frozen", "stuck"])
def test_worker_without_progress_is_killed_and_replaced(supervisor, number):
    """After four seconds here: one that stands still, and one that says itself that its herder does."""
    index, pid, _ = answer()
    os.kill(pid, number)
    stopped = time.monotonic()

    wait_until(lambda: not alive(pid), "it is killed", 15)
    assert time.monotonic() - stopped > 3.0
    reborn = wait_until(lambda: answer(PORT + 100 + index), "another one is in its place", 15)
    assert reborn[1] != pid
    assert f"leave:member-{index}" in wait_until(
        lambda: answer()[2] if "leave" in answer()[2] else "", "its sibling is told"
    )


def test_everything_ends_when_told_to_stop(supervisor):
    """SIGTERM stops the workers and gives 0."""
    pids = [answer()[1], answer(PORT + 101)[1]]
    supervisor.terminate()

    assert supervisor.wait(15) == 0
    assert not any(alive(pid) for pid in pids)


def test_everything_ends_within_two_seconds_when_the_supervisor_is_killed(supervisor):
    """No worker outlives its supervisor by more than two seconds."""
    pids = [answer()[1], answer(PORT + 101)[1]]
    supervisor.kill()
    supervisor.wait()
    killed = time.monotonic()

    wait_until(lambda: not any(alive(pid) for pid in pids), "the workers are gone", 5)
    assert time.monotonic() - killed <= 2.0
