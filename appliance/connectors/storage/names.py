"""Names of committed files: `topic+partition+start+end.ext`, offsets inclusive and zero-padded."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_COMMITTED: Final = re.compile(r"([a-zA-Z0-9._-]+)\+(\d+)\+(\d+)\+(\d+)((?:\.\w+)*)")


class CommittedFile(NamedTuple):
    """What the name of a committed file says."""

    topic: str
    partition: int
    start: int
    end: int


def committed_name(
    topic: str, partition: int, start: int, end: int, pad: int, extension: str
) -> str:
    """Give the name of a committed file."""
    return (
        f"{topic}+{partition}+{start:0{pad}d}+{end:0{pad}d}{extension}"
        if pad
        else (f"{topic}+{partition}+{start}+{end}{extension}")
    )


def parse_committed(name: str) -> CommittedFile | None:
    """Read a committed file's name, None for any other name."""
    match = _COMMITTED.fullmatch(name)
    return CommittedFile(match[1], int(match[2]), int(match[3]), int(match[4])) if match else None
