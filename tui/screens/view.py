"""View: one of the numbered pages; what the app asks of each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from textual.containers import Vertical
from textual.css.query import NoMatches

from tui.client import AnswerError, ClientError
from tui.filters import Filter
from tui.scene import Asker, Scene
from tui.stock import NEEDED
from tui.text import magnitude
from tui.widgets.frame import Box, Pane, frame, is_narrow, retitle
from tui.widgets.grid import Grid

if TYPE_CHECKING:
    from tui.app import Console

RESORT_S = 2.0
NOT_FOUND = 404

Hints = tuple[tuple[str, str], ...]


class Selection(NamedTuple):
    """What an action acts on: a connector, and one of its tasks or None."""

    connector: str
    task: int | None = None


class View(Vertical):
    """A page. `paint` runs on each flush while it is visible, `load` every `POLL_S` and on `EVENTS`."""

    NAME: ClassVar[str]
    SHORT: ClassVar[str]
    HINTS: ClassVar[Hints] = ()
    ABOUT: ClassVar[str] = ""
    STYLE: ClassVar[str] = ""
    POLL_S: ClassVar[float | None] = None
    EVENTS: ClassVar[frozenset[str]] = frozenset()
    only_problems = False
    ages_alone = False
    """Whether nothing but the time has passed since texts were written last."""

    def __init__(self, scene: Scene, id: str | None = None) -> None:
        super().__init__(id=id or self.NAME.lower())
        self.scene = scene
        self.filter = Filter()
        self.limited: str | None = None
        """The connector or worker that another view's key has limited this one to."""
        self.problem: str | None = None
        self.loaded_s = float("-inf")
        self._asked = False
        self._seen_events = -1
        self._told_s = -1

    @property
    def console(self) -> Console:
        """The app that shows it."""
        return cast("Console", self.app)

    @property
    def narrow(self) -> bool:
        """Tell whether the terminal is narrow."""
        return is_narrow(self)

    @property
    def grid(self) -> Grid | None:
        """Give the table that has the focus, else the first one."""
        focused = self.app.focused
        if isinstance(focused, Grid) and self in focused.ancestors:
            return focused
        try:
            return self.query(Grid).first()
        except NoMatches:
            return None

    def selection(self) -> list[Selection]:
        """Give what the marked rows, else the row under the cursor, stand for."""
        return []

    def plugin(self) -> str | None:
        """Give the class that a new connector is to have, None when that is to be chosen."""
        return None

    def badge(self) -> tuple[str, str] | None:
        """Give what the tab says beside the name: text and role."""
        return None

    def paint(self, now_s: float, dirty: set[str]) -> None:
        """Show the model as it is; `dirty` are the keys of tasks that changed."""

    async def load(self, client: Asker) -> None:
        """Fetch what the event stream does not tell. Raises ClientError."""

    def tells(self, now_s: float, *, changed: bool) -> bool:
        """Tell whether to write texts anew: when the model has changed, else once a second for their ages."""
        self.ages_alone = not changed and not self.scene.model.reshaped and self._told_s >= 0
        if self.ages_alone and int(now_s) == self._told_s:
            return False
        self._told_s = int(now_s)
        return True

    def tell_again(self) -> None:
        """Write texts anew at the next flush, whatever the time."""
        self._told_s = -1

    def stale(self, now_s: float) -> bool:
        """Tell whether `load` is due."""
        events = sum(self.scene.model.seen[type_] for type_ in self.EVENTS)
        polled = self.POLL_S is not None and now_s - self.loaded_s >= self.POLL_S
        return polled or self.loaded_s == float("-inf") or events != self._seen_events

    async def reload(self, now_s: float) -> None:
        """Run `load` and remember what went wrong."""
        self.loaded_s = now_s
        self._seen_events = sum(self.scene.model.seen[type_] for type_ in self.EVENTS)
        if not self._asked:
            self._asks(True)
        try:
            await self.load(self.scene.client)
            self.problem = None
            self.tell_again()
        except ClientError as error:
            missing = isinstance(error, AnswerError) and error.status == NOT_FOUND
            self.problem = NEEDED if missing and self.scene.stock else str(error)
            self.tell_again()
        finally:
            if not self._asked:
                self._asked = True
                self._asks(False)

    def _asks(self, asks: bool) -> None:
        """Have empty tables say that the first answer is awaited, not that there is nothing."""
        for grid in self.query(Grid):
            grid.asks = asks
            grid.refresh()

    def open_named(self, name: str) -> bool:
        """Open what a command names; False when there is no such, and it is a filter."""
        del name
        return False

    def set_filter(self, text: str) -> None:
        """Show only rows that match."""
        self.limited = None
        self.filter = Filter(text)
        self.refilter()

    def limit(self, field: str, name: str) -> None:
        """Show only the rows of a connector or worker, until Escape or the view's own number."""
        self.filter, self.limited = Filter(f"{field}:{name}"), name
        self.refilter()

    def refilter(self) -> None:
        """Show the rows again after the filter or the order changed."""

    def step(self, by: int) -> None:
        """Go to the next or previous tab or generation."""

    def leave(self) -> bool:
        """Close what is open in the view; False when nothing is."""
        return False

    def on_command(self, command: str) -> bool:
        """Take a key for the view itself; False leaves it to the app."""
        del command
        return False

    def troubled(self, key: str) -> bool:
        """Tell whether a row has a problem."""
        del key
        return False

    def find(self, way: int) -> None:
        """Go to the next row (1) that has a problem, or the one before (-1); of filtered rows to each.

        After the last one comes the first one.
        """
        grid = self.grid
        if grid is None:
            return
        wanted = [key for key in grid.keys if self.filter.text or self.troubled(key)]
        if not wanted:
            self.console.say("no row here has a problem", "grey")
            return
        places = {key: at for at, key in enumerate(grid.keys)}
        here = places.get(grid.key or "", -1)
        if way > 0:
            found = next((key for key in wanted if places[key] > here), wanted[0])
        else:
            found = next((key for key in wanted[::-1] if places[key] < here), wanted[-1])
        grid.go_to(found)

    def raw(self) -> Any:
        """Give what the row under the cursor stands for, None for nothing."""
        return None

    def copied(self) -> str:
        """Give the row under the cursor as text."""
        grid = self.grid
        if grid is None or grid.key is None:
            return ""
        return "\t".join(text for text in grid.texts(grid.key).values() if text)

    def exported(self) -> list[dict[str, str]]:
        """Give all rows of the table."""
        grid = self.grid
        return [] if grid is None else [grid.texts(key) for key in grid.keys]

    def head(self, grid: Grid, title: str, usual: str = "", *more: str) -> None:
        """Give a table its title, and at the right the filter, `more`, the order, or what went wrong.

        `usual` names the order that its rows have of themselves, empty where that goes without saying.
        """
        order = grid.order or usual
        words = (
            f"/{self.filter.text}" if self.filter.text else "",
            *more,
            f"sort: {order}{', reversed' if grid.sort_reverse else ''}" if order else "",
        )
        note = self.problem or "  ".join(word for word in words if word)
        retitle(grid, title, note)

    def nothing(self, usual: str, some: object) -> str:
        """Give what an empty table says: `usual`, unless there are `some` rows that are not shown."""
        if some and self.filter.text:
            return f"nothing matches {self.filter.text}; Esc clears it"
        if some and self.only_problems:
            return "no problems; z shows all"
        return usual

    def restyle(self) -> None:
        """Draw every frame anew: other theme, other width."""
        self.tell_again()
        for grid in self.query(Grid):
            frame(grid, self.scene)
            grid.restyle()
        for box in self.query(Box):
            box.restyle()
        for pane in self.query(Pane):
            pane.restyle()


class Listing:
    """Which rows a grid shows in which order; keys are sorted anew at most every RESORT_S."""

    def __init__(
        self,
        grid: Grid,
        fields: Callable[[str], dict[str, object]],
    ) -> None:
        self._grid = grid
        self._fields = fields
        self._sorted_s = float("-inf")
        self._touched = True

    def due(self, now_s: float, *, changed: bool = True) -> bool:
        """Tell whether rows are to be put in order again; `changed`: they may be others by now.

        They stay where they are while keys arrive.
        """
        self._touched = self._touched or changed
        if self._sorted_s == float("-inf"):
            return True
        since_s = now_s - max(self._sorted_s, self._grid.typed_s)
        return self._touched and since_s >= RESORT_S

    def expire(self) -> None:
        """Sort at the next chance."""
        self._sorted_s = float("-inf")
        self._touched = True

    def show(self, keys: list[str], wanted: Filter, now_s: float) -> None:
        """Show what matches of `keys`, in their order unless the grid is sorted by a column."""
        self._sorted_s, self._touched = now_s, False
        grid = self._grid
        if wanted.text:
            keys = [key for key in keys if wanted.matches(self._fields(key))]
        grid.show(in_order(grid, keys))


def in_order(grid: Grid, keys: list[str]) -> list[str]:
    """Give the keys by the column that the grid is sorted by, else as they are, or the other way round."""
    column = grid.sort_column
    if column is None:
        return keys[::-1] if grid.sort_reverse else keys
    return sorted(
        keys, key=lambda key: magnitude(grid.cell(key, column).text), reverse=grid.sort_reverse
    )
