"""Exactly-once commit of the files of one topic partition, and recovery after any crash.

Files are staged in a folder that carries this owner's epoch and are made visible by one rename each;
when one rotation has several files, an intent file names them all first, so that either none or all of
them appear. A new owner claims the next epoch and, before it reads where to go on, renames the older
owners' staging and intent folders away and puts plain files in their place: whatever a former owner that
still runs does next fails. Every step may be repeated.

Layout, with N the epoch: `<topics.dir>/+tmp/<topic>/p<partition>/e<N>/` staged files,
`<logs.dir>/<topic>/<partition>/epoch-<N>` claim, `.../e<N>/next-<offset>` where the takeover went on,
`.../e<N>/<sequence>.commit` intents, `x<old>-<N>` folders that were moved away. What a name can say is an
empty file: on HDFS a file with a block, however small, costs its writer up to half a second.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import uuid
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.connectors.storage.names import parse_committed
from appliance.connectors.storage.store import (
    FencedError,
    SourceMissingError,
    SpoolError,
    Store,
    StoreError,
    TargetExistsError,
)
from appliance.errors import ConnectError
from appliance.ids import TopicPartition

_LOG = logging.getLogger("io.confluent.connect.hdfs.TopicPartitionWriter")
_KEPT_BLOCKS: Final = 16


@dataclasses.dataclass(frozen=True, slots=True)
class FinishedFile:
    """A closed local file and the name it gets in the store; offsets inclusive, `length` in bytes."""

    local: Path
    target: str
    start: int
    end: int
    length: int


class _Moved(NamedTuple):
    """A folder of a former epoch that was renamed away."""

    epoch: int
    folder: str


class Committer:
    """Owns one topic partition in the store. Used on one thread at a time."""

    def __init__(
        self, store: Store, partition: TopicPartition, topics_dir: str, logs_dir: str
    ) -> None:
        """Name the folders; nothing is asked of the store yet."""
        topic, number = partition
        self._store = store
        self._partition = partition
        self._data = f"{topics_dir}/{topic}"
        self._staging = f"{topics_dir}/+tmp/{topic}/p{number}"
        self._logs = f"{logs_dir}/{topic}/{number}"
        self._epoch = 0
        self._sequence = 0
        self._folders: set[str] = set()
        self._staged: dict[Path, str] = {}
        self._left_over: list[str] = []
        """What failed uploads may have left in the store."""
        self._intent_written = False
        self._last_intent: str | None = None

    def recover(self) -> int | None:
        """Take the partition over; give the offset to go on at, None when nothing was ever written.

        Raises StoreError; may be called again.
        """
        self._staged.clear()
        self._left_over.clear()
        self._intent_written = False
        self._last_intent = None
        self._epoch, older = self._claim()
        staging = self._fence(self._staging, older)
        intents = self._fence(self._logs, older)
        last = max([self._finish_intents(moved, staging) for moved in intents], default=-1)
        last = max(last, self._scan(self._data))
        self._note_next(last + 1)
        for moved in (*intents, *staging):
            self._store.delete(moved.folder)
        self._forget(older)
        return last + 1 if last >= 0 else None

    def _claim(self) -> tuple[int, list[int]]:
        """Create the marker of the next epoch; give it and the older ones."""
        while True:
            epochs = self._epochs()
            epoch = (epochs[-1] if epochs else self._last_staged()) + 1
            if self._store.create(f"{self._logs}/epoch-{epoch}", b""):
                return epoch, epochs

    def _epochs(self) -> list[int]:
        names = [entry.name for entry in self._store.list(self._logs)]
        return sorted(int(name[6:]) for name in names if re.fullmatch(r"epoch-\d+", name))

    def _last_staged(self) -> int:
        """Give the last epoch that staged files: of a partition whose folder in `logs.dir` was taken away."""
        names = [entry.name for entry in self._store.list(self._staging)]
        return max((int(name[1:]) for name in names if re.fullmatch(r"e\d+", name)), default=0)

    def _fence(self, root: str, older: list[int]) -> list[_Moved]:
        """Rename the folders of older epochs away and put plain files in their place."""
        entries = self._store.list(root)
        moved = []
        for entry in entries:
            left_over = re.fullmatch(r"x(\d+)-\d+", entry.name)
            former = re.fullmatch(r"e(\d+)", entry.name)
            if left_over and entry.is_folder:
                moved.append(_Moved(int(left_over[1]), f"{root}/{entry.name}"))
            elif former and entry.is_folder and int(former[1]) < self._epoch:
                aside = f"{root}/x{former[1]}-{self._epoch}"
                self._store.rename(f"{root}/{entry.name}", aside)
                self._store.create(f"{root}/{entry.name}", b"")
                moved.append(_Moved(int(former[1]), aside))
        present = {entry.name for entry in entries}
        for epoch in older:
            if f"e{epoch}" not in present:
                self._store.create(f"{root}/e{epoch}", b"")
        return moved

    def _finish_intents(self, intents: _Moved, staging: list[_Moved]) -> int:
        """Do the renames that a former owner announced; give the last offset announced."""
        last = -1
        for entry in self._store.list(intents.folder):
            if noted := re.fullmatch(r"next-(\d+)", entry.name):
                last = max(last, int(noted[1]) - 1)
            if not entry.name.endswith(".commit"):
                continue
            intent = json.loads(self._store.read(f"{intents.folder}/{entry.name}"))
            last = max(last, intent["next"] - 1)
            for file in intent["files"]:
                for folder in (moved.folder for moved in staging if moved.epoch == intents.epoch):
                    self._finish(f"{folder}/{file['staged']}", file)
        return last

    def _finish(self, staged: str, file: dict[str, Any]) -> None:
        if self._store.length(staged) != file["length"]:
            return
        self._make_parent(file["target"])
        self._rename(staged, file["target"], file["length"])

    def _scan(self, folder: str) -> int:
        """Give the last offset in the names of committed files, -1 when there is none."""
        last = -1
        for entry in self._store.list(folder):
            if entry.is_folder:
                last = max(last, self._scan(f"{folder}/{entry.name}"))
                continue
            file = parse_committed(entry.name)
            if file and (file.topic, file.partition) == self._partition:
                last = max(last, file.end)
        return last

    def _forget(self, older: list[int]) -> None:
        for epoch in older:
            self._store.delete(f"{self._logs}/epoch-{epoch}")
        for root in (self._staging, self._logs):
            for entry in self._store.list(root):
                if (
                    re.fullmatch(r"e\d+", entry.name)
                    and int(entry.name[1:]) < self._epoch - _KEPT_BLOCKS
                ):
                    self._store.delete(f"{root}/{entry.name}")

    def commit(self, files: list[FinishedFile]) -> None:
        """Make all files visible, or after a crash none, or the rest of them.

        Raises StoreError (call again with the same files), SpoolError (a local file cannot be read; only
        `recover` tells what became of the others) or FencedError.
        """
        try:
            for file in files:
                if file.local not in self._staged:
                    self._staged[file.local] = self._stage(file)
            if len(files) > 1 and not self._intent_written:
                self._announce(files)
            for file in files:
                self._make_parent(file.target)
                self._rename(self._staged[file.local], file.target, file.length)
        except StoreError as error:
            # a folder may have been taken away
            self._folders.clear()
            self._look_for_a_newer_owner(error)
            raise
        self._staged.clear()
        self._intent_written = False

    def _stage(self, file: FinishedFile) -> str:
        """Upload under a name that was never used before, after what a failed upload left is removed."""
        while self._left_over:
            self._store.delete(self._left_over[-1])
            self._left_over.pop()
        name = f"{uuid.uuid4()}_tmp{file.local.suffix}"
        path = f"{self._staging}/e{self._epoch}/{name}"
        self._make_parent(path)
        self._left_over.append(path)
        if (found := self._store.upload(file.local, path)) != file.length:
            raise SpoolError(
                f"the spooled file {file.local} has {found} bytes instead of the {file.length} that were "
                "written; let nobody else write there; the records are read again"
            )
        self._left_over.pop()
        return path

    def _announce(self, files: list[FinishedFile]) -> None:
        announced = [
            {
                "staged": self._staged[file.local].rpartition("/")[2],
                "target": file.target,
                "length": file.length,
                "start": file.start,
                "end": file.end,
            }
            for file in files
        ]
        previous = self._last_intent
        self._sequence += 1
        self._write_intent(
            self._sequence, {"files": announced, "next": max(file.end for file in files) + 1}
        )
        self._intent_written = True
        if previous is not None:
            self._store.delete(previous)

    def _note_next(self, offset: int) -> None:
        """Note where a takeover goes on, for the next one: the committed files may be moved away."""
        path = f"{self._logs}/e{self._epoch}/next-{offset}"
        self._make_parent(path)
        self._store.create(path, b"")

    def _write_intent(self, sequence: int, intent: dict[str, Any]) -> None:
        """Write an intent so that its name appears with its whole content."""
        folder = f"{self._logs}/e{self._epoch}"
        target = f"{folder}/{sequence}.commit"
        part = f"{folder}/{uuid.uuid4()}.part"
        data = json.dumps(intent).encode()
        self._make_parent(target)
        self._store.create(part, data)
        self._rename(part, target, len(data))
        self._last_intent = target

    def _rename(self, source: str, target: str, length: int) -> None:
        """Rename once, whatever became of an earlier attempt.

        Raises StoreError when it is to be tried again, ConnectError when another file has the name.
        """
        try:
            self._store.rename(source, target)
        except (SourceMissingError, TargetExistsError) as error:
            self._settle(source, target, length, error)

    def _settle(self, source: str, target: str, length: int, error: StoreError) -> None:
        found = self._store.length(target)
        left = self._store.length(source)
        if found == length and left is None:
            return
        if found == length and left == length:
            self._store.delete(source)
            return
        if found is not None:
            raise ConnectError(
                f"committing {target} of {self._partition}: the store has a file of that name with {found} "
                f"bytes instead of {length}; look at both it and {source}, remove one, restart the task"
            ) from error
        self._staged = {local: path for local, path in self._staged.items() if path != source}
        raise StoreError(f"committing {target}: {source} has gone") from error

    def _look_for_a_newer_owner(self, error: StoreError) -> None:
        try:
            newest = self._epochs()[-1]
        except (StoreError, IndexError):
            return
        if newest > self._epoch:
            raise FencedError(
                f"writing {self._partition}: another task took the partition over (epoch {newest}, this "
                f"task has {self._epoch}); its records are written there"
            ) from error

    def _make_parent(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        if folder not in self._folders:
            self._store.make_folders(folder)
            self._folders.add(folder)
