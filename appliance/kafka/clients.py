"""Settings of Kafka clients: Java's option names in, librdkafka's out, with Connect's defaults beneath.

Client ids and defaults: Kafka Connect 4.3.1 Worker.{baseProducerConfigs, baseConsumerConfigs}; where ours
differ (idempotence, five requests in flight, linger) appliance/ARCHITECTURE.md says why. An option that
librdkafka does not have is either listed here as meaningless or gets one warning; it never fails a task.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from appliance.config.client_refusals import IDENTIFICATION, check_client, names_unchecked
from appliance.config.client_tables import Role
from appliance.config.connector import ConnectorConfig
from appliance.config.jaas import login_options, user_and_password
from appliance.config.override_policy import check_overrides
from appliance.config.worker import WorkerConfig

log = logging.getLogger(__name__)

Settings = dict[str, Any]

COMMON_DEFAULTS: Final[Mapping[str, str]] = {
    # librdkafka's own limit of 10 s would add up to that to each return of a broker
    "reconnect.backoff.max.ms": "1000",
}
PRODUCER_DEFAULTS: Final[Mapping[str, str]] = {
    **COMMON_DEFAULTS,
    "acks": "all",
    "enable.idempotence": "true",
    "max.in.flight.requests.per.connection": "5",
    "delivery.timeout.ms": str(2**31 - 1),
    "linger.ms": "5",
    "batch.size": "1000000",
}
CONSUMER_DEFAULTS: Final[Mapping[str, str]] = {
    **COMMON_DEFAULTS,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_uncommitted",
    "allow.auto.create.topics": "true",
    # a record ends the wait at once; but partitions that come while one lasts wait for its end
    "fetch.max.wait.ms": "1500",
}
CLASSIC_CONSUMER_DEFAULTS: Final[Mapping[str, str]] = {
    # Java's 45 s are what a group waits for a consumer that was killed while it joined
    "session.timeout.ms": "10000",
}
_PRODUCER_FIXED: Final[Settings] = {
    # the same partitions as Java's partitioner
    "partitioner": "murmur2_random",
    "delivery.report.only.error": True,
}
_CONSUMER_FIXED: Final[Settings] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # with librdkafka's 1000 a full queue makes each drain wait a second
    "fetch.queue.backoff.ms": 5,
    "queued.max.messages.kbytes": 32768,
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SAME: Final = _words(
    """
    bootstrap.servers client.id acks linger.ms batch.size compression.type enable.idempotence retries
    max.in.flight.requests.per.connection retry.backoff.ms retry.backoff.max.ms request.timeout.ms
    transactional.id transaction.timeout.ms metadata.max.age.ms connections.max.idle.ms
    reconnect.backoff.ms reconnect.backoff.max.ms socket.connection.setup.timeout.ms client.dns.lookup
    client.rack group.id auto.offset.reset fetch.min.bytes fetch.max.bytes max.partition.fetch.bytes
    max.poll.interval.ms session.timeout.ms heartbeat.interval.ms isolation.level check.crcs
    group.instance.id allow.auto.create.topics group.protocol group.remote.assignor
    sasl.kerberos.service.name sasl.kerberos.kinit.cmd sasl.kerberos.min.time.before.relogin
    sasl.oauthbearer.scope enable.metrics.push metadata.recovery.strategy
    metadata.recovery.rebootstrap.trigger.ms
    """
)
_RENAMED: Final[Mapping[str, str]] = {
    "max.request.size": "message.max.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "compression.gzip.level": "compression.level",
    "compression.lz4.level": "compression.level",
    "compression.zstd.level": "compression.level",
    "security.protocol": "security.protocol",
    "sasl.mechanism": "sasl.mechanism",
    "sasl.oauthbearer.token.endpoint.url": "sasl.oauthbearer.token.endpoint.url",
    "ssl.key.password": "ssl.key.password",
    "ssl.keystore.key": "ssl.key.pem",
    "ssl.keystore.certificate.chain": "ssl.certificate.pem",
    "ssl.truststore.certificates": "ssl.ca.pem",
}
_MEANINGLESS: Final = _words(
    """
    key.serializer value.serializer key.deserializer value.deserializer max.block.ms max.poll.records
    enable.auto.commit auto.commit.interval.ms default.api.timeout.ms exclude.internal.topics
    interceptor.classes metric.reporters metrics.num.samples metrics.recording.level
    metrics.sample.window.ms partitioner.availability.timeout.ms partitioner.adaptive.partitioning.enable
    partitioner.ignore.keys socket.connection.setup.timeout.max.ms auto.include.jmx.reporter
    security.providers ssl.provider ssl.protocol ssl.enabled.protocols ssl.keymanager.algorithm
    ssl.trustmanager.algorithm ssl.secure.random.implementation ssl.engine.factory.class
    ssl.keystore.type ssl.truststore.type ssl.keystore.password ssl.truststore.password
    sasl.client.callback.handler.class sasl.login.callback.handler.class sasl.login.class
    sasl.jaas.config ssl.keystore.location ssl.truststore.location
    sasl.kerberos.ticket.renew.jitter sasl.kerberos.ticket.renew.window.factor
    sasl.login.refresh.buffer.seconds sasl.login.refresh.min.period.seconds
    sasl.login.refresh.window.factor sasl.login.refresh.window.jitter transaction.two.phase.commit.enable
    """
)
_ASSIGNORS: Final[Mapping[str, str]] = {
    "RangeAssignor": "range",
    "RoundRobinAssignor": "roundrobin",
    "StickyAssignor": "cooperative-sticky",
    "CooperativeStickyAssignor": "cooperative-sticky",
}


def _kibibytes(value: str) -> Settings:
    return {"queue.buffering.max.kbytes": max(1, int(value) // 1024)}


def _receive_buffer(value: str) -> Settings:
    # Java's -1 (the system's default) is librdkafka's 0
    return {"socket.receive.buffer.bytes": max(0, int(value))}


def _delivery_timeout(value: str) -> Settings:
    # zero is librdkafka's word for no limit
    return {"delivery.timeout.ms": 0 if int(value) >= 2**31 - 1 else int(value)}


def _assignors(value: str) -> Settings:
    names = [name.strip().rpartition(".")[2] for name in value.split(",")]
    known = [_ASSIGNORS[name] for name in names if name in _ASSIGNORS]
    # librdkafka does not mix eager and cooperative: the first one named decides
    first = known[:1] or ["range"]
    if first == ["cooperative-sticky"]:
        return {"partition.assignment.strategy": "cooperative-sticky"}
    eager = [name for name in dict.fromkeys(known) if name != "cooperative-sticky"]
    return {"partition.assignment.strategy": ",".join(eager)}


def _cipher_suites(value: str) -> Settings:
    return {"ssl.cipher.suites": value.replace(",", ":")} if value else {}


def _endpoint_identification(value: str) -> Settings:
    return {"ssl.endpoint.identification.algorithm": value.lower() or "none"}


_CONVERTED: Final[Mapping[str, Callable[[str], Settings]]] = {
    "buffer.memory": _kibibytes,
    "receive.buffer.bytes": _receive_buffer,
    "delivery.timeout.ms": _delivery_timeout,
    "partition.assignment.strategy": _assignors,
    "ssl.cipher.suites": _cipher_suites,
    "ssl.endpoint.identification.algorithm": _endpoint_identification,
}


def translated(java: Mapping[str, str], allowed_urls: Collection[str] = ()) -> Settings:
    """Give librdkafka's settings for Java's; an option nobody knows gets one warning.

    `allowed_urls` are those of token servers. Raises ConfigError for what `client_refusals` names, and
    for key material in a format that only Java reads.
    """
    check_client(java, allowed_urls)
    settings: Settings = {}
    unknown = []
    for name, value in java.items():
        text = value.strip() if isinstance(value, str) else value
        if name in _CONVERTED:
            settings |= _CONVERTED[name](text)
        elif name in _SAME:
            settings[name] = text
        elif name in _RENAMED:
            settings[_RENAMED[name]] = text
        elif name not in _MEANINGLESS:
            unknown.append(name)
    if unknown:
        log.warning(
            "Kafka client options that have no effect here: %s", ", ".join(sorted(unknown))
        )
    return settings | _login(java) | _stores(java)


def connector_client(worker: WorkerConfig, config: Mapping[str, str], prefix: str) -> Settings:
    """Give settings of a client that a connector makes: the worker's, its options below `prefix` on top."""
    own = {
        name[len(prefix) :]: value
        for name, value in config.items()
        if prefix and name.startswith(prefix)
    }
    _warn_of_unchecked_names(prefix, own)
    return translated({**worker.client_settings("worker"), **own}, worker.allowed_urls)


def _login(java: Mapping[str, str]) -> Settings:
    jaas = java.get("sasl.jaas.config")
    if not jaas:
        return {}
    if java.get("sasl.mechanism", "").upper() == "OAUTHBEARER":
        options = login_options(jaas)
        return {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": options.get("clientId", ""),
            "sasl.oauthbearer.client.secret": options.get("clientSecret", ""),
        } | ({"sasl.oauthbearer.scope": options["scope"]} if "scope" in options else {})
    username, password = user_and_password(jaas)
    return {"sasl.username": username, "sasl.password": password}


def _stores(java: Mapping[str, str]) -> Settings:
    """Give the certificates: PEM files as they are, what Java's stores hold as PEM in the settings."""
    settings: Settings = {}
    if not (java.get("ssl.truststore.location") or java.get("ssl.keystore.location")):
        return settings
    # Kept out of the module's imports: it costs every process memory that few need.
    from appliance.kafka.keystores import key_material, trusted_certificates

    if location := java.get("ssl.truststore.location"):
        if java.get("ssl.truststore.type", "JKS").upper() == "PEM":
            settings["ssl.ca.location"] = location
        elif trusted := trusted_certificates(java):
            settings["ssl.ca.pem"] = trusted
    if location := java.get("ssl.keystore.location"):
        if java.get("ssl.keystore.type", "JKS").upper() == "PEM":
            settings["ssl.certificate.location"] = location
            settings["ssl.key.location"] = location
        elif own := key_material(java):
            settings["ssl.certificate.pem"] = own.chain
            settings["ssl.key.pem"] = own.key
    return settings


def connector_producer(
    worker: WorkerConfig, connector: ConnectorConfig, client_id: str, **fixed: str
) -> Settings:
    """Give the settings of a connector's producer; `fixed` (dots as underscores) wins over overrides."""
    given = worker.client_settings("producer") | _overrides(worker, connector, "producer")
    given |= {name.replace("_", "."): value for name, value in fixed.items()}
    java = {**PRODUCER_DEFAULTS, "client.id": client_id, **given}
    if "enable.idempotence" not in given and _contradicts_idempotence(given):
        java["enable.idempotence"] = "false"
    java.setdefault("buffer.memory", str(_buffer_size(java)))
    return translated(java, worker.allowed_urls) | _PRODUCER_FIXED


def _buffer_size(java: Mapping[str, str]) -> int:
    """Give the bytes that may wait for their acknowledgement: three batches, two of the largest messages.

    With more, an idempotent librdkafka producer that has its five requests in flight spins on the batch
    that may not be sent yet: measured, it costs half of all its CPU.
    """
    largest = int(java.get("max.request.size", 1 << 20))
    return max(3 * int(java["batch.size"]), 2 * largest)


def _contradicts_idempotence(given: Mapping[str, str]) -> bool:
    return (
        given.get("acks", "all") not in ("all", "-1")
        or given.get("retries") == "0"
        or int(given.get("max.in.flight.requests.per.connection", "5")) > 5
    )


def connector_consumer(
    worker: WorkerConfig, connector: ConnectorConfig, client_id: str
) -> Settings:
    """Give the settings of a sink's consumer."""
    java = consumer_options(worker, connector, client_id)
    return translated(java, worker.allowed_urls) | _CONSUMER_FIXED


def consumer_options(
    worker: WorkerConfig, connector: ConnectorConfig, client_id: str
) -> dict[str, str]:
    """Give the same under Java's names."""
    given = worker.client_settings("consumer") | _overrides(worker, connector, "consumer")
    # with the newer protocol the broker alone decides about sessions
    classic = given.get("group.protocol", "classic").lower() == "classic"
    return {
        **CONSUMER_DEFAULTS,
        **(CLASSIC_CONSUMER_DEFAULTS if classic else {}),
        "group.id": sink_group(connector),
        "client.id": client_id,
        **given,
    }


def sink_group(connector: ConnectorConfig) -> str:
    """Give the consumer group of a sink."""
    return connector.overrides("consumer").get("group.id") or f"connect-{connector.name}"


def connector_admin(worker: WorkerConfig, connector: ConnectorConfig, client_id: str) -> Settings:
    """Give the settings of a connector's admin client."""
    java = {
        **COMMON_DEFAULTS,
        "client.id": client_id,
        **worker.client_settings("admin"),
        **_overrides(worker, connector, "admin"),
    }
    return _only_common(translated(java, worker.allowed_urls))


def _overrides(worker: WorkerConfig, connector: ConnectorConfig, role: Role) -> dict[str, str]:
    """Give what a connector overrides. Raises ConfigError for what the worker's policy does not allow."""
    own = connector.overrides(role)
    check_overrides(worker, own)
    _warn_of_unchecked_names(f"{role}.override.", own)
    return own


def _warn_of_unchecked_names(prefix: str, own: Mapping[str, str]) -> None:
    if names_unchecked(own):
        _warn_once(prefix)


@functools.cache
def _warn_once(prefix: str) -> None:
    log.warning(
        "The names in brokers' certificates are not checked: %s%s is empty.",
        prefix,
        IDENTIFICATION,
    )


def role_client(
    worker: WorkerConfig, config: Mapping[str, str], role: Role, client_id: str
) -> Settings:
    """Give the settings of a client that is to look around with what a connector's `role` has."""
    prefix = f"{role}.override."
    overrides = {
        name.removeprefix(prefix): text for name, text in config.items() if name.startswith(prefix)
    }
    check_overrides(worker, overrides)
    java = {
        **COMMON_DEFAULTS,
        "client.id": client_id,
        **worker.client_settings(role),
        **overrides,
    }
    return _only_common(translated(java, worker.allowed_urls))


def worker_client(worker: WorkerConfig, client_id: str) -> Settings:
    """Give the settings of the worker's own clients (internal topics)."""
    java = {**COMMON_DEFAULTS, "client.id": client_id, **worker.client_settings("worker")}
    return _only_common(translated(java, worker.allowed_urls))


def _only_common(settings: Settings) -> Settings:
    """Leave out what belongs to group membership: an admin client warns about it."""
    ours = ("session.timeout.ms", "heartbeat.interval.ms", "group.id", "request.timeout.ms")
    return {name: value for name, value in settings.items() if name not in ours}
