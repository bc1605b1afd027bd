"""A folder with a Debian release in it, to build in and to boot."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.parts.debian import debian_mirror
from deploy.parts.folder import PartError, obtain, progress, run

RELEASES = {"bookworm": "deb12", "trixie": "deb13"}
"""Release to the suffix of its package versions."""

_SYSTEM = (
    *(
        "systemd",
        "systemd-sysv",
        "dbus",
        "libpam-systemd",
        "procps",
        "iproute2",
        "ca-certificates",
    ),
    *("python3", "adduser", "debian-archive-keyring"),
)
_BUILD = (
    *("debhelper", "python3-venv", "python3-pip", "lintian", "binutils", "apt-utils", "gnupg"),
    # two distributions come as source, in pure Python
    "python3-setuptools",
)
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def system_root(release: str) -> Path:
    """Give a folder with a minimal booting system of the release."""

    def build(scratch: Path) -> None:
        need("debootstrap", "debootstrap")
        progress(f"unpacking Debian {release}")
        root = scratch / "root"
        shutil.rmtree(root, ignore_errors=True)
        included = f"--include={','.join(_SYSTEM)}"
        words = ("--variant=minbase", included, release, str(root), debian_mirror())
        run(["debootstrap", *words], f"unpacking Debian {release}")

    return obtain(f"debian-{release}", ",".join(_SYSTEM), build) / "root"


def copied(base: Path, scratch: Path) -> Path:
    """Give a copy of a root, made anew in `scratch`."""
    root = scratch / "root"
    shutil.rmtree(root, ignore_errors=True)
    run(["cp", "-a", str(base), str(root)], f"copying {base}")
    return root


def build_root(release: str) -> Path:
    """Give a folder with the release and what builds packages on it."""
    base = system_root(release)

    def build(scratch: Path) -> None:
        progress(f"installing build tools on Debian {release}")
        root = copied(base, scratch)
        install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")
        run_in(root, [*install, *_BUILD], f"installing build tools on {release}")

    return obtain(f"debian-{release}-build", ",".join(_BUILD), build) / "root"


@contextmanager
def mounted(lower: Path, folder: Path) -> Iterator[Path]:
    """Give a folder that shows `lower`; what is changed there lies in `folder`. Raises PartError."""
    for name in ("upper", "work", "root"):
        (folder / name).mkdir()
    root = folder / "root"
    layers = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
    run(["mount", "-t", "overlay", "overlay", "-o", layers, str(root)], f"mounting {lower}")
    try:
        yield root
    finally:
        run(["umount", str(root)], f"unmounting {root}")


def run_in(root: Path, command: list[str], purpose: str, folder: str = "/") -> str:
    """Run a program in the folder as in a system of its own; give its stdout. Raises PartError.

    Of this machine's environment only the way to the package index is taken along.
    """
    if Path(_CERTIFICATES).exists():
        shutil.copy(_CERTIFICATES, root / "tmp/certificates.crt")
    given = {
        name: value for name, value in os.environ.items() if name.endswith(("_proxy", "_PROXY"))
    }
    given |= {name: os.environ[name] for name in ("PIP_INDEX_URL",) if name in os.environ}
    environment = {
        **given,
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "PIP_CERT": "/tmp/certificates.crt",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    inside = ["chroot", str(root), "/usr/bin/env", "-C", folder, *command]
    return run(inside, purpose, env=environment)


def need(program: str, package: str) -> None:
    """Make sure that a program of this machine is there. Raises PartError."""
    if os.geteuid() != 0:
        raise PartError("Building packages changes roots and mounts: run it as root.")
    if shutil.which(program) is None:
        progress(f"installing {package}")
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-qq"], "reading the package lists", env=environment)
        words = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
        run(words, f"installing {package}", env=environment)
