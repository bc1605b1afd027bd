"""FileStream sink: appends each record's value to a file, a line each.

Semantics: Kafka Connect 4.3.1 FileStreamSink{Connector,Task}, with writes that are checked (a full disk
fails the task instead of losing lines) and synced before offsets are committed. At least once: what was
written after the last commit is written again after a crash. A write that fails is taken back, so that what
is written again begins on a line of its own.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, ClassVar, Final

from appliance.api import NULL, Batch, Connector, ConnectorContext, SinkTask, SinkTaskContext
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.data.struct import wrap
from appliance.data.text import java_text
from appliance.errors import ConnectError, os_reason, os_remedy
from appliance.ids import TopicPartition

CONFIG: Final = ConfigDef().define(
    "file",
    ConfigType.STRING,
    None,
    importance=Importance.HIGH,
    doc="File to append to; unset: standard output.",
)


class FileStreamSinkConnector(Connector):
    """As many tasks as allowed, all appending to the same file."""

    config_def: ClassVar[ConfigDef] = CONFIG
    version: ClassVar[str] = "4.3.1"

    def start(self, context: ConnectorContext, config: Mapping[str, str]) -> None:
        """Check the options."""
        CONFIG.parse(config)
        self._config = dict(config)

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Give the connector's own options to every task."""
        return [dict(self._config) for _ in range(max_tasks)]

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]],
    ) -> bool:
        """Agree: nothing is kept outside Kafka."""
        return True


class FileStreamSinkTask(SinkTask):
    """Appends to one file."""

    def start(self, context: SinkTaskContext, config: Mapping[str, str]) -> None:
        """Open the file for appending. Raises ConnectError."""
        self._path: str | None = CONFIG.parse(config)["file"] or None
        self._dirty = False
        self._file: BinaryIO
        if self._path is None:
            self._file = sys.stdout.buffer
            return
        try:
            self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - open as long as the task
        except OSError as error:
            fatal = ConnectError(
                f"Couldn't find or create file '{self._path}' for FileStreamSinkTask"
            )
            fatal.add_note(f"a file that cannot be opened: {_what_to_do(error)}")
            raise fatal from error

    def put(self, batches: list[Batch]) -> None:
        """Append every value. Raises ConnectError when the disk does not take it."""
        if not batches:
            return
        self._dirty = True
        data = "".join(map(_lines, batches)).encode("utf-8", "replace")
        try:
            if self._path is None:
                self._file.write(data)
                self._file.flush()
            else:
                _append(self._file.fileno(), data)
        except OSError as error:
            raise ConnectError(
                f"writing to {self._path or 'standard output'}: {_what_to_do(error)}"
            ) from error

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Sync what was written."""
        if not self._dirty or self._path is None:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ConnectError(f"syncing {self._path}: {_what_to_do(error)}") from error
        self._dirty = False

    def close(self) -> None:
        """Close the file."""
        if getattr(self, "_path", None) is not None and hasattr(self, "_file"):
            self._file.close()


def _what_to_do(error: OSError) -> str:
    return f"{os_reason(error)}; {os_remedy(error)} and restart the task"


def _append(file: int, data: bytes) -> None:
    """Write all of it at the file's end, or, of a regular file, nothing. Raises OSError."""
    written = os.write(file, data)
    if written == len(data):
        return
    regular = stat.S_ISREG(os.fstat(file).st_mode)
    begin = os.lseek(file, 0, os.SEEK_CUR) - written if regular else 0
    try:
        while written < len(data):
            written += os.write(file, data[written:])
    except OSError:
        if regular:
            with suppress(OSError):
                _take_back(file, begin, begin + written)
        raise


def _take_back(file: int, begin: int, end: int) -> None:
    """Cut off what lies from `begin` to `end`, unless another task's lines stand behind or between."""
    if os.fstat(file).st_size == end == os.lseek(file, 0, os.SEEK_CUR):
        os.ftruncate(file, begin)


def _lines(batch: Batch) -> str:
    full = batch.expanded()
    schema = full.value_schema
    rows = [
        row
        if type(row) is str
        else "null"
        if row is None or row is NULL
        else java_text(wrap(schema, row), schema)
        for row in full.values
    ]
    rows.append("")
    return "\n".join(rows)
