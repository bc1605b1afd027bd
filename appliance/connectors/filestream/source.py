"""FileStream source: follows a file and gives each line as a record, from where it stopped.

Semantics: Kafka Connect 4.3.1 FileStreamSource{Connector,Task}, better in four points: positions are
bytes, a truncated or replaced file is begun again at once, no line waits for the file to grow, and a file
that became shorter while nobody looked is begun again instead of waited for.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from appliance.api import Batch, Connector, ConnectorContext, SourceTask, SourceTaskContext
from appliance.api.connector import (
    ExactlyOnceSupport,
    OffsetChange,
    OffsetCheck,
    OffsetPreview,
)
from appliance.clock import SYSTEM_CLOCK
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.config.validators import NonEmptyString
from appliance.connectors.filestream.lines import LineBuffer
from appliance.data.schema import STRING_SCHEMA
from appliance.errors import ConnectError

log = logging.getLogger("org.apache.kafka.connect.file.FileStreamSourceTask")

FILENAME: Final = "filename"
POSITION: Final = "position"
_CHUNK: Final = 1 << 18
_IDLE_S: Final = 0.25
_MISSING_S: Final = 1.0

CONFIG: Final = (
    ConfigDef()
    .define(
        "file",
        ConfigType.STRING,
        None,
        importance=Importance.HIGH,
        doc="File to follow; unset: standard input, which a daemon does not have.",
    )
    .define(
        "topic",
        ConfigType.STRING,
        validator=NonEmptyString(),
        importance=Importance.HIGH,
        doc="Topic that gets the lines.",
    )
    .define(
        "batch.size",
        ConfigType.INT,
        2000,
        importance=Importance.LOW,
        doc="Most lines that one poll gives.",
    )
)


class FileStreamSourceConnector(Connector):
    """One task, whatever `tasks.max` says: a file is read by one."""

    config_def: ClassVar[ConfigDef] = CONFIG
    version: ClassVar[str] = "4.3.1"

    def start(self, context: ConnectorContext, config: Mapping[str, str]) -> None:
        """Check the options."""
        CONFIG.parse(config)
        self._config = dict(config)

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Give the connector's own options to the one task."""
        return [dict(self._config)]

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]],
    ) -> bool:
        """Check positions; the task finds out whether the file reaches that far."""
        if not config.get("file"):
            raise ConnectError(
                "Offsets cannot be modified if the 'file' configuration is unspecified. This is because"
                " stdin is used for input and offsets are not tracked."
            )
        for partition, offset in offsets:
            if offset is None:
                continue
            _check_position(offset)
            if partition is None:
                raise ConnectError("Partition objects cannot be null")
            if FILENAME not in partition:
                raise ConnectError("Partition objects should contain the key 'filename'")
        return True

    def preview_offsets(
        self,
        config: Mapping[str, str],
        changes: Sequence[OffsetChange],
        client_config: Callable[[str], dict[str, Any]],
    ) -> list[OffsetPreview]:
        """Compare each position with the file."""
        del client_config
        return [_preview(config, change) for change in changes]

    def exactly_once_support(self, config: Mapping[str, str]) -> ExactlyOnceSupport:
        """Give support for files; standard input cannot be read twice."""
        return "supported" if config.get("file") else "unsupported"


def _preview(config: Mapping[str, str], change: OffsetChange) -> OffsetPreview:
    path = config.get("file") or ""
    own = (change.partition or {}).get(FILENAME) == path
    checks = [
        OffsetCheck("the connector reads this file", own, None if own else f"it reads {path}")
    ]
    old, new = (0 if one is None else one.get(POSITION) for one in (change.before, change.after))
    try:
        size = Path(path).stat().st_size
    except OSError as error:
        checks.append(OffsetCheck("the file is there", ok=False, detail=str(error)))
        return OffsetPreview(tuple(checks))
    inside = isinstance(new, int) and 0 <= new <= size
    detail = None if inside else f"it has {size} bytes; it would be begun again"
    checks.append(OffsetCheck("position inside the file", inside, detail))
    moved = new - old if isinstance(new, int) and isinstance(old, int) else None
    return OffsetPreview(tuple(checks), bytes=moved)


def _check_position(offset: Mapping[str, Any]) -> None:
    if POSITION not in offset:
        raise ConnectError("Offset objects should either be null or contain the key 'position'")
    position = offset[POSITION]
    if not isinstance(position, int) or isinstance(position, bool):
        raise ConnectError(
            "The value for the 'position' key in the offset is expected to be a Long value"
        )
    if position < 0:
        raise ConnectError(
            "The value for the 'position' key in the offset should be a non-negative value"
        )


class FileStreamSourceTask(SourceTask):
    """Follows one file."""

    has_more = False

    def start(self, context: SourceTaskContext, config: Mapping[str, str]) -> None:
        """Find the stored position; the file itself may come later."""
        options = CONFIG.parse(config)
        self._context = context
        self._path: str | None = options["file"] or None
        self._topic: str = options["topic"]
        self._limit: int = options["batch.size"]
        self._partition = {FILENAME: self._path}
        self._file: BinaryIO | None = None
        self._filled = False
        self._buffer = LineBuffer(self._stored_position())
        self._missed = False

    def _stored_position(self) -> int:
        if self._path is None:
            log.warning("%s: no file is set, and a daemon has no standard input", self._context.id)
            return 0
        (stored,) = self._context.offsets([self._partition])
        if stored is None:
            return 0
        position = stored.get(POSITION)
        if not isinstance(position, int) or position < 0:
            raise ConnectError(
                f"reading the stored position of {self._path}: {position!r} is no byte position;"
                " reset the connector's offsets"
            )
        return position

    def poll(self) -> list[Batch]:
        """Give the lines that are there, waiting a moment for some."""
        if not self._buffer and not self._read():
            return []
        lines, ends = self._buffer.take(self._limit)
        self.has_more = bool(self._buffer) or self._filled
        if not lines:
            return []
        text = b"\n".join(lines).decode("utf-8", "replace")
        partition = self._partition
        return [
            Batch(
                self._topic,
                # lines hold no line feed, so that one decoding serves all
                list(text.split("\n")),
                STRING_SCHEMA,
                timestamps=SYSTEM_CLOCK.now_ms(),
                source_partition=partition,
                source_offset=lambda row: {POSITION: ends[row]},
            )
        ]

    def _read(self) -> bool:
        """Read on; give whether there was anything."""
        file = self._file or self._open()
        if file is None:
            self._context.wait(_MISSING_S)
            return False
        data = file.read(_CHUNK)
        self._filled = data is not None and len(data) == _CHUNK
        if data:
            self._buffer.feed(data)
            return True
        if not self._begin_again(file):
            self._context.wait(_IDLE_S)
        return False

    def _open(self) -> BinaryIO | None:
        if self._path is None:
            return None
        try:
            file = open(self._path, "rb", buffering=0)  # noqa: SIM115 - kept open between polls
        except FileNotFoundError:
            if not self._missed:
                log.warning(
                    "Couldn't find file %s for FileStreamSourceTask, sleeping to wait for it to be"
                    " created",
                    self._path,
                )
            self._missed = True
            return None
        except OSError as error:
            raise ConnectError(
                f"opening {self._path}: {error.strerror}; the daemon's user must be able to read it"
            ) from error
        self._missed = False
        size = os.fstat(file.fileno()).st_size
        if size < self._buffer.end:
            log.warning(
                "%s has %d bytes, fewer than the stored position %d: it is read from its beginning",
                self._path,
                size,
                self._buffer.end,
            )
            self._buffer = LineBuffer(0)
        file.seek(self._buffer.end)
        self._file = file
        return file

    def _begin_again(self, file: BinaryIO) -> bool:
        """At the end of the file: see whether it was truncated or another one took its name."""
        own = os.fstat(file.fileno())
        if own.st_size < self._buffer.end:
            log.info("%s was truncated: it is read from its beginning", self._path)
            self._restart(file)
            return True
        try:
            named = os.stat(str(self._path))  # noqa: PTH116 - once per idle poll
        except FileNotFoundError:
            return False
        if (named.st_dev, named.st_ino) != (own.st_dev, own.st_ino):
            log.info("another file is called %s now: it is read from its beginning", self._path)
            self._restart(file)
            return True
        return False

    def _restart(self, file: BinaryIO) -> None:
        file.close()
        self._file = None
        self._buffer = LineBuffer(0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
