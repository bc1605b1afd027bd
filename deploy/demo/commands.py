"""What a person calls: start, stop, status, reset, and the live view.

Runs on the system's Python with the standard library alone; the keeper it leaves in the
background runs on the environment that `start` has made.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deploy.demo.ports import taken
from deploy.demo.settings import (
    HIGHEST_PORT,
    PORTS,
    Settings,
    completed,
    default_folder,
    port_number,
    wanted_port,
)
from deploy.demo.view import flows, render, where_to_look
from deploy.parts import databases, hdfs, java, kafka
from deploy.parts.folder import REPOSITORY, PartError, progress, system_error
from deploy.parts.python import make_venv, pip_install

FLOW_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Give the exit code: 0, or 1 after one sentence about what cannot be had."""
    options = parser().parse_args(arguments)
    wanted = {name: getattr(options, f"{name.replace('-', '_')}_port") for name in PORTS}
    ports = {name: port for name, port in wanted.items() if port is not None}
    settings = Settings(options.folder.absolute(), ports)
    commands: dict[str, Callable[[Settings], int]] = {
        "": start_and_watch,
        "start": start,
        "stop": stop,
        "status": status,
        "reset": reset,
    }
    try:
        return commands[options.command](settings)
    except PartError as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        purpose = f"quickstart: {options.command or 'start'} in {settings.folder}"
        print(system_error(purpose, error, "--folder FOLDER"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe view is closed, everything goes on; deploy/quickstart stop ends it.")
        return 0


def parser() -> argparse.ArgumentParser:
    """Give the command line's grammar."""
    found = argparse.ArgumentParser(
        prog="deploy/quickstart",
        allow_abbrev=False,
        description="Runs the main job on embedded servers and shows what flows. "
        "Without a command: start, then the live view.",
    )
    found.add_argument(
        "command",
        nargs="?",
        default="",
        choices=["", "start", "stop", "status", "reset"],
        metavar="start|stop|status|reset",
        help="start in the background, stop, show once, stop and delete all data",
    )
    found.add_argument(
        "--folder",
        type=Path,
        default=default_folder(),
        help="where everything lives (%(default)s)",
    )
    for name, (port, what) in PORTS.items():
        found.add_argument(
            f"--{name}-port",
            type=port_number,
            default=wanted_port(name),
            metavar="PORT",
            help=f"{what}, up to {HIGHEST_PORT} (that of the last start here, at first {port})",
        )
    return found


def start_and_watch(settings: Settings) -> int:
    """Start unless it runs, then show what flows: for ever on a terminal, else until all flows."""
    start(settings)
    settings = completed(Settings(settings.folder, {}))
    return watch(settings) if sys.stdout.isatty() else wait_for_flow(settings)


def start(settings: Settings) -> int:
    """Install what is missing, start the keeper, follow its progress until everything runs."""
    if keeper_pid(settings):
        print(f"The quickstart in {settings.folder} runs already.\n")
        print(where_to_look(completed(Settings(settings.folder, {}))))
        return 0
    settings = completed(settings)
    print(f"Everything lives in {settings.folder}", flush=True)
    problems = taken(settings.listeners())
    if problems:
        raise PartError("; ".join(problems))
    settings.folder.mkdir(parents=True, exist_ok=True)
    os.environ["INGEST_PARTS"] = str(settings.parts)
    install(settings)
    for obtain in (
        java.obtain_java,
        kafka.obtain_kafka,
        databases.obtain_mariadb,
        hdfs.obtain_hadoop,
    ):
        obtain()
    settings.save()
    settings.state_file.unlink(missing_ok=True)
    with settings.keeper_log.open("wb") as log:
        keeper = subprocess.Popen(
            [settings.venv / "bin/python3", "-m", "deploy.demo.keeper", settings.folder],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        )
    settings.keeper_pid.write_text(str(keeper.pid))
    follow_start(settings, keeper)
    print()
    print(where_to_look(settings))
    return 0


def install(settings: Settings) -> None:
    """Put the product into the environment of the quickstart, again when it has changed.

    The environment runs the repository's own files, by links: what pip writes beside the project
    it installs then stays in the folder.
    """
    python = make_venv(settings.venv)
    source = settings.folder / "source"
    source.mkdir(exist_ok=True)
    for name in ("pyproject.toml", "README.md", "appliance", "tui"):
        (source / name).unlink(missing_ok=True)
        (source / name).symlink_to(REPOSITORY / name)
    mark = settings.venv / "installed"
    wanted = (REPOSITORY / "pyproject.toml").read_text()
    if not mark.exists() or mark.read_text() != wanted:
        progress("installing the product and what it needs by pip")
        pip_install(python, ("--editable", str(source)))
        mark.write_text(wanted)


def follow_start(settings: Settings, keeper: subprocess.Popen[bytes]) -> None:
    """Show the keeper's progress until it publishes that all runs. Raises PartError."""
    with settings.keeper_log.open() as log:
        while True:
            text = log.read()
            sys.stderr.write(text)
            sys.stderr.flush()
            state = read_state(settings)
            if state and state["phase"] == "running":
                return
            if keeper.poll() is not None:
                sys.stderr.write(log.read())
                raise PartError(reason_of_end(settings))
            time.sleep(0.1)


def watch(settings: Settings) -> int:
    """Redraw the view every second until Ctrl-C or until the keeper ends."""
    before: dict[str, Any] | None = None
    while keeper_pid(settings):
        state = read_state(settings)
        if state and state["phase"] == "running":
            view = f"{render(settings, state, before)}\n\n{where_to_look(settings)}"
            print(
                f"\x1b[H\x1b[2J{view}\n\nCtrl-C closes this view, everything goes on.", flush=True
            )
            before = state
        time.sleep(1)
    raise PartError(f"The quickstart has ended: {reason_of_end(settings)}")


def wait_for_flow(settings: Settings) -> int:
    """Without a terminal: a line every five seconds until every topic and sink has something."""
    deadline = time.monotonic() + FLOW_TIMEOUT_S
    next_line = 0.0
    state: dict[str, Any] | None = None
    while time.monotonic() < deadline:
        if not keeper_pid(settings):
            raise PartError(f"The quickstart has ended: {reason_of_end(settings)}")
        state = read_state(settings)
        if state and state["phase"] == "running":
            if flows(state):
                print(f"\n{render(settings, state, None)}\n")
                print("Everything flows; it goes on until deploy/quickstart stop.")
                return 0
            if time.monotonic() > next_line:
                records = sum(state["topics"].values())
                files = sum(state["files"].values())
                rows = sum(state["rows"].values())
                progress(f"{rows} rows committed, {records} records in topics, {files} files")
                next_line = time.monotonic() + 5
        time.sleep(0.5)
    if state:
        print(f"\n{render(settings, state, None)}\n")
    raise PartError(
        f"Not everything flows after {FLOW_TIMEOUT_S:.0f} s: what stands at 0 above does not; "
        f"see {settings.rest_url}/connectors?expand=status and {settings.data / 'daemon'}."
    )


def stop(settings: Settings) -> int:
    """End the keeper and with it everything else; data stays."""
    pid = keeper_pid(settings)
    if pid is None:
        print(f"Nothing runs in {settings.folder}.")
        return 0
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        progress("stopping the daemon, HDFS, MariaDB and Kafka")
        if not select.select([handle], [], [], STOP_TIMEOUT_S)[0]:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], 10)
    finally:
        os.close(handle)
    print(f"Stopped; data is kept in {settings.data}.")
    return 0


def status(settings: Settings) -> int:
    """Show the view once; exit code 1 when nothing runs."""
    if not keeper_pid(settings):
        print(f"Nothing runs in {settings.folder}.")
        return 1
    settings = completed(Settings(settings.folder, {}))
    state = read_state(settings)
    if state and state["phase"] == "running":
        print(render(settings, state, None))
        print()
    else:
        print(f"Still starting; see {settings.keeper_log}.")
    print(where_to_look(settings))
    return 0


def reset(settings: Settings) -> int:
    """Stop and delete all data; what was fetched and installed stays for the next start."""
    if keeper_pid(settings):
        stop(settings)
    if settings.data.exists():
        shutil.rmtree(settings.data)
    print(f"Data deleted; {settings.folder} keeps what was fetched. Delete it to leave nothing.")
    return 0


def keeper_pid(settings: Settings) -> int | None:
    """Give the pid of the keeper that runs in this folder."""
    try:
        pid = int(settings.keeper_pid.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    ours = str(settings.folder).encode()
    return pid if b"deploy.demo.keeper" in words and ours in words else None


def read_state(settings: Settings) -> dict[str, Any] | None:
    """Give what the keeper has published last."""
    try:
        state: dict[str, Any] = json.loads(settings.state_file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return state


def reason_of_end(settings: Settings) -> str:
    """Give what the keeper has said last, when that was why it ended; else where to look."""
    return (read_state(settings) or {}).get("error") or f"see {settings.keeper_log}."
