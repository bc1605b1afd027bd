"""The folder that holds the parts: where it is, and how one part gets into it exactly once."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class PartError(Exception):
    """A part cannot be had or a server does not come up; the message says what to do."""


def system_error(purpose: str, error: OSError, choice: str) -> str:
    """Give one sentence on what the system refused; `choice` is how another folder is chosen."""
    where = f"{error.filename}: " if error.filename else ""
    remedy = "make room" if error.errno in NO_ROOM else "see that it is there and yours to change"
    reason = f"{where}{error.strerror or error}"
    return f"{purpose} failed: {reason}; {remedy}, or choose another folder with {choice}."


def parts_folder() -> Path:
    """Give the folder of all parts (`INGEST_PARTS`, default `.parts` in the repository)."""
    folder = Path(os.environ.get("INGEST_PARTS") or REPOSITORY / ".parts").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def progress(text: str) -> None:
    """Tell the person who waits, on stderr: stdout belongs to the caller."""
    print(f"  {text}", file=sys.stderr, flush=True)


def run(command: Sequence[str], purpose: str, text_in: str = "", **options: Any) -> str:
    """Run a program to its end and give its stdout. Raises PartError with its last words."""
    done = subprocess.run(
        list(command),
        check=False,
        capture_output=True,
        input=text_in,
        text=True,
        **options,
    )
    if done.returncode:
        lines = [
            line.strip() for line in (done.stderr.strip() or done.stdout.strip()).splitlines()
        ]
        # pip ends with advice; what was wrong stands in such lines before it
        last = [line for line in lines if line.startswith("ERROR:")] or lines[-5:]
        raise PartError(f"{purpose} failed ({Path(command[0]).name}): " + " / ".join(last))
    return str(done.stdout)


def obtain(name: str, stamp: str, build: Callable[[Path], None]) -> Path:
    """Give the folder of the part, built by `build` unless it is there with the same stamp.

    `build` fills a scratch folder that is kept when it fails, so that the next try goes on from
    there; the part appears under its name by one rename. Any number of processes may ask for it.
    """
    folder = parts_folder() / name
    if _stamp_of(folder) == stamp:
        return folder
    with _lock(name):
        if _stamp_of(folder) == stamp:
            return folder
        scratch = parts_folder() / f"{name}.partial"
        scratch.mkdir(exist_ok=True)
        build(scratch)
        (scratch / ".complete").write_text(stamp)
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    return folder


def _stamp_of(folder: Path) -> str | None:
    try:
        return (folder / ".complete").read_text()
    except FileNotFoundError:
        return None


@contextmanager
def _lock(name: str) -> Iterator[None]:
    with (parts_folder() / f".{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another run that fetches {name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
