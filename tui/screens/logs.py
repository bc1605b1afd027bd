"""Logs: lines of all workers and tasks as they come, and the levels of loggers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

from rich.text import Text
from textual.app import ComposeResult

from tui.actions import OPERATE
from tui.calls import Call, ours
from tui.client import PREFIX, ClientError, escaped
from tui.scene import Asker, Scene
from tui.screens.dialogs import Choice, Pick
from tui.screens.overview import short_worker
from tui.screens.view import Hints, Selection, View
from tui.widgets.frame import Pane
from tui.widgets.grid import Cell, Column, Grid

if TYPE_CHECKING:
    from tui.app import Console

KEPT: Final = 5000
_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
_SPANS: Final = (
    ("cluster 10m", "all workers, 10 minutes", "then as it is now"),
    ("cluster 1h", "all workers, 1 hour", "then as it is now"),
    ("worker 10m", "one worker, 10 minutes", "the one that answers, then as it is now"),
    ("cluster for good", "all workers", "until it is set again, or they are restarted"),
)
"""Scope and span of a level; what they mean."""
_SPAN_S: Final = {"10m": 600, "1h": 3600}
_COLUMNS: Final = (
    Column("WHEN", 8),
    Column("LEVEL", 5),
    Column("WKR", 4),
    Column("WHOSE", 20, wide=True),
    Column("LINE", 0),
)


class Logs(View):
    """The newest lines last; the cursor on the last one follows."""

    NAME: ClassVar[str] = "Logs"
    SHORT: ClassVar[str] = "Logs"
    POLL_S: ClassVar[float | None] = 1.0
    HINTS: ClassVar[Hints] = (
        ("/", "level:warn worker:w2 words"),
        ("L", "set a level"),
        ("f", "freeze"),
        ("G", "follow"),
        ("Enter", "whole line"),
    )
    ABOUT: ClassVar[str] = (
        "Log lines of all workers and task processes since they started, as far as their memory "
        "goes, the newest last. Filter with level:warn (and above), worker:w2, connector:NAME, words. "
        "L sets the level of the logger under the cursor, on all workers or one; the daemon sets it back "
        "after 10 minutes or an hour, whether or not this console is open. G goes to the newest line and "
        "follows."
    )
    STYLE: ClassVar[str] = """
    #logs-grid { height: 1fr; } #logline { height: 7; }
    .narrow #logline { display: none; }
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.rows: dict[str, dict[str, Any]] = {}
        self._places: dict[str, int] = {}

    def compose(self) -> ComposeResult:
        """Give lines and the whole of one."""
        yield Grid(
            _COLUMNS,
            self._cells,
            self.scene,
            id="logs-grid",
            title="Logs",
            empty="No line yet",
            fixed="log lines stand in the order of time",
        )
        yield Pane(self.scene, "", id="logline")

    @property
    def table(self) -> Grid:
        """Give the grid."""
        return self.query_one("#logs-grid", Grid)

    def selection(self) -> list[Selection]:
        """Give the connector that the line is about."""
        row = self.rows.get(self.table.key or "")
        name = str(row["context"]).partition("|")[0] if row else ""
        return [Selection(name)] if name in self.scene.model.connectors else []

    async def load(self, client: Asker) -> None:
        """Fetch the lines since the last time."""
        after = quote(",".join(f"{worker}={at}" for worker, at in self._places.items()), safe="")
        found = await client.get(f"{PREFIX}/logs/recent?limit=2000&after={after}")
        # by time, so that a worker's last one need not be its latest
        self._places |= {row["worker"]: row["id"] for row in sorted(found, key=itemgetter("id"))}
        for row in found:
            self.rows[f"{row['worker']} {row['id']} {row['ts']}"] = row
        for key in list(self.rows)[:-KEPT]:
            del self.rows[key]

    def paint(self, now_s: float, dirty: set[str]) -> None:
        """Show what the filter leaves."""
        del dirty
        if not self.tells(now_s, changed=False):
            return
        grid = self.table
        following = not grid.keys or grid.key == grid.keys[-1]
        keys = list(self.rows)
        if self.only_problems:
            keys = [key for key in keys if self.troubled(key)]
        if self.filter.text:
            keys = [key for key in keys if self.filter.matches(self._fields(key))]
        grid.show(keys)
        if following:
            grid.action_end(1)
        grid.say_empty(self.nothing("No line yet", self.rows))
        only = "  warnings and errors" if self.only_problems else ""
        self.head(grid, f"Logs {len(keys)}  newest last{'  following' if following else ''}{only}")
        self._put_line()

    def refilter(self) -> None:
        """Show the lines again at once."""
        self.tell_again()
        self.paint(self.scene.clock(), set())

    def on_grid_moved(self) -> None:
        """Show the whole line."""
        self._put_line()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Show the whole line over the screen."""
        event.stop()
        row = self.rows[event.key]
        self.app.call_later(self.console.show_text, row["logger"], Text(row["message"]))

    def on_command(self, command: str) -> bool:
        """Set a level."""
        if command != "level":
            return False
        console = self.console
        console.act(self._set_level(console))
        return True

    async def _set_level(self, console: Console) -> None:
        row = self.rows.get(self.table.key or "")
        if not console.actions.allowed(OPERATE):
            return
        given = str(row["logger"]) if row else "root"
        loggers = await self._loggers(given)
        pick = Pick(self.scene, "Set the level of which logger?", loggers, 60, start=given)
        logger = await console.push_screen_wait(pick)
        if logger is None:
            return
        options = [(level, level, "") for level in _LEVELS]
        level = await console.push_screen_wait(Choice(self.scene, logger, options, start="DEBUG"))
        if level is None:
            return
        answer: str | None = "cluster for good"
        if not self.scene.stock:
            answer = await console.push_screen_wait(
                Choice(self.scene, f"{logger} {level}", _SPANS, 24)
            )
        if answer is None:
            return
        scope, _, span = answer.partition(" ")
        if span == "for good":
            path = f"/admin/loggers/{escaped(logger)}?scope={scope}"
            done = await console.actions.perform(Call("PUT", path, {"level": level}))
            if done is not None:
                console.say(f"{logger} at {level}", "green")
            return
        call = ours(
            "PUT",
            f"/loggers/{escaped(logger)}?scope={scope}&revert_after={span}",
            {"level": level},
        )
        done = await console.actions.perform(call)
        if done is not None:
            end_s = self.scene.clock() + _SPAN_S[span]
            until = time.strftime("%H:%M", time.gmtime(end_s))
            console.say(f"{logger} at {level} until {until}, then {done['before']}", "green")

    async def _loggers(self, given: str) -> list[tuple[str, str, str]]:
        """Give the loggers that have a level or have written, and what they stand below."""
        try:
            told = await self.scene.client.get("/admin/loggers")
        except ClientError:
            # those that have written are known all the same
            told = {}
        names = {given, *told, *(str(row["logger"]) for row in self.rows.values())}
        above: set[str] = set()
        for name in names - {"root"}:
            parts = name.split(".")
            above.update(".".join(parts[:at]) for at in range(1, len(parts)))
        notes = dict.fromkeys(above - names, "and all below it")
        notes |= {name: f"at {level['level']}" for name, level in told.items()}
        ordered = sorted({*names, *above, "root"} - {""}, key=lambda name: (name != "root", name))
        return [(name, name, notes.get(name, "")) for name in ordered]

    def troubled(self, key: str) -> bool:
        """Tell whether a line is a warning or an error."""
        return self.rows[key]["level"] in {"WARN", "ERROR"}

    def raw(self) -> Any:
        """Give the line under the cursor."""
        return self.rows.get(self.table.key or "")

    def _put_line(self) -> None:
        row = self.rows.get(self.table.key or "")
        pane = self.query_one("#logline", Pane)
        if row is None:
            pane.put(Text(), "")
        else:
            pane.put(Text(row["message"]), row["logger"])

    def _fields(self, key: str) -> dict[str, object]:
        row = self.rows[key]
        return {
            "level": row["level"],
            "worker": f"{short_worker(self.scene.model, row['worker'])} {row['worker']}",
            "connector": row["context"] or row["message"],
            "logger": row["logger"],
            "message": row["message"],
        }

    def _cells(self, key: str) -> Sequence[Cell]:
        row = self.rows[key]
        role = {"ERROR": "red", "WARN": "amber"}.get(row["level"], "grey")
        whose = str(row["context"]).replace("|task-", ":").partition("|")[0]
        return (
            Cell(time.strftime("%H:%M:%S", time.gmtime(row["ts"] / 1000)), "grey"),
            Cell(row["level"], role),
            Cell(short_worker(self.scene.model, row["worker"])),
            Cell(whose or str(row["logger"]).rpartition(".")[2], "grey"),
            Cell(row["message"], "red" if role == "red" else ""),
        )
