"""Frames: a box around a pane, or in a narrow terminal one line above it."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tui.scene import Scene
from tui.text import cut

NARROW = 100
_LEAST_NOTE: Final = 12
_CORNERS: Final = 6
_ENDS: Final = 2
"""Cells of an edge that a title cannot have, of a box and of a line."""
_WORDS: Final = "_title_and_note"
_DRAWN: Final = "_title_drawn"


def is_narrow(widget: Widget) -> bool:
    """Tell whether the terminal has no room for boxes and side columns."""
    return widget.app.size.width < NARROW


def frame(widget: Widget, scene: Scene, *, lit: bool | None = None) -> None:
    """Draw the frame that the widget's focus and the terminal's width ask for.

    `lit` says whether it has the focus where the widget itself does not know yet.
    """
    palette = scene.palette
    lit = widget.has_focus if lit is None else lit
    widget.styles.background = palette.background
    widget.styles.color = palette.text
    colour = (palette.accent if lit else palette.line).removeprefix("bold ")
    if is_narrow(widget):
        widget.styles.border = ("none", colour)
        widget.styles.border_top = ("ascii" if palette.ascii else "solid", colour)
    else:
        widget.styles.border = ("ascii" if palette.ascii else "round", colour)
    widget.styles.border_title_color = (
        palette.accent.removeprefix("bold ") if lit else palette.grey
    )
    widget.styles.border_subtitle_color = palette.grey
    refit(widget)


def refit(widget: Widget) -> None:
    """Fit title and note into the width that the widget has now."""
    words = getattr(widget, _WORDS, None)
    if words is not None:
        retitle(widget, *words)


def retitle(widget: Widget, title: str, note: str = "") -> None:
    """Give the frame a title, taken as it is, and a note at the right end of the same edge.

    The same ones again cost no repaint.
    """
    setattr(widget, _WORDS, (title, note))
    text = Text(title)
    room = widget.outer_size.width - (_CORNERS if widget.styles.border_left[0] else _ENDS)
    if note and room > 0:
        edge, colour = widget.styles.border_top
        text = _headline(title, note, room, colour.hex6, ascii=edge == "ascii")
    if getattr(widget, _DRAWN, None) != text:
        setattr(widget, _DRAWN, text)
        widget.border_title = text


def _headline(title: str, note: str, room: int, colour: str, *, ascii: bool) -> Text:
    """Give title and note in `room` cells, the frame's line between them; what is too long is cut."""
    spare = room - cell_len(title) - 2
    note = _within(note, max(_LEAST_NOTE, room // 2, spare), ascii=ascii)
    text = Text(_within(title, max(_LEAST_NOTE, room - cell_len(note) - 2), ascii=ascii))
    line = room - cell_len(text.plain) - cell_len(note) - 2
    text.append(f" {('-' if ascii else '─') * max(0, line)} " if line > 0 else "  ", colour)
    return text.append(note)


def _within(words: str, room: int, *, ascii: bool) -> str:
    return words if cell_len(words) <= room else cut(words, room, ascii=ascii)


def subtitle(widget: Widget, text: str) -> None:
    """Give the frame a text at its lower edge, in the same way."""
    if _plain(getattr(widget, "_border_subtitle", None)) != text:
        widget.border_subtitle = Text(text)


def _plain(shown: Content | None) -> str:
    return "" if shown is None else shown.plain


class Box(Static):
    """Text in a frame that is repainted only when it differs; `tile`: a narrow terminal draws none."""

    def __init__(
        self, scene: Scene, title: str, *, id: str, focusable: bool = False, tile: bool = False
    ) -> None:
        super().__init__(id=id)
        self._tile = tile
        retitle(self, title)
        self.can_focus = focusable
        self._scene = scene
        self._now: Text | None = None

    @property
    def text(self) -> str:
        """Give what is shown."""
        return "" if self._now is None else self._now.plain

    def put(self, text: Text, title: str | None = None) -> None:
        """Show `text`."""
        if title is not None:
            retitle(self, title)
        if text != self._now:
            self._now = text
            self.update(text, layout=False)

    def restyle(self) -> None:
        """Draw everything anew at the next `put`: a text's own colour does not tell it from another one."""
        self._now = None
        self._frame()

    def on_mount(self) -> None:
        """Draw the frame."""
        self._frame()

    def on_focus(self) -> None:
        """Light the frame."""
        self._frame(lit=True)

    def on_blur(self) -> None:
        """Dim the frame."""
        self._frame(lit=False)

    def _frame(self, *, lit: bool | None = None) -> None:
        frame(self, self._scene, lit=lit)
        if self._tile and is_narrow(self):
            self.styles.border_top = None


def quiet_scrollbars(widget: Widget, scene: Scene) -> None:
    """Give scrollbars the colour of frames."""
    styles, palette = widget.styles, scene.palette
    styles.scrollbar_size_vertical = 1
    styles.scrollbar_color = styles.scrollbar_color_hover = palette.line
    styles.scrollbar_color_active = palette.line
    styles.scrollbar_background = styles.scrollbar_background_hover = palette.background
    styles.scrollbar_background_active = palette.background


class Pane(VerticalScroll, can_focus=True):
    """Text in a frame that can be longer than its room; Tab reaches it, j and k scroll."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_down", show=False, id="row_down"),
        Binding("k,up", "scroll_up", show=False, id="row_up"),
        Binding("g,home", "scroll_home", show=False, id="first_row"),
        Binding("G,end", "scroll_end", show=False, id="last_row"),
        Binding("ctrl+d", "page_down", show=False, id="half_page_down"),
        Binding("ctrl+u", "page_up", show=False, id="half_page_up"),
        Binding("pagedown", "page_down", show=False, id="page_down"),
        Binding("pageup", "page_up", show=False, id="page_up"),
    ]

    def __init__(self, scene: Scene, title: str, *, id: str) -> None:
        super().__init__(id=id)
        retitle(self, title)
        self._scene = scene
        self._now: Text | None = None

    def compose(self) -> ComposeResult:
        """Give the text's place."""
        yield Static()

    @property
    def text(self) -> str:
        """Give what is shown."""
        return "" if self._now is None else self._now.plain

    def put(self, text: Text, title: str | None = None) -> None:
        """Show `text`; another text begins at its top."""
        if title is not None:
            retitle(self, title)
        if text != self._now:
            if self._now is None or text.plain != self._now.plain:
                self.scroll_home(animate=False)
            self._now = text
            self.query_one(Static).update(text)

    def restyle(self) -> None:
        """Draw everything anew at the next `put`."""
        self._now = None
        frame(self, self._scene)
        quiet_scrollbars(self, self._scene)

    def on_resize(self) -> None:
        """Fit the title."""
        refit(self)

    def on_mount(self) -> None:
        """Draw the frame."""
        frame(self, self._scene)
        quiet_scrollbars(self, self._scene)

    def on_focus(self) -> None:
        """Light the frame."""
        frame(self, self._scene, lit=True)

    def on_blur(self) -> None:
        """Dim the frame."""
        frame(self, self._scene, lit=False)
