"""Verbs about options, loggers and who one is: `validate`, `plugin`, `log-level`, `whoami`."""

from __future__ import annotations

import argparse
import re
from typing import Any

from appliance.client import Client
from appliance.verbs.address import UsageError, address_options
from appliance.verbs.change import check_all
from appliance.verbs.output import LEVELS, output_option, print_json, print_rows


def add_to(commands: Any) -> None:
    """Add the verbs."""
    parent = address_options()
    validate = commands.add_parser(
        "validate", parents=[parent], help="have connector files checked; 1 when one is not valid"
    )
    validate.add_argument("file", nargs="+")
    validate.set_defaults(act=_validate)
    plugin = commands.add_parser("plugin", parents=[parent], help="the options of a plugin")
    plugin.add_argument("name")
    output_option(plugin)
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
    who.set_defaults(act=_whoami)


def _validate(client: Client, options: argparse.Namespace) -> int:
    return 0 if check_all(client, options.file) else 1


def _plugin(client: Client, options: argparse.Namespace) -> int:
    rows = client.get("connector-plugins", options.name, "config")
    print_rows(rows, ("name", "type", "default_value", "importance"), options.output)
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


def _whoami(client: Client, _options: argparse.Namespace) -> int:
    print_json(client.get("appliance", "v1", "whoami"))
    return 0
