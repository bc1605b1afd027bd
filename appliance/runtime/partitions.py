"""Which topics have a single partition, so that no key is hashed to find where its record goes.

Finding the partition of a record is a fourth of what producing it costs.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, Final

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.errors import ConnectError
from appliance.kafka.topics import partition_count

log = logging.getLogger(__name__)

BY_KEY: Final = -1
"""The producer's word for a partition that the key decides."""
LOOK_AFTER: Final = 10_000
"""So many records pay for the question."""
GOOD_FOR_S: Final = 60.0
_TIMEOUT_S: Final = 1.0


@dataclasses.dataclass(slots=True)
class _Topic:
    records: int = 0
    until_s: float = 0.0
    partition: int = BY_KEY


class SinglePartitions:
    """The topics that a producer writes to; they are asked about again, as partitions may be added."""

    def __init__(self, producer: Any, clock: Clock = SYSTEM_CLOCK) -> None:
        self._producer = producer
        self._clock = clock
        self._topics: dict[str, _Topic] = {}

    def of(self, topic: str, records: int) -> int:
        """Give the partition of `records` more records of `topic`: its only one, or BY_KEY."""
        known = self._topics.get(topic)
        if known is None:
            known = self._topics[topic] = _Topic()
        known.records += records
        if (now_s := self._clock.monotonic_s()) >= known.until_s:
            known.partition = BY_KEY
            if known.records >= LOOK_AFTER:
                known.records = 0
                known.until_s = now_s + GOOD_FOR_S
                known.partition = self._look(topic)
        return known.partition

    def _look(self, topic: str) -> int:
        try:
            return 0 if partition_count(self._producer, topic, _TIMEOUT_S) == 1 else BY_KEY
        except ConnectError as error:
            log.debug("%s", error)
            return BY_KEY
