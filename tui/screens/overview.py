"""The first view: is anything broken, since when, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from tui.client import PREFIX
from tui.model import STEP_S, TREND, Model, Task
from tui.palette import Palette
from tui.scene import Asker, Scene
from tui.screens.view import Hints, Listing, Selection, View
from tui.text import age, cause_first, count, cut, hills, lag, recent, several, size
from tui.widgets.frame import Box
from tui.widgets.grid import Cell, Column, Grid

COLUMNS = (
    Column("STATE", 6),
    Column("CONNECTOR", 20),
    Column("TASK", 4, right=True),
    Column("IO", 2),
    Column("WKR", 4),
    Column("REC/S", 6, right=True),
    Column("LAG", 6, right=True),
    Column("LAST 2 MIN / ERROR", 0),
)
LOADING: Final = "loading ..."
_ADVICE: Final = {
    "FAILED": "It has ended and does not start again by itself: Enter shows the trace, r restarts it.",
    "UNASSIGNED": "No worker has it: the group places it at its next rebalance.",
    "DEGRADED": "It runs, and cannot do its work; it tries again by itself.",
    "PAUSED": "Its connector is paused; p lets it go on from where it is.",
}
"""What a state means for a task, in one sentence."""
_NO_TASKS: Final = "No tasks. A adds a connector"


class TaskList(View):
    """A view whose grid `#tasks` lists tasks, problems first."""

    def selection(self) -> list[Selection]:
        """Give the tasks that are marked, or the one under the cursor."""
        found = []
        for key in self.tasks_grid.chosen:
            name, _, number = key.rpartition(":")
            found.append(Selection(name, int(number)))
        return found

    @property
    def tasks_grid(self) -> Grid:
        """Give the grid."""
        return self.query_one(f"#{self.id}-tasks", Grid)

    def make_grid(self, columns: Sequence[Column] = COLUMNS) -> Grid:
        """Give the grid, to be composed."""
        scene = self.scene
        grid = Grid(
            columns,
            lambda key: task_cells(scene, key),
            scene,
            id=f"{self.id}-tasks",
            title="Tasks",
            empty=LOADING,
        )
        self.listing = Listing(grid, lambda key: task_fields(scene.model, key))
        return grid

    def paint_tasks(self, now_s: float, dirty: set[str]) -> None:
        """Show the tasks in their order, repaint those that changed."""
        model, grid = self.scene.model, self.tasks_grid
        if self.listing.due(now_s, changed=bool(dirty)) or model.reshaped:
            keys = model.problems_first()
            if self.only_problems:
                keys = [key for key in keys if self.troubled(key)]
            self.listing.show(keys, self.filter, now_s)
            total = len(model.tasks)
            shown = f"{len(grid.keys)} of {total}" if len(grid.keys) != total else str(total)
            shown = shown if model.loaded else "-"
            only = "  problems only" if self.only_problems else ""
            self.head(grid, f"Tasks {shown}{only}", "problems first")
            grid.say_empty(self.nothing(_NO_TASKS, total) if model.loaded else LOADING)
        grid.repaint(dirty)

    def refilter(self) -> None:
        """Show the rows again at once."""
        self.tell_again()
        self.listing.expire()
        self.paint(self.scene.clock(), set())

    def troubled(self, key: str) -> bool:
        """Tell whether a task does not run, or is kept from its work."""
        return self.scene.model.tasks[key].health != "RUNNING"

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Open the task in its connector."""
        event.stop()
        name, _, number = event.key.rpartition(":")
        self.app.call_later(self.console.open_connector, name, "Tasks", number)

    def raw(self) -> Any:
        """Give the task under the cursor."""
        task = self.scene.model.tasks.get(self.tasks_grid.key or "")
        return None if task is None else task._asdict()


class Overview(TaskList):
    """Health, flow and lag above the tasks; workers, events and the selected task beside them."""

    NAME: ClassVar[str] = "Overview"
    SHORT: ClassVar[str] = "Over"
    HINTS: ClassVar[Hints] = (
        ("Enter", "open"),
        ("p", "pause"),
        ("r", "restart"),
        ("l", "logs"),
        ("z", "problems"),
        ("e", "edit"),
        ("o", "offsets"),
    )
    ABOUT: ClassVar[str] = (
        "Is anything broken, since when, and why. Problems stand first; a failed task shows its error, "
        "and a degraded one (DEGR), which runs but is kept from its work, what it waits for, where the "
        "others show their rate over the last minutes. REC/S is records a second. LAG is how far behind: "
        "records for a sink (<), time for a source (>), ? where it does not know. Enter opens the task."
    )
    STYLE: ClassVar[str] = """
    Overview .tiles { height: 6; } Overview .tiles Box { height: 6; }
    #health { width: 38; } #flow { width: 1fr; } #lag { width: 32; }
    Overview .left { width: 1fr; } Overview .side { width: 40; }
    #crew { height: 8; } #news { height: 1fr; } #chosen { height: 10; }
    .narrow Overview .tiles { height: 2; } .narrow Overview .tiles Box { height: 2; }
    .narrow #health, .narrow #flow { width: 1fr; padding: 0 1; }
    .narrow Overview .side, .narrow #lag { display: none; }
    """

    def compose(self) -> ComposeResult:
        """Give the panes."""
        with Horizontal(classes="tiles"):
            yield Box(self.scene, "Health", id="health", tile=True)
            yield Box(self.scene, "Throughput rec/s", id="flow", tile=True)
            yield Box(self.scene, "Lag and DLQ", id="lag")
        with Horizontal():
            with Vertical(classes="left"):
                yield self.make_grid()
            with Vertical(classes="side"):
                yield Box(self.scene, "Workers", id="crew")
                yield Box(self.scene, "Rebalances and events", id="news")
                yield Box(self.scene, "Selected", id="chosen")

    def paint(self, now_s: float, dirty: set[str]) -> None:
        """Show the model as it is."""
        scene = self.scene
        model, palette = scene.model, scene.palette
        self.paint_tasks(now_s, dirty)
        if not self.tells(now_s, changed=bool(dirty)):
            return
        wide = not self.narrow
        if wide:
            box = self.query_one("#news", Box)
            box.put(news(model, palette, now_s, 38, box.content_size.height or 20))
            self.put_selected()
        if self.ages_alone:
            return
        self.query_one("#health", Box).put(health(model, palette, wide=wide))
        flow = self.query_one("#flow", Box)
        if wide:
            flow.put(throughput(model, palette, flow.content_size.width or 20))
            self.query_one("#lag", Box).put(behind(scene))
        else:
            flow.put(in_two_lines(scene))
        if wide:
            self.query_one("#crew", Box).put(workers(model, palette))

    async def load(self, client: Asker) -> None:
        """Fetch what happened before this console started."""
        self.scene.model.take_flow(await client.get(f"{PREFIX}/throughput"))
        changes = await client.get(f"{PREFIX}/audit?limit=30")
        rebalances = await client.get(f"{PREFIX}/rebalances?limit=20")
        self.scene.model.remember(changes, rebalances)

    def on_grid_moved(self) -> None:
        """Show the task under the cursor beside the list."""
        self.put_selected()

    def put_selected(self) -> None:
        """Show the selected task's error and since when it has its state."""
        key = self.tasks_grid.key
        scene = self.scene
        text = selected(scene.model, scene.palette, key, scene.clock(), explain=scene.explain)
        self.query_one("#chosen", Box).put(text, f"Selected {key or ''}")


def task_fields(model: Model, key: str) -> dict[str, object]:
    """Give what the filter looks at."""
    task = model.tasks[key]
    known = model.connectors.get(task.connector)
    return {
        "key": key,
        "connector": task.connector,
        "state": f"{task.state} {model.state_of(task)}",
        "type": task.kind,
        "worker": f"{short_worker(model, task.worker)} {task.worker}",
        "plugin": known.plugin if known else "",
        "topic": ",".join(known.topics) if known else "",
        "error": task.error,
        "lag": task.lag,
        "rate": task.rate,
    }


def task_cells(scene: Scene, key: str) -> Sequence[Cell]:
    """Give one task's row; the error stands where the line of dots would."""
    model, palette = scene.model, scene.palette
    task = model.tasks[key]
    glyph, word, role = palette.state(model.state_of(task))
    trend = Cell(recent(model.trends.get(key, ()), TREND, ascii=palette.ascii), palette.accent)
    return (
        Cell(f"{glyph} {word}", role),
        Cell(task.connector, "" if task.health == "RUNNING" else "bold"),
        Cell(str(task.number), "grey"),
        direction(task.kind, palette),
        Cell(short_worker(model, task.worker)),
        Cell(count(task.rate)),
        Cell("?", "amber") if task.dark else Cell(lag(task.lag, task.unit)),
        Cell(cause_first(task.error), "red") if task.error else trend,
    )


def direction(kind: str, palette: Palette) -> Cell:
    """Give whether a connector writes into Kafka or reads out of it."""
    if kind == "source":
        return Cell(">", palette.accent)
    return Cell("<", palette.sink)


def short_worker(model: Model, id: str | None) -> str:
    """Give the worker's short name, `-` for none."""
    if id is None:
        return "-"
    return model.nicknames.get(id, id)


def named(model: Model, text: str) -> str:
    """Give the text with workers' addresses replaced by their short names."""
    for name in sorted(model.nicknames, key=len, reverse=True):
        text = text.replace(name, model.nicknames[name])
    return text


def health(model: Model, palette: Palette, *, wide: bool) -> Text:
    """Give how many tasks are in each state."""
    text = Text(style=palette.text, no_wrap=True)
    if not model.loaded:
        return text.append(LOADING, palette.grey)
    rows: tuple[tuple[str, ...], ...] = (
        ("RUNNING", "PAUSED"),
        ("FAILED", "DEGRADED"),
        ("UNASSIGNED", "RESTARTING"),
    )
    # a stopped connector has no task to count
    stopped = sum(known.state == "STOPPED" for known in model.connectors.values())
    counts = model.counts + Counter(STOPPED=stopped)
    if not wide:
        # what runs above what has lost its worker, beside each what is wrong or asked for
        last = "STOPPED" if stopped and not counts["RESTARTING"] else "RESTARTING"
        rows = ("RUNNING", "FAILED", "DEGRADED"), ("UNASSIGNED", "PAUSED", last)
    for row in rows:
        for state in row:
            glyph, word, role = palette.state(state)
            name = state.lower().ljust(11) if wide else word.lower().ljust(4)
            style = palette.style(role) if counts[state] or state == "RUNNING" else palette.grey
            text.append(f"{glyph} {counts[state]:>3} ", style)
            text.append(f"{name} ", palette.text if counts[state] else palette.grey)
        text.append("\n")
    if wide:
        text.append(several(len(model.connectors), "connector"), palette.grey)
        if stopped:
            text.append(f", {stopped} stopped", palette.text)
        text.append(f", {several(len(model.workers), 'worker')}", palette.grey)
    return text


def in_and_out(model: Model, palette: Palette) -> Text:
    """Give records per second into Kafka and out of it."""
    text = Text(style=palette.text, no_wrap=True, overflow="ellipsis")
    into, out = (model.totals.into, model.totals.out) if model.loaded else (None, None)
    text.append("> in ", palette.accent)
    text.append(f"{count(into)}  ", "bold")
    text.append("< out ", palette.sink)
    return text.append(count(out), "bold")


def in_two_lines(scene: Scene) -> Text:
    """Give the flow, below it how far sinks and sources are behind, and what came into dead letter queues."""
    model, palette = scene.model, scene.palette
    text = in_and_out(model, palette)
    text.append("\nlag ", palette.grey)
    text.append(count(model.totals.sink_lag) if model.loaded else "-", "bold")
    if model.totals.unknown:
        text.append(f" {model.totals.unknown} unknown", palette.style("amber"))
    late, letters = model.totals.latest, new_letters(scene)
    if model.totals.dark is not None:
        text.append(", ?", palette.style("amber"))
    elif late is not None:
        text.append(f", {lag(late.lag, 'ms')}")
    text.append("  DLQ ", palette.grey)
    style = palette.style("amber") if letters else palette.text
    return text.append(f"+{letters}" if letters else count(letters), style)


def new_letters(scene: Scene) -> int | None:
    """Give how many dead letters came in the last hour, None before the first answer."""
    found = sum(int(queue.get("new_1h") or 0) for queue in scene.queues)
    return found if scene.counted or found else None


def throughput(model: Model, palette: Palette, width: int) -> Text:
    """Give records per second in and out, and their last minutes: in stands on out."""
    text = in_and_out(model, palette)
    plain = palette.ascii
    seen = min(len(model.flow), width * (1 if plain else 2))
    text.append(f"  last {age(seen * STEP_S)}\n" if seen else "\n", palette.grey)
    high = hills([pair[0] for pair in model.flow], width, 2, ascii=plain)
    low = hills([pair[1] for pair in model.flow], width, 1, down=True, ascii=plain)
    text.append("\n".join(high) + "\n", palette.accent)
    return text.append("\n".join(low), palette.sink)


def behind(scene: Scene) -> Text:
    """Give the sinks' lag in all, whose source is furthest behind, dead letters and failures."""
    model, palette = scene.model, scene.palette
    text = Text(style=palette.text, no_wrap=True, overflow="ellipsis")
    if not model.loaded:
        return text.append(LOADING, palette.grey)
    text.append("sink lag  ", palette.grey)
    text.append(f"{count(model.totals.sink_lag)} rec", "bold")
    if model.totals.unknown:
        # where it is not known there is no trend of it either
        text.append(f" {model.totals.unknown} unknown\n", palette.style("amber"))
    else:
        _put_change(text, model, palette)
    late = model.totals.latest
    text.append("oldest    ", palette.grey)
    if model.totals.dark is not None:
        text.append(f"? {model.totals.dark.connector}\n", palette.style("amber"))
    else:
        text.append("-\n" if late is None else f"{lag(late.lag, 'ms')} {late.connector}\n")
    new = new_letters(scene)
    text.append("DLQ       ", palette.grey)
    text.append(count(new), palette.style("amber") if new else palette.text)
    text.append(" new in 1 h\n", palette.text)
    failed = model.counts["FAILED"]
    broken = sum(known.state == "FAILED" for known in model.connectors.values())
    text.append("failed    ", palette.grey)
    text.append(several(failed, "task"), palette.style("red") if failed else palette.text)
    if broken:
        text.append(f" {broken} connectors", palette.style("red"))
    return text


def _put_change(text: Text, model: Model, palette: Palette) -> None:
    """Append by how much the sinks' lag has changed in the time that lines of tasks cover."""
    before = model.lags[0] if model.lags and model.totals.sink_lag else 0.0
    percent = round((model.totals.sink_lag - before) / before * 100) if before else 0
    if percent:
        style = palette.style("amber" if percent > 0 else "green")
        text.append(f"  {max(-999, min(percent, 999)):+} %", style)
    text.append("\n")


def workers(model: Model, palette: Palette) -> Text:
    """Give the group's members and what each holds."""
    text = Text(style=palette.text, no_wrap=True, overflow="ellipsis")
    for worker in sorted(model.workers, key=lambda worker: worker.id):
        silent = worker.state != "up"
        glyph, _, role = palette.state("UNASSIGNED" if silent else "RUNNING")
        text.append(f"{glyph} ", palette.style(role))
        text.append(f"{short_worker(model, worker.id)} ", "bold")
        text.append("leader " if worker.id == model.leader else "       ", palette.accent)
        text.append(f"{worker.tasks:>4} tasks ", palette.text)
        cpu = "-" if worker.cpu is None else f"{worker.cpu * 100:.0f}%"
        text.append(f"{cpu:>5} {size(worker.rss_bytes):>6}\n", palette.grey)
    return text


def news(model: Model, palette: Palette, now_s: float, width: int, height: int) -> Text:
    """Give what happened last, newest first, as much as there is room for."""
    text = Text(style=palette.text, no_wrap=True)
    for entry in islice(model.news, height):
        text.append(f"{age(now_s - entry.ts / 1000):>6} ", palette.grey)
        glyph, role = palette.sign(entry.sign)
        text.append(f"{glyph} ", palette.style(role))
        text.append(cut(named(model, entry.text), width - 10, ascii=palette.ascii) + "\n")
    if model.remembers and not model.news:
        text.append("Nothing has happened as far as the journal goes.", palette.grey)
    return text


def selected(
    model: Model, palette: Palette, key: str | None, now_s: float, *, explain: bool = False
) -> Text:
    """Give the whole first line of the selected task's error, and since when; `explain` says what to do."""
    task: Task | None = model.tasks.get(key or "")
    text = Text(style=palette.text)
    if task is None:
        return text
    _, word, role = palette.state(task.health)
    text.append(f"{word} ", palette.style(role))
    if task.since is not None:
        text.append(f"for {age(now_s - task.since / 1000)}", palette.grey)
    text.append(f"  on {short_worker(model, task.worker)} {task.worker or ''}", palette.grey)
    text.append(f"  restarts {task.restarts}\n" if task.restarts else "\n", palette.grey)
    if task.error:
        text.append(f"{task.error}\n", palette.style("red"))
    if explain and task.health in _ADVICE:
        text.append(_ADVICE[task.health], palette.grey)
    return text
