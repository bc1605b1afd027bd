"""Listening sockets, and who holds a port that cannot be had."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.config.listeners import Listener
from appliance.errors import ConfigError, ConnectError

_BACKLOG = 128
_PATIENCE_S = 3.0
_PAUSE_S = 0.05


def bind(listener: Listener, option: str = "listeners") -> socket.socket:
    """Give a listening socket that does not block; `option` is where its address was configured.

    A copy shares that flag with every process that holds one: a copy made blocking would hold up the event
    loop of the worker that serves it. Raises ConnectError naming the port; ConfigError when a process
    listens there, with its name where it can be seen.
    """
    host = listener.host.strip("[]")
    family = socket.AF_INET6 if ":" in host or not host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if family == socket.AF_INET6 and not host:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, listener.port))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise _failure(listener, option, error) from error
    return sock


def bind_patiently(listener: Listener, option: str) -> socket.socket:
    """Give a listening socket; wait a moment for the processes of a daemon that was killed just now.

    Raises as `bind`.
    """
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return bind(listener, option)
        except ConnectError as error:
            # its last process may end between the attempt and the look at who listens
            if not _is_in_use(error.__cause__) or time.monotonic() >= deadline_s:
                raise
        time.sleep(_PAUSE_S)


def port_of(sock: socket.socket) -> int:
    """Give the port that a socket is bound to."""
    return int(sock.getsockname()[1])


def _is_in_use(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE


def _failure(listener: Listener, option: str, error: OSError) -> ConnectError:
    address = f"{listener.host or '*'}:{listener.port}"
    if not _is_in_use(error):
        return ConnectError(f"Listening on {address}: {error.strerror}. Correct {option}.")
    owner = port_owner(listener.port)
    held = f" by {owner}" if owner else ""
    text = (
        f"Listening on {address}: the port is in use{held}. Stop that process or choose another "
        f"port in {option}."
    )
    # where nobody listens, a connection happens to have the port: that passes by itself
    return ConfigError(text) if _listening(listener.port) else ConnectError(text)


def port_owner(port: int) -> str | None:
    """Give name and pid of the process that listens on a port, None where it cannot be seen."""
    for pid in port_pids(port):
        try:
            name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        except OSError:
            continue
        return f"{name} (pid {pid})"
    return None


def port_pids(port: int) -> Iterator[int]:
    """Give the processes that hold the sockets which listen on a port, where they can be seen."""
    inodes = _listening(port)
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        if _holds(process, inodes):
            yield int(process.name)


def _listening(port: int) -> set[str]:
    """Give the sockets that listen on a port, as the links of descriptors name them."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A":
                inodes.add(f"socket:[{fields[9]}]")
    return inodes


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir())
    except OSError:
        return False
