"""The machine: disk, memory, clock, open files and the ports of REST."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from appliance.config.listeners import Listener
from appliance.config.worker import WorkerConfig
from appliance.doctor.findings import Finding, ok, problem, warning
from appliance.errors import ConnectError
from appliance.sockets import bind, port_owner

_SCARCE_BYTES: Final = 1 << 30
_NEEDED_BYTES: Final = 100 << 20
_NEEDED_MEMORY_BYTES: Final = 256 << 20
_NEEDED_FILES: Final = 4096
_TIMEOUT_S: Final = 5


def examine_machine(config: WorkerConfig) -> Iterator[Finding]:
    """Give how the machine stands."""
    yield _disk(config.state_dir)
    yield _memory(Path("/proc/meminfo"))
    yield _clock()
    yield _open_files()
    for listener in config.listeners:
        yield _port(listener)


def _disk(folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 1e9:.1f} GB free for {folder}"
    if folder.exists() and not os.access(folder, os.W_OK):
        return problem(
            "disk",
            f"{folder} cannot be written",
            f"chown ingest:ingest {folder}; chmod 750 {folder}",
        )
    if free < _NEEDED_BYTES:
        return problem("disk", text, f"du -xh --max-depth=2 {existing} | sort -h | tail")
    if free < _SCARCE_BYTES:
        return warning("disk", text, f"du -xh --max-depth=2 {existing} | sort -h | tail")
    return ok("disk", text)


def _memory(meminfo: Path) -> Finding:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return ok("memory", "cannot be seen from here")
    kibibytes = {
        name: int(rest.split()[0]) for name, _, rest in (ln.partition(":") for ln in lines)
    }
    available = kibibytes.get("MemAvailable", 0) << 10
    text = f"{available / 1e6:.0f} MB of {kibibytes.get('MemTotal', 0) / 1e3:.0f} MB available"
    if available < _NEEDED_MEMORY_BYTES:
        return warning("memory", text, "ps -eo rss,comm --sort=-rss | head")
    return ok("memory", text)


def _clock() -> Finding:
    try:
        answer = subprocess.run(
            ["timedatectl", "show", "--property=NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        answer = ""
    if answer == "no":
        return warning("clock", "it is not synchronised", "timedatectl set-ntp true")
    return ok(
        "clock", "synchronised" if answer == "yes" else "nobody here tells if it is synchronised"
    )


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} open files are allowed here"
    if hard < _NEEDED_FILES and hard != resource.RLIM_INFINITY:
        return warning(
            "files", text, f"ulimit -n {_NEEDED_FILES * 16}  # or LimitNOFILE= in the unit"
        )
    return ok("files", text)


def _port(listener: Listener) -> Finding:
    address = f"{listener.host or '*'}:{listener.port}"
    if _serves(listener):
        return ok("port", f"the daemon serves {address}")
    try:
        bind(listener).close()
    except ConnectError as error:
        owner = port_owner(listener.port)
        remedy = f"stop {owner}" if owner else f"ss -ltnp 'sport = :{listener.port}'"
        return problem("port", str(error), f"{remedy}  # or another port in listeners")
    return ok("port", f"{address} is free")


def _serves(listener: Listener) -> bool:
    """Tell whether a worker of ours answers there."""
    host = listener.host if listener.host not in ("", "0.0.0.0") else "127.0.0.1"  # noqa: S104
    url = f"{listener.scheme}://{host}:{listener.port}/appliance/v1"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as response:
            return bool(json.load(response).get("product") == "ingest-appliance")
    except (OSError, ValueError, AttributeError):
        return False
