"""What stands on the terminal, cell by cell: of an update only what differs from it is written.

Textual writes the whole line of a widget where one number of it changed. Over SSH, and for the terminal that
has to draw it, that is most of what an idle console costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

GAP: Final = 6
"""Fewer cells that did not change between two that did are written again: moving costs as much."""

Cell = tuple[str, Style | None]


class Shown:
    """The cells that the terminal shows, as far as they were written in parts."""

    def __init__(self) -> None:
        self._cells: dict[int, dict[int, Cell]] = {}
        self._strips: dict[int, dict[int, Strip]] = {}

    def forget(self) -> None:
        """Know nothing: the whole screen is written anew."""
        self._cells.clear()
        self._strips.clear()

    def take(self, y: int, x: int, strip: Strip) -> list[tuple[int, Strip]]:
        """Note a strip at its place; gives the parts of it that differ from what was there, by column."""
        strips = self._strips.setdefault(y, {})
        known = strips.get(x)
        if known is strip or known == strip:
            return []
        end = x + strip.cell_length
        # what others put into these cells is no longer there
        for start in [at for at, one in strips.items() if at < end and x < at + one.cell_length]:
            del strips[start]
        strips[x] = strip
        line = self._cells.setdefault(y, {})
        cells = list(_cells(strip))
        spans: list[tuple[int, int]] = []
        for at, cell in enumerate(cells):
            if line.get(x + at) == cell:
                continue
            line[x + at] = cell
            # a wide letter goes whole
            start = at - 1 if not cell[0] and at else at
            stop = at + 2 if at + 1 < len(cells) and not cells[at + 1][0] else at + 1
            if spans and start - spans[-1][1] < GAP:
                spans[-1] = spans[-1][0], stop
            else:
                spans.append((start, stop))
        return [(x + start, _strip(cells[start:stop])) for start, stop in spans]


class Changes(ChopsUpdate):
    """An update that writes only the cells that differ from what is shown."""

    def __init__(self, update: ChopsUpdate, shown: Shown) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)
        self._shown = shown

    def render_segments(self, console: Console) -> str:
        """Give what is to be written."""
        written: list[str] = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                for column, part in self._shown.take(y, x, strip):
                    written.append(Control.move_to(column, y).segment.text)
                    written.append(part.render(console))
        return "".join(written)


def _strip(cells: Sequence[Cell]) -> Strip:
    """Give cells as a strip."""
    parts = groupby(cells, key=itemgetter(1))
    return Strip(Segment("".join(letter for letter, _ in part), style) for style, part in parts)


def _cells(strip: Strip) -> Iterator[Cell]:
    """Give a strip's cells; the second one of a wide letter is empty, and a mark stands with its letter."""
    for segment in strip:
        text, style = segment.text, segment.style
        if text.isascii():
            for letter in text:
                yield letter, style
        else:
            yield from _wide_cells(segment)


def _wide_cells(segment: Segment) -> Iterator[Cell]:
    letters: list[str] = []
    for letter in segment.text:
        size = cell_len(letter)
        if size == 0:
            # at a segment's beginning it belongs to a cell that is not its own
            letters[-1:] = [letters[-1] + letter] if letters else []
        else:
            letters += [letter, *[""] * (size - 1)]
    for letter in letters:
        yield letter, segment.style
