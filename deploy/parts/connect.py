"""The Java peer: Kafka Connect 4.3.1 with its file connectors and Debezium's plugins."""

from __future__ import annotations

import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from deploy.parts.folder import obtain
from deploy.parts.jars import obtain_files, read_pins
from deploy.parts.java import JavaServer, write_properties
from deploy.parts.kafka import LOGGING
from deploy.parts.server import HOST


def obtain_connect() -> Path:
    """Give the folder with Connect's runtime and everything it needs."""
    return obtain_files("connect", "connect-jars")


def obtain_debezium() -> Path:
    """Give a `plugin.path` with Debezium's MySQL (3.6.1) and MariaDB (3.5.0) connectors."""
    archives = obtain_files("debezium-archives", "debezium-plugins")
    pins = read_pins("debezium-plugins")

    def build(scratch: Path) -> None:
        for pin in pins:
            with tarfile.open(archives / pin.file_name) as archive:
                # the archives are pinned; Debian 12's Python cannot filter yet and needs no telling
                if hasattr(tarfile, "data_filter"):
                    archive.extraction_filter = tarfile.data_filter
                archive.extractall(scratch)

    return obtain("debezium", " ".join(pin.sha256 for pin in pins), build)


class ConnectWorker(JavaServer):
    """A distributed Java worker on `port`; `properties` add to or replace its settings."""

    name = "connect"
    heap: tuple[str, ...] = ("-Xmx512m",)
    start_timeout_s = 120.0
    log_level = "warn"

    def __init__(
        self,
        data: Path,
        bootstrap: str,
        port: int | None = None,
        *,
        base: int | None = None,
        benchmark: bool = False,
        heap: tuple[str, ...] | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(data, port, base)
        self.benchmark = benchmark
        self.heap = heap or self.heap
        converter = "org.apache.kafka.connect.json.JsonConverter"
        self._properties: dict[str, object] = {
            "bootstrap.servers": bootstrap,
            "group.id": "connect-peer",
            "listeners": f"http://{HOST}:{self.port}",
            "key.converter": converter,
            "value.converter": converter,
            "config.storage.topic": "connect-peer-configs",
            "offset.storage.topic": "connect-peer-offsets",
            "status.storage.topic": "connect-peer-status",
            "config.storage.replication.factor": 1,
            "offset.storage.replication.factor": 1,
            "status.storage.replication.factor": 1,
            "plugin.path": obtain_debezium(),
            "plugin.discovery": "service_load",
            **(properties or {}),
        }

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def prepare(self) -> None:
        write_properties(self.data / "worker.properties", self._properties)
        write_properties(self.data / "log4j2.properties", self._logging())

    def _logging(self) -> dict[str, object]:
        return {**LOGGING, "rootLogger.level": self.log_level}

    def main_class(self) -> str:
        return "org.apache.kafka.connect.cli.ConnectDistributed"

    def arguments(self) -> list[str]:
        return ["worker.properties"]

    def class_path(self) -> str:
        return f"{obtain_connect()}/*"

    def system_properties(self) -> tuple[str, ...]:
        return (f"-Dlog4j2.configurationFile={self.data / 'log4j2.properties'}",)

    def ready(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/connectors", timeout=5).close()
        except urllib.error.HTTPError as answer:
            answer.close()  # its connection would stay open until the exception is collected
            return False
        except OSError:
            return False
        return True
