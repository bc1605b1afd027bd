"""The worker's main: puts stores, worker, herder and REST together and runs them until told to stop.

Forked by the spawner. The main thread is the REST loop; the control thread obeys the supervisor, the
pulse thread tells it that the herder makes progress.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.clock import SYSTEM_CLOCK
from appliance.composition import Composition, compose
from appliance.config.connectorfile import ConnectorFile, connector_files, read_connector_file
from appliance.config.worker import WorkerConfig
from appliance.control import ControlLine
from appliance.errors import ConfigError, ConnectError
from appliance.kafka.coordinator import GroupSettings, leave_group
from appliance.rest.server import RestServer
from appliance.telemetry import logs
from appliance.worker.processes import Spawner

_LOG = logging.getLogger(__name__)

PULSE_S: Final = 1.0
STOP_TIMEOUT_S: Final = 30.0
CONNECTOR_TIMEOUT_S: Final = 90.0
EXIT_CONFIG: Final = 2
EXIT_CONNECTOR: Final = 3

Sockets = list[tuple[str, socket.socket]]


class Arguments(msgspec.Struct, frozen=True):
    """What the supervisor tells a worker at its start.

    `own` and `public` are the schemes of the sockets handed over, in that order after the control
    socket; `url` is the address that other workers use.
    """

    properties: dict[str, str]
    mode: str
    index: int
    url: str
    own: list[str]
    public: list[str]
    connectors: list[str]


def main(arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Be a worker; give the exit code."""
    given = msgspec.convert(arguments, Arguments)
    config = WorkerConfig(given.properties, given.mode)  # type: ignore[arg-type]
    logs.configure(config.text("appliance.log.level"), config.text("appliance.log.format"))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control, *rest = sockets
    spawner = Spawner(rest.pop())
    own = list(zip(given.own, rest, strict=False))
    public = list(zip(given.public, rest[len(own) :], strict=True))
    host = Host(config, given, ControlLine(control), spawner)
    return host.run(own, public)


class Host:
    """One worker."""

    def __init__(
        self, config: WorkerConfig, given: Arguments, control: ControlLine, spawner: Spawner
    ) -> None:
        """Put the worker together; nothing runs yet."""
        self._config = config
        self._given = given
        self._control = control
        self._composition: Composition = compose(config, given.url, spawner)
        self._server = RestServer(self._composition.app, config)
        self._ended = threading.Event()
        self._code = 0

    def run(self, own: Sockets, public: Sockets) -> int:
        """Serve until stopped; give the exit code."""
        self._composition.start()
        for name, target in (("control", self._obey), ("pulse", self._pulse)):
            argument = (public,) if name == "control" else ()
            threading.Thread(target=target, args=argument, name=name, daemon=True).start()
        self._server.run(own)
        self._composition.close()
        return self._code

    def _obey(self, public: Sockets) -> None:
        for word in self._control.words():
            match word["word"]:
                case "accept":
                    self._server.serving.wait()
                    self._server.accept(public)
                    self._control.send("accepted")
                case "leave":
                    self._leave(word["member"])
                case "reload":
                    threading.Thread(target=self._apply_files, daemon=True).start()
                case "stop":
                    self._stop()
        if not self._ended.is_set():
            # without its supervisor a worker must not go on: another one may be starting
            os._exit(1)

    def _stop(self) -> None:
        self._ended.set()
        self._composition.herder.stop(STOP_TIMEOUT_S)
        self._server.stop()

    def _give_up(self, code: int, reason: str) -> None:
        _LOG.error("The worker stops. reason=%s", reason)
        self._code = code
        self._control.send("failed", code=code, reason=reason)
        self._stop()

    def _leave(self, member_id: str) -> None:
        settings = GroupSettings.from_config(self._config.client_settings("worker"))
        try:
            leave_group(settings, member_id, "its worker process died", 5.0)
        except ConnectError as error:
            _LOG.warning(
                "A dead sibling stays a member until its session ends. member=%s error=%s",
                member_id,
                error,
            )

    def _pulse(self) -> None:
        """Tell the supervisor of every tick, and of the first one that start-up is over."""
        ready = False
        while not self._ended.is_set():
            problem = self._wait_for_tick()
            if self._ended.is_set():
                return
            started = self._composition.herder.started
            if started and not ready and problem is None:
                ready = self._get_ready()
            group = self._composition.herder.snapshot().group
            if problem is None or not started:
                self._control.send(
                    "tick", member=group.member_id, problem=problem or group.problem
                )
            SYSTEM_CLOCK.wait(self._ended, PULSE_S)

    def _wait_for_tick(self) -> str | None:
        future = self._composition.herder.ready()
        try:
            future.result(PULSE_S * 5)
        except TimeoutError:
            stage = self._composition.herder.stage()
            return "no answer from the herder" if stage is None else stage.description
        except ConfigError as error:
            self._give_up(EXIT_CONFIG, str(error))
        except ConnectError as error:
            return str(error)
        return None

    def _get_ready(self) -> bool:
        if self._given.connectors and not self._create_connectors():
            return False
        self._server.serving.wait()
        self._control.send("ready")
        self._apply_files()
        return True

    def _create_connectors(self) -> bool:
        """Create the connectors of the command line; a failure ends a standalone worker."""
        for text in self._given.connectors:
            try:
                self._put(read_connector_file(Path(text)))
            except ConnectError as error:
                self._give_up(EXIT_CONNECTOR, f"Creating the connector of {text}: {error}")
                return False
        return True

    def _apply_files(self) -> None:
        """Bring the connectors of `appliance.connectors.dir` to what their files say."""
        folder = self._config.text("appliance.connectors.dir")
        for path in connector_files(Path(folder)) if folder else ():
            try:
                file = read_connector_file(path)
                if self._differs(file):
                    self._put(file)
            except ConnectError as error:
                _LOG.error("A connector file could not be applied. file=%s error=%s", path, error)

    def _differs(self, file: ConnectorFile) -> bool:
        herder = self._composition.herder
        if file.name not in herder.connectors().result(CONNECTOR_TIMEOUT_S):
            return True
        stored = herder.connector_config(file.name).result(CONNECTOR_TIMEOUT_S)
        return dict(stored) != file.config

    def _put(self, file: ConnectorFile) -> None:
        written = self._composition.herder.put_connector_config(
            file.name, file.config, file.target, True
        )
        written.result(CONNECTOR_TIMEOUT_S)
        _LOG.info("Connector written from its file. connector=%s file=%s", file.name, file.path)
