"""The options of a worker: Kafka Connect's for both modes, and ours (`appliance_keys.py`).

Names, types, defaults and ranges: Kafka 4.3.1 WorkerConfig, RestServerConfig, DistributedConfig and
StandaloneConfig.
"""

from __future__ import annotations

from typing import Final

from appliance.config.appliance_keys import APPLIANCE_KEYS
from appliance.config.client_keys import CLIENT_KEYS, SSL_KEYS, key
from appliance.config.define import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import OneOf, Range, at_least
from appliance.config.worker_checks import (
    LISTENERS,
    OVERRIDE_ALLOWLIST,
    OVERRIDE_POLICY,
    PARTITIONS,
    POLICY,
    REPLICATION,
)

_T = ConfigType
_HIGH, _MEDIUM, _LOW = Importance.HIGH, Importance.MEDIUM, Importance.LOW


_COMMON: Final = (
    key("bootstrap.servers", _T.LIST, NO_DEFAULT, _HIGH, "Brokers to begin with, host:port each."),
    key(
        "client.dns.lookup",
        _T.STRING,
        "use_all_dns_ips",
        _MEDIUM,
        "How a broker's name is resolved.",
        OneOf(("use_all_dns_ips", "resolve_canonical_bootstrap_servers_only")),
    ),
    key(
        "key.converter",
        _T.CLASS,
        NO_DEFAULT,
        _HIGH,
        "Converter of record keys where a connector names none.",
    ),
    key("key.converter.plugin.version", _T.STRING, None, _LOW, "Version of that converter."),
    key(
        "value.converter",
        _T.CLASS,
        NO_DEFAULT,
        _HIGH,
        "Converter of record values where a connector names none.",
    ),
    key("value.converter.plugin.version", _T.STRING, None, _LOW, "Version of that converter."),
    key(
        "task.shutdown.graceful.timeout.ms",
        _T.LONG,
        5000,
        _LOW,
        "Time that tasks stopped together have to end before they are killed, in milliseconds.",
    ),
    key(
        "offset.flush.interval.ms",
        _T.LONG,
        60000,
        _LOW,
        "Time between two commits of a task's offsets, in milliseconds.",
    ),
    key(
        "offset.flush.timeout.ms",
        _T.LONG,
        5000,
        _LOW,
        "Longest time a commit may take before it is given up until the next, in milliseconds.",
    ),
    key("plugin.path", _T.LIST, None, _LOW, "Folders with further Python plugins."),
    key(
        "plugin.discovery",
        _T.STRING,
        "hybrid_warn",
        _LOW,
        "How Java finds plugins; has no effect here.",
        OneOf(("ONLY_SCAN", "SERVICE_LOAD", "HYBRID_WARN", "HYBRID_FAIL"), ignore_case=True),
    ),
    key(
        "metrics.sample.window.ms",
        _T.LONG,
        30000,
        _LOW,
        "Length of one sample of a rate, in milliseconds.",
        at_least(0),
    ),
    key(
        "metrics.num.samples",
        _T.INT,
        2,
        _LOW,
        "Number of samples that make up a rate.",
        at_least(1),
    ),
    key(
        "metrics.recording.level",
        _T.STRING,
        "INFO",
        _LOW,
        "How much is measured.",
        OneOf(("INFO", "DEBUG")),
    ),
    key(
        "metric.reporters",
        _T.LIST,
        "org.apache.kafka.common.metrics.JmxReporter",
        _LOW,
        "Java metric reporters; has no effect here, see /metrics.",
    ),
    key(
        "header.converter",
        _T.CLASS,
        "org.apache.kafka.connect.storage.SimpleHeaderConverter",
        _LOW,
        "Converter of record headers where a connector names none.",
    ),
    key("header.converter.plugin.version", _T.STRING, None, _LOW, "Version of that converter."),
    key(
        "config.providers",
        _T.LIST,
        "",
        _LOW,
        "Aliases of the providers that resolve ${alias:path:key} in configurations.",
    ),
    key(
        OVERRIDE_POLICY,
        _T.STRING,
        "All",
        _MEDIUM,
        f"Which client options a connector may override; with Allowlist those named in {OVERRIDE_ALLOWLIST}.",
        POLICY,
    ),
    key(
        "topic.creation.enable",
        _T.BOOLEAN,
        True,
        _LOW,
        "Whether connectors' topic.creation.* options are honoured.",
    ),
    *SSL_KEYS,
    key(
        "topic.tracking.enable",
        _T.BOOLEAN,
        True,
        _LOW,
        "Whether the topics that a connector uses are recorded.",
    ),
    key(
        "topic.tracking.allow.reset",
        _T.BOOLEAN,
        True,
        _LOW,
        "Whether that record may be reset over REST.",
    ),
    key(
        "listeners",
        _T.LIST,
        "http://:8083",
        _LOW,
        "Addresses on which REST is served.",
        LISTENERS,
    ),
    key(
        "rest.advertised.host.name",
        _T.STRING,
        None,
        _LOW,
        "Host name by which other workers reach this one.",
    ),
    key("rest.advertised.port", _T.INT, None, _LOW, "Port by which other workers reach this one."),
    key(
        "rest.advertised.listener",
        _T.STRING,
        None,
        _LOW,
        "Scheme by which other workers reach this one: http or https.",
    ),
    key(
        "access.control.allow.origin",
        _T.STRING,
        "",
        _LOW,
        "Origins that browsers may call from; empty: none.",
    ),
    key(
        "access.control.allow.methods",
        _T.STRING,
        "",
        _LOW,
        "Methods that browsers may use; empty: GET, POST, HEAD.",
    ),
    key("response.http.headers.config", _T.STRING, "", _LOW, "Rules for headers of REST answers."),
    key(
        "ssl.client.auth",
        _T.STRING,
        "none",
        _LOW,
        "Whether REST clients must show a certificate.",
        OneOf(("required", "requested", "none")),
    ),
    key(
        "rest.extension.classes",
        _T.LIST,
        "",
        _LOW,
        "REST extensions; basic authentication is the one there is.",
    ),
    key(
        "admin.listeners",
        _T.LIST,
        None,
        _LOW,
        "Addresses of /admin; unset: the same as REST, empty: none.",
        LISTENERS,
    ),
)

_STORAGE: Final = (
    key("offset.storage.topic", _T.STRING, NO_DEFAULT, _HIGH, "Topic with the sources' offsets."),
    key(
        "offset.storage.partitions",
        _T.INT,
        25,
        _LOW,
        "Partitions of that topic if it has to be made.",
        PARTITIONS,
    ),
    key(
        "offset.storage.replication.factor",
        _T.SHORT,
        3,
        _LOW,
        "Replicas of that topic if it has to be made.",
        REPLICATION,
    ),
    key(
        "config.storage.topic",
        _T.STRING,
        NO_DEFAULT,
        _HIGH,
        "Topic with the connectors' configurations.",
    ),
    key(
        "config.storage.replication.factor",
        _T.SHORT,
        3,
        _LOW,
        "Replicas of that topic if it has to be made.",
        REPLICATION,
    ),
    key(
        "status.storage.topic",
        _T.STRING,
        NO_DEFAULT,
        _HIGH,
        "Topic with the states of connectors and tasks.",
    ),
    key(
        "status.storage.partitions",
        _T.INT,
        5,
        _LOW,
        "Partitions of that topic if it has to be made.",
        PARTITIONS,
    ),
    key(
        "status.storage.replication.factor",
        _T.SHORT,
        3,
        _LOW,
        "Replicas of that topic if it has to be made.",
        REPLICATION,
    ),
)

_GROUP: Final = (
    key("group.id", _T.STRING, NO_DEFAULT, _HIGH, "Name of the workers' group."),
    key(
        "session.timeout.ms",
        _T.INT,
        10000,
        _HIGH,
        "Silence after which a worker counts as lost, in milliseconds.",
    ),
    key(
        "rebalance.timeout.ms",
        _T.INT,
        60000,
        _HIGH,
        "Time that a worker has to join a rebalance, in milliseconds.",
    ),
    key(
        "heartbeat.interval.ms",
        _T.INT,
        3000,
        _HIGH,
        "Time between a worker's heartbeats, in milliseconds.",
    ),
    key(
        "exactly.once.source.support",
        _T.STRING,
        "disabled",
        _HIGH,
        "Whether sources deliver exactly once.",
        OneOf(("DISABLED", "ENABLED", "PREPARING"), ignore_case=True),
    ),
    key(
        "worker.sync.timeout.ms",
        _T.INT,
        3000,
        _MEDIUM,
        "Time to catch up with the configuration topic, in milliseconds.",
    ),
    key(
        "worker.unsync.backoff.ms",
        _T.INT,
        300000,
        _MEDIUM,
        "Pause after failing to catch up (eager protocol), in milliseconds.",
    ),
    key(
        "connect.protocol",
        _T.STRING,
        "sessioned",
        _LOW,
        "Rebalance protocol.",
        OneOf(("eager", "compatible", "sessioned")),
    ),
    key(
        "scheduled.rebalance.max.delay.ms",
        _T.INT,
        300000,
        _LOW,
        "How long a lost worker's tasks wait for its return, in milliseconds.",
        Range(0, 2147483647),
    ),
    key(
        "inter.worker.key.ttl.ms",
        _T.INT,
        3600000,
        _LOW,
        "Age at which the session key is replaced, in milliseconds.",
        Range(0, 2147483647),
    ),
    key(
        "inter.worker.key.generation.algorithm",
        _T.STRING,
        "HmacSHA256",
        _LOW,
        "Algorithm that makes session keys.",
    ),
    key("inter.worker.key.size", _T.INT, None, _LOW, "Size of session keys in bits."),
    key(
        "inter.worker.signature.algorithm",
        _T.STRING,
        "HmacSHA256",
        _LOW,
        "Algorithm that signs calls between workers.",
    ),
    key(
        "inter.worker.verification.algorithms",
        _T.LIST,
        "HmacSHA256",
        _LOW,
        "Algorithms accepted in signed calls.",
    ),
)

WORKER_KEYS: Final = ConfigDef(_COMMON)
"""What both modes know."""

DISTRIBUTED_KEYS: Final = ConfigDef((*_COMMON, *_GROUP, *CLIENT_KEYS, *_STORAGE, *APPLIANCE_KEYS))
STANDALONE_KEYS: Final = ConfigDef(
    (
        *_COMMON,
        key(
            "offset.storage.file.filename",
            _T.STRING,
            NO_DEFAULT,
            _HIGH,
            "File with the sources' offsets.",
        ),
        *APPLIANCE_KEYS,
    )
)

TUNING: Final = """
acks allow.auto.create.topics auto.commit.interval.ms auto.offset.reset batch.size buffer.memory check.crcs
client.dns.lookup client.id client.rack compression.gzip.level compression.lz4.level compression.type
compression.zstd.level connections.max.idle.ms default.api.timeout.ms delivery.timeout.ms enable.auto.commit
enable.idempotence enable.metrics.push exclude.internal.topics fetch.max.bytes fetch.max.wait.ms
fetch.min.bytes group.id group.instance.id group.protocol group.remote.assignor heartbeat.interval.ms
isolation.level linger.ms max.block.ms max.in.flight.requests.per.connection max.partition.fetch.bytes
max.poll.interval.ms max.poll.records max.request.size metadata.max.age.ms metadata.max.idle.ms
metadata.recovery.rebootstrap.trigger.ms metadata.recovery.strategy metrics.num.samples
metrics.recording.level metrics.sample.window.ms partition.assignment.strategy
partitioner.adaptive.partitioning.enable partitioner.availability.timeout.ms partitioner.class
partitioner.ignore.keys receive.buffer.bytes reconnect.backoff.max.ms reconnect.backoff.ms
request.timeout.ms retries retry.backoff.max.ms retry.backoff.ms send.buffer.bytes session.timeout.ms
socket.connection.setup.timeout.max.ms socket.connection.setup.timeout.ms transaction.timeout.ms
"""
"""Options of clients that a connector may override under `run`: not where or as whom a client connects,
nor what it loads."""

RUN_DEFAULTS: Final = {
    "bootstrap.servers": "127.0.0.1:9092",
    "group.id": "ingest-appliance",
    "config.storage.topic": "ingest-appliance-configs",
    "offset.storage.topic": "ingest-appliance-offsets",
    "status.storage.topic": "ingest-appliance-status",
    "config.storage.replication.factor": "-1",
    "offset.storage.replication.factor": "-1",
    "status.storage.replication.factor": "-1",
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "listeners": "http://127.0.0.1:8083",
    "appliance.registry.listeners": "http://127.0.0.1:8081",
    "offset.flush.interval.ms": "10000",
    "scheduled.rebalance.max.delay.ms": "3000",
    "heartbeat.interval.ms": "1000",
    OVERRIDE_POLICY: "Allowlist",
    OVERRIDE_ALLOWLIST: ",".join(TUNING.split()),
}
"""What stands below the file given to `run`; a user's own worker files start from Connect's defaults."""
