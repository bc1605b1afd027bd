"""The `:` line: go somewhere, filter, choose a theme or a context."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.app import Console

_SHORT = {"ov": "overview", "co": "connectors", "ta": "tasks", "wo": "workers", "of": "offsets"}


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
    elif word:
        _filtered(console, _SHORT.get(word[:2], word), rest)


def _filtered(console: Console, name: str, text: str) -> None:
    """Go to the view whose name begins with `name`, filtered by `text`."""
    view = console.go_to(name)
    if view is None:
        names = " ".join(view.NAME.lower() for view in console.views)
        console.say(f"no command {name!r}; there are: {names} theme ctx help q", "amber")
        return
    if text:
        view.set_filter(text)
