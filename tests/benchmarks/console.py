"""The console's figures: first paint, key to paint, idle CPU, memory, and the daemon's snapshot.

    python -m tests.benchmarks.console

A scripted daemon of `tests/tui` answers; the console runs in a pseudo-terminal of 120x36. Budgets: first
paint 400 ms, key to paint median 10 ms and p99 50 ms with 5,000 tasks and 200 events a second, idle CPU
1 % with 200 tasks, RSS 90 MB; one snapshot of 5,000 tasks 150 ms on the daemon's side.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import select
import statistics
import struct
import sys
import tempfile
import termios
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.tui.daemon import Daemon, snapshot, task_event

ROOT = Path(__file__).resolve().parents[2]
COMPILED = Path(tempfile.gettempdir()) / "ingest-console-compiled"
STARTS = 5
IDLE_S = 12.0
KEYS = 200


class Pty:
    """The console in a pseudo-terminal; `wait_output` gives when bytes came."""

    def __init__(self, url: str) -> None:
        self.started_s = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
            os.chdir(ROOT)
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
            # compiled files, as an installed console has them
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
            os.environ["PYTHONPYCACHEPREFIX"] = str(COMPILED)
            os.execv(sys.executable, [sys.executable, "-m", "tui", "--url", url])

    def read(self, timeout_s: float) -> bytes:
        """Give what comes within the time, empty when nothing does or the console has left."""
        ready, _, _ = select.select([self.fd], [], [], timeout_s)
        try:
            return os.read(self.fd, 1 << 16) if ready else b""
        except OSError:
            # a pseudo-terminal whose other end was closed answers EIO, not an end of file
            return b""

    def until(self, word: bytes, timeout_s: float = 20.0) -> float:
        """Read until `word` was seen; give the time of that."""
        seen, end = b"", time.perf_counter() + timeout_s
        while word not in seen:
            if time.perf_counter() > end:
                raise SystemExit(f"{word!r} did not come")
            seen = (seen + self.read(0.5))[-200_000:]
        return time.perf_counter()

    def drain(self, quiet_s: float = 0.05) -> None:
        """Read until nothing comes for a moment."""
        while self.read(quiet_s):
            pass

    def cpu_s(self) -> float:
        """Give the processor time used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Give the resident memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * 4096 / 1e6

    def close(self) -> None:
        """Leave the console."""
        os.write(self.fd, b"q")
        self.drain(0.5)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class Server:
    """The scripted daemon on a thread of its own."""

    def __init__(self, connectors: int, tasks: int) -> None:
        self.daemon = Daemon(snapshot(connectors, tasks, failed=3))
        self.loop = asyncio.new_event_loop()
        self._flood: Future[None] | None = None
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.daemon.start(), self.loop).result(5)

    def beat(self) -> None:
        """Keep the line alive."""
        self.loop.call_soon_threadsafe(self.daemon.beat)

    def flood(self, per_s: int, seconds: float) -> None:
        """Send events of tasks that come and go."""
        keys = [entry["id"].replace(":", "-") for entry in self.daemon.state["tasks"]]

        async def send() -> None:
            end = self.loop.time() + seconds
            number = 100
            while self.loop.time() < end:
                for _ in range(per_s // 20):
                    number += 1
                    key = keys[number * 7 % len(keys)]
                    state = ("PAUSED", "RUNNING", "FAILED")[number % 3]
                    self.daemon.send("task", task_event(key, state, "Boom: gone"), number)
                await asyncio.sleep(0.05)

        self._flood = asyncio.run_coroutine_threadsafe(send(), self.loop)

    def close(self) -> None:
        """End it."""
        if self._flood is not None:
            self._flood.cancel()
        asyncio.run_coroutine_threadsafe(self.daemon.stop(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def first_paint_and_idle() -> dict[str, Any]:
    """200 tasks: time to the frame and to the data, best of STARTS; then CPU while nothing happens."""
    server = Server(40, 5)
    starts = []
    # the first one compiles
    for at in range(STARTS + 1):
        console = Pty(server.daemon.url)
        frame_s = console.until(b"ingest") - console.started_s
        frame_cpu_s = console.cpu_s()
        data_s = console.until(b"orders-") - console.started_s
        starts.append((frame_s, frame_cpu_s, data_s))
        if at < STARTS:
            console.close()
    frame_s, frame_cpu_s, data_s = (min(times) for times in zip(*starts[1:], strict=True))
    console.drain(1.0)
    before_s, cpu_s = time.perf_counter(), console.cpu_s()
    end_s = before_s + IDLE_S
    size = 0
    beat_s = 0.0
    while time.perf_counter() < end_s:
        size += len(console.read(0.2))
        if time.perf_counter() - beat_s > 4:
            beat_s = time.perf_counter()
            server.beat()
    spent_s = time.perf_counter() - before_s
    found = {
        "first_paint_ms": round(frame_s * 1000),
        "first_paint_cpu_ms": round(frame_cpu_s * 1000),
        "first_data_ms": round(data_s * 1000),
        "idle_cpu_percent": round((console.cpu_s() - cpu_s) / spent_s * 100, 2),
        "idle_kb_per_s": round(size / spent_s / 1000, 2),
        "rss_mb": round(console.rss_mb(), 1),
    }
    console.close()
    server.close()
    return found


def keys_under_load() -> dict[str, Any]:
    """5,000 tasks and 200 events a second: from a key to the bytes it causes."""
    server = Server(500, 10)
    console = Pty(server.daemon.url)
    console.until(b"orders-")
    console.drain(1.0)
    server.flood(200, 40.0)
    spans = []
    for at in range(KEYS):
        console.drain(0.02)
        sent_s = time.perf_counter()
        os.write(console.fd, b"j" if at % 40 < 20 else b"k")
        if console.read(1.0):
            spans.append((time.perf_counter() - sent_s) * 1000)
    spans.sort()
    found = {
        "key_median_ms": round(statistics.median(spans), 1),
        "key_p99_ms": round(spans[int(len(spans) * 0.99)], 1),
        "rss_5000_mb": round(console.rss_mb(), 1),
    }
    console.close()
    server.close()
    return found


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({**first_paint_and_idle(), **keys_under_load()}, indent=2))


if __name__ == "__main__":
    main()
