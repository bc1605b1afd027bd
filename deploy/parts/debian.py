"""Debian packages unpacked into a folder, by apt's own knowledge and without touching the system.

apt runs on a state of its own inside the part's folder and takes the mirrors, keys and settings
of this machine. Packages of the machine's own release borrow what is installed already; a foreign
release comes whole, with its C library, and its programs are started through its own loader.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.parts.folder import PartError, obtain, progress, run


def obtain_packages(name: str, packages: Sequence[str], release: str | None = None) -> Path:
    """Give a folder with the packages and what they need unpacked (usr/bin, usr/sbin, ...).

    `release`: a Debian release other than the machine's (`sid`): then nothing installed counts.
    A package `name@` stands for the one that the package `name` depends on first (a metapackage's
    target). Raises PartError.
    """

    def build(scratch: Path) -> None:
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            raise PartError(
                f"{name} is unpacked from Debian packages, which needs apt and dpkg: "
                "install the server by hand so that it is found in PATH."
            )
        apt = _Apt(scratch / "apt", release)
        progress(f"reading the package lists for {name}")
        apt.run("apt-get", "update", "-qq")
        wanted = [apt.target_of(package) for package in packages]
        progress(f"fetching {' '.join(wanted)}")
        apt.run(
            *("apt-get", "install", "-y", "-qq", "--no-install-recommends", "--download-only"),
            *wanted,
        )
        archives = sorted((scratch / "apt/cache/archives").glob("*.deb"))
        progress(f"unpacking {len(archives)} packages")
        root = scratch / "root"
        shutil.rmtree(root, ignore_errors=True)
        for archive in archives:
            run(["dpkg", "-x", str(archive), str(root)], f"unpacking {archive.name}")
        shutil.rmtree(scratch / "apt")

    return obtain(name, f"{' '.join(packages)} {release or ''}", build) / "root"


def library_path(root: Path) -> str:
    """Give the search path of the shared libraries below an unpacked root."""
    return ":".join(
        str(path)
        for pattern in ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/mysql/private")
        for path in sorted(root.glob(pattern))
        if path.is_dir()
    )


def loader(root: Path) -> list[str]:
    """Give the words that start a program of a foreign release by that release's own loader."""
    patterns = ("usr/lib/*-linux-gnu/ld-linux*.so.*", "lib/*-linux-gnu/ld-linux*.so.*")
    found = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    if not found:
        raise PartError(f"{root} holds no dynamic loader: remove that folder and try again.")
    return [str(found[0]), "--library-path", library_path(root)]


class _Apt:
    """apt-get and apt-cache on a state of their own; mirrors and keys are the machine's."""

    def __init__(self, folder: Path, release: str | None) -> None:
        for path in ("state/lists/partial", "cache/archives/partial"):
            (folder / path).mkdir(parents=True, exist_ok=True)
        settings = {
            "Dir::State": folder / "state",
            "Dir::State::status": "/var/lib/dpkg/status",
            "Dir::Cache": folder / "cache",
            "Debug::NoLocking": "1",
            "Acquire::Languages": "none",
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Retries": "3",
        }
        if os.geteuid() == 0:
            settings["APT::Sandbox::User"] = "root"
        if release:
            (folder / "status").touch()
            (folder / "sources.list").write_text(_source_line(release))
            (folder / "sources.d").mkdir(exist_ok=True)
            settings |= {
                "Dir::State::status": folder / "status",
                "Dir::Etc::sourcelist": folder / "sources.list",
                "Dir::Etc::sourceparts": folder / "sources.d",
                "Dir::Etc::preferences": folder / "preferences",
                "Dir::Etc::preferencesparts": folder / "sources.d",
            }
        self._options = [
            word for key, value in settings.items() for word in ("-o", f"{key}={value}")
        ]

    def run(self, program: str, *words: str) -> str:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        return run([program, *self._options, *words], f"{program} {words[0]}", env=environment)

    def target_of(self, package: str) -> str:
        if not package.endswith("@"):
            return package
        listed = self.run("apt-cache", "depends", package[:-1])
        found = re.search(r"Depends: (\S+)", listed)
        if not found:
            raise PartError(f"apt knows no package {package[:-1]}.")
        return found[1]


def debian_mirror() -> str:
    """Give the Debian archive that this machine's apt uses. Raises PartError when it names none."""
    listed = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI) $(TARGET_OF)",
            "Created-By: Packages",
        ],
        check=False,
        capture_output=True,
        text=True,
    ).stdout.split()
    mirrors = [word for word in listed if re.search(r"/debian/?$", word)]
    if not mirrors:
        raise PartError(
            "The apt sources of this machine name no Debian archive, where other releases would be: "
            "add one, or install the server by hand so that it is found in PATH."
        )
    return mirrors[0]


def _source_line(release: str) -> str:
    """A source for another Debian release, on the mirror that this machine uses for its own."""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    signed = f"[signed-by={keyring}] " if Path(keyring).exists() else ""
    return f"deb {signed}{debian_mirror()} {release} main\n"
