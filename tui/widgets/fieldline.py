"""The line that a field of a form is edited in."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Input

from tui import keys


class FieldLine(Input):
    """Tab completes what is suggested, else leaves for the next field."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.named(keys.FIELD_KEYS)]

    class Left(Message):
        """The field `by` rows further is to be edited."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def action_leave_for(self, by: int) -> None:
        """Complete, or go on."""
        whole = self._suggestion
        at_end = self.cursor_position == len(self.value)
        if by > 0 and at_end and whole and whole != self.value:
            self.action_cursor_right()
        else:
            self.post_message(self.Left(by))
