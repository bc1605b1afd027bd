"""Java: which one runs the parts, and servers that run on it."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.parts.folder import PartError
from deploy.parts.python import obtain_wheel_jre
from deploy.parts.server import Server

OLDEST = 17
SMALL_HEAP = ("-Xmx256m",)
QUICK_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@functools.cache
def obtain_java() -> str:
    """Give a `java` of version 17 or later: JAVA_HOME's, the one in PATH, or a wheel's."""
    home = os.environ.get("JAVA_HOME")
    for candidate in (f"{home}/bin/java" if home else None, shutil.which("java")):
        if candidate and _major_version(candidate) >= OLDEST:
            return candidate
    return str(obtain_wheel_jre())


def _major_version(java: str) -> int:
    try:
        done = subprocess.run([java, "-version"], check=False, capture_output=True, text=True)
    except OSError:
        return 0
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found[1]) if found else 0


class JavaServer(Server):
    """A server that is a main class on a class path; subclasses name both."""

    heap: tuple[str, ...] = SMALL_HEAP
    benchmark = False
    """True lets the JVM compile and collect as in production; False starts quickly."""

    def main_class(self) -> str:
        raise NotImplementedError

    def class_path(self) -> str:
        raise NotImplementedError

    def arguments(self) -> list[str]:
        return []

    def java_command(self, main_class: str, *arguments: str) -> list[str]:
        """Give the command line of a main class with this server's options and class path."""
        quick = () if self.benchmark else QUICK_START
        options = ("-Djava.awt.headless=true", *self.system_properties())
        java = [obtain_java(), *self.heap, *quick, *options, "-cp", self.class_path()]
        return [*java, main_class, *arguments]

    def system_properties(self) -> tuple[str, ...]:
        return ()

    def command(self) -> list[str]:
        return self.java_command(self.main_class(), *self.arguments())

    def run_once(self, purpose: str, main_class: str, *arguments: str) -> None:
        """Run another main class to its end (formatting storage). Raises PartError."""
        done = subprocess.run(
            self.java_command(main_class, *arguments),
            check=False,
            capture_output=True,
            text=True,
            env=self.environment(),
            cwd=self.data,
        )
        if done.returncode:
            last = " / ".join((done.stdout + done.stderr).strip().splitlines()[-5:])
            raise PartError(f"{purpose} failed: {last}")


def write_properties(path: Path, values: Mapping[str, object]) -> None:
    """Write a Java properties file; values are plain text without line ends."""
    path.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
