"""The places that a connector names: its database, store or file, its brokers and topics, its registry."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from appliance.config.providers import Providers, Reference, references
from appliance.config.worker import WorkerConfig
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.files.writable import UNIT
from appliance.doctor import broker
from appliance.doctor.files import examine_followed, examine_target
from appliance.doctor.findings import Finding, problem
from appliance.doctor.reach import unreachable
from appliance.doctor.registry import examine_registry
from appliance.doctor.service import Service
from appliance.errors import ConfigError, ConnectError
from appliance.kafka.cluster import Cluster
from appliance.storage.memory import MemoryLog
from appliance.storage.offsets import OffsetStore
from appliance.telemetry.logs import blotted
from appliance.worker.plugins import Plugins

_BINLOG: Final[Mapping[str, Dialect]] = {
    "io.debezium.connector.mysql.": "mysql",
    "io.debezium.connector.mariadb.": "mariadb",
}
_SECRETS: Final = Path("/etc/ingest-appliance/secrets")
_HISTORY: Final = "schema.history.internal.kafka"

Config = Mapping[str, str]


class Places:
    """Looks at the places of connectors with the worker's own options beneath theirs."""

    def __init__(
        self, worker: WorkerConfig, cluster: Cluster | None, service: Service | None = None
    ) -> None:
        """Take the worker's configuration, its brokers while they can be reached, and whom to judge for.

        Without a service it is this process that reads and writes files.
        """
        self._worker = worker
        self._service = service
        self._cluster = cluster
        self._read: dict[str, OffsetStore] = {}

    def examine(
        self, name: str, kind: Literal["source", "sink"], java_class: str, config: Config
    ) -> Iterator[Finding]:
        """Give how each place of a connector stands; `config` is resolved."""
        yield from self._by_class(name, java_class, config)
        yield from broker.examine_clients(name, kind, self._worker, config)
        yield from examine_registry(name, self._worker.originals, config)

    def _by_class(self, name: str, java_class: str, config: Config) -> Iterator[Finding]:
        # each with the drivers that it alone needs
        for prefix, dialect in _BINLOG.items():
            if java_class.startswith(prefix):
                from appliance.doctor.binlog import examine_binlog

                yield from examine_binlog(
                    name, dialect, config, lambda partition: self._stored(name, partition, config)
                )
                yield from self._history(name, config)
        if java_class.startswith("io.confluent.connect.jdbc"):
            from appliance.doctor.jdbc import examine_jdbc

            yield from examine_jdbc(name, config, self._service)
        elif java_class.startswith("io.confluent.connect.hdfs"):
            from appliance.doctor.stores import examine_hdfs

            yield from examine_hdfs(name, config, self._service)
        elif java_class.endswith((".FilesSinkConnector", "FileStreamSinkConnector")):
            yield from examine_target(name, config, self._service)
        elif java_class.endswith(".FileStreamSourceConnector") and config.get("file"):
            yield examine_followed(name, Path(config["file"]), self._service)

    def _stored(self, name: str, partition: Config, config: Config) -> Mapping[str, Any] | None:
        """Give the offset of a partition, None where there is none or nobody tells."""
        if self._cluster is None or self._worker.standalone:
            return None
        # a connector's own topic goes before the workers'
        topics = (
            config.get("offsets.storage.topic"),
            self._worker.text("offset.storage.topic"),
        )
        for topic in topics:
            if topic and (found := self._offsets(topic).get(name, partition)):
                return found
        return None

    def _offsets(self, topic: str) -> OffsetStore:
        if topic not in self._read:
            log = MemoryLog()
            self._read[topic] = OffsetStore(log)
            if self._cluster is not None:
                with contextlib.suppress(ConnectError):
                    records = self._cluster.records(topic)
                    log.write([(one.key, one.value) for one in records if one.key is not None], 0)
        return self._read[topic]

    def _history(self, name: str, config: Config) -> Iterator[Finding]:
        topic = config.get(f"{_HISTORY}.topic")
        own = self._worker.bootstrap_servers
        servers = config.get(f"{_HISTORY}.bootstrap.servers") or own
        if servers != own:
            yield from _listening(name, servers, f"{_HISTORY}.bootstrap.servers")
        elif topic and self._cluster is not None:
            yield from broker.examine_history(self._cluster, topic, name, own)


def _listening(name: str, servers: str, option: str) -> Iterator[Finding]:
    """Give a problem where no broker of a list listens."""
    faults = []
    for address in servers.split(","):
        host, _, port = address.strip().rpartition("://")[2].rpartition(":")
        fault = unreachable(host.strip("[]"), int(port) if port.isdigit() else 9092)
        if fault is None:
            return
        faults.append(problem(name, fault.text, fault.remedy, option))
    yield from faults


def resolved(
    name: str, config: Config, providers: Providers, secrets: Path = _SECRETS
) -> tuple[dict[str, str], list[Finding]]:
    """Give a configuration with what providers put into it, and the references that none resolves.

    Raises ConfigError.
    """
    try:
        found = providers.resolve(dict(config))
    except OSError as error:
        raise ConfigError(
            f"Reading {error.filename}: {error.strerror}. Secrets are for root and the service alone: call "
            "the doctor as root."
        ) from error
    return found, [
        _unresolved(name, option, value, left[0], secrets)
        for option, value in found.items()
        if (left := references(value))
    ]


def _unresolved(
    name: str, option: str, value: str, reference: Reference, secrets: Path
) -> Finding:
    """Tell a provider that is not there from a secret that the running service was not given."""
    secret = reference.key.removeprefix("secrets_")
    if not reference.path.endswith(f"/{UNIT}.service") or secret == reference.key:
        text = f"{option} refers to {value}, which no provider resolves here"
        remedy = "name the provider in config.providers of the worker file"
        return problem(name, text, remedy, option)
    file = secrets / secret
    restart = f"systemctl restart {UNIT}"
    try:
        written = file.is_file()
    except OSError:
        text = f"{option} refers to the secret {secret}, which the service was not given"
        return problem(name, text, f"ls {file} && {restart}  # as root", option)
    if written:
        text = f"{option} refers to the secret {secret}, which was written after the service had started"
        return problem(name, text, restart, option)
    text = f"{option} refers to the secret {secret}, which there is not"
    return problem(name, text, f"install -m 600 /dev/stdin {file}; {restart}", option)


def examine_connection(
    worker: WorkerConfig, config: Mapping[str, str | None]
) -> Iterator[Finding]:
    """Give how the places of a configuration stand; what its options lack is validation's to say."""
    name = config.get("name") or "connector"
    given = {key: text for key, text in config.items() if text is not None}
    try:
        texts, unresolved = resolved(name, given, Providers.from_config(worker.originals))
        yield from unresolved
        plugins = Plugins.discover(worker["plugin.path"] or ())
        plugin = plugins.find_connector(texts.get("connector.class", ""))
    except ConnectError as error:
        yield problem(name, str(error), "correct connector.class", "connector.class")
        return
    if unresolved:
        # what asks with a reference in the place of a password finds that alone
        return
    kind: Literal["source", "sink"] = "source" if plugin.kind == "source" else "sink"
    places = Places(worker, _cluster(worker))
    for finding in places.examine(name, kind, plugin.java_class, texts):
        yield dataclasses.replace(finding, text=blotted(finding.text))


def _cluster(worker: WorkerConfig) -> Cluster | None:
    try:
        cluster = broker.open_cluster(worker)
        cluster.connect()
    except ConnectError:
        return None
    return cluster
