"""The service as systemd runs it: its user, what its sandbox lets it write and see, its processes and limits.

A doctor that root calls judges with this what the daemon would find; where the unit is not installed, or
another worker file is looked at, there is none of it.
"""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from pathlib import Path
from typing import Final, Literal, NamedTuple

from appliance.config.worker import WorkerConfig
from appliance.connectors.files.writable import UNIT, nearest
from appliance.lockfile import is_held

_TIMEOUT_S: Final = 5
_PROPERTIES: Final = (
    "LoadState",
    "ActiveState",
    "SubState",
    "MainPID",
    "User",
    "Group",
    "ReadWritePaths",
    "StateDirectory",
    "CacheDirectory",
    "LogsDirectory",
    "RuntimeDirectory",
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "LimitNOFILE",
    "MemoryMax",
)
_DIRECTORIES: Final = {
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "RuntimeDirectory": "/run",
}
_API: Final = ("/dev", "/proc", "/sys")
_TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - nothing is made there
_HOMES: Final = ("/home", "/root", "/run/user")
_SYSTEM: Final = {
    "yes": ("/usr", "/boot", "/efi"),
    "full": ("/usr", "/boot", "/efi", "/etc"),
    "strict": ("/",),
}

Right = Literal["r", "w", "x"]


class Service(NamedTuple):
    """What systemd tells of the unit; `mounts`: the running daemon's, each with whether it is read-only.

    `memory_max`: in bytes, None for no limit.
    """

    user: str
    group: str
    active: bool
    main_pid: int
    open_files: int | None
    state_dir: Path
    runtime_dir: Path
    writable: tuple[Path, ...]
    protect_system: str
    protect_home: str
    private_tmp: bool
    mounts: tuple[tuple[Path, bool], ...] = ()
    memory_max: int | None = None

    @property
    def owner(self) -> str:
        """Give user and group, as chown takes them."""
        return f"{self.user}:{self.group or self.user}"

    def hides(self, path: Path) -> str | None:
        """Give the switch that puts another folder, or none, in the place of the one where a path lies."""
        if self.private_tmp and _below(path, _TEMPORARY):
            return "PrivateTmp=yes"
        if self.protect_home in ("yes", "tmpfs") and _below(path, _HOMES):
            return f"ProtectHome={self.protect_home}"
        return None

    def lets_write(self, path: Path) -> bool:
        """Tell whether the sandbox lets the service write at a path, whoever may otherwise."""
        # what is missing when the service starts is made part of no sandbox
        if any(path.is_relative_to(root) for root in self.writable if os.access(root, os.F_OK)):
            return True
        if self.protect_home == "read-only" and _below(path, _HOMES):
            return False
        return _below(path, _API) or not _below(path, _SYSTEM.get(self.protect_system, ()))

    def has_read_only(self, path: Path) -> bool:
        """Tell whether the running daemon sees a path read-only: its sandbox is as old as its start."""
        above = [mount for mount in self.mounts if path.is_relative_to(mount[0])]
        # of mounts on one folder the last counts
        return (
            bool(above) and max(enumerate(above), key=lambda m: (len(m[1][0].parts), m[0]))[1][1]
        )

    def may(self, path: Path, *rights: Right) -> bool:
        """Tell whether the service's user may read, write or enter what is there, by its owner and mode."""
        try:
            account = pwd.getpwnam(self.user)
            group = grp.getgrnam(self.group).gr_gid if self.group else account.pw_gid
        except KeyError:
            return False
        if account.pw_uid == os.geteuid():
            modes = {"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}
            return all(os.access(path, modes[right], effective_ids=True) for right in rights)
        groups = os.getgrouplist(self.user, group)
        if os.geteuid() == 0:
            return all(_tested(path, right, account.pw_uid, group, groups) for right in rights)
        return _by_modes(path, rights, account.pw_uid, {group, *groups})

    def runs(self, pid: int) -> bool:
        """Tell whether a process is the daemon or one of its own."""
        return self.main_pid > 0 and descends(pid, self.main_pid)


def installed_service() -> Service | None:
    """Give the service of this machine, None where its unit is not installed."""
    try:
        done = subprocess.run(
            ["systemctl", "show", UNIT, "-p", ",".join(_PROPERTIES)],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    service = service_of(done.stdout)
    if service is None or not service.main_pid:
        return service
    try:
        table = Path(f"/proc/{service.main_pid}/mountinfo").read_text(encoding="utf-8")
    except OSError:
        return service
    return service._replace(mounts=mounts_of(table))


def service_of(shown: str) -> Service | None:
    """Give the service as `systemctl show` tells it, None when there is no such unit."""
    told = dict(line.partition("=")[::2] for line in shown.splitlines())
    if told.get("LoadState") != "loaded":
        return None
    directories = {
        name: [Path(root, leaf.partition(":")[0]) for leaf in told.get(name, "").split()]
        for name, root in _DIRECTORIES.items()
    }
    limit, memory = told.get("LimitNOFILE", ""), told.get("MemoryMax", "")
    return Service(
        user=told.get("User") or "root",
        group=told.get("Group", ""),
        active=(
            told.get("ActiveState") in ("active", "activating", "reloading")
            and told.get("SubState") != "auto-restart"
        ),
        main_pid=int(told.get("MainPID") or 0),
        open_files=int(limit) if limit.isdigit() else None,
        state_dir=next(iter(directories["StateDirectory"]), Path("/var/lib", UNIT)),
        runtime_dir=next(iter(directories["RuntimeDirectory"]), Path("/run", UNIT)),
        writable=(
            *(Path(part.lstrip("-+")) for part in told.get("ReadWritePaths", "").split()),
            *(folder for folders in directories.values() for folder in folders),
        ),
        protect_system=told.get("ProtectSystem", "no"),
        protect_home=told.get("ProtectHome", "no"),
        private_tmp=told.get("PrivateTmp", "no") not in ("no", ""),
        memory_max=int(memory) if memory.isdigit() else None,
    )


def mounts_of(mountinfo: str) -> tuple[tuple[Path, bool], ...]:
    """Give mount points in their order, each with whether it is read-only."""
    rows = [line.split() for line in mountinfo.splitlines()]
    return tuple(
        (Path(row[4].replace("\\040", " ")), "ro" in row[5].split(","))
        for row in rows
        if len(row) > 5
    )


def daemon_pid(config: WorkerConfig, service: Service | None) -> int:
    """Give the main process of the daemon that runs on a worker file, 0 when none is seen."""
    if service is not None and service.main_pid:
        return service.main_pid
    lock = config.runtime_dir / "daemon.lock"
    try:
        if is_held(lock):
            return int(lock.read_text(encoding="utf-8").partition("\n")[0])
    except (OSError, ValueError):
        return 0
    return 0


def descends(pid: int, ancestor: int) -> bool:
    """Tell whether a process is another one or has it among its parents."""
    while pid > 1 and pid != ancestor:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            pid = int(stat.rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            return False
    return pid == ancestor


def _below(path: Path, roots: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _tested(path: Path, right: Right, user: int, group: int, groups: list[int]) -> bool:
    """Ask as another user: lists of access and whatever else the kernel looks at count too."""
    command = ["test", f"-{right}", str(path)]
    done = subprocess.run(command, user=user, group=group, extra_groups=groups, check=False)
    return done.returncode == 0


def _by_modes(path: Path, rights: tuple[Right, ...], user: int, groups: set[int]) -> bool:
    """Judge by mode bits alone: of two users neither can ask for the other."""
    wanted = {path: rights, **dict.fromkeys(path.parents, ("x",))}
    try:
        return all(
            (found.st_mode >> _shift(found, user, groups)) & _BITS[right]
            for place, needed in wanted.items()
            for found in (place.stat(),)
            for right in needed
        )
    except OSError:
        return False


_BITS: Final = {"r": 4, "w": 2, "x": 1}


def _shift(found: os.stat_result, user: int, groups: set[int]) -> int:
    if found.st_uid == user:
        return 6
    return 3 if found.st_gid in groups else 0


def closed_folder(path: Path, service: Service) -> Path | None:
    """Give the first folder above a path that the service may not enter."""
    for parent in reversed(nearest(path).parents):
        if not service.may(parent, "x"):
            return parent
    return None
