"""Fencing: producers of tasks that must not write any more are shut out by their transactional ids.

Semantics: Kafka 4.3.1 Admin.fenceProducers, whose one request per id is what starting transactions sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, Producer

from appliance.errors import ConnectError


def fence_producers(settings: Mapping[str, Any], ids: Iterable[str], timeout_s: float) -> None:
    """Fence every producer with one of the transactional `ids`; blocks. Raises ConnectError."""
    for transactional_id in ids:
        producer = Producer({**settings, "transactional.id": transactional_id})
        try:
            producer.init_transactions(timeout_s)
        except KafkaException as error:
            raise ConnectError(
                f"fencing the producer {transactional_id}: {error.args[0].str()}; check that the brokers"
                " are up and that the worker may use this transactional id"
            ) from error
