"""Tasks: every task of every connector, the whole width for figures and errors."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from tui.screens.overview import COLUMNS, TaskList
from tui.screens.view import Hints


class Tasks(TaskList):
    """The overview's list on its own."""

    NAME: ClassVar[str] = "Tasks"
    SHORT: ClassVar[str] = "Task"
    HINTS: ClassVar[Hints] = (
        ("Enter", "open"),
        ("r", "restart"),
        ("p", "pause"),
        ("space", "mark"),
        ("s", "sort"),
        ("z", "problems"),
        ("n", "next problem"),
        ("l", "logs"),
    )
    ABOUT: ClassVar[str] = (
        "Every task, problems first. r restarts the tasks that are marked, or the one under the "
        "cursor; p pauses their whole connectors, since Connect pauses no single task. Filter with "
        "/ by state: worker: type: plugin: topic:, lag>1k, words and /regex/."
    )

    def compose(self) -> ComposeResult:
        """Give the list."""
        yield self.make_grid(COLUMNS)

    def badge(self) -> tuple[str, str] | None:
        """Give how many failed, where none did how many are degraded."""
        for state in ("FAILED", "DEGRADED"):
            count = self.scene.model.counts[state]
            glyph, _, role = self.scene.palette.state(state)
            if count:
                return f"{glyph}{count}", role
        return None

    def paint(self, now_s: float, dirty: set[str]) -> None:
        """Show the tasks as they are."""
        self.paint_tasks(now_s, dirty)
