"""A virtual machine of a release whose power can be cut, with a kernel of its own and a line for commands.

Emulated in software (about fifteen times slower than the machine itself), so that it runs where there is no
hypervisor. What the machine had not yet written to its disk is gone when it is cut.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

from deploy.packaging.roots import need, run_in, system_root
from deploy.parts.folder import PartError, obtain, progress, run

_INSIDE = (
    *("linux-image-cloud-amd64", "initramfs-tools"),
    *("mariadb-server", "default-jre-headless"),
)
_BOOT_S = 300.0
_AGENT = """\
import json, os, subprocess, tty
line = os.open("/dev/ttyS1", os.O_RDWR | os.O_NOCTTY)
tty.setraw(line)
os.write(line, b'"ready"\\n')
for text in os.fdopen(os.dup(line)):
    done = subprocess.run(["sh", "-c", json.loads(text)], capture_output=True, text=True)
    answer = json.dumps({"code": done.returncode, "out": done.stdout, "err": done.stderr})
    data = answer.encode() + b"\\n"
    while data:
        data = data[os.write(line, data):]
"""
_UNIT = """\
[Unit]
After=multi-user.target
[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/agent.py
[Install]
WantedBy=multi-user.target
"""


def machine_root(release: str) -> Path:
    """Give a folder with the release, a kernel, and what the packages and the tests need of Debian."""
    base = system_root(release)

    def build(scratch: Path) -> None:
        progress(f"installing a kernel and a database on Debian {release}")
        root = scratch / "root"
        shutil.rmtree(root, ignore_errors=True)
        run(["cp", "-a", str(base), str(root)], f"copying {base}")
        install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        # Java's installation looks there
        run(["mount", "-t", "proc", "proc", str(root / "proc")], "mounting /proc")
        try:
            run_in(root, ["apt-get", "update", "-qq"], "reading the package lists")
            run_in(root, [*install, *_INSIDE], f"installing on {release}")
        finally:
            run(["umount", str(root / "proc")], "unmounting /proc")
        policy.unlink()

    return obtain(f"debian-{release}-machine", ",".join(_INSIDE), build) / "root"


def write_agent(root: Path) -> None:
    """Put the agent into a system's folder."""
    (root / "usr/local/lib/agent.py").write_text(_AGENT)
    (root / "etc/systemd/system/agent.service").write_text(_UNIT)
    wanted = root / "etc/systemd/system/multi-user.target.wants/agent.service"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.unlink(missing_ok=True)
    wanted.symlink_to("/etc/systemd/system/agent.service")


def write_disk(root: Path, image: Path, size: str) -> None:
    """Write a disk with the content of a system's folder."""
    run(
        ["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(image), size],
        f"writing the disk {image}",
    )


class Machine:
    """One machine on a disk; start it, run commands in it, cut its power, start it again. Root only."""

    def __init__(self, folder: Path, root: Path, image: Path) -> None:
        need("qemu-system-x86_64", "qemu-system-x86")
        self._folder = folder
        self._image = image
        self._kernel = max((root / "boot").glob("vmlinuz-*"))
        self._ram = max((root / "boot").glob("initrd.img-*"))
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._buffer = b""

    def start(self) -> float:
        """Switch it on; give the seconds until its services are up. Raises PartError."""
        began = time.monotonic()
        agent = self._folder / "agent.sock"
        agent.unlink(missing_ok=True)
        console = self._folder / "console.log"
        self._process = subprocess.Popen(
            [
                *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"),
                *("-smp", "2", "-m", "2560", "-display", "none", "-no-reboot", "-nic", "none"),
                *("-device", "virtio-rng-pci"),
                *("-kernel", str(self._kernel), "-initrd", str(self._ram)),
                *("-append", "console=ttyS0 root=/dev/vda rw quiet"),
                *("-drive", f"file={self._image},if=virtio,format=raw,cache=writeback"),
                *("-serial", f"file:{console}"),
                *("-serial", f"unix:{agent},server=on,wait=off"),
            ],
            stdin=subprocess.DEVNULL,
        )
        while time.monotonic() - began < _BOOT_S:
            if self._process.poll() is not None:
                break
            try:
                if self._line is None:
                    self._line = socket.socket(socket.AF_UNIX)
                    self._line.connect(str(agent))
                    self._line.settimeout(5)
                if self._read() == "ready":
                    return time.monotonic() - began
            except (FileNotFoundError, ConnectionRefusedError):
                self._line = None
                time.sleep(0.2)
            except TimeoutError:
                continue
        said = console.read_text(errors="replace")[-2000:] if console.exists() else ""
        raise PartError(f"The machine did not come up within {_BOOT_S:g} s: {said}")

    def _read(self) -> object:
        assert self._line is not None
        while b"\n" not in self._buffer:
            data = self._line.recv(1 << 16)
            if not data:
                raise PartError("The machine's agent is gone.")
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\n")
        # what the line carried before the agent opened it is nobody's
        return json.loads(text[max(text.find(b'"ready"'), 0) :] if b"ready" in text else text)

    def sh(self, script: str, *, check: bool = True, timeout_s: float = 300) -> str:
        """Run a shell script inside; give its output. Raises PartError when it fails or takes too long."""
        assert self._line is not None
        self._line.settimeout(timeout_s)
        self._line.sendall(json.dumps(script).encode() + b"\n")
        try:
            answer = self._read()
        except TimeoutError as error:
            raise PartError(f"{script[:200]} did not end within {timeout_s:g} s") from error
        assert isinstance(answer, dict)
        if check and answer["code"]:
            told = (answer["out"] + answer["err"])[-2000:]
            raise PartError(f"{script[:200]} gave {answer['code']}:\n{told}")
        return str(answer["out"])

    def cut(self) -> None:
        """Cut its power."""
        if self._line is not None:
            self._line.close()
        self._line, self._buffer = None, b""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
