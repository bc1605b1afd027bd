"""Looking into topics without joining a group: bounds, the newest records, records from a place on.

A Reader makes one consumer and is closed by its user; it blocks, so it is used on threads of its own.
Raises ConnectError with the broker's reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.errors import ConnectError
from appliance.kafka.connection import Address
from appliance.kafka.library import Consumer, KafkaError, KafkaException, Place, admin_client

TIMEOUT_S: Final = 10.0
_READ_S: Final = 8.0
_MOST_BYTES: Final = 32 << 20
_CHUNK: Final = 500
_STALLED_S: Final = 30.0

Settings = Mapping[str, Any]
Bounds = dict[tuple[str, int], tuple[int, int]]
"""Topic and partition to its first offset and the one after its last."""
Spans = Mapping[int, tuple[int, int]]
"""Partition to an offset and the one after the last that is meant."""


class Raw(NamedTuple):
    """One record as it lies in the topic; `timestamp` in ms, None when it has none."""

    topic: str
    partition: int
    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Reader:
    """A consumer that belongs to no group."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._consumer = Consumer(
            {
                **settings,
                "group.id": "ingest-appliance-console",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "allow.auto.create.topics": False,
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": 8192,
                "fetch.wait.max.ms": 50,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def topics(self) -> dict[str, list[int]]:
        """Give every topic with its partitions."""
        found = self._cluster().topics
        return {name: sorted(topic.partitions) for name, topic in found.items()}

    def brokers(self) -> list[Address]:
        """Give the brokers' addresses."""
        return [Address(broker.host, broker.port) for broker in self._cluster().brokers.values()]

    def _cluster(self) -> Any:
        try:
            return self._consumer.list_topics(timeout=TIMEOUT_S)
        except KafkaException as error:
            raise ConnectError(f"listing topics: {error.args[0].str()}") from error

    def bounds(self, places: Iterable[tuple[str, int]]) -> Bounds:
        """Give the bounds of partitions; a partition that does not exist is left out."""
        found: Bounds = {}
        for topic, partition in places:
            try:
                low, high = self._consumer.get_watermark_offsets(
                    Place(topic, partition), timeout=TIMEOUT_S
                )
            except KafkaException as error:
                if error.args[0].code() in _UNKNOWN:
                    continue
                raise ConnectError(
                    f"asking for the end of {topic}-{partition}: {error.args[0].str()}"
                ) from error
            found[topic, partition] = (low, high)
        return found

    def offsets_at(self, bounds: Bounds, time_ms: int) -> dict[tuple[str, int], int]:
        """Give the first offset of each partition that is not older than `time_ms`."""
        wanted = [Place(*place, time_ms) for place in bounds]
        try:
            found = self._consumer.offsets_for_times(wanted, timeout=TIMEOUT_S) if wanted else []
        except KafkaException as error:
            raise ConnectError(f"asking for offsets by time: {error.args[0].str()}") from error
        return {
            (place.topic, place.partition): bounds[place.topic, place.partition][1]
            if place.offset < 0
            else place.offset
            for place in found
        }

    def newest(self, topic: str, limit: int, partition: int | None = None) -> list[Raw]:
        """Give at most `limit` records of a topic, newest first."""
        bounds = self._bounds_of(topic, partition)
        starts = {place: (max(low, high - limit), high) for place, (low, high) in bounds.items()}
        found = self._read(starts, _open(starts), limit * max(1, len(starts)))
        found.sort(key=lambda raw: (raw.timestamp or 0, raw.offset), reverse=True)
        return found[:limit]

    def since(
        self,
        topic: str,
        limit: int,
        partition: int | None = None,
        *,
        offset: int | None = None,
        time_ms: int | None = None,
    ) -> list[Raw]:
        """Give at most `limit` records from an offset or a time on, oldest first."""
        bounds = self._bounds_of(topic, partition)
        starts = {}
        for place, (low, high) in bounds.items():
            start = low if offset is None else max(low, offset)
            if time_ms is not None:
                (answer,) = self._consumer.offsets_for_times(
                    [Place(*place, time_ms)], timeout=TIMEOUT_S
                )
                start = high if answer.offset < 0 else answer.offset
            starts[place] = (start, high)
        found = self._read(starts, _open(starts), limit)
        return sorted(found, key=lambda raw: (raw.timestamp or 0, raw.offset))[:limit]

    def at(self, topic: str, partition: int, offset: int) -> Raw | None:
        """Give one record, None when it is not there (any more)."""
        bounds = self.bounds([(topic, partition)])
        low, high = bounds.get((topic, partition), (0, 0))
        if not low <= offset < high:
            return None
        spans = {(topic, partition): (offset, offset + 1)}
        found = self._read(spans, _open(spans), 1)
        return next((raw for raw in found if raw.offset == offset), None)

    def go_to_end(self, topic: str, partition: int | None = None) -> None:
        """Stand at the end of a topic, for `coming`."""
        bounds = self._bounds_of(topic, partition)
        self._consumer.assign([Place(*place, high) for place, (_, high) in bounds.items()])

    def coming(self, most: int, timeout_s: float) -> list[Raw]:
        """Give at most `most` records that have come since, waiting for the first one."""
        found = []
        for message in self._consumer.consume(most, timeout=timeout_s):
            error = message.error()
            if error is None:
                found.append(_raw(message))
            elif error.code() != KafkaError._PARTITION_EOF:
                raise ConnectError(f"following {message.topic()}: {error.str()}")
        return found

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()

    def _bounds_of(self, topic: str, partition: int | None) -> Bounds:
        partitions = self.topics().get(topic)
        if partitions is None:
            return {}
        wanted = partitions if partition is None else [partition]
        return self.bounds((topic, number) for number in wanted)

    def span(self, topic: str, spans: Spans) -> tuple[list[Raw], bool]:
        """Give the records of some spans, and whether all of them: time and memory for it are bounded."""
        wanted = {(topic, number): span for number, span in spans.items()}
        left = _open(wanted)
        found = self._read(wanted, left, sum(end - start for start, end in wanted.values()))
        return found, not left

    def scan(self, topic: str, spans: Spans) -> Iterator[list[Raw]]:
        """Give all records of some spans piece by piece, each partition's oldest first.

        Raises ConnectError when the broker gives nothing for _STALLED_S.
        """
        wanted = {(topic, number): span for number, span in spans.items()}
        left = _open(wanted)
        if not left:
            return
        self._consumer.assign([Place(*place, wanted[place][0]) for place in left])
        came_s = self._clock.monotonic_s()
        while left:
            messages: list[Any] = self._consumer.consume(_CHUNK, timeout=0.5)
            if messages:
                came_s = self._clock.monotonic_s()
            elif self._clock.monotonic_s() - came_s > _STALLED_S:
                raise ConnectError(
                    f"reading {topic}: the broker has given nothing for {_STALLED_S:.0f} s"
                )
            found = _taken(messages, left)
            if found:
                yield found
                # who takes them may need its time
                came_s = self._clock.monotonic_s()
        self._consumer.unassign()

    def _read(
        self,
        spans: Mapping[tuple[str, int], tuple[int, int]],
        left: dict[tuple[str, int], int],
        most: int,
    ) -> list[Raw]:
        """Read each partition's span of offsets until its end, `most` records or the time is over.

        Of `left` remain the partitions that were not read to the end of their span.
        """
        if not left:
            return []
        self._consumer.assign([Place(*place, spans[place][0]) for place in left])
        end_s = self._clock.monotonic_s() + _READ_S
        found: list[Raw] = []
        size = 0
        while left and len(found) < most and size < _MOST_BYTES:
            if self._clock.monotonic_s() > end_s:
                break
            came = _taken(self._consumer.consume(min(_CHUNK, most), timeout=0.5), left)
            found += came
            size += sum(len(raw.value or b"") for raw in came)
        self._consumer.unassign()
        return found


def _open(spans: Mapping[tuple[str, int], tuple[int, int]]) -> dict[tuple[str, int], int]:
    """Give the end of each span that holds something."""
    return {place: end for place, (start, end) in spans.items() if start < end}


def _taken(messages: Iterable[Any], left: dict[tuple[str, int], int]) -> list[Raw]:
    """Give the records before the ends in `left`; a partition that is at its end leaves it."""
    found = []
    for message in messages:
        place = message.topic(), message.partition()
        error = message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise ConnectError(f"reading {place[0]}-{place[1]}: {error.str()}")
            # one of a former assignment may come late: its offset is not this span's end
            if place in left and message.offset() >= left[place]:
                del left[place]
        elif place in left:
            if message.offset() < left[place]:
                found.append(_raw(message))
            if message.offset() + 1 >= left[place]:
                del left[place]
    return found


_UNKNOWN: Final = (
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


def _raw(message: Any) -> Raw:
    kind, time_ms = message.timestamp()
    return Raw(
        message.topic(),
        message.partition(),
        message.offset(),
        time_ms if kind else None,
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )


def purge(settings: Settings, topic: str, before: Mapping[int, int]) -> None:
    """Delete the records of a topic's partitions before an offset each. Raises ConnectError."""
    admin = admin_client(settings)
    places = [Place(topic, partition, offset) for partition, offset in before.items()]
    for place, done in admin.delete_records(places).items():
        try:
            done.result(TIMEOUT_S)
        except KafkaException as error:
            raise ConnectError(
                f"deleting records of {place.topic}-{place.partition} before {place.offset}: "
                f"{error.args[0].str()}"
            ) from error
