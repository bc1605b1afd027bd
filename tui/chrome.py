"""Title bar, tab bar and key bar as text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from tui import keys
from tui.feed import Feed
from tui.scene import Scene
from tui.screens.overview import short_worker
from tui.screens.view import Hints, View
from tui.text import age

COMMON: Hints = (("/", "filter"), (":", "command"), ("?", "help"), ("q", "quit"))


def title(scene: Scene, now_s: float, width: int, *, frozen: bool) -> Text:
    """Give the title: which daemon, the link, the group; user, rights and clock at the right."""
    palette, feed, group = scene.theme, scene.feed, scene.model.group
    text = Text(style=palette.text, no_wrap=True, overflow="ellipsis")
    text.append(" ingest ", "bold")
    text.append("> " if palette.ascii else "▸ ", palette.grey)
    if scene.guarded:
        # a word and not its colour alone: this is where changes hurt
        text.append(f" PROD {scene.title} ", f"reverse {palette.style(scene.colour or 'amber')}")
        text.append("  ")
    elif scene.colour:
        text.append(f" {scene.title} ", f"reverse {palette.style(scene.colour)}")
        text.append("  ")
    else:
        text.append(f"{scene.title}  ", "bold")
    if feed is None or feed.live:
        text.append(f"{palette.state('RUNNING')[0]} live  ", palette.style("green"))
    elif feed.error is None:
        text.append(f"{palette.state('RESTARTING')[0]} connecting  ", palette.grey)
    else:
        text.append(f"{palette.state('FAILED')[0]} {lost(feed, now_s, width)}  ", "bold")
    if frozen:
        text.append("frozen, f follows  ", palette.style("amber"))
    if scene.stock and not scene.lost:
        text.append("Kafka Connect, asked every 2 s", palette.grey)
    elif feed is not None and feed.polled and not scene.lost:
        text.append("no event stream, asked every 2 s", palette.style("amber"))
    elif group and (feed is None or feed.live):
        text.append("gen ", palette.grey)
        text.append(str(group.get("gen")))
        phase = str(group.get("phase"))
        if phase == "stable":
            leader = scene.model.leader
            text.append(" leader ", palette.grey)
            text.append(short_worker(scene.model, leader) if leader else "none")
        else:
            text.append(f" {phase}", palette.style("violet"))
    right = Text()
    right.append(f"{scene.who.get('user') or ''}  ", palette.grey)
    rights = {"view": "RO", "administer": "rw"}.get(scene.role, scene.role)
    right.append(rights, palette.grey if rights == "rw" else palette.style("amber"))
    right.append(time.strftime("  %H:%M:%S ", time.gmtime(now_s)), palette.grey)
    room = width - cell_len(text.plain) - cell_len(right.plain)
    if room < 0:
        text.truncate(max(0, width - cell_len(right.plain)), overflow="ellipsis")
    text.append(" " * max(0, room))
    text.append_text(right)
    return text


def lost(feed: Feed, now_s: float, width: int) -> str:
    """Say since when there is no link, when it is tried again, and how old the data is."""
    wait = f"retry in {age(max(0.0, feed.retry_at_s - now_s))}"
    if feed.heard_s is None:
        return f"no daemon, {wait}"
    seen = time.strftime("%H:%M:%S", time.gmtime(feed.heard_s))
    since = age(now_s - feed.heard_s)
    if width < 100:
        return f"lost {since}, {wait}, of {seen}"
    return f"lost {since}, {wait}, data from {seen}"


def tabs(
    scene: Scene,
    views: Sequence[View],
    names: Sequence[tuple[str, str]],
    current: View,
    width: int,
) -> tuple[Text, list[int]]:
    """Give the tab bar of all `names`, long and short, and where each tab ends.

    The last ones of the views may not be there yet.
    """
    palette = scene.theme
    ends = []
    text = Text(style=palette.text, no_wrap=True)
    narrow = width < 100
    for number, (long, short) in enumerate(names, 1):
        view = views[number - 1] if number <= len(views) else None
        here = view is current
        name = short if narrow else long
        ground = Style.parse(f"bold {palette.background} on {_plain(palette.accent)}")
        part = Text()
        part.append("" if narrow else " ", ground if here else "")
        part.append(f"{number} ", ground if here else palette.accent)
        part.append(name, ground if here else "")
        badge = None if view is None else view.badge()
        if badge is not None:
            style = ground if here else Style.parse(palette.style(badge[1]))
            part.append(f" {badge[0]}", style)
        part.append("" if narrow and not here else " ", ground if here else "")
        text.append_text(part)
        if narrow and not here:
            text.append(" ")
        ends.append(cell_len(text.plain))
    text.truncate(width)
    return text, ends


def key_bar(scene: Scene, hints: Hints, width: int) -> Text:
    """Give the keys of the view, as many as there is room for; `?` and `q` always.

    What cannot be done now is paler; its key says why.
    """
    palette = scene.theme
    text = Text(style=palette.grey, no_wrap=True)
    for key, word, shown in _fitting(scene, hints, width):
        needs = keys.NEEDS.get(word)
        refused = needs is not None and scene.refusal(needs) is not None
        text.append(f" {key} ", palette.line if refused else f"bold {_plain(palette.accent)}")
        text.append(f"{shown} " if shown else "", palette.line if refused else "")
    text.truncate(width)
    return text


def key_at(scene: Scene, hints: Hints, width: int, x: int) -> str | None:
    """Give the name of the key that stands at a place of the key bar, None for none or several."""
    end = 0
    for key, _, shown in _fitting(scene, hints, width):
        end += _room(key, shown)
        if x < end:
            return _NAMES.get(key) or (key if len(key) == 1 or "+" in key else None)
    return None


_SHORTER: Final = {"command": "cmd", "problems": "prob", "next problem": "next"}
"""Words of the key bar where there is little room."""
_NAMES: Final = {
    **{sign: name for name, sign in keys.SIGNS.items()},
    "Enter": "enter",
    "Esc": "escape",
    "Tab": "tab",
    "space": "space",
}


def _fitting(scene: Scene, hints: Hints, width: int) -> list[tuple[str, str, str]]:
    """Give the keys that there is room for as they are shown, their words, and those as far as they fit.

    Words are shortened first, then those of the common keys go, which are known; only then keys do.
    """
    common = [pair for pair in COMMON if pair not in hints]
    known = [(keys.shown(key, scene.keymap), word) for key, word in (*hints, *common)]
    words = [word for _, word in known]
    shorter = [(at, _SHORTER[word]) for at, word in enumerate(words) if word in _SHORTER]
    dropped = [(at, "") for at in range(len(hints), len(known))]
    # who does not know the keys finds them by this one
    dropped.sort(key=lambda pair: words[pair[0]] == "help")
    for at, word in (*shorter, *dropped):
        if sum(_room(key, shown) for (key, _), shown in zip(known, words, strict=True)) <= width:
            break
        words[at] = word
    found = [(key, word, shown) for (key, word), shown in zip(known, words, strict=True)]
    room = width - sum(_room(key, shown) for key, _, shown in found[len(hints) :])
    fitting = []
    for key, word, shown in found[: len(hints)]:
        size = _room(key, shown)
        if room >= size:
            fitting.append((key, word, shown))
            room -= size
    return fitting + found[len(hints) :]


def _room(key: str, shown: str) -> int:
    return len(key) + 2 + (len(shown) + 1 if shown else 0)


def _plain(style: str) -> str:
    return style.removeprefix("bold ")
