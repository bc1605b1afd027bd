"""Jars by pinned lists: fetched by coordinate, checked by sha256, laid out flat in one folder.

A list has one line per file: sha256, size in bytes, path in Maven's repository layout.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from deploy.parts.folder import PartError, obtain, parts_folder, progress
from deploy.parts.python import tools_python

HERE = Path(__file__).parent


class Pin(NamedTuple):
    """One file of a list."""

    sha256: str
    size_bytes: int
    path: str

    @property
    def file_name(self) -> str:
        return self.path.rsplit("/", 1)[1]

    @property
    def coordinate(self) -> str:
        """group:artifact:version:extension:classifier, the last one may be empty."""
        *group, artifact, version, name = self.path.split("/")
        rest = name.removeprefix(f"{artifact}-{version}")
        extension = "tar.gz" if rest.endswith(".tar.gz") else rest.rsplit(".", 1)[1]
        classifier = rest.removesuffix(f".{extension}").removeprefix("-")
        return f"{'.'.join(group)}:{artifact}:{version}:{extension}:{classifier}"


def read_pins(list_name: str) -> list[Pin]:
    """Give the lines of `<list_name>.sha256`."""
    text = (HERE / f"{list_name}.sha256").read_text()
    return [
        Pin(sha256, int(size), path)
        for sha256, size, path in (line.split() for line in text.splitlines() if line.strip())
    ]


def obtain_files(name: str, list_name: str) -> Path:
    """Give the folder that holds all files of a pinned list. Raises PartError."""
    pins = read_pins(list_name)

    def build(scratch: Path) -> None:
        missing = [pin for pin in pins if not _good(scratch / pin.file_name, pin)]
        if missing:
            megabytes = sum(pin.size_bytes for pin in missing) / 1e6
            progress(f"fetching {name}: {len(missing)} files, {megabytes:.0f} MB")
            _fetch(missing, scratch)

    stamp = hashlib.sha256((HERE / f"{list_name}.sha256").read_bytes()).hexdigest()
    return obtain(name, stamp, build)


def _fetch(pins: list[Pin], folder: Path) -> None:
    by_coordinate = {pin.coordinate: pin for pin in pins}
    cache = parts_folder() / "maven"
    command = [str(tools_python()), str(HERE / "fetch_coordinates.py"), str(cache), *by_coordinate]
    # A file takes what it says on stderr: a pipe that nobody reads yet would stop it when full.
    with (
        tempfile.TemporaryFile("w+", errors="replace") as words,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            for done, line in enumerate(process.stdout, 1):
                coordinate, _, path = line.rstrip("\n").partition("\t")
                _take(Path(path), by_coordinate[coordinate], folder)
                if done % 20 == 0:
                    progress(f"{done} of {len(pins)} files")
        except BaseException:
            process.kill()
            raise
        if process.wait():
            words.seek(0)
            last = " / ".join(words.read().strip().splitlines()[-2:])
            raise PartError(
                f"Fetching from the Maven repository failed: {last}; run again to resume."
            )


def _take(path: Path, pin: Pin, folder: Path) -> None:
    """Move a fetched file to its place. Raises PartError when it is not the pinned one."""
    if not _good(path, pin):
        path.unlink(missing_ok=True)
        raise PartError(
            f"{pin.path} does not have the expected sha256: the repository that Maven's "
            "client asks serves another file; ask again, or check the mirror."
        )
    shutil.move(path, folder / pin.file_name)


def _good(path: Path, pin: Pin) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == pin.sha256
    except FileNotFoundError:
        return False
