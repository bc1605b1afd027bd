"""What the spawner's test children do."""

from __future__ import annotations

import signal
import socket
from typing import Any

from appliance.worker.processes import Spawner


def echo(arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Say `text`, then repeat what is heard until the end of the stream."""
    (sock,) = sockets
    sock.sendall(arguments["text"].encode())
    while data := sock.recv(100):
        sock.sendall(data)
    return 0


def leave(arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """End with `code`."""
    return int(arguments["code"])


def hang(arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Ignore every request to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def ask_for_a_hanging_child(arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Ask the spawner for a child that hangs, tell its pid, then hang too."""
    sock, own = sockets
    spawner = Spawner(own)
    process = spawner.spawn("tests.unit.worker.children:hang", {})
    sock.sendall(str(process.pid).encode())
    return hang(arguments, sockets)
