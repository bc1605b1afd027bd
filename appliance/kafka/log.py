"""KafkaBasedLog: a topic as a log of keys and values, read to its end and then followed.

All logs of a worker share one consumer, one producer and one thread (`LogClients`): an idle worker then
costs two clients instead of two per topic. The consumer belongs to no group and reads committed records
only. The producer never tries again by itself: who writes decides whether a record still is the last word.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.util.KafkaBasedLog.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs lack them
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from appliance.clock import SYSTEM_CLOCK, Clock, let_timers_be_late
from appliance.errors import ConfigError, ConnectError, NotLeaderError, RetriableError

logger = logging.getLogger("org.apache.kafka.connect.util.KafkaBasedLog")

_SEND_TIMEOUT_MS = 5000
_FIRST_ANSWER_S = 5.0
_ASK_S = 2.0
_ASK_AGAIN_S = 0.05
_PASSING = (
    KafkaError._TIMED_OUT,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)
_POLL_S = 0.199
_LATE_S = 0.2
_OnRecord = Callable[[bytes, bytes | None, int], None]


@dataclasses.dataclass(frozen=True, slots=True)
class LogTopic:
    """A topic to be made when it is missing, and what it must be.

    `option` is the configuration key that names it, for messages. `partitions` and
    `replication_factor` -1 leave the choice to the broker; `single` insists on one partition.
    """

    name: str
    option: str
    partitions: int = 1
    replication_factor: int = -1
    cleanup_policy: str = "compact"
    config: Mapping[str, str] = dataclasses.field(default_factory=dict)
    single: bool = False


class LogClients:
    """The clients and the thread of a worker's logs.

    `client_config` holds librdkafka's connection settings. Make the logs, subscribe to them, then start;
    `cluster_id` is known from then on.
    """

    def __init__(self, client_config: Mapping[str, Any], clock: Clock = SYSTEM_CLOCK) -> None:
        self._config = {"log_level": 0, "error_cb": self._on_error, **client_config}
        self._clock = clock
        self._logs: dict[str, KafkaBasedLog] = {}
        self._progress = threading.Condition()
        self._closing = threading.Event()
        self._consumer: Consumer | None = None
        # calls on one handle exclude each other: a question to the consumer that follows would starve
        self._asker: Consumer | None = None
        self._undecided: Consumer | None = None
        self._producer: Producer | None = None
        self._thread: threading.Thread | None = None
        self.cluster_id: str | None = None
        self.on_step: Callable[[], None] = lambda: None
        """Called by the thread that waits for the brokers, before each wait; none is longer than 30 s."""
        self._problem = ""
        self._problem_logged_s = float("-inf")

    def log(self, topic: LogTopic, *, transactional_id: str | None = None) -> KafkaBasedLog:
        """Give the log of a topic; with `transactional_id` its writers fence each other."""
        log = KafkaBasedLog(self, topic, transactional_id)
        self._logs[topic.name] = log
        return log

    def start(self, timeout_s: float) -> None:
        """Make missing topics and read all to their end.

        Raises ConfigError for a topic that will not do, RetriableError when the brokers do not answer
        (start may then be called again).
        """
        try:
            self._ensure_topics(timeout_s)
            if self._thread is None:
                self.on_step()
                self._open(timeout_s)
        except KafkaException as error:
            raise self.failure("opening the worker's internal topics", error) from error
        for log in self._logs.values():
            log.read_to_end(timeout_s)

    def flush(self, timeout_s: float) -> None:
        """Wait until what was sent is written, at most so long."""
        if self._producer is not None:
            self._producer.flush(timeout_s)

    def stop(self) -> None:
        """End the thread and close the clients; what was not sent is dropped."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        if self._producer is not None:
            self._producer.purge()
        for log in self._logs.values():
            log.close()
        for consumer in (self._consumer, self._asker, self._undecided):
            if consumer is not None:
                consumer.close()

    @property
    def producer(self) -> Producer:
        """Give the shared producer, which exists from `start` on."""
        if self._producer is None:
            raise RetriableError("writing to an internal topic: the worker is still starting")
        return self._producer

    def new_producer(self, config: Mapping[str, Any]) -> Producer:
        """Give a producer with the connection settings and `config`."""
        return Producer(
            {
                **self._config,
                "acks": "all",
                "partitioner": "murmur2_random",
                "linger.ms": 0,
                **config,
            }
        )

    def failure(self, doing: str, error: KafkaException) -> ConnectError:
        """Give the error for a failed call, with the brokers and the last problem of the connection."""
        cause: KafkaError = error.args[0]
        text = f"{doing}: {cause.str()}"
        if self._problem:
            text += f" ({self._problem})"
        servers = self._config.get("bootstrap.servers", "")
        text += f"; check that the brokers at {servers} are up and can be reached with the worker's settings"
        return RetriableError(text)

    def end_offsets(
        self, topic: str, timeout_s: float, *, decided: bool = False
    ) -> dict[int, int]:
        """Give the offset after the last record of each partition that can be read now.

        `decided`: after the last record, though it may be of an open transaction. Raises RetriableError.
        """
        consumer = self._undecided_asker() if decided else self._asker
        if consumer is None:
            raise RetriableError(f"reading to the end of {topic}: the worker is still starting")
        asked = [
            TopicPartition(topic, partition, OFFSET_END)
            for partition in self._logs[topic].positions
        ]
        try:
            answers = self._asked(consumer, asked, timeout_s)
        except KafkaException as error:
            raise self.failure(f"reading to the end of {topic}", error) from error
        for answer in answers:
            if answer.error is not None:
                failed = KafkaException(answer.error)
                raise self.failure(f"reading to the end of {topic}", failed)
        return {answer.partition: answer.offset for answer in answers}

    def _asked(
        self, consumer: Consumer, asked: list[TopicPartition], timeout_s: float
    ) -> list[TopicPartition]:
        """Ask for offsets in short steps: for a topic made just now one question may never be answered.

        The library then waits for a leader that it does not look for; the next question finds it, and
        that of a partition whose leader has just changed.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            self.on_step()
            left_s = max(deadline_s - self._clock.monotonic_s(), 0.001)
            try:
                answers = consumer.offsets_for_times(asked, timeout=min(left_s, _ASK_S))
            except KafkaException as error:
                if error.args[0].code() not in _PASSING or left_s <= _ASK_S:
                    raise
            else:
                errors = [answer.error for answer in answers if answer.error is not None]
                if left_s <= _ASK_S or not any(error.code() in _PASSING for error in errors):
                    return answers
            self._clock.wait(self._closing, _ASK_AGAIN_S)

    def await_positions(
        self, log: KafkaBasedLog, ends: Mapping[int, int], timeout_s: float
    ) -> bool:
        """Wait until the thread has read `log` up to `ends`; give whether it has."""

        def reached() -> bool:
            return self._closing.is_set() or all(
                log.positions[partition] >= end for partition, end in ends.items()
            )

        self.on_step()
        with self._progress:
            return self._progress.wait_for(reached, timeout_s) and not self._closing.is_set()

    def _undecided_asker(self) -> Consumer | None:
        """Give a consumer that knows of open transactions, made when first needed."""
        with self._progress:
            if self._undecided is None and self._thread is not None:
                self._undecided = Consumer(
                    {**self._config, "group.id": "unused", "isolation.level": "read_uncommitted"}
                )
            return self._undecided

    def _open(self, timeout_s: float) -> None:
        self._producer = self.new_producer(
            {
                "retries": 0,
                "message.timeout.ms": _SEND_TIMEOUT_MS,
            }
        )
        settings = {
            **self._config,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
            "queued.max.messages.kbytes": 4096,
        }
        self._asker = Consumer(settings)
        consumer = Consumer(settings)
        for log in self._logs.values():
            metadata = consumer.list_topics(log.topic.name, timeout=timeout_s)
            partitions = metadata.topics[log.topic.name].partitions
            if not partitions:
                raise RetriableError(
                    f"reading {log.topic.name}: the brokers do not know it yet; the worker tries again"
                )
            log.positions = dict.fromkeys(partitions, 0)
        # at 0, not "at the beginning": which that is would be asked partition by partition, and those whose
        # answer comes after the first fetch has gone out would wait for its end
        consumer.assign(
            [
                TopicPartition(log.topic.name, partition, 0)
                for log in self._logs.values()
                for partition in log.positions
            ]
        )
        self._consumer = consumer
        self._thread = threading.Thread(target=self._follow, name="internal-topics", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        consumer, producer = self._consumer, self._producer
        assert consumer is not None  # noqa: S101 - started by now
        assert producer is not None  # noqa: S101 - started by now
        let_timers_be_late(_LATE_S)
        while not self._closing.is_set():
            first = consumer.poll(_POLL_S)
            if first is not None:
                # A batch with a timeout would wait for its last message: take what is there already.
                for message in (first, *consumer.consume(500, timeout=0)):
                    self._take(message)
                with self._progress:
                    self._progress.notify_all()
            producer.poll(0)
        with self._progress:
            self._progress.notify_all()

    def _take(self, message: Message) -> None:
        error = message.error()
        log = self._logs.get(message.topic() or "")
        partition, offset = message.partition(), message.offset()
        if log is None or partition is None or offset is None:
            return
        if error is None:
            log.deliver(message)
            log.positions[partition] = offset + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            # Also moves past transaction markers, which never arrive as records.
            log.positions[partition] = max(log.positions[partition], offset)
        else:
            self._on_error(error)

    def _on_error(self, error: KafkaError) -> None:
        self._problem = error.str()
        now_s = self._clock.monotonic_s()
        if now_s - self._problem_logged_s >= 10:
            self._problem_logged_s = now_s
            logger.warning("The internal topics cannot be reached. error=%s", error.str())

    def _ensure_topics(self, timeout_s: float) -> None:
        admin = AdminClient(self._config)
        # in short steps: while a broker is away, a stop must not wait for the whole time
        metadata = admin.list_topics(timeout=min(timeout_s, _FIRST_ANSWER_S))
        self.cluster_id = metadata.cluster_id
        existing = metadata.topics
        missing = [log.topic for log in self._logs.values() if log.topic.name not in existing]
        if missing:
            self._create(admin, missing, timeout_s)
        for log in self._logs.values():
            known = existing.get(log.topic.name)
            if known is not None:
                _check_partitions(log.topic, len(known.partitions))
                _check_policy(admin, log.topic, timeout_s)

    @staticmethod
    def _create(admin: AdminClient, topics: Sequence[LogTopic], timeout_s: float) -> None:
        futures = admin.create_topics(
            [
                NewTopic(
                    topic.name,
                    num_partitions=topic.partitions,
                    replication_factor=topic.replication_factor,
                    config={**topic.config, "cleanup.policy": topic.cleanup_policy},
                )
                for topic in topics
            ],
            operation_timeout=timeout_s,
            request_timeout=timeout_s,
        )
        for topic in topics:
            try:
                futures[topic.name].result()
                logger.info("Created an internal topic. topic=%s", topic.name)
            except KafkaException as error:
                code = error.args[0].code()
                if code in (
                    KafkaError.INVALID_REPLICATION_FACTOR,
                    KafkaError.POLICY_VIOLATION,
                    KafkaError.TOPIC_AUTHORIZATION_FAILED,
                    KafkaError.INVALID_CONFIG,
                    KafkaError.INVALID_PARTITIONS,
                ):
                    raise ConfigError(
                        f"creating the topic {topic.name} of {topic.option}: {error.args[0].str()};"
                        " correct the *.storage.* options of the worker or create the topic by hand"
                    ) from error
                if code != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise


class KafkaBasedLog:
    """One topic; a `Log`. `positions` holds the next offset per partition, moved by the log thread."""

    def __init__(self, clients: LogClients, topic: LogTopic, transactional_id: str | None) -> None:
        self.topic = topic
        self.positions: dict[int, int] = {}
        self._clients = clients
        self._transactional_id = transactional_id
        self._transactions: Producer | None = None
        self._on_record: _OnRecord | None = None

    def subscribe(self, on_record: _OnRecord) -> None:
        """Give every record, the stored ones first, to `on_record` on the log thread."""
        self._on_record = on_record

    def deliver(self, message: Message) -> None:
        """Hand one record to the subscriber; its failure is logged and ends nothing."""
        key, value = message.key(), message.value()
        if self._on_record is None or not isinstance(key, bytes):
            return
        try:
            self._on_record(key, value, message.offset() or 0)
        except Exception:
            logger.exception(
                "A record could not be taken in. topic=%s key=%r", self.topic.name, key
            )

    def read_to_end(self, timeout_s: float, *, decided: bool = False) -> None:
        """Return when all that was acknowledged before the call is delivered. Raises RetriableError.

        `decided`: not before the transactions under way at the call have ended. Records stay hidden behind
        the oldest open one, whoever's it is.
        """
        ends = self._clients.end_offsets(self.topic.name, timeout_s, decided=decided)
        if not self._clients.await_positions(self, ends, timeout_s):
            raise RetriableError(
                f"reading to the end of {self.topic.name}: not done within {timeout_s:g} s; the worker"
                " tries again"
            )

    def send(self, key: bytes, value: bytes | None) -> Future[None]:
        """Append without waiting; tried once. The Future completes on the log thread."""
        future: Future[None] = Future()
        self._produce(self._clients.producer, key, value, future)
        return future

    def write(self, records: Sequence[tuple[bytes, bytes | None]], timeout_s: float) -> None:
        """Append and wait for all. Raises RetriableError, or NotLeaderError when fenced."""
        if self._transactional_id is not None:
            self._write_transaction(records, timeout_s)
            return
        deadline_s = self._clients._clock.monotonic_s() + timeout_s
        left = list(records)
        while True:
            self._clients.on_step()
            futures = [self.send(key, value) for key, value in left]
            self._clients.producer.flush(timeout_s)
            failed = [at for at, future in enumerate(futures) if not _succeeded(future)]
            if not failed:
                return
            # From the first failure on everything goes out again, so that the order stays.
            left = left[failed[0] :]
            if self._clients._clock.monotonic_s() >= deadline_s:
                raise RetriableError(
                    f"writing to {self.topic.name}: not acknowledged within {timeout_s:g} s; check that"
                    " its brokers are up, then try again"
                )

    def claim(self, timeout_s: float) -> None:
        """Fence every other writer. Does nothing without a transactional id."""
        if self._transactional_id is None:
            return
        self.close()
        producer = self._clients.new_producer({"transactional.id": self._transactional_id})
        self._clients.on_step()
        try:
            producer.init_transactions(timeout_s)
        except KafkaException as error:
            raise self._clients.failure(
                f"claiming the right to write to {self.topic.name}", error
            ) from error
        self._transactions = producer

    def purge(self) -> None:
        """Forget what the shared producer holds and has not sent."""
        self._clients.producer.purge(in_flight=False, blocking=False)

    def close(self) -> None:
        """Give up the right to write."""
        self._transactions = None

    def _write_transaction(
        self, records: Sequence[tuple[bytes, bytes | None]], timeout_s: float
    ) -> None:
        if self._transactions is None:
            self.claim(timeout_s)
        producer = self._transactions
        assert producer is not None  # noqa: S101 - started by now
        self._clients.on_step()
        try:
            producer.begin_transaction()
            for key, value in records:
                self._produce(producer, key, value, Future())
            producer.commit_transaction(timeout_s)
        except KafkaException as error:
            self._transactions = None
            if error.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED):
                raise NotLeaderError(
                    f"writing to {self.topic.name}: another worker has become the leader", None
                ) from error
            raise self._clients.failure(f"writing to {self.topic.name}", error) from error

    def _produce(
        self, producer: Producer, key: bytes, value: bytes | None, future: Future[None]
    ) -> None:
        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(
                    RetriableError(f"writing to {self.topic.name}: {error.str()}")
                )

        try:
            producer.produce(self.topic.name, key=key, value=value, on_delivery=delivered)
        except (BufferError, KafkaException) as error:
            future.set_exception(RetriableError(f"writing to {self.topic.name}: {error}"))


def _succeeded(future: Future[None]) -> bool:
    return future.done() and future.exception() is None


def _check_partitions(topic: LogTopic, found: int) -> None:
    if topic.single and found != 1:
        raise ConfigError(
            f"Topic '{topic.name}' supplied via the '{topic.option}' property is required to have a"
            " single partition in order to guarantee consistency of connector configurations, but"
            f" found {found} partitions."
        )


def _check_policy(admin: AdminClient, topic: LogTopic, timeout_s: float) -> None:
    resource = ConfigResource(ResourceType.TOPIC, topic.name)
    future = admin.describe_configs([resource], request_timeout=timeout_s)[resource]
    try:
        found = future.result()["cleanup.policy"].value
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise
        logger.warning(
            "Not allowed to see a topic's cleanup.policy; make sure that it is %s. topic=%s",
            topic.cleanup_policy,
            topic.name,
        )
        return
    if found != topic.cleanup_policy:
        raise ConfigError(
            f"Topic '{topic.name}' supplied via the '{topic.option}' property is required to have"
            f" 'cleanup.policy={topic.cleanup_policy}' to guarantee consistency and durability, but"
            f" found 'cleanup.policy={found}'. Correct the topic, or name another one."
        )
