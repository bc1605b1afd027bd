"""Verbs that change connectors: apply, patch, pause, resume, stop, restart, delete."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from appliance.client import AnswerError, Client
from appliance.config.properties import load_properties
from appliance.verbs.address import address_options
from appliance.verbs.output import print_diff, print_json, print_sections
from appliance.verbs.show import expanded

WAIT_S: Final = 60.0
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
    apply.add_argument("--dry-run", action="store_true", help="only have them checked")
    apply.add_argument(
        "--check", action="store_true", help="only tell: 1 if anything would change"
    )
    apply.add_argument("--diff", action="store_true", help="print which options change, and how")
    apply.set_defaults(act=_apply)
    patch = commands.add_parser("patch", parents=[parent], help="change some options")
    patch.add_argument("name")
    patch.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE")
    patch.add_argument("--remove", action="append", default=[], metavar="OPTION")
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
        command.add_argument("-e", "--expression", help="names that match this regular expression")
        command.add_argument("--all", action="store_true", help="all connectors")
        _dry_run(command)
        command.set_defaults(act=_act, verb=verb)
        if verb == "delete":
            command.add_argument("--yes", action="store_true", help="do not ask")
        else:
            command.add_argument("--wait", action="store_true", help=f"until done, {WAIT_S:.0f} s")
        if verb == "restart":
            command.add_argument("--tasks", choices=("none", "failed", "all"), default="none")
            command.add_argument("--task", type=int, metavar="N", help="this task alone")


def _dry_run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--dry-run", action="store_true", help="only say what would stop, stay and be lost"
    )
    command.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="form of the dry run"
    )


def _planned(client: Client, action: str, target: object, options: argparse.Namespace) -> int:
    """Print what the daemon says a change would do; 1 when a configuration is wrong, 4 when refused."""
    asked = {"action": action, "target": target}
    if action == "restart":
        asked |= {"includeTasks": options.tasks != "none", "onlyFailed": options.tasks == "failed"}
    elif action == "apply":
        asked["patch"] = _changes(options)
    plan = client.post("appliance", "v1", "plan", body=asked)
    if options.output == "json":
        print_json(plan)
    else:
        print_sections({key: value for key, value in plan.items() if value})
    return 4 if plan["refused"] else 1 if plan["errors"] else 0


def check_all(client: Client, places: Iterable[str]) -> None:
    """Have the connectors of files checked. Raises ValueError with the findings of the first bad one."""
    for place in places:
        for name, config in configs_of(place):
            check(client, name, config)


def _apply(client: Client, options: argparse.Namespace) -> int:
    if options.dry_run:
        check_all(client, options.file)
        if not options.diff:
            return 0
    found = [item for place in options.file for item in configs_of(place)]
    changes = 0
    for name, config in found:
        current = _current(client, name)
        if current == {**config, "name": name}:
            _say(f"{name}: unchanged")
            continue
        changes += 1
        if options.diff:
            print(f"{name}:")
            print_diff(current or {}, {**config, "name": name})
        if options.check or options.dry_run:
            _say(f"{name}: {'would be created' if current is None else 'would change'}")
        else:
            client.put("connectors", name, "config", body=config)
            _say(f"{name}: {'created' if current is None else 'changed'}")
    return 1 if options.check and changes else 0


def check(client: Client, name: str, config: Config) -> None:
    """Have a configuration checked. Raises ValueError with every finding."""
    plugin = config.get("connector.class") or ""
    body = {**config, "name": name}
    answer = client.put("connector-plugins", plugin, "config", "validate", body=body)
    errors = [
        f"{entry['value']['name']}: {error}"
        for entry in answer["configs"]
        for error in entry["value"]["errors"]
    ]
    if errors:
        raise ValueError("\n  ".join([f"{name} is not valid:", *errors]))
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
    if place == "-":
        yield from _from_json(json.load(sys.stdin), "standard input")
        return
    path = Path(place)
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in paths:
        if file.suffix == ".json":
            yield from _from_json(json.loads(file.read_text(encoding="utf-8")), file.stem)
        elif file.suffix == ".properties" or not path.is_dir():
            config = load_properties(file)
            yield config.get("name") or file.stem, config


def _from_json(value: Any, name: str) -> Iterator[tuple[str, Config]]:
    if isinstance(value, list):
        for item in value:
            yield from _from_json(item, name)
        return
    config = value.get("config", value)
    yield value.get("name") or config.get("name") or name, config


def _patch(client: Client, options: argparse.Namespace) -> int:
    if options.dry_run:
        return _planned(client, "apply", options.name, options)
    client.patch("connectors", options.name, "config", body=_changes(options))
    return 0


def _changes(options: argparse.Namespace) -> dict[str, str | None]:
    """Give the options that --set and --remove name. Raises ValueError."""
    changes: dict[str, str | None] = dict.fromkeys(options.remove)
    for text in options.set:
        option, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set {text}: write OPTION=VALUE")
        changes[option] = value
    return changes


def _act(client: Client, options: argparse.Namespace) -> int:
    names = _chosen(client, options)
    if not names:
        _say("no connector chosen: give names, -e EXPRESSION or --all")
        return 1
    if options.dry_run:
        return _planned(client, options.verb, names, options)
    if options.verb == "delete" and not options.yes and not _confirmed(client, names):
        _say("nothing deleted")
        return 1
    for name in names:
        _ACTIONS[options.verb](client, name, options)
    if options.verb != "delete" and options.wait:
        wanted = _WANTED[options.verb]
        return 0 if all(_awaited(client, name, wanted) for name in names) else 1
    return 0


def _chosen(client: Client, options: argparse.Namespace) -> list[str]:
    names: list[str] = list(options.names)
    if options.all or options.expression:
        pattern = re.compile(options.expression or "")
        names += [name for name in sorted(client.get("connectors")) if pattern.search(name)]
    return list(dict.fromkeys(names))


def _confirmed(client: Client, names: list[str]) -> bool:
    if not sys.stdin.isatty():
        return False
    with contextlib.suppress(AnswerError):
        # Kafka Connect itself has no plan to show
        plan = client.post("appliance", "v1", "plan", body={"action": "delete", "target": names})
        print_sections({key: value for key, value in plan.items() if value}, _say)
    _say(f"Delete {', '.join(names)}? Their offsets stay. y/N ", end="")
    return sys.stdin.readline().strip().lower() == "y"


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
    "delete": lambda client, name, _: client.delete("connectors", name),
}


def _awaited(client: Client, name: str, wanted: str) -> bool:
    deadline = time.monotonic() + WAIT_S
    while True:
        status = expanded(client).get(name, {}).get("status")
        if status is not None:
            states = {task["state"] for task in status["tasks"]}
            if "FAILED" in states or status["connector"]["state"] == "FAILED":
                _say(f"{name}: FAILED; see `ingest-appliance describe {name}`")
                return False
            if states | {status["connector"]["state"]} == {wanted}:
                return True
        if time.monotonic() > deadline:
            _say(f"{name}: not {wanted} within {WAIT_S:.0f} s")
            return False
        time.sleep(0.3)


def _say(text: str, end: str = "\n") -> None:
    print(text, file=sys.stderr, end=end, flush=True)
