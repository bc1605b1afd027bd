"""Going from view to view, and in a view up: what is shown and has the keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from textual.widgets import ContentSwitcher

from tui.handlers import Handlers
from tui.screens.view import View

_View = TypeVar("_View", bound=View)


class Going(Handlers):
    """The console as what shows one of its views."""

    _before: View
    _asked_for: int
    _chrome_due: bool

    def flush(self) -> None:
        """Paint what changed since the last time, and fetch what is due."""
        raise NotImplementedError

    def _unsay(self) -> None:
        raise NotImplementedError

    def action_view(self, number: int) -> None:
        """Go to a view, with what it has open. What another view's key has limited it to is over."""
        self._asked_for = number
        if number > len(self.views):
            return
        view = self.views[number - 1]
        self.go(view)
        if view.limited is not None:
            view.set_filter("")

    def go(self, view: View) -> None:
        """Show `view`, give its first table the keys."""
        if view is not self.view:
            self._before, self.view = self.view, view
            self._unsay()
        self.query_one("#views", ContentSwitcher).current = view.id
        grid = view.grid
        if grid is not None:
            grid.focus()
        self.scene.model.reshaped = self._chrome_due = True
        view.refilter()
        self.call_after_refresh(self.flush)

    def _view_of(self, kind: type[_View]) -> _View | None:
        """Give the view of a kind, None while it is not made yet."""
        return next((view for view in self.views if isinstance(view, kind)), None)

    def open_connector(self, name: str, tab: str = "Tasks", key: str | None = None) -> None:
        """Open a connector in its view."""
        from tui.screens.connectors import Connectors

        view = self._view_of(Connectors)
        if view is not None:
            self.go(view)
            view.open(name, tab, key)

    def point_at(self, name: str) -> None:
        """Go to the list of connectors, the cursor on one as soon as it is there."""
        from tui.screens.connectors import Connectors

        view = self._view_of(Connectors)
        if view is not None:
            self.go(view)
            view.point_at(name)

    def open_topic(
        self,
        name: str,
        back: Callable[[], None] | None = None,
        place: tuple[int, int] | None = None,
    ) -> None:
        """Open a topic's records in their view, or those from a partition's offset; leaving calls `back`."""
        from tui.screens.topics import Topics

        view = self._view_of(Topics)
        if view is not None:
            self.go(view)
            view.open(name, back, place)

    def action_last_view(self) -> None:
        """Go back to the view before."""
        self.go(self._before)

    def action_zoom(self) -> None:
        """Give the pane with the keys the whole screen, or take it back."""
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif self.focused is not None:
            self.screen.maximize(self.focused, container=False)

    def action_up(self) -> None:
        """End the filter, or leave what the view has open."""
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif self.view.filter.text:
            self.view.set_filter("")
        else:
            self.view.leave()

    def action_up_or_quit(self) -> None:
        """Leave what the view has open; at the top end the console."""
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif not self.view.leave():
            self.exit()

    def action_help_quit(self) -> None:
        """Say how to leave; what is selected has been copied before this is asked for."""
        self.say("q goes up one level and at the top leaves, ctrl+q leaves at once", "grey")

    def _focus_anything(self) -> None:
        if self.focused is None and self.query_one("#views").display:
            self._focus_view()

    def _focus_view(self) -> None:
        grid = self.view.grid
        if grid is not None:
            grid.focus()
