"""A worker without Kafka for tests of the supervisor: it answers its index and speaks the control words."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from typing import Any

from appliance.control import ControlLine


def main(arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    control = ControlLine(sockets[0])
    own = len(arguments["own"])
    public = sockets[1 + own : -1]
    seen: list[str] = []
    threading.Thread(
        target=_serve, args=(sockets[1], arguments["index"], seen), daemon=True
    ).start()
    stuck = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: stuck.set())
    threading.Thread(target=_tick, args=(control, arguments["index"], stuck), daemon=True).start()
    control.send("ready")
    for word in control.words():
        seen.append(f"{word['word']}:{word.get('member', '')}")
        if word["word"] == "accept":
            for sock in public:
                threading.Thread(
                    target=_serve, args=(sock, arguments["index"], seen), daemon=True
                ).start()
        if word["word"] == "stop":
            return 0
    return 1


def _tick(control: ControlLine, index: int, stuck: threading.Event) -> None:
    """Tell of progress, and after SIGUSR1 of none any more."""
    at_s = time.monotonic()
    while control.send("tick", at_s=at_s, member=f"member-{index}", problem=None):
        # as often as the herder's own
        time.sleep(0.2)
        if not stuck.is_set():
            at_s = time.monotonic()


def _serve(sock: socket.socket, index: int, seen: list[str]) -> None:
    while True:
        select.select([sock], [], [])
        try:
            connection, _ = sock.accept()
        except BlockingIOError:
            continue
        connection.setblocking(True)
        with connection:
            connection.recv(4096)
            body = f"{index} {os.getpid()} {','.join(seen)}".encode()
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            connection.sendall(head.encode() + body)
