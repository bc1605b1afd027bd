"""Dialogs: a text to read, a question by tier, a choice, a line to fill in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui import keys
from tui.filters import Filter
from tui.keyboard import Keyboard
from tui.scene import Scene
from tui.widgets.frame import frame, quiet_scrollbars, retitle, subtitle
from tui.widgets.grid import Cell, Column, Grid

if TYPE_CHECKING:
    from tui.handlers import Handlers


class Dialog(ModalScreen[str | None]):
    """A framed panel over the view; Escape and q end it with None."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.named(keys.DIALOG_KEYS)]
    SCOPED_CSS: ClassVar[bool] = False
    DEFAULT_CSS: ClassVar[str] = """
    Dialog { align: center middle; background: transparent; }
    Dialog > .panel { width: 90%; max-width: 110; height: auto; max-height: 85%; padding: 0 1; }
    Dialog .full { height: 85%; }
    Dialog Input { height: 1; border: none; padding: 0; margin: 1 0; }
    Dialog VerticalScroll { height: auto; max-height: 100%; scrollbar-size: 1 1; }
    """

    def __init__(self, scene: Scene, title: str) -> None:
        super().__init__()
        self.scene = scene
        self.heading = title

    def dress(self, panel: Vertical | VerticalScroll) -> None:
        """Colour the panel."""
        frame(panel, self.scene)
        palette = self.scene.palette
        colour = palette.accent.removeprefix("bold ")
        panel.styles.border = ("ascii" if palette.ascii else "round", colour)
        panel.styles.background = palette.background
        retitle(panel, self.heading)
        for part in (panel, *self.query(VerticalScroll)):
            quiet_scrollbars(part, self.scene)
        for line in self.query(Input):
            line.styles.background = palette.chrome
            line.styles.color = palette.text

    @property
    def keyboard(self) -> Keyboard:
        """The keys that are typed."""
        return cast("Handlers", self.app).keyboard

    def end(self, answer: str | None) -> None:
        """End it once, with what was opened from it."""
        if self not in self.app.screen_stack:
            return
        while self.app.screen is not self:
            self.app.pop_screen()
        self.dismiss(answer)

    def action_leave(self) -> None:
        """End it without an answer."""
        self.dismiss(None)


class TextScreen(Dialog):
    """A text to scroll; c copies it."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.named(keys.TEXT_KEYS)]

    def __init__(self, scene: Scene, title: str, text: Text) -> None:
        super().__init__(scene, title)
        self.text = text

    def compose(self) -> ComposeResult:
        """Give the panel."""
        with VerticalScroll(classes="panel full"):
            yield Static(self.text)

    def on_mount(self) -> None:
        """Colour it."""
        panel = self.query_one(VerticalScroll)
        self.dress(panel)
        subtitle(panel, "j k scroll  c copy  Esc close")
        panel.focus()

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_copy(self) -> None:
        """Copy the text to the terminal's clipboard."""
        self.app.copy_to_clipboard(self.text.plain)


class Confirm(Dialog):
    """A question answered by y, or by a name typed in full; gives `yes` or None."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.named(keys.CONFIRM_KEYS)]
    ASKS: ClassVar[bool] = True
    """What was typed before it was there is no answer to it."""
    HINT: ClassVar[str] = "y yes   n no"

    def __init__(self, scene: Scene, title: str, text: Text, name: str | None = None) -> None:
        super().__init__(scene, title)
        self.text = text
        self.word = name

    def compose(self) -> ComposeResult:
        """Give what will happen and the place for the answer."""
        with Vertical(classes="panel"):
            with VerticalScroll():
                yield Static(self.text)
            if self.word is None:
                yield Static(Text(f"\n{self.HINT}", style=f"bold {self._accent}"))
            else:
                yield Static(Text(f"\nType {self.word} and Enter, or Esc", self._accent))
                yield Input(id="word", compact=True)

    def on_mount(self) -> None:
        """Colour it and stand in the line."""
        self.dress(self.query_one(Vertical))
        if self.word is not None:
            self.query_one(Input).focus()

    @property
    def _accent(self) -> str:
        return self.scene.palette.accent.removeprefix("bold ")

    def action_yes(self) -> None:
        """Answer yes, where a name is not asked for."""
        if self.word is None:
            self.dismiss("yes")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer yes when the name is right."""
        if event.value == self.word:
            self.dismiss("yes")
        else:
            subtitle(self.query_one(Vertical), f"that is not {self.word}")


class Abandon(Confirm):
    """Asks whether what was typed may go; y and a second Escape say so, anything else goes back to it."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.named(keys.ABANDON_KEYS)]
    HINT: ClassVar[str] = "y or Esc leaves them   n stays"


class Choice(Dialog):
    """A list to choose from, the cursor on `start`; gives the key of the row."""

    def __init__(
        self,
        scene: Scene,
        title: str,
        options: Sequence[tuple[str, str, str]],
        widest: int = 14,
        *,
        start: str | None = None,
    ) -> None:
        super().__init__(scene, title)
        self.options = {key: (word, about) for key, word, about in options}
        self._widest = widest
        self._start = start

    def compose(self) -> ComposeResult:
        """Give the list."""
        with Vertical(classes="panel"):
            yield self.make_grid()

    def make_grid(self) -> Grid:
        """Give the table of the options."""
        return Grid(
            (Column("", self._widest), Column("", 0)),
            lambda key: (Cell(self.options[key][0], "bold"), Cell(self.options[key][1])),
            self.scene,
            id="options",
            framed=False,
        )

    def on_mount(self) -> None:
        """Fill it."""
        grid = self.query_one(Grid)
        grid.styles.height = min(len(self.options) + 1, self.app.size.height - 6)
        grid.show(list(self.options))
        if self._start is not None:
            grid.go_to(self._start)
        self.dress(self.query_one(Vertical))
        self.stand(grid)

    def stand(self, grid: Grid) -> None:
        """Stand in the list."""
        subtitle(self.query_one(Vertical), "j k choose  Enter takes it  Esc")
        grid.focus()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Answer."""
        event.stop()
        self._answer(event.key)

    def _answer(self, key: str | None) -> None:
        self.dismiss(key)


LINE_AND_LIST: Final[list[BindingType]] = [*keys.named(keys.PICK_KEYS, priority=True)]
"""Keys of a list while the line above it takes the letters."""


class Pick(Choice):
    """A list that typing filters by words; gives the key of the row, or with `free` what was typed."""

    BINDINGS: ClassVar[list[BindingType]] = LINE_AND_LIST
    TYPED: ClassVar[str] = " typed"
    """The key of the row that stands for what was typed: no option has a blank before it."""

    def __init__(
        self,
        scene: Scene,
        title: str,
        options: Sequence[tuple[str, str, str]],
        widest: int = 14,
        *,
        start: str | None = None,
        free: bool = False,
    ) -> None:
        super().__init__(scene, title, options, widest, start=start)
        self._free = free

    def compose(self) -> ComposeResult:
        """Give the line and the list."""
        with Vertical(classes="panel"):
            yield Input(compact=True, placeholder="type to filter")
            yield self.make_grid()

    def stand(self, grid: Grid) -> None:
        """Stand in the line."""
        most = max(2, self.app.size.height - 9)
        grid.styles.height = min(len(self.options) + 1 + self._free, most)
        subtitle(self.query_one(Vertical), "type to filter  up down choose  Enter takes it  Esc")
        self.query_one(Input).focus()

    def action_move(self, by: int) -> None:
        """Move the cursor; the line keeps the letters."""
        self.query_one(Grid).action_move(by)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what has all the words."""
        event.stop()
        wanted = Filter(event.value)
        self.options.pop(self.TYPED, None)
        keys = [
            key
            for key, (word, about) in self.options.items()
            if wanted.matches({"key": key, "word": word, "about": about})
        ]
        typed = event.value.strip()
        keys.sort(key=lambda key: (key != typed, not key.startswith(typed)))
        if self._free and typed and typed not in self.options:
            self.options[self.TYPED] = (typed, "as it was typed")
            keys.append(self.TYPED)
        grid = self.query_one(Grid)
        grid.say_empty(f'nothing matches "{typed}"')
        grid.show(keys)
        if typed:
            grid.action_end(-1)
        grid.refresh()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give the row under the cursor."""
        event.stop()
        self._answer(self.query_one(Grid).key)

    def _answer(self, key: str | None) -> None:
        if key is not None:
            self.dismiss(self.options[key][0] if key == self.TYPED else key)


class Ask(Dialog):
    """One line to fill in; gives it."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.named(keys.ASK_KEYS)]

    def __init__(self, scene: Scene, title: str, text: str, value: str = "") -> None:
        super().__init__(scene, title)
        self._text = text
        self._value = value

    def compose(self) -> ComposeResult:
        """Give the question and the line."""
        with Vertical(classes="panel"):
            yield Static(Text(self._text))
            yield Input(self._value, compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        """Stand in the line."""
        panel = self.query_one(Vertical)
        self.dress(panel)
        subtitle(panel, "Enter takes it  Esc")
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer."""
        self.dismiss(event.value)
