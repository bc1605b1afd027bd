"""Topics: who writes and reads them, and a look at their records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.worker import Worker

from tui.client import PREFIX, AnswerError, ClientError, escaped
from tui.filters import Filter
from tui.following import Followed
from tui.letters import put_payload
from tui.scene import Asker, Scene
from tui.screens.dialogs import Ask
from tui.screens.dlq import FORMS
from tui.screens.view import Hints, Listing, View
from tui.text import count, size
from tui.widgets.frame import Pane
from tui.widgets.grid import Cell, Column, Grid

if TYPE_CHECKING:
    from tui.app import Console

_TOPICS: Final = (
    Column("TOPIC", 0),
    Column("PARTS", 5, right=True),
    Column("RECORDS", 8, right=True),
    Column("SIZE", 6, right=True),
    Column("WRITTEN BY", 20, wide=True),
    Column("READ BY", 20),
)
_RECORDS: Final = (
    Column("TIME", 17),
    Column("PART@OFFSET", 14),
    Column("KEY", 20),
    Column("VALUE", 0),
)
_LIST: Hints = (("Enter", "peek"), ("w", "internal too"), ("s", "sort"), ("E", "export"))
_PEEK: Hints = (
    ("Esc", "back"),
    ("F", "follow"),
    ("t", "from"),
    ("v", "view as"),
    ("/", "filter"),
    ("Tab", "pane"),
    ("E", "export"),
)


_NEWEST: Final = 200
_AGAIN_S: Final = 1.0
_NO_RECORD: Final = (
    "The record under the cursor is shown here. t chooses where to read from: newest, oldest, an offset, "
    "time:MS; F follows what comes."
)


def _payload_cell(text: str | None) -> Cell:
    return Cell("null", "grey") if text is None else Cell(text)


class Topics(View):
    """The list, and in its place the records of the topic that was opened."""

    NAME: ClassVar[str] = "Topics"
    SHORT: ClassVar[str] = "Topi"
    POLL_S: ClassVar[float | None] = 5.0
    ABOUT: ClassVar[str] = (
        "Topics of the cluster with the connectors that write and read them; RECORDS counts "
        "offsets, so compacted topics hold fewer; SIZE is the bytes of one copy on the brokers' "
        "disks. Enter peeks at the newest records; t chooses another place: oldest, newest, an "
        "offset, or time:MS; F follows what comes after the newest row, and where records come too "
        "fast a row says how many were passed over. "
        "v changes how payloads are read: auto uses the converter of a connector of this topic. "
        "The filter looks into key, value and headers."
    )
    STYLE: ClassVar[str] = """
    #topics-list { height: 1fr; } #peek { height: 1fr; display: none; }
    #peek Grid { height: 45%; } #record { height: 1fr; }
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.rows: dict[str, dict[str, Any]] = {}
        self.records: dict[str, Mapping[str, Any]] = {}
        self.topic = ""
        self.start = "newest"
        self.partition: int | None = None
        self.form = "auto"
        self.following: Worker[None] | None = None
        self._note = ""
        self._internal = False
        self._listed = self.filter
        self._back: Callable[[], None] | None = None

    @property
    def HINTS(self) -> Hints:  # type: ignore[override]  # noqa: N802 - depends on what is open
        """Give the keys of what is open."""
        return _PEEK if self.topic else _LIST

    def compose(self) -> ComposeResult:
        """Give list and records."""
        scene = self.scene
        topics = Grid(_TOPICS, self._topic_cells, scene, id="topics-grid", title="Topics")
        self.listing = Listing(topics, lambda key: dict(self.rows[key]))
        with Vertical(id="topics-list"):
            yield topics
        with Vertical(id="peek"):
            records = Grid(
                _RECORDS,
                self._record_cells,
                scene,
                id="records-grid",
                title="Records",
                empty="No records there",
            )
            self.record_listing = Listing(records, self._record_fields)
            yield records
            yield Pane(scene, "", id="record")

    @property
    def grid(self) -> Grid | None:
        """Give the open table."""
        return self.query_one("#records-grid" if self.topic else "#topics-grid", Grid)

    def open(
        self,
        topic: str,
        back: Callable[[], None] | None = None,
        place: tuple[int, int] | None = None,
    ) -> None:
        """Open a topic's records, the newest or from a partition's offset on.

        `back` shows again what they were opened from.
        """
        self._stop_following()
        if not self.topic:
            self._listed = self.filter
        self.filter = Filter()
        self._back = back
        self.topic, self.records, self.start = topic, {}, "newest"
        self.partition = None
        if place is not None:
            self.partition, self.start = place[0], str(place[1])
        grid = self.query_one("#records-grid", Grid)
        grid.show([])
        self.record_listing.expire()
        self.query_one("#topics-list").display = False
        self.query_one("#peek").display = True
        grid.focus()
        self.loaded_s = float("-inf")

    def leave(self) -> bool:
        """Close the records."""
        if not self.topic:
            return False
        self._stop_following()
        self.topic, self.filter = "", self._listed
        back, self._back = self._back, None
        self.query_one("#topics-list").display = True
        self.query_one("#peek").display = False
        self.query_one("#topics-grid", Grid).focus()
        self.loaded_s = float("-inf")
        if back is not None:
            back()
        else:
            self.refilter()
        return True

    def open_named(self, name: str) -> bool:
        """Show the list, which a command filters by `name`."""
        del name
        self._back = None
        self.leave()
        return False

    def stale(self, now_s: float) -> bool:
        """Tell whether to fetch; what is followed comes by itself."""
        return self.following is None and super().stale(now_s)

    async def load(self, client: Asker) -> None:
        """Fetch topics, or the records of the open one."""
        if self.topic:
            found = await client.get(self._path(f"from={self.start}&limit={_NEWEST}"))
            self.records = {f"{one['partition']}@{one['offset']}": one for one in found}
        else:
            found = await client.get(f"{PREFIX}/topics")
            self.rows = {row["topic"]: row for row in found}
        self.listing.expire()
        self.record_listing.expire()

    def _path(self, query: str) -> str:
        """Give the path of the open topic's records, read as the user wants."""
        part = "" if self.partition is None else f"&partition={self.partition}"
        return f"{PREFIX}/topics/{escaped(self.topic)}/records?{query}&as={self.form}{part}"

    def paint(self, now_s: float, dirty: set[str]) -> None:
        """Show the open table."""
        del dirty
        grid = self.grid
        if grid is None or not self.tells(now_s, changed=self.following is not None):
            return
        listing = self.record_listing if self.topic else self.listing
        if listing.due(now_s):
            keys = list(self.records) if self.topic else self._topics()
            newest = self.following is not None and grid.key in {None, *grid.keys[:1]}
            listing.show(keys, self.filter, now_s)
            if newest:
                # who stands on the newest record goes on to the next one
                grid.action_end(-1)
            grid.renew()
        if self.topic:
            where = f"from {self.start}" if self.following is None else f"following{self._note}"
            part = "" if self.partition is None else f" of partition {self.partition}"
            self.head(grid, f"{self.topic}  {len(grid.keys)} records{part}, {where}")
            grid.say_empty(self.nothing("No records there", self.records))
            self._put_record()
        else:
            self.head(grid, f"Topics {len(grid.keys)}")
            grid.say_empty(self.nothing(self._no_topics(), self._topics()))

    def _no_topics(self) -> str:
        """Give what is said where there is no topic, or none but the internal ones."""
        hidden = "; w shows the internal ones" if self.rows else ""
        return f"No topics: a source connector makes those that it writes to{hidden}"

    def _topics(self) -> list[str]:
        return [key for key, row in self.rows.items() if self._internal or not row["internal"]]

    def refilter(self) -> None:
        """Show the rows again at once."""
        self.tell_again()
        self.listing.expire()
        self.record_listing.expire()
        self.paint(self.scene.clock(), set())

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Open the topic, or the record over the whole screen."""
        event.stop()
        if not self.topic:
            self.open(event.key)
        else:
            text = self._record_text(event.key)
            self.app.call_later(self.console.show_text, event.key, text)

    def on_grid_moved(self) -> None:
        """Show the record."""
        if self.topic:
            self._put_record()

    def on_command(self, command: str) -> bool:
        """Take the keys for how and what to read."""
        console = self.console
        if command == "as" and self.topic:
            self.form = FORMS[(FORMS.index(self.form) + 1) % len(FORMS)]
            self.loaded_s = float("-inf")
            if self.following is not None:
                self._follow()
            console.say(f"payloads as {self.form}", "grey")
        elif command == "same" and self.topic:
            if self.following is None:
                self._follow()
            else:
                self._stop_following()
        elif command == "topics" and self.topic:
            console.act(self._choose_start(console))
        elif command == "wide" and not self.topic:
            self._internal = not self._internal
            self.refilter()
        else:
            return False
        return True

    async def _choose_start(self, console: Console) -> None:
        words = "newest, oldest, an offset, or time:MS (epoch milliseconds)"
        start = await console.push_screen_wait(Ask(self.scene, "Records from", words, self.start))
        if start:
            self._stop_following()
            self.start, self.partition = start.strip(), None
            self.loaded_s = float("-inf")

    def _follow(self) -> None:
        self._note = ""
        self.following = self.run_worker(self._take(), group="follow", exclusive=True)
        self.refilter()

    def _stop_following(self) -> None:
        if self.following is not None:
            self.following.cancel()
            self.following = None
            self.loaded_s = float("-inf")

    async def _take(self) -> None:
        """Put what comes on top of what is shown, no gap untold, again after a lost link."""
        while True:
            try:
                await self._take_from_stream()
            except AnswerError as error:
                self._note = f", {error}"
                return
            except ClientError as error:
                self._note = f", {error}"
            await asyncio.sleep(_AGAIN_S)

    async def _take_from_stream(self) -> None:
        followed = Followed(self.records)
        begun = 0
        async with aclosing(self.scene.client.stream(self._path("follow=true"))) as events:
            async for event in events:
                # the daemon stands at the end some time between its first sign and its second one:
                # what came since the last look, and until then, is not in the stream
                if begun < 2:
                    begun += 1
                    self._note = ""
                    newest = self._path(f"from=newest&limit={_NEWEST}")
                    found = await self.scene.client.get(newest)
                    if len(found) >= _NEWEST:
                        followed.skip()
                    followed.take(found)
                if event is not None and event.type == "record":
                    followed.take([event.data])
                elif event is not None and event.type == "skipped":
                    followed.skip()
                elif event is not None:
                    self._note = f", {event.data.get('message')}"
                self.records = dict(followed.records)
                self.record_listing.expire()

    def raw(self) -> Any:
        """Give the row under the cursor."""
        grid = self.grid
        key = (grid.key if grid is not None else None) or ""
        return self.records.get(key) if self.topic else self.rows.get(key)

    def exported(self) -> list[dict[str, Any]]:
        """Give the rows shown, whole."""
        grid = self.grid
        known: Mapping[str, Mapping[str, Any]] = self.records if self.topic else self.rows
        rows = [known[key] for key in ([] if grid is None else grid.keys) if key in known]
        return [dict(row) for row in rows if "passed" not in row]

    def _put_record(self) -> None:
        key = self.query_one("#records-grid", Grid).key
        self.query_one("#record", Pane).put(self._record_text(key or ""), key or "")

    def _record_text(self, key: str) -> Text:
        text = Text(style=self.scene.palette.text)
        record = self.records.get(key)
        if record is not None and "passed" in record:
            text.append(f"{record['value']['text']}.", self.scene.palette.style("amber"))
        elif record is not None:
            text.append("key\n", self.scene.palette.grey)
            put_payload(text, self.scene, record["key"])
            text.append("value\n", self.scene.palette.grey)
            put_payload(text, self.scene, record["value"])
            for name, value in record["headers"]:
                text.append(f"{name:<23} ", self.scene.palette.grey)
                text.append(f"{value}\n")
        else:
            text.append(_NO_RECORD, self.scene.palette.grey)
        return text

    def _record_fields(self, key: str) -> dict[str, object]:
        record = self.records[key]
        headers = " ".join(f"{name}={value}" for name, value in record["headers"])
        value = record["value"]["text"]
        return {"key": record["key"]["text"], "value": value, "headers": headers}

    def _topic_cells(self, key: str) -> Sequence[Cell]:
        row = self.rows[key]
        return (
            Cell(key, "grey" if row["internal"] else ""),
            Cell(str(row["partitions"])),
            Cell(count(row["records"])),
            Cell(size(row.get("size_bytes"))),
            Cell(",".join(row["written_by"]), "grey"),
            Cell(",".join(row["read_by"]), "grey"),
        )

    def _record_cells(self, key: str) -> Sequence[Cell]:
        record = self.records[key]
        if "passed" in record:
            return Cell("..."), Cell(key), Cell(""), Cell(record["value"]["text"], "amber")
        at = "-"
        if record["ts"] is not None:
            at = time.strftime("%m-%d %H:%M:%S", time.gmtime(record["ts"] / 1000))
        return (
            Cell(at, "grey"),
            Cell(key),
            *(_payload_cell(record[side]["text"]) for side in ("key", "value")),
        )
