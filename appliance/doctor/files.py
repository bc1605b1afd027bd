"""Local files and folders: whether they can be read or written, and their room."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from appliance.doctor.findings import Finding, ok, problem, warning

SCARCE_BYTES: Final = 1 << 30


def examine_target(name: str, config: Mapping[str, str]) -> Iterator[Finding]:
    """Give whether a sink's folder, or that of its file, can be written."""
    if url := config.get("store.url"):
        path = Path(url.removeprefix("file://").removeprefix("file:"))
        yield folder(name, path, "store.url")
    elif file := config.get("file"):
        yield folder(name, Path(file).parent, "file")


def examine_followed(name: str, path: Path) -> Finding:
    """Give whether a file that a source follows can be read."""
    try:
        with path.open("rb"):
            return ok(name, f"{path} can be read", "file")
    except FileNotFoundError:
        return warning(name, f"{path} is not there yet; it is waited for", f"ls {path}", "file")
    except OSError as error:
        remedy = f"setfacl -m u:ingest:r {path}"
        return problem(name, f"{path} cannot be read: {error.strerror}", remedy, "file")


def folder(name: str, path: Path, option: str = "") -> Finding:
    """Give whether a local folder can be written, and its room."""
    existing = next(found for found in (path, *path.parents) if found.exists())
    try:
        probe = existing / ".ingest-doctor"
        probe.touch()
        probe.unlink()
    except OSError as error:
        text = f"{path} cannot be written: {error.strerror}"
        remedy = (
            f"mkdir -p {path} && chown ingest:ingest {path}\n"
            f"systemctl edit ingest-appliance  # [Service] ReadWritePaths={path}"
        )
        return problem(name, text, remedy, option)
    free = shutil.disk_usage(existing).free
    if free < SCARCE_BYTES:
        return warning(name, f"{free / 1e9:.1f} GB free for {path}", f"df -h {existing}", option)
    return ok(name, f"{path} can be written, {free / 1e9:.1f} GB free", option)
