"""The sink task of the file-writing connectors: one writer per assigned topic partition."""

from __future__ import annotations

import abc
import logging
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from appliance.api.batch import Batch
from appliance.api.task import SinkTask, SinkTaskContext
from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.config.define import ConfigDef
from appliance.connectors.storage import config as keys
from appliance.connectors.storage.commit import Committer
from appliance.connectors.storage.compatibility import parse_mode
from appliance.connectors.storage.formats import find_format
from appliance.connectors.storage.partitioner import (
    Extractor,
    by_time,
    make_partitioner,
    partitioner_name,
    zone_of,
)
from appliance.connectors.storage.store import Store, StoreError
from appliance.connectors.storage.topicfolders import topic_folder, topic_groups
from appliance.connectors.storage.writer import PartitionWriter, Rules
from appliance.errors import DISK_FULL, ConnectError, DataError
from appliance.ids import TopicPartition

_LOG = logging.getLogger("io.confluent.connect.hdfs.DataWriter")
_TAKEOVERS = 8


def spool_folder(configured: str, own: Path) -> Path:
    """Give the task's local folder for growing files, empty: `own`, or one of its name elsewhere.

    Where a full disk lets none be made, the first file waits for it. Raises ConnectError.
    """
    folder = Path(configured, own.name) if configured else own
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise ConnectError(
                f"making the spool folder {folder}: {error.strerror}; set spool.dir or appliance.state.dir"
            ) from error
    return folder


class StorageSinkTask(SinkTask):
    """Writes records into files of a store, each exactly once."""

    clock: Clock = SYSTEM_CLOCK

    @abc.abstractmethod
    def config_def(self) -> ConfigDef:
        """Give the connector's options."""

    @abc.abstractmethod
    def open_store(self, parsed: Mapping[str, Any]) -> tuple[Store, str]:
        """Give the store and the root folder in it. Raises ConnectError."""

    def start(self, context: SinkTaskContext, config: Mapping[str, str]) -> None:
        """Make format, partitioner and store. Raises ConfigError."""
        self._context = context
        self._parsed = parsed = self.config_def().parse(config)
        self._writers: dict[TopicPartition, PartitionWriter] = {}
        self._store, self._root = self.open_store(parsed)
        self._spool = spool_folder(parsed[keys.SPOOL_DIR], context.state_folder)
        self._format = find_format(parsed[keys.FORMAT_CLASS])(parsed)
        self._partitioner = make_partitioner(parsed)
        self._groups = topic_groups(parsed[keys.CAPTURE_REGEX])
        timed = by_time(partitioner_name(parsed[keys.PARTITIONER]))
        extractor = parsed[keys.EXTRACTOR] if timed else "Wallclock"
        self._extractor = Extractor(extractor, parsed[keys.TIMESTAMP_FIELD], self.clock)

    def open(self, partitions: Sequence[TopicPartition]) -> None:
        """Take over partitions, each at the offset after its last committed file.

        A takeover is a chain of questions to the store, so that several at a time take little longer than
        one; a rebalance waits for all of them.
        """
        new = [self._writer(partition) for partition in partitions]
        self._writers.update((writer.partition, writer) for writer in new)
        with ThreadPoolExecutor(min(_TAKEOVERS, max(1, len(new))), "takeover") as pool:
            outcomes = list(pool.map(self._recovered, new))
        for writer, outcome in zip(new, outcomes, strict=True):
            if isinstance(outcome, StoreError):
                self._trouble(writer, outcome)
            else:
                self._begin(writer, outcome)

    def _writer(self, partition: TopicPartition) -> PartitionWriter:
        topics_dir = self._folder(self._parsed[keys.TOPICS_DIR], partition.topic)
        logs_dir = self._folder(self._parsed[keys.LOGS_DIR], partition.topic)
        committer = Committer(self._store, partition, topics_dir, logs_dir)
        return PartitionWriter(partition, committer, self._rules(topics_dir), self.clock)

    def _recovered(self, writer: PartitionWriter) -> int | StoreError | None:
        """Take one partition over, on a thread of the pool."""
        if self._context.stopping:
            return None
        try:
            return writer.recover()
        except StoreError as error:
            return error

    def _folder(self, configured: str, topic: str) -> str:
        match = self._groups(topic) if self._groups else None
        folder = topic_folder(configured, topic, match)
        return f"{self._root.rstrip('/')}/{folder.strip('/')}"

    def _rules(self, topics_dir: str) -> Rules:
        parsed = self._parsed
        return Rules(
            flush_size=parsed[keys.FLUSH_SIZE],
            rotate_ms=parsed[keys.ROTATE_MS],
            schedule_ms=parsed[keys.SCHEDULE_MS],
            zone=zone_of(parsed[keys.TIMEZONE]),
            backoff_ms=parsed[keys.BACKOFF_MS],
            pad_width=parsed[keys.PAD_WIDTH],
            compatibility=parse_mode(parsed[keys.COMPATIBILITY]),
            ignore_nulls=parsed[keys.NULL_VALUES].lower() == "ignore",
            topics_dir=topics_dir,
            spool=self._spool,
            format=self._format,
            partitioner=self._partitioner,
            extractor=self._extractor,
            report=self._report,
        )

    def _report(self, batch: Batch, row: int, error: DataError) -> None:
        reporter = self._context.errant_record_reporter
        if reporter is None:
            topic, partition = self._partition_of(batch)
            offset = batch.offsets[row] if batch.offsets is not None else "?"
            raise ConnectError(
                f"writing the record at offset {offset} of topic {topic}, partition {partition}: {error}"
            ) from error
        reporter.report(batch, row, error)

    def put(self, batches: list[Batch]) -> None:
        """Buffer the batches and write what can be written; called with [] so that timers fire."""
        for batch in (given.expanded() for given in batches):
            writer = self._writers.get(self._partition_of(batch))
            if writer is not None and writer.recovered:
                writer.buffer(batch)
        for writer in self._writers.values():
            self._advance(writer)

    @staticmethod
    def _partition_of(batch: Batch) -> TopicPartition:
        topic = batch.original_topic or batch.topic_at(0)
        partition = (
            batch.partition_at(0) if batch.original_partition is None else batch.original_partition
        )
        return TopicPartition(topic, partition or 0)

    def _advance(self, writer: PartitionWriter) -> None:
        """Recover or write; after a store error the partition is paused until it works again.

        Nothing is begun once the task is to stop: whoever gets the partition next reads all that is not
        committed, and a rebalance waits for the slowest task.
        """
        if self._context.stopping or not writer.due():
            return
        try:
            if not writer.recovered:
                self._begin(writer, writer.recover())
            again = writer.read_again()
            if again is not None:
                self._context.seek({writer.partition: again})
            writer.progress()
        except StoreError as error:
            self._trouble(writer, error)
            return
        if writer.paused:
            writer.paused = False
            self._context.resume([writer.partition])
            if not any(other.paused for other in self._writers.values()):
                self._context.set_trouble(None)

    def _trouble(self, writer: PartitionWriter, error: StoreError) -> None:
        writer.failed(error)
        self._context.set_trouble(str(error))
        if not writer.paused:
            writer.paused = True
            self._context.pause([writer.partition])

    def _begin(self, writer: PartitionWriter, position: int | None) -> None:
        """Read on after the last committed file."""
        if not writer.recovered:
            return
        if position is not None:
            self._context.seek({writer.partition: position})
        _LOG.info("Took over a partition partition=%s position=%s", writer.partition, position)

    def pre_commit(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """Give the offset after the last committed file of each partition."""
        return {
            partition: writer.committed_offset
            for partition, writer in self._writers.items()
            if writer.committed_offset is not None and partition in offsets
        }

    def close_partitions(self, partitions: Sequence[TopicPartition]) -> None:
        """Give partitions up; what is not committed is read again by the next owner."""
        for partition in partitions:
            writer = self._writers.pop(partition, None)
            if writer is not None:
                writer.discard()

    def close(self) -> None:
        """Remove the spool and close the store."""
        for writer in getattr(self, "_writers", {}).values():
            writer.discard()
        if hasattr(self, "_spool"):
            shutil.rmtree(self._spool, ignore_errors=True)
        if hasattr(self, "_store"):
            self._store.close()
