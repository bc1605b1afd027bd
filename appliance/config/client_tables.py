"""The options of Kafka producers, consumers and admin clients that a connector may override.

They serve validation and its answers alone; what a client is really given is chosen by kafka/clients.
Names, types and defaults: Kafka 4.3.1 ProducerConfig, ConsumerConfig and AdminClientConfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from appliance.config.client_keys import CLIENT_KEYS, SSL_KEYS
from appliance.config.define import NO_DEFAULT, ConfigKey, ConfigType, Importance

_HIGH, _MEDIUM, _LOW = Importance.HIGH, Importance.MEDIUM, Importance.LOW
_T = ConfigType
_MAX: Final = 2**31 - 1

Row = tuple[str, ConfigType, Any, Importance]

_COMMON: Final[tuple[Row, ...]] = (
    ("bootstrap.servers", _T.LIST, NO_DEFAULT, _HIGH),
    ("client.dns.lookup", _T.STRING, "use_all_dns_ips", _MEDIUM),
    ("client.id", _T.STRING, "", _MEDIUM),
    ("request.timeout.ms", _T.INT, 30000, _MEDIUM),
    ("socket.connection.setup.timeout.ms", _T.LONG, 10000, _MEDIUM),
    ("socket.connection.setup.timeout.max.ms", _T.LONG, 30000, _MEDIUM),
    ("metrics.sample.window.ms", _T.LONG, 30000, _LOW),
    ("metrics.num.samples", _T.INT, 2, _LOW),
    ("metrics.recording.level", _T.STRING, "INFO", _LOW),
    ("metric.reporters", _T.LIST, "org.apache.kafka.common.metrics.JmxReporter", _LOW),
    ("enable.metrics.push", _T.BOOLEAN, True, _LOW),
    ("security.providers", _T.STRING, None, _LOW),
)

_PRODUCER: Final[tuple[Row, ...]] = (
    ("buffer.memory", _T.LONG, 33554432, _HIGH),
    ("retries", _T.INT, _MAX, _HIGH),
    ("acks", _T.STRING, "all", _LOW),
    ("compression.type", _T.STRING, "none", _HIGH),
    ("compression.gzip.level", _T.INT, -1, _MEDIUM),
    ("compression.lz4.level", _T.INT, 9, _MEDIUM),
    ("compression.zstd.level", _T.INT, 3, _MEDIUM),
    ("batch.size", _T.INT, 16384, _MEDIUM),
    ("partitioner.adaptive.partitioning.enable", _T.BOOLEAN, True, _LOW),
    ("partitioner.availability.timeout.ms", _T.LONG, 0, _LOW),
    ("partitioner.ignore.keys", _T.BOOLEAN, False, _MEDIUM),
    ("partitioner.class", _T.CLASS, None, _MEDIUM),
    ("linger.ms", _T.LONG, 5, _MEDIUM),
    ("delivery.timeout.ms", _T.INT, 120000, _MEDIUM),
    ("max.request.size", _T.INT, 1048576, _MEDIUM),
    ("max.block.ms", _T.LONG, 60000, _MEDIUM),
    ("max.in.flight.requests.per.connection", _T.INT, 5, _LOW),
    ("metadata.max.idle.ms", _T.LONG, 300000, _LOW),
    ("key.serializer", _T.CLASS, NO_DEFAULT, _HIGH),
    ("value.serializer", _T.CLASS, NO_DEFAULT, _HIGH),
    ("interceptor.classes", _T.LIST, "", _LOW),
    ("enable.idempotence", _T.BOOLEAN, True, _LOW),
    ("transaction.timeout.ms", _T.INT, 60000, _LOW),
    ("transactional.id", _T.STRING, None, _LOW),
    ("transaction.two.phase.commit.enable", _T.BOOLEAN, False, _LOW),
)

_ASSIGNORS: Final = (
    "org.apache.kafka.clients.consumer.RangeAssignor,"
    "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
)
_CONSUMER: Final[tuple[Row, ...]] = (
    ("group.id", _T.STRING, None, _HIGH),
    ("group.instance.id", _T.STRING, None, _MEDIUM),
    ("group.protocol", _T.STRING, "classic", _HIGH),
    ("group.remote.assignor", _T.STRING, None, _MEDIUM),
    ("session.timeout.ms", _T.INT, 45000, _HIGH),
    ("heartbeat.interval.ms", _T.INT, 3000, _HIGH),
    ("partition.assignment.strategy", _T.LIST, _ASSIGNORS, _MEDIUM),
    ("enable.auto.commit", _T.BOOLEAN, True, _MEDIUM),
    ("auto.commit.interval.ms", _T.INT, 5000, _LOW),
    ("client.rack", _T.STRING, "", _LOW),
    ("max.partition.fetch.bytes", _T.INT, 1048576, _HIGH),
    ("receive.buffer.bytes", _T.INT, 65536, _MEDIUM),
    ("fetch.min.bytes", _T.INT, 1, _HIGH),
    ("fetch.max.bytes", _T.INT, 52428800, _MEDIUM),
    ("fetch.max.wait.ms", _T.INT, 500, _LOW),
    ("auto.offset.reset", _T.STRING, "latest", _MEDIUM),
    ("check.crcs", _T.BOOLEAN, True, _LOW),
    ("key.deserializer", _T.CLASS, NO_DEFAULT, _HIGH),
    ("value.deserializer", _T.CLASS, NO_DEFAULT, _HIGH),
    ("default.api.timeout.ms", _T.INT, 60000, _MEDIUM),
    ("max.poll.records", _T.INT, 500, _MEDIUM),
    ("max.poll.interval.ms", _T.INT, 300000, _MEDIUM),
    ("exclude.internal.topics", _T.BOOLEAN, True, _MEDIUM),
    ("isolation.level", _T.STRING, "read_uncommitted", _MEDIUM),
    ("allow.auto.create.topics", _T.BOOLEAN, True, _MEDIUM),
    ("interceptor.classes", _T.LIST, "", _LOW),
)

_ADMIN: Final[tuple[Row, ...]] = (
    ("bootstrap.controllers", _T.LIST, "", _HIGH),
    ("retries", _T.INT, _MAX, _LOW),
    ("default.api.timeout.ms", _T.INT, 60000, _MEDIUM),
    ("receive.buffer.bytes", _T.INT, 65536, _MEDIUM),
)


def _definition(rows: tuple[Row, ...]) -> Mapping[str, ConfigKey]:
    doc = "Option of the Kafka client, as Kafka documents it."
    shared = {key.name: key for key in (*CLIENT_KEYS, *SSL_KEYS)}
    own = {row[0]: ConfigKey(*row[:3], importance=row[3], doc=doc) for row in (*_COMMON, *rows)}
    return {**shared, **own}


Role = Literal["producer", "consumer", "admin"]

CLIENT_DEFINITIONS: Final[Mapping[Role, Mapping[str, ConfigKey]]] = {
    "producer": _definition(_PRODUCER),
    "consumer": _definition(_CONSUMER),
    "admin": _definition(_ADMIN),
}
