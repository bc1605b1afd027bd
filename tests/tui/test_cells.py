"""Only cells that changed are written, and what stands on the terminal is what was drawn."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from tui.cells import Changes, Shown

WIDTH = 24
RED, PLAIN = Style(color="red"), Style()
_MOVE = re.compile(r"\x1b\[(\d+);(\d+)H")
_STYLE = re.compile(r"\x1b\[([\d;]*)m")
LETTERS = st.sampled_from(["a", "b", " ", "注", "文", "●", "e\u0301"])
TEXTS = st.lists(LETTERS, max_size=14).map("".join)


def strip(*parts: tuple[str, Style]) -> Strip:
    return Strip(Segment(text, style) for text, style in parts).adjust_cell_length(WIDTH)


def update(shown: Shown, line: Strip, y: int = 0) -> str:
    """Give what is written for a line that is one strip."""
    chops = [{0: line} for _ in range(y + 1)]
    whole = ChopsUpdate(chops, [(y, 0, WIDTH)], [[WIDTH] for _ in range(y + 1)])
    return Changes(whole, shown).render_segments(Console(color_system="standard"))


class Screen:
    """One line of a terminal that understands moves and styles."""

    def __init__(self) -> None:
        self.cells = [(" ", "")] * WIDTH

    def take(self, written: str) -> None:
        at, style = 0, ""
        while written:
            if found := _MOVE.match(written):
                at = int(found[2]) - 1
            elif found := _STYLE.match(written):
                style = "" if found[1] in {"", "0"} else found[1]
            else:
                letter, written = written[0], written[1:]
                size = cell_len(letter)
                if size == 0:
                    before, old = self.cells[at - 1 if self.cells[at - 1][0] else at - 2]
                    self.cells[at - 1 if self.cells[at - 1][0] else at - 2] = before + letter, old
                    continue
                self.cells[at : at + size] = [(letter, style), *[("", style)] * (size - 1)]
                at += size
                continue
            written = written[found.end() :]


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(TEXTS, st.sampled_from([RED, PLAIN])), max_size=3), max_size=5))
def test_screen_is_what_was_drawn_when_only_changes_are_written(lines):
    """Whatever was there before: the same cells as if all had been written."""
    shown, one = Shown(), Screen()
    for parts in lines:
        one.take(update(shown, strip(*parts)))
        fresh = Screen()
        fresh.take(update(Shown(), strip(*parts)))
        assert one.cells == fresh.cells


def test_number_alone_is_written_when_it_alone_changed():
    """A clock that moved by a second costs a move and a digit."""
    shown = Shown()
    update(shown, strip(("ingest live", PLAIN), ("   12:00:01", RED)))
    assert update(shown, strip(("ingest live", PLAIN), ("   12:00:01", RED))) == ""
    written = update(shown, strip(("ingest live", PLAIN), ("   12:00:02", RED)))
    assert _STYLE.sub("", _MOVE.sub("", written)) == "2"


def test_line_is_written_again_when_something_else_stood_there():
    """What lay over it, and a screen that is drawn anew, are not taken for it."""
    shown, line = Shown(), strip(("orders", PLAIN))
    update(shown, line)
    shown.take(0, 3, Strip([Segment("dialog", RED)]))
    assert "ers" in update(shown, line)
    shown.forget()
    assert "orders" in update(shown, line)
