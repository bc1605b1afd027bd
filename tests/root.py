"""What a test may do only as root, or with a program that only root can install."""

from __future__ import annotations

import os
import shutil

import pytest

from deploy.packaging.roots import need


def need_root(what: str, program: str = "", package: str = "") -> None:
    """Skip the test where an ordinary user runs it; root gets the program, if one is wanted."""
    if os.geteuid() != 0:
        pytest.skip(f"needs root: {what}")
    if program:
        need(program, package)


def lacks(program: str, package: str) -> str:
    """Give why a program cannot be used here, empty when it is there; root gets it installed."""
    if os.geteuid() == 0:
        need(program, package)
    elif shutil.which(program) is None:
        return f"needs {program}, which root installs: apt-get install {package}"
    return ""
