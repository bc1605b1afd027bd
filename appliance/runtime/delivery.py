"""Delivery: the producer of a source task, plain or transactional, behind begin, commit and abort.

An idempotent librdkafka producer has one request a partition under way and spins while a record behind
it is older than `linger.ms`. So where a task tells when it has no more, the linger is longer than a record
ever waits and `push` sends what is there; and little is handed to the producer ahead of the broker. What
comes in the meantime gathers where it comes from, so that a slow broker gets fuller requests.

Plain: records are produced as they come; `flush` is the one barrier, and what was produced before it may
then be stored as offsets. Transactional: `commit` puts offsets and records into one transaction. Errors
of single records arrive through one callback with error-only reports.

Semantics: Kafka Connect 4.3.1 WorkerSourceTask and ExactlyOnceWorkerSourceTask. Thread: the task's own.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from appliance.channel import OffsetEntry
from appliance.errors import ConnectError, RetriableError
from appliance.kafka.clients import Settings
from appliance.kafka.library import KafkaError, KafkaException, LibraryLog, Producer
from appliance.runtime.partitions import SinglePartitions
from appliance.runtime.pipeline import Encoded

log = logging.getLogger(__name__)

ROOM_S = 0.02
_PUSH_S = 0.1
_LINGER_MS = 500
_REQUESTS_AHEAD = 4
_CATCH_UP_TURNS = 10
_TRANSACTION_TIMEOUT_S = 60.0
_OURS = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)


class StoppedWhileProducing(BaseException):
    """The task was asked to stop while the producer's queue was full; the rest is read again."""


def pushed(settings: Settings) -> Settings:
    """Give a producer's settings where `push` is called whenever the source has no more."""
    return {**settings, "linger.ms": max(_LINGER_MS, float(settings["linger.ms"]))}


class Delivery:
    """A producer, and where offsets go: `offsets_topic`, or nowhere (None: the worker keeps them).

    `offset_settings` is given where offsets live in another cluster than records. While there is no room,
    `stopping` is asked and `waits` called. `failures` holds (topic, error) of records that could not be
    delivered.
    """

    def __init__(
        self,
        settings: Settings,
        offsets_topic: str | None,
        offset_settings: Settings | None,
        stopping: Callable[[], bool],
        waits: Callable[[], None],
    ) -> None:
        self.failures: list[tuple[str, KafkaError]] = []
        self._offset_failures: list[KafkaError] = []
        self._offsets_topic = offsets_topic
        self._stopping = stopping
        self._waits = waits
        self._most_bytes = _REQUESTS_AHEAD * int(settings["batch.size"])
        quiet: Any = LibraryLog(log)
        self.producer = Producer({**settings, "on_delivery": self._delivered}, logger=quiet)
        self.servers = str(settings["bootstrap.servers"])
        self._single = SinglePartitions(self.producer)
        self._offset_producer = self.producer
        if offset_settings is not None:
            self._offset_producer = Producer({**offset_settings, "on_delivery": self._delivered})

    def begin(self) -> None:
        """Start what `commit` ends; nothing for plain delivery."""

    def send(self, encoded: Encoded) -> None:
        """Produce every row, in order; waits while the queue is full."""
        self._let_broker_catch_up(encoded.values)
        batch = encoded.batch
        topic, partition, timestamp = batch.topic, batch.partition, batch.timestamps
        uniform = (
            isinstance(topic, str)
            and not isinstance(partition, list)
            and not isinstance(timestamp, list)
            and not encoded.extra_headers
        )
        if not uniform:
            self._send_varied(encoded)
            return
        if partition is None:
            partition = self._single.of(str(topic), len(encoded.values))
        if not timestamp and not encoded.headers:
            self._send_plain(str(topic), encoded, partition)
        else:
            self._send_uniform(str(topic), encoded, partition)

    def _let_broker_catch_up(self, values: Sequence[bytes | None]) -> None:
        """Wait a little while several requests' worth of records is not acknowledged: more gains nothing."""
        size = sum(map(len, filter(None, values)))
        most = max(len(values), self._most_bytes * len(values) // max(1, size))
        for _ in range(_CATCH_UP_TURNS):
            if len(self.producer) <= most or self._stopping():
                return
            self.producer.poll(ROOM_S)

    def _send_plain(self, topic: str, encoded: Encoded, partition: Any) -> None:
        produce = self.producer.produce
        keys: Any = encoded.keys if encoded.keys is not None else itertools.repeat(None)
        for value, key in zip(encoded.values, keys, strict=False):
            try:
                produce(topic, value, key, partition)
            except BufferError:
                self._send_one(topic, value, key, partition, 0, None)
            except KafkaException as error:
                self._refused(topic, error)

    def _send_uniform(self, topic: str, encoded: Encoded, partition: Any) -> None:
        produce: Any = self.producer.produce
        headers = encoded.headers
        timestamp = _stamp(encoded.batch.timestamp_at(0))
        keys: Any = encoded.keys if encoded.keys is not None else itertools.repeat(None)
        for value, key in zip(encoded.values, keys, strict=False):
            try:
                produce(topic, value, key, partition, None, None, timestamp, headers)
            except BufferError:
                self._send_one(topic, value, key, partition, timestamp, headers)
            except KafkaException as error:
                self._refused(topic, error)

    def _send_varied(self, encoded: Encoded) -> None:
        batch, extra = encoded.batch, encoded.extra_headers or {}
        for row, value in enumerate(encoded.values):
            partition = batch.partition_at(row)
            self._send_one(
                batch.topic_at(row),
                value,
                encoded.keys[row] if encoded.keys is not None else None,
                -1 if partition is None else partition,
                _stamp(batch.timestamp_at(row)),
                extra.get(row, encoded.headers),
            )

    def _send_one(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        timestamp: int,
        headers: Any,
    ) -> None:
        produce: Any = self.producer.produce
        while True:
            try:
                produce(topic, value, key, partition, None, None, timestamp, headers)
            except BufferError:
                if self._stopping():
                    raise StoppedWhileProducing from None
                self._waits()
                self.producer.poll(ROOM_S)
            except KafkaException as error:
                self._refused(topic, error)
                return
            else:
                return

    def _refused(self, topic: str, error: KafkaException) -> None:
        """Take an error that Java would give to the send callback; others end the task."""
        kafka_error: KafkaError = error.args[0]
        if kafka_error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            raise ConnectError("Unrecoverable exception trying to send") from error
        self.failures.append((topic, kafka_error))

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is None or error.code() in _OURS:
            return
        if message.topic() == self._offsets_topic:
            self._offset_failures.append(error)
        else:
            self.failures.append((message.topic(), error))

    def poll(self) -> None:
        """Serve callbacks."""
        self.producer.poll(0)

    def push(self) -> None:
        """Send what waits for company, since no more is ready, and serve callbacks; a moment at most."""
        if len(self.producer):
            self.producer.flush(_PUSH_S)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything produced is acknowledged (or failed); give whether it is."""
        return self.producer.flush(timeout_s) == 0

    def store(self, entries: Sequence[OffsetEntry], timeout_s: float) -> None:
        """Write offsets and wait for them. Raises RetriableError."""
        topic = self._offsets_topic
        if topic is None:
            return
        self._offset_failures.clear()
        for key, value in entries:
            try:
                self._offset_producer.produce(topic, value, key)
            except (BufferError, KafkaException) as error:
                raise RetriableError(f"writing offsets to {topic}: {error}") from error
        left = self._offset_producer.flush(timeout_s)
        if self._offset_failures or left:
            why = self._offset_failures[0].str() if self._offset_failures else "no answer in time"
            raise RetriableError(f"writing offsets to {topic}: {why}")

    def commit(self, entries: Sequence[OffsetEntry]) -> None:
        """End what `begin` started."""

    def abort(self) -> None:
        """Undo what `begin` started, if anything."""

    def close(self) -> None:
        """Drop what is not delivered."""
        for producer in {id(p): p for p in (self.producer, self._offset_producer)}.values():
            producer.purge()
            producer.poll(0)


class TransactionalDelivery(Delivery):
    """A producer whose records and offsets become visible together."""

    def __init__(
        self,
        settings: Settings,
        offsets_topic: str,
        stopping: Callable[[], bool],
        waits: Callable[[], None],
    ) -> None:
        super().__init__(settings, offsets_topic, None, stopping, waits)
        self._open = False
        try:
            self.producer.init_transactions(_TRANSACTION_TIMEOUT_S)
        except KafkaException as error:
            raise ConnectError(
                f"starting the producer's transactions: {error.args[0].str()}"
            ) from error

    def begin(self) -> None:
        """Start a transaction unless one is open."""
        if not self._open:
            self.producer.begin_transaction()
            self._open = True

    def commit(self, entries: Sequence[OffsetEntry]) -> None:
        """Write offsets into the transaction and commit it. Raises ConnectError."""
        if not entries and not self._open:
            return
        self.begin()
        topic = self._offsets_topic or ""
        try:
            for key, value in entries:
                self._send_one(topic, value, key, -1, 0, None)
            self.producer.commit_transaction(_TRANSACTION_TIMEOUT_S)
        except KafkaException as error:
            raise ConnectError(
                f"committing a transaction: {error.args[0].str()}; what it held is read again"
            ) from error
        self._open = False

    def abort(self) -> None:
        """Abort an open transaction; its timeout does it when the broker is away."""
        if self._open:
            self._open = False
            try:
                self.producer.abort_transaction(5.0)
            except KafkaException as error:
                log.warning("A transaction could not be aborted: %s", error.args[0].str())


def _stamp(timestamp: int | None) -> int:
    """Give librdkafka's form of a timestamp: 0 is now. Raises ConnectError for a negative one."""
    if timestamp is None or timestamp == -1:
        return 0
    if timestamp < 0:
        raise ConnectError(f"Invalid record timestamp {timestamp}")
    return timestamp
