"""The console's frame: title, tabs, one view, keys; one feed below, one flush timer above.

The first paint has the overview alone; the other views are imported and mounted after it, one at a time
so that no key waits for them all.
"""

from __future__ import annotations

import asyncio
import gc
from bisect import bisect_right
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, Final

from rich.color import ColorSystem
from rich.console import RenderableType
from rich.text import Text
from textual._compositor import ChopsUpdate
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import Click, DescendantFocus, Event, Key, Resize
from textual.filter import Monochrome, NoColor
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input, Static
from textual.worker import Worker

from tui import chrome, keys
from tui.cells import Changes, Shown
from tui.client import PREFIX, ClientError
from tui.commands import run_command
from tui.help import no_daemon
from tui.keyboard import Keyboard
from tui.model import STEP_S
from tui.prompt import Line, Prompt
from tui.scene import Scene
from tui.screens.overview import Overview
from tui.screens.view import Hints, View
from tui.widgets.bar import Bar

SAID_S = 6.0
ASIDE_S = 15.0
UNSEEN_S = 1.0
"""The least time between two paints while the terminal says that another window has the keys."""
# after the overview: module of tui.screens, class, name, and its short form
LATER: Final = (
    ("connectors", "Connectors", "Connectors", "Conn"),
    ("tasks", "Tasks", "Tasks", "Task"),
    ("workers", "Workers", "Workers", "Work"),
    ("offsets", "Offsets", "Offsets", "Offs"),
    ("dlq", "Dlq", "DLQ", "DLQ"),
    ("topics", "Topics", "Topics", "Topi"),
    ("plugins", "Plugins", "Plugins", "Plug"),
    ("logs", "Logs", "Logs", "Logs"),
)
_FRAME = """
#title, #tabs, #keys { height: 1; }
#line-bar { height: 1; display: none; } #prompt { width: 3; }
#line { width: 1fr; height: 1; border: none; padding: 0; }
#offers { width: 60%; height: 1; display: none; }
#views { height: 1fr; } #nobody { height: 1fr; display: none; padding: 1 2; }
Grid { height: 1fr; scrollbar-size: 0 0; }
Screen.small > * { display: none; } Screen.small > #nobody { display: block; }
"""


class Ground(Screen[None]):
    """What the frame stands on and covers: there is no text of its own to look for at each paint."""

    BLANK: ClassVar[bool] = True


class Pages(ContentSwitcher):
    """The views, of which one is shown and covers it."""

    BLANK: ClassVar[bool] = True


class Console(Prompt):
    """Shows a scene; `flush_s` is the time between two paints."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings()]
    ENABLE_COMMAND_PALETTE = False
    CSS = _FRAME + Overview.STYLE

    def __init__(self, scene: Scene, flush_s: float = 0.25) -> None:
        super().__init__()
        self.keyboard = Keyboard(self, super().on_event)
        # no colour at all, where Textual itself would send greys
        self._filters = [
            NoColor() if isinstance(one, Monochrome) else one for one in self._filters
        ]
        self._colour_system = self.console._color_system
        self.animation_level = "none"
        self.set_keymap(scene.keymap)
        self.scene = scene
        self.views: list[View] = [Overview(scene)]
        self.view: View = self.views[0]
        self._names = [
            (self.view.NAME, self.view.SHORT),
            *((name, short) for *_, name, short in LATER),
        ]
        self._asked_for = 1
        self.complete = asyncio.Event()
        """Set when every view is there."""
        self.frozen = False
        self._before = self.view
        self._flush_s = flush_s
        self._said: tuple[str, str, float] | None = None
        self._shown: dict[str, Text] = {}
        self._added_s = self._step = 0
        self._flushed_s = float("-inf")
        self._ends: list[int] = []
        self._looked_s = float("-inf")
        self._dimmed = False
        self._loading: dict[str, Worker[None]] = {}
        self._cells = Shown()
        self._chrome_due = True
        self._framed: tuple[bool, bool, int, Hints] | None = None

    def compose(self) -> ComposeResult:
        """Give the widgets, top to bottom."""
        yield Bar(id="title")
        yield Bar(id="tabs")
        with Pages(id="views", initial=self.view.id):
            yield from self.views
        yield Static(id="nobody")
        with Horizontal(id="line-bar"):
            yield Static(id="prompt")
            yield Line(id="line", compact=True, select_on_focus=False)
            yield Static(id="offers")
        yield Bar(id="keys")

    def get_default_screen(self) -> Screen[None]:
        """Give the screen that the frame is on."""
        return Ground(id="_default")

    def on_mount(self) -> None:
        """Colour the frame, start the feed, paint."""
        self.restyle()
        if self.scene.feed is not None:
            self.run_worker(self.scene.feed.run(), group="feed", exclusive=True)
        self.action_view(1)
        self.set_interval(self._flush_s, self.flush)
        # after the refresh that draws the frame's bars, which the first flush writes
        self.call_after_refresh(self.call_after_refresh, self._mount_later)

    def _mount_later(self) -> None:
        # what has been made so far stays: no collection need ever look at it
        gc.freeze()
        gc.enable()
        self.run_worker(self._mount_views(), group="views")

    async def _mount_views(self) -> None:
        """Make the views that the first paint went without, then go where a key asked to meanwhile."""
        switcher = self.query_one("#views", ContentSwitcher)
        for module, name, _, _ in LATER:
            kind: type[View] = getattr(import_module(f"tui.screens.{module}"), name)
            self.stylesheet.add_source(kind.STYLE, read_from=("", name))
            view = kind(self.scene)
            view.display = False
            await switcher.mount(view)
            view.restyle()
            self.views.append(view)
            # its tab may say something
            self._chrome_due = True
        self.complete.set()
        if self._asked_for > 1 and self.view is not self.views[self._asked_for - 1]:
            self.action_view(self._asked_for)

    def on_answered(self) -> None:
        """Go on with the next key."""
        self.keyboard.answered()

    def on_resize(self, event: Resize) -> None:
        """Give up what a narrow terminal has no room for."""
        if event.size == self.size:
            self._fit()
        else:
            # the size is taken after this
            self.call_later(self._fit)

    def _fit(self) -> None:
        for screen in self.screen_stack:
            screen.set_class(self.size.width < 100, "narrow")
            screen.set_class(self.size.width < 60 or self.size.height < 16, "small")
        for view in self.views:
            view.restyle()
        self._shown.clear()
        self._chrome_due = True
        self.call_after_refresh(self.flush)

    def restyle(self) -> None:
        """Colour everything by the palette."""
        palette = self.scene.theme
        if self._colour_system is not None:
            # the nearest of the terminal's sixteen is written for each colour
            wanted = ColorSystem.STANDARD if palette.sixteen else self._colour_system
            self.console._color_system = wanted
        self.screen_stack[0].styles.background = palette.background
        for name in ("line", "prompt", "offers"):
            self.query_one(f"#{name}").styles.background = palette.chrome
        self.query_one("#line").styles.color = palette.text
        self._shown.clear()
        self._chrome_due = True
        for view in self.views:
            view.restyle()

    # Painting.

    def flush(self) -> None:
        """Paint what changed since the last time, and fetch what is due."""
        scene, now_s = self.scene, self.scene.clock()
        model = scene.model
        if not self.is_running or not self.view.children:
            # the console is ending: its widgets have gone before its timers
            return
        loop_s = asyncio.get_running_loop().time()
        if not self.app_focus and loop_s - self._flushed_s < UNSEEN_S:
            return
        self._flushed_s = loop_s
        for key in model.settle(now_s):
            self.say(f"{key}: asked for 10 s ago and not yet so; l shows its log", "amber")
            if scene.feed is not None:
                scene.feed.reload()
        waiting = model.unanswered(now_s)
        if waiting is not None and self._said_nothing(now_s):
            self.say(f"{waiting}: the daemon has not answered yet; still waiting for it", "amber")
        if model.loaded and int(now_s // STEP_S) != self._step:
            self._step = int(now_s // STEP_S)
            model.note_step()
        elif model.dirty and int(now_s) != self._added_s:
            self._added_s = int(now_s)
            model.add_up()
        dirty, model.dirty = model.dirty, set()
        framed = (scene.lost, scene.stock, int(now_s), self.view.HINTS)
        if dirty or model.reshaped or framed != self._framed:
            self._framed, self._chrome_due = framed, True
        if scene.stale != self._dimmed:
            self._dimmed = scene.stale
            self.restyle()
        if not self.frozen:
            self.view.paint(now_s, dirty)
            model.reshaped = False
        if self._chrome_due:
            self._paint_chrome(now_s)
        if not scene.lost:
            self._fetch(now_s)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Write what Textual would, without the cells that stand there already."""
        if isinstance(renderable, ChopsUpdate):
            renderable = Changes(renderable, self._cells)
        elif renderable is not None:
            self._cells.forget()
        super()._display(screen, renderable)

    def watch_app_focus(self, focus: bool) -> None:
        """Paint at once when the terminal has the keys again."""
        if focus:
            self._flushed_s = float("-inf")
            self.call_after_refresh(self.flush)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Keep the cursor of a line from blinking: nothing does here."""
        if isinstance(event.widget, Input):
            event.widget.cursor_blink = False

    def on_grid_moved(self) -> None:
        """Show the keys of the row that the cursor is on."""
        self._chrome_due = True

    def _paint_chrome(self, now_s: float) -> None:
        self._chrome_due = False
        scene, palette, width = self.scene, self.scene.theme, self.size.width
        views = self.query_one("#views")
        title = chrome.title(scene, now_s, width, frozen=self.frozen)
        self._put("title", title, alarm=scene.lost)
        tabs, self._ends = chrome.tabs(scene, self.views, self._names, self.view, width)
        self._put("tabs", tabs)
        if self._said is not None and not self._said_nothing(now_s):
            self._put("keys", Text(f" {self._said[0]}", palette.style(self._said[1])))
        else:
            self._put("keys", chrome.key_bar(scene, self._hints(), width))
        nobody = scene.feed is not None and scene.feed.heard_s is None
        small = self.screen_stack[0].has_class("small")
        empty = nobody or small
        if views.display == empty:
            # what is not shown has lost the keys, and loses them once more if that is told late
            views.display = not empty
            self._focus_anything()
            self.call_after_refresh(self._focus_anything)
        self.query_one("#nobody").display = empty
        if small:
            need = f"ingest-tui needs 60x16, here are {width}x{self.size.height}"
            self._put("nobody", Text(need, palette.text))
        elif nobody:
            self._put("nobody", no_daemon(scene, now_s))

    def _hints(self) -> Hints:
        """Give the view's keys; p resumes what is paused or stopped."""
        hints, model = self.view.HINTS, self.scene.model
        chosen = self.view.selection() if ("p", "pause") in hints else []
        known = model.connectors.get(chosen[0].connector) if chosen else None
        if known is None or known.state not in {"PAUSED", "STOPPED"}:
            return hints
        return tuple(("p", "resume") if pair == ("p", "pause") else pair for pair in hints)

    def _put(self, name: str, text: Text, *, alarm: bool = False) -> None:
        if self._shown.get(name) == text:
            return
        self._shown[name] = text
        if name == "nobody":
            self.query_one(f"#{name}", Static).update(text)
        else:
            palette = self.scene.theme
            self.query_one(f"#{name}", Bar).put(text, palette.alarm if alarm else palette.chrome)

    def _fetch(self, now_s: float) -> None:
        """Let the view load what is due; one request of it at a time."""
        view = self.view
        if self.scene.model.loaded and now_s - self._looked_s >= ASIDE_S:
            self._looked_s = now_s
            self.run_worker(self._look_aside(), group="aside", exclusive=True)
        running = self._loading.get(view.NAME)
        loaded = self.scene.model.loaded
        if loaded and view.stale(now_s) and (running is None or running.is_finished):
            self._loading[view.NAME] = self.run_worker(
                partial(view.reload, now_s), group=view.NAME
            )

    async def _look_aside(self) -> None:
        """Fetch what title and badges tell: who the user is, dead letters."""
        try:
            self.scene.who = await self.scene.client.get(f"{PREFIX}/whoami")
            self.scene.queues = await self.scene.client.get(f"{PREFIX}/dlq")
            self.scene.counted = True
            self.scene.model.note_queues(self.scene.queues, self.scene.clock())
            self.view.tell_again()
            self._chrome_due = True
        except ClientError:
            # said where it matters: by the feed when the link is lost, in the DLQ view otherwise
            return

    def say(self, text: str, role: str) -> None:
        """Show a sentence where the keys stand, for a while."""
        self._said = (text, role, self.scene.clock() + SAID_S)
        if self.is_running:
            self._paint_chrome(self.scene.clock())

    async def on_event(self, event: Event) -> None:
        """Let keys come in turn; the next one takes what was said away, but for what went wrong."""
        if not isinstance(event, Key) or event.is_forwarded:
            await super().on_event(event)
            return
        if self._said is not None and self._said[1] != "red":
            self._unsay()
        await self.keyboard.take(event)

    def _unsay(self) -> None:
        self._said, self._chrome_due = None, True

    def _said_nothing(self, now_s: float) -> bool:
        return self._said is None or now_s >= self._said[2]

    def show_text(self, title: str, text: Text) -> None:
        """Open a text to read."""
        from tui.screens.dialogs import TextScreen

        self.push_screen(TextScreen(self.scene, title, text))

    def action_palette(self) -> None:
        """Find anything by some of its letters, and do it."""
        self.act(self._find_anything())

    async def _find_anything(self) -> None:
        # lazily: the first paint needs no palette
        from tui.screens.finder import Finder, entries

        finder = Finder(self.scene, entries(self))
        key = await self.push_screen_wait(finder)
        if key is not None:
            # after the dialog has gone: what is done may ask something itself
            self.call_later(finder.entries[key].do)

    def obey(self, line: str) -> None:
        """Do what a command line says."""
        self.run_worker(self.take_command(line), group="command")

    async def take_command(self, line: str) -> None:
        """Do what a command line says."""
        await run_command(self, line)

    def on_click(self, event: Click) -> None:
        """Go to the view whose tab was clicked, or do what the key does that was."""
        where = event.widget.id if event.widget is not None else None
        if where == "tabs":
            self.action_view(bisect_right(self._ends, event.x) + 1)
        elif where == "keys" and self._said_nothing(self.scene.clock()):
            key = chrome.key_at(self.scene, self._hints(), self.size.width, event.x)
            if key is not None:
                self.simulate_key(key)
