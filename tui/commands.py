"""The `:` line: go somewhere, filter, choose a theme or a context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.suggester import Suggester

from tui.palette import THEMES
from tui.scene import Scene
from tui.screens.overview import short_worker

if TYPE_CHECKING:
    from tui.app import Console

_PLAIN = [
    "overview",
    "connectors",
    "tasks",
    "workers",
    "offsets",
    "dlq",
    "topics",
    "plugins",
    "logs",
    "connector",
    "worker",
    "theme",
    "ctx",
    "help",
    "quit",
]
MOST = 20
_SHORT = {"ov": "overview", "co": "connectors", "ta": "tasks", "wo": "workers", "of": "offsets"}


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
        if word == "ctx":
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
    if word in {"q", "quit"}:
        console.exit()
    elif word == "theme":
        console.action_theme(rest)
    elif word == "ctx":
        await console.run_action(f"context({rest!r})")
    elif word == "help":
        console.action_help()
    elif word in {"worker", "connector"} and rest:
        _filtered(console, "tasks" if word == "worker" else "connectors", f"{word}:{rest}")
    elif line.strip() in console.scene.model.connectors and word not in _PLAIN:
        console.open_connector(line.strip())
    elif word:
        _filtered(console, _SHORT.get(word[:2], word), rest)


def _filtered(console: Console, name: str, text: str) -> None:
    """Go to the view whose name begins with `name`, filtered by `text`."""
    view = console.go_to(name)
    if view is None:
        names = " ".join(view.NAME.lower() for view in console.views)
        console.say(f"no command {name!r}; there are: {names} theme ctx help q", "amber")
        return
    if text and not view.open_named(text):
        view.set_filter(text)
