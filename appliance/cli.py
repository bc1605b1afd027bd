"""The command line: the daemon (`run`, `distributed`, `standalone`), the care for it, and `appliance.verbs`.

Exit codes: 0 stopped; under `run` 78 for a configuration that will not do (systemd then leaves the daemon
down) and 1 for everything else; `distributed` and `standalone` as Kafka Connect: 1 usage, 2 the worker
failed, 3 a connector of the command line failed; `doctor` 1 a problem, 2 warnings alone; `backup` and
`restore` 1 failed; the verbs as `appliance.verbs` says; 141 when the reader of the output went away.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import appliance
from appliance.config.packaged import add_login
from appliance.config.properties import load_properties
from appliance.config.worker import Mode, WorkerConfig
from appliance.errors import ConfigError, ConnectError

DEFAULT_FILE: Final = Path("/etc/ingest-appliance/worker.properties")
DEFAULT_CONNECTORS: Final = Path("/etc/ingest-appliance/connectors.d")
DEFAULT_CREDENTIALS: Final = Path("/run/credentials/ingest-appliance.service")
_PACKAGED_PROVIDER: Final = "dir"
_DIRECTORY_PROVIDER: Final = "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
DAEMON: Final = ("run", "distributed", "standalone")
EXIT_USAGE: Final = 1
EXIT_VERB_USAGE: Final = 2
_BEFORE_A_VERB: Final = (
    "--url, --context, --user, --cert and --cafile may stand before a verb as well."
)
EXIT_FAILED: Final = 1
EXIT_WORKER: Final = 2
EXIT_CONFIG: Final = 78
EXIT_PIPE: Final = 141


class _Parser(argparse.ArgumentParser):
    """Ends with Kafka Connect's exit code for wrong usage."""

    def error(self, message: str) -> None:  # type: ignore[override]  # NoReturn there
        """Print usage and what is wrong, then end."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0].startswith("--"):
        from appliance.verbs.address import behind_verb

        words = behind_verb(words)
    # a daemon that starts has no use for what speaks to one
    parser, verbs = _parser(verbs=not words or words[0] not in DAEMON)
    try:
        options = parser.parse_args(words)
    except SystemExit as ended:
        if ended.code == EXIT_USAGE and words and words[0] in verbs:
            raise SystemExit(EXIT_VERB_USAGE) from ended
        raise
    if options.command not in DAEMON:
        return _aside(options)
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
    except ConfigError as error:
        logging.getLogger(__name__).error("The daemon cannot start. error=%s", error)
        return EXIT_CONFIG if mode == "run" else EXIT_WORKER
    except ConnectError as error:
        logging.getLogger(__name__).error("The daemon cannot start. error=%s", error)
        return 1 if mode == "run" else EXIT_WORKER


def _aside(options: argparse.Namespace) -> int:
    """Run what is not the daemon; whoever reads its output may go away."""
    try:
        if "act" in options:
            from appliance.verbs import run

            code = run(options)
        else:
            code = _user(options) if options.command == "user" else _care(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is left would be written again at the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    return code


def _care(options: argparse.Namespace) -> int:
    """Run a command that looks at a daemon's world rather than being the daemon."""
    if options.command == "doctor":
        return _doctor(options)
    try:
        config = _load(options.worker, options.mode)
        from appliance.backup import back_up, restore

        if options.command == "backup":
            counts, left_out = back_up(config, options.path)
        else:
            counts, left_out = restore(config, options.path), ()
        for topic, count in counts.items():
            print(f"{topic}: {count} records")
        for sentence in left_out:
            print(f"ingest-appliance: not included: {sentence}.", file=sys.stderr)
    except ConnectError as error:
        print(f"ingest-appliance: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _user(options: argparse.Namespace) -> int:
    """Print a line for the file of those who may call REST; the secret is never an argument."""
    from getpass import getpass

    from appliance.rest.users import Role, password_line, token_line

    role = Role[options.role.upper()]
    try:
        if options.token:
            line, token = token_line(options.name, role)
            print(f"The token, which is shown this once: {token}", file=sys.stderr)
        else:
            typed = sys.stdin.isatty()
            password = getpass("Password: ") if typed else sys.stdin.readline().rstrip("\n")
            if not password:
                print("ingest-appliance: the password is empty", file=sys.stderr)
                return EXIT_USAGE
            line = password_line(options.name, role, password)
    except ConfigError as error:
        print(f"ingest-appliance: {error}", file=sys.stderr)
        return EXIT_USAGE
    print(line)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from appliance.doctor.examine import examine
    from appliance.doctor.files import unreadable
    from appliance.doctor.findings import Finding, exit_code, json_text, text_lines
    from appliance.doctor.service import Service, installed_service
    from appliance.doctor.start import examine_start, refused
    from appliance.supervisor import check_start

    def findings(service: Service | None) -> Iterator[Finding]:
        try:
            closed = unreadable("worker", options.worker, "", service)
            yield from () if closed is None else (closed,)
            config = _load(options.worker, options.mode)
            yield from examine_start(config, service, check_start)
            yield from examine(config, options.connectors, service)
        except ConnectError as error:
            yield from refused(error)

    packaged = options.worker == DEFAULT_FILE and options.mode == "run"
    service = installed_service() if packaged else None
    found: list[Finding] = []
    # the checks say what is wrong; the libraries' own lines would only stand in between
    logging.disable(logging.CRITICAL)
    try:
        for finding in findings(service):
            found.append(finding)
            if not options.json:
                print(*text_lines([finding]), sep="\n", flush=True)
    finally:
        logging.disable(logging.NOTSET)
    if options.json:
        print(json_text(found))
    return exit_code(found)


def _parser(*, verbs: bool = True) -> tuple[argparse.ArgumentParser, frozenset[str]]:
    """Give the parser and which of its commands are verbs."""
    parser = _Parser(
        prog="ingest-appliance",
        description="Change data capture, JDBC, file and HDFS pipelines through Kafka.",
        epilog=_BEFORE_A_VERB,
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
    found: frozenset[str] = frozenset()
    if verbs:
        from appliance.verbs import add_verbs

        before = set(commands.choices)
        add_verbs(commands)
        found = frozenset(set(commands.choices) - before)
    doctor = commands.add_parser("doctor", help="check what worker and connectors need")
    doctor.add_argument("connectors", nargs="*", type=Path, metavar="CONNECTOR")
    doctor.add_argument("--json", action="store_true", help="print a JSON array")
    backup = commands.add_parser("backup", help="write configurations and offsets to a file")
    restored = commands.add_parser("restore", help="write such a file into an empty cluster")
    user = commands.add_parser("user", help="print a line for appliance.rest.users.file")
    user.add_argument("name", metavar="NAME")
    user.add_argument("--role", choices=("view", "operate", "administer"), default="view")
    user.add_argument(
        "--token",
        action="store_true",
        help="a new bearer token; else a password is asked for, or read from standard input",
    )
    for command in (backup, restored):
        command.add_argument("path", type=Path, metavar="FILE")
    for command in (doctor, backup, restored):
        command.add_argument(
            "--worker",
            type=Path,
            default=DEFAULT_FILE,
            metavar="FILE",
            help="the worker's options",
        )
        command.add_argument(
            "--mode",
            choices=("run", "distributed", "standalone"),
            default="run",
            help="how that file is run",
        )
    return parser, found


def _load(path: Path, mode: Mode) -> WorkerConfig:
    if mode != "run":
        return WorkerConfig.load(path, mode)
    missing = path == DEFAULT_FILE and not path.exists()
    return WorkerConfig.of(_packaged({} if missing else load_properties(path)), mode)


def _packaged(texts: dict[str, str]) -> dict[str, str]:
    """Give a worker file's options with what an installed package sets below them.

    Its provider of systemd's credentials stands beside a user's own; an empty `config.providers` is none.
    """
    from appliance.config.providers import aliases

    if DEFAULT_CONNECTORS.is_dir():
        texts.setdefault("appliance.connectors.dir", str(DEFAULT_CONNECTORS))
    credentials = Path(os.environ.get("CREDENTIALS_DIRECTORY") or DEFAULT_CREDENTIALS)
    named = aliases(texts)
    wanted = named or "config.providers" not in texts
    if wanted and _PACKAGED_PROVIDER not in named and credentials.is_dir():
        texts["config.providers"] = ",".join([*named, _PACKAGED_PROVIDER])
        own = f"config.providers.{_PACKAGED_PROVIDER}"
        texts[f"{own}.class"] = _DIRECTORY_PROVIDER
        texts[f"{own}.param.allowed.paths"] = str(credentials)
    add_login(texts)
    return texts
