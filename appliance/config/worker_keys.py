"""The options of a worker: Kafka Connect's for both modes, then ours with the prefix `appliance.`.

Names, types, defaults and ranges: Kafka 4.3.1 WorkerConfig, RestServerConfig, DistributedConfig and
StandaloneConfig.
"""

from __future__ import annotations

from typing import Any, Final

from appliance.config.client_keys import CLIENT_KEYS, SSL_KEYS, key
from appliance.config.define import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.listeners import parse_listener
from appliance.config.validators import Check, NonEmptyString, OneOf, Range, at_least
from appliance.errors import ConfigError

_T = ConfigType
_HIGH, _MEDIUM, _LOW = Importance.HIGH, Importance.MEDIUM, Importance.LOW


def _check_listeners(name: str, value: Any) -> None:
    if value is None:
        return
    if not value and name == "listeners":
        raise ConfigError.invalid(name, value, "At least one listener must be configured.")
    for text in value:
        parse_listener(name, text)


def _check_count(meaning: str) -> Check:
    def check(name: str, value: Any) -> None:
        if value is None:
            raise ConfigError.invalid(name, value, f"{meaning} must be non-null")
        if value != -1 and value < 1:
            raise ConfigError.invalid(
                name, value, f"{meaning} must be positive, or -1 to use the broker's default"
            )

    return Check(check, "Positive number, or -1 to use the broker's default")


def _check_replication(name: str, value: Any) -> None:
    if value is None or (value != -1 and value < 1):
        raise ConfigError.invalid(
            name,
            value,
            "Replication factor must be positive and not larger than the number of brokers in the "
            "Kafka cluster, or -1 to use the broker's default",
        )


_PARTITIONS: Final = _check_count("Number of partitions")
REPLICATION: Final = Check(
    _check_replication,
    "Positive number not larger than the number of brokers in the Kafka cluster, "
    "or -1 to use the broker's default",
)
PARTITIONS: Final = _PARTITIONS
_LISTENERS: Final = Check(
    _check_listeners,
    "List of comma-separated URLs, ex: http://localhost:8080,https://localhost:8443.",
)

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
        "connector.client.config.override.policy",
        _T.STRING,
        "All",
        _MEDIUM,
        "Which client options a connector may override: All, None, Principal or Allowlist.",
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
        _LISTENERS,
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
        _LISTENERS,
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
        _PARTITIONS,
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
        _PARTITIONS,
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

APPLIANCE_KEYS: Final = (
    key(
        "appliance.workers",
        _T.INT,
        2,
        _MEDIUM,
        "Worker processes of the daemon on this host.",
        Range(1, 64),
    ),
    key(
        "appliance.task.isolation",
        _T.STRING,
        "task",
        _MEDIUM,
        "Whether each task has its own process (task) or those of a connector share one (connector).",
        OneOf(("task", "connector")),
    ),
    key(
        "appliance.state.dir",
        _T.STRING,
        None,
        _MEDIUM,
        "Folder for what must outlive the daemon; unset: systemd's state folder.",
        NonEmptyString(),
    ),
    key(
        "appliance.runtime.dir",
        _T.STRING,
        None,
        _LOW,
        "Folder for lock files and sockets; unset: systemd's runtime folder.",
        NonEmptyString(),
    ),
    key(
        "appliance.connectors.dir",
        _T.STRING,
        None,
        _MEDIUM,
        "Folder of connector files; a connector there can only be changed there.",
        NonEmptyString(),
    ),
    key(
        "appliance.log.level",
        _T.STRING,
        "INFO",
        _MEDIUM,
        "Level of the root logger.",
        OneOf(
            ("OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"), ignore_case=True
        ),
    ),
    key(
        "appliance.log.format",
        _T.STRING,
        "text",
        _LOW,
        "Form of log lines.",
        OneOf(("text", "json")),
    ),
    key(
        "appliance.journal.enable",
        _T.BOOLEAN,
        True,
        _MEDIUM,
        "Whether rebalances, transitions and changes are kept in a topic.",
    ),
    key(
        "appliance.journal.topic",
        _T.STRING,
        None,
        _LOW,
        "That topic; unset: <group.id>-journal.",
        NonEmptyString(),
    ),
    key(
        "appliance.journal.replication.factor",
        _T.SHORT,
        -1,
        _LOW,
        "Replicas of that topic if it has to be made.",
        REPLICATION,
    ),
    key(
        "appliance.journal.retention.ms",
        _T.LONG,
        1209600000,
        _LOW,
        "How long its records are kept, in milliseconds.",
        at_least(60000),
    ),
    key(
        "appliance.registry.listeners",
        _T.LIST,
        [],
        _MEDIUM,
        "Addresses of the built-in schema registry (http://127.0.0.1:8081); none: there is no registry.",
        Check(_check_listeners, "list of URLs"),
    ),
    key(
        "appliance.registry.topic",
        _T.STRING,
        "_schemas",
        _LOW,
        "Compacted topic of the registry, in Confluent's format; every host of the cluster may serve it.",
        NonEmptyString(),
    ),
    key(
        "appliance.registry.replication.factor",
        _T.SHORT,
        -1,
        _LOW,
        "Replicas of that topic if it has to be made.",
        REPLICATION,
    ),
    key(
        "appliance.jaas.file",
        _T.STRING,
        "",
        _LOW,
        "File with the JAAS entry KafkaConnect for basic authentication; empty: the one that KAFKA_OPTS "
        "names.",
    ),
    key(
        "appliance.rest.users.file",
        _T.STRING,
        None,
        _MEDIUM,
        "File of those who may call REST, each with a role: view, operate or administer; a line is "
        "written by `ingest-appliance user`. Unset: nobody is asked who he is.",
        NonEmptyString(),
    ),
    key(
        "appliance.rest.open",
        _T.BOOLEAN,
        False,
        _MEDIUM,
        "Whether REST may be served beyond this machine without TLS and authentication, which `run` "
        "otherwise refuses.",
    ),
    key(
        "appliance.rest.hosts",
        _T.LIST,
        [],
        _LOW,
        "Further names of this machine by which REST may be called where nobody is asked who he is.",
    ),
    key(
        "appliance.validation.timeout.ms",
        _T.LONG,
        60000,
        _LOW,
        "Longest time a connector may take to check a configuration, in milliseconds.",
        at_least(1000),
    ),
    key(
        "appliance.rest.timeout.ms",
        _T.LONG,
        90000,
        _LOW,
        "Longest time a REST request waits for the worker, in milliseconds.",
        at_least(1000),
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
}
"""What stands below the file given to `run`; a user's own worker files start from Connect's defaults."""
