"""`offsets get`, `alter` and `reset`; `get` prints what `alter` takes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from appliance.client import Client
from appliance.verbs.address import address_options
from appliance.verbs.output import dry_run_option, print_json

_DRY_RUN: Final = "say what it would mean, alone; 1 when a check of an offset fails"


def add_to(commands: Any) -> None:
    """Add the verb."""
    offsets = commands.add_parser("offsets", help="a connector's offsets")
    actions = offsets.add_subparsers(required=True, metavar="ACTION")
    parent = address_options()
    get = actions.add_parser("get", parents=[parent], help="print them")
    get.set_defaults(act=_get)
    alter = actions.add_parser("alter", parents=[parent], help="write others; it must be stopped")
    alter.add_argument("-f", "--file", default="-", help="what `get` prints; - standard input")
    dry_run_option(alter, _DRY_RUN)
    alter.set_defaults(act=_alter)
    reset = actions.add_parser("reset", parents=[parent], help="forget them; it must be stopped")
    dry_run_option(reset, _DRY_RUN)
    reset.set_defaults(act=_reset)
    for action in (get, alter, reset):
        action.add_argument("name")


def _get(client: Client, options: argparse.Namespace) -> int:
    print_json(client.get("connectors", options.name, "offsets"))
    return 0


def _alter(client: Client, options: argparse.Namespace) -> int:
    text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text("utf-8")
    if options.dry_run:
        return _preview(client, options.name, json.loads(text))
    answer = client.patch("connectors", options.name, "offsets", body=json.loads(text))
    print(answer["message"], file=sys.stderr)
    return 0


def _preview(client: Client, name: str, body: Any) -> int:
    path = ("appliance", "v1", "connectors", name, "offsets", "preview")
    found = client.post(*path, body=body)
    print_json(found)
    failed = [check for entry in found["offsets"] for check in entry["checks"] if not check["ok"]]
    for check in [*failed, *(check for check in found["checks"] if not check["ok"])]:
        print(f"no: {check['name']}: {check['detail'] or ''}", file=sys.stderr)
    return 1 if failed else 0


def _reset(client: Client, options: argparse.Namespace) -> int:
    if options.dry_run:
        found = client.get("connectors", options.name, "offsets")["offsets"]
        forgotten = [{"partition": entry["partition"], "offset": None} for entry in found]
        return _preview(client, options.name, {"offsets": forgotten})
    print(client.delete("connectors", options.name, "offsets")["message"], file=sys.stderr)
    return 0
