"""`completion`: scripts that let a shell complete verbs, options and the names of what runs.

    source <(ingest-appliance completion bash)

The scripts call `completion words`, which asks the daemon for names for a second at most and says nothing
when there is none.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from appliance.client import Client, ClientError
from appliance.verbs.address import ADDRESS_OPTIONS, client_of, leading
from appliance.verbs.describe import KINDS

_LIVE_S: Final = 1.0
_NAMES: Final = ("name", "names", "--connector")
_DESCRIBED: Final = ("connector", "task", "worker")
_CONTEXT: Final = ("context", "--context")

SCRIPTS: Final = {
    "bash": """_ingest_appliance() {
    local IFS=$'\\n'
    COMPREPLY=($(ingest-appliance completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _ingest_appliance ingest-appliance""",
    "zsh": """#compdef ingest-appliance
_ingest_appliance() {
    compadd -- ${(f)"$(ingest-appliance completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"}
}
compdef _ingest_appliance ingest-appliance""",
    "fish": """function __ingest_appliance
    set -l typed (commandline -opc) (commandline -ct)
    ingest-appliance completion words -- $typed[2..] 2>/dev/null
end
complete -c ingest-appliance -f -a '(__ingest_appliance)'""",
}

Live = Callable[[str], Sequence[str]]
"""Gives the names of `connectors`, `workers`, dead letter queues (`dlq`), `topics` or `contexts`."""


def add_to(commands: Any) -> None:
    """Add the verb."""
    parser = commands.add_parser("completion", help="a script for the shell: bash, zsh or fish")
    parser.add_argument("shell", choices=(*SCRIPTS, "words"), metavar="bash|zsh|fish")
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.set_defaults(
        act=partial(_complete, commands),
        alone=True,
        url=None,
        context=None,
        user=None,
        cert=None,
        cafile=None,
    )


def _complete(commands: Any, client: Client, options: argparse.Namespace) -> int:
    del client
    if options.shell != "words":
        print(SCRIPTS[options.shell])
        return 0
    words = list(options.words) or [""]
    for option in ("--url", "--context"):
        if option in words[:-1]:
            setattr(options, option[2:], words[words.index(option) + 1])
    for found in candidates(commands, words, partial(_live, options)):
        print(found)
    return 0


def _live(options: argparse.Namespace, kind: str) -> Sequence[str]:
    from tui.contexts import ContextError, Contexts, default_path

    try:
        if kind == "contexts":
            return Contexts(default_path(os.environ), os.environ).names
        client = client_of(options, timeout_s=_LIVE_S)
        if kind == "connectors":
            return sorted(client.get(kind))
        if kind == "workers":
            return [row["id"] for row in client.get("appliance", "v1", kind)]
        return [row["topic"] for row in client.get("appliance", "v1", kind)]
    except (ClientError, ContextError, OSError, ValueError):
        return ()


def candidates(commands: Any, words: Sequence[str], live: Live) -> list[str]:
    """Give what the last of the words, maybe empty, can become; the others are complete."""
    *before, begun = words
    if before and leading(before) == len(before) and before[-1] in ADDRESS_OPTIONS:
        return [name for name in _named(before[-1], live) if name.startswith(begun)]
    before = before[leading(before) :]
    if not before and begun.startswith("-"):
        return [name for name in ADDRESS_OPTIONS if name.startswith(begun)]
    parsers = commands
    parser: argparse.ArgumentParser | None = None
    verb = ""
    while parsers is not None and before and before[0] in parsers.choices:
        verb = verb or before[0]
        parser = parsers.choices[before.pop(0)]
        actions = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
        parsers = actions[0] if actions else None
    if parsers is not None:
        found = [] if before else list(parsers.choices)
    elif parser is None:
        found = []
    else:
        found = _of_parser(parser, verb, before, begun, live)
    return [name for name in found if name.startswith(begun)]


def _of_parser(
    parser: argparse.ArgumentParser, verb: str, before: list[str], begun: str, live: Live
) -> list[str]:
    options = parser._option_string_actions
    asked = options.get(before[-1]) if before else None
    if asked is not None and asked.nargs != 0:
        if asked.choices:
            return [str(choice) for choice in asked.choices]
        return _named(before[-1], live)
    if begun.startswith("-"):
        return [name for name, one in options.items() if one.help is not argparse.SUPPRESS]
    # a value behind an option is no positional
    given = sum(
        not word.startswith("-") and not _takes_value(options, before[at - 1] if at else "")
        for at, word in enumerate(before)
    )
    places = [one for one in parser._actions if not one.option_strings]
    if not places:
        return []
    place = places[min(given, len(places) - 1)]
    if given >= len(places) and place.nargs not in ("*", "+"):
        return []
    if place.choices:
        return [str(choice) for choice in place.choices]
    if place.dest == "topic":
        return list(live("dlq" if verb == "dlq" else "topics"))
    if place.dest == "kind":
        return [*KINDS, *live("connectors")]
    if place.dest == "of":
        kind = before[-1] if before else ""
        return (
            list(live("workers" if kind == "worker" else "connectors"))
            if kind in _DESCRIBED
            else []
        )
    return _named(place.dest, live) if verb != "plugin" else []


def _named(what: str, live: Live) -> list[str]:
    """Give the names that an option or argument takes."""
    if what in _CONTEXT:
        return list(live("contexts"))
    if what == "--worker":
        return list(live("workers"))
    return list(live("connectors")) if what in _NAMES else []


def _takes_value(options: dict[str, argparse.Action], word: str) -> bool:
    return word in options and options[word].nargs != 0
