"""A sink task's loop: consume, decode, put; and at each tick pre_commit, then commit.

Killed between any two lines, it repeats what came after the last committed offset and loses nothing: only
offsets that the task declared safe are committed.

Semantics: Kafka Connect 4.3.1 WorkerSinkTask. Thread: one per task.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from appliance.api import Batch, SinkTask
from appliance.channel import Figures as FiguresMessage
from appliance.channel import StartTask, TaskStatus, TopicUsed
from appliance.clock import Clock
from appliance.config.connector import ConnectorConfig
from appliance.config.worker import WorkerConfig
from appliance.errors import ConnectError, RetriableError
from appliance.ids import State, TopicPartition
from appliance.lockfile import task_name
from appliance.runtime.assignment import Assignment
from appliance.runtime.control import Control, Report, Ticker
from appliance.runtime.dlq import DeadLetterQueue
from appliance.runtime.figures import UNKNOWN, Figures
from appliance.runtime.pipeline import SinkPipeline
from appliance.runtime.plugins import imported
from appliance.runtime.retry import ErrorPolicy, LogReporter, StoppedWhileRetrying
from appliance.runtime.sinkcontext import Reporter, SinkContext

log = logging.getLogger("org.apache.kafka.connect.runtime.WorkerSinkTask")

POLL_S = 0.5
IDLE_POLL_S = 2.0
"""The wait when nothing came last time: figures are not news then."""
JOINING_POLL_S = 0.05
JOINING_POLLS = 200
RETRY_PAUSE_S = 1.0
LAPSED_COMMIT_S = 0.5


class Notes(Protocol):
    """Notes that outlive the process.

    A note stays after an orderly end too: when the broker was away, the group was not left, whatever the
    consumer did, and the next member would wait for the session of this one to end.
    """

    def left_behind(self) -> list[str]:
        """Take the notes of former processes of this connector on this host."""

    def set_note(self, text: str) -> None:
        """Note lines, each of which `left_behind` gives later."""


class SinkRunner:
    """Runs one sink task from start to end."""

    def __init__(
        self,
        start: StartTask,
        worker: WorkerConfig,
        control: Control,
        report: Report,
        clock: Clock,
        notes: Notes,
    ) -> None:
        """Parse the configuration. Raises ConfigError."""
        self._notes = notes
        self._start = start
        self._worker = worker
        self._control = control
        self._report = report
        self._clock = clock
        self.config = ConnectorConfig(start.connector_config, "sink")
        self._commit_every_s = worker.seconds("offset.flush.interval.ms")
        self._commit_timeout_s = worker.seconds("offset.flush.timeout.ms")
        now_s = clock.monotonic_s()
        self.figures = Figures(
            now_s,
            (
                "sink-record-read",
                "sink-record-send",
                "offset-commit-completion",
                "offset-commit-skip",
            ),
        )
        self.figures.gauges["offset-commit-seq-no"] = 0
        self._ticker = Ticker(start.id, self.figures, clock, self._publish)
        self.errors = ErrorPolicy(self.config, self.figures, clock, control.wait)
        self._queue: DeadLetterQueue | None = None
        self._next_commit_s = now_s + self._commit_every_s
        self._held: list[Batch] | None = None
        self._member = ""
        self._left_behind: list[str] = []
        self._joining_polls = JOINING_POLLS
        self._idle = False
        self._held_next: dict[TopicPartition, int] = {}
        self._retry_at_s = 0.0
        self._topics: set[str] = set()
        self._shown: State | None = None
        self._task: SinkTask | None = None

    def run(self) -> None:
        """Run until stopped. Raises what the task fails with."""
        self._report_errors()
        pipeline = SinkPipeline.build(self._worker, self.config, self._start.plugins, self.errors)
        ref = self._start.plugins["task"]
        task: SinkTask = imported(ref.task or ref.target)()
        self._task = task
        assignment = Assignment(self._start.id, self.config, self._worker, task, self)
        name = task_name(self._worker.group_id, self._start.id)
        context = SinkContext(
            self._start.id,
            self._start.config,
            self._control,
            self.figures,
            assignment,
            self._worker.state_dir / "tasks" / name,
        )
        if self.errors.reporters:
            context.reporter = Reporter(pipeline, assignment, self.errors, task)
        started = not self._control.stopping
        try:
            if started:
                task.start(context, self._start.config)
            self._left_behind = assignment.dismiss(self._notes.left_behind())
            self._write_note()
            assignment.subscribe()
            self._loop(task, pipeline, assignment, context)
        finally:
            for close in (
                self._tell_figures,
                # stopped while joining, it may not get out of the group by itself
                partial(self._note_member, assignment),
                assignment.close,
                *((task.close,) if started else ()),
                pipeline.close,
                self._close_queue,
            ):
                try:
                    close()
                except Exception:
                    log.exception("%s: closing failed", self._start.id)

    def _tell_figures(self) -> None:
        """Tell what was counted since the last second, the record that the task failed with among it."""
        self._ticker.publish(self._clock.monotonic_s())

    def stop(self) -> None:
        """Ask the task to return from put soon; any thread, after `Control.stop`."""
        if self._task is not None:
            self._task.stop()

    def _loop(
        self,
        task: SinkTask,
        pipeline: SinkPipeline,
        assignment: Assignment,
        context: SinkContext,
    ) -> None:
        try:
            while self._goes_on():
                paused = self._control.paused
                self._show(State.PAUSED if paused else State.RUNNING)
                assignment.set_paused(paused or self._held is not None)
                self._turn(task, pipeline, assignment, context, paused=paused)
                self._tick(task, assignment, context, paused=paused)
        except StoppedWhileRetrying:
            log.info("%s: stopped in the middle of a batch, which is read again", self._start.id)
        timeout_s = LAPSED_COMMIT_S if self._control.lapsed else self._commit_timeout_s
        self._held = None
        if not self._control.lapsed:
            self.commit(assignment, None, timeout_s, closing=True)

    def _goes_on(self) -> bool:
        # in this order: what is asked for after the look must end the next wait
        self._control.news = False
        return not self._control.stopping

    def _turn(
        self,
        task: SinkTask,
        pipeline: SinkPipeline,
        assignment: Assignment,
        context: SinkContext,
        *,
        paused: bool,
    ) -> None:
        messages = assignment.poll(self._wait_s(), self._control)
        self._idle = not messages
        self._note_member(assignment)
        batches, after = self._decoded(pipeline, messages)
        if self._held is not None:
            # a partition that was assigned in between may have brought something
            self._held += batches
            self._held_next |= after
            if self._clock.monotonic_s() < self._retry_at_s or paused:
                return
            batches, after = self._held, self._held_next
        elif paused and not batches:
            return
        if self._put(task, batches, after, context):
            self._held = None
            assignment.delivered(after)

    def _wait_s(self) -> float:
        now_s = self._clock.monotonic_s()
        wait_s = min(IDLE_POLL_S, self._next_commit_s - now_s) if self._idle else POLL_S
        if not self._member and self._joining_polls:
            self._joining_polls -= 1
            wait_s = JOINING_POLL_S
        if self._held is not None:
            wait_s = min(wait_s, self._retry_at_s - now_s)
        return max(0.0, wait_s)

    def _note_member(self, assignment: Assignment) -> None:
        """Note the member id as soon as there is one: killed before, it would hold up the next one."""
        member = assignment.member_id()
        if member != self._member:
            self._member = member
            self._left_behind = assignment.dismiss(self._left_behind)
            self._write_note()

    def _write_note(self) -> None:
        self._notes.set_note(
            "\n".join(name for name in (*self._left_behind, self._member) if name)
        )

    def _decoded(
        self, pipeline: SinkPipeline, groups: dict[TopicPartition, list[Any]]
    ) -> tuple[list[Batch], dict[TopicPartition, int]]:
        batches: list[Batch] = []
        after: dict[TopicPartition, int] = {}
        for partition, messages in groups.items():
            self.figures.totals["sink-record-read-total"] += len(messages)
            if partition.topic not in self._topics:
                self._topics.add(partition.topic)
                self._report(TopicUsed(self._start.id, partition.topic))
            batches += pipeline.decode(partition.topic, partition.partition, messages)
            after[partition] = messages[-1].offset() + 1
        return batches, after

    def _put(
        self,
        task: SinkTask,
        batches: list[Batch],
        after: dict[TopicPartition, int],
        context: SinkContext,
    ) -> bool:
        """Give whether the task took them; if not, they are held for another try."""
        before = self._clock.monotonic_s()
        try:
            task.put(batches)
        except RetriableError as error:
            self._held, self._held_next = batches, after
            pause_s = context.take_retry_s(RETRY_PAUSE_S)
            self._retry_at_s = self._clock.monotonic_s() + pause_s
            self.figures.set_trouble(str(error))
            log.warning(
                "%s: put failed and is repeated in %.1f s: %s", self._start.id, pause_s, error
            )
            return False
        except Exception as error:
            raise ConnectError("Exiting WorkerSinkTask due to unrecoverable exception.") from error
        if self._held is not None:
            self.figures.set_trouble(None)
        if batches:
            records = sum(map(len, batches))
            self.figures.totals["sink-record-send-total"] += records
            self.figures.sampled("batch-size").record(records)
            took_ms = (self._clock.monotonic_s() - before) * 1000
            self.figures.sampled("put-batch", "-time-ms").record(took_ms)
        return True

    def forget(self, partitions: frozenset[TopicPartition]) -> None:
        """Drop what is held of partitions that are no longer ours; called by the assignment."""
        if self._held is not None:
            self._held = [
                batch
                for batch in self._held
                if TopicPartition(str(batch.original_topic), batch.original_partition or 0)
                not in partitions
            ]
            self._held_next = {
                tp: offset for tp, offset in self._held_next.items() if tp not in partitions
            }

    def _tick(
        self, task: SinkTask, assignment: Assignment, context: SinkContext, *, paused: bool
    ) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._next_commit_s or context.take_commit_request():
            self.commit(assignment, None, self._commit_timeout_s, closing=False)
            self._next_commit_s = self._clock.monotonic_s() + self._commit_every_s
        context.apply_seeks()
        if self._ticker.tick(now_s, paused=paused):
            self.figures.gauges["partition-count"] = len(assignment.partitions)
            self.figures.gauges["partitions"] = " ".join(
                f"{place.topic}/{place.partition}" for place in assignment.partitions
            )
            behind = assignment.behind(now_s)
            self.figures.gauges["sink-record-lag-max"] = (
                UNKNOWN if behind is None else max(behind, default=0)
            )
            self.figures.gauges["records_behind"] = UNKNOWN if behind is None else sum(behind)
            active = assignment.uncommitted
            self.figures.gauges["sink-record-active-count"] = active
            self.figures.sampled("sink-record-active-count").record(active)
            self._ticker.publish(now_s)

    def commit(
        self,
        assignment: Assignment,
        partitions: frozenset[TopicPartition] | None,
        timeout_s: float,
        *,
        closing: bool,
    ) -> None:
        """Ask the task what is safe and commit that; `partitions` None: of all."""
        started_s = self._clock.monotonic_s()
        offsets = assignment.consumed(partitions)
        if not offsets or self._task is None:
            return
        try:
            if self._queue is not None and not self._queue.flush(timeout_s):
                raise RetriableError("the dead letter queue did not take all records in time")
            safe = self._task.pre_commit(offsets)
        except Exception as error:
            if closing:
                log.exception("%s: the last commit failed; records are read again", self._start.id)
            else:
                log.warning(
                    "%s: commit failed, reading on from the last one: %s", self._start.id, error
                )
                self._held = None
                assignment.rewind()
            self.count_commit(started_s, succeeded=False)
            return
        self._commit_safe(assignment, offsets, safe, timeout_s, wait=closing)

    def _commit_safe(
        self,
        assignment: Assignment,
        offsets: Mapping[TopicPartition, int],
        safe: Mapping[TopicPartition, int],
        timeout_s: float,
        *,
        wait: bool,
    ) -> None:
        good: dict[TopicPartition, int] = {}
        for partition, offset in safe.items():
            if partition in offsets and offset <= offsets[partition]:
                good[partition] = offset
            else:
                log.warning(
                    "%s: ignoring offset %d of %s, which was not consumed here",
                    self._start.id,
                    offset,
                    partition,
                )
        if not good or not assignment.commit(good, timeout_s, wait=wait):
            self.figures.totals["offset-commit-skip-total"] += 1

    def count_commit(self, started_s: float, *, succeeded: bool) -> None:
        """Count a commit that was answered or given up."""
        figures = self.figures
        took_ms = (self._clock.monotonic_s() - started_s) * 1000
        figures.sampled("offset-commit", "-time-ms").record(took_ms)
        if succeeded:
            figures.totals["offset-commit-completion-total"] += 1
            figures.gauges["last_commit_ms"] = self._clock.now_ms()
        else:
            figures.add("_failed-commits")
        good = figures.totals["offset-commit-completion-total"]
        bad = figures.totals.get("_failed-commits", 0)
        figures.gauges["offset-commit-seq-no"] = good + bad
        figures.gauges["offset-commit-success-percentage"] = round(good / (good + bad), 3)
        figures.gauges["offset-commit-failure-percentage"] = round(bad / (good + bad), 3)

    @property
    def clock(self) -> Clock:
        """Give the clock."""
        return self._clock

    @property
    def commit_timeout_s(self) -> float:
        """Give how long a commit may take."""
        return self._commit_timeout_s

    def _report_errors(self) -> None:
        if self.config["errors.log.enable"]:
            with_record = bool(self.config["errors.log.include.messages"])
            self.errors.reporters.append(LogReporter(self._start.id, with_record=with_record))
        if self.config["errors.deadletterqueue.topic.name"]:
            self._queue = DeadLetterQueue(
                self._worker, self.config, self._start.id, self.figures, self._clock
            )
            self.errors.reporters.insert(0, self._queue)

    def _close_queue(self) -> None:
        if self._queue is not None:
            self._queue.close()

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
