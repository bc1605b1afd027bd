"""Workers and rebalances: who holds what, how that changed, why, and how long tasks stood still."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal

from tui.client import PREFIX
from tui.lanes import died, lanes
from tui.model import Model
from tui.scene import Asker, Scene
from tui.screens.overview import named, short_worker
from tui.screens.view import Hints, View, in_order
from tui.text import age, count, seconds, size
from tui.widgets.frame import Box, retitle
from tui.widgets.grid import Cell, Column, Grid

_WORKERS: Final = (
    Column("STATE", 6),
    Column("WORKER", 0),
    Column("CONN", 5, right=True),
    Column("TASKS", 6, right=True),
    Column("REC/S", 7, right=True),
    Column("CPU", 5, right=True),
    Column("MEM", 6, right=True),
    Column("BEAT", 6, right=True),
    Column("UP", 7, right=True),
)
_GENERATIONS: Final = (
    Column("GEN", 4, right=True),
    Column("WHEN", 8),
    Column("PHASE", 9),
    Column("WHY", 0),
    Column("TOOK", 6, right=True),
    Column("REVOKED", 7, right=True),
    Column("ASSIGNED", 8, right=True),
)
_NO_GENERATION: Final = "No rebalance in the journal yet"
_NEW_S: Final = 300
_CURRENT_S: Final = 6.0
"""Older than what is asked for every two seconds can be, where the daemon is slow too."""
# phase of a rebalance: glyph, in ASCII, word, role
_PHASES: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "stable": ("✓", "ok", "stable", "green"),
    "revoke": ("↻", "~", "round 1", "violet"),
    "assign": ("↻", "~", "round 2", "violet"),
    "waiting": ("‖", "=", "waiting", "amber"),
    "died": ("✗", "X", "died", "red"),
    "left": ("■", "#", "left", "grey"),
}
_WHY: Final[Mapping[str, str]] = {
    "revoke": "Why two rounds? A task may not run twice, so its old owner gives it up first (round "
    "1) before the new owner starts it (round 2).",
    "assign": "Why two rounds? What round 1 took from its old owners is free now; this round gives "
    "it to the new ones.",
    "waiting": "Why wait? A worker that restarts is back in seconds; its tasks wait for it, up to "
    "scheduled.rebalance.max.delay.ms, rather than move twice.",
    "died": "Its tasks had not been stopped. The group notices a killed worker at its session "
    "timeout, at once when its host's daemon sees it die. They stand still until placed again.",
    "left": "It was stopped in order: its tasks, if it had any, had stopped before it went.",
    "stable": "Only what had to move moved: no other task left its worker. Those whose configuration "
    "changed started again there, the others were not touched.",
}

Rebalance = Mapping[str, Any]


class Workers(View):
    """Members above, what each held over the last minutes, generations and their moves below."""

    NAME: ClassVar[str] = "Workers"
    SHORT: ClassVar[str] = "Work"
    HINTS: ClassVar[Hints] = (
        ("Enter", "moves"),
        ("Tab", "pane"),
        ("[ ]", "generation"),
        ("f", "freeze"),
        ("i", "explain"),
    )
    ABOUT: ClassVar[str] = (
        "Which worker runs what, and every rebalance with its cause. A lane prints the number of "
        "tasks only where it changes; a cross (X) marks a worker that died, a square (#) one that left "
        "in order, a turn (~) one that was back before it was missed; 'wait' is how many tasks wait for "
        "their worker's return. BEAT is how long ago the coordinator answered the worker. Enter on a "
        "generation lists its moves, on a worker its tasks. 'stopped for' is from a task's stop "
        "until it runs again; of a killed worker's task, since the group noticed."
    )
    POLL_S: ClassVar[float | None] = 2.0
    EVENTS: ClassVar[frozenset[str]] = frozenset({"rebalance"})
    STYLE: ClassVar[str] = """
    #members { height: auto; min-height: 5; max-height: 9; } #lanes { height: auto; }
    #generations { width: 1fr; } #moves { width: 45; height: 1fr; }
    .narrow #moves { display: none; }
    .narrow #members { max-height: 6; }
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.rebalances: list[Rebalance] = []
        self._rows: dict[str, tuple[Rebalance, str]] = {}
        self._read_s = float("-inf")

    def compose(self) -> ComposeResult:
        """Give the panes."""
        scene = self.scene
        yield Grid(_WORKERS, self._worker_cells, scene, id="members", title="Workers")
        yield Box(scene, "Tasks held by each worker", id="lanes")
        with Horizontal():
            yield Grid(
                _GENERATIONS,
                self._generation_cells,
                scene,
                id="generations",
                title="Generations",
                empty=_NO_GENERATION,
                fixed="generations stand in the order of time",
            )
            yield Box(scene, "Moves", id="moves")

    def on_mount(self) -> None:
        """Stand on the newest generation."""
        self.query_one("#generations", Grid).can_focus = True

    async def load(self, client: Asker) -> None:
        """Fetch the members' figures and the history."""
        self.scene.model.take_workers(await client.get(f"{PREFIX}/workers"))
        self.rebalances = await client.get(f"{PREFIX}/rebalances?limit=200")
        self._read_s = self.scene.clock()

    def paint(self, now_s: float, dirty: set[str]) -> None:
        """Show members, lanes and generations."""
        if not self.tells(now_s, changed=bool(dirty)):
            return
        scene, model = self.scene, self.scene.model
        members = self.query_one("#members", Grid)
        members.show(in_order(members, self._members()))
        members.renew()
        group = model.group.get("id", "-")
        retitle(
            members,
            f"Workers {len(model.workers)}  group {group}{_manner(model)}",
            f"sort: {members.order}" if members.order else "",
        )
        members.styles.height = min(9, max(4, len(model.workers) + (2 if self.narrow else 3)))
        box = self.query_one("#lanes", Box)
        width = box.content_size.width or self.app.size.width - 4
        picture = lanes(scene, self.rebalances, now_s, width)
        old = self._old(now_s)
        title = f"Tasks held by each worker, last 10 min, 1 cell = {picture.cell}"
        box.put(picture.text, f"{title}  {old}" if old else title)
        box.styles.height = picture.rows + (1 if self.narrow else 2)
        self._paint_generations()

    def _members(self) -> list[str]:
        """Give the workers; with `z` those that are silent."""
        keys = [worker.id for worker in self.scene.model.workers]
        return [key for key in keys if not self.only_problems or self.troubled(key)]

    def troubled(self, key: str) -> bool:
        """Tell whether a worker is silent, or has died."""
        if key in self._rows:
            return self._rows[key][1] == "died"
        return any(one.id == key and one.state != "up" for one in self.scene.model.workers)

    def refilter(self) -> None:
        """Show the rows again at once."""
        self.tell_again()
        self.paint(self.scene.clock(), set())

    def _old(self, now_s: float) -> str:
        """Say how old the picture is where it is: the view was not open, and the answer is on its way."""
        span_s = now_s - self._read_s
        if span_s <= _CURRENT_S or self.scene.stale:
            return ""
        return "loading ..." if not self.rebalances else f"as of {age(span_s)} ago, loading ..."

    def _paint_generations(self) -> None:
        grid = self.query_one("#generations", Grid)
        following = not grid.keys or grid.key == grid.keys[0]
        self._rows = {}
        for entry in self.rebalances:
            self._rows[str(entry["id"])] = (entry, entry["phase"])
            if entry["left"]:
                went = "died" if died(entry) else "left"
                self._rows[f"{entry['id']} {went}"] = (entry, went)
        wanted = self.filter
        keys = [key for key in self._rows if not wanted.text or wanted.matches(self._fields(key))]
        grid.show(keys)
        if following and keys and grid.key != keys[0]:
            grid.go_to(keys[0])
        grid.say_empty(self.nothing(_NO_GENERATION, self._rows))
        how = self._old(self.scene.clock()) or ("following" if following else "")
        self.head(grid, f"Generations  {how}".rstrip())
        self._paint_moves()

    def _paint_moves(self) -> None:
        row = self._rows.get(self.query_one("#generations", Grid).key or "")
        box = self.query_one("#moves", Box)
        if row is None:
            box.put(Text(""), "Moves")
        else:
            moved = len(row[0]["assigned"])
            text = moves(self.scene, *row, width=41)
            many = "" if moved == 1 else "s"
            box.put(text, f"gen {row[0]['gen']}, {moved} task{many} assigned")

    def on_grid_moved(self) -> None:
        """Show the moves of the generation under the cursor."""
        self._paint_moves()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Open a generation's moves, or the tasks of a worker."""
        event.stop()
        if event.grid.id == "members":
            self.app.call_later(self.app.run_action, f"tasks_of('{event.key}')")
            return
        if event.key not in self._rows:
            return
        entry, phase = self._rows[event.key]
        text = moves(self.scene, entry, phase, width=self.app.size.width - 12, full=True)
        self.app.call_later(self.console.show_text, f"gen {entry['gen']}", text)

    def step(self, by: int) -> None:
        """Go to the next generation or the one before; the newest stands first."""
        self.query_one("#generations", Grid).action_move(-by)

    def _fields(self, key: str) -> dict[str, object]:
        entry, phase = self._rows[key]
        return {"phase": phase, "why": entry["cause"]["detail"], "gen": entry["gen"]}

    def _worker_cells(self, key: str) -> Sequence[Cell]:
        model, palette, now_s = self.scene.model, self.scene.palette, self.scene.clock()
        worker = next(worker for worker in model.workers if worker.id == key)
        silent = worker.state != "up"
        glyph, word, role = palette.state("UNASSIGNED" if silent else "RUNNING")
        up_s = None if worker.started_ms is None else now_s - worker.started_ms / 1000
        new = " new" if up_s is not None and up_s < _NEW_S else ""
        name = f"{short_worker(model, key)}{' leader' if key == model.leader else ''}{new}  {key}"
        return (
            Cell(f"{glyph} {'QUIET' if silent else word}"[:6], role),
            Cell(name, "bold"),
            Cell(str(worker.connectors)),
            Cell(str(worker.tasks)),
            Cell(count(worker.rate)),
            Cell("-" if worker.cpu is None else f"{worker.cpu * 100:.0f}%"),
            Cell(size(worker.rss_bytes)),
            Cell(seconds(worker.beat_ms), "grey"),
            Cell("-" if up_s is None else age(up_s), "grey"),
        )

    def _generation_cells(self, key: str) -> Sequence[Cell]:
        entry, phase = self._rows[key]
        palette = self.scene.palette
        glyph, plain, word, role = _PHASES.get(phase, ("?", "?", phase, "grey"))
        left = phase in {"died", "left"}
        # of one that had no tasks nobody can tell whether it stopped them
        how = "left in order" if entry["lost"] else "left the group"
        how = "was killed or lost" if phase == "died" else how
        why = f"{', '.join(entry['left'])} {how}" if left else entry["cause"]["detail"]
        return (
            Cell(str(entry["gen"]), "bold"),
            Cell(time.strftime("%H:%M:%S", time.gmtime(entry["started"] / 1000)), "grey"),
            Cell(f"{plain if palette.ascii else glyph} {word}", role),
            Cell(named(self.scene.model, why)),
            Cell("" if left else seconds(entry["took_ms"])),
            Cell(str(len(entry["lost"]) if left else len(entry["revoked"]))),
            Cell("" if left else str(len(entry["assigned"]))),
        )


def moves(scene: Scene, entry: Rebalance, phase: str, *, width: int, full: bool = False) -> Text:
    """Say who gave which tasks to whom, how long they stood still, and why it happens so."""
    model, palette = scene.model, scene.palette
    arrow = "-" if palette.ascii else "→"
    text = Text(style=palette.text)
    text.append(f"{named(model, entry['cause']['detail'])}\n", "bold")

    def way(move: Mapping[str, Any]) -> tuple[str, str]:
        return str(move["from"] or ""), str(move["to"])

    ways = groupby(sorted(entry["assigned"], key=way), key=way)
    for (old, new), group in ways:
        tasks = [_task_key(move["task"]) for move in group]
        names = f"{short_worker(model, old or None):>3} {arrow} {short_worker(model, new):<3}"
        _put_tasks(text, scene, names, tasks, width, full=full)
    by_owner: dict[str, list[str]] = {}
    for move in entry["revoked"]:
        by_owner.setdefault(move["from"], []).append(_task_key(move["task"]))
    for worker, tasks in sorted(by_owner.items()):
        head = f"{short_worker(model, worker):>3} gives "
        _put_tasks(text, scene, head, tasks, width, full=full)
    if entry["lost"]:
        lost = [_task_key(task) for task in entry["lost"]]
        _put_tasks(text, scene, "lost     ", lost, width, full=full)
    stopped = entry["stopped_ms"]
    if stopped["max"] is not None:
        text.append("\nstopped for  ", palette.grey)
        text.append(f"median {seconds(stopped['p50'])}  max {seconds(stopped['max'])}\n")
        if full:
            spans = sorted(entry["standstill_ms"].items(), key=lambda pair: -pair[1])
            for task, span in spans:
                text.append(f"  {_task_key(task)}  ", palette.grey)
                text.append(f"{seconds(span)}\n")
    if entry["workers"]:
        kept = sum(entry["workers"].values()) - len(entry["assigned"])
        text.append("not moved    ", palette.grey)
        text.append(f"{max(0, kept)} stayed on their workers\n")
    if scene.explain and phase in _WHY:
        head, mark, rest = _WHY[phase].partition("?")
        text.append(f"\n{head}{mark}" if mark else "\n", palette.style("blue"))
        text.append(rest if mark else head, palette.text)
        text.append("\ni hides explanations", palette.grey)
    return text


def _put_tasks(
    text: Text, scene: Scene, head: str, tasks: Sequence[str], width: int, *, full: bool
) -> None:
    palette = scene.palette
    text.append(head, palette.grey)
    text.append(f" {len(tasks):>3}  ", "bold")
    room, shown = width - len(head) - 6, ""
    for at, task in enumerate(tasks):
        more = f" +{len(tasks) - at}"
        if not full and len(shown) + len(task) + 1 + len(more) > room:
            shown += more
            break
        shown += f" {task}" if shown else task
    text.append(f"{shown}\n")


def _task_key(task: str) -> str:
    name, _, number = task.rpartition("-")
    return f"{name}:{number}"


def _manner(model: Model) -> str:
    """Give how the group rebalances, and what it does now."""
    protocol = str(model.group.get("protocol") or "")
    manner = "eager" if protocol == "eager" else "cooperative"
    return f", {manner}" * bool(protocol) + f"  {model.group.get('phase', '')}"
