"""`edit`, `config history`, `config diff` and `config rollback`: a connector's configuration over time."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.client import Client
from appliance.verbs.address import UnknownError, address_options
from appliance.verbs.change import check, compared, configs_of
from appliance.verbs.output import (
    Row,
    differences,
    dry_run_option,
    limit_option,
    output_option,
    print_diff,
    print_json,
    print_rows,
    time_text,
)
from tui.revisions import changes, restored

_COLUMNS = ("revision", "time", "by", "worker", "changed")

Config = Mapping[str, Any]


def add_to(commands: Any) -> None:
    """Add the verbs."""
    parent = address_options()
    edit = commands.add_parser(
        "edit", parents=[parent], help="change a connector's configuration in $EDITOR"
    )
    edit.add_argument("name")
    edit.add_argument("--yes", action="store_true", help="do not ask")
    edit.set_defaults(act=_edit)
    config = commands.add_parser("config", help="a connector's configuration over time")
    actions = config.add_subparsers(required=True, metavar="ACTION")
    history = actions.add_parser("history", parents=[parent], help="its revisions, newest first")
    output_option(history)
    limit_option(history)
    history.set_defaults(act=_history)
    diff = actions.add_parser(
        "diff", parents=[parent], help="what the last revision changed; 1 if there is something"
    )
    diff.set_defaults(act=_diff)
    rollback = actions.add_parser(
        "rollback", parents=[parent], help="back to the revision before the last one"
    )
    rollback.add_argument("--yes", action="store_true", help="do not ask")
    dry_run_option(rollback, "only say what would change")
    rollback.set_defaults(act=_rollback)
    for action in (history, diff, rollback):
        action.add_argument("name")
    for action in (diff, rollback):
        action.add_argument("--revision", type=int, help="this one instead (see config history)")
    diff.add_argument("-f", "--file", help="what it would change instead: a file as apply takes")
    diff.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="form of the answer"
    )


def _edit(client: Client, options: argparse.Namespace) -> int:
    name = options.name
    before = client.get("connectors", name, "config")
    text = json.dumps(before, indent=2, ensure_ascii=False) + "\n"
    while True:
        text = _edited(name, text)
        try:
            after = _object(text)
            if not changes(before, after):
                _say("nothing changed")
                return 0
            check(client, name, after)
        except ValueError as error:
            _say(str(error))
            if not _agreed("Edit again?", default=True):
                return 1
        else:
            return _applied(client, name, before, after, options)


def _object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if isinstance(found, dict):
        return found
    raise ValueError("what the editor left is no JSON object")


def _edited(name: str, text: str) -> str:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name.replace('/', '_')}.json"
        file.write_text(text, encoding="utf-8")
        done = subprocess.run([*shlex.split(command), str(file)], check=False)
        if done.returncode:
            raise ValueError(f"{command} ended with {done.returncode}; nothing is changed")
        return file.read_text(encoding="utf-8")


def _applied(
    client: Client, name: str, before: Config, after: Config, options: argparse.Namespace
) -> int:
    """Show what changes, ask, and send the changed options alone."""
    print_diff(differences(before, after), _say)
    if not options.yes and not _agreed(f"Change {name} and restart its tasks?", default=False):
        _say("nothing changed")
        return 1
    client.patch("connectors", name, "config", body=changes(before, after))
    _say(f"{name}: changed")
    return 0


def _revisions(client: Client, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(
        "appliance", "v1", "connectors", name, "history", limit=1000
    )
    if not found:
        raise UnknownError(f"{name}: the journal knows no revision of it")
    return found


def _before(found: list[dict[str, Any]], revision: int | None) -> int:
    """Give the place of a revision, of the newest one for None. Raises UnknownError."""
    if revision is None:
        return 0
    for at, entry in enumerate(found):
        if entry["id"] == revision:
            return at
    known = ", ".join(str(entry["id"]) for entry in found[:10])
    raise UnknownError(f"no revision {revision}; the newest ones are {known}")


def _config_at(found: list[dict[str, Any]], at: int) -> Config:
    return (found[at]["config"] or {}) if at < len(found) else {}


def _history(client: Client, options: argparse.Namespace) -> int:
    rows = revision_rows(_revisions(client, options.name))
    print_rows(rows[: options.limit], _COLUMNS, options.output)
    return 0


def revision_rows(found: list[dict[str, Any]]) -> list[Row]:
    """Give revisions, newest first, each with the options that it changed."""
    return [
        {
            **entry,
            "revision": entry["id"],
            "time": time_text(entry["ts"]),
            "changed": "deleted"
            if entry["config"] is None
            else ",".join(changes(_config_at(found, at + 1), entry["config"])),
        }
        for at, entry in enumerate(found)
    ]


def _diff(client: Client, options: argparse.Namespace) -> int:
    if options.file is not None:
        wanted = dict(configs_of(options.file))
        if options.name not in wanted:
            raise ValueError(f"{options.file} holds no connector {options.name}")
        # that there is no such connector is no difference
        client.get("connectors", options.name)
        differing = compared(client, options.name, wanted[options.name]).differing
    else:
        found = _revisions(client, options.name)
        at = _before(found, options.revision)
        differing = differences(_config_at(found, at + 1), _config_at(found, at))
    if options.output == "json":
        print_json(differing)
    else:
        print_diff(differing)
    return 1 if differing else 0


def _rollback(client: Client, options: argparse.Namespace) -> int:
    name = options.name
    found = _revisions(client, name)
    at = 1 if options.revision is None else _before(found, options.revision)
    revision = _config_at(found, at)
    if not revision:
        raise ValueError(f"{name}: there is no configuration before the last one")
    now = client.get("connectors", name, "config")
    after, lost = restored(now, revision)
    if lost:
        _say(f"not brought back, for it holds a secret: {', '.join(lost)}")
    if not changes(now, after):
        _say("nothing changed")
        return 0
    check(client, name, after)
    if options.dry_run:
        print_diff(differences(now, after))
        return 0
    return _applied(client, name, now, after, options)


def _agreed(question: str, *, default: bool) -> bool:
    if not sys.stdin.isatty():
        _say("nobody can be asked without a terminal: see --yes")
        return False
    print(f"{question} {'Y/n' if default else 'y/N'} ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip().lower()
    return answer == "y" or (default and not answer)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
