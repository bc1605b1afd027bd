"""A virtual machine of a release with packages installed, whose power can be cut.

Its kernel, page cache and disk are its own: when QEMU is killed, whatever the machine had not yet written to
its disk is gone. It runs on KVM where a kernel comes up on that, else emulated in software, which is ten to
twenty times slower. `witness` runs inside and tells over a serial line what happens there.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.packaging.roots import copied, mounted, need, run_in, system_root
from deploy.parts.folder import PartError, obtain, progress, run

_INSIDE = (
    *("linux-image-cloud-amd64", "initramfs-tools", "zstd"),
    *("mariadb-server", "default-jre-headless"),
)
_SIZE = "4G"
_MODULES = ("virtio_pci", "virtio_blk", "ext4")
_KVM_S = 20.0
# emulated, a processor is quicker the less it can do; the wheels need this much
_EMULATED = ("-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "Nehalem")
_VIRTUAL = ("-accel", "kvm", "-cpu", "host")
_WITNESS = """\
[Unit]
Description=What happens in this machine
After=mariadb.service
[Service]
ExecStart=/bin/sh -c 'cd "$$(dirname "$$(readlink -f /usr/bin/ingest-appliance)")"; \\
    exec ./python /usr/local/lib/witness.py'
"""
_UNITS = "etc/systemd/system"
# processors that are this slow get less to do, and everything waits for them
_EASY = {
    f"{_UNITS}/ingest-appliance.service.d/slow.conf": "[Service]\nTimeoutStartSec=600\nWatchdogSec=300\n",
    f"{_UNITS}/ingest-appliance-kafka.service.d/slow.conf": (
        "[Service]\nEnvironment="
        '"JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1'
        ' -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"\n'
    ),
    "etc/ingest-appliance/worker.properties": "appliance.workers=1\n",
}

Message = dict[str, Any]


def machine_root(release: str) -> Path:
    """Give a folder with the release, a kernel, and what the packages need of Debian."""
    base = system_root(release)

    def build(scratch: Path) -> None:
        progress(f"installing a kernel and a database on Debian {release}")
        root = copied(base, scratch)
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        conf = root / "etc/initramfs-tools"
        (conf / "conf.d").mkdir(parents=True)
        (conf / "conf.d/small").write_text("MODULES=list\nCOMPRESS=zstd\n")
        (conf / "modules").write_text("\n".join(_MODULES) + "\n")
        install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")
        options = ("-o", "Dpkg::Options::=--force-confold")
        # Java's installation looks there
        run(["mount", "-t", "proc", "proc", str(root / "proc")], "mounting /proc")
        try:
            run_in(root, ["apt-get", "update", "-qq"], "reading the package lists")
            run_in(root, [*install, *options, *_INSIDE], f"installing on {release}")
        finally:
            run(["umount", str(root / "proc")], "unmounting /proc")
        policy.unlink()

    return obtain(f"debian-{release}-machine", ",".join(_INSIDE), build) / "root"


class Machine:
    """One machine with its disk; use as a context. Root only.

    `told` gets what the witness tells, while somebody waits here.
    """

    def __init__(
        self,
        release: str,
        packages: list[Path],
        files: dict[str, str],
        told: Callable[[Message], None],
    ) -> None:
        need("qemu-system-x86_64", "qemu-system-x86")
        self._lower = machine_root(release)
        self._packages = packages
        self._files = files
        self._told = told
        self._kernel = max((self._lower / "boot").glob("vmlinuz-*"))
        self._ram = max((self._lower / "boot").glob("initrd.img-*"))
        self._process: subprocess.Popen[bytes] | None = None
        self._line = socket.socket()
        self._buffer = b""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="machine-"))
        try:
            self._processor = _VIRTUAL if _kvm_works(self._kernel) else _EMULATED
            progress(f"a machine {'on KVM' if self._processor is _VIRTUAL else 'in software'}")
            self._write_disk()
        except BaseException:
            self.cut()
            shutil.rmtree(self._folder)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write_disk(self) -> None:
        """Write the disk: the release with packages, witness and files."""
        with mounted(self._lower, self._folder) as root:
            for package in self._packages:
                shutil.copy(package, root / "tmp")
            names = [f"/tmp/{package.name}" for package in self._packages]
            run_in(root, ["dpkg", "-i", *names], "installing the packages")
            for name in names:
                (root / name.lstrip("/")).unlink()
            witness = Path(__file__).with_name("witness.py").read_text()
            files = self._files | {
                "usr/local/lib/witness.py": witness,
                f"{_UNITS}/witness.service": _WITNESS,
                "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
                "etc/hosts": "127.0.0.1 localhost\n",
            }
            if self._processor is _EMULATED:
                files |= _EASY
            for name, text in files.items():
                file = root / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            run_in(root, ["chgrp", "-R", "ingest", "/etc/ingest-appliance/connectors.d"], "giving")
            wanted = root / _UNITS / "multi-user.target.wants/witness.service"
            wanted.symlink_to("/etc/systemd/system/witness.service")
            words = ("mke2fs", "-q", "-t", "ext4", "-d", str(root), str(self._disk), _SIZE)
            run(words, "writing a disk")

    @property
    def _disk(self) -> Path:
        return self._folder / "disk.img"

    def start(self) -> None:
        """Switch it on. Raises PartError when nothing is heard of it."""
        heard = self._folder / "witness.sock"
        heard.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                *("qemu-system-x86_64", *self._processor, "-smp", "2", "-m", "2560"),
                *("-display", "none", "-no-reboot", "-nic", "none", "-device", "virtio-rng-pci"),
                *("-kernel", str(self._kernel), "-initrd", str(self._ram)),
                *("-append", "console=ttyS0 root=/dev/vda rw quiet mitigations=off"),
                *("-drive", f"file={self._disk},if=virtio,format=raw,cache=writeback"),
                *("-serial", f"file:{self._folder / 'console.log'}"),
                *("-serial", f"unix:{heard},server=on,wait=off"),
            ],
            stdin=subprocess.DEVNULL,
        )
        self._line, self._buffer = socket.socket(socket.AF_UNIX), b""
        self._line.settimeout(1)
        deadline = time.monotonic() + 30
        while True:
            try:
                self._line.connect(str(heard))
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def wait(self, condition: Callable[[], bool], purpose: str, timeout_s: float) -> float:
        """Listen until the condition holds; give the seconds that it took. Raises PartError."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout_s:
                raise PartError(f"{purpose}: not within {timeout_s:g} s. {self._last_words()}")
            for message in self._heard():
                self._told(message)
        return time.monotonic() - began

    def _last_words(self) -> str:
        try:
            return self.sh("systemctl --failed; journalctl -n 60 --no-pager", timeout_s=120)
        except PartError:
            return (self._folder / "console.log").read_text(errors="replace")[-3000:]

    def _heard(self) -> Iterator[Message]:
        assert self._process is not None
        if self._process.poll() is not None:
            raise PartError(f"The machine ended with {self._process.returncode}.")
        try:
            data = self._line.recv(1 << 16)
        except TimeoutError:
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            # before the witness has set the line up, it carries what was echoed
            if line.startswith(b"{"):
                yield json.loads(line)

    def say(self, **message: object) -> None:
        """Say something to the witness."""
        self._line.sendall(json.dumps(message).encode() + b"\n")

    def sh(self, script: str, timeout_s: float = 300) -> str:
        """Run a shell script inside; give its output. Raises PartError when it takes too long."""
        self.say(run=script)
        deadline = time.monotonic() + timeout_s
        answer: list[str] = []
        while not answer:
            if time.monotonic() > deadline:
                raise PartError(f"{script[:200]} did not end within {timeout_s:g} s")
            for message in self._heard():
                if "answer" in message:
                    answer.append(message["answer"])
                else:
                    self._told(message)
        return answer[0]

    def cut(self) -> None:
        """Cut its power."""
        self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _kvm_works(kernel: Path) -> bool:
    """Whether a kernel speaks on KVM: a device node does not say so."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    words = (
        *("qemu-system-x86_64", *_VIRTUAL, "-m", "512", "-nodefaults", "-display", "none"),
        *("-no-reboot", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"),
        *("-serial", "stdio"),
    )
    try:
        # there is no disk for it, so it panics and the machine ends
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_KVM_S
        )
    except subprocess.TimeoutExpired:
        return False
    return b"Linux version" in done.stdout
