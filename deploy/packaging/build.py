"""One build: the source with wheels and jars beside it, through debhelper, to checked .deb files."""

from __future__ import annotations

import email.utils
import shutil
from pathlib import Path

import appliance
from deploy.packaging.roots import RELEASES, build_root, run_in
from deploy.parts.folder import REPOSITORY, progress, run
from deploy.parts.kafka import obtain_kafka

DIST = REPOSITORY / "dist"
MOST_BYTES = 60_000_000
_SHIPPED = ("appliance", "tui", "systemd", "deploy", "pyproject.toml", "README.md", "LICENSE")
_SOURCE = "/build/source"


def build(release: str, version: str = appliance.__version__) -> list[Path]:
    """Give the packages of a release in `dist/<release>`. Raises PartError, with lintian's words too."""
    root = build_root(release)
    source = _lay_source(root, release, version)
    progress(f"collecting wheels for Debian {release}")
    pip = ["python3", "-m", "pip", "wheel", "--quiet", "--wheel-dir", "/build/wheels"]
    choice = ["--find-links", "/build/wheels", "-c", "deploy/packaging/constraints.txt"]
    run_in(root, [*pip, *choice, ".[web]"], "collecting wheels", _SOURCE)
    run(["cp", "-a", str(root / "build/wheels"), str(source / "wheels")], "copying wheels")
    shutil.copytree(obtain_kafka(), source / "jars")
    progress(f"building packages for Debian {release}")
    for old in (root / "build").glob("*.deb"):
        old.unlink()
    run_in(root, ["dpkg-buildpackage", "-b", "-d", "-us", "-uc"], "building packages", _SOURCE)
    names = sorted(path.name for path in (root / "build").glob("*.deb"))
    progress("checking with lintian")
    lintian = ["lintian", "--allow-root", "--fail-on", "error", "--tag-display-limit", "0"]
    print(run_in(root, [*lintian, *names], "checking with lintian", "/build"), end="")
    folder = DIST / release
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return [Path(shutil.copy(root / "build" / name, folder)) for name in names]


def _lay_source(root: Path, release: str, version: str) -> Path:
    source = root / _SOURCE.lstrip("/")
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for old in (root / "build/wheels").glob("ingest_appliance-*.whl"):
        old.unlink()
    clutter = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.egg-info")
    for name in _SHIPPED:
        path = REPOSITORY / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=clutter)
        else:
            shutil.copy(path, source / name)
    text = (source / "appliance/__init__.py").read_text()
    changed = text.replace(f'"{appliance.__version__}"', f'"{version}"')
    (source / "appliance/__init__.py").write_text(changed)
    shutil.copytree(source / "deploy/packaging/debian", source / "debian")
    (source / "debian/changelog").write_text(_changelog(release, version))
    return source


def _changelog(release: str, version: str) -> str:
    return (
        f"ingest-appliance ({version}-1~{RELEASES[release]}u1) {release}; urgency=medium\n\n"
        "  * See CHANGELOG.md.\n\n"
        " -- Ingest appliance maintainers <maintainers@ingest-appliance.invalid>  "
        f"{email.utils.formatdate((REPOSITORY / 'CHANGELOG.md').stat().st_mtime)}\n"
    )
