"""A booted system on a disk of its own whose power can be cut.

The cut is the kernel's own (`EXT4_IOC_SHUTDOWN`, no flush): from that moment nothing more gets from the file
system to the disk, neither files nor journal, and with the next mount it is recovered as after a power cut.
What had not been synced is gone; what the disk itself had been given is held to be safe.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

from deploy.packaging.roots import run_in, system_root
from deploy.packaging.systems import System
from deploy.parts.folder import PartError, obtain, progress, run

_INSIDE = ("mariadb-server", "default-jre-headless")
_SIZE = "4G"
_SHUTDOWN = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
_NO_FLUSH = 2
_UMOUNT_S = 30.0


def database_root(release: str) -> Path:
    """Give a folder with the release, Debian's MariaDB and Java."""
    base = system_root(release)

    def build(scratch: Path) -> None:
        progress(f"installing a database on Debian {release}")
        root = scratch / "root"
        shutil.rmtree(root, ignore_errors=True)
        run(["cp", "-a", str(base), str(root)], f"copying {base}")
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")
        # Java's installation looks there
        run(["mount", "-t", "proc", "proc", str(root / "proc")], "mounting /proc")
        try:
            run_in(root, ["apt-get", "update", "-qq"], "reading the package lists")
            run_in(root, [*install, *_INSIDE], f"installing on {release}")
        finally:
            run(["umount", str(root / "proc")], "unmounting /proc")
        policy.unlink()

    return obtain(f"debian-{release}-database", ",".join(_INSIDE), build) / "root"


class DiskSystem(System):
    """A release with packages installed, on a disk; use as a context. Root only."""

    alone = True

    def __init__(self, release: str, packages: list[Path]) -> None:
        super().__init__(release)
        self._release = release
        self._packages = packages
        self._disk = self.folder / "disk.img"

    def mount(self) -> None:
        """Write the disk with everything on it, and mount it."""
        lower = database_root(self._release)
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir()
        layers = f"lowerdir={lower},upperdir={self.folder}/upper,workdir={self.folder}/work"
        run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], "mounting")
        try:
            for package in self._packages:
                shutil.copy(package, self.root / "tmp")
            names = [f"/tmp/{package.name}" for package in self._packages]
            run_in(self.root, ["dpkg", "-i", *names], "installing the packages")
            (self.root / "etc/fstab").write_text("")
            words = ("mke2fs", "-q", "-t", "ext4", "-d", str(self.root), str(self._disk), _SIZE)
            run(list(words), "writing a disk")
        finally:
            self._unmount()
        self._insert()

    def _insert(self) -> None:
        run(["mount", "-o", "loop", str(self._disk), str(self.root)], "mounting a disk")

    def cut(self) -> None:
        """Cut the power, and start again from what is on the disk."""
        folder = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_FLUSH))
        finally:
            os.close(folder)
        self.kill()
        self._unmount()
        self._insert()
        self.boot()

    def _unmount(self) -> None:
        """Unmount, and wait until the last process that sees the disk is gone."""
        deadline = time.monotonic() + _UMOUNT_S
        while time.monotonic() < deadline:
            done = subprocess.run(
                ["umount", "-R", str(self.root)], check=False, capture_output=True
            )
            mounted = done.returncode and b"not mounted" not in done.stderr
            if not (mounted or run(["losetup", "-j", str(self._disk)], "looking at disks")):
                return
            time.sleep(0.1)
        raise PartError(f"Unmounting {self.root}: something still uses it {done.stderr.decode()}")
