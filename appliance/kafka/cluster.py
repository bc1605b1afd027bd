"""Cluster: brokers and topics as they are, and whole topics read and written, for backup and doctor.

One thread. Every method raises ConnectError with what was asked and the client's reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource

from appliance.errors import ConnectError

_GROUP: Final = "ingest-appliance-care"


class Topic(NamedTuple):
    """A topic as the brokers have it; `replicas` is the smallest number of any partition."""

    partitions: int
    replicas: int
    settings: Mapping[str, str]


class Member(NamedTuple):
    """A member of a group: the address that the broker sees, and what it tells the group's leader."""

    place: str
    metadata: bytes


class Record(NamedTuple):
    """One record of a topic."""

    partition: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int


class Cluster:
    """The brokers that settings name; nothing is asked before `connect`."""

    def __init__(self, settings: Mapping[str, Any], timeout_s: float = 30.0) -> None:
        """Take librdkafka's settings."""
        # what is wrong is an exception: librdkafka's own lines would only stand in between
        self.settings: Final = {**settings, "log_level": 0}
        self._timeout_s = timeout_s
        self._errors: list[KafkaError] = []
        watched: dict[str, Any] = {**self.settings, "error_cb": self._errors.append}
        self._admin = AdminClient(watched)
        self.id: str | None = None
        self.partitions: dict[str, int] = {}
        self._replicas: dict[str, int] = {}

    def connect(self) -> list[str]:
        """Give the brokers' addresses, and read which topics there are."""
        try:
            found = self._admin.list_topics(timeout=self._timeout_s)
        except KafkaException as error:
            # the request fails for want of a broker; why there is none was told apart from it
            self._admin.poll(0)
            told = (self._errors or error.args)[0]
            raise ConnectError(f"asking for the brokers: {told.str()}") from error
        self.id = found.cluster_id
        for name, topic in found.topics.items():
            self.partitions[name] = len(topic.partitions)
            replicas = [len(partition.replicas) for partition in topic.partitions.values()]
            self._replicas[name] = min(replicas, default=0)
        return sorted(f"{broker.host}:{broker.port}" for broker in found.brokers.values())

    def topic(self, name: str) -> Topic | None:
        """Give a topic, None when there is none."""
        if name not in self.partitions:
            return None
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        with _told(f"reading the settings of topic {name}"):
            answer = self._admin.describe_configs([resource], request_timeout=self._timeout_s)
            found = answer[resource].result(self._timeout_s)
        settings = {key: str(entry.value) for key, entry in found.items()}
        return Topic(self.partitions[name], self._replicas[name], settings)

    def members(self, group: str) -> list[Member]:
        """Give the members of a group; none without it, and none told while it rebalances."""
        with _told(f"asking for the members of group {group}"):
            found = self._admin.list_groups(group, timeout=self._timeout_s)
        return [
            Member(str(member.client_host), bytes(member.metadata or b""))
            for one in found
            for member in one.members
        ]

    def records(self, name: str) -> list[Record]:
        """Give all committed records of a topic in the order of each partition; none without topic."""
        if name not in self.partitions:
            return []
        with _told(f"reading topic {name}"):
            return list(self._consume(name))

    def _consume(self, name: str) -> Iterator[Record]:
        consumer = Consumer(
            {
                **self.settings,
                "group.id": _GROUP,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
            }
        )
        try:
            unread = set(range(self.partitions[name]))
            consumer.assign([TopicPartition(name, number, 0) for number in unread])
            while unread:
                message = consumer.poll(self._timeout_s)
                if message is None:
                    raise ConnectError(
                        f"reading topic {name}: no answer for {self._timeout_s:g} s"
                    )
                error, number = message.error(), message.partition() or 0
                if error is None:
                    timestamp_ms = message.timestamp()[1]
                    yield Record(number, message.key(), message.value(), timestamp_ms)
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(number)
                else:
                    raise KafkaException(error)
        finally:
            consumer.close()

    def write(self, records: Iterable[tuple[str, Record]]) -> dict[str, int]:
        """Produce records into their topics and partitions; give how many went into each topic."""
        counts: dict[str, int] = {}
        failed: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                failed.append(error)

        producer = Producer({**self.settings, "enable.idempotence": True})
        for name, record in records:
            producer.produce(
                name,
                record.value,
                record.key,
                record.partition,
                on_delivery=on_delivery,
                timestamp=record.timestamp_ms,
            )
            producer.poll(0)
            counts[name] = counts.get(name, 0) + 1
        left = producer.flush(self._timeout_s)
        if failed or left:
            why = failed[0].str() if failed else f"{left} records were not acknowledged"
            raise ConnectError(f"writing into {', '.join(counts)}: {why}")
        return counts


@contextlib.contextmanager
def _told(doing: str) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise ConnectError(f"{doing}: {error.args[0].str()}") from error
