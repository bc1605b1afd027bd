"""A table that draws the visible rows only and repaints one line per changed row.

Textual's own table repaints all of itself at each change, which 200 live rows cannot afford.
The cursor follows its key: rows that move do not take it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui import keys
from tui.palette import Palette
from tui.scene import Scene
from tui.text import cut, fit
from tui.widgets.frame import NARROW, frame, refit, retitle

_PINNED = 2
_REMEMBERED = 1000
_ASKS = "asking the daemon ..."
_LEAST = 16
"""The least cells of a column that takes what is left, where there is no room for all columns."""


class Column(NamedTuple):
    """A column; width 0 takes what is left, `wide` is for terminals of 100 cells and more.

    `short` gives a text that is too long in so many cells.
    """

    title: str
    width: int
    right: bool = False
    wide: bool = False
    short: Callable[..., str] = cut


class Cell(NamedTuple):
    """Text and the role or style it is shown in."""

    text: str
    role: str = ""


class Grid(ScrollView, can_focus=True):
    """Rows by key; `cells` gives a row's cells, one per column."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.named(keys.GRID_KEYS)]

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, grid: Grid) -> None:
            super().__init__()
            self.grid = grid

    class Opened(Message):
        """The row under the cursor is to be opened."""

        def __init__(self, grid: Grid, key: str) -> None:
            super().__init__()
            self.grid = grid
            self.key = key

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[str], Sequence[Cell]],
        scene: Scene,
        *,
        id: str | None = None,
        title: str = "",
        empty: str = "",
        framed: bool = True,
        fixed: str = "",
    ) -> None:
        super().__init__(id=id)
        self._columns = columns
        self._cells = cells
        self._scene = scene
        retitle(self, title)
        self.empty = empty
        self._framed = framed
        self.fixed = fixed
        """Why its rows have no order to choose, empty where they have."""
        self.typed_s = float("-inf")
        """When it got its last key, by the scene's clock."""
        self.marked: set[str] = set()
        self.sort_column: int | None = None
        self.sort_reverse = False
        self._keys: list[str] = []
        self._places: dict[str, int] = {}
        self._cursor = 0
        self._wide: bool | None = None
        self.asks = False
        """Whether what it shows has been asked for, and no answer has come yet."""
        self._passed = 0
        self._drawn: dict[str, tuple[Cell, ...]] = {}

    @property
    def _palette(self) -> Palette:
        return self._scene.palette

    @property
    def keys(self) -> list[str]:
        """Give the keys of all rows in their order."""
        return self._keys

    @property
    def chosen(self) -> list[str]:
        """Give the marked rows, else the one under the cursor."""
        marked = [key for key in self._keys if key in self.marked]
        return marked or ([self.key] if self.key is not None else [])

    def say_empty(self, text: str) -> None:
        """Take what is said where there are no rows."""
        if text != self.empty:
            self.empty = text
            self.refresh()

    def cell(self, key: str, column: int) -> Cell:
        """Give one cell."""
        return self._row(key)[column]

    def texts(self, key: str) -> dict[str, str]:
        """Give a row's cells by the titles of their columns."""
        cells = self._row(key)
        return {
            column.title.lower(): cell.text
            for column, cell in zip(self._columns, cells, strict=True)
        }

    def restyle(self) -> None:
        """Draw everything anew."""
        self.refresh()

    def take_columns(self, columns: Sequence[Column]) -> None:
        """Take the same columns with other widths."""
        if columns != self._columns:
            self._columns = columns
            self.refresh()

    def toggle_wide(self) -> None:
        """Show the columns for wide terminals where they are not, or hide them."""
        self._wide = not self._is_wide()
        self._passed = 0
        self.refresh()

    def action_columns(self, by: int) -> None:
        """Go along the columns; the first two stay."""
        most = sum(self._is_wide() or not column.wide for column in self._columns) - _PINNED - 1
        self._passed = max(0, min(self._passed + by, most))
        self.refresh()

    def sort_next(self) -> None:
        """Sort by the next column that has a name; after the last one in the view's own order again."""
        at = -1 if self.sort_column is None else self.sort_column
        later = range(at + 1, len(self._columns))
        self.sort_column = next((one for one in later if self._columns[one].title), None)

    @property
    def order(self) -> str:
        """Give the name of the column that rows are sorted by, empty for the view's own order."""
        return "" if self.sort_column is None else self._columns[self.sort_column].title.lower()

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
        self.marked &= self._places.keys()
        self.virtual_size = Size(self.size.width, len(keys) + 1)
        self.refresh()
        if self.key != kept:
            self.post_message(self.Moved(self))

    def go_to(self, key: str) -> None:
        """Put the cursor on a row, if it is there."""
        if key in self._places:
            self._go(self._places[key])

    def repaint(self, keys: Iterable[str]) -> None:
        """Repaint the rows of `keys` that are visible and look different."""
        rows = [(self._places[key], key) for key in keys if key in self._places]
        if not rows:
            # asking a widget for its size has Textual look for it on the screen: not for nothing
            return
        top = int(self.scroll_y)
        height = self.size.height - 1
        for at, key in rows:
            if top <= at < top + height and self._differs(key):
                self._repaint_row(at)

    def renew(self) -> None:
        """Repaint the visible rows that look different."""
        top = int(self.scroll_y)
        self.repaint(self._keys[top : top + max(0, self.size.height - 1)])

    def _differs(self, key: str) -> bool:
        return self._drawn.get(key) != self._row(key)

    def _row(self, key: str) -> tuple[Cell, ...]:
        """Give a row's cells, empty ones for a row that the view has given up since it was shown."""
        try:
            return tuple(self._cells(key))
        except (KeyError, StopIteration):
            return (Cell(""),) * len(self._columns)

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self._go(self._cursor + by)

    def action_page(self, pages: float) -> None:
        """Move the cursor by pages or parts of one."""
        self._go(self._cursor + int(pages * max(1, self.size.height - 1)))

    def action_end(self, way: int) -> None:
        """Move the cursor to the first (-1) or last (1) row."""
        self._go(0 if way < 0 else len(self._keys) - 1)

    def action_open(self) -> None:
        """Open the row under the cursor."""
        if self.key is not None:
            self.post_message(self.Opened(self, self.key))

    def action_mark(self) -> None:
        """Mark the row, or take the mark away, and go on."""
        if self.key is not None:
            self.marked ^= {self.key}
            self._repaint_row(self._cursor)
            self._go(self._cursor + 1)
            self.post_message(self.Moved(self))

    def action_mark_all(self) -> None:
        """Mark every row shown."""
        self.marked = set(self._keys)
        self.refresh()
        self.post_message(self.Moved(self))

    def action_clear_marks(self) -> None:
        """Take all marks away."""
        self.marked = set()
        self.refresh()
        self.post_message(self.Moved(self))

    def on_key(self) -> None:
        """Note that keys arrive."""
        self.typed_s = self._scene.clock()

    def on_click(self, event: Click) -> None:
        """Put the cursor on the row; the second click of two opens it."""
        at = int(self.scroll_y) + event.y - self.gutter.top - 1
        if 0 <= at < len(self._keys):
            self._go(at)
            if event.chain == 2:
                self.action_open()

    def on_resize(self) -> None:
        """Fit the title."""
        refit(self)

    def on_focus(self) -> None:
        """Light the frame and the cursor; that of another table is shown no longer."""
        self._frame(lit=True)
        for grid in self.screen.query(Grid):
            if grid is not self:
                grid.refresh()

    def on_blur(self) -> None:
        """Dim them."""
        self._frame(lit=False)

    def on_mount(self) -> None:
        """Draw the frame."""
        self._frame(lit=self.has_focus)

    def _frame(self, *, lit: bool) -> None:
        if self._framed:
            frame(self, self._scene, lit=lit)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Give one line of the screen; the first one holds the titles."""
        width = self.size.width
        if y == 0:
            style = f"bold {self._palette.grey}"
            titles = [
                Cell(column.title, f"{style} underline" if at == self.sort_column else style)
                for at, column in enumerate(self._columns)
            ]
            return self._strip(titles, width, " ", on_cursor=False)
        at = int(self.scroll_y) + y - 1
        if at >= len(self._keys):
            empty = _ASKS if self.asks else self.empty
            if not self._keys and y == 1 and empty:
                ground = self._ground(on_cursor=False)
                note = Segment(f"  {empty}", ground + Style.parse(self._palette.grey))
                return Strip([note]).adjust_cell_length(width, ground)
            return Strip.blank(width, Style(bgcolor=self._palette.background))
        key = self._keys[at]
        mark = "*" if key in self.marked else " "
        if len(self._drawn) > _REMEMBERED:
            self._drawn.clear()
        cells = self._drawn[key] = self._row(key)
        return self._strip(cells, width, mark, on_cursor=at == self._cursor)

    def _ground(self, *, on_cursor: bool) -> Style:
        palette = self._palette
        lit = palette.cursor if self.has_focus else palette.chrome
        return Style(
            color=palette.text,
            bgcolor=lit if on_cursor else palette.background,
            bold=(on_cursor and self._has_cursor) or None,
        )

    @property
    def _has_cursor(self) -> bool:
        """Whether keys move its cursor: they do while no other table has them."""
        focused = self.screen.focused
        return focused is self or not isinstance(focused, Grid)

    def _strip(self, cells: Sequence[Cell], width: int, mark: str, *, on_cursor: bool) -> Strip:
        palette = self._palette
        ground = self._ground(on_cursor=on_cursor)
        bar = (">" if palette.ascii else "▌") if on_cursor and self._has_cursor else " "
        segments = [Segment(bar, ground + Style.parse(palette.accent))]
        room = self._is_wide()
        shown = [
            (column, cell)
            for column, cell in zip(self._columns, cells, strict=True)
            if room or not column.wide
        ]
        shown = shown[:_PINNED] + shown[_PINNED + self._passed :]
        fixed = sum(column.width + 1 for column, _ in shown if column.width)
        if self.marked:
            segments.append(Segment(mark, ground + Style.parse(palette.accent)))
            fixed += 1
        for column, cell in shown:
            size = column.width or max(_LEAST if self._wide else 0, width - 2 - fixed)
            short = column.short(cell.text, size, ascii=palette.ascii)
            text = fit(short, size, right=column.right, ascii=palette.ascii)
            style = ground
            if cell.role:
                style += Style.parse(palette.style(cell.role, on_cursor=on_cursor))
            segments.append(Segment(text, style))
            segments.append(Segment(" ", ground))
        return Strip(segments).adjust_cell_length(width, ground)

    def _is_wide(self) -> bool:
        return self.app.size.width >= NARROW if self._wide is None else self._wide

    def _go(self, to: int) -> None:
        to = max(0, min(to, len(self._keys) - 1))
        if not self._keys:
            return
        before, self._cursor = self._cursor, to
        height = max(1, self.size.height - 1)
        top = int(self.scroll_y)
        if to < top:
            self.scroll_to(y=to, animate=False, immediate=True)
        elif to >= top + height:
            self.scroll_to(y=to - height + 1, animate=False, immediate=True)
        if to == before:
            return
        self._repaint_row(before)
        self._repaint_row(to)
        self.post_message(self.Moved(self))

    def _repaint_row(self, at: int) -> None:
        self.refresh(Region(0, at - int(self.scroll_y) + 1, self.size.width, 1))
