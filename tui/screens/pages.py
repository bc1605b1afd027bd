"""The tabs of a connector: tasks, configuration, offsets, topics, errors, history, log lines."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from rich.text import Text

from tui.client import PREFIX, AnswerError, escaped
from tui.diff import put_changes
from tui.filters import Filter
from tui.model import reason
from tui.places import place_text
from tui.revisions import changes
from tui.scene import Asker, Scene
from tui.screens.overview import short_worker
from tui.screens.view import Hints, in_order
from tui.text import ago, cause_first, count, lag, seconds, size
from tui.veil import veiled
from tui.widgets.grid import Cell, Column, Grid

_RECORD: Final = re.compile(r"consumed record is \{topic='([^']*)', partition=(\d+), offset=(\d+)")
Entry = dict[str, Any]


class Page:
    """One tab: rows by key, and a text about each."""

    TITLE: ClassVar[str]
    COLUMNS: ClassVar[tuple[Column, ...]]
    EMPTY: ClassVar[str] = ""
    SHORT_TABLE: ClassVar[bool] = False
    HINTS: ClassVar[Hints] = ()

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.name = ""
        self.rows: dict[str, Entry] = {}
        self.wanted: str | None = None
        self.grid_id = f"tab-{self.TITLE.lower()}"

    def make_grid(self) -> Grid:
        """Give the table, to be composed."""
        self.grid = Grid(
            self.COLUMNS,
            self.cells,
            self.scene,
            id=self.grid_id,
            title=self.TITLE,
            empty=self.EMPTY,
        )
        return self.grid

    def open(self, name: str) -> None:
        """Show another connector."""
        if name != self.name:
            self.name, self.rows = name, {}

    @property
    def _path(self) -> str:
        return f"/connectors/{escaped(self.name)}"

    async def load(self, client: Asker) -> None:
        """Fetch the rows. Raises ClientError."""

    def paint(self, wanted: Filter) -> None:
        """Show the rows that match."""
        keys = [key for key, row in self.rows.items() if not wanted.text or wanted.matches(row)]
        self.grid.show(in_order(self.grid, keys))
        if self.wanted in keys:
            self.grid.go_to(str(self.wanted))
            self.wanted = None
        self.grid.renew()

    def cells(self, key: str) -> Sequence[Cell]:
        """Give a row."""
        raise NotImplementedError

    def about(self, key: str | None) -> tuple[str, Text]:
        """Give title and text for a row."""
        del key
        return "", Text()

    def raw(self, key: str) -> Any:
        """Give what a row stands for, as the daemon tells it."""
        return self.rows.get(key)

    def enter(self, key: str) -> bool:
        """Open a row; False shows its text."""
        del key
        return False

    def _open_topic(self, key: str, topic: str, place: tuple[int, int] | None = None) -> None:
        """Show a topic's records in their view, which leads back to the row `key` here."""
        app: Any = self.grid.app
        back = partial(app.open_connector, self.name, self.TITLE, key)
        app.call_later(app.open_topic, topic, back, place)

    def _open_record(self, key: str, trace: str) -> bool:
        """Show the record that a trace names; False when it names none."""
        found = None if self.scene.stock else _RECORD.search(trace)
        if found is None:
            return False
        self._open_topic(key, found[1], (int(found[2]), int(found[3])))
        return True

    def _put_record(self, text: Text, trace: str) -> None:
        """Append which record a trace names, and the key that reads it."""
        found = None if self.scene.stock else _RECORD.search(trace)
        if found is not None:
            text.append(f"record {found[1]}/{found[2]}@{found[3]}: Enter reads it\n\n", "bold")

    def on_command(self, command: str) -> bool:
        """Take a key; False leaves it."""
        del command
        return False


class TasksPage(Page):
    """Tasks with their figures; the trace of the one that failed."""

    TITLE = "Tasks"
    COLUMNS = (
        Column("STATE", 6),
        Column("TASK", 4, right=True),
        Column("WKR", 4),
        Column("REC/S", 6, right=True),
        Column("LAG", 6, right=True),
        Column("BATCH p95", 9, right=True),
        Column("COMMIT", 7, right=True),
        Column("RETRIES", 7, right=True, wide=True),
        Column("REJECTED", 8, right=True, wide=True),
        Column("RESTARTS", 8, right=True, wide=True),
        Column("SINCE", 7, right=True),
        Column("ERROR", 0),
    )
    EMPTY = "No tasks: the connector is stopped, or its configuration makes none"
    SHORT_TABLE = True

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._traces: dict[str, str] = {}
        self._figures: Mapping[str, Mapping[str, Any]] = {}

    async def load(self, client: Asker) -> None:
        """Fetch traces and figures."""
        status = await client.get(f"{self._path}/status")
        self._traces = {str(task["id"]): task.get("trace") or "" for task in status["tasks"]}
        self._figures = await client.get(f"{PREFIX}{self._path}/metrics")

    def paint(self, wanted: Filter) -> None:
        """Show the tasks as the model knows them."""
        self.rows = {
            str(task.number): {"state": task.state, "worker": task.worker, "error": task.error}
            for task in self.scene.model.tasks_of(self.name)
        }
        super().paint(wanted)

    def cells(self, key: str) -> Sequence[Cell]:
        model, palette = self.scene.model, self.scene.palette
        task = model.tasks[f"{self.name}:{key}"]
        figures = self._figures.get(key, {})
        glyph, word, role = palette.state(model.state_of(task))
        batch = figures.get("put-batch-p95-time-ms", figures.get("poll-batch-p95-time-ms"))
        return (
            Cell(f"{glyph} {word}", role),
            Cell(key),
            Cell(short_worker(model, task.worker)),
            Cell(count(task.rate)),
            Cell("?", "amber") if task.dark else Cell(lag(task.lag, task.unit)),
            Cell(seconds(batch)),
            Cell(ago(figures.get("last_commit_ms"), self.scene.clock())),
            Cell(count(figures.get("total-retries"))),
            # each record once; total-record-failures counts retries, and not what a task itself rejects
            Cell(count(figures.get("total-record-errors"))),
            Cell(count(task.restarts)),
            Cell(ago(task.since, self.scene.clock()), "grey"),
            Cell(cause_first(task.error or ""), "red"),
        )

    def about(self, key: str | None) -> tuple[str, Text]:
        if key is None:
            return "", Text(self.EMPTY, self.scene.palette.grey)
        trace = self._traces.get(key, "")
        # what was fetched may be older than the state
        if not trace or self.rows.get(key, {}).get("state") != "FAILED":
            return self._running(key)
        text = Text(style=self.scene.palette.text)
        self._put_record(text, trace)
        text.append(f"{reason(trace)}\n", self.scene.palette.style("red"))
        if self.scene.explain:
            text.append(f"{_advice(trace)}\n", self.scene.palette.grey)
        text.append("\n")
        for line in trace.splitlines():
            causes = not line.startswith(("\t", " "))
            text.append(line + "\n", self.scene.palette.style("red") if causes else "")
        return f"Why task {key} failed; n N next Caused by, c copy", text

    def raw(self, key: str) -> Any:
        task = self.scene.model.tasks.get(f"{self.name}:{key}")
        figures = dict(self._figures.get(key, {}))
        trace = self._traces.get(key) or None
        return None if task is None else {**task._asdict(), "trace": trace, "figures": figures}

    def enter(self, key: str) -> bool:
        failed = self.rows.get(key, {}).get("state") == "FAILED"
        return failed and self._open_record(key, self._traces.get(key, ""))

    def _running(self, key: str) -> tuple[str, Text]:
        """Give what keeps a task from its work, below it its figures."""
        palette, text = self.scene.palette, Text(style=self.scene.palette.text)
        trouble = self.rows.get(key, {}).get("error")
        if trouble:
            text.append(f"{trouble}\n", palette.style("red"))
            if self.scene.explain:
                text.append("It waits and tries again; nothing needs a restart.\n", palette.grey)
            text.append("\n")
        for name, value in sorted(self._figures.get(key, {}).items()):
            if name != "trouble":
                text.append(f"{name:<38}", palette.grey)
                text.append("?\n" if value is None else f"{value}\n")
        return f"What task {key} waits for" if trouble else f"Task {key}", text


def _advice(trace: str) -> str:
    """Say what can be done about a trace."""
    if "Tolerance exceeded" in trace:
        return (
            "A record could not be processed. e changes the options: errors.tolerance=all leaves out such "
            "records, and a sink keeps them by errors.deadletterqueue.topic.name. r restarts it as it is."
        )
    return "Mend the cause, or change options by e; then r restarts the task, r on the connector all of them."


class ConfigPage(Page):
    """The configuration with its defaults; what a key means below."""

    TITLE = "Config"
    COLUMNS = (Column("KEY", 40), Column("", 8), Column("VALUE", 0))
    EMPTY = "Reading the configuration ..."

    async def load(self, client: Asker) -> None:
        """Fetch the configuration and what its plugin says about each key."""
        config = await client.get(f"{self._path}/config")
        plugin = escaped(config.get("connector.class", ""))
        try:
            told = await client.request(
                "PUT", f"/connector-plugins/{plugin}/config/validate", config
            )
        except AnswerError:
            # an unknown class: the configuration is shown all the same
            told = {"configs": []}
        known = {entry["definition"]["name"]: entry for entry in told["configs"]}
        rows: dict[str, Entry] = {}
        for key, value in config.items():
            rows[key] = {"key": key, "value": value, "from": "set", **_told(known.get(key))}
        for key, entry in known.items():
            value = entry["value"]["value"]
            if key not in rows and value not in {None, ""}:
                rows[key] = {"key": key, "value": value, "from": "default", **_told(entry)}
        self.rows = rows

    def raw(self, key: str) -> Any:
        row = self.rows.get(key)
        return None if row is None else {**row, "value": self._value(key)}

    def cells(self, key: str) -> Sequence[Cell]:
        row = self.rows[key]
        is_set = row["from"] == "set"
        wrong = bool(row.get("errors"))
        return (
            Cell(key, "bold" if is_set else "grey"),
            Cell("error" if wrong else str(row["from"]), "red" if wrong else "grey"),
            Cell(self._value(key), "" if is_set else "grey"),
        )

    def about(self, key: str | None) -> tuple[str, Text]:
        row = self.rows.get(key or "")
        text = Text(style=self.scene.palette.text)
        if row is None:
            return "", text
        text.append(f"{self._value(str(key))}\n\n", "bold")
        for error in row.get("errors", ()):
            text.append(f"{error}\n", self.scene.palette.style("red"))
        text.append(str(row.get("doc") or "Not a key that the plugin declares.") + "\n")
        if row.get("type"):
            default = "" if row["default"] is None else f", default {row['default']}"
            text.append(f"\n{row['type']}{default}", self.scene.palette.grey)
        return str(key), text

    def _value(self, key: str) -> str:
        """Give a value as it may be shown."""
        row = self.rows[key]
        type_ = str(row.get("type", "")).partition(",")[0]
        return veiled(key, row["value"], type_, ascii=self.scene.palette.ascii)


def _told(entry: Mapping[str, Any] | None) -> Entry:
    if entry is None:
        return {}
    definition = entry["definition"]
    return {
        "doc": definition["documentation"],
        "type": f"{definition['type'].lower()}, {definition['importance'].lower()}",
        "default": definition["default_value"],
        "errors": entry["value"]["errors"],
    }


class OffsetsPage(Page):
    """Where the connector stands."""

    TITLE = "Offsets"
    HINTS = (("o", "alter"),)
    COLUMNS = (Column("PARTITION", 44), Column("OFFSET", 0))
    EMPTY = "No offsets yet"

    async def load(self, client: Asker) -> None:
        """Fetch the committed offsets."""
        found = await client.get(f"{self._path}/offsets")
        self.rows = {
            place_text(entry["partition"]): {
                "partition": place_text(entry["partition"]),
                "offset": place_text(entry["offset"]),
                "entry": entry,
            }
            for entry in found["offsets"]
        }

    def cells(self, key: str) -> Sequence[Cell]:
        return (Cell(key), Cell(str(self.rows[key]["offset"])))

    def about(self, key: str | None) -> tuple[str, Text]:
        row = self.rows.get(key or "")
        text = Text(style=self.scene.palette.text)
        if row is not None:
            for side in ("partition", "offset"):
                text.append(f"{side}\n", self.scene.palette.grey)
                for name, value in (row["entry"][side] or {}).items():
                    text.append(f"  {name:<23} ", self.scene.palette.grey)
                    text.append(f"{value}\n")
        text.append("\no shows how far behind, and alters them", self.scene.palette.grey)
        return "Offset", text


class TopicsPage(Page):
    """What its tasks have used, and what the cluster knows of it."""

    TITLE = "Topics"
    HINTS = (("Enter", "records"),)
    COLUMNS = (Column("TOPIC", 0),)
    EMPTY = "None used yet"

    async def load(self, client: Asker) -> None:
        """Fetch the topics."""
        found = await client.get(f"{self._path}/topics")
        known = [] if self.scene.stock else await client.get(f"{PREFIX}/topics")
        told = {entry["topic"]: entry for entry in known}
        self.rows = {
            topic: told.get(topic, {"topic": topic}) for topic in found[self.name]["topics"]
        }

    def cells(self, key: str) -> Sequence[Cell]:
        return (Cell(key),)

    def about(self, key: str | None) -> tuple[str, Text]:
        row, palette = self.rows.get(key or ""), self.scene.palette
        text = Text(style=palette.text)
        if row is None or self.scene.stock:
            return "Topic", text
        if "partitions" not in row:
            return "Topic", text.append("The cluster has no such topic any more.", palette.grey)
        for word, value in (
            ("partitions", str(row["partitions"])),
            ("records", count(row["records"])),
            ("size", size(row.get("size_bytes"))),
            ("written by", ", ".join(row["written_by"]) or "-"),
            ("read by", ", ".join(row["read_by"]) or "-"),
        ):
            text.append(f"{word:<12}", palette.grey)
            text.append(f"{value}\n")
        return "Topic", text.append("\nEnter shows its records", palette.grey)

    def enter(self, key: str) -> bool:
        """Show the topic's records in the view of topics."""
        if self.scene.stock or "partitions" not in self.rows.get(key, {}):
            return False
        self._open_topic(key, key)
        return True


class StatesPage(Page):
    """Changes of state of the connector and its tasks, newest first, with traces."""

    TITLE = "States"
    COLUMNS = (
        Column("WHEN", 19),
        Column("WHO", 9),
        Column("TO", 10),
        Column("WKR", 4),
        Column("WHY", 0),
    )
    EMPTY = "No change of state in the journal"

    async def load(self, client: Asker) -> None:
        """Fetch the journal's entries."""
        found = await client.get(f"{PREFIX}{self._path}/transitions?limit=200")
        self.rows = {str(entry["id"]): entry for entry in found}

    def cells(self, key: str) -> Sequence[Cell]:
        row = self.rows[key]
        _, _, role = self.scene.palette.state(row["to"])
        task = row["type"] == "task"
        trace = str(row.get("trace") or "")
        return (
            Cell(_when(row["ts"]), "grey"),
            Cell(f"task {row['key'].rpartition('-')[2]}" if task else "connector"),
            Cell(str(row["to"]), role),
            Cell(short_worker(self.scene.model, row["worker"])),
            Cell(trace.partition("\n")[0] or str(row.get("cause") or ""), "red" if trace else ""),
        )

    def about(self, key: str | None) -> tuple[str, Text]:
        row = self.rows.get(key or "", {})
        trace = str(row.get("trace") or "")
        text = Text(style=self.scene.palette.text)
        self._put_record(text, trace)
        return "Trace", text.append(trace or str(row.get("cause") or ""))

    def enter(self, key: str) -> bool:
        return self._open_record(key, str(self.rows.get(key, {}).get("trace") or ""))


class HistoryPage(Page):
    """Revisions of the configuration, each with what it changed."""

    TITLE = "History"
    HINTS = (("u", "apply revision"),)
    COLUMNS = (Column("WHEN", 19), Column("BY", 14), Column("WKR", 4), Column("CHANGED", 0))
    EMPTY = "No revision in the journal"

    async def load(self, client: Asker) -> None:
        """Fetch the revisions."""
        found = await client.get(f"{PREFIX}{self._path}/history?limit=100")
        older = [*found[1:], {"config": None}]
        self.rows = {
            str(entry["id"]): {**entry, "before": before["config"] or {}}
            for entry, before in zip(found, older, strict=True)
        }

    def cells(self, key: str) -> Sequence[Cell]:
        row = self.rows[key]
        changed = changes(row["before"], row["config"] or {})
        words = ", ".join(changed) if row["before"] else "created"
        return (
            Cell(_when(row["ts"]), "grey"),
            # of a file that owns the connector its name, not the folder
            Cell(str(row.get("by") or "-").rpartition("/")[2]),
            Cell(short_worker(self.scene.model, row["worker"])),
            Cell("deleted" if row["config"] is None else words or "nothing"),
        )

    def about(self, key: str | None) -> tuple[str, Text]:
        row = self.rows.get(key or "")
        text = Text(style=self.scene.palette.text)
        if row is not None:
            place = row.get("from")
            where = f" from {place}" if place not in (None, row.get("by")) else ""
            by = row.get("by") or "not known: a Kafka Connect worker, or before the journal began"
            text.append("by  ", self.scene.palette.grey)
            text.append(f"{by}{where}\n")
            put_changes(text, self.scene.palette, row["before"], row["config"] or {})
            if self._applies(key):
                text.append("\nu applies this revision", self.scene.palette.grey)
        return "What it changed", text

    def on_command(self, command: str) -> bool:
        row = self.rows.get(self.grid.key or "")
        if command != "undo" or row is None or row["config"] is None:
            return False
        app: Any = self.grid.app
        if not self._applies(self.grid.key):
            app.say("this is the present configuration", "grey")
            return True
        app.act(app.editing.apply(self.name, row["config"]))
        return True

    def _applies(self, key: str | None) -> bool:
        """Tell whether a revision is another one than the present, which stands first."""
        row = self.rows.get(key or "")
        now = next(iter(self.rows.values()), None)
        return row is not None and row["config"] not in (None, now and now["config"])


class LogPage(Page):
    """Log lines that name the connector."""

    TITLE = "Log"
    COLUMNS = (Column("WHEN", 8), Column("LEVEL", 5), Column("WKR", 4), Column("LINE", 0))
    EMPTY = "No log line of it in the daemon's memory; l shows all"

    async def load(self, client: Asker) -> None:
        """Fetch the lines."""
        query = f"connector={escaped(self.name)}&limit=300"
        found = await client.get(f"{PREFIX}/logs/recent?{query}")
        self.rows = {f"{row['worker']} {row['id']}": row for row in reversed(found)}

    def cells(self, key: str) -> Sequence[Cell]:
        row = self.rows[key]
        role = {"ERROR": "red", "WARN": "amber"}.get(row["level"], "grey")
        return (
            Cell(time.strftime("%H:%M:%S", time.gmtime(row["ts"] / 1000)), "grey"),
            Cell(row["level"], role),
            Cell(short_worker(self.scene.model, row["worker"])),
            Cell(row["message"]),
        )

    def about(self, key: str | None) -> tuple[str, Text]:
        row = self.rows.get(key or "", {})
        return str(row.get("logger", "")), Text(str(row.get("message", "")))


def _when(ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ms / 1000))
