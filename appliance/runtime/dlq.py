"""The dead letter queue: records that a sink could not process, bytes untouched, with what went wrong.

Semantics: Kafka Connect 4.3.1 DeadLetterQueueReporter; the names of the context headers are a contract
with tools. Thread: the task's own.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from appliance.clock import Clock
from appliance.config.connector import ConnectorConfig
from appliance.config.worker import WorkerConfig
from appliance.errors import ConnectError, java_class_of, java_trace
from appliance.ids import ConnectorTaskId
from appliance.kafka.clients import connector_admin, connector_producer
from appliance.kafka.library import KafkaException, Producer
from appliance.kafka.topics import create_topic
from appliance.runtime.figures import Figures
from appliance.runtime.retry import Consumed, Failure

log = logging.getLogger("org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter")

HEADER_PREFIX: Final = "__connect.errors."
_ROOM_S: Final = 0.02


class DeadLetterQueue:
    """Writes failed records to the connector's dead letter topic."""

    def __init__(
        self,
        worker: WorkerConfig,
        connector: ConnectorConfig,
        task: ConnectorTaskId,
        figures: Figures,
        clock: Clock,
    ) -> None:
        """Make the topic if it is missing. Raises ConnectError."""
        self.topic = str(connector["errors.deadletterqueue.topic.name"])
        self._with_context = bool(connector["errors.deadletterqueue.context.headers.enable"])
        self._task = task
        self._figures = figures
        self._clock = clock
        replication = int(connector["errors.deadletterqueue.topic.replication.factor"])
        try:
            create_topic(
                connector_admin(worker, connector, f"connector-dlq-adminclient-{task}"),
                self.topic,
                1,
                replication,
            )
        except ConnectError as error:
            raise ConnectError(
                f"Could not initialize dead letter queue with topic={self.topic}; its replicas are set by "
                "errors.deadletterqueue.topic.replication.factor"
            ) from error
        settings = connector_producer(worker, connector, f"connector-dlq-producer-{task}")
        self._producer = Producer({**settings, "on_delivery": self._delivered})

    def report(self, failure: Failure) -> None:
        """Write one record; delivery is awaited by `flush`."""
        record = failure.record
        if not isinstance(record, Consumed):
            return
        self._figures.add("deadletterqueue-produce-requests")
        headers: list[tuple[str, str | bytes | None]] = list(record.headers)
        if self._with_context:
            headers += context_headers(failure, record, self._task)
        while True:
            try:
                self._producer.produce(
                    self.topic,
                    record.value,
                    record.key,
                    timestamp=record.timestamp or 0,
                    headers=headers,
                )
            except BufferError:
                self._producer.poll(_ROOM_S)
            except KafkaException as error:
                self._failed(error.args[0])
                return
            else:
                return

    def flush(self, timeout_s: float) -> bool:
        """Wait for what was written; give whether all of it arrived."""
        return self._producer.flush(timeout_s) == 0

    def close(self) -> None:
        """Deliver what is left."""
        self._producer.flush(5)

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failed(error)

    def _failed(self, error: Any) -> None:
        self._figures.add("deadletterqueue-produce-failures")
        log.error(
            "Could not produce message to dead letter queue. topic=%s: %s", self.topic, error.str()
        )


def context_headers(
    failure: Failure, record: Consumed, task: ConnectorTaskId
) -> list[tuple[str, str | bytes | None]]:
    """Give the headers that say where a record came from and why it failed."""
    error = failure.error
    message = str(error)
    texts: list[tuple[str, str | None]] = [
        ("topic", record.topic),
        ("partition", str(record.partition)),
        ("offset", str(record.offset)),
        ("connector.name", task.connector),
        ("task.id", str(task.task)),
        ("stage", failure.stage),
        ("class.name", failure.executing_class),
        ("exception.class.name", java_class_of(error)),
        ("exception.message", message or None),
        ("exception.stacktrace", java_trace(error)),
    ]
    return [
        (HEADER_PREFIX + name, None if text is None else text.encode()) for name, text in texts
    ]
