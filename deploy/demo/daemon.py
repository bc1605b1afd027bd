"""The ingest daemon of the quickstart: its properties file and its process."""

from __future__ import annotations

import os

from deploy.demo.rest import Refused, call
from deploy.demo.settings import WORKERS, Settings
from deploy.parts.java import write_properties
from deploy.parts.server import Server


class Daemon(Server):
    """`ingest-appliance run` with two workers; ready when it answers on its REST port."""

    name = "ingest-appliance"
    start_timeout_s = 60.0

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.data / "daemon", settings.ports["rest"])
        self._settings = settings
        self.properties = self.data / "worker.properties"

    def prepare(self) -> None:
        converter = "org.apache.kafka.connect.json.JsonConverter"
        topics = {
            f"{kind}.storage.{key}": value
            for kind, name in (("config", "configs"), ("offset", "offsets"), ("status", "status"))
            for key, value in (("topic", f"quickstart-{name}"), ("replication.factor", 1))
        }
        write_properties(
            self.properties,
            {
                "bootstrap.servers": self._settings.bootstrap,
                "group.id": "quickstart",
                "listeners": f"http://127.0.0.1:{self.port}",
                "key.converter": converter,
                "value.converter": converter,
                **topics,
                "offset.flush.interval.ms": 5000,
                "scheduled.rebalance.max.delay.ms": 3000,
                "appliance.workers": WORKERS,
                "appliance.state.dir": self.data / "state",
                "appliance.runtime.dir": self.data / "run",
            },
        )
        for name in ("state", "run"):
            (self.data / name).mkdir(exist_ok=True)

    def command(self) -> list[str]:
        return [str(self._settings.venv / "bin/ingest-appliance"), "run", str(self.properties)]

    def environment(self) -> dict[str, str]:
        return os.environ | {"HADOOP_USER_NAME": "hdfs", "PYTHONUNBUFFERED": "1"}

    def ready(self) -> bool:
        try:
            call("GET", f"http://127.0.0.1:{self.port}/connectors", timeout_s=5)
        except (Refused, OSError, ValueError):
            return False
        return True
