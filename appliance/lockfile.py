"""Lock files of tasks: where they are, and whether a living process holds one.

A task process locks its task's file (`runtime/lock.py`); a worker looks at it before it reads the offsets
that the task is to begin at. No dependency but names, so that both sides may import it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import urllib.parse
from pathlib import Path

from appliance.ids import ConnectorTaskId

_LONGEST_NAME = 200


def lock_path(folder: Path, group_id: str, id: ConnectorTaskId) -> Path:
    """Give the lock file of a task."""
    name = urllib.parse.quote(f"{group_id}.{id}", safe="")
    if len(name) > _LONGEST_NAME:
        name = hashlib.sha256(name.encode()).hexdigest()
    return folder / f"{name}.lock"


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
