"""Connectors: one row each, broken ones first; Enter opens one with its tabs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Vertical

from tui.filters import Filter
from tui.scene import Asker, Scene
from tui.screens.connector import Detail
from tui.screens.overview import LOADING, direction, short_worker
from tui.screens.view import Hints, Listing, Selection, View
from tui.summary import changed, lag_of, last_error, short_topics, versioned
from tui.text import cause_first, count, middle
from tui.widgets.grid import Cell, Column, Grid

COLUMNS = (
    Column("STATE", 6),
    Column("CONNECTOR", 20),
    Column("IO", 2),
    Column("TASKS", 5, right=True),
    Column("REC/S", 6, right=True),
    Column("LAG", 6, right=True),
    Column("DLQ", 4, right=True),
    Column("PLUGIN", 18, wide=True, short=middle),
    Column("TOPICS", 12, wide=True),
    Column("CHANGED", 9, wide=True),
    Column("LAST ERROR", 0),
)
_NO_CONNECTORS: Final = "No connectors. A adds one"
_LIST: Hints = (
    ("Enter", "open"),
    ("p", "pause"),
    ("r", "restart"),
    ("x", "stop"),
    ("e", "edit"),
    ("A", "add"),
    ("D", "delete"),
    ("z", "problems"),
)
_DETAIL: Hints = (
    ("Esc", "back"),
    ("[ ]", "tab"),
    ("r", "restart"),
    ("e", "edit"),
    ("p", "pause"),
    ("x", "stop"),
    ("Tab", "pane"),
)


class Connectors(View):
    """The list, and in its place the connector that was opened."""

    NAME: ClassVar[str] = "Connectors"
    SHORT: ClassVar[str] = "Conn"
    POLL_S: ClassVar[float | None] = 2.0
    EVENTS: ClassVar[frozenset[str]] = frozenset({"config"})
    ABOUT: ClassVar[str] = (
        "Every connector with its tasks' sum. DEGR: the connector runs, some of its tasks do not, or "
        "wait for something and try again; "
        "FAIL: none of them runs. "
        "TASKS is how many run of how many there are. Source LAG is time behind, sink LAG is "
        "records. CHANGED is when its configuration did, and by whom where the daemon asks who one is. "
        "DLQ is what came into its dead letter queue in the last hour. In an opened "
        "connector: [ and ] change the tab, Tab goes to the text below and j k scroll it, e edits "
        "the configuration, u in History applies an older revision."
    )
    STYLE: ClassVar[str] = """
    #connectors-list { height: 1fr; }
    Detail { height: 1fr; display: none; }
    #detail-head { height: 2; } #detail-tabs { height: 1; }
    Detail ContentSwitcher { height: 1fr; }
    #detail-text { height: 45%; }
    Detail.short #detail-text { height: 65%; }
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.detail = Detail(scene)
        self._listed = self.filter, self.only_problems
        self.wanted: str | None = None
        """The connector that the cursor is to stand on as soon as the list has it."""

    @property
    def HINTS(self) -> Hints:  # type: ignore[override]  # noqa: N802 - depends on what is open
        """Give the keys of what is open."""
        return (*self.detail.page.HINTS, *_DETAIL) if self.detail.name_shown else _LIST

    def compose(self) -> ComposeResult:
        """Give list and detail."""
        grid = Grid(
            COLUMNS,
            self._cells,
            self.scene,
            id="connectors-grid",
            title="Connectors",
            empty=LOADING,
        )
        self.listing = Listing(grid, self._fields)
        with Vertical(id="connectors-list"):
            yield grid
        yield self.detail

    @property
    def grid(self) -> Grid | None:
        """Give the list's table, or that of the open tab."""
        if self.detail.name_shown:
            return self.detail.grid
        return self.query_one("#connectors-grid", Grid)

    def selection(self) -> list[Selection]:
        """Give the open connector or one of its tasks, else what the list has chosen."""
        if self.detail.name_shown:
            return [Selection(self.detail.name_shown, self.detail.chosen_task)]
        return [Selection(name) for name in self.query_one("#connectors-grid", Grid).chosen]

    def open(self, name: str, tab: str = "Tasks", key: str | None = None) -> None:
        """Open a connector at a tab, and there at a row."""
        if not self.detail.name_shown:
            # what the list shows is its own: the tabs begin with all their rows
            self._listed = self.filter, self.only_problems
            self.filter, self.only_problems = Filter(), False
        self.query_one("#connectors-list").display = False
        self.detail.open(name, tab, key)
        self.loaded_s = float("-inf")
        self.refilter()

    def point_at(self, name: str) -> None:
        """Show the list, the cursor on a connector that may not be known yet."""
        self.leave()
        self.only_problems, self.wanted = False, name
        self.set_filter("")

    def leave(self) -> bool:
        """Close the open connector."""
        if not self.detail.name_shown:
            return False
        self.detail.close()
        self.filter, self.only_problems = self._listed
        self.query_one("#connectors-list").display = True
        self.query_one("#connectors-grid", Grid).focus()
        self.refilter()
        return True

    def step(self, by: int) -> None:
        """Go to another tab."""
        if self.detail.name_shown:
            self.detail.step(by)
            self.loaded_s = float("-inf")
            self.refilter()

    async def load(self, client: Asker) -> None:
        """Fetch what the open tab shows."""
        if self.detail.name_shown:
            await self.detail.load(client)

    def paint(self, now_s: float, dirty: set[str]) -> None:
        """Show the list or the open connector."""
        if self.detail.name_shown:
            if self.detail.name_shown not in self.scene.model.connectors:
                self.leave()
                return
            if self.tells(now_s, changed=bool(dirty)):
                self.detail.paint(self)
            return
        model, grid = self.scene.model, self.query_one("#connectors-grid", Grid)
        if self.listing.due(now_s) or model.reshaped:
            keys = model.connectors_first()
            if self.only_problems:
                keys = [key for key in keys if self.troubled(key)]
            self.listing.show(keys, self.filter, now_s)
            total = len(model.connectors)
            shown = str(total) if len(grid.keys) == total else f"{len(grid.keys)} of {total}"
            shown = shown if model.loaded else "-"
            only = "  problems only" if self.only_problems else ""
            self.head(grid, f"Connectors {shown}{only}", "problems first")
            grid.say_empty(self.nothing(_NO_CONNECTORS, total) if model.loaded else LOADING)
            if self.wanted in grid.keys:
                grid.go_to(str(self.wanted))
                self.wanted = None
        grid.repaint({key.rpartition(":")[0] for key in dirty})

    def refilter(self) -> None:
        """Show the rows again at once."""
        self.tell_again()
        self.listing.expire()
        self.paint(self.scene.clock(), set())

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Open the connector; in a tab, the row."""
        event.stop()
        if event.grid.id == "connectors-grid":
            self.open(event.key)
        else:
            self.detail.enter(event.key)

    def on_grid_moved(self, event: Grid.Moved) -> None:
        """Show the text of the row."""
        if event.grid.id != "connectors-grid":
            self.detail.put_text()

    def on_command(self, command: str) -> bool:
        """Let the open tab take its own keys."""
        return bool(self.detail.name_shown) and self.detail.on_command(command)

    def raw(self) -> Any:
        """Give the row of the open tab, else the connector under the cursor."""
        if self.detail.name_shown:
            return self.detail.raw()
        chosen = self.selection()
        known = self.scene.model.connectors.get(chosen[0].connector) if chosen else None
        return None if known is None else known._asdict()

    def copied(self) -> str:
        """Give the open tab's text, else the row."""
        return self.detail.text if self.detail.name_shown else super().copied()

    def find(self, way: int) -> None:
        """Go to the next row that has a problem or is filtered; in an open connector to the next cause."""
        if self.detail.name_shown and not self.filter.text:
            self.detail.next_cause(way)
        else:
            super().find(way)

    def troubled(self, key: str) -> bool:
        """Tell whether a connector or one of its tasks does not do its work."""
        return self.scene.model.health(key) != "RUNNING"

    def _fields(self, key: str) -> dict[str, object]:
        model = self.scene.model
        known = model.connectors[key]
        return {
            "connector": key,
            "state": f"{known.state} {model.health(key)}",
            "type": known.kind,
            "worker": f"{short_worker(model, known.worker)} {known.worker}",
            "plugin": known.plugin,
            "topic": ",".join(known.topics),
            "error": last_error(model, key),
            "lag": lag_of(model, key)[0],
        }

    def _cells(self, key: str) -> Sequence[Cell]:
        model, palette = self.scene.model, self.scene.palette
        known = model.connectors[key]
        health = model.health(key)
        glyph, word, role = palette.state(health)
        tasks = model.tasks_of(key)
        running = sum(task.state == "RUNNING" for task in tasks)
        _, text = lag_of(model, key)
        new = sum(
            int(queue.get("new_1h") or 0)
            for queue in self.scene.queues
            if known.queue is not None and queue["topic"] == known.queue
        )
        return (
            Cell(f"{glyph} {word}", role),
            Cell(key, "" if health == "RUNNING" else "bold"),
            direction(known.kind, palette),
            Cell(f"{running}/{len(tasks) or known.tasks}"),
            Cell(count(sum(task.rate or 0 for task in tasks))),
            Cell(text),
            Cell(
                f"+{_few(new)}" if new else "0" if known.queue and self.scene.counted else "-",
                "amber" if new else "grey",
            ),
            Cell(versioned(known), "grey"),
            Cell(short_topics(known.topics), "grey"),
            Cell(changed(known, self.scene.clock()), "grey"),
            Cell(cause_first(last_error(model, key) or ""), "red"),
        )


def _few(number: int) -> str:
    """Give a number in at most three cells, cut down: 941, 2k."""
    for size, unit in ((10**6, "M"), (1000, "k")):
        if number >= size:
            return f"{number // size}{unit}"
    return str(number)
