"""What mends an error of the file system, in words that end the sentence which tells of it."""

from __future__ import annotations

import errno
from typing import Final

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors that pass by themselves as soon as somebody makes room."""
READ_ONLY: Final = (
    "mount the file system for writing; if it is, systemd's sandbox is in the way: add the folder to "
    "ReadWritePaths= of the unit (`ingest-appliance doctor CONNECTOR` prints the commands)"
)
_RIGHTS: Final = "give the daemon's user the right to write there"
_REMEDIES: Final = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "raise the quota",
    errno.EFBIG: "raise the limit on the length of files, or begin a new one",
    errno.EROFS: READ_ONLY,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOENT: "make its folder",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "correct the path: a part of it is a file",
    errno.EIO: "check the disk",
}


def remedy(error: OSError, otherwise: str = "correct the cause") -> str:
    """Give what to do, without a full stop."""
    return _REMEDIES.get(error.errno or 0, otherwise)


def reason(error: OSError) -> str:
    """Give what the operating system says, without the path."""
    return error.strerror or str(error)
