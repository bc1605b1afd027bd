"""A real server as a child process: started, waited for by a real operation, stopped, killed.

The harness is the parent and reaps its children at once: a zombie would keep its pid, by which
database servers tell that another instance still runs. Children get SIGKILL when the thread that
started them ends, so nothing outlives a killed run; start servers from a thread that stays.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from deploy.parts.folder import PartError, progress

HOST = "127.0.0.1"
FIRST_PORT = 20000
LAST_PORT = 32767
POLL_SECONDS = 0.03
_reserved: dict[int, BinaryIO] = {}


def free_ports(count: int, base: int | None = None) -> list[int]:
    """Give ports nobody listens on, from `base` (INGEST_BASE_PORT, 20000) upwards.

    They stay below the kernel's range for outgoing connections, so that none of those takes one, and
    are kept from other processes that ask here until this process ends.
    """
    start = base or int(os.environ.get("INGEST_BASE_PORT", FIRST_PORT))
    found: list[int] = []
    for port in range(start, LAST_PORT + 1):
        if port not in _reserved and port_is_free(port) and _reserve(port):
            found.append(port)
            if len(found) == count:
                return found
    raise PartError(f"No {count} free ports between {start} and {LAST_PORT}: end some servers.")


def _reserve(port: int) -> bool:
    """Keep a port for this process: between the look and the server's bind another could take it."""
    folder = Path(tempfile.gettempdir()) / f"ingest-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = (folder / str(port)).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    _reserved[port] = lock
    return True


def port_is_free(port: int) -> bool:
    """Whether nobody listens on that port of the loopback address now.

    Raises PartError where this user or this machine could not listen there anyway.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise PartError(
                f"No server can listen on {HOST}:{port}: {error.strerror}; choose a port above 1023 "
                "that is yours to take, and see that the loopback interface is up (ip link set lo up)."
            ) from error
        return True


class Server:
    """One server process with its own data folder; `start` returns when it does real work.

    A subclass gives `prepare` (once, fills an empty data folder), `command` and `ready`. Not
    thread-safe: one owner starts and stops it.
    """

    name = "server"
    stop_signal = signal.SIGTERM
    start_timeout_s = 90.0
    stop_timeout_s = 30.0

    def __init__(self, data: Path, port: int | None = None, base: int | None = None) -> None:
        self.data = data.absolute()
        self.port = port or free_ports(1, base)[0]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        return self.data / f"{self.name}.log"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        if self.process is None:
            raise PartError(f"{self.name} has not been started.")
        return self.process.pid

    def prepare(self) -> None:
        """Fill the data folder; called before each launch, does nothing when it is filled."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether one real operation succeeds now."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def start(self) -> Self:
        """Launch and wait until ready. Raises PartError with the end of the log."""
        self.launch()
        self.wait_ready()
        return self

    def launch(self) -> None:
        """Start the process without waiting for it."""
        if self.running:
            return
        self.data.mkdir(parents=True, exist_ok=True)
        self.prepare()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._die_with_parent(), *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.data,
                env=self.environment(),
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Wait until `ready`. Raises PartError when the process ends or the time is over."""
        deadline = time.monotonic() + self.start_timeout_s
        next_word = time.monotonic() + 5
        while not self.ready():
            if not self.running:
                raise PartError(f"{self.name} ended while starting; {self._last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise PartError(
                    f"{self.name} was not ready after {self.start_timeout_s:.0f} s; "
                    + self._last_words()
                )
            if time.monotonic() > next_word:
                progress(f"waiting for {self.name} on port {self.port}")
                next_word += 5
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End it in its own orderly way, by force after `stop_timeout_s`."""
        if self.process is None or not self.running:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole process group; returns when the process is gone and reaped."""
        if self.process is None:
            return
        if self.running:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> Self:
        """Stop (if it runs) and start again on the same data and port."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        os.killpg(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _die_with_parent(self) -> list[str]:
        """Words before the command that tie its life to ours; same pid, by exec."""
        setpriv = shutil.which("setpriv") or shutil.which("setpriv", path="/usr/bin:/bin")
        if setpriv is None:
            raise PartError("The program setpriv is missing: apt-get install util-linux.")
        return [setpriv, *self.privileges(), "--pdeathsig", "KILL"]

    def privileges(self) -> list[str]:
        """Options of setpriv for a server that must not run as root."""
        return []

    def _last_words(self) -> str:
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return f"its log {self.log_path} ends: " + " / ".join(text.strip().splitlines()[-6:])
