"""Whether a local folder can be written, found out without making any, and what lets the daemon write."""

from __future__ import annotations

import errno
import os
import re
import shlex
from pathlib import Path
from typing import Final

_OF_KERNEL: Final = ("/proc", "/sys")
UNIT: Final = "ingest-appliance"


def obstacle(path: Path) -> str | None:
    """Give why this process cannot write into a folder, or make it; None when it can."""
    existing = nearest(path)
    if not existing.is_dir():
        return os.strerror(errno.ENOTDIR)
    if (kernel := of_kernel(path)) is not None:
        return f"it cannot be created: the kernel's {kernel} holds no files"
    try:
        if os.statvfs(existing).f_flag & os.ST_RDONLY:
            return os.strerror(errno.EROFS)
    except OSError as error:
        return error.strerror or str(error)
    writable = os.access(existing, os.W_OK | os.X_OK, effective_ids=True)
    return None if writable else os.strerror(errno.EACCES)


def of_kernel(path: Path) -> str | None:
    """Give /proc or /sys where a path lies in it: even root, who may write there, makes no file."""
    device = nearest(path).stat().st_dev
    known = (folder for folder in _OF_KERNEL if Path(folder).is_mount())
    return next((folder for folder in known if Path(folder).stat().st_dev == device), None)


def nearest(path: Path) -> Path:
    """Give the path, or the nearest folder above that is there and can be seen."""
    return next(found for found in (path, *path.parents) if os.access(found, os.F_OK))


def write_cure(path: Path, owner: str = "ingest:ingest", *, sandboxed: bool = True) -> str:
    """Give the commands that let the service write into a folder, one a line.

    With the minus sign a folder that is missing does not keep the daemon from starting.
    """
    folder = shlex.quote(str(path))
    user, _, group = owner.partition(":")
    lines = [f"install -d -o {user} -g {group} {folder}"]
    if sandboxed:
        drop_ins = f"/etc/systemd/system/{UNIT}.service.d"
        name = re.sub(r"[^A-Za-z0-9]+", "-", str(path)).strip("-")
        setting = shlex.quote(f"[Service]\\nReadWritePaths=-{path}\\n")
        lines += [
            f"mkdir -p {drop_ins}; printf {setting} >{drop_ins}/{name}.conf",
            "systemctl daemon-reload",
            f"systemctl restart {UNIT}",
        ]
    return "\n".join(lines)
