"""Words between the supervisor and its workers: one JSON object a line on a socket pair.

Down: `accept` (serve the public sockets), `leave` (take a dead sibling's member out of the group), `stop`,
`reload` (apply the folder of connector files, or `only` those that wait), `problems` (how many there are in
it, for the worker whose `/metrics` says so). Up: `ready`, `member` (this id waits for the group), `tick`
(when the herder made progress last, as `at_s` of the host's monotonic clock; member and problem with it),
`failed` (why a start gave up, and the exit code for it), `reloaded` (problems with it, and which files wait).
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any


class ControlLine:
    """One end of the socket pair; any thread may send, one receives."""

    def __init__(self, sock: socket.socket) -> None:
        """Take the socket."""
        self._socket = sock
        self._sending = threading.Lock()
        self._received = b""

    def fileno(self) -> int:
        """Give the descriptor, for a selector."""
        return self._socket.fileno()

    def send(self, word: str, **members: Any) -> bool:
        """Send one word; give False when the other side is gone."""
        line = json.dumps({"word": word, **members}).encode() + b"\n"
        try:
            with self._sending:
                self._socket.sendall(line)
        except OSError:
            return False
        return True

    def receive(self) -> list[dict[str, Any]] | None:
        """Wait for data and give the whole words in it, None at the end of the stream."""
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            return None
        if not data:
            return None
        *lines, self._received = (self._received + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def words(self) -> Iterator[dict[str, Any]]:
        """Give every word until the other side is gone."""
        while (found := self.receive()) is not None:
            yield from found

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
