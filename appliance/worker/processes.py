"""Processes: one small, single-threaded spawner per host forks workers and task processes.

The spawner imports what every child needs, once, freezes it out of the garbage collector's reach and then
only forks, so that children share those pages and start in milliseconds. What the first check, connector
or task of a kind has to import beyond that, the spawner imports as well, for those after it. It never holds
a Kafka client or a thread. Whoever holds an end of its socket may ask for children; sockets travel by
SCM_RIGHTS.

Who ends with whom: when a holder's socket closes, its children get `GRACE_S` to end by themselves and are
then killed; a worker's task processes thus end with it. When the first holder (the supervisor) is gone,
so is the spawner, after its children; if the spawner itself is killed, the kernel kills them.

Threads: the spawner has none; a `Spawner` handle may be used by any thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import importlib
import itertools
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from appliance.errors import ConnectError
from appliance.imports import note_birth
from appliance.telemetry import logs

log = logging.getLogger(__name__)

PRELOAD: Final = (
    "appliance.runtime.main",
    "appliance.runtime.source",
    "appliance.runtime.sink",
    "appliance.converters.json",
    "appliance.converters.string",
    "appliance.converters.simple_header",
)
GRACE_S: Final = 1.0
FORK_TIMEOUT_S: Final = 30.0
_MAX_PACKET: Final = 1 << 17
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_EXIT_CRASH: Final = 70


class _Fork(msgspec.Struct, frozen=True, tag=True):
    """Ask for a child that calls `entry` (`module:function`) with `arguments` and the sent sockets."""

    request: int
    entry: str
    arguments: dict[str, Any]
    name: str
    with_spawner: bool


class _Kill(msgspec.Struct, frozen=True, tag=True):
    """Ask that a signal be sent to one of the asker's children."""

    pid: int
    signal: int


class _Preload(msgspec.Struct, frozen=True, tag=True):
    """Ask that modules be imported, so that the next children find them."""

    modules: list[str]


class _Forked(msgspec.Struct, frozen=True, tag=True):
    """The child asked for, or why there is none."""

    request: int
    pid: int | None
    error: str | None = None


class _Exited(msgspec.Struct, frozen=True, tag=True):
    """A child has ended; `status` is its exit code, negative for a signal."""

    pid: int
    status: int


_encode = msgspec.msgpack.Encoder().encode
_requests: msgspec.msgpack.Decoder[_Fork | _Kill | _Preload] = msgspec.msgpack.Decoder(
    _Fork | _Kill | _Preload
)
_answers: msgspec.msgpack.Decoder[_Forked | _Exited] = msgspec.msgpack.Decoder(_Forked | _Exited)


class Process:
    """A child of the spawner, as its asker sees it."""

    def __init__(self, spawner: Spawner, pid: int) -> None:
        self._spawner = spawner
        self._ended = threading.Event()
        self.pid = pid
        self.status: int | None = None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; give whether it came."""
        return self._ended.wait(timeout_s)

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._ended.is_set()

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        """Send a signal; nothing happens when the process is gone."""
        if not self.ended:
            self._spawner._send(_Kill(self.pid, signal_number))

    def _end(self, status: int) -> None:
        self.status = status
        self._ended.set()


class Spawner:
    """A holder's end of the spawner's socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[threading.Event, list[_Forked]]] = {}
        self._processes: dict[int, tuple[Process, Callable[[Process], None] | None]] = {}
        self._early: dict[int, int] = {}
        self._preloaded: set[str] = set()
        self._server: subprocess.Popen[bytes] | None = None
        self.lost = threading.Event()
        self._reader = threading.Thread(target=self._read, name="spawner-reader", daemon=True)
        self._reader.start()

    @classmethod
    def start(cls, preload: Sequence[str] = PRELOAD) -> Spawner:
        """Start the host's spawner and give its first holder's end."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # a fresh interpreter: a fork would inherit the holder's threads, sockets and clients
        code = (
            "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
            "from appliance.worker.processes import serve; serve(int(sys.argv[2]), sys.argv[3:])"
        )
        server = subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(sys.path), str(theirs.fileno()), *preload],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        spawner = cls(mine)
        spawner._server = server
        return spawner

    def spawn(
        self,
        entry: str,
        arguments: dict[str, Any],
        sockets: Sequence[socket.socket] = (),
        *,
        name: str = "ingest",
        with_spawner: bool = False,
        on_exit: Callable[[Process], None] | None = None,
    ) -> Process:
        """Fork a child that calls `entry(arguments, sockets)`; the given sockets are closed here.

        `with_spawner` appends a socket of the child's own to the spawner, for `Spawner(...)`. `on_exit` is
        called on this handle's thread. Raises ConnectError when no child could be made.
        """
        number = next(self._numbers)
        arrived, answer = threading.Event(), list[_Forked]()
        with self._lock:
            self._waiting[number] = (arrived, answer)
        try:
            self._send(_Fork(number, entry, arguments, name, with_spawner), sockets)
        finally:
            for sock in sockets:
                sock.close()
        if not arrived.wait(FORK_TIMEOUT_S) or not answer or answer[0].pid is None:
            why = answer[0].error if answer else "no answer; is the spawner stopped?"
            raise ConnectError(f"starting a process for {entry}: {why}")
        with self._lock:
            process = Process(self, answer[0].pid)
            status = self._early.pop(process.pid, None)
            if status is None and not self.lost.is_set():
                self._processes[process.pid] = (process, on_exit)
                return process
        process._end(-signal.SIGKILL if status is None else status)
        if on_exit is not None:
            on_exit(process)
        return process

    def preload(self, modules: Sequence[str]) -> None:
        """Have later children begin with what an earlier one imported (`own_imports`); does not wait."""
        with self._lock:
            new = [name for name in modules if name not in self._preloaded]
            self._preloaded.update(new)
        if new:
            # a spawner that is gone ends its holders; what was asked of it otherwise is not to fail by this
            with contextlib.suppress(ConnectError):
                self._send(_Preload(new))

    def close(self) -> None:
        """Give up this end; its children are ended by the spawner."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._reader.join(timeout=5)
        self._socket.close()
        if self._server is not None:
            self._server.wait()

    def _send(
        self, request: _Fork | _Kill | _Preload, sockets: Sequence[socket.socket] = ()
    ) -> None:
        body = _encode(request)
        try:
            with self._sending:
                if sockets:
                    socket.send_fds(self._socket, [body], [sock.fileno() for sock in sockets])
                else:
                    self._socket.send(body)
        except OSError as error:
            raise ConnectError(
                f"asking the spawner for {type(request).__name__}: {error}"
            ) from error

    def _read(self) -> None:
        while True:
            try:
                packet = self._socket.recv(_MAX_PACKET)
            except OSError:
                packet = b""
            if not packet:
                self._lose()
                return
            answer = _answers.decode(packet)
            if isinstance(answer, _Forked):
                with self._lock:
                    arrived, slot = self._waiting.pop(answer.request)
                slot.append(answer)
                arrived.set()
            else:
                self._ended(answer.pid, answer.status)

    def _ended(self, pid: int, status: int) -> None:
        with self._lock:
            process, on_exit = self._processes.pop(pid, (None, None))
            if process is None:
                self._early[pid] = status
                return
        process._end(status)
        if on_exit is not None:
            on_exit(process)

    def _lose(self) -> None:
        with self._lock:
            self.lost.set()
            pids = list(self._processes)
            for arrived, _ in self._waiting.values():
                arrived.set()
        for pid in pids:
            self._ended(pid, -signal.SIGKILL)


@dataclasses.dataclass(slots=True)
class _Holder:
    """An end of the spawner's socket, in the spawner: who asks, and which children are its own."""

    socket: socket.socket
    children: set[int] = dataclasses.field(default_factory=set)
    kill_at: float | None = None


def serve(descriptor: int, preload: Sequence[str]) -> None:
    """Be the spawner: import `preload`, then fork on request until the first holder is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure()
    for name in preload:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    _set_name("ingest-spawner")
    _Server(socket.socket(fileno=descriptor)).run()


class _Server:
    """The spawner's loop."""

    def __init__(self, first: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, wake_write = socket.socketpair()
        self._wake.setblocking(False)
        wake_write.setblocking(False)
        self._wake_write = wake_write
        self._first = _Holder(first)
        self._holders: list[_Holder] = [self._first]
        self._selector.register(first, selectors.EVENT_READ, self._first)
        self._selector.register(self._wake, selectors.EVENT_READ, None)

    def run(self) -> None:
        """Serve until the first holder and all children are gone."""
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        while self._first.kill_at is None or any(holder.children for holder in self._holders):
            for key, _ in self._selector.select(self._timeout()):
                if key.data is None:
                    self._drain_wake()
                else:
                    self._request(key.data)
            self._reap()
            self._kill_overdue()

    def _timeout(self) -> float | None:
        deadlines = [h.kill_at for h in self._holders if h.kill_at is not None and h.children]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _drain_wake(self) -> None:
        try:
            while self._wake.recv(512):
                pass
        except BlockingIOError:
            pass

    def _request(self, holder: _Holder) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(holder.socket, _MAX_PACKET, 16)
        except OSError:
            packet, descriptors = b"", []
        if not packet:
            self._lose(holder)
            return
        request = _requests.decode(packet)
        if isinstance(request, _Fork):
            self._fork(holder, request, descriptors)
        elif isinstance(request, _Preload):
            self._preload(request.modules)
        elif request.pid in holder.children:
            # not reaped yet, so the number is still this child's
            os.kill(request.pid, request.signal)

    @staticmethod
    def _preload(modules: Sequence[str]) -> None:
        for name in modules:
            try:
                importlib.import_module(name)
            except Exception:
                log.debug("A module could not be imported ahead. module=%s", name, exc_info=True)
        gc.freeze()

    def _fork(self, holder: _Holder, request: _Fork, descriptors: list[int]) -> None:
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        new: _Holder | None = None
        if request.with_spawner:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            sockets.append(theirs)
            new = _Holder(ours)
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._answer(holder, _Forked(request.request, None, str(error)))
            return
        if pid == 0:
            _become(request, sockets, parent)
        for sock in sockets:
            sock.close()
        holder.children.add(pid)
        if new is not None:
            self._holders.append(new)
            self._selector.register(new.socket, selectors.EVENT_READ, new)
        self._answer(holder, _Forked(request.request, pid))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for holder in self._holders:
                if pid in holder.children:
                    holder.children.discard(pid)
                    self._answer(holder, _Exited(pid, os.waitstatus_to_exitcode(status)))
            self._holders = [
                h for h in self._holders if h.kill_at is None or h.children or h is self._first
            ]

    def _lose(self, holder: _Holder) -> None:
        self._selector.unregister(holder.socket)
        holder.socket.close()
        # the end of the first holder is the end of all: their times of grace run together
        for ending in self._holders if holder is self._first else [holder]:
            ending.kill_at = time.monotonic() + GRACE_S

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for holder in self._holders:
            if holder.kill_at is not None and holder.kill_at <= now:
                for pid in holder.children:
                    os.kill(pid, signal.SIGKILL)
                # children that are in the kernel for long are asked again
                holder.kill_at = now + GRACE_S

    def _answer(self, holder: _Holder, answer: _Forked | _Exited) -> None:
        if holder.kill_at is not None:
            return
        try:
            holder.socket.send(_encode(answer))
        except OSError:
            # the holder is gone; its end of stream follows
            pass


def _become(request: _Fork, sockets: list[socket.socket], parent: int) -> None:
    """Be the child: keep only what was asked for, call the entry, never return."""
    code = _EXIT_CRASH
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(_EXIT_CRASH)
        _close_others({0, 1, 2, *(sock.fileno() for sock in sockets)})
        _set_name(request.name)
        note_birth()
        module, _, function = request.entry.partition(":")
        code = getattr(importlib.import_module(module), function)(request.arguments, sockets) or 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else _EXIT_CRASH
    except BaseException:  # noqa: BLE001 - nothing may unwind into the spawner's loop
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _close_others(keep: set[int]) -> None:
    for descriptor in [int(name) for name in os.listdir("/proc/self/fd")]:  # noqa: PTH208 - names alone
        if descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError:
                # the descriptor of the listing itself
                pass


_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: Any) -> None:
    _libc.prctl(option, value, 0, 0, 0)


def _set_name(name: str) -> None:
    _prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]))
