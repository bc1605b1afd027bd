"""Plugins: what can be configured, and the reference of its options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult

from tui.client import PREFIX, ClientError, escaped
from tui.scene import Asker, Scene
from tui.screens.view import Hints, Listing, View
from tui.summary import short_plugin
from tui.text import middle, package
from tui.widgets.grid import Cell, Column, Grid

_COLUMNS: Final = (
    Column("TYPE", 16),
    Column("PLUGIN", 25, short=middle),
    Column("VERSION", 11),
    Column("PACKAGE", 0, short=package),
    Column("USED BY", 18, wide=True),
    Column("PATH", 12, wide=True, short=middle),
)
_NOTHING: Final = (
    "The daemon knows no plugin; plugin.path of its configuration names folders of them"
)


class Plugins(View):
    """One row per plugin."""

    NAME: ClassVar[str] = "Plugins"
    SHORT: ClassVar[str] = "Plug"
    HINTS: ClassVar[Hints] = (("Enter", "options"), ("A", "new connector"), ("s", "sort"))
    ABOUT: ClassVar[str] = (
        "Connectors, converters, transforms and predicates that this daemon knows, the version of each, "
        "the folder it was found in, and the connectors whose configurations name it. Enter shows the "
        "whole class name and all options with type, default and what they mean; A starts a connector "
        "of the chosen plugin."
    )

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.rows: dict[str, dict[str, Any]] = {}

    def compose(self) -> ComposeResult:
        """Give the table."""
        grid = Grid(
            _COLUMNS,
            self._cells,
            self.scene,
            id="plugins-grid",
            title="Plugins",
            empty=_NOTHING,
        )
        self.listing = Listing(grid, lambda key: dict(self.rows[key]))
        yield grid

    async def load(self, client: Asker) -> None:
        """Fetch the plugins."""
        path = "/connector-plugins?connectorsOnly=false"
        found = await client.get(path if self.scene.stock else f"{PREFIX}/plugins")
        self.rows = {f"{row['type']} {row['class']}": row for row in found}
        self.listing.expire()

    def paint(self, now_s: float, dirty: set[str]) -> None:
        """Show the rows."""
        del dirty
        if self.listing.due(now_s):
            grid = self.query_one(Grid)
            self.listing.show(list(self.rows), self.filter, now_s)
            grid.say_empty(self.nothing(_NOTHING, self.rows))
            self.head(grid, f"Plugins {len(grid.keys)}")
            grid.renew()

    def refilter(self) -> None:
        """Show the rows again at once."""
        self.listing.expire()
        self.paint(self.scene.clock(), set())

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Show the options."""
        event.stop()
        self.run_worker(self._reference(self.rows[event.key]["class"]))

    async def _reference(self, name: str) -> None:
        text = Text(style=self.scene.palette.text)
        try:
            options = await self.scene.client.get(f"/connector-plugins/{escaped(name)}/config")
        except ClientError as error:
            text.append(str(error), self.scene.palette.style("red"))
            options = []
        for option in options:
            text.append(f"{option['name']}\n", "bold")
            facts = f"{option['type'].lower()}, {option['importance'].lower()}"
            if option["required"]:
                facts += ", required"
            elif option["default_value"] is not None:
                facts += f", default {option['default_value']}"
            text.append(f"  {facts}\n", self.scene.palette.grey)
            text.append(f"  {option['documentation']}\n\n")
        self.app.call_later(self.console.show_text, name, text)

    def plugin(self) -> str | None:
        """Give the connector under the cursor."""
        row = self.raw()
        return row["class"] if row is not None and row["type"] in {"source", "sink"} else None

    def raw(self) -> Any:
        """Give the row under the cursor."""
        return self.rows.get(self.query_one(Grid).key or "")

    def _cells(self, key: str) -> Sequence[Cell]:
        row = self.rows[key]
        short = short_plugin(row["class"])
        users = row.get("used_by")
        if users is None:
            connectors = self.scene.model.connectors.items()
            users = [name for name, known in connectors if short_plugin(known.plugin) == short]
        role = {"source": self.scene.palette.accent, "sink": self.scene.palette.sink}
        return (
            Cell(row["type"], role.get(row["type"], "grey")),
            Cell(short, "bold"),
            Cell(str(row.get("version") or "-")),
            Cell(row["class"].rpartition(".")[0], "grey"),
            Cell(",".join(users), "grey"),
            Cell(str(row.get("path") or "-"), "grey"),
        )
