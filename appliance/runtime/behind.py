"""How far a sink's partitions are behind: from what is committed to the end of the log.

Where nothing is committed, from where the task began to read or will. The consumer knows the ends of the
logs that it reads; of those that it does not read, paused ones, the broker is asked every `ASK_S`. Thread:
the task's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from appliance.ids import TopicPartition
from appliance.kafka.library import Consumer, KafkaException, Place

ASK_S: Final = 5.0
_FIRST_S: Final = 1.0
_PATIENCE_S: Final = 1.0


class Behind:
    """Begins and ends of the logs of one sink task."""

    def __init__(self, consumer: Consumer, *, earliest: bool) -> None:
        """Ask nothing yet; `earliest`: the consumer begins there where nothing is committed."""
        self._consumer = consumer
        self._earliest = earliest
        self._begins: dict[TopicPartition, int] = {}
        self._asked: dict[TopicPartition, tuple[int, int]] = {}
        self._ask_at_s: float | None = None

    def begin(self, partition: TopicPartition, offset: int) -> None:
        """Note where reading begins; what is noted first counts."""
        self._begins.setdefault(partition, offset)

    def begin_of(self, partition: TopicPartition) -> int | None:
        """Give where reading began."""
        return self._begins.get(partition)

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Know nothing of these any more."""
        for partition in partitions:
            self._begins.pop(partition, None)
            self._asked.pop(partition, None)

    def records(
        self,
        partitions: Collection[TopicPartition],
        committed: Mapping[TopicPartition, int],
        silent: Collection[TopicPartition],
        now_s: float,
    ) -> list[int | None]:
        """Give by how many records each partition is behind, None where that is not known.

        `silent` are the partitions that the consumer does not read at the moment.
        """
        cached = {tp: self._watermarks(tp) for tp in partitions}
        dark = [tp for tp in partitions if tp in silent or cached[tp] is None]
        self._ask_now_and_then(dark, now_s)
        found: list[int | None] = []
        for partition in partitions:
            bounds = self._asked.get(partition) if partition in dark else cached[partition]
            if bounds is None:
                found.append(None)
                continue
            low, end = bounds
            base = committed.get(partition, self._begins.get(partition))
            if base is None:
                base = low if self._earliest else end
            if not self._earliest:
                # the end moves on, where reading begins does not
                self.begin(partition, base)
            found.append(max(0, end - max(low, base)))
        return found

    def _watermarks(self, partition: TopicPartition) -> tuple[int, int] | None:
        low, high = self._consumer.get_watermark_offsets(Place(*partition), cached=True)
        return None if high < 0 else (max(0, low), high)

    def _ask_now_and_then(self, dark: Collection[TopicPartition], now_s: float) -> None:
        for partition in self._asked.keys() - set(dark):
            del self._asked[partition]
        if not dark:
            self._ask_at_s = None
            return
        if self._ask_at_s is None:
            # where the task has just begun, the consumer is about to learn it
            self._ask_at_s = now_s + _FIRST_S
        if now_s < self._ask_at_s:
            return
        self._ask_at_s = now_s + ASK_S
        for partition in dark:
            try:
                self._asked[partition] = self._consumer.get_watermark_offsets(
                    Place(*partition), timeout=_PATIENCE_S
                )
            except KafkaException:
                # the broker is away, and what was known of the others stays so
                return
