"""Lanes: one line per worker that prints how many tasks it held, only where the number changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from rich.text import Text

from tui.scene import Scene
from tui.screens.overview import short_worker

SPAN_S: Final = 600
_HEAD: Final = 9

Rebalance = Mapping[str, Any]
_Letter = tuple[str, str]


class Picture(NamedTuple):
    """The lanes, how many lines they have, and how long a cell is."""

    text: Text
    rows: int
    cell: str


class _Step(NamedTuple):
    """What the group was from `cell` on.

    `left` are the workers that went, `back` is one that came back before it was missed.
    """

    cell: int
    held: Mapping[str, int]
    left: Sequence[str]
    died: bool
    back: str | None
    gen: int


def died(rebalance: Rebalance) -> bool:
    """Tell whether the workers that went were killed or lost."""
    return bool(rebalance["cause"]["kind"] == "died")


def lanes(scene: Scene, rebalances: Sequence[Rebalance], now_s: float, width: int) -> Picture:
    """Give the last SPAN_S seconds in `width` cells; `rebalances` come newest first."""
    cells = max(10, width - _HEAD - 2)
    start_ms = (now_s - SPAN_S) * 1000
    per_cell_ms = SPAN_S * 1000 / cells

    def cell(ms: float) -> int:
        return max(0, min(cells - 1, int((ms - start_ms) / per_cell_ms)))

    told = [entry for entry in reversed(rebalances) if entry["workers"]]
    steps = []
    for at, entry in enumerate(told):
        later = told[at + 1]["started"] if at + 1 < len(told) else None
        if later is not None and later < start_ms:
            continue
        steps.append(
            _Step(
                cell(entry["started"]),
                entry["workers"],
                entry["left"],
                died(entry),
                entry["cause"]["worker"] if entry["cause"]["kind"] == "rejoined" else None,
                entry["gen"],
            )
        )
    ids = {worker.id for worker in scene.model.workers}
    for step in steps:
        ids.update(step.held)
    text = Text(style=scene.palette.text, no_wrap=True)
    names = scene.model.nicknames
    ordered = sorted(ids, key=lambda name: _by_number(str(names.get(name, name))))
    for name in ordered:
        _lane(text, scene, name, steps, cells)
    _waits(text, scene, rebalances, cells, cell, now_s)
    _generations(text, scene, steps, cells)
    _axis(text, scene, cells)
    span = per_cell_ms / 1000
    return Picture(text, len(ordered) + 3, f"{span:.0f} s" if span >= 1 else "1 s")


def _lane(text: Text, scene: Scene, id: str, steps: Sequence[_Step], cells: int) -> None:
    palette = scene.palette
    now = next((worker.tasks for worker in scene.model.workers if worker.id == id), None)
    text.append(f"{short_worker(scene.model, id):<4}"[:4], "bold")
    text.append(f"{'-' if now is None else now:>4} ", palette.text)
    row = [(" ", "")] * cells
    held: int | None = None
    away = False
    shown = range(0)
    gone: _Letter | None = None
    for at, step in enumerate(steps):
        end = steps[at + 1].cell if at + 1 < len(steps) else cells
        before, held = held, step.held.get(id)
        line = (" ", "") if held is None else ("-" if palette.ascii else "─", palette.line)
        for place in range(step.cell, end):
            if place not in shown:
                row[place] = line
        away = away or (at > 0 and held is None)
        mark = _mark(scene, id, step, before, held, away=away)
        away = away and not held
        if mark is not None:
            word, style = mark
            letters: list[_Letter] = [(letter, style) for letter in word]
            first = min(step.cell, cells - len(letters))
            # two numbers that touch would read as one: the older one gives way, but not that a worker went
            if first <= shown.stop:
                for place in shown:
                    row[place] = line
                if gone is not None and held is not None:
                    letters.insert(0, gone)
                    first = min(shown.start, cells - len(letters))
            else:
                gone = None
            if held is None:
                gone = letters[0]
            shown = range(first, first + len(letters))
            row[first : shown.stop] = letters
    for letter, style in row:
        text.append(letter, style)
    text.append("\n")


def _mark(
    scene: Scene, id: str, step: _Step, before: int | None, held: int | None, *, away: bool
) -> tuple[str, str] | None:
    """Give what a lane prints at a step; `away`: the worker was out and has got nothing since."""
    palette = scene.palette
    if held is None:
        if id not in step.left:
            return None
        glyph, _, role = palette.state("FAILED" if step.died else "STOPPED")
        return f"{glyph} 0", palette.style(role)
    if away:
        return (f"+{held}", palette.style("green")) if held else None
    if id == step.back:
        glyph, _, role = palette.state("RESTARTING")
        return f"{glyph} {held}", palette.style(role)
    if held == before:
        return None
    if before is None:
        return str(held), palette.accent
    return str(held), palette.style("amber") if held > before else palette.accent


def _waits(
    text: Text,
    scene: Scene,
    rebalances: Sequence[Rebalance],
    cells: int,
    cell: Any,
    now_s: float,
) -> None:
    """Show how long lost tasks waited for their worker; the running wait counts down."""
    palette = scene.palette
    row = [" "] * cells
    ordered = list(reversed(rebalances))
    for at, entry in enumerate(ordered):
        if not entry["delay_until"]:
            continue
        later = ordered[at + 1]["started"] if at + 1 < len(ordered) else None
        end_ms = min(later or entry["delay_until"], now_s * 1000)
        if end_ms < (now_s - SPAN_S) * 1000:
            continue
        words = f"{len(entry['lost'])} wait"
        left_s = entry["delay_until"] / 1000 - now_s
        if later is None and left_s > 0:
            words += f" {left_s:.0f} s"
        first, last = cell(entry["started"]), cell(end_ms)
        filled = words.ljust(last - first + 1, "!" if palette.ascii else "▪")
        first = min(first, cells - len(words))
        for offset, letter in enumerate(filled):
            if 0 <= first + offset < cells:
                row[first + offset] = letter
    text.append("wait     ", palette.grey)
    text.append("".join(row) + "\n", palette.style("amber"))


def _generations(text: Text, scene: Scene, steps: Sequence[_Step], cells: int) -> None:
    row = [" "] * cells
    free = cells
    for step in reversed(steps):
        word = str(step.gen)
        at = min(step.cell, cells - len(word))
        # the newer one keeps its place where two would meet
        if at + len(word) < free or free == cells:
            row[at : at + len(word)] = word
            free = at
    text.append("gen      ", scene.palette.grey)
    text.append("".join(row[:cells]) + "\n", f"bold {scene.palette.style('violet')}")


def _axis(text: Text, scene: Scene, cells: int) -> None:
    row = [" "] * cells
    for minutes in (10, 8, 6, 4, 2):
        word = f"-{minutes}m"
        at = round((10 - minutes) / 10 * cells)
        row[at : at + len(word)] = word
    row[cells - 3 : cells] = "now"
    text.append(" " * _HEAD)
    text.append("".join(row[:cells]), scene.palette.grey)


def _by_number(name: str) -> tuple[int, str]:
    return len(name), name
