"""Texts of the console: help of a view, and the screen for a daemon that does not answer."""

from __future__ import annotations

import shlex

from rich.text import Text

from tui import keys
from tui.palette import STATES
from tui.scene import Scene
from tui.screens.view import View
from tui.text import age


def help_text(scene: Scene, view: View) -> Text:
    """Say what the view shows, what its keys do, and what the signs mean."""
    palette = scene.palette
    text = Text(style=palette.text)
    text.append(f"{view.ABOUT}\n\n")
    text.append("Keys of this view\n", palette.grey)
    for key, word in view.HINTS:
        _key(text, scene, keys.shown(key, scene.keymap), word)
    text.append("\nIn a table\n", palette.grey)
    for key, word in keys.GRID:
        _key(text, scene, key, word)
    group = ""
    for key, _, word, part in keys.GLOBAL:
        if part != group:
            group = part
            text.append(f"\n{group}\n", palette.grey)
        name = "1..9" if key.startswith("1,") else keys.shown(key, scene.keymap)
        _key(text, scene, name, word)
    text.append("\nSigns\n", palette.grey)
    for state in STATES:
        glyph, word, role = palette.state(state)
        text.append(f"  {glyph} {word:<6}", palette.style(role))
        text.append(f"{_MEANING[state]}\n")
    text.append("  > source: writes into Kafka   ", palette.accent)
    text.append("< sink: reads out of it\n", palette.sink)
    text.append("\nFilter\n", palette.grey)
    text.append(
        "  words that must all hold: hdfs !staging /ord.*s/ state:failed worker:w2 lag>1k\n"
    )
    return text


def no_daemon(scene: Scene, now_s: float) -> Text:
    """Say that no daemon has answered yet, why, and what to try."""
    palette, feed = scene.palette, scene.feed
    text = Text(style=palette.text)
    if feed is None or feed.error is None:
        text.append(f"Connecting to {scene.client.url} ...", palette.grey)
        return text
    said = "No daemon answers" if feed.status is None else "What answers refuses"
    text.append(f"{said} at {scene.client.url}\n\n", palette.style("red"))
    text.append(f"{feed.error}\n\n")
    text.append(f"Tried again in {age(feed.retry_at_s - now_s)}; ctrl+r tries now.\n\n")
    if feed.status in _REFUSALS:
        text.append(f"{_REFUSALS[feed.status]}\n\n", "bold")
    text.append("What to try\n", palette.grey)
    address = shlex.quote(scene.client.url)
    for command, why in (
        ("systemctl status ingest-appliance", "does the daemon run?"),
        ("journalctl -u ingest-appliance -e", "why did it stop?"),
        (f"curl -i {address}", "does it answer?"),
        ("ingest-tui --url http://HOST:8083", "another address"),
        (":ctx", "another context of the config file"),
    ):
        text.append(f"  {command:<38}", "bold")
        text.append(f"{why}\n", palette.grey)
    return text


_REFUSALS = {
    401: "It wants a user: --user NAME with INGEST_APPLIANCE_PASSWORD set, a token in "
    "INGEST_APPLIANCE_TOKEN, or either in a context: user and password_file, or token_file.",
    403: "It knows the user, who may not look at it.",
    404: "It knows neither /appliance/v1 nor /connectors: no ingest-appliance, no Kafka Connect.",
}
_MEANING = {
    "FAILED": "ended by an error, or no task of it runs; r restarts it",
    "DEGRADED": "runs, but some of its tasks do not, or wait for something and try again",
    "UNASSIGNED": "on no worker: a rebalance or a lost worker",
    "RESTARTING": "asked for, not yet so",
    "PAUSED": "stays where it is and does nothing; p resumes",
    "STOPPED": "tasks are gone, offsets stay; p resumes",
    "RUNNING": "works",
}


def _key(text: Text, scene: Scene, key: str, word: str) -> None:
    text.append(f"  {key:<26}", f"bold {scene.palette.accent.removeprefix('bold ')}")
    text.append(f"{word}\n")
