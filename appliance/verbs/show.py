"""`get`: what there is and how it is."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from appliance.client import AnswerError, Client, ClientError
from appliance.verbs.address import address_options
from appliance.verbs.output import Row, output_option, print_rows

_CONSOLE: Final = ("appliance", "v1")
NOT_FOUND: Final = 404


def add_to(commands: Any) -> None:
    """Add the verbs."""
    get = commands.add_parser("get", parents=[address_options()], help="list what there is")
    get.add_argument("what", choices=sorted(_RESOURCES))
    get.add_argument("name", nargs="?", help="only this connector's")
    get.add_argument("--state", help="only what is in this state, for example failed")
    get.add_argument(
        "-w", "--watch", action="store_true", help="and what happens to them, as JSON lines"
    )
    output_option(get)
    get.set_defaults(act=_get)


def _get(client: Client, options: argparse.Namespace) -> int:
    if options.watch and options.what not in _WATCHED:
        watched = ", ".join(sorted(_WATCHED))
        raise ValueError(f"{options.what} cannot be watched; there are {watched}")
    if options.watch and options.what == "events":
        return _watch(client, options)
    find, columns = _RESOURCES[options.what]
    rows = list(find(client, options.name))
    if not rows and options.name is not None and options.what in _OF_CONNECTOR:
        # the daemon's answer says that there is none
        client.get("connectors", options.name)
    if options.state is not None:
        rows = [row for row in rows if str(row.get("state")).lower() == options.state.lower()]
    print_rows(rows, columns, options.output)
    if options.watch:
        return _watch(client, options)
    if options.what in _RUNNING:
        tell_health(client)
    return 0


def tell_health(client: Client) -> None:
    """Say so when the daemon is not healthy: what it tells of its tasks may be old."""
    sys.stdout.flush()
    try:
        client.get("health")
    except AnswerError as error:
        if error.status >= 500:
            print(f"The daemon is not healthy, states may be old: {error}", file=sys.stderr)
    except ClientError:
        # it has answered before: this is a hint alone
        pass


_RUNNING: Final = ("connectors", "tasks")
_OF_CONNECTOR: Final = (*_RUNNING, "topics")

_WATCHED: Final[Mapping[str, frozenset[str] | None]] = {
    "events": None,
    "connectors": frozenset({"connector", "config"}),
    "tasks": frozenset({"task"}),
    "rebalances": frozenset({"rebalance"}),
}
"""What can be watched, and the types of its events; None for all of them."""


def _watch(client: Client, options: argparse.Namespace) -> int:
    """Print events as they happen, of one connector where one is named."""
    types, name = _WATCHED[options.what], options.name
    sys.stdout.flush()
    for event in client.events():
        key = str(event.data.get("key", ""))
        owner = key.rpartition("-")[0] if event.type == "task" else key
        wanted = event.type != "rates" and (types is None or event.type in types)
        if wanted and name in (None, owner):
            print(json.dumps({"id": event.id, "event": event.type, **event.data}), flush=True)
    return 0


def expanded(client: Client) -> Mapping[str, Any]:
    """Give all connectors with info and status by name."""
    found: Mapping[str, Any] = client.get("connectors", expand=["info", "status"])
    return found


def _connectors(client: Client, only: str | None) -> Iterator[Row]:
    for name, found in sorted(expanded(client).items()):
        if only in (None, name) and "status" in found:
            status = found["status"]
            tasks = status["tasks"]
            running = sum(task["state"] == "RUNNING" for task in tasks)
            failed = any(task["state"] == "FAILED" for task in tasks)
            state = status["connector"]["state"]
            yield {
                "name": name,
                "state": "FAILED" if failed else state,
                "tasks": f"{running}/{len(tasks)}",
                "type": status["type"],
                "class": found["info"]["config"].get("connector.class"),
                "worker": status["connector"]["worker_id"],
            }


def _tasks(client: Client, only: str | None) -> Iterator[Row]:
    troubles = _troubles(client)
    for name, found in sorted(expanded(client).items()):
        if only not in (None, name):
            continue
        for task in found.get("status", {}).get("tasks", ()):
            key, trace = f"{name}-{task['id']}", task.get("trace") or ""
            yield {
                "task": key,
                "state": task["state"],
                "worker": task["worker_id"],
                "error": trace.partition("\n")[0] or troubles.get(key),
            }


def _troubles(client: Client) -> dict[str, str]:
    """Give what tasks that run wait for and try again, by task; Kafka Connect itself does not tell."""
    try:
        figures = client.get(*_CONSOLE, "metrics")
    except AnswerError as error:
        if error.status != NOT_FOUND:
            raise
        return {}
    return {key: str(one["trouble"]) for key, one in figures.items() if one.get("trouble")}


def _plugins(client: Client, _only: str | None) -> Iterator[Row]:
    try:
        yield from client.get(*_CONSOLE, "plugins")
    except AnswerError as error:
        if error.status != NOT_FOUND:
            raise
        # Kafka Connect itself
        yield from client.get("connector-plugins", connectorsOnly=False)


def _offsets(client: Client, only: str | None) -> Iterator[Row]:
    for name in [only] if only is not None else sorted(client.get("connectors")):
        for entry in client.get("connectors", name, "offsets")["offsets"]:
            yield {"connector": name, **entry}


def _topics(client: Client, only: str | None) -> Iterator[Row]:
    try:
        for row in client.get(*_CONSOLE, "topics"):
            users = [*row["written_by"], *row["read_by"]]
            if only in (None, *users) and (only is not None or not row["internal"]):
                yield row
    except AnswerError as error:
        if error.status != NOT_FOUND:
            raise
        yield from _used_topics(client, only)


def _used_topics(client: Client, only: str | None) -> Iterator[Row]:
    """Give the topics that connectors have used, as Kafka Connect itself tells them."""
    for name, found in sorted(expanded(client).items()):
        if only in (None, name) and "status" in found:
            way = "read_by" if found["status"]["type"] == "sink" else "written_by"
            for topic in client.get("connectors", name, "topics")[name]["topics"]:
                yield {"topic": topic, way: [name]}


def _loggers(client: Client, _only: str | None) -> Iterator[Row]:
    for name, found in client.get("admin", "loggers").items():
        yield {"logger": name, **found}


def _console(*path: str) -> Callable[[Client, str | None], Iterator[Row]]:
    def find(client: Client, _only: str | None) -> Iterator[Row]:
        yield from client.get(*_CONSOLE, *path)

    return find


def _dlq(client: Client, _only: str | None) -> Iterator[Row]:
    for row in client.get(*_CONSOLE, "dlq"):
        ms = row["empty_since_ms"]
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms / 1000)) if ms else None
        yield {**row, "empty_since": since}


def _rebalances(client: Client, _only: str | None) -> Iterator[Row]:
    for entry in client.get(*_CONSOLE, "rebalances"):
        yield {**entry, "why": entry["cause"]["detail"]}


_RESOURCES: Final[
    Mapping[str, tuple[Callable[[Client, str | None], Iterator[Row]], tuple[str, ...]]]
] = {
    "connectors": (_connectors, ("name", "state", "tasks", "type", "class", "worker")),
    "tasks": (_tasks, ("task", "state", "worker", "error")),
    "plugins": (_plugins, ("class", "type", "version", "path", "used_by")),
    "offsets": (_offsets, ("connector", "partition", "offset")),
    "topics": (
        _topics,
        ("topic", "partitions", "records", "size_bytes", "written_by", "read_by"),
    ),
    "loggers": (_loggers, ("logger", "level", "last_modified")),
    "workers": (_console("workers"), ("id", "state", "connectors", "tasks", "rate", "cpu")),
    "rebalances": (_rebalances, ("id", "gen", "phase", "why", "took_ms")),
    "events": (_console("audit"), ("id", "action", "key", "status", "by")),
    "dlq": (_dlq, ("topic", "connectors", "records", "new_1h", "empty_since")),
}
"""What `get` lists: how it is found, and the columns of its table."""
