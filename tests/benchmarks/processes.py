"""What processes cost: CPU and memory of a tree of processes, read from /proc; and on which machine."""

from __future__ import annotations

import io
import os
import platform
import threading
import time
from pathlib import Path
from typing import Self

import fastavro

_TICKS = os.sysconf("SC_CLK_TCK")
_NARROW = {
    "emp_no": 10001,
    "birth_date": "1953-09-02",
    "first_name": "Georgi",
    "last_name": "Facello",
    "gender": "M",
    "hire_date": "1986-06-26",
}
_ROUNDS = 5
_WRITTEN = 50_000
_THERE_S = 1.75e-6


def tree(root: int) -> list[int]:
    """Give the pids of a process and of all below it."""
    found, pending = [], [root]
    while pending:
        pid = pending.pop()
        found.append(pid)
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                pending += map(int, (task / "children").read_text().split())
        except OSError:
            pass
    return found


def cpu_s(root: int) -> float:
    """Give user plus system seconds of the tree, those of its ended processes included."""
    total = 0
    for pid in tree(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def memory_mb(root: int, kind: str = "Pss") -> float:
    """Give the tree's proportional (`Pss`) or resident (`Rss`) memory in MB of 10^6 bytes."""
    total = 0
    for pid in tree(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))
    return total * 1024 / 1e6


def named_memory(root: int) -> dict[str, list[float]]:
    """Give the PSS in MB of the tree's processes by name."""
    found: dict[str, list[float]] = {}
    for pid in tree(root):
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kilobytes = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        found.setdefault(name, []).append(round(kilobytes * 1024 / 1e6, 1))
    return found


class Peak:
    """Watches a tree's memory from a thread of its own; use as a context, then read `mb`."""

    def __init__(self, root: int, every_s: float = 0.7) -> None:
        self.mb = 0.0
        self._root = root
        self._every_s = every_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._done.wait(self._every_s):
            self.mb = max(self.mb, memory_mb(self._root))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def slowness() -> float:
    """Give how many times slower this machine's Python is than that for which absolute figures are wanted.

    Measured is what both have in common: fastavro writing a narrow row, 1.75 us there (2 vCPU of a Zen 5).
    """
    schema = fastavro.parse_schema(
        {
            "type": "record",
            "name": "t",
            "fields": [
                {"name": name, "type": "int" if name == "emp_no" else "string"} for name in _NARROW
            ],
        }
    )
    rounds = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_WRITTEN):
            fastavro.schemaless_writer(io.BytesIO(), schema, _NARROW)
        rounds.append((time.process_time() - began) / _WRITTEN)
    return min(rounds) / _THERE_S


def machine() -> str:
    """Give one line about the machine."""
    cpu = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1e6
    return (
        f"{os.cpu_count()} x {cpu}, {memory:.0f} GB, Linux {platform.release()}, "
        f"CPython {platform.python_version()}, {slowness():.1f} times the cost of a row on the machine "
        "of the absolute figures"
    )
