"""What the spawner's test children do."""

from __future__ import annotations

import importlib
import json
import signal
import socket
import sys
from typing import Any

from appliance.imports import own_imports
from appliance.worker.processes import Spawner


def echo(arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Say `text`, then repeat what is heard until the end of the stream."""
    (sock,) = sockets
    sock.sendall(arguments["text"].encode())
    while data := sock.recv(100):
        sock.sendall(data)
    return 0


def bring(arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Say whether `module` is there already and, after its import, what was imported here."""
    (sock,) = sockets
    there = arguments["module"] in sys.modules
    importlib.import_module(arguments["module"])
    sock.sendall(json.dumps([there, own_imports()]).encode())
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
