"""Dead letter queues: what sinks could not process, why, and sending it again."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from tui import keys
from tui.calls import ours
from tui.client import PREFIX, escaped
from tui.filters import literal
from tui.letters import TABS, letter_text
from tui.model import reason
from tui.replaying import Replaying, whole_path
from tui.scene import NO_FILES, Asker, Scene
from tui.screens.dialogs import Choice
from tui.screens.view import Hints, Listing, Selection, View, in_order
from tui.text import age, count, several
from tui.widgets.frame import Pane, retitle
from tui.widgets.grid import Cell, Column, Grid

if TYPE_CHECKING:
    from tui.app import Console

_QUEUES: Final = (
    Column("DLQ TOPIC", 0),
    Column("RECS", 5, right=True),
    Column("+1h", 4, right=True),
    Column("AGE", 5, right=True),
)
_LETTERS: Final = (
    Column("TIME", 8),
    Column("FROM TOPIC/PART@OFFSET", 24),
    Column("STAGE", 9),
    Column("ERROR", 0),
)
_STAGES: Final[Mapping[str, str]] = {
    "VALUE_CONVERTER": "value",
    "KEY_CONVERTER": "key",
    "HEADER_CONVERTER": "header",
    "TRANSFORMATION": "transform",
    "TASK_PUT": "put",
}
FORMS: Final = ("auto", "avro", "protobuf", "jsonschema", "connect-json", "json", "text", "hex")
LIMIT: Final = 500
_ABSENT: Final = "not there yet"

Letter = dict[str, Any]


class LetterGrid(Grid):
    """The table of dead letters, where G groups and End goes to the end."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.named(keys.LETTER_KEYS)]


class Dlq(View):
    """Queues, the letters of one of them, and the letter under the cursor."""

    NAME: ClassVar[str] = "DLQ"
    SHORT: ClassVar[str] = "DLQ"
    POLL_S: ClassVar[float | None] = 5.0
    EVENTS: ClassVar[frozenset[str]] = frozenset({"discard", "purge", "dlq"})
    HINTS: ClassVar[Hints] = (
        ("r", "replay"),
        ("R", "edit+replay"),
        ("D", "discard"),
        ("t", "queue"),
        ("[ ]", "tab"),
        ("v", "view as"),
        ("space", "mark"),
        ("F", "same error"),
        ("G", "group"),
        ("E", "export"),
    )
    ABOUT: ClassVar[str] = (
        "Records that a sink could not process, newest first. Why names the stage, the place it "
        "came from and the cause; Payload shows it as the connector's converter, JSON, text or hex "
        "would (v changes that). A letter keeps the time of its record: TIME, +1h and AGE, that of the "
        "newest one, count from there and not from when it was written into the queue. r replays: "
        "first a dry run with today's configuration, then, if "
        "you agree, a job sends them to a retry topic that only this connector reads, or to the "
        "topic they came from. R edits one payload first. D hides letters (Kafka deletes no single "
        "record); P purges a queue, or a partition up to the cursor, for good. The newest 500 are "
        "loaded, End loads more. F keeps only letters with the same error, Esc shows all again."
    )
    STYLE: ClassVar[str] = """
    #dlq .upper { height: 40%; } #queues { width: 44; }
    #letters { width: 1fr; height: 1fr; } #letter { height: 1fr; }
    .narrow #queues { display: none; }
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.topic = ""
        self.letters: dict[str, Letter] = {}
        self.tab = 0
        self.form = "auto"
        self.replaying: Replaying | None = None
        self._wanted = LIMIT
        self._loaded_of: tuple[object, ...] | None = None

    def compose(self) -> ComposeResult:
        """Give the panes."""
        scene = self.scene
        with Horizontal(classes="upper"):
            yield Grid(
                _QUEUES,
                self._queue_cells,
                scene,
                id="queues",
                title="DLQ topics",
                empty="No connector has one",
            )
            letters = LetterGrid(
                _LETTERS,
                self._letter_cells,
                scene,
                id="letters",
                title="Dead letters",
                empty="No dead letters (good)",
            )
            self.listing = Listing(letters, self._fields)
            yield letters
        with Vertical():
            yield Pane(scene, "", id="letter")

    @property
    def grid(self) -> Grid | None:
        """Give the letters, or the queues where they have the keys."""
        queues = self.query_one("#queues", Grid)
        return queues if queues.has_focus else self.table

    @property
    def table(self) -> Grid:
        """Give the grid of letters."""
        return self.query_one("#letters", Grid)

    @property
    def total(self) -> int:
        """Give how many letters the open queue has, hidden ones left out."""
        return max(len(self.letters), int((self._queue or {}).get("records", 0)))

    @property
    def owners(self) -> list[str]:
        """Give the connectors that write into the open queue."""
        return list((self._queue or {}).get("connectors", ()))

    @property
    def _queue(self) -> dict[str, Any] | None:
        return next((one for one in self.scene.queues if one["topic"] == self.topic), None)

    def badge(self) -> tuple[str, str] | None:
        """Give how many are new."""
        new = sum(int(queue["new_1h"]) for queue in self.scene.queues)
        return (count(new), "amber") if new else None

    def selection(self) -> list[Selection]:
        """Give the connector of the letter under the cursor."""
        letter = self.letters.get(self.table.key or "")
        return (
            [] if letter is None or not letter["connector"] else [Selection(letter["connector"])]
        )

    async def load(self, client: Asker) -> None:
        """Fetch the queues and the letters of the open one."""
        self.scene.queues = await client.get(f"{PREFIX}/dlq")
        self.scene.counted = True
        known = [queue["topic"] for queue in self.scene.queues]
        if self.topic not in known:
            busiest = max(self.scene.queues, key=lambda queue: queue["new_1h"], default=None)
            self.topic = busiest["topic"] if busiest else ""
        queue = self._queue
        if queue is None:
            self.letters, self._loaded_of = {}, None
        else:
            state = queue.get("end"), queue["records"], queue["discarded"]
            of = self.topic, self.form, self._wanted, *state
            if of != self._loaded_of or queue.get("end") is None:
                self.letters = await self._fetched(client, self.topic, int(queue["records"]))
                self._loaded_of = of
        self.listing.expire()

    async def _fetched(self, client: Asker, topic: str, total: int) -> dict[str, Letter]:
        """Give the newest letters, page by page, as many as are wanted."""
        letters: dict[str, Letter] = {}
        ends: dict[int, int] = {}
        while len(letters) < self._wanted:
            query = f"limit={LIMIT}&as={self.form}"
            if ends:
                query += "&after=" + ",".join(f"{number}:{at}" for number, at in ends.items())
            found = await client.get(f"{PREFIX}/dlq/{escaped(topic)}/records?{query}")
            page = {f"{one['partition']}:{one['offset']}": one for one in found}
            if not page.keys() - letters.keys():
                break
            letters |= page
            for one in found:
                place = one["partition"]
                ends[place] = min(one["offset"], ends.get(place, one["offset"]))
            if len(letters) >= total:
                break
        return letters

    def _more(self) -> None:
        """Load the next page, where there is one."""
        if len(self.letters) >= self._wanted and len(self.letters) < self.total:
            self._wanted += LIMIT
            self.loaded_s = float("-inf")

    def paint(self, now_s: float, dirty: set[str]) -> None:
        """Show queues, letters and the letter."""
        del dirty
        if not self.tells(now_s, changed=False):
            return
        queues = self.query_one("#queues", Grid)
        queues.show(in_order(queues, [queue["topic"] for queue in self.scene.queues]))
        queues.renew()
        order = f"sort: {queues.order}" if queues.order else ""
        retitle(queues, f"DLQ topics {len(self.scene.queues)}", order)
        table = self.table
        table.say_empty(self._nothing(now_s))
        if self.listing.due(now_s):
            self.listing.show(list(self.letters), self.filter, now_s)
            table.renew()
        marked = f", {len(table.marked)} marked" if table.marked else ""
        part = f" of {self.total}" if len(table.keys) < self.total else ""
        many = f"{len(table.keys)}{part} records{marked}"
        many = _ABSENT if self._absent(self.topic) else many
        job = self.replaying.progress if self.replaying is not None else ""
        others = len(self.scene.queues) - 1
        more = ""
        if len(self.letters) < self.total:
            more = f"of the newest {len(self.letters)}, End loads more"
        side = f"t shows {several(others, 'other queue')}" if self.narrow and others > 0 else ""
        self.head(
            table, f"{self.topic or 'Dead letters'}  {many}", "newest first", job, more, side
        )
        self._put_letter()

    def _nothing(self, now_s: float) -> str:
        """Give what is said of a queue without letters: since when, where that is known."""
        queue = next((one for one in self.scene.queues if one["topic"] == self.topic), None)
        if len(self.letters) < self.total:
            return f"None of the newest {len(self.letters)} letters matches; Esc shows all"
        if self.letters:
            return self.nothing("", self.letters)
        if queue is None:
            return "No connector has a queue: errors.deadletterqueue.topic.name gives it one"
        if self._absent(self.topic):
            return "The topic is not there yet: the first dead letter makes it (good)"
        since_ms = queue.get("empty_since_ms")
        if since_ms is None:
            return "No dead letters (good)"
        return f"DLQ empty since {age(now_s - since_ms / 1000).partition(' ')[0]} (good)"

    def _absent(self, topic: str) -> bool:
        """Tell whether a queue's topic does not exist yet."""
        return any(one["topic"] == topic and not one["exists"] for one in self.scene.queues)

    def refilter(self) -> None:
        """Show the letters again at once."""
        self.tell_again()
        self.listing.expire()
        self.paint(self.scene.clock(), set())

    def on_grid_moved(self, event: Grid.Moved) -> None:
        """Show the letter, or the letters of the queue."""
        if event.grid.id == "queues" and event.grid.has_focus and event.grid.key:
            self._open(event.grid.key)
        if event.grid is self.table and event.grid.keys and event.grid.key == event.grid.keys[-1]:
            self._more()
        self._put_letter()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Open a queue's letters, or a letter over the whole screen."""
        event.stop()
        if event.grid.id == "queues":
            self._open(event.key)
            self.table.focus()
        else:
            text = Text()
            for tab in range(len(TABS)):
                text.append(f"{TABS[tab]}\n", self.scene.palette.grey)
                text.append_text(self._text(tab))
                text.append("\n")
            self.app.call_later(self.console.show_text, f"Letter {self.topic} {event.key}", text)

    def _open(self, topic: str) -> None:
        if topic != self.topic:
            self.topic, self.letters = topic, {}
            self._wanted, self._loaded_of = LIMIT, None
            self.table.marked = set()
            self.table.show([])
            self.loaded_s = float("-inf")

    def open_named(self, name: str) -> bool:
        """Open a queue by its topic, or by a connector whose queue it is."""
        for queue in self.scene.queues:
            if name == queue["topic"] or name in queue["connectors"]:
                self._open(queue["topic"])
                return True
        return False

    def step(self, by: int) -> None:
        """Go to the next or previous tab."""
        self.tab = (self.tab + by) % len(TABS)
        self._put_letter()

    def _put_letter(self) -> None:
        pane = self.query_one("#letter", Pane)
        here = ">" if self.scene.palette.ascii else "▸"
        title = "  ".join(
            f"{here} {name}" if at == self.tab else name for at, name in enumerate(TABS)
        )
        letter, note = self.letters.get(self.table.key or ""), ""
        if letter is not None:
            size = letter["value"]["size"]
            note = f"p{letter['partition']}@{letter['offset']}, {size} bytes"
        pane.put(self._text(self.tab))
        retitle(pane, title, note)

    def _text(self, tab: int) -> Text:
        letter = self.letters.get(self.table.key or "")
        error = None if letter is None else self._error(letter)
        same = [one for one in self.letters.values() if self._error(one) == error]
        return letter_text(self.scene, letter, tab, same)

    def on_command(self, command: str) -> bool:
        """Take the keys that mean something for dead letters."""
        console = self.console
        if command in {"restart", "edit_replay", "delete", "purge"}:
            if self.replaying is None:
                self.replaying = Replaying(console, self)
            doing = {
                "restart": self.replaying.replay,
                "edit_replay": self.replaying.edit,
                "delete": self.replaying.discard,
                "purge": self.replaying.purge,
            }[command]
            console.act(doing())
        elif command == "stop":
            return self.replaying is not None and self.replaying.cancel()
        elif command == "as":
            self.form = FORMS[(FORMS.index(self.form) + 1) % len(FORMS)]
            self.loaded_s = float("-inf")
            console.say(f"payloads as {self.form}", "grey")
        elif command == "same":
            self._keep_same()
        elif command == "group":
            console.act(self._grouped(console))
        elif command == "topics":
            console.act(self._pick(console))
        elif command == "export":
            console.act(self._export(console))
        else:
            return False
        return True

    def _keep_same(self) -> None:
        letter = self.letters.get(self.table.key or "")
        if letter is not None:
            self._keep(str(letter["stage"] or ""), self._error(letter))

    def _keep(self, stage: str, error: str) -> None:
        """Show only letters that failed in a stage with an error."""
        self.set_filter(" ".join([f"stage:{stage}", *map(literal, error.split())]))

    async def _grouped(self, console: Console) -> None:
        """Offer the kinds of errors in all of the queue; the chosen one becomes the filter."""
        groups = await console.actions.ask(ours("GET", f"/dlq/{escaped(self.topic)}/groups"))
        if not groups:
            return
        options = [
            (
                str(at),
                f"{group['count']}  {_STAGES.get(str(group['stage']), str(group['stage']))}",
                reason(group["message"]) or "without error headers",
            )
            for at, group in enumerate(groups)
        ]
        answer = await console.push_screen_wait(Choice(self.scene, "Errors", options, 16))
        if answer is not None:
            group = groups[int(answer)]
            self._keep(str(group["stage"] or ""), reason(group["message"]) or "")

    async def _pick(self, console: Console) -> None:
        options = [
            (
                queue["topic"],
                queue["topic"],
                f"{queue['records']} records, {queue['new_1h']} new"
                if queue["exists"]
                else _ABSENT,
            )
            for queue in self.scene.queues
        ]
        answer = await console.push_screen_wait(Choice(self.scene, "Queue", options, 40))
        if answer is not None:
            self._open(answer)

    async def _export(self, console: Console) -> None:
        """Write the letters shown: whole, or what the sink was to get of each."""
        if self.scene.in_browser:
            console.say(NO_FILES, "amber")
            return
        of = f"of the {several(len(self.exported()), 'letter')} shown"
        options = [
            ("json", "JSON lines", f"one file, {of} each whole"),
            ("raw", "raw bytes", f"a folder, {of} the value as its bytes were"),
        ]
        answer = await console.push_screen_wait(Choice(self.scene, "Export", options, 14))
        if answer is None:
            return
        letters = await self._wholes()
        if letters is None:
            return
        if answer == "json":
            console.write_rows(letters)
        else:
            console.say(*self._write_values(letters))

    async def _wholes(self) -> list[Letter] | None:
        """Give the letters shown with all of their bytes; None where that failed, which is said."""
        actions = self.console.actions
        topic, letters = self.topic, []
        for letter in self.exported():
            if any(letter[side].get("cut") for side in ("key", "value")):
                key = f"{letter['partition']}:{letter['offset']}"
                whole = await actions.ask(ours("GET", whole_path(topic, key, self.form)))
                if whole is None:
                    return None
                letters.append(whole)
            else:
                letters.append(letter)
        return letters

    def _write_values(self, letters: Sequence[Letter]) -> tuple[str, str]:
        """Write each value into a file; gives what to say, and how."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self.scene.clock()))
        folder = Path.cwd() / f"ingest-{self.topic}-{stamp}"
        letters = [letter for letter in letters if letter["value"].get("bytes_b64")]
        try:
            folder.mkdir()
            for letter in letters:
                name = f"{letter['partition']}@{letter['offset']}.bin"
                (folder / name).write_bytes(base64.b64decode(letter["value"]["bytes_b64"]))
        except OSError as error:
            return f"writing {folder}: {error.strerror}", "red"
        return f"{len(letters)} values in {folder}", "green"

    def raw(self) -> Any:
        """Give the letter under the cursor."""
        return self.letters.get(self.table.key or "")

    def copied(self) -> str:
        """Give the open tab's text."""
        return self.query_one("#letter", Pane).text

    def exported(self) -> list[dict[str, Any]]:
        """Give the letters shown, whole."""
        return [self.letters[key] for key in self.table.keys if key in self.letters]

    def leave(self) -> bool:
        """Take the marks away."""
        had = bool(self.table.marked)
        self.table.action_clear_marks()
        return had

    @staticmethod
    def _error(letter: Letter) -> str:
        cause = letter["cause"] or f"{letter['exception']}: {letter['message']}"
        return reason(cause) or "without error headers"

    def _fields(self, key: str) -> dict[str, object]:
        letter = self.letters[key]
        return {
            "key": letter["key"]["text"],
            "value": letter["value"]["text"],
            "headers": json.dumps(letter["headers"], ensure_ascii=False),
            "stage": letter["stage"],
            "error": self._error(letter),
            "topic": _origin(letter),
        }

    def _queue_cells(self, key: str) -> Sequence[Cell]:
        queue = next(queue for queue in self.scene.queues if queue["topic"] == key)
        last = queue["last_ms"]
        ago = "-" if last is None else age(self.scene.clock() - last / 1000)
        new = queue["new_1h"]
        if not queue["exists"]:
            return Cell(f"{key} {_ABSENT}", "grey"), *(Cell("-", "grey"),) * 3
        return (
            Cell(key, "bold" if key == self.topic else ""),
            Cell(count(queue["records"])),
            Cell(count(new), "amber" if new else "grey"),
            Cell(ago.partition(" ")[0], "grey"),
        )

    def _letter_cells(self, key: str) -> Sequence[Cell]:
        letter = self.letters[key]
        at = time.strftime("%H:%M:%S", time.gmtime((letter["ts"] or 0) / 1000))
        stage = str(letter["stage"] or "-")
        again = f"again {letter['attempts']}x  " if letter["attempts"] else ""
        return (
            Cell(at, "grey"),
            Cell(_origin(letter)),
            Cell(_STAGES.get(stage, stage.lower()), "violet"),
            Cell(again + self._error(letter), "red"),
        )


def _origin(letter: Letter) -> str:
    origin = letter["origin"]
    if origin is None:
        return "-"
    return f"{origin['topic']}/{origin['partition']}@{origin['offset']}"
