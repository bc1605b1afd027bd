"""The options of a worker that are ours, with the prefix `appliance.`: what Kafka Connect has no word for."""

from __future__ import annotations

from typing import Final

from appliance.config.client_keys import key
from appliance.config.client_refusals import ALLOWED_URLS
from appliance.config.define import ConfigType, Importance
from appliance.config.validators import Check, NonEmptyString, OneOf, Range, at_least
from appliance.config.worker_checks import REPLICATION, check_listeners

_T = ConfigType
_HIGH, _MEDIUM, _LOW = Importance.HIGH, Importance.MEDIUM, Importance.LOW

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
        Check(check_listeners, "list of URLs"),
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
        ALLOWED_URLS,
        _T.LIST,
        [],
        _LOW,
        "Addresses of OAuth token servers that Kafka clients may ask, each exactly as written in "
        "sasl.oauthbearer.token.endpoint.url; none: any that begins with https://.",
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
