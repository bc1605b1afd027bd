"""One connector: its tabs, each a table with a text about the chosen row below it."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import ContentSwitcher, Static

from tui.model import TREND, Connector
from tui.scene import Asker, Scene
from tui.screens.overview import direction, short_worker
from tui.screens.pages import (
    ConfigPage,
    HistoryPage,
    LogPage,
    OffsetsPage,
    Page,
    StatesPage,
    TasksPage,
    TopicsPage,
)
from tui.screens.view import View
from tui.summary import changed, lag_of, versioned
from tui.text import count, recent
from tui.widgets.frame import Pane, is_narrow
from tui.widgets.grid import Grid

PAGES: tuple[type[Page], ...] = (
    TasksPage,
    ConfigPage,
    OffsetsPage,
    TopicsPage,
    StatesPage,
    HistoryPage,
    LogPage,
)


class Detail(Vertical):
    """The open connector; `name_shown` is empty while none is."""

    CAUSE: ClassVar[str] = "Caused by"

    def __init__(self, scene: Scene) -> None:
        super().__init__(id="detail")
        self.scene = scene
        self.name_shown = ""
        self.pages = [kind(scene) for kind in PAGES]
        self.page = self.pages[0]

    def compose(self) -> ComposeResult:
        """Give head, tabs, tables and the text."""
        yield Static(id="detail-head")
        yield Static(id="detail-tabs")
        with ContentSwitcher(initial=self.pages[0].grid_id):
            for page in self.pages:
                yield page.make_grid()
        yield Pane(self.scene, "", id="detail-text")

    @property
    def grid(self) -> Grid:
        """Give the open tab's table."""
        return self.page.grid

    @property
    def chosen_task(self) -> int | None:
        """Give the number of the chosen task, None outside the tab of tasks."""
        key = self.grid.key
        return int(key) if isinstance(self.page, TasksPage) and key is not None else None

    @property
    def text(self) -> str:
        """Give the text below the table."""
        return self.query_one(Pane).text

    def open(self, name: str, tab: str, key: str | None) -> None:
        """Show a connector."""
        self.display = True
        self.name_shown = name
        for page in self.pages:
            page.open(name)
        self._show(next(page for page in self.pages if tab == page.TITLE))
        if key is not None:
            self.page.wanted = key

    def close(self) -> None:
        """Show none."""
        self.display = False
        self.name_shown = ""

    def step(self, by: int) -> None:
        """Go to the next or previous tab."""
        at = self.pages.index(self.page) + by
        self._show(self.pages[at % len(self.pages)])

    def _show(self, page: Page) -> None:
        self.page = page
        self.query_one(ContentSwitcher).current = page.grid_id
        self.set_class(page.SHORT_TABLE, "short")
        page.grid.focus()
        self.page.grid.refresh()

    async def load(self, client: Asker) -> None:
        """Fetch what the tab shows. Raises ClientError."""
        await self.page.load(client)

    def paint(self, view: View) -> None:
        """Show head, tabs and the tab's rows that pass the view's filter."""
        palette = self.scene.palette
        self.query_one("#detail-head", Static).update(self._head(), layout=False)
        tabs = Text(" ", no_wrap=True)
        for page in self.pages:
            on = page is self.page
            style = f"bold {palette.background} on {palette.accent.removeprefix('bold ')}"
            tabs.append(f" {page.TITLE} ", style if on else palette.text)
            tabs.append("" if is_narrow(self) else " ")
        self.query_one("#detail-tabs", Static).update(tabs, layout=False)
        page = self.page
        page.paint(view.filter)
        page.grid.say_empty(view.nothing(page.EMPTY, page.rows))
        view.head(page.grid, page.TITLE)
        self.put_text()

    def put_text(self) -> None:
        """Show what belongs to the row under the cursor."""
        if self.name_shown:
            title, text = self.page.about(self.grid.key)
            self.query_one(Pane).put(text, title)

    def raw(self) -> Any:
        """Give what the row under the cursor stands for, None for nothing."""
        key = self.grid.key
        return None if key is None else self.page.raw(key)

    def enter(self, key: str) -> None:
        """Open a row: its text over the whole screen, or what the tab does with it."""
        if self.page.enter(key):
            return
        title, text = self.page.about(key)
        console: Any = self.app
        console.call_later(console.show_text, title, text)

    def on_command(self, command: str) -> bool:
        """Let the tab take its own keys."""
        return self.page.on_command(command)

    def next_cause(self, way: int) -> None:
        """Scroll the trace to the next or previous `Caused by`."""
        pane = self.query_one(Pane)
        lines = pane.text.splitlines()
        width = max(1, pane.content_size.width - 1)
        heights = [max(1, -(-len(line) // width)) for line in lines]
        tops = [sum(heights[:at]) for at, line in enumerate(lines) if line.startswith(self.CAUSE)]
        here = int(pane.scroll_y)
        after = [top for top in tops if (top > here if way > 0 else top < here)]
        if after:
            pane.scroll_to(y=after[0] if way > 0 else after[-1], animate=False)

    def _head(self) -> Text:
        model, palette = self.scene.model, self.scene.palette
        known = model.connectors.get(self.name_shown)
        text = Text(" ", style=palette.text, no_wrap=True, overflow="ellipsis")
        if known is None:
            return text
        health = model.health(known.name)
        glyph, _, role = palette.state(health)
        tasks = model.tasks_of(known.name)
        running = sum(task.state == "RUNNING" for task in tasks)
        text.append(f"{known.name}  ", "bold")
        text.append(
            f"{glyph} {model.way_of(known.name)} {running}/{len(tasks)}", palette.style(role)
        )
        where = f"connector on {short_worker(model, known.worker)}"
        text.append(f"  {versioned(known)}  {where}", palette.grey)
        if known.error:
            text.append(f"  {known.error}", palette.style("red"))
        if known.topics:
            text.append(f"  topics {','.join(known.topics)}", palette.grey)
        # each is one line: what is too long would push the other one out
        width = self.size.width or self.app.size.width
        flow = self._flow(known)
        for line in (text, flow):
            line.truncate(width, overflow="ellipsis")
        return text.append("\n").append_text(flow)

    def _flow(self, known: Connector) -> Text:
        """Give the second line: rate with its last minutes, lag, and when the configuration changed."""
        text = Text(style=self.scene.palette.text)
        model, palette = self.scene.model, self.scene.palette
        rate = sum(task.rate or 0 for task in model.tasks_of(known.name))
        sign = direction(known.kind, palette)
        text.append(f" {sign.text} ", sign.role)
        text.append(f"{count(rate)} rec/s ", "bold")
        line = recent(model.trend_of(known.name), TREND, ascii=palette.ascii)
        text.append(f"{line} ", sign.role)
        if line:
            text.append("last 2 min  ", palette.grey)
        text.append("lag ", palette.grey)
        text.append(lag_of(model, known.name)[1])
        if known.changed is not None:
            since = changed(known, self.scene.clock())
            text.append(f"  rev {known.revision}, changed {since}", palette.grey)
        return text
