"""A herder in memory: everything runs at once, nothing is forwarded unless told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Literal

from appliance.api.connector import OffsetPreview
from appliance.config.worker import WorkerConfig
from appliance.doctor.findings import problem
from appliance.errors import AlreadyExistsError, BadRequestError, NotFoundError
from appliance.herder.entities import (
    ActiveTopicsInfo,
    ConnectorInfo,
    ConnectorOffset,
    ConnectorOffsets,
    ConnectorStateInfo,
    Created,
    GroupSnapshot,
    HerderSnapshot,
    InstanceState,
    Message,
    Stage,
    TaskInfo,
    TaskName,
    TaskState,
    WorkerSnapshot,
)
from appliance.herder.herder import SignatureError
from appliance.journal.journal import Journal
from appliance.rest.context import Context
from appliance.storage.snapshot import SessionKey
from appliance.telemetry.loggers import Loggers
from appliance.worker.plugins import Plugins
from appliance.worker.validation import ConfigChecker, ConfigInfos

PLUGINS = Plugins.discover()
WORKER = "127.0.0.1:8083"
HOST = "database.hostname"
CONVERTER = "org.apache.kafka.connect.json.JsonConverter"
DISTRIBUTED = {
    "bootstrap.servers": "b:9092",
    "group.id": "g",
    "config.storage.topic": "c",
    "offset.storage.topic": "o",
    "status.storage.topic": "s",
    "key.converter": CONVERTER,
    "value.converter": CONVERTER,
}


def settled(value: Any = None, error: BaseException | None = None) -> Future[Any]:
    future: Future[Any] = Future()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(value)
    return future


class FakeHerder:
    """Connectors run as soon as they are written, with one task each; `fail_with` fails every call."""

    def __init__(self, check: Callable[[Mapping[str, str | None]], None] = lambda _: None) -> None:
        self.check = check
        self.configs: dict[str, dict[str, str | None]] = {}
        self.states: dict[str, str] = {}
        self.offsets: dict[str, list[ConnectorOffset]] = {}
        self.topics: dict[str, tuple[str, ...]] = {}
        self.cluster_levels: list[tuple[str, str]] = []
        self.fail_with: BaseException | None = None
        self.started = True
        self.pending: Future[Any] | None = None
        self.session_key: SessionKey | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        """Called when the snapshot has been taken and before it is given."""

    def _answer(self, make: Callable[[], Any]) -> Future[Any]:
        if self.pending is not None:
            return self.pending
        if self.fail_with is not None:
            return settled(error=self.fail_with)
        try:
            return settled(make())
        except Exception as error:
            return settled(error=error)

    def _known(self, name: str, text: str = "Connector {} not found") -> dict[str, str | None]:
        if name not in self.configs:
            raise NotFoundError(text.format(name))
        return self.configs[name]

    def _info(self, name: str) -> ConnectorInfo:
        config = self._known(name)
        kind: Literal["source", "sink"] = (
            "sink" if "Sink" in str(config["connector.class"]) else "source"
        )
        return ConnectorInfo(name, config, (TaskName(name, 0),), kind)

    def _state(self, name: str) -> ConnectorStateInfo:
        self._known(name, "No status found for connector {}")
        state = self.states[name]
        tasks = () if state == "STOPPED" else (TaskState(0, state, WORKER, "4.3.1"),)
        connector = InstanceState(state, WORKER, "4.3.1")
        return ConnectorStateInfo(name, connector, tasks, self._info(name).type)

    def _write(self, name, config, target, allow_replace):
        self.check(config)
        exists = name in self.configs
        if exists and not allow_replace:
            raise AlreadyExistsError(f"Connector {name} already exists")
        self.configs[name] = dict(config)
        state = {"PAUSED": "PAUSED", "STOPPED": "STOPPED"}.get(str(target), "RUNNING")
        self.states[name] = state if target or not exists else self.states[name]
        return Created(not exists, self._info(name))

    def ready(self):
        return self._answer(lambda: None)

    def stage(self):
        return Stage("polling the group coordinator", 0)

    def connectors(self):
        return self._answer(lambda: tuple(self.configs))

    def connector_info(self, name):
        return self._answer(lambda: self._info(name))

    def connector_config(self, name):
        return self._answer(lambda: self._known(name))

    def put_connector_config(self, name, config, target_state, allow_replace):
        return self._answer(lambda: self._write(name, config, target_state, allow_replace))

    def patch_connector_config(self, name, patch):
        def make():
            merged = {**self._known(name), **patch}
            kept = {key: value for key, value in merged.items() if value is not None}
            return self._write(name, kept, None, True)

        return self._answer(make)

    def delete_connector(self, name):
        return self._answer(lambda: self.configs.pop(name, None) or self._known(name))

    def task_configs(self, name):
        def make():
            config = {key: value or "" for key, value in self._known(name).items()}
            return (TaskInfo(TaskName(name, 0), config),)

        return self._answer(make)

    def connector_status(self, name):
        return self._answer(lambda: self._state(name))

    def task_status(self, id):
        def make():
            if id.connector not in self.configs or id.task:
                raise NotFoundError(f"No status found for task {id}")
            return self._state(id.connector).tasks[0]

        return self._answer(make)

    def restart_connector(self, name):
        return self._answer(lambda: self._known(name, "Unknown connector: {}"))

    def restart_connector_and_tasks(self, request):
        return self._answer(lambda: self._state(request.connector))

    def restart_task(self, id):
        return self._answer(lambda: self._known(id.connector, "Unknown connector: {}"))

    def _target(self, name, state):
        self._known(name, "Unknown connector {}")
        self.states[name] = state

    def pause_connector(self, name):
        return self._answer(lambda: self._target(name, "PAUSED"))

    def resume_connector(self, name):
        return self._answer(lambda: self._target(name, "RUNNING"))

    def stop_connector(self, name):
        return self._answer(lambda: self._target(name, "STOPPED"))

    def connector_topics(self, name):
        return self._answer(lambda: ActiveTopicsInfo(name, ()))

    def reset_topics(self, name):
        return self._answer(lambda: None)

    def connector_offsets(self, name):
        def make():
            self._known(name)
            return ConnectorOffsets(tuple(self.offsets.get(name, ())))

        return self._answer(make)

    def alter_offsets(self, name, offsets):
        def make():
            self._known(name)
            if self.states[name] != "STOPPED":
                raise BadRequestError("Connectors must be in the STOPPED state")
            self.offsets[name] = list(offsets)
            return Message("altered")

        return self._answer(make)

    def reset_offsets(self, name):
        return self._answer(lambda: self._known(name) and Message("reset"))

    def put_task_configs(self, name, configs, signature):
        def make():
            if signature.signature is None:
                raise SignatureError("Internal request missing required signature", 400)

        return self._answer(make)

    def fence_zombies(self, name, signature):
        return self.put_task_configs(name, [], signature)

    def set_cluster_log_level(self, logger, level):
        return self._answer(lambda: self.cluster_levels.append((logger, level)))

    def snapshot(self, *, whole=True):
        states = {name: self._state(name) for name in self.configs}
        taken = self._snapshot(states)
        self.meanwhile()
        return taken

    def _snapshot(self, states):
        return HerderSnapshot(
            taken_ms=1,
            group=GroupSnapshot("g", 3, f"http://{WORKER}/", True, "m", "stable"),
            workers=(WorkerSnapshot(WORKER, True, len(states), len(states)),),
            connectors={name: self._info(name) for name in self.configs},
            states=states,
            target_states={},
            metrics={f"{name}-0": {"source-record-write-rate": 2.0} for name in self.configs},
            config_offset=1,
            worker_figures={"connector-count": len(states), "task-startup-success-total": 2},
            rebalance_figures={"completed-rebalances-total": 3},
            topics=self.topics,
        )


class InProcessChecks:
    """Validation without a process of its own."""

    def __init__(self, config: WorkerConfig, plugins: Plugins) -> None:
        from appliance.config.providers import Providers

        self._checker = ConfigChecker(config, plugins, Providers({}))
        self._plugins = plugins

    def validate(self, config: dict[str, str | None]) -> ConfigInfos:
        return self._checker.validate(config)

    def plugin_config(self, name: str, version: str | None) -> list[dict[str, Any]]:
        from appliance.worker.plugin_config import plugin_config

        return plugin_config(self._plugins, name, version)


def make_context(options: Mapping[str, str] | None = None, mode: Any = "distributed") -> Context:
    config = WorkerConfig({**DISTRIBUTED, **(options or {})}, mode)
    plugins = PLUGINS
    checks = InProcessChecks(config, plugins)
    herder: Any = FakeHerder(lambda stored: checks.validate(dict(stored)).check())
    return Context(
        config=config,
        herder=herder,
        plugins=plugins,
        checks=checks,
        loggers=Loggers(),
        journal=Journal(None, WORKER),
        cluster_id=lambda: "cluster",
        set_task_log_level=lambda _logger, _level: None,
        test_connection=lambda config: [
            problem(
                config["name"] or "",
                f"{config.get('db.password')} at {config[HOST]} is away",
                "",
                HOST,
            )
        ],
        preview_offsets=lambda _config, changes: [OffsetPreview() for _ in changes],
    )
