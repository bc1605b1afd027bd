"""Lock files: of tasks, where they are and whether a living process holds one; of the daemon, one a folder.

A task process locks its task's file (`runtime/lock.py`); a worker looks at it before it reads the offsets
that the task is to begin at. The daemon's file also notes its members of the group: killed with everything,
it leaves them there for the next one, which need not wait for their sessions to end. No dependency but
names and errors, so that all may import it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from appliance.errors import DISK_FULL, ConfigError, ConnectError, os_reason, os_remedy
from appliance.ids import ConnectorTaskId

_LOG = logging.getLogger(__name__)
_LONGEST_NAME = 200


def task_name(group_id: str, id: ConnectorTaskId) -> str:
    """Give the name under which a task keeps files on this host: no other task of any group has it."""
    name = urllib.parse.quote(f"{group_id}.{id}", safe="")
    return name if len(name) <= _LONGEST_NAME else hashlib.sha256(name.encode()).hexdigest()


def lock_path(folder: Path, group_id: str, id: ConnectorTaskId) -> Path:
    """Give the lock file of a task."""
    return folder / f"{task_name(group_id, id)}.lock"


def is_held(path: Path) -> bool:
    """Tell whether a process on this host holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


class DaemonLock:
    """The lock of one daemon on a folder, with a note of who is in the group for it."""

    def __init__(self, path: Path, option: str = "appliance.runtime.dir") -> None:
        """Take the file, and the option that names its folder."""
        self._path = path
        self._option = option
        self._descriptor = -1
        self._noted: list[str] = []
        self._told = False

    def acquire(self) -> list[str]:
        """Take the lock; give the members that the former holder noted.

        Raises ConfigError when a living daemon has it, or the folder cannot be written; ConnectError when
        its disk is full, which passes.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._failure("Making", error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder, *_ = self._lines() or ["unknown"]
            os.close(self._descriptor)
            raise ConfigError(
                f"Another daemon (pid {holder}) already runs on the folder {self._path.parent}. Stop it, or "
                f"give this one another folder in {self._option} and another port in listeners."
            ) from None
        try:
            _, *members = self._lines() or [""]
            self._write(members)
        except OSError as error:
            os.close(self._descriptor)
            raise self._failure("Writing", error) from error
        return members

    def note(self, members: Iterable[str]) -> None:
        """Note who is in the group for this daemon; where that cannot be written, it is tried next time."""
        wanted = [member for member in members if member]
        if wanted == self._noted:
            return
        try:
            self._write(wanted)
        except OSError as error:
            if not self._told:
                _LOG.warning(
                    "The members of the group are not noted: killed now, the daemon would wait for their "
                    "sessions to end at its next start. file=%s error=%s remedy=%s",
                    self._path,
                    os_reason(error),
                    os_remedy(error),
                )
            self._told = True

    def _failure(self, doing: str, error: OSError) -> ConnectError:
        text = f"{doing} the lock file {self._path}: {os_reason(error)}"
        if error.errno in DISK_FULL:
            return ConnectError(f"{text}. To go on, {os_remedy(error)}, or change {self._option}.")
        return ConfigError(f"{text}. Correct {self._option}.")

    def _lines(self) -> list[str]:
        return os.pread(self._descriptor, 65536, 0).decode(errors="replace").split()

    def _write(self, members: list[str]) -> None:
        write_note(self._descriptor, "\n".join([str(os.getpid()), *members]))
        self._noted, self._told = members, False


def write_note(descriptor: int, text: str) -> None:
    """Put a text in the place of a lock file's. Raises OSError when it is not whole.

    Interrupted, it leaves more than it should: unknown members, which the group shrugs at.
    """
    data = text.encode()
    if os.pwrite(descriptor, data, 0) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(descriptor, len(data))
