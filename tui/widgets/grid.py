"""A table that draws the visible rows only and repaints one line per changed row.

Textual's own table repaints all of itself at each change, which 200 live rows cannot afford.
The cursor follows its key: rows that move do not take it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.palette import Palette
from tui.text import cut


class Column(NamedTuple):
    """A column; width 0 takes what is left."""

    title: str
    width: int
    right: bool = False


class Cell(NamedTuple):
    """Text and the role or style it is shown in."""

    text: str
    role: str = ""


class Grid(ScrollView, can_focus=True):
    """Rows by key; `cells` gives a row's cells, one per column."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", show=False),
        Binding("k,up", "move(-1)", show=False),
        Binding("ctrl+d", "page(0.5)", show=False),
        Binding("ctrl+u", "page(-0.5)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("g,home", "end(-1)", show=False),
        Binding("G,end", "end(1)", show=False),
    ]

    class Moved(Message):
        """The cursor stands on another row."""

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[str], Sequence[Cell]],
        palette: Palette,
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._columns = columns
        self._cells = cells
        self._palette = palette
        self._keys: list[str] = []
        self._places: dict[str, int] = {}
        self._cursor = 0
        self._wanted = ""

    @property
    def key(self) -> str | None:
        """Give the key under the cursor."""
        return self._keys[self._cursor] if self._keys else None

    def show(self, keys: list[str]) -> None:
        """Show these rows in this order; nothing happens when they already are."""
        if keys == self._keys:
            return
        kept = self.key
        self._keys = keys
        self._places = {key: at for at, key in enumerate(keys)}
        last = max(0, len(keys) - 1)
        self._cursor = self._places.get(kept or "", min(self._cursor, last))
        self.virtual_size = Size(self.size.width, len(keys) + 1)
        self.refresh()

    def repaint(self, keys: Iterable[str]) -> None:
        """Repaint the rows of `keys` that are visible."""
        top = int(self.scroll_y)
        height = self.size.height - 1
        for key in keys:
            at = self._places.get(key)
            if at is not None and top <= at < top + height:
                self._repaint_row(at)

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self._go(self._cursor + by)

    def action_page(self, pages: float) -> None:
        """Move the cursor by pages or parts of one."""
        self._go(self._cursor + int(pages * max(1, self.size.height - 1)))

    def action_end(self, way: int) -> None:
        """Move the cursor to the first (-1) or last (1) row."""
        self._go(0 if way < 0 else len(self._keys) - 1)

    def render_line(self, y: int) -> Strip:
        """Give one line of the screen; the first one holds the titles."""
        width = self.size.width
        if y == 0:
            style = f"bold {self._palette.grey}"
            titles = [Cell(column.title, style) for column in self._columns]
            return self._strip(titles, width, on_cursor=False)
        at = int(self.scroll_y) + y - 1
        if at >= len(self._keys):
            return Strip.blank(width, Style(bgcolor=self._palette.background))
        return self._strip(self._cells(self._keys[at]), width, on_cursor=at == self._cursor)

    def _strip(self, cells: Sequence[Cell], width: int, *, on_cursor: bool) -> Strip:
        palette = self._palette
        ground = Style(
            color=palette.text,
            bgcolor=palette.cursor if on_cursor else palette.background,
            bold=on_cursor or None,
        )
        bar = (">" if palette.ascii else "▌") if on_cursor else " "
        segments = [Segment(bar, ground + Style.parse(palette.accent))]
        fixed = sum(column.width + 1 for column in self._columns if column.width)
        for column, cell in zip(self._columns, cells, strict=True):
            size = column.width or max(0, width - 2 - fixed)
            text = cut(cell.text, size, ascii=palette.ascii)
            text = text.rjust(size) if column.right else text.ljust(size)
            style = ground
            if cell.role:
                style += Style.parse(palette.style(cell.role, on_cursor=on_cursor))
            segments.append(Segment(text, style))
            segments.append(Segment(" ", ground))
        return Strip(segments).adjust_cell_length(width, ground)

    def _go(self, to: int) -> None:
        to = max(0, min(to, len(self._keys) - 1))
        if not self._keys or to == self._cursor:
            return
        before, self._cursor = self._cursor, to
        height = max(1, self.size.height - 1)
        top = int(self.scroll_y)
        if to < top:
            self.scroll_to(y=to, animate=False, immediate=True)
        elif to >= top + height:
            self.scroll_to(y=to - height + 1, animate=False, immediate=True)
        self._repaint_row(before)
        self._repaint_row(to)
        self.post_message(self.Moved())

    def _repaint_row(self, at: int) -> None:
        self.refresh(Region(0, at - int(self.scroll_y) + 1, self.size.width, 1))
