"""A topic of one partition as an ordered list of values: read whole, appended with acknowledgement.

For connectors that keep notes of their own (the schema history). One thread; clients are made when they
are first needed. What cannot be read may be tried again; what cannot be kept is final after the time given,
since it must not be passed over by going on. Semantics: Debezium 3.6 KafkaSchemaHistory, whose tasks fail in
both cases.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)

from appliance.errors import ConfigError, ConnectError, RetriableError

_REFUSED: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_PASSING: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError.REQUEST_TIMED_OUT,
    }
)
"""Errors of brokers that are away; others say themselves that they are worth another attempt."""
_POLL_S: Final = 0.1
_WRITE_TIMEOUT_S: Final = 60.0


class OrderedTopic:
    """The topic called `name`.

    `producer` and `consumer` are librdkafka's settings. `patience_s` is how long reading may bring
    nothing while values are still to come.
    """

    def __init__(
        self,
        name: str,
        producer: Mapping[str, Any],
        consumer: Mapping[str, Any],
        *,
        query_timeout_s: float = 3.0,
        create_timeout_s: float = 30.0,
        patience_s: float = 10.0,
    ) -> None:
        self.name = name
        self._producer_config = producer
        self._consumer_config = consumer
        self._query_timeout_s = max(query_timeout_s, 3.0)
        self._create_timeout_s = create_timeout_s
        self._patience_s = patience_s
        self._producer: Producer | None = None
        self._faults: list[KafkaError] = []

    def _failure(self, doing: str, error: KafkaError) -> ConnectError:
        """Give the error of a client that read or made; what it was told of in `_faults` goes before."""
        told = next((fault for fault in self._faults if fault.code() in _REFUSED), error)
        if told.code() in _REFUSED:
            remedy = "check the login, its rights and certificates, then restart the task"
            return ConnectError(f"{doing} topic {self.name} failed: {told.str()}; {remedy}")
        text = self._text(doing, told.str())
        passing = told.retriable() or told.code() in _PASSING
        return RetriableError(text) if passing else ConnectError(f"{text}, then restart the task")

    def _text(self, doing: str, reason: str) -> str:
        servers = self._producer_config.get("bootstrap.servers", "")
        return (
            f"{doing} topic {self.name} failed: {reason}; check that the brokers at {servers} are up and "
            "can be reached"
        )

    def size(self) -> int:
        """Give how many values the topic holds, 0 where it does not exist.

        Raises ConfigError when it has more than one partition, RetriableError without brokers.
        """
        consumer = self._reader()
        try:
            low, high = self._bounds(consumer)
            return high - low
        finally:
            consumer.close()

    def _bounds(self, consumer: Consumer) -> tuple[int, int]:
        try:
            topics = consumer.list_topics(timeout=self._query_timeout_s).topics
            if self.name not in topics:
                return 0, 0
            count = len(topics[self.name].partitions)
            if count != 1:
                raise ConfigError(
                    f"Topic {self.name} has {count} partitions, so that its order is lost; name a topic "
                    "with one partition"
                )
            partition = TopicPartition(self.name, 0)
            low, high = consumer.get_watermark_offsets(partition, timeout=self._query_timeout_s)
            return int(low), int(high)
        except KafkaException as error:
            # the request fails for want of a broker; why there is none is told apart from it
            consumer.poll(0)
            raise self._failure("Looking for", error.args[0]) from error

    def _reader(self) -> Consumer:
        self._faults = []
        config: dict[str, Any] = {
            "group.id": f"{self.name}-reader",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            # an empty answer, which tells of the end, is not worth waiting for
            "fetch.wait.max.ms": 10,
            "log_level": 0,
            "error_cb": self._faults.append,
            **self._consumer_config,
        }
        return Consumer(config)

    def create(self, config: Mapping[str, str]) -> None:
        """Make the topic if it is missing. Raises ConnectError, RetriableError without brokers."""
        # the admin module is large, and most starts find the topic there
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewTopic

        self._faults = []
        watched: dict[str, Any] = {"log_level": 0, "error_cb": self._faults.append}
        admin = AdminClient({**watched, **self._consumer_config})
        new = NewTopic(self.name, 1, -1, config=dict(config))
        try:
            futures = admin.create_topics([new], request_timeout=self._create_timeout_s)
            futures[self.name].result(self._create_timeout_s + 5)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                admin.poll(0)
                raise self._failure("Making", error.args[0]) from error

    def read(self) -> Iterator[bytes | None]:
        """Give all values in order, up to the end as it is now.

        Raises ConnectError, RetriableError without brokers.
        """
        consumer = self._reader()
        try:
            low, high = self._bounds(consumer)
            if low == high:
                return
            consumer.assign([TopicPartition(self.name, 0, OFFSET_BEGINNING)])
            last_s = time.monotonic()
            while True:
                messages = consumer.consume(1000, _POLL_S)
                if not messages and time.monotonic() - last_s > self._patience_s:
                    raise RetriableError(
                        self._text("Reading", f"nothing came for {self._patience_s:.0f} s")
                    )
                for message in messages:
                    error = message.error()
                    if error is None:
                        yield message.value()
                        if (message.offset() or 0) >= high - 1:
                            return
                    elif error.code() == KafkaError._PARTITION_EOF:
                        return
                    elif not error.retriable():
                        raise self._failure("Reading", error)
                if messages:
                    last_s = time.monotonic()
        finally:
            consumer.close()

    def append(self, values: Sequence[bytes]) -> None:
        """Add values; every broker in sync has them when this returns. Raises ConnectError."""
        failures: list[str] = []

        def on_delivery(error: KafkaError | None, _message: Any) -> None:
            if error is not None:
                failures.append(error.str())

        if self._producer is None:
            self._producer = self._new_producer()
        try:
            for value in values:
                self._producer.produce(self.name, value, partition=0, on_delivery=on_delivery)
                self._producer.poll(0)
            left = self._producer.flush(_WRITE_TIMEOUT_S + 30)
        except (KafkaException, BufferError) as error:
            raise self._unwritten(str(error)) from error
        if failures or left:
            raise self._unwritten(failures[0] if failures else "no answer in time")

    def _unwritten(self, reason: str) -> ConnectError:
        return ConnectError(f"{self._text('Writing to', reason)}, then restart the task")

    def _new_producer(self) -> Producer:
        return Producer(
            {
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 0,
                "message.timeout.ms": int(_WRITE_TIMEOUT_S * 1000),
                "log_level": 0,
                **self._producer_config,
            }
        )

    def close(self) -> None:
        """Give back the producer."""
        self._producer = None
