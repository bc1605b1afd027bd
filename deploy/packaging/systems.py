"""A booted Debian system in a container: real systemd, apt and journal, on the release's folder, thrown away.

The kernel and the clock are this machine's. The system's changes lie in memory above the release's folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.packaging.roots import need, system_root
from deploy.parts.folder import PartError, run

_BOOT_S = 60.0
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


class System:
    """One system of a release; use as a context. Root only."""

    def __init__(self, release: str) -> None:
        need("systemd-nspawn", "systemd-container")
        self._lower = system_root(release)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{release}-"))
        self.root = self._folder / "root"
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        run(["mount", "-t", "tmpfs", "none", str(self._folder)], "mounting memory for a system")
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir()
        layers = (
            f"lowerdir={self._lower},upperdir={self._folder}/upper,workdir={self._folder}/work"
        )
        words = ("-t", "overlay", "overlay", "-o", layers, str(self.root))
        run(["mount", *words], "mounting a system's folder")
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        try:
            self.boot()
        except BaseException:
            self.close()
            raise
        return self

    def boot(self) -> None:
        """Start the system and wait until its services are up."""
        with (self._folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                [
                    *("systemd-nspawn", "-q", "-D", str(self.root), "-M", f"trial{os.getpid()}"),
                    *("--register=no", "--keep-unit", "--console=pipe", "--boot"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                start_new_session=True,
            )
        deadline = time.monotonic() + _BOOT_S
        while time.monotonic() < deadline:
            self._leader = self._find_leader()
            if self._leader:
                state = self.run("systemctl", "is-system-running", check=False).strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.2)
        said = (self._folder / "console.log").read_text(errors="replace")[-2000:]
        raise PartError(f"The system did not come up within {_BOOT_S:g} s: {said}")

    def _find_leader(self) -> int:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for pid in children.read_text().split() if children.exists() else ():
            if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                return int(pid)
        return 0

    def run(self, *command: str, check: bool = True, timeout_s: float = 300) -> str:
        """Run a command inside; give its output. Raises PartError when it fails."""
        done = subprocess.run(
            [
                *(
                    "nsenter",
                    "-t",
                    str(self._leader),
                    "-m",
                    "-u",
                    "-i",
                    "-n",
                    "-p",
                    "-C",
                    "--wd=/",
                ),
                *("env", "-i", _PATH, "HOME=/root", "LC_ALL=C.UTF-8"),
                *("DEBIAN_FRONTEND=noninteractive", *command),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        if check and done.returncode:
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
            raise PartError(f"{' '.join(command)[:200]} gave {done.returncode}:\n{last}")
        return done.stdout

    def sh(self, script: str, *, check: bool = True, timeout_s: float = 300) -> str:
        """Run a shell script inside; give its output."""
        return self.run("sh", "-c", script, check=check, timeout_s=timeout_s)

    def power_off(self) -> None:
        """Shut the system down in order."""
        if self._process is None:
            return
        if self._leader:
            self.run("systemctl", "poweroff", check=False)
        try:
            self._process.wait(90)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process, self._leader = None, 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Power off and leave nothing behind."""
        self.power_off()
        for folder in (self.root, self._folder):
            subprocess.run(["umount", "-R", str(folder)], check=False, capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)
