"""A dead letter in words: why it is here, its trace, payload and headers."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from tui.model import reason
from tui.scene import Scene
from tui.text import several

TABS: Final = ("Why", "Trace", "Payload", "Headers")
_QUOTED: Final = re.compile(r"'([^']{1,60})'")
_ERRORS: Final = "__connect.errors."
_NUMBER: Final = re.compile(r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$")

Letter = Mapping[str, Any]


def letter_text(scene: Scene, letter: Letter | None, tab: int, same: Sequence[Letter]) -> Text:
    """Give one tab's text; `same` are all letters with the same error."""
    text = Text(style=scene.palette.text)
    if letter is None:
        text.append("Nothing is chosen.", scene.palette.grey)
    elif tab == 0:
        _put_why(text, scene, letter, same)
        text.append("\n")
        put_payload(text, scene, letter["value"], named=_named(letter), most=14)
    elif tab == 1:
        _put_trace(text, scene, letter)
    elif tab == 2:
        text.append("key\n", scene.palette.grey)
        put_payload(text, scene, letter["key"])
        text.append("\nvalue\n", scene.palette.grey)
        put_payload(text, scene, letter["value"], named=_named(letter))
    else:
        _put_headers(text, scene, letter)
    return text


def _put_headers(text: Text, scene: Scene, letter: Letter) -> None:
    """Append the record's own headers, then those that Connect wrote when the record became a dead letter."""
    palette = scene.palette
    text.append("headers of the record\n", palette.grey)
    for name, value in letter["headers"]:
        text.append(f"  {name:<43} ", palette.grey)
        text.append(f"{value}\n")
    if not letter["headers"]:
        text.append("  none of its own\n")
    text.append("\nwhat the connector wrote beside them\n", palette.grey)
    if letter["stage"] is None:
        text.append("  none: errors.deadletterqueue.context.headers.enable is off\n")
        return
    origin, trace = letter["origin"] or {}, str(letter["trace"] or "")
    # the trace begins with the whole name, which the daemon tells without its package
    whole, mark, _ = trace.partition(":")
    known = mark and whole.endswith(str(letter["exception"]))
    for name, value in (
        ("topic", origin.get("topic")),
        ("partition", origin.get("partition")),
        ("offset", origin.get("offset")),
        ("connector.name", letter["connector"]),
        ("task.id", letter["task"]),
        ("stage", letter["stage"]),
        ("class.name", letter["class"]),
        ("exception.class.name", whole if known else letter["exception"]),
        ("exception.message", letter["message"]),
        ("exception.stacktrace", f"{len(trace.splitlines())} lines: tab Trace" if trace else None),
    ):
        text.append(f"  {_ERRORS + name:<43} ", palette.grey)
        text.append("null\n" if value is None else f"{value}\n")


def _put_why(text: Text, scene: Scene, letter: Letter, same: Sequence[Letter]) -> None:
    palette, model = scene.palette, scene.model

    def line(name: str, value: str, style: str = "") -> None:
        text.append(f"{name:<12}", palette.grey)
        text.append(f"{value}\n", style)

    if letter["stage"] is None:
        line("failed in", "unknown: errors.deadletterqueue.context.headers.enable is off")
    else:
        executing = str(letter["class"] or "").rsplit(".", maxsplit=1)[-1]
        line("failed in", f"{letter['stage']}  {executing}", "bold")
    task = model.tasks.get(f"{letter['connector']}:{letter['task']}")
    if letter["connector"]:
        now = f"now {task.state.lower()}" if task else "no such task now"
        where = f" on {model.nicknames.get(task.worker or '', '-')}" if task else ""
        line("task", f"{letter['connector']}-{letter['task']}{where}, {now}")
    origin = letter["origin"]
    if origin is not None:
        place = f"{origin['topic']}, partition {origin['partition']}, offset {origin['offset']}"
        key = "null" if letter["key"]["text"] is None else letter["key"]["text"]
        line("came from", f"{place}, key {key}")
    line("error", f"{letter['exception']}: {letter['message']}", palette.style("red"))
    if letter["cause"]:
        line("cause", str(reason(letter["cause"])), palette.style("red"))
    first_ms = min((one["ts"] for one in same if one["ts"]), default=None)
    since = "" if first_ms is None else f" since {_clock(scene, first_ms)}"
    line(
        "seen", f"{several(len(same), 'letter')} here with this error{since}   F keeps only these"
    )
    if letter["attempts"]:
        line("replayed", f"{letter['attempts']} times before", palette.style("amber"))


def _clock(scene: Scene, ms: int) -> str:
    """Give a time of today as 11:02, one before as 2026-11-25 11:02."""
    today = time.gmtime(scene.clock())[:3] == time.gmtime(ms / 1000)[:3]
    return time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", time.gmtime(ms / 1000))


def put_payload(
    text: Text,
    scene: Scene,
    payload: Mapping[str, Any],
    *,
    named: frozenset[str] = frozenset(),
    most: int = 2000,
) -> None:
    """Append a payload with its form; lines that hold a name or value the error names are marked."""
    palette = scene.palette
    id_ = payload.get("schema_id")
    form = f"{payload['as']}, schema {id_}" if id_ is not None else str(payload["as"])
    text.append(f"payload, {form}, {payload['size']} bytes\n", palette.grey)
    if payload.get("decode_error"):
        text.append(f"{payload['decode_error']}\n", palette.style("amber"))
    lines = ("null" if payload["text"] is None else str(payload["text"])).splitlines()
    for line in lines[:most]:
        hit = any(word in line for word in named)
        _put_line(text, scene, line, hit=hit)
    if len(lines) > most:
        text.append(f"  and {len(lines) - most} lines more: ] shows all\n", palette.grey)


def _put_line(text: Text, scene: Scene, line: str, *, hit: bool) -> None:
    palette = scene.palette
    name, mark, value = line.partition('": ')
    if mark:
        text.append(f"  {name}{mark}")
        bare = value.rstrip(",")
        role = "blue" if _NUMBER.match(bare) else "green" if bare.startswith('"') else ""
        text.append(value, palette.style("red" if hit else role))
    else:
        text.append(f"  {line}", palette.style("red") if hit else "")
    if hit:
        arrow = "<-" if palette.ascii else "←"
        text.append(f"   {arrow} what the error names", palette.style("red"))
    text.append("\n")


def _named(letter: Letter) -> frozenset[str]:
    """Give the quoted words of the error: a field's name or a value."""
    said = f"{letter['message']} {letter['cause']}"
    return frozenset(word for word in _QUOTED.findall(said) if len(word) > 1)


def _put_trace(text: Text, scene: Scene, letter: Letter) -> None:
    for line in str(letter["trace"] or "No trace: context headers are off.").splitlines():
        causes = not line.startswith(("\t", " "))
        text.append(f"{line}\n", scene.palette.style("red") if causes else "")
