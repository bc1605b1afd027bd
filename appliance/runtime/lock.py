"""TaskLock: one copy of a task at a time on a host, and what a former one leaves behind."""

from __future__ import annotations

import fcntl
import glob
import logging
import os
import time
from pathlib import Path
from typing import Final, Self

from appliance.errors import ConnectError, os_reason, os_remedy
from appliance.ids import ConnectorTaskId
from appliance.lockfile import write_note
from appliance.runtime.control import Control

log = logging.getLogger("org.apache.kafka.connect.runtime.WorkerTask")

LOCK_POLL_S: Final = 0.05
LOCK_WARN_S: Final = 5.0


class TaskLock:
    """The lock file of one task on this host; the kernel frees it when the process dies.

    Its lines are a note for those who come later: what its holder may have left behind elsewhere.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._told = False

    def __enter__(self) -> Self:
        return self

    def acquire(self, id: ConnectorTaskId, control: Control) -> bool:
        """Wait until no other copy of the task lives; give False when asked to stop meanwhile.

        Raises ConnectError when the file cannot be made.
        """
        if self._path is None:
            return True
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConnectError(
                f"making the lock file {self._path}: {os_reason(error)}; {os_remedy(error)}, or change "
                "appliance.runtime.dir, and restart the task"
            ) from error
        started, warned = time.monotonic(), False
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not warned and time.monotonic() - started > LOCK_WARN_S:
                    warned = True
                    log.warning("%s: waiting for another copy on this host to end", id)
                if control.wait(LOCK_POLL_S):
                    return False
            else:
                return True

    def left_behind(self) -> list[str]:
        """Take the notes of this task's and its siblings' former processes."""
        own = self._path
        if own is None or self._descriptor is None:
            return []
        found = [os.pread(self._descriptor, 4096, 0).decode()]
        connector, _, number = own.stem.rpartition("-")
        if number.isdigit():
            siblings = own.parent.glob(f"{glob.escape(connector)}-*.lock")
            found += [_taken_note(path) for path in siblings if path != own]
        return [line for note in found for line in note.splitlines()]

    def set_note(self, text: str) -> None:
        """Note lines, each of which `left_behind` gives later; the task runs without the note too."""
        if self._descriptor is None:
            return
        try:
            write_note(self._descriptor, text)
        except OSError as error:
            if not self._told:
                log.warning(
                    "The task's member of the group is not noted: killed now, its successor would wait for "
                    "that session to end. file=%s error=%s remedy=%s",
                    self._path,
                    os_reason(error),
                    os_remedy(error),
                )
            self._told = True

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def _taken_note(path: Path) -> str:
    """Give and clear the note of a lock file that no living process holds."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        note = os.pread(descriptor, 4096, 0).decode()
        os.ftruncate(descriptor, 0)
    except BlockingIOError:
        return ""
    else:
        return note
    finally:
        os.close(descriptor)
