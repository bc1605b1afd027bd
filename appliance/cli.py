"""The command line: `run`, `distributed`, `standalone`, `--version`, and the verbs of `appliance.verbs`.

Exit codes: 0 stopped; under `run` 78 for a configuration that will not do (systemd then leaves the daemon
down) and 1 for everything else; `distributed` and `standalone` as Kafka Connect: 1 usage, 2 the worker
failed, 3 a connector of the command line failed.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import appliance
from appliance import verbs
from appliance.config.worker import Mode, WorkerConfig
from appliance.errors import ConfigError, ConnectError

DEFAULT_FILE: Final = Path("/etc/ingest-appliance/worker.properties")
DEFAULT_CONNECTORS: Final = Path("/etc/ingest-appliance/connectors.d")
EXIT_USAGE: Final = 1
EXIT_WORKER: Final = 2
EXIT_CONFIG: Final = 78


class _Parser(argparse.ArgumentParser):
    """Ends with Kafka Connect's exit code for wrong usage."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Print usage and what is wrong, then end."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give the exit code."""
    options = _parser().parse_args(arguments)
    if "act" in options:
        return verbs.run(options)
    mode: Mode = options.command
    try:
        config = _load(options.file, mode)
    except ConfigError as error:
        print(f"ingest-appliance: {error}", file=sys.stderr)
        return EXIT_CONFIG if mode == "run" else EXIT_WORKER
    from appliance.telemetry import logs

    logs.configure(config.text("appliance.log.level"), config.text("appliance.log.format"))
    for name in config.unknown:
        logging.getLogger(__name__).warning("Unknown option, without effect. option=%s", name)
    from appliance.supervisor import Supervisor

    connectors = [str(Path(path).absolute()) for path in getattr(options, "connectors", ())]
    try:
        return Supervisor(config, connectors).run()
    except ConnectError as error:
        logging.getLogger(__name__).error("The daemon cannot start. error=%s", error)
        return 1 if mode == "run" else EXIT_WORKER


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ingest-appliance",
        description="Change data capture, JDBC, file and HDFS pipelines through Kafka.",
    )
    parser.add_argument("--version", action="version", version=appliance.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the daemon of this host")
    run.add_argument("file", nargs="?", type=Path, default=DEFAULT_FILE, metavar="FILE")
    distributed = commands.add_parser(
        "distributed", help="run one worker from a Kafka Connect worker file"
    )
    distributed.add_argument("file", type=Path, metavar="FILE")
    standalone = commands.add_parser(
        "standalone", help="run one worker without a group, with connectors from files"
    )
    standalone.add_argument("file", type=Path, metavar="FILE")
    standalone.add_argument("connectors", nargs="*", metavar="CONNECTOR")
    verbs.add_verbs(commands)
    return parser


def _load(path: Path, mode: Mode) -> WorkerConfig:
    if mode == "run" and path == DEFAULT_FILE and not path.exists():
        return WorkerConfig(_packaged({}), mode)
    config = WorkerConfig.load(path, mode)
    return WorkerConfig(_packaged(config.originals), mode) if mode == "run" else config


def _packaged(given: dict[str, str] | object) -> dict[str, str]:
    texts = dict(given) if isinstance(given, dict) else {}
    if DEFAULT_CONNECTORS.is_dir():
        texts.setdefault("appliance.connectors.dir", str(DEFAULT_CONNECTORS))
    return texts
