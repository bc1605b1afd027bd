"""The signed apt repository in `dist/apt`: one suite per release, with a key of this machine's own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.packaging.build import DIST
from deploy.packaging.roots import build_root, run_in
from deploy.parts.folder import parts_folder

REPOSITORY_FOLDER = DIST / "apt"
PUBLIC_KEY = "ingest-appliance.asc"
_WHO = "ingest-appliance local repository"


def make_repository(packages: Mapping[str, Sequence[Path]]) -> Path:
    """Give the folder with the packages of each release, indexed and signed. Raises PartError."""
    shutil.rmtree(REPOSITORY_FOLDER, ignore_errors=True)
    for release, paths in packages.items():
        root = build_root(release)
        work = root / "build/apt"
        shutil.rmtree(work, ignore_errors=True)
        pool, suite = work / f"pool/{release}", work / f"dists/{release}"
        for folder in (pool, suite / "main/binary-amd64"):
            folder.mkdir(parents=True)
        for path in paths:
            shutil.copy(path, pool)
        _index(root, release)
        _sign(root, f"/build/apt/dists/{release}")
        shutil.copytree(work, REPOSITORY_FOLDER, dirs_exist_ok=True)
    return REPOSITORY_FOLDER


def _index(root: Path, release: str) -> None:
    script = (
        f"apt-ftparchive packages pool/{release} >dists/{release}/main/binary-amd64/Packages && "
        f"gzip -9kn dists/{release}/main/binary-amd64/Packages && "
        f"apt-ftparchive -o APT::FTPArchive::Release::Suite={release} "
        f"-o APT::FTPArchive::Release::Codename={release} "
        "-o APT::FTPArchive::Release::Components=main "
        "-o APT::FTPArchive::Release::Architectures=amd64 "
        f"release dists/{release} >Release && mv Release dists/{release}/"
    )
    run_in(root, ["sh", "-c", script], f"indexing {release}", "/build/apt")


def _sign(root: Path, suite: str) -> None:
    """Sign a suite with the key in the parts folder, made when it is missing."""
    key = parts_folder() / "package-key.asc"
    inside = root / "build/key.asc"
    gpg = "gpg --batch --quiet --homedir /build/gnupg"
    if key.exists():
        shutil.copy(key, inside)
        get = f"{gpg} --import /build/key.asc"
    else:
        make = f"{gpg} --passphrase '' --quick-generate-key '{_WHO}' ed25519 sign never"
        get = f"{make} && {gpg} --armor --export-secret-keys >/build/key.asc"
    script = (
        "umask 077 && rm -rf /build/gnupg && mkdir /build/gnupg && "
        f"{get} && {gpg} --yes --clearsign --output {suite}/InRelease {suite}/Release && "
        f"{gpg} --yes --armor --detach-sign --output {suite}/Release.gpg {suite}/Release && "
        f"{gpg} --armor --export >/build/apt/{PUBLIC_KEY} && "
        f"chmod 644 {suite}/InRelease {suite}/Release.gpg /build/apt/{PUBLIC_KEY} && "
        "gpgconf --homedir /build/gnupg --kill all && rm -rf /build/gnupg"
    )
    run_in(root, ["sh", "-c", script], "signing the repository")
    if not key.exists():
        shutil.copy(inside, key)
        key.chmod(0o600)
    inside.unlink()
