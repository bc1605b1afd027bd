"""Tries what the hardened unit must not be able to do; prints a JSON object of what was tried and done.

Run in the unit's place, with all its restrictions; the standard library is all that it needs. `allowed` are
things that must work: a probe that can do nothing proves nothing.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
_NEW_USER, _NEW_NAMESPACE = 0x10000000, 0x00020000
_PTRACE_ATTACH = 16
_BPF, _INIT_MODULE, _KEXEC_LOAD, _KEYCTL, _PERF_OPEN = 321, 175, 246, 250, 298


def _call(name: str, *arguments: Any) -> None:
    if getattr(_libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def _system_call(number: int, *arguments: Any) -> None:
    if _libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), str(number))


def _write(path: str) -> Callable[[], None]:
    def write() -> None:
        Path(path).write_text("probe", encoding="utf-8")

    return write


def _others() -> None:
    """See processes of others."""
    seen = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    if 1 in seen:
        Path("/proc/1/environ").read_bytes()
    elif not any(pid != os.getpid() and _user(pid) != os.getuid() for pid in seen):
        raise PermissionError("none of theirs is there")


def _user(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return os.getuid()


def _executable_memory() -> None:
    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.close()


def _real_time() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _trace_child() -> None:
    child = subprocess.Popen(["/bin/sleep", "5"])
    try:
        _call("ptrace", _PTRACE_ATTACH, child.pid, 0, 0)
    finally:
        child.kill()


def _set_user_id() -> None:
    file = Path("/tmp/probe-suid")
    file.touch()
    file.chmod(0o4755)


FORBIDDEN: dict[str, Callable[[], object]] = {
    "write /etc": _write("/etc/probe"),
    "write its own configuration": _write("/etc/ingest-appliance/worker.properties"),
    "write its own program": _write("/usr/lib/ingest-appliance/probe"),
    "write /usr/bin": _write("/usr/bin/probe"),
    "write /var/lib": _write("/var/lib/probe"),
    "write another service's data": _write("/var/lib/ingest-appliance-kafka/probe"),
    "read /root": lambda: list(Path("/root").iterdir()),
    "read /home": lambda: Path("/home/probe").read_bytes(),
    "read /etc/shadow": lambda: Path("/etc/shadow").read_bytes(),
    "read root's secrets": lambda: Path("/etc/ingest-appliance/secrets/canary").read_bytes(),
    "see others' processes": _others,
    "trace process 1": lambda: _call("ptrace", _PTRACE_ATTACH, 1, 0, 0),
    "trace a child of its own": _trace_child,
    "load a module": lambda: _system_call(_INIT_MODULE, None, 0, b""),
    "load a kernel": lambda: _system_call(_KEXEC_LOAD, 0, 0, None, 0),
    "load bpf": lambda: _system_call(_BPF, 0, None, 0),
    "watch with perf": lambda: _system_call(_PERF_OPEN, None, 0, -1, -1, 0),
    "use the keyring": lambda: _system_call(_KEYCTL, 0, -3, 0),
    "mount": lambda: _call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "unshare users": lambda: _call("unshare", _NEW_USER),
    "unshare mounts": lambda: _call("unshare", _NEW_NAMESPACE),
    "change its root": lambda: os.chroot("/tmp"),
    "become root": lambda: os.setuid(0),
    "become root by a program": lambda: subprocess.run(
        ["/usr/bin/su", "-c", "true"], check=True, stdin=subprocess.DEVNULL, capture_output=True
    ),
    "set a user id bit": _set_user_id,
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "set the host's name": lambda: socket.sethostname("probe"),
    "set a kernel value": _write("/proc/sys/kernel/core_pattern"),
    "write a control group": _write("/sys/fs/cgroup/cgroup.procs"),
    "read the kernel's log": lambda: _call("klogctl", 3, ctypes.create_string_buffer(64), 64),
    "raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "listen below 1024": lambda: socket.create_server(("127.0.0.1", 79)),
    "real-time scheduling": _real_time,
    "executable memory": _executable_memory,
    "another personality": lambda: _call("personality", 8),
    "memory of the machine": lambda: Path("/dev/mem").read_bytes(),
    "make a device": lambda: os.mknod("/tmp/probe-device", 0o60666, os.makedev(7, 0)),
    "reboot": lambda: _call("reboot", 0),
}
ALLOWED: dict[str, Callable[[], object]] = {
    "write its state": _write("/var/lib/ingest-appliance/probe"),
    "write its runtime folder": _write("/run/ingest-appliance-probe/probe"),
    "write /tmp": _write("/tmp/probe"),
    "read its configuration": lambda: Path("/etc/ingest-appliance/worker.properties").read_bytes(),
    "listen": lambda: socket.create_server(("127.0.0.1", 18999)).close(),
    "connect": lambda: socket.create_connection(("127.0.0.1", 8083), 5).close(),
    "start a program": lambda: subprocess.run(["/bin/true"], check=True),
}


def _done(attempts: dict[str, Callable[[], object]]) -> list[str]:
    """Give the attempts that succeeded."""
    done = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except (OSError, ValueError, subprocess.CalledProcessError):
            continue
        done.append(name)
    return done


if __name__ == "__main__":
    found = {"done": _done(FORBIDDEN), "works": _done(ALLOWED)}
    found["lacks"] = [name for name in ALLOWED if name not in found["works"]]
    print(json.dumps({**found, "tried": len(FORBIDDEN)}), flush=True)
