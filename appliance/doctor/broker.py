"""The broker: reachable, how many, and whether the topics that keep state are as they must be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple, Protocol

from appliance.config.client_tables import Role
from appliance.config.worker import WorkerConfig
from appliance.data.regex import java_compiled
from appliance.doctor.findings import Finding, ok, problem, warning
from appliance.errors import ConnectError
from appliance.kafka.clients import role_client, worker_client
from appliance.kafka.cluster import Cluster, Topic

_TIMEOUT_S: Final = 10.0
_STORES: Final = ("config", "offset", "status")
PACKAGED: Final = "/usr/lib/ingest-appliance-kafka/broker"


class Brokers(Protocol):
    """What is asked of a cluster (kafka.cluster.Cluster); both raise ConnectError."""

    def connect(self) -> list[str]:
        """Give the brokers' addresses."""

    def topic(self, name: str) -> Topic | None:
        """Give a topic, None when there is none."""


def open_cluster(config: WorkerConfig) -> Cluster:
    """Give the cluster that the worker's configuration names. Raises ConfigError."""
    return Cluster(worker_client(config, "ingest-appliance-doctor"), _TIMEOUT_S)


def examine_broker(config: WorkerConfig, cluster: Brokers) -> Iterator[Finding]:
    """Give how broker and internal topics stand."""
    servers = config.bootstrap_servers
    try:
        brokers = cluster.connect()
    except ConnectError as error:
        remedy = "systemctl status ingest-appliance-kafka  # or correct bootstrap.servers"
        yield problem("broker", f"{servers} does not answer: {error}", remedy)
        return
    yield ok("broker", f"{len(brokers)} at {', '.join(brokers)}")
    if config.standalone:
        return
    for wanted in _wanted(config):
        yield from _examine(cluster, wanted, servers, len(brokers))


class _Wanted(NamedTuple):
    """A topic of the daemon's own; `single`: it must have one partition."""

    name: str
    option: str
    policy: str
    single: bool


def _wanted(config: WorkerConfig) -> Iterator[_Wanted]:
    for store in _STORES:
        option = f"{store}.storage.topic"
        yield _Wanted(config.text(option), option, "compact", store == "config")
    if config.flag("appliance.journal.enable"):
        yield _Wanted(config.journal_topic, "appliance.journal.topic", "delete", single=True)
    if config.registry_listeners:
        option = "appliance.registry.topic"
        yield _Wanted(config.text(option), option, "compact", single=True)


def examine_history(cluster: Brokers, name: str, subject: str, servers: str) -> Iterator[Finding]:
    """Give how a schema history topic stands: one partition, nothing ever deleted."""
    try:
        topic = cluster.topic(name)
    except ConnectError as error:
        yield warning(subject, str(error), f"grant DescribeConfigs on {name}")
        return
    if topic is None:
        yield ok(subject, f"topic {name} will be made")
        return
    if topic.partitions != 1:
        yield problem(
            subject,
            f"topic {name} has {topic.partitions} partitions: a history needs exactly 1",
            "name another topic in schema.history.internal.kafka.topic, and start the connector once with "
            "snapshot.mode=recovery",
        )
    if "compact" in topic.settings.get("cleanup.policy", ""):
        yield problem(
            subject,
            f"topic {name} is compacted, which drops table definitions",
            _alter(servers, name, "cleanup.policy=delete"),
        )
    if topic.settings.get("retention.ms") != "-1":
        yield problem(
            subject,
            f"topic {name} forgets after {topic.settings.get('retention.ms')} ms: a restart later than "
            "that does not know the tables",
            _alter(servers, name, "retention.ms=-1,retention.bytes=-1"),
        )


def examine_clients(
    name: str, kind: Literal["source", "sink"], worker: WorkerConfig, config: Mapping[str, str]
) -> Iterator[Finding]:
    """Give whether the brokers answer a connector's client as they should, and have a sink's topics."""
    role: Role = "consumer" if kind == "sink" else "producer"
    own = {key: text for key, text in config.items() if key.startswith(f"{role}.override.")}
    if not own and kind == "source":
        return
    option = f"{role}.override.bootstrap.servers"
    if option not in own:
        option = next(iter(own), "")
    try:
        cluster = Cluster(role_client(worker, config, role, "ingest-appliance-doctor"), _TIMEOUT_S)
        brokers = cluster.connect()
    except ConnectError as error:
        remedy = f"correct {role}.override.* of the connector" if own else "see the broker's log"
        yield problem(name, f"its {role}: {error}", remedy, option)
        return
    if own:
        yield ok(name, f"its {role} reaches {', '.join(brokers)}", option)
    if kind == "sink":
        yield from _topics(name, cluster.partitions, config)


def _topics(name: str, known: Iterable[str], config: Mapping[str, str]) -> Iterator[Finding]:
    """Give which of a sink's topics are not there."""
    listed = [topic.strip() for topic in config.get("topics", "").split(",") if topic.strip()]
    missing = [topic for topic in listed if topic not in known]
    pattern = config.get("topics.regex", "")
    if pattern:
        listed, option = [pattern], "topics.regex"
        missing = [] if any(map(java_compiled(pattern).fullmatch, known)) else [pattern]
    else:
        option = "topics"
    for topic in missing:
        text = f"no topic is called {topic} yet, or the user may not see it"
        yield warning(name, text, "ingest-appliance get topics", option)
    if listed and not missing:
        yield ok(
            name,
            f"{len(listed)} of its topics are there" if not pattern else "topics match",
            option,
        )


def _examine(cluster: Brokers, wanted: _Wanted, servers: str, brokers: int) -> Iterable[Finding]:
    name = wanted.name
    try:
        topic = cluster.topic(name)
    except ConnectError as error:
        yield warning("topics", str(error), f"grant DescribeConfigs on {name}")
        return
    if topic is None:
        yield ok("topics", f"{name} will be made")
        return
    policy = topic.settings.get("cleanup.policy", "")
    if wanted.single and topic.partitions != 1:
        yield problem(
            "topics",
            f"{name} has {topic.partitions} partitions instead of 1",
            f"name another topic in {wanted.option}, or delete this one when it is not needed",
        )
    elif policy != wanted.policy:
        why = "which loses what it keeps"
        if wanted.policy == "delete":
            why = "which keeps for ever what is to be forgotten"
        yield problem(
            "topics",
            f"{name} has cleanup.policy={policy}, {why}",
            _alter(servers, name, f"cleanup.policy={wanted.policy}"),
        )
    elif topic.replicas < min(3, brokers):
        yield warning(
            "topics",
            f"{name} has {topic.replicas} replicas on {brokers} brokers",
            f"kafka-reassign-partitions.sh --bootstrap-server {servers} --execute "
            "--reassignment-json-file FILE  # of Kafka's own package; with three replicas each",
        )
    else:
        kept = "compacted" if wanted.policy == "compact" else "kept for a time"
        yield ok(
            "topics", f"{name}: {topic.partitions} partitions, {topic.replicas} replicas, {kept}"
        )


def configs_tool(packaged: str = PACKAGED) -> str:
    """Give the command that changes settings of topics; the broker's package has one of its own."""
    return f"{packaged} configs" if os.access(packaged, os.X_OK) else "kafka-configs.sh"


def _alter(servers: str, topic: str, setting: str) -> str:
    return (
        f"{configs_tool()} --bootstrap-server {servers} --alter --entity-type topics "
        f"--entity-name {topic} --add-config {setting}"
    )
