"""A source task's loop: poll, encode, produce; and at each tick flush, then store the offsets.

Killed between any two lines, it repeats what came after the last stored offset and loses nothing: an
offset is stored only after everything before it is acknowledged. With exactly-once support, records and
offsets share a transaction and nothing is repeated either.

Semantics: Kafka Connect 4.3.1 AbstractWorkerSourceTask. Thread: one per task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from appliance.api import Batch, SourceTask
from appliance.channel import Committed, StartTask, TaskStatus, TopicUsed
from appliance.channel import Figures as FiguresMessage
from appliance.clock import Clock
from appliance.config.connector import ConnectorConfig, topic_creation_groups
from appliance.config.worker import WorkerConfig
from appliance.errors import ConnectError, RetriableError, TaskFailedError
from appliance.ids import State
from appliance.kafka.clients import connector_admin, connector_producer, worker_client
from appliance.kafka.topics import broker_count, create_topic, topic_exists
from appliance.runtime.control import Control, Report, SourceContext, Ticker
from appliance.runtime.delivery import (
    Delivery,
    StoppedWhileProducing,
    TransactionalDelivery,
    pushed,
)
from appliance.runtime.figures import Figures
from appliance.runtime.offsets import SourceOffsets
from appliance.runtime.pipeline import Encoded, SourcePipeline
from appliance.runtime.plugins import imported
from appliance.runtime.retry import (
    KAFKA_PRODUCE,
    ErrorPolicy,
    Failure,
    LogReporter,
    StoppedWhileRetrying,
)
from appliance.runtime.submitted import Submitted

log = logging.getLogger("org.apache.kafka.connect.runtime.WorkerSourceTask")

RETRY_PAUSE_S = 1.0
SINGLE_BROKER_HOLD_S = 3.0
LAPSED_FLUSH_S = 0.5
_SILENT_S = 5.0
"""After this time without an acknowledgement of what is under way the task says that it waits."""
_PART_ROWS = 256
"""What is encoded and produced at a time: payloads of more leave the processor's caches in between."""


class SourceRunner:
    """Runs one source task from start to end."""

    def __init__(
        self,
        start: StartTask,
        worker: WorkerConfig,
        control: Control,
        report: Report,
        clock: Clock,
    ) -> None:
        """Parse the configuration. Raises ConfigError."""
        self._start = start
        self._worker = worker
        self._control = control
        self._report = report
        self._clock = clock
        self.config = ConnectorConfig(start.connector_config, "source")
        self._flush_every_s = worker.seconds("offset.flush.interval.ms")
        self._flush_timeout_s = worker.seconds("offset.flush.timeout.ms")
        now_s = clock.monotonic_s()
        self._figures = Figures(now_s, ("source-record-poll", "source-record-write"))
        self._ticker = Ticker(start.id, self._figures, clock, self._publish)
        self._errors = ErrorPolicy(self.config, self._figures, clock, control.wait)
        if self.config["errors.log.enable"]:
            with_record = bool(self.config["errors.log.include.messages"])
            self._errors.reporters.append(LogReporter(start.id, with_record=with_record))
        self._offsets = SourceOffsets(start.id.connector, start.offsets)
        self._submitted = Submitted()
        self._creation = (
            topic_creation_groups(self.config) if worker.flag("topic.creation.enable") else ()
        )
        self._topics: set[str] = set()
        self._next_commit_s = now_s + self._flush_every_s
        self._shown: State | None = None
        self._hold_known = False
        self._undelivered = False
        self._troubled = False
        self._acknowledged = 0
        self._acknowledged_s = now_s
        self._silent = False
        self._delivered: Delivery | None = None
        self._task: SourceTask | None = None

    def run(self) -> None:
        """Run until stopped. Raises what the task fails with."""
        pipeline = SourcePipeline.build(
            self._worker, self.config, self._start.plugins, self._errors
        )
        ref = self._start.plugins["task"]
        task: SourceTask = imported(ref.task or ref.target)()
        self._task = task
        delivery = self._delivered = self._delivery(tells=task.has_more is not None)
        closers: list[Callable[[], None]] = [pipeline.close, delivery.abort, delivery.close]
        try:
            context = SourceContext(
                self._start.id,
                self._start.config,
                self._control,
                self._figures,
                self._worker,
                self._offsets,
            )
            if not self._control.stopping:
                closers.insert(0, task.close)
                task.start(context, self._start.config)
            self._loop(task, pipeline, delivery)
        finally:
            for close in closers:
                try:
                    close()
                except Exception:
                    log.exception("%s: closing failed", self._start.id)

    def stop(self) -> None:
        """Ask the task to return from poll soon; any thread, after `Control.stop`."""
        if self._task is not None:
            self._task.stop()

    def _loop(self, task: SourceTask, pipeline: SourcePipeline, delivery: Delivery) -> None:
        try:
            while not self._control.stopping:
                paused = self._control.paused
                self._show(State.PAUSED if paused else State.RUNNING)
                if paused:
                    self._control.wait_for_change(RETRY_PAUSE_S)
                    delivery.poll()
                else:
                    self._turn(task, pipeline, delivery)
                self._tick(task, delivery, paused=paused)
        except (StoppedWhileRetrying, StoppedWhileProducing):
            log.info(
                "%s: stopped in the middle of a batch, whose rest is read again", self._start.id
            )
        except Exception:
            self._commit_after_failure(task, delivery)
            raise
        self._commit_all(task, delivery)

    def _commit_all(self, task: SourceTask, delivery: Delivery) -> None:
        timeout_s = LAPSED_FLUSH_S if self._control.lapsed else self._flush_timeout_s
        self._commit(task, delivery, self._clock.monotonic_s(), timeout_s, everything=True)

    def _commit_after_failure(self, task: SourceTask, delivery: Delivery) -> None:
        """Keep the offsets of what was sent before the task failed, unless it failed of a delivery."""
        if self._undelivered or isinstance(delivery, TransactionalDelivery):
            return
        try:
            self._commit_all(task, delivery)
        except Exception:
            log.exception("%s: the last commit failed; records are read again", self._start.id)

    def _turn(self, task: SourceTask, pipeline: SourcePipeline, delivery: Delivery) -> None:
        before = self._clock.monotonic_s()
        try:
            batches = task.poll()
        except RetriableError as error:
            log.warning("%s: poll failed and is repeated: %s", self._start.id, error)
            self._figures.set_trouble(str(error))
            self._troubled = True
            self._control.wait(RETRY_PAUSE_S)
            return
        if self._troubled:
            self._troubled = False
            self._figures.set_trouble(None)
        if batches:
            self._count_poll(batches, before)
            self._send(batches, pipeline, delivery)
            if isinstance(delivery, TransactionalDelivery):
                self._end_transaction(task, delivery)
        if task.has_more is None or (batches and task.has_more):
            delivery.poll()
        else:
            delivery.push()
        if delivery.failures:
            self._handle_failures(delivery)

    def _count_poll(self, batches: list[Batch], before: float) -> None:
        records = sum(map(len, batches))
        self._figures.totals["source-record-poll-total"] += records
        self._figures.sampled("batch-size").record(records)
        took_ms = (self._clock.monotonic_s() - before) * 1000
        self._figures.sampled("poll-batch", "-time-ms").record(took_ms)

    def _send(self, batches: list[Batch], pipeline: SourcePipeline, delivery: Delivery) -> None:
        parts = (part for batch in batches for part in batch.parts(_PART_ROWS))
        sent: Batch | None = None
        try:
            for part in parts:
                for encoded in pipeline.encode(part):
                    if encoded.values:
                        delivery.begin()
                        self._use_topics(encoded, delivery)
                        delivery.send(encoded)
                        self._figures.totals["source-record-write-total"] += len(encoded.values)
                    # the position of the last batch stands for those before it
                    if sent is not None and not _same_source(sent, encoded.batch):
                        self._note_position(sent)
                    sent = encoded.batch
        finally:
            if sent is not None:
                self._note_position(sent)

    def _note_position(self, batch: Batch) -> None:
        offset = batch.source_offset_at(max(0, len(batch) - 1))
        if offset is not None and batch.source_partition is not None:
            self._submitted.add(batch.source_partition, offset)

    def _handle_failures(self, delivery: Delivery) -> None:
        failures, delivery.failures = delivery.failures, []
        for topic, error in failures:
            cause = ConnectError(f"delivering a record to topic {topic}: {error.str()}")
            if error.fatal():
                self._undelivered = True
                raise ConnectError(
                    f"The producer cannot go on: {error.str()}; restart the task, it begins at the"
                    " last stored offset"
                )
            try:
                self._errors.failed(
                    Failure(KAFKA_PRODUCE, _PRODUCER_CLASS, cause, f"source record is = {topic}")
                )
            except TaskFailedError:
                self._undelivered = True
                raise ConnectError(
                    "Unrecoverable exception from producer send callback"
                ) from cause

    def _use_topics(self, encoded: Encoded, delivery: Delivery) -> None:
        topic = encoded.batch.topic
        if isinstance(topic, str):
            if topic not in self._topics:
                self._use_topic(topic, delivery)
            return
        for name in set(topic) - self._topics:
            self._use_topic(name, delivery)

    def _use_topic(self, topic: str, delivery: Delivery) -> None:
        if self._creation and not topic_exists(delivery.producer, topic):
            group = next(g for g in self._creation if g.name == "default" or g.matches(topic))
            settings = connector_admin(
                self._worker, self.config, f"connector-adminclient-{self._start.id}"
            )
            log.info("%s: making topic %s as group %s says", self._start.id, topic, group.name)
            create_topic(settings, topic, group.partitions, group.replication_factor, group.other)
        self._topics.add(topic)
        self._report(TopicUsed(self._start.id, topic))

    def _tick(self, task: SourceTask, delivery: Delivery, *, paused: bool) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._next_commit_s:
            self._commit(task, delivery, now_s, self._flush_timeout_s)
            self._next_commit_s = now_s + self._flush_every_s
        elif self._submitted.hold_s and self._submitted.is_due(now_s):
            self._store(task, delivery, now_s, everything=False)
        self._tell(delivery, now_s, paused=paused)

    def _wait_for_room(self) -> None:
        if self._delivered is not None:
            self._tell(self._delivered, self._clock.monotonic_s(), paused=False)

    def _tell(self, delivery: Delivery, now_s: float, *, paused: bool) -> None:
        """Publish figures once a second, and whether the broker has acknowledged nothing for long."""
        if not self._ticker.tick(now_s, paused=paused):
            return
        self._figures.fall_behind(now_s, paused=paused)
        active = len(delivery.producer)
        self._figures.gauges["source-record-active-count"] = active
        self._figures.sampled("source-record-active-count").record(active)
        acknowledged = self._figures.totals["source-record-write-total"] - active
        if not active or acknowledged != self._acknowledged:
            self._acknowledged, self._acknowledged_s = acknowledged, now_s
        silent = now_s - self._acknowledged_s >= _SILENT_S
        if silent != self._silent:
            self._silent = silent
            text = (
                f"records wait for the brokers at {delivery.servers} to acknowledge them: check that they"
                " are up and enough replicas in sync; the task goes on by itself"
            )
            self._figures.set_trouble(text if silent else None, "broker")
        self._ticker.publish(now_s)

    def _commit(
        self,
        task: SourceTask,
        delivery: Delivery,
        now_s: float,
        timeout_s: float,
        *,
        everything: bool = False,
    ) -> None:
        """Flush, then store the offsets that this made safe; gives up what takes too long."""
        if isinstance(delivery, TransactionalDelivery):
            if everything or self._interval_boundary:
                self._end_transaction(task, delivery, force=True)
            return
        if not self._submitted:
            return
        self._learn_hold(delivery)
        if not delivery.flush(timeout_s):
            self._count_commit(now_s, succeeded=False)
            log.warning(
                "%s: records were not acknowledged within %.1f s; their offsets are stored later",
                self._start.id,
                timeout_s,
            )
            return
        self._handle_failures(delivery)
        self._submitted.acknowledge(now_s)
        self._store(task, delivery, now_s, everything=everything, timeout_s=timeout_s)

    def _store(
        self,
        task: SourceTask,
        delivery: Delivery,
        now_s: float,
        *,
        everything: bool,
        timeout_s: float | None = None,
    ) -> None:
        positions = self._submitted.take(now_s, everything=everything)
        if not positions:
            return
        entries = self._offsets.entries(positions)
        try:
            delivery.store(entries, timeout_s or self._flush_timeout_s)
        except RetriableError as error:
            self._submitted.give_back(now_s, positions)
            self._count_commit(now_s, succeeded=False)
            log.warning("%s: %s; tried again at the next commit", self._start.id, error)
            return
        if self._start.store_offsets:
            self._report(Committed(self._start.id, entries))
        self._count_commit(now_s, succeeded=True)
        task.commit()

    def _end_transaction(
        self, task: SourceTask, delivery: TransactionalDelivery, *, force: bool = False
    ) -> None:
        if not force and self._interval_boundary:
            return
        now_s = self._clock.monotonic_s()
        self._submitted.acknowledge(now_s)
        entries = self._offsets.entries(self._submitted.take(now_s, everything=True))
        delivery.commit(entries)
        self._handle_failures(delivery)
        if entries:
            self._count_commit(now_s, succeeded=True)
        task.commit()

    @property
    def _interval_boundary(self) -> bool:
        return str(self.config["transaction.boundary"]).lower() == "interval"

    def _count_commit(self, started_s: float, *, succeeded: bool) -> None:
        figures = self._figures
        took_ms = (self._clock.monotonic_s() - started_s) * 1000
        figures.sampled("offset-commit", "-time-ms").record(took_ms)
        figures.add("_commits" if succeeded else "_failed-commits")
        if succeeded:
            figures.gauges["last_commit_ms"] = self._clock.now_ms()
        good, bad = figures.totals.get("_commits", 0), figures.totals.get("_failed-commits", 0)
        figures.gauges["offset-commit-success-percentage"] = round(good / (good + bad), 3)
        figures.gauges["offset-commit-failure-percentage"] = round(bad / (good + bad), 3)

    def _learn_hold(self, delivery: Delivery) -> None:
        """A single broker acknowledges before it syncs: hold offsets back for a while there."""
        if self._hold_known or not self._topics:
            return
        try:
            brokers = broker_count(delivery.producer, next(iter(self._topics)), 5.0)
        except ConnectError as error:
            log.info("%s: %s", self._start.id, error)
            self._submitted.hold_s = SINGLE_BROKER_HOLD_S
            return
        self._hold_known = True
        self._submitted.hold_s = SINGLE_BROKER_HOLD_S if brokers == 1 else 0.0

    def _delivery(self, *, tells: bool) -> Delivery:
        worker, connector, task_id = self._worker, self.config, self._start.id
        client_id = f"connector-producer-{task_id}"
        topic = connector.originals.get("offsets.storage.topic")
        if self._start.store_offsets:
            topic = None
        elif not topic:
            topic = worker.text("offset.storage.topic")
        if worker.exactly_once and topic is not None:
            settings = connector_producer(
                worker,
                connector,
                client_id,
                enable_idempotence="true",
                transactional_id=f"{worker.group_id}-{task_id}",
            )
            return TransactionalDelivery(
                pushed(settings) if tells else settings,
                topic,
                lambda: self._control.stopping,
                self._wait_for_room,
            )
        settings = connector_producer(worker, connector, client_id)
        own = worker_client(worker, f"connector-offsets-{task_id}")
        elsewhere = any(settings.get(name) != own.get(name) for name in _WHERE)
        return Delivery(
            pushed(settings) if tells else settings,
            topic,
            {**own, "partitioner": "murmur2_random"} if elsewhere and topic else None,
            lambda: self._control.stopping,
            self._wait_for_room,
        )

    def _show(self, state: State) -> None:
        if state is not self._shown:
            self._shown = state
            version = self._start.plugins["task"].version
            self._report(TaskStatus(self._start.id, state, None, version))

    def _publish(self, values: dict[str, Any]) -> None:
        self._report(
            FiguresMessage(
                self._start.id, {k: v for k, v in values.items() if not k.startswith("_")}
            )
        )


def _same_source(before: Batch, after: Batch) -> bool:
    """Whether what `after` says of its source partition's position takes the place of `before`."""
    return (
        before.source_partition is after.source_partition
        and bool(after.values)
        and callable(after.source_offset)
    )


_PRODUCER_CLASS = "org.apache.kafka.clients.producer.KafkaProducer"
_WHERE = ("bootstrap.servers", "security.protocol", "sasl.mechanism", "sasl.username")
