"""`ctx list`, `use` and `set`: the file of contexts, which the console shares.

The file is edited line by line, so that comments and order stay.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any, Final

from appliance.client import Client
from appliance.verbs.address import UnknownError, UsageError
from appliance.verbs.output import output_option, print_rows
from tui.contexts import THEMES, ContextError, Contexts, default_path

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_TEXTS: Final = (
    ("url", "the daemon's address"),
    ("user", "user name"),
    ("password_file", "file with the password, mode 600"),
    ("password_env", "environment variable with the password"),
    ("password_command", "command that prints the password"),
    ("token_file", "file with a bearer token, mode 600"),
    ("token_env", "environment variable with a bearer token"),
    ("token_command", "command that prints a bearer token"),
    ("cafile", "certificates that may have signed the daemon's, as PEM"),
    ("certfile", "certificate to show, as PEM"),
    ("keyfile", "its key, as PEM"),
)
_FLAGS: Final = (
    ("prod", "whether the console confirms one tier stricter"),
    ("read_only", "whether changes are refused"),
)


def add_to(commands: Any) -> None:
    """Add the verb."""
    ctx = commands.add_parser("ctx", help="named daemons in the file that the console shares")
    actions = ctx.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the contexts; * marks the current one")
    output_option(listing)
    listing.set_defaults(act=_list, alone=True)
    use = actions.add_parser("use", help="make one the current context")
    use.set_defaults(act=_use, alone=True)
    change = actions.add_parser("set", help="add a context, or change some of its members")
    change.set_defaults(act=_set, alone=True)
    for action in (use, change):
        action.add_argument("context", metavar="NAME")
    for name, about in _TEXTS:
        change.add_argument(f"--{name.replace('_', '-')}", dest=name, help=about)
    change.add_argument("--theme", choices=THEMES, help="the console's theme")
    for name, about in _FLAGS:
        option = f"--{name.replace('_', '-')}"
        change.add_argument(option, dest=name, help=about, action=argparse.BooleanOptionalAction)


def _contexts() -> Contexts:
    try:
        return Contexts(default_path(os.environ), os.environ)
    except ContextError as error:
        raise ValueError(str(error)) from error


def _list(_client: Client, options: argparse.Namespace) -> int:
    known = _contexts()
    rows = [
        {"name": name, "current": "*" if name == known.current else "", "url": known.url_of(name)}
        for name in known.names
    ]
    print_rows(rows, ("name", "current", "url"), options.output)
    if not rows:
        print(f"no contexts in {known.path}; `ctx set` adds one", file=sys.stderr)
    return 0


def _use(_client: Client, options: argparse.Namespace) -> int:
    known = _contexts()
    if options.context not in known.names:
        raise UnknownError(f"no context {options.context}; there are {', '.join(known.names)}")
    _write(known.path, with_current(_text(known.path), options.context))
    return 0


def _set(_client: Client, options: argparse.Namespace) -> int:
    known = _contexts()
    if not _NAME.fullmatch(options.context):
        raise UsageError(f"{options.context}: give letters, digits, - and _ alone")
    members: dict[str, str | bool | list[str]] = {}
    for name in (*dict(_TEXTS), "theme", *dict(_FLAGS)):
        value = getattr(options, name)
        if value is not None:
            members[name] = shlex.split(value) if name.endswith("_command") else value
    text = with_members(_text(known.path), options.context, members)
    _write(known.path, text if known.names else with_current(text, options.context))
    return 0


def with_current(text: str, name: str) -> str:
    """Give the file's text with another current context."""
    lines = text.splitlines()
    end = next((at for at, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    kept = [line for line in lines[:end] if not re.match(r"\s*current\s*=", line)]
    return "\n".join([f"current = {json.dumps(name)}", *kept, *lines[end:]]) + "\n"


def with_members(text: str, name: str, members: dict[str, str | bool | list[str]]) -> str:
    """Give the file's text with members of one context set."""
    lines = text.splitlines()
    heads = {f"[contexts.{name}]", f'[contexts."{name}"]'}
    start = next((at for at, line in enumerate(lines) if line.strip() in heads), None)
    if start is None:
        lines += [f"[contexts.{name}]"]
        start = len(lines) - 1
    for key, value in members.items():
        written = f"{key} = {json.dumps(value)}"
        end = next(
            (at for at in range(start + 1, len(lines)) if lines[at].lstrip().startswith("[")),
            len(lines),
        )
        found = re.compile(rf"\s*{key}\s*=")
        at = next((at for at in range(start + 1, end) if found.match(lines[at])), None)
        if at is None:
            lines.insert(end, written)
        else:
            lines[at] = written
    return "\n".join(lines) + "\n"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _write(path: Path, text: str) -> None:
    """Put the text in the file's place, if it can be read as what it is meant to be."""
    import tomllib

    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} cannot be changed by a program; edit it: {error}") from error
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
