"""Offsets: where every connector stands, how far behind, and changing it with a preview."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult

from tui.actions import ADMINISTER
from tui.calls import Call, connector, ours
from tui.client import PREFIX, ClientError, escaped
from tui.places import behind_text, end_text, place_text
from tui.scene import Asker, Scene
from tui.screens.dialogs import Ask, Choice
from tui.screens.view import Hints, Listing, Selection, View
from tui.stock import stock_offsets
from tui.text import age, ago, count, size
from tui.widgets.grid import Cell, Column, Grid

if TYPE_CHECKING:
    from tui.app import Console

COLUMNS = (
    Column("CONNECTOR", 22),
    Column("PARTITION", 0),
    Column("COMMITTED", 26, right=True),
    Column("END", 12, right=True, wide=True),
    Column("UNCOMMITTED", 12, right=True),
    Column("COMMIT AGO", 10, right=True, wide=True),
)
STOP_S = 30.0
_NOTHING = "No offsets yet: nothing has been committed"
_NO_OFFSET = "none stored: p lets it run from its beginning"

Row = dict[str, Any]


class Offsets(View):
    """One row per connector and partition."""

    NAME: ClassVar[str] = "Offsets"
    SHORT: ClassVar[str] = "Offs"
    POLL_S: ClassVar[float | None] = 5.0
    HINTS: ClassVar[Hints] = (
        ("Enter", "whole offset"),
        ("e", "alter"),
        ("D", "reset"),
        ("space", "mark"),
        ("x", "stop"),
        ("p", "resume"),
        ("s", "sort"),
    )
    ABOUT: ClassVar[str] = (
        "Where each connector stands. A sink's UNCOMMITTED is records from its committed offset to the end "
        "of the topic: its task may have read them all, as LAG in other views says, which counts what it has "
        "not read; it commits every offset.flush.interval.ms. A "
        "source's is how late it is: since what it read last happened, or since its last complete poll; END "
        "then says how many bytes of the binlog are still to come. COMMIT AGO is when the task that has "
        "the partition stored an offset last. e alters the offset under the "
        "cursor (or of all marked rows of the connector): it says first how many records come "
        "again or are left out, has the connector check the new place at its source, stops the "
        "connector if you agree, and asks for its name. D forgets all of a connector's "
        "offsets. p lets it run again."
    )

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.rows: dict[str, Row] = {}

    def compose(self) -> ComposeResult:
        """Give the table."""
        grid = Grid(
            COLUMNS,
            self._cells,
            self.scene,
            id="offsets-grid",
            title="Offsets",
            empty=_NOTHING,
        )
        self.listing = Listing(grid, self._fields)
        yield grid

    @property
    def table(self) -> Grid:
        """Give the grid."""
        return self.query_one("#offsets-grid", Grid)

    def selection(self) -> list[Selection]:
        """Give the connectors of the chosen rows."""
        chosen = [self.rows[key] for key in self.table.chosen if key in self.rows]
        names = dict.fromkeys(row["connector"] for row in chosen)
        return [Selection(name) for name in names]

    async def load(self, client: Asker) -> None:
        """Fetch offsets, ends and lags."""
        if self.scene.stock:
            known = self.scene.model.connectors
            kinds = {name: one.kind for name, one in known.items()}
            found = await stock_offsets(client, kinds)
        else:
            found = await client.get(f"{PREFIX}/lag")
            found += await self._uncommitted(client, found)
            found += self._from_the_start(found)
        self.rows = {
            f"{row['connector']} {json.dumps(row['partition'], sort_keys=True)}": row
            for row in found
        }
        self.listing.expire()

    async def _uncommitted(self, client: Asker, found: Sequence[Row]) -> list[Row]:
        """Give the partitions that tasks have of sinks which have committed nothing."""
        connectors = self.scene.model.connectors.values()
        sinks = {one.name for one in connectors if one.kind == "sink"}
        silent = sinks - {row["connector"] for row in found}
        if not silent:
            return []
        rows = []
        for task, figures in (await client.get(f"{PREFIX}/metrics")).items():
            name = task.rpartition("-")[0]
            for place in str(figures.get("partitions", "")).split() if name in silent else ():
                topic, _, number = place.rpartition("/")
                partition = {"kafka_topic": topic, "kafka_partition": int(number)}
                rows.append(_not_committed(name, partition))
        return rows

    def _from_the_start(self, found: Sequence[Row]) -> list[Row]:
        """Give a row for each stopped connector without an offset: p lets it run, from its beginning."""
        known = {row["connector"] for row in found}
        return [
            {**_not_committed(one.name, None), "type": one.kind}
            for one in self.scene.model.connectors.values()
            if one.state == "STOPPED" and one.name not in known
        ]

    def paint(self, now_s: float, dirty: set[str]) -> None:
        """Show the rows."""
        del dirty
        if self.listing.due(now_s):
            keys = list(self.rows)
            if self.only_problems:
                keys = [key for key in keys if self.troubled(key)]
            self.listing.show(keys, self.filter, now_s)
            grid = self.table
            grid.renew()
            shows_all = "Esc shows all" if self.filter.text else ""
            only = "  not committed only" if self.only_problems else ""
            self.head(grid, f"Offsets {len(grid.keys)}{only}", "", shows_all)
            grid.say_empty(self._nothing())

    def _nothing(self) -> str:
        """Give what is said where there is no row."""
        known = self.scene.model.connectors.get(self.limited or "")
        if known is None:
            return self.nothing(_NOTHING, self.rows)
        word = "its tasks read" if known.kind == "sink" else "its tasks tell where they are"
        return f"{known.name} has committed nothing yet: offsets stand here once {word}; Esc shows all"

    def refilter(self) -> None:
        """Show the rows again at once."""
        self.listing.expire()
        self.paint(self.scene.clock(), set())

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Show the whole offset."""
        event.stop()
        row = self.rows.get(event.key)
        if row is None:
            return
        text = Text(json.dumps(row, indent=2, ensure_ascii=False))
        self.app.call_later(self.console.show_text, row["connector"], text)

    def on_command(self, command: str) -> bool:
        """Alter or reset."""
        console = self.console
        if command == "edit":
            console.act(Altering(console, self).alter())
        elif command == "delete":
            console.act(Altering(console, self).reset())
        return command in {"edit", "delete"}

    def troubled(self, key: str) -> bool:
        """Tell whether something is not committed yet."""
        return bool(self.rows[key]["behind"])

    def raw(self) -> Any:
        """Give the row under the cursor."""
        return self.rows.get(self.table.key or "")

    def _fields(self, key: str) -> dict[str, object]:
        row = self.rows[key]
        return {
            "connector": row["connector"],
            "type": row["type"],
            "partition": place_text(row["partition"]),
            "committed": place_text(row["committed"]),
            "lag": row["behind"],
        }

    def _cells(self, key: str) -> Sequence[Cell]:
        row = self.rows[key]
        return (
            Cell(row["connector"]),
            Cell(place_text(row["partition"]) if row["partition"] else _NO_OFFSET, "grey"),
            Cell(place_text(row["committed"])),
            Cell(end_text(row), "grey"),
            Cell(behind_text(row), "amber" if row["behind"] else ""),
            Cell(ago(row.get("committed_ms"), self.scene.clock()), "grey"),
        )


def _not_committed(name: str, partition: Mapping[str, Any] | None) -> Row:
    """Give the row of a partition that a sink's task has and nothing of which is committed."""
    return {
        "connector": name,
        "type": "sink",
        "partition": partition,
        "committed": None,
        "end": None,
        "behind": None,
        "unit": "records",
    }


def moved_text(entry: Row) -> str:
    """Give how much a changed offset brings again or leaves out, and how long that takes."""
    events, length = entry["events"], entry.get("bytes")
    parts = [] if not events else [f"{count(events)} events"]
    if length:
        unit = "" if length >= 1024 else " bytes"
        parts.append(f"{size(length)}{unit} of what it reads")
    if not parts or not entry["direction"]:
        return ""
    eta_s = entry["eta_s"]
    time = "" if not eta_s else f", about {age(max(1.0, eta_s))}"
    if eta_s and events:
        time += f" at {count(events / eta_s)}/s"
    return f"{', '.join(parts)} {entry['direction']}{time}"


def reckoned(entry: Row, base: Mapping[str, Any] | None) -> tuple[Row, int]:
    """Give a sink's entry of a preview from `base` on, and how many records were committed since.

    The daemon reckons from what is committed when it is asked, which a running connector moves on.
    """
    start, now, to = (
        (place or {}).get("kafka_offset") for place in (base, entry["from"], entry["to"])
    )
    if start is None or now is None or to is None or start == now:
        return entry, 0
    events = abs(to - start)
    eta_s = entry["eta_s"] and entry["eta_s"] * events / max(1, entry["events"] or 0)
    direction = "again" if to < start else "left out" if to > start else None
    moved = {"from": base, "direction": direction, "events": events, "eta_s": eta_s}
    return {**entry, **moved}, now - start if to < start else 0


class Altering:
    """Changes offsets of the chosen rows of one connector, step by step."""

    def __init__(self, console: Console, view: Offsets) -> None:
        self._console = console
        self._view = view

    async def alter(self) -> None:
        """Ask for the new place, preview, stop if need be, confirm, send."""
        rows = self._view.rows
        shown = [rows[key] for key in self._view.table.chosen if key in rows]
        chosen = [row for row in shown if row["partition"]]
        if not chosen:
            why = f"{shown[0]['connector']} has no offset" if shown else self._view.table.empty
            self._console.say(f"nothing to alter: {why}", "amber")
        if not chosen or not self._console.actions.allowed(ADMINISTER):
            return
        name = chosen[0]["connector"]
        now = await self._now([row for row in chosen if row["connector"] == name])
        wanted = None if now is None else await self._wanted(now)
        if now is None or wanted is None:
            return
        offsets = [
            {"partition": row["partition"], "offset": offset}
            for row, offset in zip(now, wanted, strict=True)
        ]
        call = connector("PATCH", name, "/offsets", {"offsets": offsets})
        await self._confirmed(name, offsets, call, "Alter offsets of", now)

    async def reset(self) -> None:
        """Forget all offsets of the connector under the cursor."""
        row = self._view.rows.get(self._view.table.key or "")
        if row is None or not self._console.actions.allowed(ADMINISTER):
            return
        name = row["connector"]
        if row["partition"] is None:
            self._console.say(f"nothing to reset: {name} has no offset", "amber")
            return
        offsets = [
            {"partition": row["partition"], "offset": None}
            for row in self._view.rows.values()
            if row["connector"] == name
        ]
        await self._confirmed(
            name, offsets, connector("DELETE", name, "/offsets"), "Reset all offsets of"
        )

    async def _now(self, chosen: Sequence[Row]) -> list[Row] | None:
        """Give the rows as they are now, not as they were shown; None where nobody tells."""
        if self._console.scene.stock:
            return list(chosen)
        name = chosen[0]["connector"]
        found = await self._console.actions.ask(ours("GET", f"/lag?connector={escaped(name)}"))
        if found is None:
            return None
        known = {place_text(row["partition"]): row for row in found if row["connector"] == name}
        return [known.get(place_text(row["partition"]), row) for row in chosen]

    async def _wanted(self, chosen: Sequence[Row]) -> list[Mapping[str, Any] | None] | None:
        """Give the new offset of each row, None when the user gave up."""
        scene = self._console.scene
        sink = chosen[0]["type"] == "sink"
        options = [("edit", "write it", "the offset as JSON")]
        if sink:
            options = [("to", "to an offset", "the same one for each chosen partition")]
            if all(row["committed"] for row in chosen):
                options.insert(0, ("back", "back by", "so many records again"))
            if all(row["end"] for row in chosen):
                options.append(("end", "to the end", "leave out what has not been read"))
        options.append(("forget", "forget", "as if it had never read"))
        many = f"{len(chosen)} partitions" if len(chosen) > 1 else "1 partition"
        title = f"Alter {many} of {chosen[0]['connector']}"
        answer = await self._console.push_screen_wait(Choice(scene, title, options))
        if answer == "forget":
            return [None] * len(chosen)
        if answer == "end":
            return [row["end"] for row in chosen]
        if answer in {"back", "to"}:
            places = {place_text(row["committed"]) for row in chosen}
            now = f"the committed offset {places.pop()}" if len(places) == 1 else "each offset"
            question = f"How many records back from {now}?"
            text = await self._console.push_screen_wait(
                Ask(scene, title, question if answer == "back" else "Offset?")
            )
            if not text or not text.isdigit():
                return None
            number = int(text)
            return [
                {"kafka_offset": max(0, row["committed"]["kafka_offset"] - number)}
                if answer == "back"
                else {"kafka_offset": number}
                for row in chosen
            ]
        if answer == "edit":
            return await self._written(title, chosen)
        return None

    async def _written(
        self, title: str, chosen: Sequence[Row]
    ) -> list[Mapping[str, Any] | None] | None:
        found: list[Mapping[str, Any] | None] = []
        for row in chosen:
            text = await self._console.push_screen_wait(
                Ask(
                    self._console.scene,
                    title,
                    f"New offset of {place_text(row['partition'])}:",
                    json.dumps(row["committed"]),
                )
            )
            try:
                found.append(json.loads(text or ""))
            except ValueError:
                if text is not None:
                    self._console.say(f"not JSON: {text}", "red")
                return None
        return found

    async def _confirmed(
        self,
        name: str,
        offsets: Sequence[Mapping[str, Any]],
        call: Call,
        word: str,
        rows: Sequence[Row] = (),
    ) -> None:
        self._console.say(f"{name} looks at the new place ...", "violet")
        preview = await self._preview(name, offsets)
        if preview is None:
            return
        text = self._told(preview, call, rows)
        stopped = all(check["ok"] for check in preview["checks"])
        actions = self._console.actions
        if not all(check["ok"] for entry in preview["offsets"] for check in entry["checks"]):
            bad = self._console.scene.palette.style("red")
            glyph, _, _ = self._console.scene.palette.state("FAILED")
            text.append(f"\nThis will not do what it says: see {glyph} above.", f"bold {bad}")
        if not stopped:
            text.append("\nIt must be STOPPED for this: going on stops it now.", "bold")
        if not await actions.confirmed(2, f"{word} {name}", text, name):
            return
        if not stopped and not await self._stopped(name):
            return
        if await actions.perform(call) is not None:
            ignored = [
                f"{check['name']}: {check['detail']}"
                for entry in preview["offsets"]
                for check in entry["checks"]
                if not check["ok"]
            ]
            if ignored:
                self._console.say(f"{call}: stored, but {ignored[0]}", "red")
            else:
                self._console.say(f"{call}: done, p lets it run again", "green")
            self._view.loaded_s = float("-inf")

    async def _stopped(self, name: str) -> bool:
        """Stop the connector and wait until its tasks have ended."""
        if await self._console.actions.perform(connector("PUT", name, "/stop")) is None:
            return False
        loop = asyncio.get_running_loop()
        end_s = loop.time() + STOP_S
        while loop.time() < end_s:
            preview = await self._preview(name, [])
            if preview is not None and all(check["ok"] for check in preview["checks"]):
                return True
            await asyncio.sleep(0.5)
        self._console.say(f"{name} has not stopped within {STOP_S:.0f} s; its offsets stay", "red")
        return False

    async def _preview(self, name: str, offsets: Sequence[Mapping[str, Any]]) -> Any:
        call = ours("POST", f"/connectors/{escaped(name)}/offsets/preview", {"offsets": offsets})
        try:
            return await self._console.scene.client.request(*call)
        except ClientError as error:
            self._console.say(f"{call}: {error}", "red")
            return None

    def _told(self, preview: Mapping[str, Any], call: Call, rows: Sequence[Row]) -> Text:
        """Give the preview in words, reckoned from the offsets that `rows` have."""
        palette = self._console.scene.palette
        text = Text(style=palette.text)
        base = {place_text(row["partition"]): row["committed"] for row in rows}
        for told in preview["offsets"][:20]:
            entry, since = reckoned(told, base.get(place_text(told["partition"]), told["from"]))
            text.append(f"{place_text(entry['partition'])}\n", "bold")
            text.append(f"  from {place_text(entry['from'])}  to {place_text(entry['to'])}\n")
            moved = moved_text(entry)
            if moved:
                text.append(f"  = {moved}\n", "bold")
            if since:
                text.append(f"  {place_text(told['from'])} is committed by now: ", palette.grey)
                text.append(f"{count(since)} more come again\n", palette.grey)
            self._put_checks(text, entry["checks"])
        if len(preview["offsets"]) > 20:
            text.append(f"and {len(preview['offsets']) - 20} partitions more\n")
        # that of a connector which still runs is seen to by going on
        self._put_checks(text, preview["checks"], "PAUSED")
        text.append(f"\n{call}\n", palette.grey)
        return text

    def _put_checks(
        self, text: Text, checks: Sequence[Mapping[str, Any]], bad: str = "FAILED"
    ) -> None:
        palette = self._console.scene.palette
        for check in checks:
            glyph, _, role = palette.state("RUNNING" if check["ok"] else bad)
            text.append(f"  {glyph} {check['name']}", palette.style(role))
            text.append(f": {check['detail']}\n" if check["detail"] else "\n", palette.grey)
