"""The main of one worker process: everything of a worker is made, wired and ended here.

Threads: the main thread runs the event loop of the REST servers; the herder, the internal topics, the
processes of connectors and tasks have threads of their own; one thread reads the supervisor's words and
one tells it of progress.
"""

from __future__ import annotations

import functools
import logging
import os
import signal
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from appliance.clock import SYSTEM_CLOCK
from appliance.config.connectorfile import read_connector_file
from appliance.config.worker import Mode, WorkerConfig
from appliance.connectorfolder import ConnectorFolder
from appliance.control import ControlLine
from appliance.doctor.connection import ConnectionTest
from appliance.errors import ConfigError, ConnectError, RetriableError
from appliance.herder.abstract import HerderContext
from appliance.herder.distributed import DistributedHerder
from appliance.herder.entities import ConnectorType
from appliance.herder.herder import WORKER_DIED
from appliance.herder.inbox import Inbox
from appliance.herder.standalone import StandaloneHerder
from appliance.journal.journal import Journal, journal_topic
from appliance.kafka.clients import worker_client
from appliance.kafka.log import LogClients
from appliance.rest.access import Access
from appliance.rest.app import create_admin_app, create_app
from appliance.rest.console.trends import Trends
from appliance.rest.context import Context
from appliance.rest.forward import WorkerClient
from appliance.rest.registry import RegistryApp
from appliance.rest.server import RestServer
from appliance.rest.tls import ADMIN
from appliance.rest.users import Principal, Role
from appliance.schemaregistry.server.service import RegistryService, registry_topic
from appliance.storage.stores import Stores, kafka_stores, standalone_stores
from appliance.telemetry import logs
from appliance.telemetry.lines import LINES, Tap
from appliance.telemetry.loggers import LOGGERS
from appliance.worker.plugins import Plugins
from appliance.worker.previews import OffsetPreviews
from appliance.worker.processes import Spawner
from appliance.worker.validation import Validator
from appliance.worker.worker import Worker

_LOG = logging.getLogger(__name__)

EXIT_WORKER: Final = 2
EXIT_CONNECTOR: Final = 3
_REPORT_S: Final = 1.0
_LEAVE_S: Final = 5.0
_LEAVE_AGAIN_S: Final = 0.5
_STOP_S: Final = 35.0
_REGISTRY_START_S: Final = 20.0


def main(arguments: dict[str, Any], sockets: list[socket.socket]) -> int:
    """Be a worker of the daemon until told to stop; gives the exit code.

    `arguments` and `sockets` are the supervisor's: the control line, this worker's own listening sockets,
    the public ones, and the spawner's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    mode: Mode = arguments["mode"]
    config = WorkerConfig(arguments["properties"], mode)
    logs.configure(config.text("appliance.log.level"), config.text("appliance.log.format"))
    logging.getLogger().addHandler(Tap(LINES.append))
    # in the console's lines it stands between those of two lives
    _LOG.info("This worker process has started. url=%s pid=%s", arguments["url"], os.getpid())
    threading.excepthook = _end
    control, *listening, spawner = sockets
    own = len(arguments["own"])
    shared = own + len(arguments["public"])
    admin = shared + len(arguments["registry"])
    host = Host(config, arguments["url"], Spawner(spawner), ControlLine(control))
    return host.run(
        list(zip(arguments["own"], listening[:own], strict=True)),
        list(zip(arguments["public"], listening[own:shared], strict=True)),
        list(zip(arguments["registry"], listening[shared:admin], strict=True)),
        list(zip(arguments["admin"], listening[admin:], strict=True)),
        [Path(path) for path in arguments["connectors"]],
    )


class Host:
    """One worker: herder, runtime of connectors and tasks, REST."""

    def __init__(
        self, config: WorkerConfig, url: str, spawner: Spawner, control: ControlLine
    ) -> None:
        """Make everything; nothing runs yet."""
        self._config = config
        self._control = control
        self._spawner = spawner
        self._plugins = Plugins.discover(config["plugin.path"] or ())
        self._types: dict[str, ConnectorType] = {}
        self._stopping = threading.Event()
        self._trends = Trends()
        self._daemon_figures: dict[str, int] = {}
        worker_id = url.rsplit("://", maxsplit=1)[-1].rstrip("/")
        inbox = Inbox()
        self._logs: LogClients | None = None
        self._stores, self._journal = self._open_stores(inbox, worker_id)
        self._worker = Worker(
            config, self._plugins, inbox, spawner, self._stores.offsets, worker_id=worker_id
        )
        validator = Validator(config, spawner)
        self._herder: DistributedHerder | StandaloneHerder
        wiring = HerderContext(
            config,
            self._stores,
            self._worker,
            inbox,
            self._type_of,
            validator,
            LOGGERS.apply,
            self._on_failure,
            self._journal,
            on_joining=self._on_joining,
        )
        client = WorkerClient(config, lambda: self._herder.session_key)
        if config.standalone:
            self._herder = StandaloneHerder(wiring, worker_id)
        else:
            self._herder = DistributedHerder(wiring, url, client)
        self._folder = ConnectorFolder(
            Path(config.text("appliance.connectors.dir")),
            self._herder,
            functools.partial(client.send, caller=Principal("connector files", Role.ADMINISTER)),
            self._journal,
        )
        context = Context(
            config,
            self._herder,
            self._plugins,
            validator,
            LOGGERS,
            self._journal,
            self._cluster_id,
            self._worker.set_log_level,
            ConnectionTest(config, spawner),
            OffsetPreviews(config, spawner),
            self._trends,
            daemon_figures=lambda: self._daemon_figures,
            task_pids=self._worker.process_ids,
        )
        self._server = RestServer(create_app(context), config)
        self._admin_app = create_admin_app(context)

    def _open_stores(self, inbox: Inbox, worker_id: str) -> tuple[Stores, Journal]:
        config = self._config
        if config.standalone:
            file = Path(config.text("offset.storage.file.filename"))
            return standalone_stores(file, inbox), Journal(None, worker_id)
        self._logs = LogClients(worker_client(config, f"connect-{worker_id}"))
        self._logs.on_step = self._on_step
        stores = kafka_stores(config, inbox, self._logs)
        return stores, Journal(self._logs.log(journal_topic(config)), worker_id)

    def _type_of(self, config: Mapping[str, str | None]) -> ConnectorType:
        name = config.get("connector.class") or ""
        if name not in self._types:
            try:
                kind = self._plugins.find_connector(name).kind
                self._types[name] = "source" if kind == "source" else "sink"
            except ConnectError:
                return "unknown"
        return self._types[name]

    def _open_registry(self) -> RegistryService:
        """Open the built-in registry; its clients are its own, so that its faults stay there."""
        config = self._config
        clients = LogClients(worker_client(config, "schema-registry"))
        topic = config.text("appliance.registry.topic")
        log = clients.log(
            registry_topic(topic, config.number("appliance.registry.replication.factor")),
            transactional_id=f"schema-registry-{topic}",
        )
        service = RegistryService(log)
        clients.start(_REGISTRY_START_S)
        _LOG.info("The built-in schema registry is open. topic=%s", topic)
        return service

    def _cluster_id(self) -> str | None:
        return self._logs.cluster_id if self._logs is not None else None

    # Life.

    def run(
        self,
        own: list[tuple[str, socket.socket]],
        public: list[tuple[str, socket.socket]],
        registry: list[tuple[str, socket.socket]],
        admin: list[tuple[str, socket.socket]],
        connectors: list[Path],
    ) -> int:
        """Serve until told to stop; gives the exit code."""
        self._herder.start()
        self._herder.ready().add_done_callback(lambda done: self._on_ready(done, connectors))
        for name, target in (
            ("control", lambda: self._listen(public, registry, admin)),
            ("progress", self._report),
        ):
            threading.Thread(target=target, name=name, daemon=True).start()
        self._server.run(own)
        return 0

    def _listen(
        self,
        public: list[tuple[str, socket.socket]],
        registry: list[tuple[str, socket.socket]],
        admin: list[tuple[str, socket.socket]],
    ) -> None:
        """Do as the supervisor says; its end is ours."""
        for word in self._control.words():
            match word["word"]:
                case "accept":
                    self._server.accept(public)
                    self._server.accept(admin, self._admin_app, ADMIN)
                    if registry:
                        access = Access(self._config, lambda: self._herder.session_key)
                        app = RegistryApp(self._open_registry, access, self._journal)
                        self._server.accept(registry, app)
                case "leave":
                    member_id = word["member"]
                    threading.Thread(
                        target=self._leave_for, args=(member_id,), name="leave", daemon=True
                    ).start()
                case "problems":
                    self._daemon_figures = {"connector_file_problems": word["count"]}
                case "reload":
                    only = word["only"]
                    threading.Thread(
                        target=self._reload, args=(only,), name="reload", daemon=True
                    ).start()
                case "stop":
                    break
        self._stop()

    def _leave_for(self, member_id: str) -> None:
        """Take a sibling that died out of the group, unless its session ends before the broker answers."""
        ends_s = SYSTEM_CLOCK.monotonic_s() + self._config.seconds("session.timeout.ms")
        while SYSTEM_CLOCK.monotonic_s() < ends_s:
            member = self._herder.member
            try:
                if member is not None:
                    # one that had left by itself is no member any more
                    if member.leave_group(member_id, "its process died", _LEAVE_S):
                        self._herder.expect_rebalance(WORKER_DIED)
                        _LOG.warning(
                            "A worker of this daemon died and was taken out of the group. member=%s",
                            member_id,
                        )
                    return
            except RetriableError as error:
                _LOG.debug("A dead worker is not out of the group yet. error=%s", error)
            except ConnectError as error:
                _LOG.warning(
                    "A dead worker stays in the group until its session ends. error=%s", error
                )
                return
            if SYSTEM_CLOCK.wait(self._stopping, _LEAVE_AGAIN_S):
                return

    def _reload(self, only: list[str] | None) -> None:
        problems = self._folder.apply(only)
        self._control.send("reloaded", problems=problems, waiting=self._folder.waiting)

    def _report(self) -> None:
        """Tell the supervisor when the herder made progress last."""
        while not self._stopping.is_set():
            member = self._herder.member
            self._control.send(
                "tick",
                at_s=self._herder.ticked_s,
                member="" if member is None else member.member_id,
                problem=None if member is None else member.fault,
            )
            now_ms = SYSTEM_CLOCK.now_ms()
            if self._trends.due(now_ms):
                figures = {str(task): one for task, one in self._worker.metrics().items()}
                self._trends.take(figures, now_ms)
            SYSTEM_CLOCK.wait(self._stopping, _REPORT_S)

    def _on_ready(self, done: Future[None], connectors: list[Path]) -> None:
        if done.exception() is not None:
            return
        self._control.send("ready")
        if connectors:
            threading.Thread(
                target=self._create, args=(connectors,), name="connector-files", daemon=True
            ).start()

    def _create(self, files: list[Path]) -> None:
        """Create the connectors of the command line, in order; the first that fails ends the worker."""
        for file in files:
            try:
                given = read_connector_file(file)
                config = {**given.config, "name": given.name}
                created = self._herder.put_connector_config(
                    given.name, config, given.target, allow_replace=False
                ).result()
                _LOG.info("Created a connector. connector=%s file=%s", created.info.name, file)
            except ConnectError as error:
                _LOG.error("Failed to create a connector. file=%s error=%s", file, error)
                self._control.send("failed", code=EXIT_CONNECTOR, problem=str(error))
                return

    def _on_step(self) -> None:
        self._herder.progressed()

    def _on_joining(self, member: str) -> None:
        self._control.send("member", member=member)

    def _on_failure(self, error: ConnectError) -> None:
        code = EXIT_WORKER if isinstance(error, ConfigError) else 1
        self._control.send("failed", code=code, problem=str(error))

    def _stop(self) -> None:
        """Hand the work over, then end."""
        _LOG.info("Stopping.")
        self._folder.stop()
        try:
            self._herder.stop(_STOP_S)
            self._worker.close()
            self._stores.logs.stop()
        finally:
            self._stopping.set()
            self._server.stop()


def _end(failed: threading.ExceptHookArgs) -> None:
    """End the process when a thread failed: nobody does its work any more, and a new worker will."""
    _LOG.critical(
        "The worker ends, since one of its threads failed. thread=%s",
        failed.thread.name if failed.thread is not None else "",
        exc_info=failed.exc_value,
    )
    os._exit(1)
