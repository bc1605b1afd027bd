"""Whom a kill hits, and what is needed for the victim to come back: SIGKILL in every case."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import defaultdict, deque
from pathlib import Path

from tests.daemon import alive
from tests.killing.site import Site
from tests.waiting import wait_until

KINDS = ("task", "worker", "daemon", "broker")
ENDS_WITHIN_S = 2.0
LONGEST_AWAY_S = 2.0
SPARED_S = 60.0
"""A process that was killed three times in this time is spared: dying over and over is a failure."""


class Killer:
    """Kills by kind, at random among those of a kind. Used by the thread that started the servers."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self._site = site
        self._chance = chance
        self.violations: list[str] = []
        self._killed: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=3))

    def kill(self, kind: str) -> str:
        """Kill one; give whom. A daemon or broker is started again after a moment, without waiting."""
        if kind == "broker":
            return self._kill_broker()
        if kind == "daemon":
            return self._kill_daemon()
        prefix = {"task": "ingest-task", "worker": "ingest-worker"}[kind]
        alive = wait_until(lambda: self._alive(prefix), f"a {prefix}", 60)
        now_s = time.monotonic()
        spared = {
            name
            for name, times in self._killed.items()
            if len(times) == times.maxlen and now_s - times[0] < SPARED_S
        }
        name, pid = self._chance.choice([one for one in alive if one[0] not in spared] or alive)
        self._killed[name].append(now_s)
        os.kill(pid, signal.SIGKILL)
        return f"{name} {pid}"

    def _alive(self, prefix: str) -> list[tuple[str, int]]:
        return [
            (task_of(pid) or name, pid)
            for name, pids in self._site.daemon.processes().items()
            for pid in pids
            if name.startswith(prefix)
        ]

    def _kill_broker(self) -> str:
        broker = self._site.broker
        pid = broker.pid
        broker.kill()
        self._stay_away()
        broker.launch()
        return f"broker {pid}"

    def _kill_daemon(self) -> str:
        daemon = self._site.daemon
        assert daemon.process is not None
        pid = daemon.process.pid
        every = [child for pids in daemon.processes().values() for child in pids]
        daemon.kill()
        daemon.process.wait()
        began = time.monotonic()
        wait_until(lambda: not any(map(alive, every)), "the end of all its processes", 20)
        took_s = time.monotonic() - began
        if took_s > ENDS_WITHIN_S:
            self.violations.append(f"processes of a killed daemon lived on for {took_s:.1f} s")
        self._stay_away()
        daemon.start(ready=False)
        return f"daemon {pid}"

    def _stay_away(self) -> None:
        # no condition: how long a daemon or broker is away is random
        time.sleep(self._chance.uniform(0, LONGEST_AWAY_S))


def task_of(pid: int) -> str:
    """Give the task whose lock file a process holds; empty for one of connectors alone."""
    try:
        links = [entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return ""
    locks = sorted(link.stem for link in links if link.suffix == ".lock")
    return locks[0].partition(".")[2] if locks else ""
