"""Tasks: the parts of a connector that move data, each in one plain loop on one thread."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from appliance.api.batch import Batch
from appliance.ids import ConnectorTaskId, TopicPartition


class TaskContext(Protocol):
    """What the runtime gives every task."""

    @property
    def id(self) -> ConnectorTaskId:
        """Give connector name and task number."""

    @property
    def config(self) -> Mapping[str, str]:
        """Give the task's configuration, providers resolved."""

    @property
    def stopping(self) -> bool:
        """Whether the task has been asked to stop; a task that waits looks at it often."""

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`, less when asked to stop; give `stopping`."""

    def set_metric(self, name: str, value: float) -> None:
        """Publish a figure of the task's own (lag, position); cheap, at most a few times a second."""

    def set_trouble(self, trouble: str | None) -> None:
        """Say what a task that runs waits for and tries again (a sentence), None when it works again."""


class SourceTaskContext(TaskContext, Protocol):
    """What the runtime gives a source task."""

    def offsets(self, partitions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
        """Give the stored offset of each source partition (None: none stored)."""

    def client_config(self, prefix: str) -> dict[str, Any]:
        """Give the worker's Kafka connection settings (bootstrap, security) for clients of its own."""


class SourceTask(abc.ABC):
    """Reads from a system and gives batches. All methods run on the task's thread except `stop`.

    A task may tell in `has_more`, after each poll, whether the next one gives more, or nothing, without
    waiting: then records wait for company on their way to the broker, otherwise they leave at once. None,
    a task that does not tell: records wait for `linger.ms`.
    """

    has_more: bool | None = None

    @abc.abstractmethod
    def start(self, context: SourceTaskContext, config: Mapping[str, str]) -> None:
        """Begin at the stored offsets. Raises ConnectError."""

    @abc.abstractmethod
    def poll(self) -> list[Batch]:
        """Give what is there, in order, waiting up to about a second for something; [] is nothing.

        Raises RetriableError to be called again after a pause.
        """

    def commit(self) -> None:
        """Everything returned by earlier polls is in Kafka and its offsets are stored."""

    def stop(self) -> None:
        """Ask a running poll to return soon; any thread, only sets a flag or closes a socket."""

    def close(self) -> None:
        """Give back everything; called once, after the last poll and commit, also after a failure."""


class ErrantRecordReporter(Protocol):
    """Takes records that a sink task cannot write (dead letter queue, log)."""

    def report(self, batch: Batch, row: int, error: BaseException) -> None:
        """Hand over one row. Raises TaskFailedError when errors are not tolerated."""


class SinkTaskContext(TaskContext, Protocol):
    """What the runtime gives a sink task."""

    @property
    def state_folder(self) -> Path:
        """Give the local folder that is this task's alone on this host; it need not exist yet."""

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """Give the partitions the task owns now."""

    @property
    def errant_record_reporter(self) -> ErrantRecordReporter | None:
        """Give the reporter, or None when neither dead letter queue nor error log is configured."""

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets at the next poll."""

    def retry_in(self, timeout_ms: int) -> None:
        """Offer a batch again after `timeout_ms` when `put` raises RetriableError."""

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Do not consume these partitions until resumed."""

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Consume these partitions again."""

    def request_commit(self) -> None:
        """Commit soon instead of at the next tick."""


class SinkTask(abc.ABC):
    """Writes batches to a system. All methods run on the task's thread except `stop`."""

    @abc.abstractmethod
    def start(self, context: SinkTaskContext, config: Mapping[str, str]) -> None:
        """Begin; no partitions are assigned yet. Raises ConnectError."""

    def open(self, partitions: Sequence[TopicPartition]) -> None:
        """Take over these partitions, in addition to those already open; may `seek`."""

    @abc.abstractmethod
    def put(self, batches: list[Batch]) -> None:
        """Take batches in order; called with [] when nothing came, so that timers can fire.

        Raises RetriableError to be offered the same list again.
        """

    def pre_commit(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """Make durable; give the next offset to consume per partition, up to which all is safe.

        `offsets` is what was consumed. The default flushes and gives it back.
        """
        self.flush(offsets)
        return offsets

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Make everything put so far durable."""

    def close_partitions(self, partitions: Sequence[TopicPartition]) -> None:
        """Give up these partitions; `pre_commit` was called just before unless they were lost."""

    def stop(self) -> None:
        """Ask a running put to return soon; any thread, only sets a flag."""

    def close(self) -> None:
        """Give back everything; called once, at the end, also after a failure."""
