"""What every part of a trial does: look at the tried system, wait, and say whether a promise was kept."""

from __future__ import annotations

import functools
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from deploy.packaging.flows import Flow
from deploy.packaging.systems import System
from deploy.parts.folder import PartError

_GET = "import sys,urllib.request as u; print(u.urlopen(sys.argv[1],timeout=3).read().decode())"


class Promises:
    """The promises of one system; `flows` are the loads that run in it."""

    def __init__(self, system: System, flows: Sequence[Flow]) -> None:
        self.system = system
        self.flows = flows
        self._twice: Counter[str] = Counter()
        self.kept = 0
        self.broken = 0

    def promise(self, text: str, kept: bool, seen: object = "") -> None:
        """Print whether a promise was kept, and what was seen."""
        self.kept += kept
        self.broken += not kept
        print(
            f"{'kept  ' if kept else 'BROKEN'} {text}{f' ({seen})' if seen != '' else ''}",
            flush=True,
        )

    def get(self, path: str) -> Any:
        """Give what REST answers. Raises PartError."""
        url = f"http://127.0.0.1:8083{path}"
        return json.loads(self.system.run("python3", "-c", _GET, url))

    def serves(self) -> bool:
        """Whether the daemon is healthy by its own word."""
        try:
            return bool(self.get("/health")["status"] == "healthy")
        except (PartError, ValueError):
            return False

    def wait(self, condition: Callable[[], bool], timeout_s: float = 60) -> float:
        """Give the seconds until the condition holds, `timeout_s` when it never does."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            try:
                if condition():
                    return time.monotonic() - began
            except (PartError, ValueError, LookupError):
                pass
            time.sleep(0.1)
        return timeout_s

    def show(self, name: str) -> str:
        """Give a property of the service."""
        return self.system.run("systemctl", "show", "-P", name, "ingest-appliance").strip()

    def check_flows(self, after: str, *, twice_allowed: bool = False) -> None:
        """Stop the loads, let them drain, and compare; then go on."""
        for flow in self.flows:
            flow.stop()
        for flow in self.flows:
            wanted = flow.wanted()
            took_s = self.wait(functools.partial(_has_all, flow, set(wanted)))
            counts = Counter(flow.seen())
            missing = len(set(wanted) - set(counts))
            twice = sum(count - 1 for count in counts.values()) - self._twice[flow.name]
            self._twice[flow.name] += twice
            seen = f"{len(wanted)} {flow.name}, {took_s:.1f} s"
            self.promise(f"no {flow.name} are lost by {after}", missing == 0, seen)
            self.promise(
                f"{flow.name} that came twice by {after}", twice == 0 or twice_allowed, twice
            )
            flow.start()


def _has_all(flow: Flow, wanted: set[str]) -> bool:
    return wanted <= set(flow.seen())
