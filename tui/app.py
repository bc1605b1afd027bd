"""The console's frame: title, view, keys; one feed below, one flush timer above."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from tui.feed import Feed
from tui.model import Model
from tui.palette import Palette
from tui.screens import overview
from tui.text import age
from tui.widgets.grid import Grid

FLUSH_S = 0.25
RESORT_S = 2.0
KEYS = (
    ("j k", "move"),
    ("g G", "ends"),
    ("z", "problems only"),
    ("^r", "resync"),
    ("?", "help"),
    ("q", "quit"),
)
HELP = """j k  arrows      move the cursor          g G          first, last row
ctrl+d ctrl+u    half a page              PgUp PgDn    a page
z                only what does not run   ctrl+r       connect again now
? F1             this help                q            quit

States: {legend}
IO: {source} a source writes into Kafka, {sink} a sink reads out of it.
LAG: records for a sink, time for a source. WKR: workers by the order of their addresses.
Problems stand first. A task's whole error stands beside the list while the cursor is on it."""


class Console(App[None]):
    """Shows the model; `clock` gives wall-clock seconds, `feed` may be None for a still picture."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", show=False),
        Binding("z", "problems", show=False),
        Binding("question_mark,f1", "help", show=False),
        Binding("ctrl+r", "resync", show=False),
    ]
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title, #keys { height: 1; }
    #tiles { height: 6; } #tiles Static { height: 6; }
    #health { width: 38; } #flow { width: 1fr; } #lag { width: 32; }
    #body { height: 1fr; } #left { width: 1fr; } #side { width: 40; }
    #workers { height: 8; } #news { height: 1fr; } #selected { height: 10; }
    #help { height: 1fr; display: none; }
    Grid { height: 1fr; scrollbar-size: 0 0; }
    .narrow #tiles { height: 3; } .narrow #tiles Static { height: 3; }
    .narrow #health { width: 26; } .narrow #lag { width: 24; } .narrow #side { display: none; }
    """

    def __init__(
        self,
        model: Model,
        palette: Palette,
        feed: Feed | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self._model = model
        self._palette = palette
        self._feed = feed
        self._clock = clock
        self._sorted_s = float("-inf")
        self._shown: dict[str, Text] = {}
        self._only_problems = False
        self._flow_s = 0

    def compose(self) -> ComposeResult:
        """Give the widgets, top to bottom."""
        yield Static(id="title")
        with Horizontal(id="tiles"):
            yield Static(id="health")
            yield Static(id="flow")
            yield Static(id="lag")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield Grid(
                    overview.COLUMNS,
                    lambda key: overview.task_cells(self._model, self._palette, key),
                    self._palette,
                    id="tasks",
                )
            with Vertical(id="side"):
                yield Static(id="workers")
                yield Static(id="news")
                yield Static(id="selected")
        yield Static(id="help")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Colour the frame, start the feed, paint."""
        palette = self._palette
        self.screen.styles.background = palette.background
        self.query_one("#title").styles.background = palette.chrome
        self.query_one("#keys").styles.background = palette.chrome
        frames = {"tasks": "Tasks", "workers": "Workers", "news": "Rebalances and events"}
        frames |= {"selected": "Selected", "help": "Help"}
        frames |= {"health": "Health", "flow": "Throughput rec/s", "lag": "Lag"}
        for name, title in frames.items():
            widget = self.query_one(f"#{name}")
            self._frame(widget, title)
        self.query_one(Grid).focus()
        if self._feed is not None:
            self.run_worker(self._feed.run(), exclusive=True)
        self._narrow()
        self._sorted_s = float("-inf")
        self.flush()
        self.set_interval(FLUSH_S, self.flush)

    def on_resize(self) -> None:
        """Give up what a narrow terminal has no room for."""
        self._narrow()
        self._shown.clear()
        self.flush()

    def on_grid_moved(self) -> None:
        """Show the row under the cursor in the side column."""
        self._put_selected()

    def action_problems(self) -> None:
        """Show only what does not run, or everything again."""
        self._only_problems = not self._only_problems
        self._sorted_s = float("-inf")
        self.flush()

    def action_resync(self) -> None:
        """Try the daemon at once."""
        if self._feed is not None:
            self._feed.retry_now()

    def action_help(self) -> None:
        """Show the keys and what the signs mean, or hide them again."""
        shown = self.query_one("#help")
        shown.display = not shown.display
        self.query_one("#body").display = not shown.display

    def flush(self) -> None:
        """Paint what changed since the last time: the only place that does while nobody types."""
        model, grid = self._model, self.query_one(Grid)
        now_s = self._clock()
        dirty, model.dirty = model.dirty, set()
        if model.reshaped or now_s - self._sorted_s >= RESORT_S:
            model.reshaped = False
            self._sorted_s = now_s
            keys = model.problems_first()
            if self._only_problems:
                keys = [key for key in keys if model.tasks[key].state != "RUNNING"]
            grid.show(keys)
            grid.border_title = f"Tasks {len(keys)}" + (
                ", problems only" if self._only_problems else ""
            )
        grid.repaint(dirty)
        if int(now_s) != self._flow_s:
            self._flow_s = int(now_s)
            if model.loaded:
                model.flow.append(model.rates())
            self._put_tiles(now_s)

    def _put_tiles(self, now_s: float) -> None:
        model, palette = self._model, self._palette
        wide = not self.screen.has_class("narrow")
        self._put("title", self._title(now_s))
        self._put("keys", self._key_bar())
        self._put("health", overview.health(model, palette, wide=wide))
        room = self.query_one("#flow").content_size.width or 20
        self._put("flow", overview.throughput(model, palette, room))
        self._put("lag", overview.behind(model, palette))
        self._put("help", self._help())
        if wide:
            self._put("workers", overview.workers(model, palette))
            self._put("news", overview.news(model, palette, now_s, 38))
            self._put_selected()

    def _put_selected(self) -> None:
        key = self.query_one(Grid).key
        text = overview.selected(self._model, self._palette, key, self._clock())
        self._put("selected", text)
        self.query_one("#selected").border_title = f"Selected {key or ''}"

    def _put(self, name: str, text: Text) -> None:
        if self._shown.get(name) != text:
            self._shown[name] = text
            self.query_one(f"#{name}", Static).update(text, layout=False)

    def _title(self, now_s: float) -> Text:
        palette, feed, group = self._palette, self._feed, self._model.group
        text = Text(style=palette.text, no_wrap=True, overflow="ellipsis")
        text.append(" ingest ", "bold")
        text.append("> " if palette.ascii else "▸ ", palette.grey)
        text.append("still picture" if feed is None else feed.client.url, "bold")
        lost = feed is not None and not feed.live
        self.query_one("#title").styles.background = palette.alarm if lost else palette.chrome
        if feed is None:
            text.append("  ")
        elif feed.live:
            text.append(f"  {palette.state('RUNNING')[0]} live  ", palette.style("green"))
        else:
            text.append(f"  {palette.state('FAILED')[0]} {self._lost(feed, now_s)}  ", "bold")
        if group:
            text.append(f"gen {group.get('gen')} {group.get('phase')}", palette.grey)
        clock = time.strftime("%H:%M:%S", time.gmtime(now_s))
        text.append(f"  {clock} UTC", palette.grey)
        return text

    def _lost(self, feed: Feed, now_s: float) -> str:
        if feed.error is None:
            return "connecting"
        wait = f"retry in {age(feed.retry_at_s - now_s)}"
        if feed.heard_s is None:
            return f"no daemon, {wait}. {feed.error}"
        seen = time.strftime("%H:%M:%S", time.gmtime(feed.heard_s))
        return f"lost {age(now_s - feed.heard_s)}, {wait}, data from {seen}"

    def _help(self) -> Text:
        palette = self._palette
        names = ("RUNNING", "FAILED", "UNASSIGNED", "RESTARTING", "PAUSED", "STOPPED")
        legend = "  ".join(f"{palette.state(name)[0]} {name.lower()}" for name in names)
        source, sink = (">", "<") if palette.ascii else ("▲", "▼")
        return Text(HELP.format(legend=legend, source=source, sink=sink), style=palette.text)

    def _key_bar(self) -> Text:
        text = Text(style=self._palette.grey, no_wrap=True)
        for key, word in KEYS:
            text.append(f" {key} ", f"bold {self._palette.accent}".replace("bold bold", "bold"))
            text.append(f"{word} ")
        return text

    def _frame(self, widget: Widget, title: str) -> None:
        narrow = self.size.width < 100
        palette = self._palette
        widget.styles.background = palette.background
        widget.styles.color = palette.text
        if narrow and widget.id != "tasks":
            widget.styles.border = ("none", "transparent")
            return
        colour = palette.accent.removeprefix("bold ") if widget.id == "tasks" else palette.grey
        widget.styles.border = ("ascii" if palette.ascii else "round", colour)
        widget.border_title = title

    def _narrow(self) -> None:
        self.screen.set_class(self.size.width < 100, "narrow")
        for name in ("health", "flow", "lag"):
            widget = self.query_one(f"#{name}")
            self._frame(widget, str(widget.border_title or name.title()))
