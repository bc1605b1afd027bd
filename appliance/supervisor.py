"""The daemon's main process: owns the sockets, keeps worker processes alive, feeds the watchdog.

No Kafka client and no asyncio. One live worker at a time accepts on the public sockets, so that a client
reads what it wrote; when it dies the next one takes over and a sibling takes the dead member out of the
group. Workers that die are started again after a growing pause. SIGTERM stops them gracefully; one worker
applies the connector files after the start and on SIGHUP, and those that wait for what they name again after
a growing pause; when this process is killed the spawner ends everything.

Threads: the main thread runs the loop; the spawner's handle reports exits on its own thread.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import resource
import selectors
import signal
import socket
from collections.abc import Sequence
from typing import Any, Final

from appliance.clock import SYSTEM_CLOCK
from appliance.config.folders import keep_private
from appliance.config.listeners import Listener
from appliance.config.worker import WorkerConfig
from appliance.control import ControlLine
from appliance.errors import ConnectError
from appliance.lockfile import DaemonLock
from appliance.rest.reach import USERS, check_reach
from appliance.sockets import bind, bind_patiently, port_of
from appliance.telemetry.systemd import notify, watchdog_interval_s
from appliance.worker.processes import Process, Spawner

_LOG = logging.getLogger(__name__)

PRELOAD: Final = ("appliance.runtime.main", "appliance.kafka.clients")
STOP_TIMEOUT_S: Final = 40.0
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
_FIRST_AGAIN_S: Final = 2.0
_LONGEST_AGAIN_S: Final = 60.0
_SETTLED_S: Final = 30.0
_STEP_S: Final = 30.0
"""The longest that a herder waits in one step, beside the time that tasks have to stop."""
_LOOP_S: Final = 2.0
_ASLEEP_S: Final = 10.0
_SOON_S: Final = 0.2
_READY_AT_LATEST_S: Final = 5.0
_TOGETHER_S: Final = 2.0
"""How long the first worker that joins waits for the others, before former members are taken out."""


@dataclasses.dataclass(slots=True)
class _Slot:
    """The place of one worker: its process while it lives, its pause before the next start."""

    index: int
    process: Process | None = None
    line: ControlLine | None = None
    member: str = ""
    ready: bool = False
    killed: bool = False
    started_s: float = 0.0
    ticked_s: float = 0.0
    pause_s: float = 0.0
    start_at_s: float = 0.0
    problem: str | None = None


@dataclasses.dataclass(slots=True)
class _Files:
    """What is known of the connector files: how many are refused, which wait, when those are tried again.

    `asked`: the files that the present or last attempt is about, None for all.
    """

    refused: int = 0
    waiting: list[str] = dataclasses.field(default_factory=list)
    asked: list[str] | None = None
    again_s: float = 0.0
    pause_s: float = 0.0

    @property
    def problems(self) -> int:
        return self.refused + len(self.waiting)

    def note(self, problems: int, waiting: list[str], now_s: float) -> None:
        """Take the outcome of an attempt; the next one is later each time in a row."""
        refused = problems - len(waiting)
        if self.asked is None:
            self.refused, self.pause_s = refused, 0.0
        else:
            self.refused += refused
        self.waiting = waiting
        self.pause_s = min(max(self.pause_s * 2, _FIRST_AGAIN_S), _LONGEST_AGAIN_S)
        self.again_s = now_s + self.pause_s


class Supervisor:
    """Keeps `appliance.workers` workers of one host running."""

    def __init__(
        self,
        config: WorkerConfig,
        connectors: Sequence[str] = (),
        entry: str = "appliance.host:main",
        step_s: float = _STEP_S,
    ) -> None:
        """Take the configuration, connector files for the worker's start, and a worker's main.

        A worker that is not at its next step after `step_s` and the time that tasks have to stop is killed.
        """
        self._entry = entry
        self._config = config
        self._connectors = list(connectors)
        count = config.number("appliance.workers") if config.mode == "run" else 1
        self._slots = [_Slot(index) for index in range(count)]
        self._selector = selectors.DefaultSelector()
        self._public: list[tuple[Listener, socket.socket]] = []
        self._registry: list[tuple[Listener, socket.socket]] = []
        self._admin: list[tuple[Listener, socket.socket]] = []
        self._accepting: _Slot | None = None
        self._stopping_s: float | None = None
        self._code = 0
        self._signals: list[int] = []
        self._started_s = self._looped_s = SYSTEM_CLOCK.monotonic_s()
        self._stalled_s = config.seconds("task.shutdown.graceful.timeout.ms") + step_s
        self._said_ready = False
        self._reload_due = bool(config.text("appliance.connectors.dir"))
        self._reloading: _Slot | None = None
        self._files = _Files()
        self._restarts = 0
        self._spawner: Spawner | None = None
        self._woken, self._waker = socket.socketpair()
        self._lock = _daemon_lock(config)
        self._state_lock = _state_lock(config)
        self._former: list[str] = []
        self._first_joined_s: float | None = None

    def run(self) -> int:
        """Run until stopped; give the exit code.

        Raises ConfigError when another daemon has the folder, somebody else can write there, or another
        process has a port; ConnectError when a port cannot be had for another reason.
        """
        keep_private(self._config.state_dir, "appliance.state.dir")
        keep_private(self._config.runtime_dir, "appliance.runtime.dir")
        for text in check_start(self._config):
            _LOG.warning("%s", text)
        # what a process holds when it dies, secrets among it, is not written to a disk
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if self._lock is not None:
            self._former = self._lock.acquire()
        if self._state_lock is not None:
            self._state_lock.acquire()
        self._public = [(one, bind_patiently(one, "listeners")) for one in self._config.listeners]
        self._admin = [
            (one, bind_patiently(one, "admin.listeners")) for one in self._config.admin_listeners
        ]
        self._bind_registry()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda received, _frame: self._signals.append(received))
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._spawner = Spawner.start((*PRELOAD, self._entry.partition(":")[0]))
        try:
            while not self._done():
                self._step()
        finally:
            self._spawner.close()
        return self._code

    def _done(self) -> bool:
        if self._spawner is not None and self._spawner.lost.is_set():
            _LOG.error("The spawner is gone and all workers with it; the daemon ends.")
            self._code = self._code or 1
            return True
        return self._stopping_s is not None and not any(slot.process for slot in self._slots)

    def _step(self) -> None:
        for slot in self._slots:
            if slot.process is not None and slot.process.ended:
                self._on_death(slot)
            elif slot.process is None and self._stopping_s is None:
                self._start_when_due(slot)
        for key, _ in self._selector.select(self._wait_s()):
            if key.data is None:
                self._woken.recv(4096)
            else:
                self._read(key.data)
        while self._signals:
            self._on_signal(self._signals.pop(0))
        self._dismiss_when_due()
        self._reload_when_due()
        self._say_ready_at_latest()
        self._kill_stalled()
        self._feed_watchdog()

    def _wait_s(self) -> float:
        now_s = SYSTEM_CLOCK.monotonic_s()
        idle = [] if self._stopping_s is not None else [s for s in self._slots if not s.process]
        waits_s = [_LOOP_S, *(slot.start_at_s - now_s for slot in idle)]
        if self._former and self._first_joined_s is not None:
            waits_s.append(_SOON_S)
        return max(0.0, min(waits_s))

    def _wake(self, _process: Process) -> None:
        """End the present wait; called on the spawner's thread when a worker has ended."""
        try:
            self._waker.send(b"x")
        except BlockingIOError:
            # it is awake already
            pass

    def _bind_registry(self) -> None:
        """Listen for the built-in registry; ingestion goes on when another one has the port."""
        option = "appliance.registry.listeners"
        for listener in self._config.registry_listeners:
            try:
                self._registry.append((listener, bind(listener, option)))
            except ConnectError as error:
                _LOG.error(
                    "The built-in schema registry is not served; everything else is. error=%s",
                    error,
                )

    # workers

    def _start_when_due(self, slot: _Slot) -> None:
        now_s = SYSTEM_CLOCK.monotonic_s()
        if now_s < slot.start_at_s:
            return
        try:
            self._start(slot, now_s)
        except ConnectError as error:
            _LOG.error("A worker could not be started. worker=%s error=%s", slot.index, error)
            slot.started_s = now_s
            self._pause(slot)

    def _start(self, slot: _Slot, now_s: float) -> None:
        assert self._spawner is not None  # noqa: S101 - made in run
        own, url = self._own_address(slot.index)
        ours, theirs = socket.socketpair()
        arguments: dict[str, Any] = {
            "properties": dict(self._config.originals),
            "mode": self._config.mode,
            "index": slot.index,
            "url": url,
            "own": [listener.scheme for listener, _ in own],
            "public": [listener.scheme for listener, _ in self._public],
            "registry": [listener.scheme for listener, _ in self._registry],
            "admin": [listener.scheme for listener, _ in self._admin],
            "connectors": self._connectors,
        }
        shared = [sock.dup() for _, sock in (*self._public, *self._registry, *self._admin)]
        handed = [theirs, *(sock for _, sock in own), *shared]
        slot.process = self._spawner.spawn(
            self._entry,
            arguments,
            handed,
            name=f"ingest-worker-{slot.index}",
            with_spawner=True,
            on_exit=self._wake,
        )
        slot.line = ControlLine(ours)
        slot.ready, slot.killed, slot.member, slot.problem = False, False, "", None
        slot.started_s = slot.ticked_s = now_s
        self._selector.register(ours, selectors.EVENT_READ, slot)
        _LOG.info("Worker started. worker=%s pid=%s url=%s", slot.index, slot.process.pid, url)

    def _own_address(self, index: int) -> tuple[list[tuple[Listener, socket.socket]], str]:
        """Give the sockets that only this worker serves, and the address other workers call."""
        host = self._config.text("rest.advertised.host.name")
        if self._config.mode != "run":
            first = self._config.advertised_listener
            bound = next(sock for listener, sock in self._public if listener == first)
            port = self._config["rest.advertised.port"] or port_of(bound)
            return [], _url(first.scheme, host or first.host or socket.gethostname(), port)
        own = self._config.own_listener(index)
        try:
            bound = bind(own)
        except ConnectError as error:
            _LOG.warning(
                "A worker listens on another port than usual. worker=%s why=%s", index, error
            )
            bound = bind(Listener(own.scheme, own.host, 0))
        return [(own, bound)], _url(own.scheme, host or "127.0.0.1", port_of(bound))

    def _read(self, slot: _Slot) -> None:
        words = slot.line.receive() if slot.line is not None else None
        if words is None:
            self._drop_line(slot)
            return
        for word in words:
            self._on_word(slot, word)

    def _on_word(self, slot: _Slot, word: dict[str, Any]) -> None:
        match word["word"]:
            case "tick":
                slot.ticked_s = max(slot.ticked_s, word["at_s"])
                self._note_member(slot, word["member"])
                self._tell_problem(slot, word["problem"])
                self._choose_accepting()
            case "member":
                self._note_member(slot, word["member"])
            case "ready":
                slot.ready = True
                self._choose_accepting()
                self._say_ready()
            case "reloaded":
                self._on_reloaded(slot, len(word["problems"]), word["waiting"])
            case "failed":
                self._code = (
                    78 if self._config.mode == "run" and word["code"] == 2 else word["code"]
                )
                self._begin_stop()

    def _tell_problem(self, slot: _Slot, problem: str | None) -> None:
        if problem != slot.problem:
            slot.problem = problem
            self._tell_status()

    def _tell_status(self, *assignments: str) -> None:
        """Tell systemd in a line what the daemon does and what stands in its way."""
        problems = [slot.problem for slot in self._slots if slot.problem]
        if self._files.problems:
            problems.append(f"{self._files.problems} problems in connector files, see the journal")
        line = "; ".join([f"serving {self._addresses()}", *dict.fromkeys(problems)])
        notify(*assignments, f"STATUS={line}")

    def _addresses(self) -> str:
        return ", ".join(
            _url(listener.scheme, listener.host or "localhost", port_of(sock))
            for listener, sock in self._public
        )

    def _choose_accepting(self) -> None:
        if self._accepting is not None or self._stopping_s is not None:
            return
        # before start-up is over somebody answers too: /health says what it waits for
        candidates = sorted(
            (slot for slot in self._slots if slot.line is not None),
            key=lambda slot: (not slot.ready, slot.index),
        )
        for slot in candidates:
            if slot.line is not None and slot.line.send("accept"):
                self._accepting = slot
                slot.line.send("problems", count=self._files.problems)
                return

    def _say_ready(self) -> None:
        if not self._said_ready:
            self._said_ready = True
            _LOG.info("REST is served. addresses=%s", self._addresses())
            self._tell_status("READY=1")

    def _say_ready_at_latest(self) -> None:
        """Be ready without a broker too: REST answers, and who waits for the daemon must not fail."""
        waited_s = SYSTEM_CLOCK.monotonic_s() - self._started_s
        if self._accepting is not None and waited_s > _READY_AT_LATEST_S:
            self._say_ready()

    def _on_death(self, slot: _Slot) -> None:
        process, slot.process = slot.process, None
        status = None if process is None else process.status
        self._drop_line(slot)
        if self._accepting is slot:
            self._accepting = None
        if self._reloading is slot:
            self._reloading = None
            if self._files.asked is None:
                self._reload_due = True
        if self._stopping_s is not None:
            return
        self._restarts += 1
        self._pause(slot)
        _LOG.warning("A worker died and is started again. worker=%s status=%s", slot.index, status)
        if slot.member:
            self._former.append(slot.member)
            slot.member = ""
        self._dismiss_when_due()
        self._choose_accepting()

    # the group

    def _note_member(self, slot: _Slot, member: str) -> None:
        if not member or member == slot.member:
            return
        slot.member = member
        if self._first_joined_s is None:
            self._first_joined_s = SYSTEM_CLOCK.monotonic_s()
        self._note()

    def _note(self) -> None:
        if self._lock is not None:
            self._lock.note([*self._former, *(slot.member for slot in self._slots)])

    def _dismiss_when_due(self) -> None:
        """Have former members taken out of the group, once this daemon's own wait in it.

        Not before: the first to join an empty group waits for `group.initial.rebalance.delay.ms` of the
        broker, and work that is given to one worker moves when the next one joins.
        """
        if not self._former or self._first_joined_s is None or self._stopping_s is not None:
            return
        missing = any(slot.process is not None and not slot.member for slot in self._slots)
        if missing and SYSTEM_CLOCK.monotonic_s() < self._first_joined_s + _TOGETHER_S:
            return
        for slot in self._slots:
            if slot.member and slot.line is not None:
                left = [m for m in self._former if not slot.line.send("leave", member=m)]
                if left != self._former:
                    self._former = left
                    self._note()
                return

    def _pause(self, slot: _Slot) -> None:
        now_s = SYSTEM_CLOCK.monotonic_s()
        lived_s = now_s - slot.started_s
        doubled = max(slot.pause_s * 2, _FIRST_PAUSE_S)
        slot.pause_s = _FIRST_PAUSE_S if lived_s > _SETTLED_S else min(doubled, _LONGEST_PAUSE_S)
        slot.start_at_s = now_s + slot.pause_s

    def _drop_line(self, slot: _Slot) -> None:
        if slot.line is not None:
            self._selector.unregister(slot.line)
            slot.line.close()
            slot.line = None

    def _kill_stalled(self) -> None:
        now_s = SYSTEM_CLOCK.monotonic_s()
        asleep_s, self._looped_s = now_s - self._looped_s, now_s
        for slot in self._slots:
            if slot.process is None or slot.process.ended:
                continue
            if asleep_s > _ASLEEP_S:
                # the machine stood still, or all of the daemon: the workers need a moment too
                slot.ticked_s = now_s
            if self._stopping_s is not None:
                if now_s > self._stopping_s + STOP_TIMEOUT_S:
                    slot.process.kill()
            elif not slot.killed and now_s > slot.ticked_s + self._stalled_s:
                _LOG.error(
                    "A worker made no progress for %.0f s and is killed. worker=%s pid=%s",
                    now_s - slot.ticked_s,
                    slot.index,
                    slot.process.pid,
                )
                slot.killed = True
                slot.process.kill()

    def _feed_watchdog(self) -> None:
        interval_s = watchdog_interval_s()
        if interval_s is None:
            return
        now_s = SYSTEM_CLOCK.monotonic_s()
        newest_s = max((slot.ticked_s for slot in self._slots), default=now_s)
        if self._stopping_s is not None or now_s - newest_s < max(interval_s, 10):
            notify("WATCHDOG=1")

    # signals

    def _on_signal(self, number: int) -> None:
        if number != signal.SIGHUP:
            self._begin_stop()
            return
        now_us = int(SYSTEM_CLOCK.monotonic_s() * 1_000_000)
        notify("RELOADING=1", f"MONOTONIC_USEC={now_us}")
        if self._config.text("appliance.connectors.dir"):
            _LOG.info("Reading connector files again.")
            self._reload_due = True
        else:
            _LOG.warning("Nothing to read again: appliance.connectors.dir is not set.")
            self._tell_status("READY=1")

    def _reload_when_due(self) -> None:
        """Let one worker that is ready apply the connector files, or those that wait."""
        now_s = SYSTEM_CLOCK.monotonic_s()
        due = self._reload_due or (self._files.waiting and now_s >= self._files.again_s)
        if not due or self._reloading is not None or self._stopping_s is not None:
            return
        only = None if self._reload_due else self._files.waiting
        for slot in self._slots:
            if slot.ready and slot.line is not None and slot.line.send("reload", only=only):
                self._reload_due, self._reloading = False, slot
                self._files.asked = only
                return

    def _on_reloaded(self, slot: _Slot, problems: int, waiting: list[str]) -> None:
        if self._reloading is not slot:
            return
        self._reloading = None
        asked = self._files.asked
        self._files.note(problems, waiting, SYSTEM_CLOCK.monotonic_s())
        if self._accepting is not None and self._accepting.line is not None:
            self._accepting.line.send("problems", count=self._files.problems)
        # systemd waits for the word after a reload, not after an attempt of our own
        self._tell_status(*(["READY=1"] if asked is None else []))

    def _begin_stop(self) -> None:
        if self._stopping_s is not None:
            return
        self._stopping_s = SYSTEM_CLOCK.monotonic_s()
        notify("STOPPING=1")
        _LOG.info("Stopping. pid=%s", os.getpid())
        for slot in self._slots:
            if slot.line is not None:
                slot.line.send("stop")


def _daemon_lock(config: WorkerConfig) -> DaemonLock | None:
    """Give the lock that keeps a second daemon from the folder; `distributed` workers may share one."""
    port = config.listeners[0].port if config.listeners else 0
    if config.mode == "run":
        return DaemonLock(config.runtime_dir / "daemon.lock")
    if config.standalone or not port:
        return None
    return DaemonLock(config.runtime_dir / f"worker-{port}.lock")


def _state_lock(config: WorkerConfig) -> DaemonLock | None:
    """Give the lock on what outlives the daemon, where another runtime folder hides a second one."""
    if config.mode != "run" or config.state_dir == config.runtime_dir:
        return None
    return DaemonLock(config.state_dir / "daemon.lock", "appliance.state.dir")


def check_start(config: WorkerConfig) -> Sequence[str]:
    """Give a sentence for each thing that is less safe than it could be on purpose.

    Raises ConfigError for settings of REST that no worker could start with, or should.
    """
    problems = [
        *check_reach(config),
        *(
            f"The names in brokers' certificates are not checked: {option} is empty."
            for option in config.unchecked
        ),
    ]
    served = [*config.listeners, *config.admin_listeners, *config.registry_listeners]
    if (
        any(listener.scheme == "https" for listener in served)
        or config.text(USERS)
        or config["rest.extension.classes"]
        or config.text("response.http.headers.config")
    ):
        # Kept out of the module's imports: most daemons need none of it here.
        from appliance.rest.preflight import check_rest

        check_rest(config)
    return problems


def _url(scheme: str, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}/"
