"""`get`: what there is and how it is."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from appliance.client import AnswerError, Client, ClientError
from appliance.verbs.address import UnknownError, UsageError, address_options
from appliance.verbs.output import Row, limit_option, output_option, print_rows, time_text

_CONSOLE: Final = ("appliance", "v1")
_POLL_S: Final = 2.0
NOT_FOUND: Final = 404
_CAUSE: Final = "Caused by: "


def add_to(commands: Any) -> None:
    """Add the verbs."""
    get = commands.add_parser("get", parents=[address_options()], help="list what there is")
    get.add_argument("what", choices=sorted(_RESOURCES))
    get.add_argument("name", nargs="?", help="only this connector's")
    get.add_argument(
        "--state", type=str.upper, help="only what is in this state, for example failed"
    )
    limit_option(get)
    get.add_argument(
        "-w", "--watch", action="store_true", help="and what happens to them, as JSON lines"
    )
    output_option(get)
    get.set_defaults(act=_get)


def _get(client: Client, options: argparse.Namespace) -> int:
    states = _STATES.get(options.what, ())
    if options.state is not None and options.state not in states:
        known = f"there are {', '.join(states)}" if states else "they have none"
        raise UsageError(f"get {options.what}: no state {options.state}; {known}")
    if options.watch and options.what == "events":
        return _watch(client, options)
    rows = _rows(client, options)
    if not rows and options.name is not None and options.what in _OF_CONNECTOR:
        # the daemon's answer says that there is none
        client.get("connectors", options.name)
    # what is watched goes on a line at a time
    form = "jsonl" if options.watch and options.output == "json" else options.output
    print_rows(rows, _RESOURCES[options.what][1], form)
    if options.watch:
        return (_watch if options.what in _WATCHED else _poll)(client, options, rows)
    if options.what in _RUNNING:
        tell_health(client)
    return 0


def _rows(client: Client, options: argparse.Namespace) -> list[Row]:
    find, _ = _RESOURCES[options.what]
    wanted = options.state
    rows = (
        row
        for row in find(client, options.name, options.limit)
        if wanted is None or str(row.get("state")).upper() == wanted
    )
    return list(itertools.islice(rows, options.limit))


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
_OF_CONNECTOR: Final = (*_RUNNING, "topics", "offsets")
_TASK: Final = ("RUNNING", "PAUSED", "STOPPED", "FAILED", "UNASSIGNED", "RESTARTING")
_STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "connectors": (*_TASK, "DEGRADED"),
    "tasks": _TASK,
    "workers": ("UP", "SILENT"),
    "jobs": ("RUNNING", "DONE", "FAILED", "CANCELLED"),
}

_WATCHED: Final[Mapping[str, frozenset[str] | None]] = {
    "events": None,
    "connectors": frozenset({"connector", "config"}),
    "tasks": frozenset({"task"}),
    "rebalances": frozenset({"rebalance"}),
}
"""What the event stream tells of, and the types of its events; None for all. Others are asked for again."""


def _watch(client: Client, options: argparse.Namespace, _rows: object = None) -> int:
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


def _poll(client: Client, options: argparse.Namespace, rows: list[Row]) -> int:
    """Print rows that are new or changed, and those that are gone with `gone`, until interrupted."""
    columns = _KEYS.get(options.what, _RESOURCES[options.what][1][:1])
    known = _by_key(rows, columns)
    while True:
        sys.stdout.flush()
        time.sleep(_POLL_S)
        now = _by_key(_rows(client, options), columns)
        for key, row in now.items():
            if known.get(key) != row:
                print(json.dumps(row, ensure_ascii=False))
        for key, row in known.items():
            if key not in now:
                print(json.dumps({**{name: row[name] for name in columns}, "gone": True}))
        known = now


def _by_key(rows: Iterable[Row], columns: tuple[str, ...]) -> dict[str, Row]:
    return {json.dumps([row.get(column) for column in columns]): row for row in rows}


def expanded(client: Client) -> Mapping[str, Any]:
    """Give all connectors with info and status by name."""
    found: Mapping[str, Any] = client.get("connectors", expand=["info", "status"])
    return found


def _connectors(client: Client, only: str | None, _limit: int | None) -> Iterator[Row]:
    for name, found in sorted(expanded(client).items()):
        if only in (None, name) and "status" in found:
            status = found["status"]
            tasks = status["tasks"]
            running = sum(task["state"] == "RUNNING" for task in tasks)
            failed = any(task["state"] == "FAILED" for task in tasks)
            state = status["connector"]["state"]
            yield {
                "name": name,
                "state": ("DEGRADED" if running else "FAILED") if failed else state,
                "tasks": f"{running}/{len(tasks)}",
                "type": status["type"],
                "class": found["info"]["config"].get("connector.class"),
                "worker": status["connector"]["worker_id"],
            }


def _tasks(client: Client, only: str | None, _limit: int | None) -> Iterator[Row]:
    figures = _figures(client)
    for name, found in sorted(expanded(client).items()):
        if only not in (None, name):
            continue
        for task in found.get("status", {}).get("tasks", ()):
            known, trace = figures.get(f"{name}:{task['id']}", {}), task.get("trace") or ""
            yield {
                "task": f"{name}-{task['id']}",
                "state": task["state"],
                "worker": task["worker_id"],
                "rate": known.get("rate"),
                "lag": known.get("lag"),
                "unit": known.get("unit"),
                "error": root_cause(trace) or known.get("error"),
            }


def root_cause(trace: str) -> str:
    """Give the line of a trace that says what went wrong: its last cause, else its first line."""
    lines = trace.splitlines() or [""]
    causes = [line for line in lines if line.startswith(_CAUSE)]
    return causes[-1].removeprefix(_CAUSE) if causes else lines[0]


def _figures(client: Client) -> dict[str, Row]:
    """Give what the console shows of tasks, by CONNECTOR:TASK; Kafka Connect itself does not tell.

    `rate` is in records a second, `lag` in `unit`; `error` is also what a task that runs waits for.
    """
    try:
        tasks = client.get(*_CONSOLE, "snapshot")["tasks"]
    except AnswerError as error:
        if error.status != NOT_FOUND:
            raise
        return {}
    return {task["id"]: task for task in tasks}


def _plugins(client: Client, _only: str | None, _limit: int | None) -> Iterator[Row]:
    try:
        yield from client.get(*_CONSOLE, "plugins")
    except AnswerError as error:
        if error.status != NOT_FOUND:
            raise
        # Kafka Connect itself
        yield from client.get("connector-plugins", connectorsOnly=False)


def _offsets(client: Client, only: str | None, _limit: int | None) -> Iterator[Row]:
    try:
        for entry in client.get(*_CONSOLE, "lag", connector=only):
            yield {"connector": entry["connector"], "offset": entry["committed"], **entry}
    except AnswerError as error:
        if error.status != NOT_FOUND:
            raise
        yield from _own_offsets(client, only)


def _own_offsets(client: Client, only: str | None) -> Iterator[Row]:
    """Give offsets as Kafka Connect itself tells them."""
    for name in [only] if only is not None else sorted(client.get("connectors")):
        for entry in client.get("connectors", name, "offsets")["offsets"]:
            yield {"connector": name, **entry}


def _topics(client: Client, only: str | None, _limit: int | None) -> Iterator[Row]:
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


def _loggers(client: Client, _only: str | None, _limit: int | None) -> Iterator[Row]:
    for name, found in client.get("admin", "loggers").items():
        yield {"logger": name, **found}


def worker_names(client: Client) -> dict[str, str]:
    """Give the short names of the group's workers, as a console that opens now gives them, with their ids."""
    rows = client.get(*_CONSOLE, "workers")
    return {f"w{at}": worker for at, worker in enumerate(sorted(row["id"] for row in rows), 1)}


def worker_id(client: Client, name: str) -> str:
    """Give a worker's id for it or its short name. Raises UnknownError."""
    names = worker_names(client)
    if name in names.values():
        return name
    if name not in names:
        known = ", ".join(f"{short} ({worker})" for short, worker in names.items())
        raise UnknownError(f"no worker {name}; there are {known}")
    return names[name]


def _workers(client: Client, _only: str | None, _limit: int | None) -> Iterator[Row]:
    rows = sorted(client.get(*_CONSOLE, "workers"), key=lambda row: str(row["id"]))
    for number, row in enumerate(rows, 1):
        yield {"id": row["id"], "short": f"w{number}", **row}


def _jobs(client: Client, _only: str | None, _limit: int | None) -> Iterator[Row]:
    yield from client.get(*_CONSOLE, "jobs")


def _events(client: Client, _only: str | None, limit: int | None) -> Iterator[Row]:
    yield from client.get(*_CONSOLE, "audit", limit=limit)


def _dlq(client: Client, _only: str | None, _limit: int | None) -> Iterator[Row]:
    for row in client.get(*_CONSOLE, "dlq"):
        ms = row["empty_since_ms"]
        yield {**row, "empty_since": time_text(ms) if ms else None}


def _rebalances(client: Client, _only: str | None, limit: int | None) -> Iterator[Row]:
    for entry in client.get(*_CONSOLE, "rebalances", limit=limit):
        yield {**entry, "why": entry["cause"]["detail"]}


_Find = Callable[[Client, str | None, int | None], Iterator[Row]]

_RESOURCES: Final[Mapping[str, tuple[_Find, tuple[str, ...]]]] = {
    "connectors": (_connectors, ("name", "state", "tasks", "type", "class", "worker")),
    "tasks": (_tasks, ("task", "state", "worker", "rate", "lag", "unit", "error")),
    "plugins": (_plugins, ("class", "type", "version", "path", "used_by")),
    "offsets": (_offsets, ("connector", "partition", "offset", "end", "behind", "unit")),
    "topics": (
        _topics,
        ("topic", "partitions", "records", "size_bytes", "written_by", "read_by"),
    ),
    "loggers": (_loggers, ("logger", "level", "last_modified")),
    "workers": (_workers, ("id", "short", "state", "connectors", "tasks", "rate", "cpu")),
    "rebalances": (_rebalances, ("id", "gen", "phase", "why", "took_ms")),
    "events": (_events, ("id", "action", "key", "status", "by")),
    "dlq": (_dlq, ("topic", "connectors", "records", "new_1h", "empty_since")),
    "jobs": (_jobs, ("id", "kind", "target", "state", "done", "total", "failed", "error")),
}
"""What `get` lists: how it is found, and the columns of its table."""

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "offsets": ("connector", "partition"),
    "plugins": ("class", "type"),
}
"""The columns that tell rows apart, where the first one does not."""
