"""The form of a connector's configuration, built from what validation answers.

Groups are pages, order is the plugin's, low importance is folded, errors stand by their field. Each
change is validated 400 ms after the last key.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus
from textual.suggester import SuggestFromList
from textual.timer import Timer
from textual.widgets import Input, Static

from tui import keys
from tui.calls import ours
from tui.client import ClientError, escaped
from tui.filters import Filter
from tui.revisions import changes
from tui.scene import Scene
from tui.screens.connectiontest import Tested, put_finding
from tui.screens.dialogs import Abandon, Dialog, Pick, TextScreen
from tui.screens.options import OTHER, Options
from tui.text import several, shortened
from tui.veil import is_secret, veiled
from tui.widgets.fieldline import FieldLine
from tui.widgets.frame import Pane, frame, retitle, subtitle
from tui.widgets.grid import Cell, Column, Grid

VALIDATE_S: Final = 0.4
_COLUMNS: Final = (Column("", 4), Column("KEY", 24), Column("VALUE", 0), Column("", 8))
_LEAST_KEY: Final = 12
_LEAST_VALUE: Final = 24
"""What the longest key leaves for values."""

Submit = Callable[[dict[str, str]], Awaitable[bool]]


_KEYS: Final = (
    ("ctrl+s", "save", "validate, show what changes and what follows, save"),
    (
        "Esc",
        "leave",
        "leave the line, the search, the form: asks where changes are not saved; q too",
    ),
    (
        "Enter",
        "edit",
        "edit the field, or choose from what is recommended; Tab edits the next one",
    ),
    ("t", "test connection", "have the daemon try the places that the options name"),
    ("/", "search", "search names and texts of all groups"),
    ("1..9", "group", "go to a group"),
    ("?", "help", "this help; F1 too, while a field is edited as well"),
    ("n", "error", "the next field that is wrong"),
    ("x", "unset", "take the option away: its default counts"),
    ("+", "low", "options of low importance too, or not"),
    ("[ ]", "", "the group before, the next one"),
    ("E", "$EDITOR", "edit all as JSON in $EDITOR"),
    ("y", "JSON", "show all as JSON"),
    ("C", "command", "copy as a command of ingest-appliance"),
)
"""Key, word for the line of keys or none, and what it does; the first ones stay where there is no room."""


class Form(Dialog):
    """Edits `config`; `submit` saves and tells whether the form may close. Gives `saved` or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.named(keys.FORM_KEYS),
        *keys.named(keys.FORM_LINE_KEYS, priority=True),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    Form > .panel { width: 98%; max-width: 160; height: 96%; max-height: 100%; }
    Form #fields { width: 1fr; height: 1fr; } Form #doc { width: 38; height: 1fr; }
    Form #groups { height: 1; } Form #value { margin: 0; }
    Form #hints { height: 2; }
    Form.narrow #doc { width: 100%; height: 8; }
    Form.narrow Horizontal { layout: vertical; }
    """

    def __init__(
        self, scene: Scene, title: str, config: Mapping[str, str], submit: Submit
    ) -> None:
        super().__init__(scene, title)
        self.before = dict(config)
        self.values = dict(config)
        self._submit = submit
        self.options = Options()
        self._groups: list[str] = []
        self._group = 0
        self._folded = True
        self._filter = Filter()
        self._timer: Timer | None = None
        self._editing: str | None = None
        self.problem: str | None = None
        self._tested = Tested()
        self._note = ""
        self._former: str | None = None

    def compose(self) -> ComposeResult:
        """Give groups, fields, the text about a field, and the line to edit in."""
        with Vertical(classes="panel"):
            yield Static(id="groups")
            with Horizontal():
                yield Grid(_COLUMNS, self._cells, self.scene, id="fields", title="")
                yield Pane(self.scene, "", id="doc")
            yield FieldLine(id="value", compact=True, select_on_focus=False)
            yield Static(id="hints")

    def on_mount(self) -> None:
        """Colour it and ask for the fields."""
        self.set_class(self.app.size.width < 100, "narrow")
        self.dress(self.query_one(Vertical))
        for widget in (self.query_one(Grid), self.query_one(Pane)):
            frame(widget, self.scene)
        line = self.query_one(Input)
        line.display = False
        grid = self.query_one(Grid)
        grid.asks = True
        grid.focus()
        self.run_worker(self.validate(), exclusive=True, group="validate")

    @property
    def errors(self) -> dict[str, list[str]]:
        """Give the errors of each field that has some."""
        return self.options.errors

    async def validate(self) -> None:
        """Ask the daemon about the values as they are."""
        plugin = escaped(self.values.get("connector.class", ""))
        try:
            told = await self.scene.client.request(
                "PUT", f"/connector-plugins/{plugin}/config/validate", self.values
            )
        except ClientError as error:
            self.problem = str(error)
        else:
            self.problem = None
            self.options = Options(told)
            self._groups = self.options.groups(self.values)
            self._group = min(self._group, len(self._groups) - 1)
        self.query_one(Grid).asks = False
        self.paint()

    def paint(self) -> None:
        """Show groups, fields and the text."""
        bad = self.errors
        grid = self.query_one(Grid)
        keys = self._fields()
        grid.take_columns(self._widths(keys))
        grid.show(keys)
        grid.say_empty(self._nothing())
        grid.refresh()
        self._put_groups()
        left = sum(len(found) for found in bad.values())
        changed = len(changes(self.before, self.values))
        panel = self.query_one(Vertical)
        retitle(
            panel,
            f"{self.heading}  {changed} changed, {left} error{'' if left == 1 else 's'} left",
        )
        hint = f"Enter keeps {self._editing}, Tab and the next one, Esc leaves it as it was"
        editing = self._editing not in (None, "/")
        subtitle(panel, self.problem or self._note or (hint if editing else ""))
        self._put_hints()
        self._put_doc()

    def _put_groups(self) -> None:
        """Show the numbers of all groups, the name of the present one, and of the others what fits."""
        palette, line = self.scene.palette, self.query_one("#groups", Static)
        wrong = {self.options.group_of(key) for key in self._wrong}
        room = line.size.width or self.app.size.width
        room -= sum(len(f" {at + 1}  ") + (name in wrong) for at, name in enumerate(self._groups))
        names = shortened(self._groups, self._group, room)
        text = Text(no_wrap=True)
        on = f"bold {palette.background} on {palette.accent.removeprefix('bold ')}"
        if self._filter.text:
            text.append(f" search: {self._filter.text} ", on)
            found = several(len(self.query_one(Grid).keys), "option")
            text.append(f"  {found} of all groups; Esc shows all", palette.text)
            line.update(text)
            return
        for at, name in enumerate(self._groups):
            shown = f" {at + 1} {names[at]} " if names[at] else f" {at + 1} "
            text.append(shown, on if at == self._group else palette.text)
            text.append("X " if name in wrong else " ", palette.style("red"))
        line.update(text)

    def _put_hints(self) -> None:
        """Show as many keys as there is room for, whole ones."""
        palette, line = self.scene.palette, self.query_one("#hints", Static)
        width = line.size.width or self.app.size.width
        lines = [""]
        for key, word, _ in _KEYS:
            if not word:
                continue
            hint = f"{key} {word}"
            if lines[-1] and len(lines[-1]) + 2 + len(hint) > width:
                if len(lines) == max(1, line.size.height):
                    break
                lines.append("")
            lines[-1] += f"{'  ' if lines[-1] else ''}{hint}"
        line.update(Text("\n".join(lines), palette.grey, no_wrap=True))

    def _fields(self) -> list[str]:
        """Give the keys of the group, or of the search over all groups."""
        options = self.options
        if self._filter.text:
            return options.found(self._filter, self.values)
        keys = options.of_group(self._open_group, self.values)
        if not self._folded:
            return keys
        return options.unfolded(keys, {*self.values, *self._wrong})

    @property
    def _open_group(self) -> str:
        return self._groups[self._group] if self._groups else OTHER

    @property
    def _wrong(self) -> list[str]:
        """Give the fields with an error or a place that failed."""
        return list(dict.fromkeys((*self.errors, *self._tested.faults)))

    def _nothing(self) -> str:
        """Say why there are no rows, and which key shows some."""
        if self._filter.text:
            return f'no option matches "{self._filter.text}"; Esc shows all'
        folded = len(self.options.of_group(self._open_group, self.values))
        return f"{several(folded, 'option')} of low importance: + shows" if folded else ""

    def _widths(self, keys: Sequence[str]) -> tuple[Column, ...]:
        """Give the columns for so long keys; values have what is left."""
        width = self.query_one(Grid).size.width or self.app.size.width
        first, _, value, last = _COLUMNS
        room = width - first.width - last.width - _LEAST_VALUE - len(_COLUMNS) - 1
        longest = max(map(len, keys), default=0)
        return first, Column("KEY", max(_LEAST_KEY, min(longest, room))), value, last

    def _cells(self, key: str) -> Sequence[Cell]:
        entry = self.options.known.get(key)
        errors = self.errors.get(key)
        changed = self.before.get(key) != self.values.get(key)
        value, role = self.values.get(key), "bold" if changed else ""
        if value is not None:
            value = self._shown(key)
        else:
            value, role = self.options.default(key), "grey"
        importance = "" if entry is None else entry["definition"]["importance"][:4]
        required = entry is not None and entry["definition"]["required"]
        note = Cell("X error", "red") if errors else Cell("required" if required else "")
        if not errors and key in self.values:
            note = Cell("changed" if changed else "set", "amber" if changed else "green")
        tried = self._tested.note(key, self.scene.palette)
        if not errors and tried is not None:
            note = tried
        return (Cell(importance, "grey"), Cell(key), Cell(value, role), note)

    def _shown(self, key: str) -> str:
        """Give a value as it may be shown."""
        return veiled(
            key, self.values[key], self.options.type_of(key), ascii=self.scene.palette.ascii
        )

    def _put_doc(self) -> None:
        palette, key = self.scene.palette, self.query_one(Grid).key
        text = Text(style=palette.text)
        entry = self.options.known.get(key or "")
        if key in self.values:
            text.append(f"{self._shown(key or '')}\n\n", "bold")
        for error in self.errors.get(key or "", ()):
            text.append(f"{error}\n\n", palette.style("red"))
        for finding in self._tested.of(key or ""):
            put_finding(text, finding, palette)
            text.append("\n")
        if entry is not None:
            definition = entry["definition"]
            text.append(f"{definition['documentation']}\n\n")
            text.append(f"{definition['type'].lower()}, {definition['importance'].lower()}")
            default = definition["default_value"]
            text.append("\n" if default is None else f"\ndefault {default}\n", palette.grey)
            recommended = entry["value"]["recommended_values"]
            if recommended:
                text.append(f"one of {', '.join(map(str, recommended))}\n", palette.grey)
            if definition["dependents"]:
                text.append(f"decides {', '.join(definition['dependents'])}\n", palette.grey)
        elif key is not None:
            text.append("The plugin does not declare this key; it is kept as it is.")
        self.query_one(Pane).put(text, key or "")

    def on_grid_moved(self) -> None:
        """Show what the field means."""
        self._put_doc()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Offer what is recommended for the field; edit it where nothing is, or it takes several."""
        event.stop()
        key = event.key
        offered = self.options.offered(key)
        if not offered or self.options.type_of(key) == "LIST":
            self._edit(key)
            return
        now, default = self.values.get(key), self.options.default(key)
        notes = {default: "default", now: "now"}
        start = default if now is None else now
        values = dict.fromkeys((*offered, start) if start else offered)
        found = [(value, value, notes.get(value, "")) for value in values]
        widest = min(60, max(map(len, values)))
        pick = Pick(self.scene, key, found, widest, start=start, free=True)

        def picked(value: str | None) -> None:
            if value is not None:
                self._former = now
                self._take(key, value)
                self.paint()

        self.app.push_screen(pick, picked)

    def _edit(self, key: str) -> None:
        """Open the line for a field, with its value or its default."""
        line = self.query_one(FieldLine)
        line.suggester = SuggestFromList(self.options.offered(key))
        self._former = self.values.get(key)
        # a reference to a provider is typed to be read
        line.password = is_secret(key, self.options.type_of(key)) and "${" not in (
            self.values.get(key, "")
        )
        line.display = True
        # set before it is known which key is edited: this is not a change
        self._editing = None
        line.value = self.options.default(key) if self._former is None else self._former
        if self._former is None:
            # what is typed takes the place of the default
            line.select_all()
        self._editing = key
        line.focus()
        self.paint()

    def on_field_line_left(self, event: FieldLine.Left) -> None:
        """Keep what was typed and edit the field after or before it; of a search go to what it found."""
        event.stop()
        searching = self._editing == "/"
        self._end_line()
        if not searching:
            grid = self.query_one(Grid)
            before = grid.key
            grid.action_move(event.by)
            if grid.key is not None and grid.key != before:
                self._edit(grid.key)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Close the line when the mouse goes back to the fields."""
        grid = self.query_one(Grid)
        # this is told late: by now the next field may have the keys
        if event.widget is grid and grid.has_focus and self.query_one(FieldLine).display:
            self._end_line()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Take the value; ask about it when the typing pauses."""
        event.stop()
        if self._editing == "/":
            self._filter = Filter(event.value)
            self.paint()
            self.query_one(Grid).action_end(-1)
        elif self._editing is not None:
            self._take(self._editing, event.value)

    def _take(self, key: str, value: str) -> None:
        """Take a value; what was not set and is as its default stays so."""
        if self._former is None and value == self.options.default(key):
            if self.values.pop(key, None) is None:
                return
        elif self.values.get(key) == value:
            return
        else:
            self.values[key] = value
        self._validate_soon()
        self.query_one(Grid).refresh()

    def _validate_soon(self) -> None:
        # what was tried is no longer what stands there
        self._tested, self._note = Tested(), ""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(
            VALIDATE_S,
            lambda: self.run_worker(self.validate(), exclusive=True, group="validate"),
        )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go back to the fields."""
        event.stop()
        self._end_line()

    def _end_line(self) -> None:
        self._editing = None
        self.query_one(Input).display = False
        self.query_one(Grid).focus()
        self.paint()

    def action_leave(self) -> None:
        """Leave the field or the search, then the form; ask first where changes would be lost."""
        if self._editing == "/" or (self._filter.text and not self.query_one(Input).display):
            self._filter = Filter()
            self._end_line()
        elif self.query_one(Input).display:
            self._give_back()
            self._end_line()
        elif changed := len(changes(self.before, self.values)):
            one = changed == 1
            text = f"{several(changed, 'changed field')} {'is' if one else 'are'} not saved: "
            text += f"leave {'it' if one else 'them'}?"
            self.app.push_screen(
                Abandon(self.scene, self.heading, Text(text, self.scene.palette.text)),
                self._abandoned,
            )
        else:
            self.end(None)

    def _abandoned(self, answer: str | None) -> None:
        if answer == "yes":
            self.end(None)

    def _give_back(self) -> None:
        """Undo what was typed into the field."""
        key, former = self._editing, self._former
        if key is None or key == "/" or self.values.get(key) == former:
            return
        if former is None:
            self.values.pop(key, None)
        else:
            self.values[key] = former
        self._validate_soon()

    def action_unset(self) -> None:
        """Take the key away: its default counts."""
        key = self.query_one(Grid).key
        if key is not None and key not in {"name", "connector.class"}:
            self.values.pop(key, None)
            self._validate_soon()
            self.paint()

    def action_group(self, by: int) -> None:
        """Go to another group."""
        if self._groups:
            self._group = (self._group + by) % len(self._groups)
            self.paint()

    def action_go(self, number: int) -> None:
        """Go to a group by its number; ends a search, which is over all groups."""
        if number <= len(self._groups):
            self._group, self._filter = number - 1, Filter()
            self.paint()

    def action_help(self) -> None:
        """Say what each key does."""
        palette = self.scene.palette
        text = Text(style=palette.text)
        for key, _, words in _KEYS:
            text.append(f"  {key:<8}", palette.accent)
            text.append(f"{words}\n")
        self.app.push_screen(TextScreen(self.scene, "Keys of this form", text))

    def action_fold(self) -> None:
        """Show fields of low importance, or fold them."""
        self._folded = not self._folded
        self.paint()

    def action_search(self) -> None:
        """Search names and texts of all groups."""
        line = self.query_one(Input)
        self._editing = None
        line.placeholder, line.suggester = "search all fields", None
        line.password = False
        line.value, line.display = self._filter.text, True
        # what is typed takes the place of the search before
        line.select_all()
        self._editing = "/"
        line.focus()
        self.paint()

    def action_next_error(self) -> None:
        """Go to the next field with an error or a place that failed, in whatever group it is."""
        bad = self._wrong
        if bad:
            here = self.query_one(Grid).key
            at = bad.index(here) + 1 if here in bad else 0
            key = bad[at % len(bad)]
            self._filter = Filter()
            group = self.options.group_of(key)
            if group in self._groups:
                self._group = self._groups.index(group)
            self.paint()
            self.query_one(Grid).go_to(key)

    def action_test(self) -> None:
        """Have the daemon try the places that the configuration names."""
        self.run_worker(self._test(), exclusive=True, group="test")

    async def _test(self) -> None:
        scene, values = self.scene, dict(self.values)
        if scene.stock:
            self._note = "Kafka Connect itself tries no connection; ingest-appliance does"
            self.paint()
            return
        call = ours("POST", "/connection-test", values)
        self._tested, self._note = Tested(), f"{call} ..."
        self.paint()
        try:
            found = Tested(await scene.client.request(*call))
        except ClientError as error:
            self._note = f"{call}: {error}"
            self.paint()
            return
        if values != self.values:
            return
        self._tested, self._note = found, f"tested: {found.summary}"
        self.paint()
        self.app.push_screen(TextScreen(scene, "Connection test", found.text(scene.palette)))

    def action_raw(self) -> None:
        """Show the configuration as JSON."""
        shown = {key: self._shown(key) for key in self.values}
        text = Text(json.dumps(shown, indent=2, ensure_ascii=False))
        self.app.push_screen(TextScreen(self.scene, "Configuration", text))

    def action_copy_command(self) -> None:
        """Copy what would create or change the connector on the command line; secrets are left to fill in."""
        shown = {key: self._shown(key) for key in self.values}
        text = json.dumps(shown, indent=2, ensure_ascii=False)
        self.app.copy_to_clipboard(f"ingest-appliance apply -f - <<'END'\n{text}\nEND\n")
        self._note = "copied as a command of ingest-appliance; secrets are yours to fill in"
        self.paint()

    def action_editor(self) -> None:
        """Edit the configuration as JSON in $EDITOR."""
        command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "connector.json"
            file.write_text(json.dumps(self.values, indent=2, ensure_ascii=False) + "\n")
            try:
                with self.app.suspend():
                    subprocess.run([*shlex.split(command), str(file)], check=False)
            except (OSError, ValueError, SuspendNotSupported) as error:
                self.problem = (
                    f"the editor {command} does not start, set EDITOR to another: {error}"
                )
                self.paint()
                return
            try:
                edited = json.loads(file.read_text())
                self.values = {str(key): str(value) for key, value in edited.items()}
            except (ValueError, AttributeError) as error:
                self.problem = f"what the editor left is no JSON object: {error}"
                self.paint()
                return
        self.run_worker(self.validate(), exclusive=True, group="validate")

    def action_save(self) -> None:
        """Validate once more; save what has no error left."""
        self.run_worker(self.keyboard.holding(self._save()), exclusive=True, group="save")

    async def _save(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        await self.validate()
        if self.errors:
            self.action_next_error()
            self._note = (
                "not saved: the text of the red field says what it lacks, n goes to the next"
            )
            self.paint()
        elif self.problem is None and await self._submit(self.values):
            self.end("saved")
