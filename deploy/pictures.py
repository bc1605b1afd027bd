#!/usr/bin/env python3
"""Takes the pictures of tui/README.md: the real console in tmux, at both sizes.

Start `deploy/quickstart` first, then run `python deploy/pictures.py` from the repository with an
environment that has the product. Each picture is what tmux shows, as SVG in tui/pictures. For the picture
of a rebalance one worker process of the daemon at the address is killed (the daemon starts it again); for
that of a lost link the script's own relay to the daemon is closed; for that of dead letters a sink runs
meanwhile that cannot read the quickstart's lines.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tui" / "pictures"
SIZES = ((120, 36), (80, 24))
# name: what is typed, and a word that the screen then shows, or one of several
SHOTS = (
    ("overview", ("1",), "LAST 2 MIN"),
    ("connectors", ("2",), "Connectors"),
    ("detail", ("Enter", "]"), "KEY"),
    ("connection", ("Escape", "2", "e", "t"), "works"),
    ("workers", ("Escape", "Escape", "Escape", "4"), "Generations"),
    ("offsets", ("5",), "COMMITTED"),
    ("dlq", ("6", "Tab"), "JsonParseException|JSON"),
    ("topics", ("7", "G", "Enter"), "PART@OFFSET"),
    ("tasks", ("Escape", "3"), "RESTARTS|RUN"),
    ("plugins", ("8",), "VERSION"),
    ("logs", ("9",), "INFO"),
    ("help", ("Escape", "1", "?"), "Keys of this view"),
    ("palette", ("Escape", "C-p", "h", "d", "f"), "Find anything"),
)
# whether or not it is back before the group has made a generation without it
REBALANCE = ("rebalance", ("Escape", "Escape", "4"), "died|left")
LOST = ("lost", ("1",), "lost")
LETTERS = {
    "connector.class": "FilesSink",
    "topics": "shop-visits",
    "store.url": "/tmp",
    "flush.size": "100",
    "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "errors.tolerance": "all",
    "errors.deadletterqueue.topic.name": "visits-rejected",
    "errors.deadletterqueue.topic.replication.factor": "1",
    "errors.deadletterqueue.context.headers.enable": "true",
}
WAIT_S = 20.0
CALM_S = 1.5
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_CLOCK = re.compile(r"\d\d:\d\d:\d\d")


class Terminal:
    """One console in a tmux server of its own."""

    def __init__(self, width: int, height: int, config: Path) -> None:
        # a server of its own: one that is being ended takes no new session
        self._tmux = ["tmux", "-L", f"ingest-pictures-{os.getpid()}-{width}", "-f", "/dev/null"]
        command = [sys.executable, "-m", "tui", "--config", str(config)]
        setting = "COLORTERM=truecolor TERM=xterm-256color LANG=C.UTF-8"
        shell = f"cd {shlex.quote(str(ROOT))} && {setting} {shlex.join(command)}"
        size = ["-x", str(width), "-y", str(height)]
        self._run("new-session", "-d", *size, shell)
        self._run("set-option", "-g", "status", "off")

    def press(self, *keys: str) -> None:
        """Type keys, one after the other."""
        for key in keys:
            self._run("send-keys", key)
            self.calm()

    def calm(self) -> None:
        """Wait until the screen, its clock apart, stays as it is for a moment."""
        before, since = "", time.monotonic()
        end = since + WAIT_S
        while time.monotonic() < end and time.monotonic() - since < CALM_S / 3:
            now = _CLOCK.sub("", self.text())
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(0.1)

    def wait_for(self, word: str) -> None:
        """Wait until `word`, or one of several between bars, is on the screen."""
        end = time.monotonic() + WAIT_S
        while not any(one in self.text() for one in word.split("|")):
            if time.monotonic() > end:
                raise SystemExit(f"pictures: {word!r} did not come:\n{self.text()}")
            time.sleep(0.1)

    def text(self) -> str:
        """Give the screen without colours."""
        return self._run("capture-pane", "-p")

    def svg(self, width: int) -> str:
        """Give the screen as a picture."""
        console = Console(
            width=width,
            record=True,
            file=io.StringIO(),
            force_terminal=True,
            color_system="truecolor",
        )
        for line in styled(self._run("capture-pane", "-e", "-N", "-p")):
            console.print(line, crop=True, overflow="crop", no_wrap=True)
        return console.export_svg(title="ingest-tui", unique_id="tui")

    def close(self) -> None:
        """End console and tmux server."""
        self._run("kill-server")

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout


def styled(screen: str) -> Iterator[Text]:
    """Give the lines of a capture; tmux carries a style over the end of a line."""
    style = ""
    for line in screen.rstrip("\n").split("\n"):
        whole = style + line
        codes: list[str] = []
        for code in _STYLE.findall(whole):
            codes = [] if code in {"\x1b[0m", "\x1b[m"} else [*codes, code]
        style = "".join(codes)
        yield Text.from_ansi(whole)


class Relay:
    """Passes connections on to the daemon until it is closed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname or "127.0.0.1", parts.port or 8083)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self._listener.accept()
                other = socket.create_connection(self._to)
            except OSError:
                return
            self._open += [one, other]
            for pair in ((one, other), (other, one)):
                threading.Thread(target=_pass_on, args=pair, daemon=True).start()

    def close(self) -> None:
        """Cut every connection and take no more."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while chunk := one.recv(1 << 16):
            other.sendall(chunk)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


def worker_of(url: str) -> int:
    """Give a worker process of the daemon that listens at the address, on this machine."""
    port = urlsplit(url).port or 8083
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")
    }
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            name = (folder / "comm").read_text()
            held = {str(entry.readlink()) for entry in (folder / "fd").iterdir()}
            if name.startswith("ingest-worker") and held & sockets:
                return int(folder.name)
    raise SystemExit(f"pictures: no worker process of this machine listens at {url}")


@contextmanager
def dead_letters(url: str) -> Iterator[None]:
    """Run a sink meanwhile whose converter cannot read its topic."""
    address = f"{url}/connectors/visits-as-json"
    head = {"Content-Type": "application/json"}
    body = json.dumps(LETTERS).encode()
    request = urllib.request.Request(f"{address}/config", body, head, method="PUT")
    urllib.request.urlopen(request, timeout=90).close()
    try:
        yield
    finally:
        urllib.request.urlopen(
            urllib.request.Request(address, method="DELETE"), timeout=90
        ).close()


def take(
    terminal: Terminal, shot: tuple[str, tuple[str, ...], str], path: Path, width: int
) -> None:
    """Type the keys, wait for the word, write the picture."""
    _, keys, word = shot
    terminal.press(*keys)
    terminal.wait_for(word)
    time.sleep(CALM_S)
    path.write_text(terminal.svg(width), encoding="utf-8")
    print(path)


def main() -> int:
    """Take every picture; gives the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8083")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, dead_letters(options.url):
        for width, height in SIZES:
            relay = Relay(options.url)
            config = Path(folder) / "contexts.toml"
            name = "quickstart"
            config.write_text(f'current = "{name}"\n[contexts.{name}]\nurl = "{relay.url}"\n')
            terminal = Terminal(width, height, config)
            try:
                terminal.wait_for("live")
                # trends and lanes want a little past
                time.sleep(CALM_S * 4)
                for shot in (*SHOTS, REBALANCE, LOST):
                    if shot is REBALANCE:
                        os.kill(worker_of(options.url), signal.SIGKILL)
                    if shot is LOST:
                        relay.close()
                    path = options.folder / f"{shot[0]}-{width}x{height}.svg"
                    take(terminal, shot, path, width)
            finally:
                terminal.close()
                relay.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
