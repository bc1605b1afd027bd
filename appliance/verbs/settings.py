"""Verbs about options, loggers and who one is: `validate`, `plugin`, `log-level`, `whoami`."""

from __future__ import annotations

import argparse
import re
from typing import Any

from appliance.client import Client
from appliance.verbs.address import UsageError, address_options
from appliance.verbs.change import check_all
from appliance.verbs.output import (
    LEVELS,
    limit_option,
    output_option,
    print_json,
    print_rows,
    print_sections,
)


def add_to(commands: Any) -> None:
    """Add the verbs."""
    parent = address_options()
    validate = commands.add_parser(
        "validate", parents=[parent], help="have connector files checked; 1 when one is not valid"
    )
    validate.add_argument("file", nargs="+")
    _form(validate, "text")
    validate.set_defaults(act=_validate)
    plugin = commands.add_parser("plugin", parents=[parent], help="the options of a plugin")
    plugin.add_argument("words", nargs="+", metavar="[config] NAME")
    output_option(plugin)
    limit_option(plugin)
    plugin.set_defaults(act=_plugin)
    level = commands.add_parser("log-level", parents=[parent], help="show or set a logger's level")
    level.add_argument("logger")
    level.add_argument("level", nargs="?", type=str.upper, choices=LEVELS)
    level.add_argument(
        "--for", dest="span", metavar="SPAN", help="then as it is now: 10m, 90s; else for good"
    )
    level.add_argument(
        "--scope", choices=("cluster", "worker"), default="cluster", help="all workers or one"
    )
    level.set_defaults(act=_level)
    who = commands.add_parser("whoami", parents=[parent], help="who the daemon takes you for")
    _form(who, "json")
    who.set_defaults(act=_whoami)


def _form(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default=default, help="form of the answer"
    )


def _validate(client: Client, options: argparse.Namespace) -> int:
    rows = check_all(client, options.file)
    if options.output == "json":
        print_json(rows)
    return 0 if all(row["valid"] for row in rows) else 1


def _plugin(client: Client, options: argparse.Namespace) -> int:
    name = options.words[-1]
    if options.words[:-1] not in ([], ["config"]):
        raise UsageError("plugin: give `config` and one name")
    rows = client.get("connector-plugins", name, "config")
    print_rows(
        rows[: options.limit], ("name", "type", "default_value", "importance"), options.output
    )
    return 0


def _level(client: Client, options: argparse.Namespace) -> int:
    if options.level is None:
        print_json(client.get("admin", "loggers", options.logger))
        return 0
    body = {"level": options.level}
    if options.span is None:
        client.put("admin", "loggers", options.logger, body=body, scope=options.scope)
        return 0
    if not re.fullmatch(r"\d+(ms|s|m|h)", options.span):
        raise UsageError(f"--for {options.span}: write a span such as 10m or 90s")
    path = ("appliance", "v1", "loggers", options.logger)
    print_json(client.put(*path, body=body, scope=options.scope, revert_after=options.span))
    return 0


def _whoami(client: Client, options: argparse.Namespace) -> int:
    show = print_json if options.output == "json" else print_sections
    show(client.get("appliance", "v1", "whoami"))
    return 0
