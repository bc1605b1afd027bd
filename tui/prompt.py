"""The line that filters and commands are typed in."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.widgets import Input, Static

from tui import keys
from tui.commands import Completion
from tui.going import Going


class Line(Input):
    """The line for filters and commands."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.named(keys.LINE_KEYS)]


class Prompt(Going):
    """The console as what takes a line: `/` filters as it is typed, `:` is done at Enter."""

    complete: asyncio.Event
    _line_mode = "/"

    async def take_command(self, line: str) -> None:
        """Do what a command line says."""
        raise NotImplementedError

    def action_filter(self) -> None:
        """Filter as the user types."""
        self._open_line("/", self.view.filter.text)

    def action_command(self) -> None:
        """Take a command."""
        self._open_line(":", "")

    def _open_line(self, mode: str, value: str) -> None:
        self._line_mode = mode
        line = self.query_one("#line", Input)
        self.query_one("#prompt", Static).update(Text(f" {mode} ", self.scene.palette.accent))
        self.query_one("#line-bar").display, self.query_one("#keys").display = True, False
        line.suggester = Completion(self.scene) if mode == ":" else None
        line.placeholder = "words  !not  /regex/  state:failed  worker:w2  lag>1k"
        if mode == ":":
            line.placeholder = "connectors  dlq NAME  worker w2  resume NAME  new  ctx NAME  q"
        line.value = value
        self._offer("")
        line.focus()

    def _close_line(self) -> None:
        self.query_one("#line-bar").display, self.query_one("#keys").display = False, True
        self._focus_view()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the line is typed."""
        if event.input.id != "line" or not event.input.has_focus:
            return
        if self._line_mode == "/":
            self.view.set_filter(event.value)
        else:
            self._offer(event.value)

    def _offer(self, typed: str) -> None:
        """Show what the command being typed can be."""
        offers, palette = self.query_one("#offers", Static), self.scene.theme
        found = Completion(self.scene).candidates(typed)
        offers.display = bool(found) and self._line_mode == ":"
        offers.update(Text("  ".join(found), palette.grey, no_wrap=True, overflow="ellipsis"))

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the line."""
        if event.input.id == "line":
            self._close_line()
            if self._line_mode == ":":
                await self.complete.wait()
                await self.take_command(event.value)

    def on_key(self, event: object) -> None:
        """Leave the line by Escape."""
        if getattr(event, "key", "") == "escape" and self.focused is self.query_one("#line"):
            self._close_line()
            if self._line_mode == "/":
                self.view.set_filter("")
