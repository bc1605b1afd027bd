"""Where the quickstart lives and which ports it takes; kept in its folder between commands."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.parts.folder import REPOSITORY

WORKERS = 2

PORTS = {
    "rest": (8083, "REST API of the daemon"),
    "kafka": (9092, "Kafka broker"),
    "kafka-controller": (9093, "Kafka controller"),
    "mariadb": (3316, "MariaDB"),
    "hdfs": (9820, "HDFS NameNode"),
    "hdfs-http": (9870, "WebHDFS"),
    "datanode": (9866, "HDFS DataNode"),
    "datanode-http": (9864, "HDFS DataNode's WebHDFS"),
    "datanode-rpc": (9867, "HDFS DataNode's RPC"),
}
"""Name (option `--NAME-port`, variable `QUICKSTART_NAME_PORT`): default and what listens there."""


def default_folder() -> Path:
    """Give `QUICKSTART_FOLDER`, or `.quickstart` in the repository."""
    return Path(os.environ.get("QUICKSTART_FOLDER") or REPOSITORY / ".quickstart").absolute()


def default_port(name: str) -> int:
    """Give the port that the environment names for this server, or its usual one."""
    variable = f"QUICKSTART_{name.upper().replace('-', '_')}_PORT"
    return int(os.environ.get(variable) or PORTS[name][0])


@dataclass(frozen=True)
class Settings:
    """One quickstart: its folder and its ports by the names of `PORTS`."""

    folder: Path
    ports: dict[str, int]

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['rest']}"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.ports['kafka']}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def venv(self) -> Path:
        return self.folder / "venv"

    @property
    def parts(self) -> Path:
        return Path(os.environ.get("INGEST_PARTS") or self.folder / "parts")

    @property
    def events_file(self) -> Path:
        """The text file that the FileStream source follows."""
        return self.data / "visits.log"

    @property
    def files(self) -> Path:
        """The folder that the local file sink writes to."""
        return self.data / "files"

    @property
    def keeper_log(self) -> Path:
        return self.data / "quickstart.log"

    @property
    def keeper_pid(self) -> Path:
        return self.data / "quickstart.pid"

    @property
    def state_file(self) -> Path:
        return self.data / "state.json"

    def listeners(self) -> list[tuple[str, int, str]]:
        """Give (option, port, what listens there) of everything; workers have ports of their own."""
        named = [(f"--{name}-port", self.ports[name], PORTS[name][1]) for name in PORTS]
        first = self.ports["rest"] + 100
        return named + [
            ("--rest-port", first + n, f"worker {n} of the daemon (100 above its REST port)")
            for n in range(WORKERS)
        ]

    def save(self) -> None:
        """Keep the settings for later commands."""
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "settings.json").write_text(json.dumps(asdict(self), default=str, indent=1))


def load_settings(folder: Path) -> Settings | None:
    """Give the settings of the last start in this folder, None before the first one."""
    try:
        stored = json.loads((folder / "data/settings.json").read_text())
    except FileNotFoundError:
        return None
    return Settings(folder, stored["ports"])
