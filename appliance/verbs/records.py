"""`dlq`, `topic peek` and `logs`: records and lines of a running daemon, and dead letters sent again."""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from appliance.client import Client, ClientError, UnreachableError
from appliance.verbs.address import UsageError, address_options
from appliance.verbs.output import (
    LEVELS,
    Row,
    dry_run_option,
    limit_option,
    output_option,
    print_json,
    print_rows,
    time_text,
)
from appliance.verbs.show import worker_id

_CONSOLE: Final = ("appliance", "v1")
_EVERY_S: Final = 1.0
_LETTER: Final = ("place", "time", "origin", "stage", "error")
_PLACE: Final = "PARTITION@OFFSET"


def add_to(commands: Any) -> None:
    """Add the verbs."""
    parent = address_options()
    _add_dlq(commands, parent)
    topic = commands.add_parser("topic", help="what is in a topic")
    peek = topic.add_subparsers(required=True, metavar="ACTION").add_parser(
        "peek", parents=[parent], help="print records"
    )
    peek.add_argument("topic")
    peek.add_argument("--from", dest="start", default="newest", help="oldest, N or time:MS")
    peek.add_argument("--partition", type=int)
    limit_option(peek)
    peek.add_argument("--follow", action="store_true", help="those that come from now on")
    peek.add_argument("--as", dest="form", default="auto", help="how payloads are read")
    peek.add_argument("-q", "--query", help="only records that hold this")
    peek.add_argument(
        "-o",
        "--output",
        choices=("text", "json"),
        default="text",
        help="text: place, time, key and value, cut to the terminal; json: whole records, one a line",
    )
    peek.set_defaults(act=_peek)
    logs = commands.add_parser("logs", parents=[parent], help="log lines of all workers")
    logs.add_argument("-f", "--follow", action="store_true", help="and those that come")
    logs.add_argument("--level", type=str.upper, choices=LEVELS[:-1], help="this level and above")
    logs.add_argument(
        "--worker", help="of one worker alone: its id, or w1, w2 as in `get workers`"
    )
    logs.add_argument("--connector")
    logs.add_argument("-q", "--query", help="only lines that hold this")
    limit_option(logs, 100)
    logs.add_argument(
        "-o",
        "--output",
        choices=("text", "json"),
        default="text",
        help="json: whole lines, one JSON object each",
    )
    logs.set_defaults(act=_logs)
    _add_job(commands, parent)


def _add_job(commands: Any, parent: argparse.ArgumentParser) -> None:
    job = commands.add_parser("job", help="replays and what else takes a while")
    actions = job.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", parents=[parent], help="those of the worker that answers")
    output_option(listing)
    limit_option(listing)
    listing.set_defaults(act=_jobs)
    cancel = actions.add_parser("cancel", parents=[parent], help="end one early")
    cancel.add_argument("id")
    cancel.set_defaults(act=_cancel)


def _add_dlq(commands: Any, parent: argparse.ArgumentParser) -> None:
    dlq = commands.add_parser("dlq", help="dead letter queues")
    actions = dlq.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", parents=[parent], help="the queues")
    output_option(listing)
    limit_option(listing)
    listing.set_defaults(act=_queues)
    for name, act, about in (
        ("show", _show, "letters, newest first"),
        ("groups", _groups, "how many there are of each stage and error"),
        ("export", _export, "letters as JSON lines, whole"),
        ("replay", _replay, "send letters again"),
        ("discard", _discard, "hide letters"),
        ("purge", _purge, "delete letters for good, from the oldest on"),
    ):
        action = actions.add_parser(name, parents=[parent], help=about)
        action.add_argument("topic", help="the queue's topic")
        action.set_defaults(act=act)
        if name == "purge":
            dry_run_option(action, "say what would happen")
            action.add_argument("--yes", action="store_true", help="do not ask for its name")
            action.add_argument(
                "--before",
                action="append",
                default=[],
                metavar=_PLACE,
                help="up to this letter of a partition, exclusive; else all there are",
            )
            continue
        action.add_argument(
            "--where",
            action="append",
            default=[],
            metavar="stage=..|exception=..|q=..",
            help="only letters for which all of these hold",
        )
        if name in {"show", "groups"}:
            limit_option(action, 50 if name == "show" else None)
            output_option(action)
        if name == "show":
            action.add_argument(
                "--as",
                dest="form",
                help="key and value as well, read as auto, json, text, hex, ..",
            )
        if name == "export":
            limit_option(action)
            action.add_argument(
                "--raw",
                type=Path,
                metavar="FOLDER",
                help=f"instead the bytes of each value, as a file FOLDER/{_PLACE}",
            )
        if name in {"replay", "discard"}:
            dry_run_option(action, "say what would happen")
            action.add_argument(
                "--record",
                action="append",
                default=[],
                metavar=_PLACE,
                help="only this letter, and others so named",
            )
        if name == "replay":
            action.add_argument("--to", help="another topic than the one of origin")
            action.add_argument(
                "--edit",
                action="append",
                default=[],
                metavar=f"{_PLACE}=FILE",
                help="this letter, with the bytes of FILE as its value",
            )


def _where(options: argparse.Namespace) -> dict[str, str]:
    """Give the filters. Raises UsageError for one that is none."""
    found = {}
    for text in options.where:
        name, mark, value = text.partition("=")
        if not mark or name not in {"stage", "exception", "q"}:
            raise UsageError(f"--where {text}: give stage=, exception= or q=")
        found[name] = value
    return found


def _queues(client: Client, options: argparse.Namespace) -> int:
    columns = ("topic", "records", "new_1h", "connectors")
    rows = client.get(*_CONSOLE, "dlq")
    print_rows(rows[: options.limit], columns, options.output)
    return 0


def _jobs(client: Client, options: argparse.Namespace) -> int:
    columns = ("id", "kind", "target", "state", "done", "total", "failed", "error")
    print_rows(client.get(*_CONSOLE, "jobs")[: options.limit], columns, options.output)
    return 0


def _cancel(client: Client, options: argparse.Namespace) -> int:
    print_json(client.delete(*_CONSOLE, "jobs", options.id))
    return 0


def _letters(client: Client, options: argparse.Namespace, **more: Any) -> list[dict[str, Any]]:
    path = (*_CONSOLE, "dlq", options.topic, "records")
    query = {**_where(options), **more}
    found: list[dict[str, Any]] = client.get(*path, limit=options.limit, **query)
    return found


def _show(client: Client, options: argparse.Namespace) -> int:
    letters = _letters(client, options, **{"as": options.form})
    if options.output != "table":
        print_rows(letters, _LETTER, options.output)
        return 0
    payloads = ("key", "value") if options.form else ()
    rows: list[Row] = [
        _row(letter) | {side: _one_line(letter[side]["text"]) for side in payloads}
        for letter in letters
    ]
    print_rows(rows, (*_LETTER, *payloads), options.output)
    return 0


def _groups(client: Client, options: argparse.Namespace) -> int:
    rows = client.get(*_CONSOLE, "dlq", options.topic, "groups", **_where(options))
    columns = ("count", "stage", "exception", "message")
    print_rows(rows[: options.limit], columns, options.output)
    return 0


def _row(letter: Mapping[str, Any]) -> dict[str, Any]:
    origin = letter["origin"]
    return {
        "place": f"{letter['partition']}@{letter['offset']}",
        "time": time_text(letter["ts"]),
        "origin": f"{origin['topic']}/{origin['partition']}@{origin['offset']}"
        if origin
        else None,
        "stage": letter["stage"],
        "error": letter["cause"] or letter["message"],
    }


def _export(client: Client, options: argparse.Namespace) -> int:
    found = client.lines(*_CONSOLE, "dlq", options.topic, "export", **_where(options))
    for letter in itertools.islice(found, options.limit):
        if options.raw is None:
            print(json.dumps(letter, ensure_ascii=False))
        else:
            _put_raw(options.raw, letter)
    return 0


def _put_raw(folder: Path, letter: Mapping[str, Any]) -> None:
    """Write a letter's value, whole, to its file. Raises ClientError when the daemon gave a part of it."""
    place, value = f"{letter['partition']}@{letter['offset']}", letter["value"]
    if value["text"] is None and "bytes_b64" not in value:
        print(f"{place}: without a value", file=sys.stderr)
        return
    content = base64.b64decode(value["bytes_b64"])
    if len(content) != value["size"]:
        raise ClientError(f"{place}: the daemon gave {len(content)} of {value['size']} bytes")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / place).write_bytes(content)


def _replay(client: Client, options: argparse.Namespace) -> int:
    body = _which(options)
    if options.to:
        body["topic"] = options.to
    edits = dict(map(_edit, options.edit))
    if edits:
        body["edits"] = {f"{place[0]}:{place[1]}": edit for place, edit in edits.items()}
        chosen = [*map(tuple, body.get("records", ())), *edits]
        body["records"] = [list(place) for place in dict.fromkeys(chosen)]
    if not (options.to or options.dry_run):
        print(
            "replaying to the topics of origin: every other consumer of them sees the records again",
            file=sys.stderr,
        )
    job = _ended(client, client.post(*_CONSOLE, "dlq", options.topic, "replay", body=body))
    print_json(job)
    failed = job["still_failing"] if options.dry_run else job["failed"]
    return 1 if failed or job.get("state") == "failed" else 0


def _ended(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """Wait for a job's end; what is no job, a dry run, is given as it is."""
    while job.get("state") == "running":
        print(f"\r{job['done']}/{job['total']}", end="", file=sys.stderr)
        time.sleep(_EVERY_S / 4)
        job = client.get(*_CONSOLE, "jobs", job["id"])
    return job


def _discard(client: Client, options: argparse.Namespace) -> int:
    body = _which(options)
    job = _ended(client, client.post(*_CONSOLE, "dlq", options.topic, "discard", body=body))
    print_json(job)
    return 1 if job.get("state") == "failed" else 0


def _which(options: argparse.Namespace) -> dict[str, Any]:
    body: dict[str, Any] = {**_where(options), "dry_run": options.dry_run}
    if options.record:
        body["records"] = [list(_place(text)) for text in options.record]
    return body


def _edit(text: str) -> tuple[tuple[int, int], dict[str, str]]:
    """Give the place of an edited letter, and its new value for the daemon. Raises UsageError, OSError."""
    place, equals, file = text.partition("=")
    if not equals:
        raise UsageError(f"--edit {text}: give {_PLACE}=FILE")
    return _place(place), {"base64": base64.b64encode(Path(file).read_bytes()).decode()}


def _place(text: str) -> tuple[int, int]:
    """Give partition and offset. Raises UsageError."""
    partition, _, offset = text.partition("@")
    if not (partition.isdigit() and offset.isdigit()):
        raise UsageError(f"{text}: give PARTITION@OFFSET, as `dlq show` prints it")
    return int(partition), int(offset)


def _purge(client: Client, options: argparse.Namespace) -> int:
    topic, path = options.topic, (*_CONSOLE, "dlq", options.topic, "purge")
    body: dict[str, Any] = {}
    if options.before:
        body["before"] = {str(one): at for one, at in map(_place, options.before)}
    told = client.post(*path, body={**body, "dry_run": True})
    if not options.dry_run:
        if not options.yes and not _named(topic, told["count"]):
            asked = "" if sys.stdin.isatty() else ": without a terminal give --yes"
            print(f"nothing deleted{asked}", file=sys.stderr)
            return 1
        # what has come since is not deleted unseen
        told = client.post(*path, body={"before": told["before"]})
    print_json(told)
    return 0


def _named(topic: str, count: int) -> bool:
    if not sys.stdin.isatty():
        return False
    print(f"{count} letters go for good. Type {topic}: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == topic


def _peek(client: Client, options: argparse.Namespace) -> int:
    path = (*_CONSOLE, "topics", options.topic, "records")
    query: dict[str, Any] = {"as": options.form}
    query |= {"partition": options.partition, "q": options.query}
    shown = _whole if options.output == "json" else _readable
    if options.follow:
        # a topic that does not exist is told of at once
        client.get(*path, limit=1)
        return _follow(client, path, query, options.limit, shown)
    query |= {"from": options.start, "limit": options.limit or 10}
    for record in client.get(*path, **query):
        print(shown(record))
    return 0


def _whole(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


def _readable(record: Mapping[str, Any]) -> str:
    """Give place, time, key and value in a line, cut where a terminal shows it."""
    place, stamp = f"{record['partition']}@{record['offset']}", time_text(record["ts"])
    texts = (_one_line(record[side]["text"]) for side in ("key", "value"))
    line = "  ".join((place, stamp, *texts))
    if not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _one_line(text: str | None) -> str:
    if text is None:
        return "-"
    shown = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(shown.split())


def _follow(
    client: Client,
    path: tuple[str, ...],
    query: Mapping[str, Any],
    limit: int | None,
    shown: Callable[[Mapping[str, Any]], str],
) -> int:
    """Print records as they come, until there were `limit` of them."""
    count = 0
    for event in client.stream(*path, follow=True, **query):
        if event.type == "failed":
            raise ClientError(str(event.data.get("message")))
        if event.type != "record":
            print("some records were left out: they came too fast", file=sys.stderr)
            continue
        print(shown(event.data), flush=True)
        count += 1
        if count == limit:
            break
    return 0


def _logs(client: Client, options: argparse.Namespace) -> int:
    """Print lines; followed, those of a daemon that is started again come too."""
    places: dict[str, int] = {}
    limit = options.limit
    chosen = {"level": options.level, "connector": options.connector, "q": options.query}
    if options.worker is not None:
        chosen["worker"] = worker_id(client, options.worker)
    answered = False
    while True:
        after = ",".join(f"{worker}={place}" for worker, place in places.items())
        try:
            lines = client.get(*_CONSOLE, "logs", "recent", limit=limit, **chosen, after=after)
        except UnreachableError as error:
            if not places:
                raise
            if answered:
                print(f"{error}; trying again", file=sys.stderr)
            answered = False
            time.sleep(_EVERY_S)
            continue
        answered = True
        for line in lines:
            _print_line(line, options.output)
        # by time, so that a worker's last one need not be its latest
        places |= {line["worker"]: line["id"] for line in sorted(lines, key=itemgetter("id"))}
        if not options.follow:
            return 0
        sys.stdout.flush()
        limit = 2000
        time.sleep(_EVERY_S)


def _print_line(line: Mapping[str, Any], output: str) -> None:
    if output == "json":
        print(json.dumps(line, ensure_ascii=False))
        return
    context = f"[{line['context']}] " if line["context"] else ""
    print(f"{time_text(line['ts'])} {line['level']} {line['worker']} {context}{line['message']}")
