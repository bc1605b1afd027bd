"""A schema registry of another maker, in memory: Apicurio with Confluent's API."""

from __future__ import annotations

import tarfile
import urllib.request
from pathlib import Path

from deploy.parts.folder import obtain
from deploy.parts.jars import obtain_files, read_pins
from deploy.parts.java import JavaServer
from deploy.parts.python import obtain_wheel_jre
from deploy.parts.server import HOST


def obtain_apicurio() -> Path:
    """Give the folder with the unpacked application."""
    archives = obtain_files("apicurio-archive", "apicurio")
    (pin,) = read_pins("apicurio")

    def build(scratch: Path) -> None:
        with tarfile.open(archives / pin.file_name) as archive:
            # the archive is pinned; Debian 12's Python cannot filter yet and needs no telling
            if hasattr(tarfile, "data_filter"):
                archive.extraction_filter = tarfile.data_filter
            archive.extractall(scratch)

    return obtain("apicurio", pin.sha256, build)


class Apicurio(JavaServer):
    """The registry at `url`; it wants Java 21 or later."""

    name = "apicurio"
    heap: tuple[str, ...] = ("-Xmx384m",)
    start_timeout_s = 180.0

    @property
    def url(self) -> str:
        """Give the address of Confluent's API."""
        return f"http://{HOST}:{self.port}/apis/ccompat/v7"

    def command(self) -> list[str]:
        java = [str(obtain_wheel_jre()), *self.heap, "-XX:+UseSerialGC", *self.system_properties()]
        return [*java, "-jar", str(obtain_apicurio() / "quarkus-run.jar")]

    def system_properties(self) -> tuple[str, ...]:
        return (
            f"-Dquarkus.http.host={HOST}",
            f"-Dquarkus.http.port={self.port}",
            "-Dquarkus.log.level=WARN",
        )

    def main_class(self) -> str:
        return "quarkus-run.jar"

    def class_path(self) -> str:
        return str(obtain_apicurio())

    def ready(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/subjects", timeout=5).close()
        except OSError:
            return False
        return True
