"""What the rest of the product uses of the Kafka library, so that only this package imports it.

`Place` is the library's TopicPartition, with an offset; ours (appliance.ids) is a name alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
)
from confluent_kafka import TopicPartition as Place

from appliance.clock import SYSTEM_CLOCK, Clock

__all__ = [
    "Consumer",
    "ConsumerGroupTopicPartitions",
    "KafkaError",
    "KafkaException",
    "LibraryLog",
    "Place",
    "Producer",
    "admin_client",
]

_REPEAT_S: Final = 10.0
_NUMBER: Final = re.compile(r"\d+")


class LibraryLog:
    """Takes the place of a logger for the library's own lines: each once in ten seconds, then with a count.

    While a broker is away the library tells of every attempt to connect, twenty times a second. It tries
    again by itself, so nothing of this is above WARN.
    """

    def __init__(self, logger: logging.Logger, clock: Clock = SYSTEM_CLOCK) -> None:
        self._logger = logger
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}

    def log(self, level: int, text: str, *words: Any) -> None:
        """Write a line, unless one that differs in numbers only was written just now."""
        line = text % words
        now_s = self._clock.monotonic_s()
        alike = _NUMBER.sub("", line)
        said_s, unsaid = self._said.get(alike, (-_REPEAT_S, 0))
        if now_s - said_s < _REPEAT_S:
            self._said[alike] = said_s, unsaid + 1
            return
        self._said[alike] = now_s, 0
        level = min(level, logging.WARNING)
        if unsaid:
            self._logger.log(level, "%s (and %d times since it was last said)", line, unsaid)
        else:
            self._logger.log(level, "%s", line)


def admin_client(settings: Mapping[str, Any]) -> Any:
    """Give an admin client; keep it until its futures are done."""
    # lazily: the admin module is large and most processes need none
    from confluent_kafka.admin import AdminClient

    # level 6 tells of every result that nobody asked for before the client went
    return AdminClient({"log_level": 5, **settings})
