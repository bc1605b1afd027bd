"""The seam to a file store: what the commit protocol asks of HDFS or of a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from appliance.errors import ConnectError, RetriableError


class StoreError(RetriableError):
    """The store did not do what was asked; it may later."""


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

    def upload(self, local: Path, path: str) -> None:
        """Copy a local file to a new name and check its length."""

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
