"""What a sink task gets: its partitions, seeking, pausing, and a reporter for records it cannot write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from appliance.api import Batch, ErrantRecordReporter, SinkTask
from appliance.ids import ConnectorTaskId, TopicPartition
from appliance.runtime.assignment import Assignment
from appliance.runtime.batches import consumed
from appliance.runtime.control import Context, Control
from appliance.runtime.figures import Figures
from appliance.runtime.pipeline import SinkPipeline
from appliance.runtime.retry import TASK_PUT, Consumed, ErrorPolicy, Failure

_SINK_TASK = "org.apache.kafka.connect.sink.SinkTask"


class SinkContext(Context):
    """The context of one sink task; its own thread."""

    def __init__(
        self,
        id: ConnectorTaskId,
        config: Mapping[str, str],
        control: Control,
        figures: Figures,
        assignment: Assignment,
        state_folder: Path,
    ) -> None:
        super().__init__(id, config, control, figures)
        self.assignment_ = assignment
        self._state_folder = state_folder
        self.reporter: ErrantRecordReporter | None = None
        self._retry_ms: int | None = None
        self._commit_requested = False

    @property
    def state_folder(self) -> Path:
        """Give the local folder that is this task's alone on this host."""
        return self._state_folder

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """Give the partitions the task owns now."""
        return self.assignment_.partitions

    @property
    def errant_record_reporter(self) -> ErrantRecordReporter | None:
        """Give the reporter, or None when neither dead letter queue nor error log is configured."""
        return self.reporter

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets at the next poll."""
        self.assignment_.seek(offsets)

    def retry_in(self, timeout_ms: int) -> None:
        """Offer a batch again after `timeout_ms` when `put` raises RetriableError."""
        self._retry_ms = timeout_ms

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Do not consume these partitions until resumed."""
        self.assignment_.pause(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Consume these partitions again."""
        self.assignment_.resume(partitions)

    def request_commit(self) -> None:
        """Commit soon instead of at the next tick."""
        self._commit_requested = True

    def apply_seeks(self) -> None:
        """Carry out the seeks asked for."""
        self.assignment_.apply_seeks()

    def take_retry_s(self, default_s: float) -> float:
        """Give, and forget, the pause before the next try."""
        pause, self._retry_ms = self._retry_ms, None
        return default_s if pause is None or pause < 0 else pause / 1000

    def take_commit_request(self) -> bool:
        """Give, and forget, whether a commit was asked for."""
        requested, self._commit_requested = self._commit_requested, False
        return requested


class Reporter:
    """The errant record reporter of one task."""

    def __init__(
        self,
        pipeline: SinkPipeline,
        assignment: Assignment,
        errors: ErrorPolicy,
        task: SinkTask,
    ) -> None:
        self._pipeline = pipeline
        self._assignment = assignment
        self._errors = errors
        self._task = task

    def report(self, batch: Batch, row: int, error: BaseException) -> None:
        """Hand over one row. Raises TaskFailedError when errors are not tolerated."""
        record = self._as_consumed(batch, row) or self._pipeline.raw(batch, row)
        self._errors.failed(Failure(TASK_PUT, _SINK_TASK, error, record))

    def _as_consumed(self, batch: Batch, row: int) -> Consumed | None:
        """Give the record with its own bytes while its message is still at hand."""
        if batch.offsets is None:
            return None
        partition = TopicPartition(
            batch.original_topic or batch.topic_at(row), batch.original_partition or 0
        )
        messages = self._assignment.messages.get(partition, [])
        offset = batch.offsets[row]
        low = next((m for m in messages if m.offset() == offset), None)
        return None if low is None else consumed(low)
