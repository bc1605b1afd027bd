"""One topic partition on its way into files: buffering, rotation, commit, and retries without loss.

Semantics: Confluent's TopicPartitionWriter. Before each record the writer asks whether the open files of
the partition are to be committed (`flush.size`, `rotate.interval.ms`, `rotate.schedule.interval.ms`,
schema change); it looks at whole slices of a batch where the answer cannot change inside.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime as dt
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.api.batch import NULL, Batch
from appliance.clock import Clock
from appliance.connectors.storage.commit import Committer, FinishedFile
from appliance.connectors.storage.compatibility import Mode, must_rotate
from appliance.connectors.storage.formats import Encode, Format, RecordWriter
from appliance.connectors.storage.names import committed_name
from appliance.connectors.storage.partitioner import Extractor, Partitioner, Timestamps
from appliance.connectors.storage.store import SpoolError, StoreError, spooling
from appliance.data import Schema
from appliance.data.projector import projector
from appliance.errors import DataError
from appliance.ids import TopicPartition

_REPEAT_MS: Final = 10_000
_LOG = logging.getLogger("io.confluent.connect.hdfs.TopicPartitionWriter")
_DAY_MS: Final = 86_400_000
_LEAST_ROOM: Final = 1 << 18
_NULLS: Final = frozenset((type(None), type(NULL)))


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """The parsed options that a writer follows; times in ms, -1 is off."""

    flush_size: int
    rotate_ms: int
    schedule_ms: int
    zone: dt.tzinfo
    backoff_ms: int
    pad_width: int
    compatibility: Mode
    ignore_nulls: bool
    topics_dir: str
    spool: Path
    format: Format
    partitioner: Partitioner
    extractor: Extractor
    report: Callable[[Batch, int, DataError], None]


@dataclasses.dataclass(slots=True)
class _OpenFile:
    """A growing local file; offsets inclusive."""

    path: Path
    folder: str
    writer: RecordWriter
    start: int
    end: int


class _Piece(NamedTuple):
    """What goes into one file, encoded; offsets inclusive."""

    folder: str
    content: Any
    records: int
    start: int
    end: int


class PartitionWriter:
    """Takes the batches of one topic partition. Used on the task's thread.

    A local file that could not be written or read is of no use, nor are the others of its rotation: all of
    them are dropped, and their records are read again.
    """

    def __init__(
        self, partition: TopicPartition, committer: Committer, rules: Rules, clock: Clock
    ) -> None:
        """Begin unrecovered; `progress` recovers first."""
        self.partition = partition
        self.paused = False
        self.committed_offset: int | None = None
        self._committer = committer
        self._rules = rules
        self._clock = clock
        self._recovered = False
        self._first_offset: int | None = None
        """The offset of the first record taken: where reading began when nothing is committed."""
        self._next_offset = 0
        self._buffer: collections.deque[Batch] = collections.deque()
        self._open: dict[str, _OpenFile] = {}
        self._finishing: list[FinishedFile] | None = None
        self._lacking: int | None = None
        """Bytes that the spool has to take before records that were dropped are read again."""
        self._asked = 0
        """The last `_lacking` since something was committed."""
        self._count = 0
        self._schema: Schema | None = None
        self._encode: Encode | None = None
        self._last_rotate_ms: int | None = None
        self._next_schedule_ms: int | None = None
        self._retry_at_ms = 0
        self._said: tuple[Any, Any] | None = None
        self._said_ms = 0
        self._files_made = 0

    def recover(self) -> int | None:
        """Take the partition over; give the offset to seek to, None to stay where the group is.

        Raises StoreError; may be called again.
        """
        self._probe()
        position = self._committer.recover()
        self._recovered = True
        if position is not None:
            self.committed_offset = position
        return self._begin_again()

    def read_again(self) -> int | None:
        """Give the offset to seek to when records were dropped and there is room for them now.

        Raises SpoolError while there is not.
        """
        if self._lacking is None:
            return None
        self._probe()
        return self._begin_again()

    def _begin_again(self) -> int | None:
        """Forget what was taken and not committed; give the offset to seek to."""
        self._drop()
        self._lacking = None
        position = self._first_offset if self.committed_offset is None else self.committed_offset
        self._next_offset = position or 0
        self._restart_timers()
        return position

    def _probe(self) -> None:
        """Find out whether the spool takes the bytes that it lacked room for. Raises SpoolError."""
        if self._lacking is None:
            return
        rules = self._rules
        path = rules.spool / f"{self.partition.topic}+{self.partition.partition}-probe"
        with spooling(path):
            rules.spool.mkdir(parents=True, exist_ok=True)
            try:
                with path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, self._lacking)
            finally:
                path.unlink(missing_ok=True)

    @property
    def recovered(self) -> bool:
        """Whether the partition has been taken over."""
        return self._recovered

    def buffer(self, batch: Batch) -> None:
        """Queue a batch; `progress` writes it. Before `read_again` has given an offset it is dropped."""
        if self._lacking is not None or not batch.offsets:
            return
        if self._first_offset is None:
            self._first_offset = batch.offsets[0]
        self._buffer.append(batch)

    def due(self) -> bool:
        """Whether the pause after a store error is over."""
        return self._clock.now_ms() >= self._retry_at_ms

    def failed(self, error: StoreError) -> None:
        """Note a store error: nothing is tried before `retry.backoff.ms` is over.

        The same trouble is told once in ten seconds.
        """
        now_ms = self._clock.now_ms()
        self._retry_at_ms = now_ms + self._rules.backoff_ms
        cause = error.__cause__ or error
        alike = (type(cause), getattr(cause, "errno", None))
        if self._said == alike and now_ms - self._said_ms < _REPEAT_MS:
            return
        self._said, self._said_ms = alike, now_ms
        _LOG.warning(
            "%s; trying again every %d ms partition=%s",
            error,
            self._rules.backoff_ms,
            self.partition,
        )

    def progress(self) -> None:
        """Write what is buffered and rotate where it is time.

        Raises SpoolError (`read_again` or, where a commit was under way, `recover` has to follow),
        StoreError or ConnectError.
        """
        try:
            self._progress()
        except SpoolError:
            # of a commit that has begun, files may be visible already
            self._recovered = self._finishing is None
            # Parquet shows what it needs only at the end: ask for more each time
            least = _LEAST_ROOM + sum(map(_length, self._open.values()))
            self._lacking = self._asked = max(least, 2 * self._asked)
            self._drop()
            raise

    def _progress(self) -> None:
        if self._finishing is not None:
            self._commit()
        while self._buffer:
            # what is reported here is not reported again when the store fails next
            batch, timestamps = self._timed(self._writeable(self._buffer[0]))
            self._buffer[0] = batch
            if len(batch):
                self._write(batch, timestamps)
            self._buffer.popleft()
        if self._open and self._time_to_rotate(None):
            self._rotate()
        self._tick_schedule()

    def _write(self, batch: Batch, timestamps: Timestamps) -> None:
        self._rotate_for_schema(batch)
        at = 0
        while at < len(batch):
            if self._open and self._time_to_rotate(_at(timestamps, at)):
                self._rotate(_at(timestamps, at))
            end = self._slice_end(batch, timestamps, at)
            self._write_slice(batch, timestamps, at, end)
            at = end
            if self._count >= self._rules.flush_size:
                self._rotate()

    def _writeable(self, batch: Batch) -> Batch:
        """Give the rows that are new and not null; of a batch as a rule, all."""
        offsets = batch.offsets
        if not offsets:
            return batch
        if offsets[0] >= self._next_offset and _NULLS.isdisjoint(map(type, batch.values)):
            return batch
        rows = [row for row in range(len(batch)) if offsets[row] >= self._next_offset]
        rows = [row for row in rows if not self._is_null(batch, row)]
        if not rows:
            self._next_offset = max(self._next_offset, offsets[-1] + 1)
        return batch.take(rows)

    def _is_null(self, batch: Batch, row: int) -> bool:
        value = batch.values[row]
        if value is not None and value is not NULL:
            return False
        if not self._rules.ignore_nulls:
            error = DataError(
                "Null valued records are not writeable; set behavior.on.null.values=ignore to skip them"
            )
            self._rules.report(batch, row, error)
        return True

    def _timed(self, batch: Batch) -> tuple[Batch, Timestamps]:
        """Give the rows that have a readable time with their times; the others are reported."""
        timestamps = self._rules.extractor.timestamps
        try:
            return batch, timestamps(batch)
        except DataError:
            batch = self._sound(batch, lambda row: timestamps(batch.take([row])))
            return batch, timestamps(batch) if len(batch) else []

    def _sound(self, batch: Batch, check: Callable[[int], object]) -> Batch:
        """Give the rows for which `check` raises no DataError; the others are reported."""
        sound = []
        for row in range(len(batch)):
            try:
                check(row)
            except DataError as error:
                self._rules.report(batch, row, error)
            else:
                sound.append(row)
        return batch.take(sound)

    def _rotate_for_schema(self, batch: Batch) -> None:
        schema = batch.value_schema
        try:
            rotates = self._open and must_rotate(self._rules.compatibility, schema, self._schema)
        except DataError as error:
            raise DataError(
                f"{error}: offset {(batch.offsets or '?')[0]} of {self.partition}; repair or skip the record "
                "(the consumer group's offset), or use schema.compatibility=NONE where versions are missing"
            ) from error
        if rotates:
            self._rotate()
        if not self._open:
            if schema != self._schema:
                self._encode = None
            self._schema = schema

    def _slice_end(self, batch: Batch, timestamps: Timestamps, start: int) -> int:
        end = min(len(batch), start + self._rules.flush_size - self._count)
        if self._rules.rotate_ms > 0 and isinstance(timestamps, list):
            last = self._last_rotate_ms
            for row in range(start, end):
                moment = timestamps[row]
                if last is None:
                    last = self._last_rotate_ms = moment
                elif (
                    moment is not None and moment - last >= self._rules.rotate_ms and (row > start)
                ):
                    return row
        return end

    def _write_slice(self, batch: Batch, timestamps: Timestamps, start: int, end: int) -> None:
        """Write rows `start` to `end`; those that cannot be written are reported one by one."""
        part = batch if (start, end) == (0, len(batch)) else batch.take(range(start, end))
        times = timestamps[start:end] if isinstance(timestamps, list) else timestamps
        try:
            pieces = self._encoded(part, times)
        except DataError:
            pieces = self._encoded_singly(part, times)
        for piece in pieces:
            self._append(piece)
        offsets = batch.offsets
        if offsets is not None:
            self._next_offset = offsets[end - 1] + 1

    def _encoded_singly(self, part: Batch, timestamps: Timestamps) -> list[_Piece]:
        pieces: list[_Piece] = []

        def encode(row: int) -> None:
            moment = _at(timestamps, row)
            times = [moment] if isinstance(timestamps, list) else timestamps
            pieces.extend(self._encoded(part.take([row]), times))

        self._sound(part, encode)
        return pieces

    def _encoded(self, batch: Batch, timestamps: Timestamps) -> list[_Piece]:
        """Give the rows by folder, in the form of the open files. Raises DataError."""
        partition = self.partition
        folders = self._rules.partitioner.folders(batch, partition.partition, timestamps)
        values = batch.values
        if batch.value_schema is not self._schema and batch.value_schema and self._schema:
            project = projector(batch.value_schema, self._schema)
            values = [row if row is None or row is NULL else project(row) for row in values]
        encode = self._encode
        if encode is None:
            encode = self._encode = self._rules.format.encoder(partition.topic, self._schema)
        offsets = batch.offsets or ()
        if isinstance(folders, str):
            return [_Piece(folders, encode(values), len(values), offsets[0], offsets[-1])]
        groups: dict[str, list[int]] = {}
        for row, folder in enumerate(folders):
            groups.setdefault(folder, []).append(row)
        return [
            _Piece(
                folder,
                encode([values[row] for row in rows] if len(groups) > 1 else values),
                len(rows),
                offsets[rows[0]],
                offsets[rows[-1]],
            )
            for folder, rows in groups.items()
        ]

    def _append(self, piece: _Piece) -> None:
        file = self._open.get(piece.folder)
        if file is None:
            file = self._open[piece.folder] = self._begin_file(piece.folder, piece.start)
        with spooling(file.path):
            file.writer.write(piece.content)
        file.end = piece.end
        self._count += piece.records

    def _begin_file(self, folder: str, start: int) -> _OpenFile:
        rules = self._rules
        self._files_made += 1
        name = f"{self.partition.topic}+{self.partition.partition}-{self._files_made}{rules.format.extension}"
        path = rules.spool / name
        with spooling(path):
            rules.spool.mkdir(parents=True, exist_ok=True)
            return _OpenFile(path, folder, rules.format.open(path, self._schema), start, start)

    def _time_to_rotate(self, timestamp: int | None) -> bool:
        rules = self._rules
        now = self._clock.now_ms()
        if self._next_schedule_ms is not None and now >= self._next_schedule_ms:
            return True
        if rules.rotate_ms <= 0 or self._last_rotate_ms is None:
            return False
        moment = timestamp if rules.extractor.by_record else now
        return moment is not None and moment - self._last_rotate_ms >= rules.rotate_ms

    def _rotate(self, timestamp: int | None = None) -> None:
        """Close the open files and commit them together."""
        files = []
        for file in self._open.values():
            with spooling(file.path):
                length = file.writer.close()
            files.append(FinishedFile(file.path, self._target(file), file.start, file.end, length))
        self._open.clear()
        self._finishing = files
        self._count = 0
        self._restart_timers(timestamp)
        self._commit()

    def _target(self, file: _OpenFile) -> str:
        rules = self._rules
        topic, number = self.partition
        name = committed_name(
            topic, number, file.start, file.end, rules.pad_width, rules.format.extension
        )
        return f"{rules.topics_dir}/{topic}/{file.folder}/{name}"

    def _commit(self) -> None:
        files = self._finishing or []
        if files:
            self._committer.commit(files)
            self.committed_offset = max(file.end for file in files) + 1
        self._asked = 0
        self._finishing = None
        for file in files:
            _remove(file.local)

    def _restart_timers(self, timestamp: int | None = None) -> None:
        rules = self._rules
        now = self._clock.now_ms()
        self._last_rotate_ms = timestamp if rules.extractor.by_record else now
        self._next_schedule_ms = (
            next_schedule(now, rules.schedule_ms, rules.zone) if rules.schedule_ms > 0 else None
        )

    def _tick_schedule(self) -> None:
        """An expired timer with nothing open just begins again."""
        if not self._open and self._time_to_rotate(None):
            self._restart_timers()

    def discard(self) -> None:
        """Drop what is not committed: it is read again by the next owner."""
        self._drop()

    def _drop(self) -> None:
        for file in self._open.values():
            file.writer.abandon()
            _remove(file.path)
        for finished in self._finishing or []:
            _remove(finished.local)
        self._open.clear()
        self._finishing = None
        self._count = 0
        self._buffer.clear()


def _remove(path: Path) -> None:
    """Remove a local file; where that is impossible, the next start of the task does it."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _length(file: _OpenFile) -> int:
    try:
        return file.path.stat().st_size
    except OSError:
        return 0


def _at(timestamps: Timestamps, row: int) -> int | None:
    return timestamps[row] if isinstance(timestamps, list) else timestamps


def next_schedule(now_ms: int, interval_ms: int, zone: dt.tzinfo) -> int:
    """Give the next multiple of the interval after local midnight, at latest the next midnight."""
    now = dt.datetime.fromtimestamp(now_ms / 1000, zone)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start_ms = int(midnight.timestamp() * 1000)
    tomorrow = (midnight + dt.timedelta(days=1)).replace(hour=0)
    following = start_ms + ((now_ms - start_ms) // interval_ms + 1) * interval_ms
    return min(following, int(tomorrow.timestamp() * 1000))
