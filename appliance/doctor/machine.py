"""The machine: disk, memory, clock, open files and the daemon's ports."""

from __future__ import annotations

import http.client
import json
import os
import resource
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from appliance.config.listeners import Listener
from appliance.config.worker import WorkerConfig
from appliance.connectors.files.writable import UNIT, nearest
from appliance.doctor.findings import Finding, Level, ok, problem, warning
from appliance.doctor.memory import examine_memory
from appliance.doctor.service import Service, daemon_pid, descends
from appliance.errors import ConnectError
from appliance.sockets import bind, port_owner, port_pids

_SCARCE_BYTES: Final = 1 << 30
_NEEDED_BYTES: Final = 100 << 20
_NEEDED_FILES: Final = 4096
_TIMEOUT_S: Final = 5


def examine_machine(config: WorkerConfig, service: Service | None = None) -> Iterator[Finding]:
    """Give how the machine stands, for the service where one runs on this configuration."""
    yield _disk(_state_dir(config, service), service)
    yield from examine_memory(service)
    yield _clock()
    yield _open_files(service)
    daemon = daemon_pid(config, service)
    for option, listeners in (
        ("listeners", config.listeners),
        ("admin.listeners", config.admin_listeners),
        ("appliance.registry.listeners", config.registry_listeners),
    ):
        for listener in listeners:
            yield _port(listener, daemon, option)
    yield from _own_ports(config, daemon)


def _state_dir(config: WorkerConfig, service: Service | None) -> Path:
    if service is None or config.text("appliance.state.dir"):
        return config.state_dir
    return service.state_dir


def _disk(folder: Path, service: Service | None = None) -> Finding:
    existing = nearest(folder)
    free = shutil.disk_usage(existing).free
    text = f"{free / 1e9:.1f} GB free for {folder}"
    writable = os.access(folder, os.W_OK) if service is None else service.may(folder, "w", "x")
    if existing == folder and not writable:
        return problem(
            "disk",
            f"{folder} cannot be written",
            f"chown {service.owner if service else 'ingest:ingest'} {folder}; chmod 750 {folder}",
        )
    if free < _NEEDED_BYTES:
        return problem("disk", text, f"du -xh --max-depth=2 {existing} | sort -h | tail")
    if free < _SCARCE_BYTES:
        return warning("disk", text, f"du -xh --max-depth=2 {existing} | sort -h | tail")
    return ok("disk", text)


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


def _open_files(service: Service | None = None) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} open files are allowed here"
    if service is not None and service.open_files is not None:
        hard = service.open_files
        text = f"{hard} open files are allowed to the service"
        if hard < _NEEDED_FILES:
            remedy = f"systemctl edit {UNIT}  # [Service] LimitNOFILE={_NEEDED_FILES * 16}"
            return warning("files", text, remedy)
        return ok("files", text)
    if hard < _NEEDED_FILES and hard != resource.RLIM_INFINITY:
        return warning(
            "files", text, f"ulimit -n {_NEEDED_FILES * 16}  # or LimitNOFILE= in the unit"
        )
    return ok("files", text)


def _port(listener: Listener, daemon: int = 0, option: str = "listeners") -> Finding:
    """Give who has a port; `daemon` is the main process of ours, 0 where none is seen."""
    address = f"{listener.host or '*'}:{listener.port}"
    ours = daemon > 0 and any(descends(pid, daemon) for pid in port_pids(listener.port))
    if ours or _serves(listener):
        return ok("port", f"the daemon serves {address}")
    try:
        bind(listener, option).close()
    except ConnectError as error:
        owner = port_owner(listener.port)
        text = f"{address} is in use by {owner}" if owner else str(error)
        remedy = f"stop {owner}" if owner else f"ss -ltnp 'sport = :{listener.port}'"
        return problem("port", text, f"{remedy}  # or another port in {option}")
    return ok("port", f"{address} is free")


def _own_ports(config: WorkerConfig, daemon: int) -> Iterator[Finding]:
    """Give who has the ports on which workers call each other; the daemon does with others too."""
    if config.mode != "run":
        return
    listeners = [config.own_listener(n) for n in range(config.number("appliance.workers"))]
    found = [_port(one, daemon) for one in listeners if one.port]
    taken = [one for one in found if one.level is Level.PROBLEM]
    for one in taken:
        text = f"{one.text}: a worker listens for the others on another port"
        yield warning("port", text, one.remedy)
    if found and not taken:
        first, last = listeners[0].port, listeners[-1].port
        ports = f"port {first}" if first == last else f"ports {first} to {last}"
        yield ok("port", f"{ports} of the workers can be had")


def _serves(listener: Listener) -> bool:
    """Tell whether a worker of ours answers there, to somebody who has neither name nor certificate."""
    host = listener.host if listener.host not in ("", "0.0.0.0") else "127.0.0.1"  # noqa: S104 - compared, not bound
    url = f"{listener.scheme}://{host}:{listener.port}/appliance/v1"
    # whose certificate it is does not matter: nothing is told to the one who answers
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as response:
            return bool(json.load(response).get("product") == "ingest-appliance")
    except urllib.error.HTTPError as error:
        return 'realm="ingest-appliance"' in error.headers.get("www-authenticate", "")
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return False
