"""What the daemon says a change would do, as text for the question before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any, Final

from rich.text import Text

from tui.scene import Scene
from tui.screens.overview import short_worker
from tui.text import count

PLAN_S: Final = 5.0
"""How long a question waits for its plan; without one it is asked all the same."""
_MOST: Final = 6
_HEAD: Final = 10

Plan = Mapping[str, Any]


def put_plan(text: Text, scene: Scene, plan: Plan, width: int) -> None:
    """Append what stops, starts again, stays, is lost and follows, for a dialog in so wide a terminal."""
    # what a dialog leaves of it
    width = min(110, width * 9 // 10) - 5
    palette = scene.palette
    for word, member, style in (
        ("stops", "stops", palette.style("amber")),
        ("restarts", "restarts", palette.style("violet")),
    ):
        tasks = plan[member]
        if tasks:
            _put(text, scene, word, [_sum(tasks), *_by_worker(scene, tasks)], style, width)
    wrong = [f"{one['option']}: {one['error']}" for one in plan["errors"]]
    for word, lines, style in (
        ("lost", plan["lost"], palette.style("red")),
        ("kept", plan["kept"], ""),
        ("wrong", wrong, palette.style("red")),
        ("then", plan["notes"], ""),
    ):
        _put(text, scene, word, lines, style, width)


def _put(
    text: Text, scene: Scene, word: str, lines: Sequence[str], style: str, width: int
) -> None:
    for at, line in enumerate(lines):
        for part, piece in enumerate(wrap(line, max(20, width - _HEAD))):
            head = "" if at or part else word
            text.append(f"{head:<{_HEAD}}", scene.palette.grey)
            text.append(f"{piece}\n", style if at == 0 or word != "stops" else "")


def _sum(tasks: Sequence[Mapping[str, Any]]) -> str:
    rate = sum(task["rate"] or 0 for task in tasks)
    flow = f", {count(rate)} rec/s now" if rate else ""
    return f"{len(tasks)} task{'' if len(tasks) == 1 else 's'}{flow}"


def _by_worker(scene: Scene, tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give a line for each worker with the tasks it holds, as many as there is room for."""
    held: dict[str, list[str]] = {}
    for task in tasks:
        held.setdefault(short_worker(scene.model, task["worker"]), []).append(task["task"])
    lines = []
    for worker, names in sorted(held.items())[:_MOST]:
        more = f" +{len(names) - _MOST}" if len(names) > _MOST else ""
        lines.append(f"{worker}  {' '.join(names[:_MOST])}{more}")
    return lines
