"""Where the quickstart lives and which ports it takes; kept in its folder between commands."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.parts.folder import REPOSITORY, PartError

WORKERS = 2
ABOVE_REST = 100
HIGHEST_PORT = 65535 - ABOVE_REST - WORKERS
"""Of every server, so that the workers' ports above the REST port are ports as well."""

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


def wanted_port(name: str) -> str | None:
    """Give what the environment says of this server's port, None when it says nothing."""
    return os.environ.get(f"QUICKSTART_{name.upper().replace('-', '_')}_PORT") or None


def port_number(text: str) -> int:
    """Give the port that a person has written. Raises ValueError."""
    number = int(text)
    if not 1 <= number <= HIGHEST_PORT:
        raise ValueError(text)
    return number


@dataclass(frozen=True)
class Settings:
    """One quickstart: its folder and its ports by the names of `PORTS`.

    As a person asks for it, it has the named ports only; `completed` gives all.
    """

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
        first = self.ports["rest"] + ABOVE_REST
        return named + [
            (
                "--rest-port",
                first + n,
                f"worker {n} of the daemon ({ABOVE_REST} above its REST port)",
            )
            for n in range(WORKERS)
        ]

    @property
    def file(self) -> Path:
        """Where the ports are kept until `reset`."""
        return self.data / "settings.json"

    def save(self) -> None:
        """Keep the settings for later commands; the file is whole or the one before."""
        self.data.mkdir(parents=True, exist_ok=True)
        scratch = self.file.with_suffix(".partial")
        scratch.write_text(json.dumps(asdict(self), default=str, indent=1))
        scratch.rename(self.file)


def load_settings(folder: Path) -> Settings | None:
    """Give the settings of the last start in this folder, None before the first one.

    Raises PartError when the file does not hold a port for every server.
    """
    file = Settings(folder, {}).file
    try:
        stored = json.loads(file.read_text())
        return Settings(folder, {name: port_number(str(stored["ports"][name])) for name in PORTS})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise PartError(
            f"The ports of the last start cannot be read from {file} ({error}): remove that file; "
            "the next start takes the ports of its options and the usual ones."
        ) from error


def completed(asked: Settings) -> Settings:
    """Add the ports that nobody asked for: those of the last start here, else the usual ones."""
    kept = load_settings(asked.folder)
    usual = {name: port for name, (port, _) in PORTS.items()}
    return Settings(asked.folder, usual | (kept.ports if kept else {}) | asked.ports)
