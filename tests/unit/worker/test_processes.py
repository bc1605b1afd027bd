"""The spawner: children by fork, sockets handed over, nobody left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from appliance.worker.processes import Process, Spawner

ENTRY = "tests.unit.worker.children"


@pytest.fixture
def spawner() -> Iterator[Spawner]:
    handle = Spawner.start(preload=["json"])
    yield handle
    handle.close()


def gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_child_gets_arguments_and_sockets_when_spawned(spawner: Spawner) -> None:
    """A child calls its entry with the arguments and can use the socket it was handed."""
    mine, theirs = socket.socketpair()
    process = spawner.spawn(f"{ENTRY}:echo", {"text": "hola"}, [theirs])
    assert mine.recv(100) == b"hola"
    mine.sendall(b"adeu")
    assert mine.recv(100) == b"adeu"
    mine.close()
    assert process.wait(5)
    assert process.status == 0


def test_later_children_find_what_an_earlier_one_imported(spawner: Spawner) -> None:
    """The first child imports a module by itself; once the spawner has been told, others are born with it."""

    def born(module: str) -> tuple[bool, list[str]]:
        mine, theirs = socket.socketpair()
        spawner.spawn(f"{ENTRY}:bring", {"module": module}, [theirs])
        with mine:
            there, imported = json.loads(mine.recv(1 << 16))
        return there, imported

    there, imported = born("appliance.predicates.builtin")
    assert not there
    assert "appliance.predicates.builtin" in imported
    spawner.preload([*imported, "appliance.no_such_module"])
    assert born("appliance.predicates.builtin") == (True, [])


def test_exit_is_told_when_a_child_dies_or_fails(spawner: Spawner) -> None:
    """The asker hears exit codes and signals, and on_exit is called."""
    ended: list[Process] = []
    mine, theirs = socket.socketpair()
    killed = spawner.spawn(f"{ENTRY}:echo", {"text": "x"}, [theirs], on_exit=ended.append)
    crashed = spawner.spawn(f"{ENTRY}:leave", {"code": 7})
    assert crashed.wait(5)
    assert crashed.status == 7
    killed.kill()
    assert killed.wait(5)
    assert killed.status == -signal.SIGKILL
    assert ended == [killed]
    mine.close()


def test_grandchildren_are_killed_when_their_asker_dies(spawner: Spawner) -> None:
    """When a worker is killed, the processes it asked for end within two seconds, even if they hang."""
    mine, theirs = socket.socketpair()
    worker = spawner.spawn(f"{ENTRY}:ask_for_a_hanging_child", {}, [theirs], with_spawner=True)
    grandchild = int(mine.recv(100))
    assert not gone(grandchild, within_s=0.05)
    worker.kill()
    assert gone(grandchild, within_s=2.0)
    mine.close()


def test_all_end_when_the_first_holder_closes() -> None:
    """Nothing stays behind when the supervisor is gone."""
    handle = Spawner.start(preload=["json"])
    process = handle.spawn(f"{ENTRY}:hang", {})
    handle.close()
    assert gone(process.pid)


def test_missing_entry_ends_the_child_only(spawner: Spawner) -> None:
    """A child that cannot start does not harm the spawner."""
    assert spawner.spawn("no.such:thing", {}).wait(5)
    after = spawner.spawn(f"{ENTRY}:leave", {"code": 3})
    assert after.wait(5)
    assert after.status == 3
