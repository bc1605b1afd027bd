"""The `:` line: go somewhere, filter, choose a theme or a context."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

from textual.suggester import Suggester

from tui.palette import THEMES
from tui.scene import Scene
from tui.screens.overview import short_worker

if TYPE_CHECKING:
    from tui.app import Console

_VIEWS: Final = (
    "overview",
    "connectors",
    "tasks",
    "workers",
    "offsets",
    "dlq",
    "topics",
    "plugins",
    "logs",
)
_VERBS: Final = ("pause", "resume", "stop", "restart", "edit", "delete")
"""What is done to the connectors named behind."""
_TABS: Final = {"history": "History", "config": "Config", "errors": "States"}
_OTHERS: Final = (
    "connector",
    "worker",
    "record",
    "new",
    "theme",
    "ctx",
    "contexts",
    "help",
    "quit",
)
_PLAIN: Final = (*_VIEWS, *_VERBS, *_TABS, *_OTHERS)
_PLACE: Final = re.compile(r"(\S+) (\d+)[@ :](\d+)")
MOST = 20


class Completion(Suggester):
    """Completes a command and the name behind it; Tab or the right arrow takes it."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._scene = scene

    async def get_suggestion(self, value: str) -> str | None:
        """Give the first line that begins with what was typed."""
        word, blank, rest = value.partition(" ")
        if not value:
            return None
        if not blank:
            known = (*_PLAIN, *sorted(self._scene.model.connectors))
            return next((name for name in known if name.startswith(word)), None)
        names = (name for name in self._names(word) if name.startswith(rest))
        found = next(names, None) if rest else None
        return None if found is None else f"{word} {found}"

    def candidates(self, value: str) -> list[str]:
        """Give what the word being typed can be: commands, then connectors; behind a command its names."""
        word, blank, rest = value.partition(" ")
        if blank:
            return [name for name in self._names(word) if rest in name][:MOST]
        if not word:
            return []
        names = sorted(self._scene.model.connectors, key=lambda name: not name.startswith(word))
        found = [name for name in _PLAIN if name.startswith(word)]
        return [*found, *(name for name in names if word in name)][:MOST]

    def _names(self, word: str) -> list[str]:
        scene = self._scene
        model = scene.model
        if word == "theme":
            return [palette.name for palette in THEMES]
        if word in {"new", "record", "help", "quit"}:
            return []
        if word in {"ctx", "contexts"}:
            return [] if scene.contexts is None else scene.contexts.names
        if word == "worker":
            return [short_worker(model, worker.id) for worker in model.workers]
        if word == "dlq":
            return [str(queue["topic"]) for queue in scene.queues]
        return sorted(model.connectors)


async def run_command(console: Console, line: str) -> None:
    """Do what `line` says, or say that it is not known."""
    word, _, rest = line.strip().partition(" ")
    word, rest = word.lower(), rest.strip()
    model = console.scene.model
    if word in {"q", "quit"}:
        console.exit()
    elif word == "theme":
        console.action_theme(rest)
    elif word in {"ctx", "contexts"}:
        await console.run_action(f"context({rest!r})")
    elif word == "help":
        console.action_help()
    elif word == "new":
        console.act(console.editing.add(rest))
    elif word == "record":
        _open_record(console, rest)
    elif word in _VERBS or word in _TABS:
        _to_connectors(console, word, rest.split())
    elif word in {"worker", "connector"} and rest:
        _filtered(console, "tasks" if word == "worker" else "connectors", f"{word}:{rest}")
    elif line.strip() in model.connectors and word not in _PLAIN:
        console.open_connector(line.strip())
    elif word:
        _filtered(console, word, rest)


def _to_connectors(console: Console, word: str, names: list[str]) -> None:
    """Do a verb to the connectors of these names, or open a tab of the first one."""
    unknown = [name for name in names if name not in console.scene.model.connectors]
    if unknown or not names:
        what = f"no connector {unknown[0]!r}" if unknown else "which connector?"
        console.say(f"{what}; :{word} NAME", "amber")
        return
    if word in _TABS:
        console.open_connector(names[0], _TABS[word])
        return
    actions = console.actions
    doing: Mapping[str, Callable[[list[str]], Coroutine[Any, Any, None]]] = {
        "pause": actions.pause,
        "resume": actions.resume,
        "stop": actions.stop,
        "restart": actions.restart,
        "delete": actions.delete,
        "edit": lambda names: console.editing.edit(names[0]),
    }
    console.act(doing[word](names))


def _open_record(console: Console, rest: str) -> None:
    """Open a topic at a record: `orders 3@88117`."""
    found = _PLACE.fullmatch(rest)
    if found is None:
        console.say("which record? :record TOPIC PARTITION@OFFSET", "amber")
    else:
        console.open_topic(found[1], place=(int(found[2]), int(found[3])))


def _filtered(console: Console, word: str, text: str) -> None:
    """Go to the first view whose name begins with `word`, filtered by `text`."""
    name = next((name for name in _VIEWS if name.startswith(word)), None)
    view = None if name is None else console.go_to(name)
    if view is None:
        console.say(f"no command {word!r}; there are: {' '.join(_PLAIN)}", "amber")
        return
    if text and not view.open_named(text):
        view.set_filter(text)
