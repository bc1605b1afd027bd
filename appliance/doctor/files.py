"""Local files and folders: whether the service can read or write them, and their room. Nothing is made."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from appliance.config.providers import references
from appliance.connectors.files.writable import UNIT, nearest, obstacle, of_kernel, write_cure
from appliance.doctor.findings import Finding, ok, problem, warning
from appliance.doctor.service import Service, closed_folder

SCARCE_BYTES: Final = 1 << 30


def examine_target(
    name: str, config: Mapping[str, str], service: Service | None = None
) -> Iterator[Finding]:
    """Give whether a sink's folder, or that of its file, can be written."""
    if url := config.get("store.url"):
        path = Path(url.removeprefix("file://").removeprefix("file:"))
        yield folder(name, path, "store.url", service)
    elif file := config.get("file"):
        yield folder(name, Path(file).parent, "file", service)


def examine_followed(name: str, path: Path, service: Service | None = None) -> Finding:
    """Give whether a file that a source follows can be read."""
    found = unreadable(name, path, "file", service)
    if found is not None:
        return found
    try:
        with path.open("rb"):
            return ok(name, f"{path} can be read", "file")
    except FileNotFoundError:
        return warning(name, f"{path} is not there yet; it is waited for", f"ls {path}", "file")
    except OSError as error:
        remedy = f"setfacl -m u:ingest:r {path}"
        return problem(name, f"{path} cannot be read: {error.strerror}", remedy, "file")


def examine_database_file(
    name: str, path: Path, option: str, service: Service | None = None
) -> Finding | None:
    """Give the problem of a file of SQLite that a source cannot read, None where it can."""
    quoted, elsewhere = shlex.quote(str(path)), f"/srv/{path.name}"
    try:
        there = path.is_file()
    except OSError as error:
        return problem(name, f"{path} cannot be read: {error.strerror}", f"ls -l {quoted}", option)
    switch = service.hides(path) if service is not None else None
    if switch is not None:
        text = f"{path} is not there for the service: it has a folder of its own there ({switch})"
        remedy = f"mv {quoted} {shlex.quote(elsewhere)}  # and name that in {option} and to who writes it"
        return problem(name, text, remedy, option)
    if not there:
        return problem(name, f"there is no database {path}", f"correct {option}", option)
    closed = unreadable(name, path, option, service)
    if closed is not None or service is None:
        return closed
    return _unshared(name, path, option, service)


def _unshared(name: str, path: Path, option: str, service: Service) -> Finding | None:
    """Give what a file in WAL mode lacks: who only reads it makes files beside it, unless they are there."""
    try:
        with path.open("rb") as file:
            wal = file.read(20)[18:] == b"\x02\x02"
    except OSError:
        return None
    fault = _fault(path.parent, service) if wal else None
    if fault is None:
        return None
    text = (
        f"{path} is in WAL mode, and the service cannot write into its folder ({fault[0]}): it can read "
        "the file only while its writer has it open"
    )
    remedy = f"sqlite3 {shlex.quote(str(path))} 'PRAGMA journal_mode=DELETE'"
    return warning(name, text, remedy, option)


def examine_named(
    subject: str, config: Mapping[str, str], service: Service | None
) -> Iterator[Finding]:
    """Give which files that options name, or take their values from, the service cannot read.

    `config` is as it was written. What a sink writes or a source follows is looked at by its own name.
    """
    seen: set[Path] = set()
    for option, value in config.items():
        named = {Path(value)} if value.startswith("/") and option != "file" else set()
        named |= {
            path
            for reference in references(value)
            for path in (Path(reference.path), Path(reference.path, reference.key))
            if path.is_absolute()
        }
        for path in sorted(named - seen):
            seen.add(path)
            found = unreadable(subject, path, option, service) if _is_file(path) else None
            if found is not None:
                yield found


def unreadable(subject: str, path: Path, option: str, service: Service | None) -> Finding | None:
    """Give the problem of a file that is there and that the service cannot read, None for any other."""
    if service is None or not os.path.lexists(path):
        return None
    quoted = shlex.quote(str(path))
    switch = service.hides(path)
    if switch is not None:
        text = f"{path} is not there for the service: it has a folder of its own there ({switch})"
        return problem(subject, text, _copied(path, service, option), option)
    if service.may(path, "r"):
        return None
    text = f"the service (user {service.user}) cannot read {path}: {os.strerror(errno.EACCES)}"
    closed = closed_folder(path, service)
    if closed is not None:
        remedy = f"setfacl -m u:{service.user}:x {shlex.quote(str(closed))}"
        text += f" to {closed}"
    else:
        group = service.owner.partition(":")[2]
        remedy = f"chgrp {group} {quoted}; chmod 640 {quoted}"
        if os.lstat(path).st_gid != 0:
            # those who have it by its group keep it
            remedy = f"setfacl -m u:{service.user}:r {quoted}"
    return problem(subject, text, remedy, option)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def folder(name: str, path: Path, option: str = "", service: Service | None = None) -> Finding:
    """Give whether a local folder can be written, and its room."""
    if (kernel := of_kernel(path)) is not None:
        text = f"{path} cannot be created: the kernel's {kernel} holds no files"
        return problem(
            name, text, f"name a folder on a disk{f' in {option}' * bool(option)}", option
        )
    fault = _fault(path, service)
    if fault is not None:
        text, remedy = fault
        return problem(name, f"{path} cannot be written: {text}", remedy, option)
    if service is not None and (switch := service.hides(path)):
        text = (
            f"{path} is the service's own ({switch}): nobody else sees what it writes there, and it goes "
            "when the service stops"
        )
        return warning(name, text, f"name a folder in {option} such as /srv/{path.name}", option)
    existing = nearest(path)
    free = shutil.disk_usage(existing).free
    if free < SCARCE_BYTES:
        return warning(name, f"{free / 1e9:.1f} GB free for {path}", f"df -h {existing}", option)
    return ok(name, f"{path} can be written, {free / 1e9:.1f} GB free", option)


def _fault(path: Path, service: Service | None) -> tuple[str, str] | None:
    """Give why a folder cannot be written, and what mends it."""
    reason = obstacle(path)
    if service is None:
        # the daemon asks for itself, or no sandbox is known
        return None if reason is None else (reason, write_cure(path))
    existing = nearest(path)
    if not existing.is_dir():
        return reason or os.strerror(errno.ENOTDIR), f"ls -ld {shlex.quote(str(existing))}"
    switch = service.hides(path)
    if switch is not None and switch.startswith("ProtectHome"):
        text = f"the service has its own {existing.parts[1]} folder ({switch})"
        return text, f"name a folder elsewhere, such as /srv/{path.name}"
    if switch is not None:
        return None
    denied = not service.may(existing, "w", "x")
    if not service.lets_write(path):
        text = (
            f"the sandbox of the service has it read-only (ProtectSystem={service.protect_system})"
        )
        return text, write_cure(path, service.owner)
    if denied:
        text = f"the service (user {service.user}) may not: {os.strerror(errno.EACCES)}"
        return text, write_cure(path, service.owner, sandboxed=False)
    if service.has_read_only(path):
        text = "the sandbox of the running service is older than its ReadWritePaths= or the folder"
        return text, f"systemctl restart {UNIT}"
    if reason == os.strerror(errno.EROFS):
        return reason, f"mount -o remount,rw {shlex.quote(str(existing))}"
    return None


def _copied(path: Path, service: Service, option: str) -> str:
    target = f"/etc/{UNIT}/{path.name}"
    group = service.owner.partition(":")[2]
    copy = f"install -m 640 -g {group} {shlex.quote(str(path))} {shlex.quote(target)}"
    return f"{copy}  # and name that in {option}"
