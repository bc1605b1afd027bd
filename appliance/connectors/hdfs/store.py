"""HDFS as a store, through the `hdfs` package over WebHDFS; the one module that imports it.

What the package and a NameNode do was tried: a failed upload leaves a normal-looking shorter file, so
lengths are checked; a file of a broken upload keeps its lease, so names are never reused; renames use
`renameoptions=NONE`, which gives a distinct error for each reason; no call has a timeout unless given.
"""

from __future__ import annotations

import logging
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import requests
from hdfs import HdfsError, InsecureClient

from appliance.connectors.hdfs.guarded import guarded_session
from appliance.connectors.storage.store import (
    Entry,
    SourceMissingError,
    StoreAwayError,
    StoreError,
    TargetExistsError,
    pieces,
    spooling,
)

_AWAY: Final = (requests.exceptions.ConnectionError, requests.exceptions.Timeout)
_CONNECT_TIMEOUT_S: Final = 10
_READ_TIMEOUT_S: Final = 60

# the package tells of every request at the level of news
logging.getLogger("hdfs").setLevel(logging.WARNING)


class HdfsStore:
    """Paths are absolute HDFS paths. Any thread: client and session share kept connections safely."""

    def __init__(self, urls: tuple[str, ...], user: str | None = None) -> None:
        """Remember the NameNodes; nothing is asked yet."""
        self.urls = urls
        session = self._session = guarded_session(urls)
        self._client: Any = InsecureClient(
            ";".join(urls),
            user=user or os.environ.get("HADOOP_USER_NAME") or pwd.getpwuid(os.getuid()).pw_name,
            session=session,
            timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S),
        )

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except HdfsError as error:
            raise StoreError(
                f"{doing}: {str(error).splitlines()[0]}{_remedy(str(error))}"
            ) from error
        except requests.exceptions.RequestException as error:
            away = isinstance(error, _AWAY) and not isinstance(error, requests.exceptions.SSLError)
            raise (StoreAwayError if away else StoreError)(
                f"{doing}: WebHDFS at {', '.join(self.urls)} did not answer "
                f"({type(error).__name__}); check that "
                "the NameNode runs and that the DataNodes can be reached by the names it redirects to"
            ) from error
        except OSError as error:
            raise StoreError(f"{doing}: {error.strerror or error}") from error

    def length(self, path: str) -> int | None:
        """Give a file's length in bytes, None when there is none."""
        with self._translated(f"looking at {path}"):
            status = self._client.status(path, strict=False)
            return None if status is None else int(status["length"])

    def list(self, folder: str) -> list[Entry]:
        """List a folder, [] when it does not exist."""
        with self._translated(f"listing {folder}"):
            try:
                found = self._client.list(folder, status=True)
            except HdfsError as error:
                # no name of an exception: the package's own finding that it is a file
                if error.exception in ("FileNotFoundException", None) and self._is_no_folder(
                    folder
                ):
                    return []
                raise
            return [
                Entry(name, status["type"] == "DIRECTORY", int(status["length"]))
                for name, status in found
            ]

    def _is_no_folder(self, path: str) -> bool:
        status = self._client.status(path, strict=False)
        return status is None or status["type"] != "DIRECTORY"

    def upload(self, local: Path, path: str) -> int:
        """Stream a local file to a new name, check and give its length."""
        with self._translated(f"writing {path}"):
            self._client.write(path, data=pieces(local), overwrite=False)
        with spooling(local):
            wanted = local.stat().st_size
        found = self.length(path)
        if found != wanted:
            self.delete(path)
            raise StoreError(f"writing {path}: {found} of {wanted} bytes arrived")
        return wanted

    def create(self, path: str, data: bytes) -> bool:
        """Write a small new file; False when the name is taken."""
        try:
            with self._translated(f"writing {path}"):
                self._client.write(path, data=data, overwrite=False)
        except StoreError as error:
            if self.length(path) is not None and "already exists" in str(error.__cause__):
                return False
            raise
        return True

    def read(self, path: str) -> bytes:
        """Give a small file's content."""
        with self._translated(f"reading {path}"), self._client.read(path) as reader:
            data: bytes = reader.read()
            return data

    def rename(self, source: str, target: str) -> None:
        """Rename without overwriting."""
        doing = f"renaming {source} to {target}"
        try:
            with self._translated(doing):
                self._client._rename(source, destination=target, renameoptions="NONE")
        except StoreError as error:
            if self.length(target) is not None:
                raise TargetExistsError(f"{doing}: the name is taken") from error
            if self.length(source) is None:
                raise SourceMissingError(f"{doing}: the source is not there") from error
            raise

    def make_folders(self, folder: str) -> None:
        """Make a folder and its parents."""
        with self._translated(f"making folder {folder}"):
            self._client.makedirs(folder)

    def delete(self, path: str) -> None:
        """Delete a file or folder with all in it; nothing there is fine."""
        with self._translated(f"deleting {path}"):
            self._client.delete(path, recursive=True)

    def close(self) -> None:
        """Close kept connections."""
        self._session.close()


def _remedy(text: str) -> str:
    if "safe mode" in text:
        return "; it is tried again, `hdfs dfsadmin -safemode leave` ends safe mode by hand"
    if "Permission denied" in text:
        return "; give the user the right to write there, or set HADOOP_USER_NAME"
    if "Failed to find datanode" in text:
        return "; start a DataNode, or wait until one has registered with the NameNode"
    if "could only be written to 0" in text or "no space" in text.lower():
        return "; add or free space on the DataNodes"
    return ""
