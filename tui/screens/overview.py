"""The first view: is anything broken, since when, and why."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tui.model import Model, Task
from tui.palette import Palette
from tui.text import age, count, cut, dots, lag
from tui.widgets.grid import Cell, Column

COLUMNS = (
    Column("STATE", 6),
    Column("CONNECTOR", 20),
    Column("TASK", 4, right=True),
    Column("IO", 2),
    Column("WKR", 6),
    Column("REC/S", 6, right=True),
    Column("LAG", 6, right=True),
    Column("TREND / ERROR", 0),
)


def task_cells(model: Model, palette: Palette, key: str) -> Sequence[Cell]:
    """Give one task's row; the error stands where the line of dots would."""
    task = model.tasks[key]
    glyph, word, role = palette.state(task.state)
    trend = Cell(dots(model.trends.get(key, ()), 30, ascii=palette.ascii), palette.accent)
    return (
        Cell(f"{glyph} {word}", role),
        Cell(task.connector, "" if task.state == "RUNNING" else "bold"),
        Cell(str(task.number), "grey"),
        direction(task, palette),
        Cell(short_worker(model, task.worker)),
        Cell(count(task.rate)),
        Cell(lag(task.lag, task.unit)),
        Cell(task.error, "red") if task.error else trend,
    )


def direction(task: Task, palette: Palette) -> Cell:
    """Give whether a task writes into Kafka or reads out of it."""
    if task.kind == "source":
        return Cell(">" if palette.ascii else "▲", palette.accent)
    return Cell("<" if palette.ascii else "▼", palette.sink)


def short_worker(model: Model, id: str | None) -> str:
    """Give w1, w2 .. by the order of addresses; `-` for none, `gone` for one that left."""
    if id is None:
        return "-"
    known = sorted(worker.id for worker in model.workers)
    return f"w{known.index(id) + 1}" if id in known else "gone"


def health(model: Model, palette: Palette, *, wide: bool) -> Text:
    """Give how many tasks are in each state."""
    counts = model.counts()
    text = Text(style=palette.text)
    rows = (
        ("RUNNING", "PAUSED"),
        ("FAILED", "STOPPED"),
        ("UNASSIGNED", "RESTARTING"),
    )
    for row in rows:
        for state in row:
            glyph, word, role = palette.state(state)
            name = state.lower().ljust(11) if wide else word.lower().ljust(4)
            style = palette.style(role) if counts[state] or state == "RUNNING" else palette.grey
            text.append(f"{glyph} {counts[state]:>3} ", style)
            text.append(f"{name} ", palette.text if counts[state] else palette.grey)
        text.append("\n")
    if wide:
        sums = f"{len(model.connectors)} connectors, {len(model.workers)} workers"
        text.append(sums, palette.grey)
    return text


def throughput(model: Model, palette: Palette, width: int) -> Text:
    """Give records per second in and out, and their last minutes."""
    into, out = model.rates()
    up, down = (">", "<") if palette.ascii else ("▲", "▼")
    text = Text(style=palette.text)
    text.append(f"{up} in ", palette.accent)
    text.append(f"{count(into)}  ", "bold")
    text.append(f"{down} out ", palette.sink)
    text.append(f"{count(out)}\n", "bold")
    plain = palette.ascii
    text.append(dots([pair[0] for pair in model.flow], width, ascii=plain) + "\n", palette.accent)
    text.append(dots([pair[1] for pair in model.flow], width, ascii=plain), palette.sink)
    return text


def behind(model: Model, palette: Palette) -> Text:
    """Give the sinks' lag in all, and whose source is furthest behind."""
    text = Text(style=palette.text)
    text.append("sink lag  ", palette.grey)
    text.append(f"{count(model.sink_lag())} rec\n", "bold")
    late = max(
        (task for task in model.tasks.values() if task.unit == "ms" and task.lag is not None),
        key=lambda task: task.lag or 0,
        default=None,
    )
    text.append("oldest    ", palette.grey)
    text.append("-\n" if late is None else f"{lag(late.lag, 'ms')} {late.connector}\n")
    failed = model.counts()["FAILED"]
    text.append("failed    ", palette.grey)
    text.append(f"{failed} tasks", palette.style("red") if failed else palette.text)
    broken = sum(known.state == "FAILED" for known in model.connectors.values())
    if broken:
        text.append(f" {broken} connectors", palette.style("red"))
    return text


def workers(model: Model, palette: Palette) -> Text:
    """Give the group's members and what each holds."""
    text = Text(style=palette.text, no_wrap=True, overflow="ellipsis")
    leader = str(model.group.get("leader") or "")
    for worker in sorted(model.workers, key=lambda worker: worker.id):
        text.append(f"{palette.state('RUNNING')[0]} ", palette.style("green"))
        text.append(f"{short_worker(model, worker.id)} ", "bold")
        text.append("leader " if worker.id in leader else "       ", palette.accent)
        text.append(f"{worker.tasks:>4} tasks ", palette.text)
        text.append(f"{worker.id}\n", palette.grey)
    return text


def news(model: Model, palette: Palette, now_s: float, width: int) -> Text:
    """Give what happened last, newest first."""
    text = Text(style=palette.text, no_wrap=True)
    mark = "*" if palette.ascii else "▪"
    for entry in model.news:
        text.append(f"{age(now_s - entry.ts / 1000):>6} ", palette.grey)
        text.append(f"{mark} ", palette.style(entry.role))
        text.append(cut(entry.text, width - 10, ascii=palette.ascii) + "\n")
    if not model.news:
        text.append("Nothing has happened since this console started.", palette.grey)
    return text


def selected(model: Model, palette: Palette, key: str | None, now_s: float) -> Text:
    """Give the whole first line of the selected task's error, and since when."""
    task = model.tasks.get(key or "")
    text = Text(style=palette.text)
    if task is None:
        return text
    _, word, role = palette.state(task.state)
    text.append(f"{word} ", palette.style(role))
    if task.since is not None:
        text.append(f"for {age(now_s - task.since / 1000)}", palette.grey)
    text.append(f"  on {task.worker or 'no worker'}\n", palette.grey)
    if task.error:
        text.append(task.error, palette.style("red"))
    return text
