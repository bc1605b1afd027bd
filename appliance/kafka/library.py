"""What the rest of the product uses of the Kafka library, so that only this package imports it.

`Place` is the library's TopicPartition, with an offset; ours (appliance.ids) is a name alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
)
from confluent_kafka import TopicPartition as Place

__all__ = [
    "Consumer",
    "ConsumerGroupTopicPartitions",
    "KafkaError",
    "KafkaException",
    "Place",
    "Producer",
    "admin_client",
]


def admin_client(settings: Mapping[str, Any]) -> Any:
    """Give an admin client; keep it until its futures are done."""
    # lazily: the admin module is large and most processes need none
    from confluent_kafka.admin import AdminClient

    return AdminClient(dict(settings))
