"""What happens when a record fails: retried, skipped and reported, or the end of the task.

Semantics: Kafka Connect 4.3.1 RetryWithToleranceOperator and the reporters, with one difference: when the
retries of a retriable error run out and errors are not tolerated, the task fails, where Connect drops the
record without a word. Only failing records come here. Thread: the task's own.
"""

from __future__ import annotations

import dataclasses
import logging
import random
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from appliance.clock import Clock
from appliance.config.connector import ConnectorConfig
from appliance.errors import RetriableError, TaskFailedError, java_trace
from appliance.ids import ConnectorTaskId
from appliance.runtime.figures import Figures

log = logging.getLogger("org.apache.kafka.connect.runtime.errors.LogReporter")

T = TypeVar("T")

TRANSFORMATION: Final = "TRANSFORMATION"
KEY_CONVERTER: Final = "KEY_CONVERTER"
VALUE_CONVERTER: Final = "VALUE_CONVERTER"
HEADER_CONVERTER: Final = "HEADER_CONVERTER"
KAFKA_PRODUCE: Final = "KAFKA_PRODUCE"
TASK_PUT: Final = "TASK_PUT"

_FIRST_DELAY_MS: Final = 300
_WAY_OUT: Final = (
    "a record that errors.tolerance=all leaves out (a sink keeps it by errors.deadletterqueue.topic.name); "
    "if all are like it, correct the converters or transforms"
)


class Skipped(Exception):
    """The record is done with: it failed, and errors are tolerated."""


@dataclasses.dataclass(frozen=True, slots=True)
class Consumed:
    """A record as it was consumed, for reports; `headers` are raw."""

    topic: str
    partition: int
    offset: int
    timestamp: int | None
    timestamp_type: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    def __str__(self) -> str:
        """Give the words of Connect's log line."""
        return (
            f"consumed record is {{topic='{self.topic}', partition={self.partition},"
            f" offset={self.offset}, timestamp={self.timestamp},"
            f" timestampType={self.timestamp_type}}}"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """One failed record: where it failed and why. `record` prints as the log line shows it."""

    stage: str
    executing_class: str
    error: BaseException
    record: Any


class Reporter(Protocol):
    """Is told of every failed record."""

    def report(self, failure: Failure) -> None:
        """Take one failure; must not raise."""


class LogReporter:
    """Writes failures to the log, with the record's coordinates when asked for."""

    def __init__(self, task: ConnectorTaskId, *, with_record: bool) -> None:
        self._task = task
        self._with_record = with_record

    def report(self, failure: Failure) -> None:
        """Log one failure with its trace."""
        where = f", where {failure.record}" if self._with_record else ""
        log.error(
            "Error encountered in task %s. Executing stage '%s' with class '%s'%s.\n%s",
            self._task,
            failure.stage,
            failure.executing_class,
            where,
            java_trace(failure.error),
        )


class ErrorPolicy:
    """A connector's `errors.*` options at work."""

    def __init__(
        self,
        config: ConnectorConfig,
        figures: Figures,
        clock: Clock,
        wait: Callable[[float], bool],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Take the options; `wait(seconds)` sleeps and gives whether the task is stopping."""
        self.tolerant = config.tolerates_errors
        self._timeout_ms = int(config["errors.retry.timeout"])
        self._max_delay_ms = int(config["errors.retry.delay.max.ms"])
        self._figures = figures
        self._clock = clock
        self._wait = wait
        self._jitter = jitter
        self.reporters: list[Reporter] = []
        for name in (
            "total-record-failures",
            "total-record-errors",
            "total-records-skipped",
            "total-retries",
            "total-errors-logged",
            "deadletterqueue-produce-requests",
            "deadletterqueue-produce-failures",
        ):
            figures.totals.setdefault(name, 0)
        figures.gauges["last-error-timestamp"] = 0

    def execute(
        self, stage: str, executing_class: str, record: Any, operation: Callable[[], T]
    ) -> T:
        """Run one operation on one record. Raises Skipped or TaskFailedError."""
        try:
            return self._retried(operation)
        except Exception as error:
            self._figures.add("total-record-failures")
            self.failed(Failure(stage, executing_class, error, record))
            raise Skipped from error

    def failed(self, failure: Failure) -> None:
        """Report a record that failed for good. Raises TaskFailedError unless errors are tolerated."""
        self._figures.add("total-record-errors")
        self._figures.gauges["last-error-timestamp"] = self._clock.now_ms()
        for reporter in self.reporters:
            reporter.report(failure)
            if isinstance(reporter, LogReporter):
                self._figures.add("total-errors-logged")
        if not self.tolerant:
            fatal = TaskFailedError("Tolerance exceeded in error handler")
            if isinstance(failure.record, Consumed):  # of others, values are part of the text
                fatal.add_note(f"stage {failure.stage}, {failure.record}")
            fatal.add_note(_WAY_OUT)
            raise fatal from failure.error
        self._figures.add("total-records-skipped")

    def _retried(self, operation: Callable[[], T]) -> T:
        started = self._clock.monotonic_s()
        attempt = 0
        while True:
            attempt += 1
            try:
                return operation()
            except RetriableError:
                delay_ms = self._delay_ms(attempt, started)
                if delay_ms is None:
                    raise
                self._figures.add("total-record-failures")
                if self._wait(delay_ms / 1000):
                    # not skipped: the task ends before this record and begins there again
                    raise StoppedWhileRetrying from None
                self._figures.add("total-retries")

    def _delay_ms(self, attempt: int, started: float) -> float | None:
        delay: float = _FIRST_DELAY_MS << min(attempt - 1, 30)
        if delay > self._max_delay_ms:
            delay = self._jitter() * self._max_delay_ms
        if self._timeout_ms < 0:
            return delay
        left = self._timeout_ms - (self._clock.monotonic_s() - started) * 1000
        return min(delay, left) if left > 0 else None


class StoppedWhileRetrying(BaseException):
    """The task was asked to stop while it retried; what it holds is read again next time."""
