"""`describe`: everything about one connector, task, worker, plugin or rebalance."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, Final

from appliance.client import AnswerError, Client
from appliance.verbs.address import UnknownError, UsageError, address_options
from appliance.verbs.config import revision_rows
from appliance.verbs.output import print_json, print_sections, time_text
from appliance.verbs.show import NOT_FOUND, tell_health, worker_id

_CONSOLE: Final = ("appliance", "v1")
_LATEST: Final = 10
_MOST: Final = 1000


def add_to(commands: Any) -> None:
    """Add the verb."""
    describe = commands.add_parser(
        "describe", parents=[address_options()], help="everything about one thing"
    )
    describe.add_argument(
        "kind",
        metavar="KIND",
        help=f"one of {', '.join(KINDS)}; a connector's name alone will do",
    )
    describe.add_argument(
        "of",
        nargs="*",
        metavar="NAME",
        help="of a task its connector and number, of a rebalance its generation",
    )
    describe.add_argument("--id", type=int, help="of a rebalance, instead of its generation")
    describe.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="form of the answer"
    )
    describe.set_defaults(act=_describe)


def _describe(client: Client, options: argparse.Namespace) -> int:
    kind, names = options.kind, options.of
    if options.id is not None:
        if kind != "rebalance" or names:
            raise UsageError("--id is for `describe rebalance --id ID`")
        names = [f"--id={options.id}"]
    if not names:
        kind, names = "connector", [options.kind]
    if kind not in KINDS:
        raise UsageError(f"{kind} cannot be described; there are {', '.join(KINDS)}")
    if len(names) != (2 if kind == "task" else 1):
        raise UsageError(
            f"describe {kind}: give its {'connector and number' if kind == 'task' else 'name'}"
        )
    found = KINDS[kind](client, *names)
    if options.output == "json":
        print_json(found)
    else:
        print_sections(found)
    tell_health(client)
    return 0


def _connector(client: Client, name: str) -> Mapping[str, Any]:
    return {
        **client.get("connectors", name),
        "status": client.get("connectors", name, "status"),
        **client.get("connectors", name, "offsets"),
        "topics": client.get("connectors", name, "topics")[name]["topics"],
        **_past(client, name),
    }


def _past(client: Client, name: str) -> Mapping[str, Any]:
    """Give a connector's last revisions, changes of state and log lines; Kafka Connect itself has none."""
    path = (*_CONSOLE, "connectors", name)
    try:
        revisions = client.get(*path, "history", limit=_LATEST + 1)
        states = client.get(*path, "transitions", limit=_LATEST)
        lines = client.get(*_CONSOLE, "logs", "recent", connector=name, limit=_LATEST)
    except AnswerError as error:
        if error.status != NOT_FOUND:
            raise
        return {}
    shown = ("revision", "time", "by", "changed")
    return {
        "history": [
            {key: row[key] for key in shown} for row in revision_rows(revisions)[:_LATEST]
        ],
        "states": [
            {
                "time": time_text(one["ts"]),
                **{key: one.get(key) for key in ("key", "from", "to", "worker")},
            }
            for one in states
        ],
        "log": [
            {
                "time": time_text(line["ts"]),
                **{key: line[key] for key in ("level", "worker", "message")},
            }
            for line in lines
        ],
    }


def _task(client: Client, connector: str, number: str) -> Mapping[str, Any]:
    tasks = client.get("connectors", connector, "tasks")
    config = next((task["config"] for task in tasks if str(task["id"]["task"]) == number), None)
    path = (*_CONSOLE, "connectors", connector)
    return {
        "connector": connector,
        "config": config,
        "metrics": client.get(*path, "metrics").get(number, {}),
        "transitions": client.get(*path, "tasks", number, "transitions"),
        "status": client.get("connectors", connector, "tasks", number, "status"),
    }


def _worker(client: Client, name: str) -> Mapping[str, Any]:
    name = worker_id(client, name)
    seen = client.get(*_CONSOLE, "snapshot")
    worker = next((one for one in seen["workers"] if one["id"] == name), {"id": name})
    return {
        **worker,
        "leads": f"//{name}/" in str(seen["group"]["leader"]),
        "connector_instances": [
            {key: one[key] for key in ("name", "state")}
            for one in seen["connectors"]
            if one["worker"] == name
        ],
        "task_instances": [
            {key: one[key] for key in ("id", "state", "rate", "lag", "unit", "error")}
            for one in seen["tasks"]
            if one["worker"] == name
        ],
    }


def _plugin(client: Client, name: str) -> Mapping[str, Any]:
    listed = client.get("connector-plugins", connectorsOnly=False)
    known = [one for one in listed if name in (one["class"], one["class"].rpartition(".")[2])]
    return {
        **(known[0] if known else {"class": name}),
        "options": client.get("connector-plugins", name, "config"),
    }


def _rebalance(client: Client, name: str) -> Mapping[str, Any]:
    """Give the newest rebalance of a generation, or the one of `--id=ID`."""
    found: Mapping[str, Any]
    if name.startswith("--id="):
        found = client.get(*_CONSOLE, "rebalances", name.removeprefix("--id="))
        return found
    known = client.get(*_CONSOLE, "rebalances", limit=_MOST)
    for found in known:
        if str(found["gen"]) == name:
            return found
    newest = ", ".join(str(one["gen"]) for one in known[:_LATEST]) or "none"
    raise UnknownError(f"no rebalance to generation {name}; the newest ones are {newest}")


KINDS: Final[Mapping[str, Callable[..., Mapping[str, Any]]]] = {
    "connector": _connector,
    "task": _task,
    "worker": _worker,
    "plugin": _plugin,
    "rebalance": _rebalance,
}
