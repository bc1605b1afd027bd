"""What the keys do that belong to every view; the console's own part is in `app`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.app import App

from tui.client import Client, ClientError
from tui.contexts import ContextError, Contexts
from tui.keyboard import Keyboard
from tui.palette import THEMES
from tui.scene import NO_FILES, Scene
from tui.screens.view import View
from tui.text import several

if TYPE_CHECKING:
    from tui.actions import Actions
    from tui.editing import Editing
    from tui.widgets.grid import Grid


class Handlers(App[str]):
    """The actions named in `keys`; `view` is the one shown."""

    scene: Scene
    view: View
    views: list[View]
    frozen: bool
    keyboard: Keyboard

    @cached_property
    def actions(self) -> Actions:
        """Give what the keys do to connectors and tasks."""
        from tui.actions import Actions

        return Actions(self)

    @cached_property
    def editing(self) -> Editing:
        """Give what edits configurations."""
        from tui.editing import Editing

        return Editing(self)

    def say(self, text: str, role: str) -> None:
        """Show a sentence where the keys stand, for a while."""
        raise NotImplementedError

    def show_text(self, title: str, text: Text) -> None:
        """Open a text to read."""
        raise NotImplementedError

    def restyle(self) -> None:
        """Colour everything by the palette."""
        raise NotImplementedError

    def act(self, doing: Coroutine[Any, Any, None]) -> None:
        """Run what may ask questions and wait for answers; one at a time."""
        self.run_worker(self.keyboard.holding(doing), group="act", exclusive=True)

    def action_pause(self) -> None:
        """Pause or resume."""
        self.act(self.actions.pause())

    def action_stop(self) -> None:
        """Stop; a view with a job running ends that."""
        if not self.view.on_command("stop"):
            self.act(self.actions.stop())

    def action_restart(self) -> None:
        """Restart; a view with another use for the key comes first."""
        if not self.view.on_command("restart"):
            self.act(self.actions.restart())

    def action_delete(self) -> None:
        """Delete; a view with another use for the key comes first."""
        if not self.view.on_command("delete"):
            self.act(self.actions.delete())

    def action_options(self) -> None:
        """Offer all actions."""
        self.act(self.actions.options())

    def action_undo(self) -> None:
        """Take back."""
        if not self.view.on_command("undo"):
            self.act(self.actions.undo())

    def action_edit(self) -> None:
        """Edit the configuration; a view with another use for the key comes first."""
        if not self.view.on_command("edit"):
            self.act(self.editing.edit())

    def action_add(self) -> None:
        """Add a connector."""
        self.act(self.editing.add())

    def action_offsets(self) -> None:
        """Go to the offsets of the chosen connector."""
        self._go_filtered("offsets", "connector")

    def action_logs(self) -> None:
        """Go to the log lines of the chosen connector."""
        self._go_filtered("logs", "connector")

    def action_topics(self) -> None:
        """Go to the topics of the chosen connector; a view with another use comes first."""
        if not self.view.on_command("topics"):
            self.topics_of_chosen()

    def topics_of_chosen(self) -> None:
        """Go to the topics of the chosen connector."""
        chosen = self.view.selection()
        known = self.scene.model.connectors.get(chosen[0].connector) if chosen else None
        view = self.go_to("topics")
        if view is not None and known is not None and not view.open_named(known.name):
            view.set_filter(known.name)

    def _go_filtered(self, name: str, field: str) -> None:
        chosen = self.view.selection()
        view = self.go_to(name)
        if view is not None and chosen:
            view.limit(field, chosen[0].connector)

    def go_to(self, name: str) -> View | None:
        """Go to the view whose name begins with `name`; None when there is none."""
        view = next((view for view in self.views if view.NAME.lower().startswith(name)), None)
        if view is not None:
            self.go(view)
        return view

    def go(self, view: View) -> None:
        """Show a view."""
        raise NotImplementedError

    def point_at(self, name: str) -> None:
        """Go to the list of connectors, the cursor on one as soon as it is there."""
        raise NotImplementedError

    def action_tasks_of(self, worker: str) -> None:
        """Go to the tasks of a worker."""
        view = self.go_to("tasks")
        if view is not None:
            view.limit("worker", worker)

    def action_view_key(self, command: str) -> None:
        """Give a key to the view alone."""
        if not self.view.on_command(command):
            self.say(f"{command} means nothing in this view; ? lists what does", "grey")

    def action_problems(self) -> None:
        """Show only what does not run, or everything again."""
        self.view.only_problems = not self.view.only_problems
        self.view.refilter()

    def action_step(self, by: int) -> None:
        """Go to the next or previous tab or generation."""
        self.view.step(by)

    def action_find(self, way: int) -> None:
        """Go to the next row that does not run."""
        self.view.find(way)

    def action_sort(self) -> None:
        """Sort by the next column."""
        grid = self.view.grid
        if grid is not None and not self._has_fixed_order(grid):
            grid.sort_next()
            self.view.refilter()
            self.say(f"sorted by {grid.order or 'the order of the view'}, S reverses", "grey")

    def action_sort_reverse(self) -> None:
        """Turn the order round."""
        grid = self.view.grid
        if grid is not None and not self._has_fixed_order(grid):
            grid.sort_reverse = not grid.sort_reverse
            self.view.refilter()
            way = "reversed" if grid.sort_reverse else "as it was"
            self.say(f"{grid.order or 'the order of the view'}: {way}", "grey")

    def _has_fixed_order(self, grid: Grid) -> bool:
        """Tell whether rows have no order to choose; say why."""
        if grid.fixed:
            self.say(f"these rows have no order to choose: {grid.fixed}", "grey")
        return bool(grid.fixed)

    def action_wide(self) -> None:
        """Show wide columns or not; a view with another use for the key comes first."""
        grid = self.view.grid
        if not self.view.on_command("wide") and grid is not None:
            grid.toggle_wide()

    def action_freeze(self) -> None:
        """Hold the picture still, or follow again."""
        self.frozen = not self.frozen

    def action_explain(self) -> None:
        """Show explanations or not."""
        self.scene.explain = not self.scene.explain
        self.view.refilter()

    def action_theme(self, name: str = "") -> None:
        """Take another theme: the named one, else the next."""
        scene = self.scene
        names = [palette.name for palette in THEMES]
        if name and name not in names:
            self.say(f"no theme {name}; there are {', '.join(names)}", "amber")
            return
        at = names.index(name) if name else (names.index(scene.theme.name) + 1) % len(names)
        scene.theme = THEMES[at].with_glyphs(ascii=scene.theme.ascii)
        self.restyle()
        scene.model.reshaped = True

    def action_resync(self) -> None:
        """Try the daemon at once, or read everything again."""
        if self.scene.feed is not None:
            self.scene.feed.retry_now()
            self.scene.feed.reload()
        for view in self.views:
            view.loaded_s = float("-inf")

    def action_context(self, name: str = "") -> None:
        """Go to another daemon of the config file: the named one, else choose."""
        self.act(self._change_context(name))

    async def _change_context(self, name: str) -> None:
        contexts = self.scene.contexts
        if contexts is None or not contexts.names:
            where = contexts.path if contexts is not None else "the config file"
            self.say(f"no contexts in {where}", "amber")
            return
        if not name:
            health = await asyncio.gather(*(_health(contexts, one) for one in contexts.names))
            options = [
                (one, one, f"{state:<9} {contexts.url_of(one)}")
                for one, state in zip(contexts.names, health, strict=True)
            ]
            from tui.screens.dialogs import Choice

            answer = await self.push_screen_wait(Choice(self.scene, "Contexts", options, 20))
            name = answer or ""
        if name and name not in contexts.names:
            self.say(f"no context {name}; there are {', '.join(contexts.names)}", "amber")
        elif name:
            self.exit(name)

    def action_help(self) -> None:
        """Show the keys and what the signs mean."""
        from tui.help import help_text

        self.show_text(f"Help: {self.view.NAME}", help_text(self.scene, self.view))

    def action_raw(self) -> None:
        """Show what the row stands for as JSON."""
        raw = self.view.raw()
        if raw is None:
            self.say("nothing under the cursor", "grey")
        else:
            self.show_text("JSON", Text(json.dumps(raw, indent=2, ensure_ascii=False)))

    def action_copy(self) -> None:
        """Copy the row to the terminal's clipboard (OSC 52)."""
        text = self.view.copied()
        self.copy_to_clipboard(text)
        self.say(f"copied {len(text)} characters", "green")

    def action_copy_command(self) -> None:
        """Copy the last change as a command: curl, or a verb where one does it."""
        self.act(self._copy_command())

    async def _copy_command(self) -> None:
        call = self.actions.last
        if call is None:
            self.say("no change was made yet", "grey")
            return
        from tui.calls import verb_of
        from tui.screens.dialogs import Choice

        url = self.scene.client.url
        veiled = call.veiled()
        commands = {"curl": veiled.curl(url), "ingest-appliance": verb_of(veiled, url)}
        options = [(key, key, text) for key, text in commands.items() if text is not None]
        answer: str | None = "curl"
        if len(options) > 1:
            answer = await self.push_screen_wait(Choice(self.scene, "Copy as", options, 18))
        if answer is not None:
            command = str(commands[answer])
            self.copy_to_clipboard(command)
            self.say(f"copied: {command}", "green")

    def action_export(self) -> None:
        """Write the rows of the table to a file; a view that has them in other forms comes first."""
        if not self.view.on_command("export"):
            self.write_rows()

    def write_rows(self, rows: list[dict[str, Any]] | None = None) -> None:
        """Write rows, or those of the table, as JSON lines into the file that is asked for."""
        if self.scene.in_browser:
            self.say(NO_FILES, "amber")
            return
        # a group of its own: what asks for it may be an action itself
        self.run_worker(self._write_rows(rows), group="export", exclusive=True)

    async def _write_rows(self, rows: list[dict[str, Any]] | None) -> None:
        from tui.screens.dialogs import Ask

        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self.scene.clock()))
        usual = Path.cwd() / f"ingest-{self.view.NAME.lower()}-{stamp}.jsonl"
        rows = self.view.exported() if rows is None else rows
        question = f"{several(len(rows), 'row')} as JSON lines into the file:"
        answer = await self.push_screen_wait(Ask(self.scene, "Export", question, str(usual)))
        if not answer:
            return
        self._write(Path(answer), rows)

    def _write(self, path: Path, rows: list[dict[str, Any]]) -> None:
        path = path.expanduser()
        try:
            with path.open("x", encoding="utf-8") as out:
                out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        except OSError as error:
            self.say(f"writing {path}: {error.strerror}", "red")
            return
        self.say(f"{several(len(rows), 'row')} in {path}", "green")


async def _health(contexts: Contexts, name: str) -> str:
    """Ask a context's daemon how it is, for at most two seconds."""
    try:
        context = contexts.get(name)
        client = Client.of(context)
        async with asyncio.timeout(2.0):
            return str((await client.get("/health"))["status"])
    except TimeoutError:
        return "silent"
    except (ClientError, ContextError):
        return "no answer"
