"""Folders of a daemon's own: where they are, and that nobody else can put anything into them."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from pathlib import Path

from appliance.errors import ConfigError


def own_folder(configured: str, variable: str, leaf: str) -> Path:
    """Give the folder of an option, of systemd's `variable`, or else of this user; `leaf` is state or run."""
    if configured:
        return Path(configured)
    given = os.environ.get(variable, "").split(":")[0]
    if given:
        return Path(given)
    base = (
        os.environ.get("XDG_STATE_HOME") if leaf == "state" else os.environ.get("XDG_RUNTIME_DIR")
    )
    if base:
        return Path(base, "ingest-appliance")
    if leaf == "state":
        return Path.home() / ".local/state/ingest-appliance"
    return Path(f"/tmp/ingest-appliance-{os.getuid()}")  # noqa: S108 - keep_private is asked before use


def keep_private(folder: Path, option: str) -> None:
    """Make `folder` for this user alone, or refuse one that somebody else owns or all may write.

    A folder that cannot be made is left to whoever needs it. Raises ConfigError naming `option`.
    """
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        statuses = folder.lstat(), folder.stat()
    except OSError:
        return
    remedy = f"give {option} a folder of {_user(os.geteuid())}'s own"
    for status in statuses:
        if status.st_uid not in (0, os.geteuid()):
            raise ConfigError(
                f"using the folder {folder}: it belongs to {_user(status.st_uid)}; {remedy}"
            )
    if statuses[1].st_mode & stat.S_IWOTH:
        raise ConfigError(f"using the folder {folder}: everybody may write there; {remedy}")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
