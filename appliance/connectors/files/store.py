"""A local folder as a store: every file is synced before its name appears, renames never overwrite."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.connectors.storage.store import (
    Entry,
    SourceMissingError,
    StoreError,
    TargetExistsError,
    pieces,
)
from appliance.errors import os_reason, os_remedy


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what_to_do = (
            "staging and final folder must be on one file system"
            if error.errno == errno.EXDEV
            else os_remedy(error, "correct the cause; it is tried again")
        )
        raise StoreError(f"{doing}: {os_reason(error)}; {what_to_do}") from error


class LocalStore:
    """Paths are absolute paths of the file system."""

    def length(self, path: str) -> int | None:
        """Give a file's length in bytes, None when there is none."""
        with _translated(f"looking at {path}"):
            try:
                return os.stat(path).st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def list(self, folder: str) -> list[Entry]:
        """List a folder, [] when it does not exist."""
        with _translated(f"listing {folder}"):
            try:
                with os.scandir(folder) as entries:
                    return [
                        Entry(e.name, e.is_dir(), 0 if e.is_dir() else e.stat().st_size)
                        for e in entries
                    ]
            except (FileNotFoundError, NotADirectoryError):
                return []

    def upload(self, local: Path, path: str) -> int:
        """Copy and sync, give the length; a failed copy is removed."""
        with _translated(f"writing {path}"):
            return _write_new(path, pieces(local))

    def create(self, path: str, data: bytes) -> bool:
        """Write a small new file; False when the name is taken."""
        with _translated(f"writing {path}"):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            try:
                _write_new(path, [data])
            except FileExistsError:
                return False
            _sync_folder(path)
            return True

    def read(self, path: str) -> bytes:
        """Give a small file's content."""
        with _translated(f"reading {path}"):
            return Path(path).read_bytes()

    def rename(self, source: str, target: str) -> None:
        """Rename without overwriting; a folder's target must not exist either."""
        with _translated(f"renaming {source} to {target}"):
            if os.path.isdir(source):
                if os.path.lexists(target):
                    raise TargetExistsError(f"renaming {source} to {target}: the name is taken")
                os.rename(source, target)
            else:
                self._rename_file(source, target)
            _sync_folder(target)

    @staticmethod
    def _rename_file(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except FileExistsError as error:
            raise TargetExistsError(f"renaming {source} to {target}: the name is taken") from error
        except (FileNotFoundError, NotADirectoryError) as error:
            if os.path.isdir(os.path.dirname(target)):
                raise SourceMissingError(f"renaming {source}: it is not there") from error
            raise
        os.unlink(source)

    def make_folders(self, folder: str) -> None:
        """Make a folder and its parents, each synced into its parent."""
        with _translated(f"making folder {folder}"):
            missing = []
            path = folder
            while not os.path.isdir(path):
                missing.append(path)
                path = os.path.dirname(path)
            for path in reversed(missing):
                with_parent = os.path.dirname(path)
                os.makedirs(path, exist_ok=True)
                _sync_folder(os.path.join(with_parent, "x"))

    def delete(self, path: str) -> None:
        """Delete a file or folder with all in it; nothing there is fine."""
        with _translated(f"deleting {path}"):
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                Path(path).unlink(missing_ok=True)

    def close(self) -> None:
        """Hold nothing."""


def _write_new(path: str, content: Iterable[bytes]) -> int:
    """Write and sync a new file, give its length; unless it is whole, it is removed.

    Raises OSError, and what `content` raises.
    """
    length = 0
    with open(path, "xb") as target:
        try:
            for piece in content:
                length += target.write(piece)
            target.flush()
            os.fsync(target.fileno())
        except BaseException:
            # before it is closed, which would try to write what is left
            with suppress(OSError):
                os.unlink(path)
            target.raw.close()
            raise
    return length


def _sync_folder(path: str) -> None:
    """Make the names in the folder of `path` durable."""
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
