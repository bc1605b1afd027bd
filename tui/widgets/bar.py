"""Bar: one line of text as wide as the terminal; the title's clock has it drawn every second.

Textual's own text widget lays text out, wraps it and makes it selectable each time: that was half of what an
idle console cost.
"""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class Bar(Widget):
    """Text that neither wraps nor has a frame, on a ground of one colour."""

    ALLOW_SELECT: ClassVar[bool] = False

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._text = Text()
        self._ground = ""
        self._line: Strip | None = None

    def put(self, text: Text, ground: str) -> None:
        """Show `text` on the colour `ground`."""
        self._text, self._ground, self._line = text, ground, None
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Give the line, drawn once for each text and width."""
        # a bar is as wide as what is asked for; its size would have to be looked for
        width = crop.right
        if self._line is None or self._line.cell_length != width:
            ground = Style(bgcolor=self._ground or None)
            # each with a style, if it says nothing: the filter for NO_COLOR asks for one
            segments = [
                Segment(text, ground + style if style else ground)
                for text, style, _ in self._text.render(self.app.console)
            ]
            self._line = Strip(segments).adjust_cell_length(width, ground)
            for line_filter in self.get_line_filters():
                self._line = self._line.apply_filter(line_filter, self.background_colors[1])
        return [self._line.crop(crop.x, width)]
