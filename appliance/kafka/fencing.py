"""Fencing: producers of tasks that must not write any more are shut out by their transactional ids.

Semantics: Kafka 4.3.1 Admin.fenceProducers, whose one request per id is what starting transactions sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, Producer

from appliance.errors import ConnectError, RetriableError


def fence_producers(settings: Mapping[str, Any], ids: Iterable[str], timeout_s: float) -> None:
    """Fence every producer with one of the transactional `ids`; blocks.

    What such a producer was about to commit is committed or aborted at the return. Raises ConnectError, as
    RetriableError when the brokers are to blame.
    """
    for transactional_id in ids:
        producer = Producer({**settings, "transactional.id": transactional_id})
        try:
            producer.init_transactions(timeout_s)
        except KafkaException as error:
            kind = RetriableError if error.args[0].retriable() else ConnectError
            raise kind(
                f"fencing the producer {transactional_id}: {error.args[0].str()}; check that the brokers"
                " are up and that the worker may use this transactional id"
            ) from error
