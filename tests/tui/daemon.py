"""A scripted daemon: answers the snapshot and sends the events it is told to."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

NOW_S = 1_790_000_000.0


def snapshot(connectors: int = 4, tasks: int = 5, failed: int = 2, seq: int = 7) -> dict[str, Any]:
    """Give a snapshot of connectors with `tasks` tasks each, the first `failed` of them failed."""
    workers = ["10.0.4.11:8083", "10.0.4.12:8083"]
    names = [f"orders-{at}" for at in range(connectors)]
    found = []
    for at, name in enumerate(names):
        for number in range(tasks):
            bad = at * tasks + number < failed
            found.append(
                {
                    "id": f"{name}:{number}",
                    "worker": workers[number % 2],
                    "state": "FAILED" if bad else "RUNNING",
                    "rate": None if bad else 100.0 + number,
                    "lag": 250.0,
                    "unit": "ms" if at % 2 else "records",
                    "error": "DataException: field [red]amount[/red] is not a number"
                    if bad
                    else None,
                    "since": int(NOW_S * 1000) - 65_000,
                }
            )
    return {
        "seq": seq,
        "ts": int(NOW_S * 1000),
        "group": {
            "id": "g",
            "gen": 42,
            "leader": f"http://{workers[0]}/",
            "phase": "stable",
            "delay_until": None,
            "problem": None,
        },
        "workers": [
            {"id": worker, "state": "up", "connectors": connectors // 2, "tasks": len(found) // 2}
            for worker in workers
        ],
        "connectors": [
            {
                "name": name,
                "type": "source" if at % 2 else "sink",
                "state": "RUNNING",
                "plugin": f"io.shop.{'MySqlConnector' if at % 2 else 'Hdfs3SinkConnector'}",
                "topics": ["orders", "returns"][: 1 + at % 2],
                "rev": 14,
                "changed": int(NOW_S * 1000) - 2 * 86_400_000,
                "changed_by": "ana" if at % 2 else None,
                "version": "3.6.1.Final" if at % 2 else "4.3.1",
            }
            for at, name in enumerate(names)
        ],
        "tasks": found,
    }


def task_event(key: str, to: str, trace: str | None = None) -> dict[str, Any]:
    """Give a task's change of state as the journal tells it."""
    body = {"ts": int(NOW_S * 1000), "worker": "10.0.4.12:8083", "key": key, "to": to}
    return {**body, "from": "RUNNING", "cause": "task", **({"trace": trace} if trace else {})}


class Daemon:
    """Listens on a port of its own inside `async with`; `state` is what the snapshot answers.

    Changes are noted in `changes` when they come, and answered while `answering` is set: 202, or 500 for
    paths in `refused`.
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state = state or snapshot()
        self.asked_after: list[str | None] = []
        self.stock: dict[str, Any] | None = None
        """What Kafka Connect itself answers, by path; then there is nothing else."""
        self.answers: dict[str, Any] = {}
        """What it answers besides, by path."""
        self.page: bytes | None = None
        """What a proxy answers to everything in the daemon's place."""
        self.logins: list[str | None] = []
        self.snapshots = 0
        self.changes: list[str] = []
        self.refused: set[str] = set()
        self.answering = asyncio.Event()
        self.answering.set()
        self.port = 0
        self._streams: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before when there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut every stream."""
        if self._server is not None:
            self._server.close()
        for stream in self._streams:
            stream.close()
        self._streams.clear()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def followed(self) -> bool:
        return bool(self._streams)

    def send(self, type_: str, body: dict[str, Any], id: int | None = None) -> None:
        """Send an event to everybody who follows, cut in two chunks."""
        head = "" if id is None else f"id: {id}\n"
        frame = f"{head}event: {type_}\ndata: {json.dumps(body)}\n\n".encode()
        for part in (frame[:9], frame[9:]):
            self._stream(b"%x\r\n%s\r\n" % (len(part), part))

    def beat(self) -> None:
        """Keep every stream alive."""
        self._stream(b"8\r\n: beat\n\n\r\n")

    def _stream(self, chunk: bytes) -> None:
        self._streams = [stream for stream in self._streams if not stream.is_closing()]
        for stream in self._streams:
            stream.write(chunk)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path = request.split()[:2]
        if self.page is not None:
            writer.write(self.page)
            writer.close()
            return
        lines = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if line)
        self.logins.append(lines.get("Authorization"))
        if path == "/appliance/v1/events":
            self.asked_after.append(lines.get("Last-Event-ID"))
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            self._streams.append(writer)
            return
        status, answer = "404 Not Found", {"error_code": 404, "message": "HTTP 404 Not Found"}
        if self.stock is not None:
            if path in self.stock:
                status, answer = "200 OK", self.stock[path]
        elif path == "/appliance/v1/snapshot":
            self.snapshots += 1
            status, answer = "200 OK", self.state
        elif path in self.answers:
            status, answer = "200 OK", self.answers[path]
        elif method != "GET" and not path.endswith("/plan"):
            self.changes.append(f"{method} {path}")
            await self.answering.wait()
            status, answer = "202 Accepted", {}
            if path in self.refused:
                status, answer = "500 No", {"error_code": 500, "message": "it cannot"}
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()
