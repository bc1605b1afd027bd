"""Verbs that change connectors: apply, patch, pause, resume, stop, restart, delete."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.client import AnswerError, Client
from appliance.config.connectorfile import SUFFIXES, not_json
from appliance.config.properties import load_properties
from appliance.config.types import HIDDEN
from appliance.errors import ConfigError
from appliance.verbs.address import UsageError, address_options
from appliance.verbs.output import (
    Row,
    differences,
    dry_run_option,
    print_diff,
    print_json,
    print_sections,
)
from appliance.verbs.show import NOT_FOUND, expanded

WAIT_S: Final = 60.0
_SETTLE_S: Final = 2.0
_WANTED: Final = {"pause": "PAUSED", "resume": "RUNNING", "stop": "STOPPED", "restart": "RUNNING"}

Config = Mapping[str, str | None]


def add_to(commands: Any) -> None:
    """Add the verbs."""
    parent = address_options()
    apply = commands.add_parser(
        "apply", parents=[parent], help="create or update connectors from files"
    )
    apply.add_argument(
        "-f",
        "--file",
        required=True,
        action="append",
        help="a .json or .properties file, a folder of them, or - for JSON from standard input",
    )
    dry_run_option(apply, "only have them checked")
    apply.add_argument(
        "--check", action="store_true", help="only tell: 1 if anything would change"
    )
    apply.add_argument("--diff", action="store_true", help="print which options change, and how")
    apply.set_defaults(act=_apply)
    patch = commands.add_parser("patch", parents=[parent], help="change some options")
    patch.add_argument("name")
    patch.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE")
    patch.add_argument("--remove", action="append", default=[], metavar="OPTION")
    _release(patch)
    _dry_run(patch)
    patch.set_defaults(act=_patch)
    for verb, help_text in (
        ("pause", "keep tasks, move no data"),
        ("resume", "go on"),
        ("stop", "give the tasks up"),
        ("restart", "start connector and tasks anew"),
        ("delete", "remove connectors; offsets stay"),
    ):
        command = commands.add_parser(verb, parents=[parent], help=help_text)
        command.add_argument("names", nargs="*", metavar="NAME")
        command.add_argument(
            "-e", "--expression", type=_pattern, help="names that match this regular expression"
        )
        command.add_argument("--all", action="store_true", help="all connectors")
        _dry_run(command)
        command.set_defaults(act=_act, verb=verb)
        if verb == "delete":
            command.add_argument("--yes", action="store_true", help="do not ask")
            _release(command)
        else:
            command.add_argument("--wait", action="store_true", help=f"until done, {WAIT_S:.0f} s")
        if verb == "restart":
            command.add_argument(
                "--tasks",
                choices=("all", "failed", "none"),
                default="all",
                help="with all its tasks, which is the default; what failed; or the connector alone",
            )
            command.add_argument("--task", type=int, metavar="N", help="this task alone")


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text} is no regular expression: {error}") from error


def _release(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--release",
        action="store_true",
        help="take it from the connector file that owns it, where host or file are gone for good",
    )


def _dry_run(command: argparse.ArgumentParser) -> None:
    dry_run_option(command, "only say what would stop, stay and be lost")
    command.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="form of the dry run"
    )


def _planned(client: Client, action: str, target: object, options: argparse.Namespace) -> int:
    """Print what the daemon says a change would do; 1 when a configuration is wrong, 4 when refused."""
    asked = {"action": action, "target": target}
    if getattr(options, "task", None) is not None:
        raise UsageError("--dry-run tells of whole connectors: leave --task away")
    if action == "restart":
        asked |= {"includeTasks": options.tasks != "none", "onlyFailed": options.tasks == "failed"}
    elif action == "apply":
        asked["patch"] = _changes(options)
    release = getattr(options, "release", None) or None
    plan = client.post("appliance", "v1", "plan", body=asked, release=release)
    if options.output == "json":
        print_json(plan)
    else:
        print_sections({key: value for key, value in plan.items() if value})
    return 4 if plan["refused"] else 1 if plan["errors"] else 0


def check_all(client: Client, places: Iterable[str]) -> list[Row]:
    """Have the connectors of files checked, say what is wrong with each.

    Gives for each of them, and each file that cannot be read: file, name, valid, errors by option.
    """
    rows: list[Row] = []
    for place in places:
        for file in _files(place):
            try:
                for name, config in _read(file):
                    errors = _errors_of(client, file, name, config)
                    row = {"file": file, "name": name, "valid": not errors, "errors": errors}
                    rows.append(row)
            except (ConfigError, OSError, ValueError) as error:
                _say(str(error))
                wrong = [{"option": None, "error": str(error)}]
                rows.append({"file": file, "name": None, "valid": False, "errors": wrong})
    return rows


def _errors_of(client: Client, file: str, name: str, config: Config) -> list[Row]:
    """Have a file's connector checked, say and give what is wrong with it."""
    try:
        check(client, name, config)
    except InvalidError as error:
        _say(f"{file}: {error}")
        return error.errors
    except AnswerError as error:
        # another file may be better, but nobody's login is
        if error.status in (401, 403) or error.retriable:
            raise
        _say(f"{file}: {name} cannot be checked: {error}")
        return [{"option": None, "error": str(error)}]
    return []


def _apply(client: Client, options: argparse.Namespace) -> int:
    if options.dry_run:
        if not all(row["valid"] for row in check_all(client, options.file)):
            return 1
        if not options.diff:
            return 0
    found = [item for place in options.file for item in configs_of(place)]
    changes = 0
    for name, config in found:
        is_new, differing = compared(client, name, config)
        if not differing:
            _say(f"{name}: unchanged")
            continue
        changes += 1
        if options.diff:
            print(f"{name}:")
            print_diff(differing)
        if options.check or options.dry_run:
            _say(f"{name}: {'would be created' if is_new else 'would change'}")
        else:
            client.put("connectors", name, "config", body=config)
            _say(f"{name}: {'created' if is_new else 'changed'}")
    return 1 if options.check and changes else 0


class Compared(NamedTuple):
    """Whether a connector is new, and what differs as `differences` gives it."""

    is_new: bool
    differing: list[Row]


def compared(client: Client, name: str, config: Config) -> Compared:
    """Compare a configuration with the stored one; where that is masked, the daemon does it."""
    current = _current(client, name)
    after = {**config, "name": name}
    if current is None:
        return Compared(True, differences({}, after))
    if not any(HIDDEN in (value or "") for value in current.values()):
        return Compared(False, differences(current, after))
    asked = {"action": "apply", "target": name, "config": after}
    return Compared(False, client.post("appliance", "v1", "plan", body=asked)["changes"])


class InvalidError(ValueError):
    """A configuration is not valid; `errors` has `option` and `error` of each finding."""

    def __init__(self, name: str, errors: list[Row]) -> None:
        told = [f"{row['option']}: {row['error']}" for row in errors]
        super().__init__("\n  ".join([f"{name} is not valid:", *told]))
        self.errors = errors


def check(client: Client, name: str, config: Config) -> None:
    """Have a configuration checked. Raises InvalidError with every finding."""
    plugin = config.get("connector.class") or ""
    body = {**config, "name": name}
    answer = client.put("connector-plugins", plugin, "config", "validate", body=body)
    errors: list[Row] = [
        {"option": entry["value"]["name"], "error": error}
        for entry in answer["configs"]
        for error in entry["value"]["errors"]
    ]
    if errors:
        raise InvalidError(name, errors)
    _say(f"{name}: valid")


def _current(client: Client, name: str) -> Config | None:
    try:
        found: Config = client.get("connectors", name, "config")
    except AnswerError as error:
        if error.status == 404:
            return None
        raise
    return found


def configs_of(place: str) -> Iterator[tuple[str, Config]]:
    """Give name and options of each connector of a file, folder or standard input."""
    for file in _files(place):
        yield from _read(file)


def _files(place: str) -> list[str]:
    path = Path(place)
    if place == "-" or not path.is_dir():
        return [place]
    return [str(file) for file in sorted(path.iterdir()) if file.suffix in SUFFIXES]


def _read(file: str) -> Iterator[tuple[str, Config]]:
    """Give the connectors of one file. Raises ValueError, ConfigError or OSError that names it."""
    path = Path(file)
    if file != "-" and path.suffix != ".json":
        config = load_properties(path)
        yield config.get("name") or path.stem, config
        return
    try:
        text = sys.stdin.read() if file == "-" else path.read_text(encoding="utf-8-sig")
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"Reading {file}: {not_json(error)}") from error
    yield from _from_json(value, "standard input" if file == "-" else path.stem, file)


def _from_json(value: Any, name: str, file: str) -> Iterator[tuple[str, Config]]:
    if isinstance(value, list):
        for item in value:
            yield from _from_json(item, name, file)
        return
    if not isinstance(value, dict) or not isinstance(value.get("config", value), dict):
        raise ConfigError(f"Reading {file}: it holds no JSON object with a connector's options.")
    config = value.get("config", value)
    yield value.get("name") or config.get("name") or name, config


def _patch(client: Client, options: argparse.Namespace) -> int:
    if options.dry_run:
        return _planned(client, "apply", options.name, options)
    release = options.release or None
    client.patch("connectors", options.name, "config", body=_changes(options), release=release)
    return 0


def _changes(options: argparse.Namespace) -> dict[str, str | None]:
    """Give the options that --set and --remove name. Raises UsageError."""
    changes: dict[str, str | None] = dict.fromkeys(options.remove)
    for text in options.set:
        option, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: write OPTION=VALUE")
        changes[option] = value
    return changes


def _act(client: Client, options: argparse.Namespace) -> int:
    names = _chosen(client, options)
    if not names:
        _say("no connector has such a name" if options.expression else "there is no connector")
        return 1
    if options.dry_run:
        return _planned(client, options.verb, names, options)
    if options.verb == "delete" and not options.yes:
        refused = _refused(client, names, options.release or None)
        if refused is not None:
            _say(refused)
            return 4
        if not _confirmed(names):
            return 1
    for name in names:
        _ACTIONS[options.verb](client, name, options)
    if options.verb != "delete" and options.wait:
        wanted = _WANTED[options.verb]
        # what is restarted runs for a moment more
        since_s = time.monotonic() + (_SETTLE_S if options.verb == "restart" else 0.0)
        return 0 if all(_awaited(client, name, wanted, since_s) for name in names) else 1
    return 0


def _chosen(client: Client, options: argparse.Namespace) -> list[str]:
    names: list[str] = list(options.names)
    if not names and not options.all and options.expression is None:
        raise UsageError(f"{options.verb}: give names, -e EXPRESSION or --all")
    if options.all or options.expression:
        fits = options.expression or re.compile("")
        names += [name for name in sorted(client.get("connectors")) if fits.search(name)]
    return list(dict.fromkeys(names))


def _refused(client: Client, names: list[str], release: bool | None) -> str | None:
    """Say why the daemon would not delete them; show what it would do to somebody who is then asked."""
    try:
        asked = {"action": "delete", "target": names}
        plan = client.post("appliance", "v1", "plan", body=asked, release=release)
    except AnswerError as error:
        if error.status != NOT_FOUND:
            raise
        # Kafka Connect itself has no plan to show
        return None
    if plan["refused"]:
        return str(plan["refused"])
    if sys.stdin.isatty():
        print_sections({key: value for key, value in plan.items() if value}, _say)
    return None


def _confirmed(names: list[str]) -> bool:
    if not sys.stdin.isatty():
        _say("nothing deleted: without a terminal give --yes")
        return False
    _say(f"Delete {', '.join(names)}? Their offsets stay. y/N ", end="")
    if sys.stdin.readline().strip().lower() == "y":
        return True
    _say("nothing deleted")
    return False


def _restart(client: Client, name: str, options: argparse.Namespace) -> None:
    if options.task is not None:
        client.post("connectors", name, "tasks", str(options.task), "restart")
        return
    client.post(
        "connectors",
        name,
        "restart",
        includeTasks=options.tasks != "none",
        onlyFailed=options.tasks == "failed",
    )


_ACTIONS: Final[Mapping[str, Callable[[Client, str, argparse.Namespace], object]]] = {
    "pause": lambda client, name, _: client.put("connectors", name, "pause"),
    "resume": lambda client, name, _: client.put("connectors", name, "resume"),
    "stop": lambda client, name, _: client.put("connectors", name, "stop"),
    "restart": _restart,
    "delete": lambda client, name, options: client.delete(
        "connectors", name, release=options.release or None
    ),
}


def _awaited(client: Client, name: str, wanted: str, since_s: float) -> bool:
    """Wait until all of a connector is in a state; until `since_s` what it was in at first does not count."""
    deadline = time.monotonic() + WAIT_S
    first: list[str] | None = None
    while True:
        status = expanded(client).get(name, {}).get("status")
        if status is not None:
            states = [part["state"] for part in (status["connector"], *status["tasks"])]
            first = first or states
            if states != first or time.monotonic() >= since_s:
                if "FAILED" in states:
                    _say(f"{name}: FAILED; see `ingest-appliance describe {name}`")
                    return False
                if set(states) == {wanted}:
                    return True
        if time.monotonic() > deadline:
            _say(f"{name}: not {wanted} within {WAIT_S:.0f} s")
            return False
        time.sleep(0.1)


def _say(text: str, end: str = "\n") -> None:
    print(text, file=sys.stderr, end=end, flush=True)
