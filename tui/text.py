"""Numbers, ages and lines of dots as the console writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil
from typing import Final

from rich.cells import cell_len, set_cell_size

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_NO_DOTS = "\u2800"
_BRAILLE_LEFT = (0x40, 0x04, 0x02, 0x01)
_BRAILLE_RIGHT = (0x80, 0x20, 0x10, 0x08)
_LEAST_HALVES: Final = 5
_CLASS: Final = re.compile(r"([A-Z][\w$.]*): (.*\S.*)", re.DOTALL)


def count(value: float | None) -> str:
    """Give a number in at most five cells: 941, 4.1k, 36.9k; a dash for none."""
    if value is None:
        return "-"
    for size, unit in _STEPS:
        if abs(value) >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def several(number: int, word: str) -> str:
    """Give a number with its noun: 1 task, 2 tasks."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def age(seconds: float) -> str:
    """Give a span: 12s, 5m, 3h 7m, 6d 4h."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"


def ago(ms: float | None, now_s: float) -> str:
    """Give how long something at an epoch in milliseconds is past, a dash when it is not known."""
    return "-" if ms is None else age(now_s - ms / 1000)


def lag(value: float | None, unit: str | None) -> str:
    """Give how far a task is behind: records as a number, milliseconds as a span."""
    if value is None:
        return "-"
    return age(value / 1000) if unit == "ms" else count(value)


def cut(text: str, width: int, *, ascii: bool = False) -> str:
    """Give the text on one line of at most `width` cells, its end marked where it was cut."""
    line = " ".join(text.split())
    if len(line) <= width and (line.isascii() or cell_len(line) <= width):
        return line
    end = "." if ascii else "…"
    return set_cell_size(line, max(0, width - 1)).rstrip() + end if width > 0 else ""


def cause_first(error: str) -> str:
    """Give an error with its class behind what it says: a row has room for the reason alone."""
    found = _CLASS.fullmatch(error)
    return error if found is None else f"{found[2]} ({found[1]})"


def middle(text: str, width: int, *, ascii: bool = False) -> str:
    """Give the text in at most `width` cells, cut in the middle: its end tells as much as its beginning."""
    line = " ".join(text.split())
    if cell_len(line) <= width or width < _LEAST_HALVES:
        return cut(line, width, ascii=ascii)
    end = line[-(width // 2) :]
    while cell_len(end) > width // 2:
        end = end[1:]
    return cut(line, width - cell_len(end), ascii=ascii) + end


def package(text: str, width: int, *, ascii: bool = False) -> str:
    """Give a package in at most `width` cells, its first words as letters: o.a.kafka.connect.json."""
    words = text.split(".")
    for at in range(len(words) - 1):
        if cell_len(".".join(words)) <= width:
            break
        words[at] = words[at][:1]
    return middle(".".join(words), width, ascii=ascii)


def shortened(names: Sequence[str], whole: int, room: int) -> list[str]:
    """Give names that stand in `room` cells with a blank each: that at `whole` as it is, others cut."""
    longest = max(map(len, names), default=0)
    for most in range(longest, -1, -1):
        found = [name if at == whole else name[:most].rstrip() for at, name in enumerate(names)]
        if sum(len(name) + 1 for name in found if name) <= room:
            return found
    return ["" if at != whole else name for at, name in enumerate(names)]


def fit(text: str, width: int, *, right: bool = False, ascii: bool = False) -> str:
    """Give the text cut or filled to exactly `width` cells."""
    line = cut(text, width, ascii=ascii)
    blank = " " * (width - (len(line) if line.isascii() else cell_len(line)))
    return blank + line if right else line + blank


def recent(values: Sequence[float], count: int, *, ascii: bool = False) -> str:
    """Give the newest `count` values as `dots`, where fewer are known at the right edge."""
    line = dots(values, count, ascii=ascii)
    # an empty pattern is no blank: it is not taken away from a cell's text
    return line.rjust(count // 2, _NO_DOTS) if line and not ascii else line


def dots(values: Sequence[float], width: int, *, ascii: bool = False) -> str:
    """Give the newest values as one line of `width` cells, scaled to their highest."""
    per_cell = 1 if ascii else 2
    shown = list(values)[-width * per_cell :]
    top = max(shown, default=0.0)
    if top <= 0:
        return ""
    if ascii:
        return "".join("_.-=+*#@"[min(7, int(value / top * 7.99))] for value in shown)
    levels = [min(3, int(value / top * 3.99)) for value in shown]
    cells = []
    for at in range(0, len(levels), 2):
        bits = _BRAILLE_LEFT[levels[at]]
        if at + 1 < len(levels):
            bits |= _BRAILLE_RIGHT[levels[at + 1]]
        cells.append(chr(0x2800 + bits))
    return "".join(cells)


def hills(
    values: Sequence[float], width: int, height: int, *, down: bool = False, ascii: bool = False
) -> list[str]:
    """Give the newest values as `height` lines of `width` cells, filled up from below or `down` from above.

    The newest value stands at the right edge; they are scaled to their highest.
    """
    per_cell = 1 if ascii else 2
    shown = list(values)[-width * per_cell :]
    shown = [0.0] * (width * per_cell - len(shown)) + shown
    top = max(shown, default=0.0)
    # what is above nothing is seen
    levels = [ceil(value / top * height * 4) if top > 0 else 0 for value in shown]
    lines = []
    for row in range(height):
        below = row if down else height - 1 - row
        fills = [min(4, max(0, level - below * 4)) for level in levels]
        if ascii:
            lines.append("".join(" .:|#"[fill] for fill in fills))
            continue
        left, right = (_BRAILLE_LEFT, _BRAILLE_RIGHT)
        if down:
            left, right = left[::-1], right[::-1]
        cells = zip(fills[::2], fills[1::2], strict=True)
        lines.append("".join(_cell(sum(left[:one]) + sum(right[:two])) for one, two in cells))
    return lines


def _cell(bits: int) -> str:
    return chr(0x2800 + bits) if bits else " "


_UNITS = {"k": 1e3, "M": 1e6, "G": 1e9, "s": 1, "m": 60, "h": 3600, "d": 86400, "%": 1}


def magnitude(text: str) -> tuple[bool, float, str]:
    """Give what a cell sorts by: numbers and spans by size, then words; dashes first."""
    if text in {"", "-"}:
        return False, float("-inf"), ""
    total, number = 0.0, False
    for part in text.split():
        digits = part.rstrip("kMGsmhd%")
        try:
            total += float(digits) * _UNITS.get(part[len(digits) :], 1)
            number = True
        except ValueError:
            return True, 0.0, text.lower()
    return False, total if number else 0.0, ""


def size(value: float | None) -> str:
    """Give bytes in at most five cells: 211M."""
    if value is None:
        return "-"
    for step, unit in ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "k")):
        if value >= step:
            return f"{value / step:.1f}{unit}" if unit == "G" else f"{value / step:.0f}{unit}"
    return f"{value:.0f}"


def seconds(milliseconds: float | None) -> str:
    """Give a short time: 4ms, 0.9s, 12.0s, 5m."""
    if milliseconds is None:
        return "-"
    if milliseconds < 100:
        return f"{milliseconds:.0f}ms"
    if milliseconds < 100_000:
        return f"{milliseconds / 1000:.1f}s"
    return age(milliseconds / 1000)
