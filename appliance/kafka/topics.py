"""Topics: made when they are missing, left alone when they are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from appliance.errors import ConnectError

TIMEOUT_S = 30.0


def create_topic(
    settings: Mapping[str, Any],
    topic: str,
    partitions: int,
    replication: int,
    config: Mapping[str, str] | None = None,
) -> bool:
    """Make a topic (-1: the broker's default count); give False when it was there already.

    Raises ConnectError with the broker's reason.
    """
    # lazily: the admin module is large and most tasks make no topic
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic

    admin = AdminClient(dict(settings))
    new = NewTopic(topic, partitions, replication, config=dict(config or {}))
    try:
        admin.create_topics([new], request_timeout=TIMEOUT_S)[topic].result(TIMEOUT_S + 5)
    except KafkaException as error:
        kafka_error = error.args[0]
        if kafka_error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise ConnectError(
            f"making topic {topic} with {partitions} partitions and {replication} replicas:"
            f" {kafka_error.str()}"
        ) from None
    return True


def topic_exists(client: Any, topic: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether the broker knows `topic`, asked through any client. Raises ConnectError."""
    try:
        # all topics are asked for: a question about one would make the broker create it
        return topic in client.list_topics(timeout=timeout_s).topics
    except KafkaException as error:
        raise ConnectError(f"looking for topic {topic}: {error.args[0].str()}") from error


def partition_count(client: Any, topic: str, timeout_s: float = TIMEOUT_S) -> int:
    """Count the partitions of `topic`, which exists. Raises ConnectError."""
    try:
        return len(client.list_topics(topic, timeout=timeout_s).topics[topic].partitions)
    except KafkaException as error:
        raise ConnectError(f"asking for partitions of {topic}: {error.args[0].str()}") from error


def broker_count(client: Any, topic: str, timeout_s: float = TIMEOUT_S) -> int:
    """Count the brokers of the cluster; `topic` is one that exists. Raises ConnectError."""
    try:
        return len(client.list_topics(topic, timeout=timeout_s).brokers)
    except KafkaException as error:
        raise ConnectError(f"asking for the brokers: {error.args[0].str()}") from error
