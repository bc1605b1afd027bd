"""The order of the checks: machine, broker, then each connector by what it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from appliance.config.connectorfile import read_connector_file
from appliance.config.providers import Providers
from appliance.config.worker import WorkerConfig
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.doctor import binlog, broker, machine, stores
from appliance.doctor.findings import Finding, Level, ok, problem
from appliance.errors import ConfigError, ConnectError
from appliance.kafka.cluster import Cluster
from appliance.worker.plugins import Plugins
from appliance.worker.validation import ConfigChecker

_BINLOG: Final[Mapping[str, Dialect]] = {
    "io.debezium.connector.mysql.": "mysql",
    "io.debezium.connector.mariadb.": "mariadb",
}
_SAID_IN_DETAIL: Final = ("the server has ", "the user lacks ")
"""Errors of validation that the checks of a binlog tell with their remedy."""


def examine(config: WorkerConfig, connectors: Iterable[Path]) -> Iterator[Finding]:
    """Give what is found, each as soon as it is known."""
    yield from machine.examine_machine(config)
    try:
        cluster = broker.open_cluster(config)
    except ConnectError as error:
        yield problem("broker", str(error), "correct the options of the worker file")
        return
    reachable = True
    for finding in broker.examine_broker(config, cluster):
        reachable = reachable and (finding.subject, finding.level) != ("broker", Level.PROBLEM)
        yield finding
    checker = _Connectors(config, cluster if reachable else None)
    for path in connectors:
        yield from checker.examine(path)


class _Connectors:
    """Checks connector files with the worker's plugins and providers."""

    def __init__(self, config: WorkerConfig, cluster: Cluster | None) -> None:
        self._config = config
        self._cluster = cluster
        self._plugins = Plugins.discover(config["plugin.path"] or ())
        self._providers = Providers.from_config(config.originals)

    def examine(self, path: Path) -> Iterator[Finding]:
        """Give how one connector stands."""
        try:
            file = read_connector_file(path)
            given = {key: value for key, value in file.config.items() if value is not None}
            config = self._providers.resolve({**given, "name": file.name})
        except ConfigError as error:
            yield problem(path.name, str(error), f"editor {path}")
            return
        name = file.name
        yield from _unresolved(name, config)
        try:
            plugin = self._plugins.find_connector(config.get("connector.class", ""))
            checker = ConfigChecker(self._config, self._plugins, self._providers)
            errors = checker.validate({**file.config, "name": name}).errors()
        except ConnectError as error:
            yield problem(name, str(error), f"correct connector.class in {path}")
            return
        errors = [text for text in errors if not text.startswith(_SAID_IN_DETAIL)]
        for text in dict.fromkeys(errors):
            yield problem(name, text, f"editor {path}")
        if not errors:
            yield ok(name, f"its configuration is valid ({plugin.java_class})")
        yield from self._by_kind(name, plugin.java_class, config)
        yield from stores.examine_registry(name, {**self._config.originals, **config})

    def _by_kind(self, name: str, java_class: str, config: Mapping[str, str]) -> Iterator[Finding]:
        for prefix, dialect in _BINLOG.items():
            if java_class.startswith(prefix):
                yield from binlog.examine_binlog(name, dialect, config)
                yield from self._history(name, config)
        if java_class.startswith("io.confluent.connect.hdfs"):
            yield from stores.examine_hdfs(name, config)
        elif java_class.endswith(".FilesSinkConnector") and config.get("store.url"):
            path = config["store.url"].removeprefix("file://").removeprefix("file:")
            yield stores.folder(name, Path(path))

    def _history(self, name: str, config: Mapping[str, str]) -> Iterator[Finding]:
        topic = config.get("schema.history.internal.kafka.topic")
        servers = config.get("schema.history.internal.kafka.bootstrap.servers")
        own = self._config.bootstrap_servers
        if topic and self._cluster is not None and (servers or own) == own:
            yield from broker.examine_history(self._cluster, topic, name, own)


def _unresolved(name: str, config: Mapping[str, str]) -> Iterator[Finding]:
    for option, value in config.items():
        if "${" in value and ":" in value.partition("${")[2].partition("}")[0]:
            yield problem(
                name,
                f"{option} refers to {value}, which no provider resolves here",
                "name the provider in config.providers of the worker file; files under /run/credentials "
                "are there for the service alone",
            )
