"""The seam to a file store: what the commit protocol asks of HDFS or of a local folder."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from appliance.errors import ConnectError, RetriableError


class StoreError(RetriableError):
    """The store did not do what was asked; it may later."""


class StoreAwayError(StoreError):
    """The store does not answer."""


class SpoolError(StoreError):
    """A local file is of no use any more: what it holds has to be read again."""


class SourceMissingError(StoreError):
    """The file to rename is not there."""


class TargetExistsError(StoreError):
    """There is something at the name already."""


class FencedError(ConnectError):
    """Another task has taken over the partition; this one must stop writing it."""


class Entry(NamedTuple):
    """One member of a folder; `length` in bytes."""

    name: str
    is_folder: bool
    length: int


class Store(Protocol):
    """Paths are absolute within the store. Every method raises StoreError."""

    def length(self, path: str) -> int | None:
        """Give a file's length in bytes, None when there is none."""

    def list(self, folder: str) -> list[Entry]:
        """List a folder, [] when it does not exist."""

    def upload(self, local: Path, path: str) -> int:
        """Copy a local file to a new name and check its length, which is given, in bytes.

        Raises SpoolError when the local file cannot be read.
        """

    def create(self, path: str, data: bytes) -> bool:
        """Write a small new file; False when the name is taken."""

    def read(self, path: str) -> bytes:
        """Give a small file's content."""

    def rename(self, source: str, target: str) -> None:
        """Rename without overwriting. Raises SourceMissingError or TargetExistsError."""

    def make_folders(self, folder: str) -> None:
        """Make a folder and its parents."""

    def delete(self, path: str) -> None:
        """Delete a file or folder with all in it; nothing there is fine."""

    def close(self) -> None:
        """Give back connections."""


PIECE_BYTES: Final = 1 << 20


_REMEDIES: Final = {
    errno.ENOSPC: "free space there, or set spool.dir to a folder with more",
    errno.EDQUOT: "raise the quota, or set spool.dir to a folder with more",
    errno.EFBIG: "raise the limit of the length of files, or set spool.dir to a folder without one",
    errno.EIO: "check the disk, or set spool.dir to a folder on another one",
}


@contextmanager
def spooling(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the local file `path` into a SpoolError that says what to do."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(
            error.errno or 0,
            "let the daemon's user write there, or set spool.dir to another folder",
        )
        raise SpoolError(
            f"writing {path.name} in the spool folder {path.parent}: {error.strerror or error}; "
            f"{remedy}; the records are read again then"
        ) from error


def pieces(local: Path) -> Iterator[bytes]:
    """Give a local file's content piece by piece. Raises SpoolError."""
    with spooling(local), local.open("rb") as source:
        while piece := source.read(PIECE_BYTES):
            yield piece
