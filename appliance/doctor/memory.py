"""Memory: what the machine has left, and what cgroups let the service, or a container, have of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from appliance.connectors.files.writable import UNIT
from appliance.doctor.findings import Finding, ok, warning
from appliance.doctor.service import Service

_NEEDED_BYTES: Final = 256 << 20
_LIMITLESS: Final = 1 << 60
"""Both kinds of cgroup write "no limit" as a number from here on, where they do not write a word."""
_LEFT: Final = 10
"""A service that has all but this part of its limit is about to end by it."""
_FILES: Final[tuple[tuple[tuple[str, ...], str, str], ...]] = (
    # the unified hierarchy, then that of the memory controller alone
    (("memory.max", "memory.high"), "memory.current", "inactive_file"),
    (("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"),
)


class Limit(NamedTuple):
    """What a cgroup may have and has, in bytes; pages of files that can be dropped do not count.

    `file` names the limit: a file of the kernel, or the unit's MemoryMax.
    """

    bytes: int
    used: int
    file: str

    @property
    def left(self) -> int:
        """Give what may still be had."""
        return max(self.bytes - self.used, 0)


def examine_memory(
    service: Service | None = None,
    proc: Path = Path("/proc"),
    cgroups: Path = Path("/sys/fs/cgroup"),
) -> Iterator[Finding]:
    """Give how memory stands, for the service where one is looked at."""
    pid = str(service.main_pid) if service is not None and service.main_pid else "self"
    limits = _limits(proc / pid / "cgroup", cgroups)
    if service is not None and service.memory_max is not None and not service.main_pid:
        # the limit of a service that is down is no cgroup's yet
        limits.append(Limit(service.memory_max, 0, "MemoryMax"))
    tightest = min(limits, key=lambda limit: limit.left, default=None)
    if service is None or tightest is None:
        yield _machine(proc / "meminfo", tightest)
        return
    yield _machine(proc / "meminfo", None)
    yield _service(service, tightest)


def _machine(meminfo: Path, limit: Limit | None) -> Finding:
    total, available = _meminfo(meminfo)
    if total is None and limit is None:
        return ok("memory", "cannot be seen from here")
    remedy = "ps -eo rss,comm --sort=-rss | head"
    if limit is not None and (total is None or limit.left < available):
        total, available = limit.bytes, limit.left
        remedy = (
            f"cat {limit.file}  # the limit of the container or slice: raise it where it is set"
        )
    text = f"{available / 1e6:.0f} MB of {(total or 0) / 1e6:.0f} MB available"
    if available < _NEEDED_BYTES:
        return warning("memory", text, remedy)
    return ok("memory", text)


def _service(service: Service, limit: Limit) -> Finding:
    text = f"the service has {limit.used / 1e6:.0f} MB of the {limit.bytes / 1e6:.0f} MB that it may have"
    if limit.bytes >= _NEEDED_BYTES and limit.left >= limit.bytes // _LEFT:
        return ok("memory", text)
    more = max(2 * limit.bytes, 2 * _NEEDED_BYTES) >> 20
    remedy = f"systemctl set-property {UNIT} MemoryMax={more}M"
    if service.memory_max != limit.bytes:
        remedy = (
            f"cat {limit.file}  # the limit of its slice or container: raise it where it is set"
        )
    return warning("memory", text, remedy)


def _meminfo(path: Path) -> tuple[int | None, int]:
    """Give what the machine has and what of it is available, in bytes; None where it does not tell."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None, 0
    kibibytes = {
        name: int(rest.split()[0]) for name, _, rest in (ln.partition(":") for ln in lines)
    }
    return kibibytes.get("MemTotal", 0) << 10, kibibytes.get("MemAvailable", 0) << 10


def _limits(membership: Path, cgroups: Path) -> list[Limit]:
    """Give the limits of a process's cgroup and of those above it."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            root, names = cgroups / "memory", _FILES[1]
        elif number == "0":
            root, names = cgroups, _FILES[0]
        else:
            continue
        # in a container the path may be the host's: then what is there is the root
        own = Path(path.lstrip("/"))
        for folder in dict.fromkeys((own, *own.parents)):
            limit = _limit(root / folder, *names)
            if limit is not None:
                found.append(limit)
    return found


def _limit(folder: Path, names: tuple[str, ...], used: str, droppable: str) -> Limit | None:
    found = [(amount, str(folder / name)) for name in names if (amount := _number(folder / name))]
    if not found:
        return None
    amount, file = min(found)
    try:
        stat = dict(
            line.split(" ", 1)
            for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines()
        )
    except (OSError, ValueError):
        stat = {}
    has = (_number(folder / used) or 0) - int(stat.get(droppable, 0))
    return Limit(amount, max(has, 0), file)


def _number(file: Path) -> int | None:
    """Give a number that a file holds, None for no limit and no file."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < _LIMITLESS else None
