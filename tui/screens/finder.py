"""The palette: everything that one can go to or do, found by a few of its letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from tui import keys
from tui.palette import THEMES
from tui.scene import Scene
from tui.screens.dialogs import LINE_AND_LIST, Dialog
from tui.widgets.frame import retitle, subtitle
from tui.widgets.grid import Cell, Column, Grid

if TYPE_CHECKING:
    from tui.app import Console

SHOWN: Final = 200
_COLUMNS: Final = (Column("", 12), Column("", 40), Column("", 0))
_START: Final = 8
_NEXT: Final = 4


class Entry(NamedTuple):
    """One line: its kind, what is matched, what is said about it, and what Enter does."""

    kind: str
    word: str
    about: str
    do: Callable[[], object]


class Finder(Dialog):
    """Gives the entry that was chosen, None for none."""

    BINDINGS: ClassVar[list[BindingType]] = LINE_AND_LIST
    DEFAULT_CSS: ClassVar[str] = """
    Finder { align: center top; } Finder > .panel { margin-top: 2; }
    """

    def __init__(self, scene: Scene, entries: Sequence[Entry]) -> None:
        super().__init__(scene, "Find anything")
        self.entries: Mapping[str, Entry] = {str(at): entry for at, entry in enumerate(entries)}
        self._folded = {key: entry.word.lower() for key, entry in self.entries.items()}

    def compose(self) -> ComposeResult:
        """Give the line and what fits."""
        with Vertical(classes="panel"):
            yield Input(
                compact=True, placeholder="letters of a view, connector, action, theme ..."
            )
            yield Grid(
                _COLUMNS, self._cells, self.scene, id="found", framed=False, empty="nothing fits"
            )

    def on_mount(self) -> None:
        """Show everything."""
        panel = self.query_one(Vertical)
        self.dress(panel)
        subtitle(panel, "up down choose  Enter do it  Esc leave")
        grid = self.query_one(Grid)
        grid.styles.height = max(4, self.app.size.height - 10)
        self._show("")
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what fits, the best first."""
        event.stop()
        self._show(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give the entry under the cursor."""
        event.stop()
        self._choose(self.query_one(Grid).key)

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Give the entry that was clicked."""
        event.stop()
        self._choose(event.key)

    def action_move(self, by: int) -> None:
        """Move the cursor; the line keeps the letters."""
        self.query_one(Grid).action_move(by)

    def _choose(self, key: str | None) -> None:
        if key is not None:
            self.dismiss(key)

    def _show(self, text: str) -> None:
        wanted = text.lower().split()
        ranked = []
        for at, (key, word) in enumerate(self._folded.items()):
            ranks = [rank(letters, word) for letters in wanted]
            if None not in ranks:
                ranked.append((-sum(one or 0 for one in ranks), at, key))
        grid = self.query_one(Grid)
        grid.show([key for *_, key in sorted(ranked)[:SHOWN]])
        grid.action_end(-1)
        grid.refresh()
        retitle(self.query_one(Vertical), f"{self.heading}  {len(ranked)}")

    def _cells(self, key: str) -> Sequence[Cell]:
        entry = self.entries[key]
        return (Cell(entry.kind, "grey"), Cell(entry.word, "bold"), Cell(entry.about, "grey"))


def rank(letters: str, word: str) -> int | None:
    """Give how well `word` fits letters that must stand in it in order, None when they do not.

    A letter counts more behind the one before it, and most where a part of the word begins.
    """
    whole = word.find(letters)
    if whole >= 0:
        begins = whole == 0 or not word[whole - 1].isalnum()
        return len(letters) * _START + (_START if begins else 0) - len(word) // 16
    score, at = 0, -1
    for letter in letters:
        found = word.find(letter, at + 1)
        if found < 0:
            return None
        if found == 0 or not word[found - 1].isalnum():
            score += _START
        elif found == at + 1:
            score += _NEXT
        else:
            score -= min(found - at, 3)
        at = found
    return score


def entries(console: Console) -> list[Entry]:
    """Give all that can be found: views, connectors, actions, workers, queues, themes, contexts."""
    scene, model = console.scene, console.scene.model
    found = [
        Entry("view", view.NAME, f"{number}", partial(console.go, view))
        for number, view in enumerate(console.views, 1)
    ]
    found += [
        Entry(
            "connector",
            name,
            f"{model.health(name)}  {model.connectors[name].plugin.rpartition('.')[2]}",
            partial(console.open_connector, name),
        )
        for name in model.connectors_first()
    ]
    found += [
        Entry(
            "action",
            about,
            keys.shown(key, scene.keymap),
            partial(_run, console, action),
        )
        for key, action, about, _ in keys.GLOBAL
        if action is not None and action != "palette"
    ]
    lines = [
        ("worker", model.nicknames.get(one.id, one.id), f"worker {model.nicknames.get(one.id)}")
        for one in model.workers
    ]
    lines += [("queue", str(one["topic"]), f"dlq {one['topic']}") for one in scene.queues]
    lines += [("theme", one.name, f"theme {one.name}") for one in THEMES]
    if scene.contexts is not None:
        lines += [("context", name, f"ctx {name}") for name in scene.contexts.names]
    found += [
        Entry(kind, f"{kind} {word}", f":{line}", partial(console.obey, line))
        for kind, word, line in lines
    ]
    return found


def _run(console: Console, action: str) -> None:
    console.run_worker(console.run_action(action), group="command")
