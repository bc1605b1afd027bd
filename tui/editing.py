"""Changing and adding connectors: the form, the difference, the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.text import Text

from tui.actions import ADMINISTER
from tui.calls import Call, connector
from tui.client import ClientError
from tui.diff import put_changes
from tui.plans import put_plan
from tui.revisions import changes, restored
from tui.screens.dialogs import Ask, Pick
from tui.summary import short_plugin
from tui.text import several

if TYPE_CHECKING:
    from tui.handlers import Handlers


class Editing:
    """What the keys e, A and u in History do."""

    def __init__(self, console: Handlers) -> None:
        self._console = console

    async def edit(self, name: str = "") -> None:
        """Edit the configuration of a connector, the chosen one unless it is named; only changes are sent."""
        console = self._console
        chosen = console.view.selection()
        name = name or (chosen[0].connector if chosen else "")
        if not name or not console.actions.allowed(ADMINISTER):
            return
        config = await self._config(name)
        if config is None:
            return

        # lazily: the first paint needs no form
        from tui.screens.form import Form

        async def submit(after: dict[str, str]) -> bool:
            return await self._patch(name, config, after)

        await console.push_screen_wait(Form(console.scene, f"Edit {name}", config, submit))

    async def apply(self, name: str, revision: Mapping[str, str]) -> None:
        """Make an old revision the present configuration, after showing the difference."""
        if not self._console.actions.allowed(ADMINISTER):
            return
        now = await self._config(name)
        if now is not None:
            kept, lost = restored(now, revision)
            note = ""
            if lost:
                note = f"\nNot brought back, for it holds a secret: {', '.join(lost)}\n"
            await self._patch(name, now, kept, note)

    async def add(self, wanted: str = "") -> None:
        """Choose a plugin, unless one is `wanted` by its class, and a name; fill in the form, create."""
        console = self._console
        if not console.actions.allowed(ADMINISTER):
            return
        scene = console.scene
        try:
            plugins = await scene.client.get("/connector-plugins")
        except ClientError as error:
            console.say(f"GET /connector-plugins: {error}", "red")
            return
        options = [
            (
                entry["class"],
                entry["class"].rsplit(".", maxsplit=1)[-1],
                f"{entry['type']}  {entry['class']} {entry.get('version') or ''}",
            )
            for entry in plugins
        ]
        plugin = console.view.plugin()
        if wanted:
            words = {wanted, f"{wanted}Connector"}
            plugin = next((name for name, short, _ in options if words & {name, short}), None)
            if plugin is None:
                console.say(f"no plugin {wanted}; : new shows all", "amber")
                return
        if plugin is None:
            plugin = await console.push_screen_wait(Pick(scene, "New connector", options, 26))
        if plugin is None:
            return
        kind = short_plugin(plugin)
        question = Ask(scene, f"New {kind}", f"Name of the new connector of {plugin}:")
        name = await console.push_screen_wait(question)
        if not name:
            return
        config = {"name": name, "connector.class": plugin}

        from tui.screens.form import Form

        async def submit(after: dict[str, str]) -> bool:
            return await self._create(name, after)

        form = Form(scene, f"New {name}, {kind}", config, submit)
        if await console.push_screen_wait(form) == "saved":
            console.point_at(name)
            console.say(f"created {name}", "green")

    async def _create(self, name: str, config: dict[str, str]) -> bool:
        palette = self._console.scene.palette
        call = Call("POST", "/connectors", {"name": name, "config": config})
        text = Text(style=palette.text)
        put_changes(text, palette, {}, config)
        actions = self._console.actions
        asked = {"action": "apply", "target": name, "config": config}
        plan = await actions.planned(asked)
        if plan is not None:
            text.append("\n")
            put_plan(text, self._console.scene, plan, self._console.size.width)
        text.append(f"\n{call}\n", palette.grey)
        if not await actions.confirmed(1, f"Create {name}", text, name):
            return False
        return await actions.perform(call) is not None

    async def _patch(
        self, name: str, before: Mapping[str, str], after: Mapping[str, str], note: str = ""
    ) -> bool:
        console = self._console
        palette, model = console.scene.palette, console.scene.model
        body = changes(before, after)
        if not body:
            console.say("nothing changed", "grey")
            return True
        call = connector("PATCH", name, "/config", body)
        text = Text(style=palette.text)
        put_changes(text, palette, before, after)
        text.append(note, palette.style("amber"))
        plan = await console.actions.planned({"action": "apply", "target": name, "patch": body})
        if console.actions.refuses(plan):
            return False
        text.append("\n")
        known = model.connectors.get(name)
        if plan is not None:
            put_plan(text, console.scene, plan, console.size.width)
        elif known is not None and known.rests:
            text.append(f"{name} is {known.state.lower()}: no task starts with it until resume.\n")
        else:
            tasks = several(len(model.tasks_of(name)), "task")
            text.append(f"The connector and its {tasks} start again with it.\n")
        text.append(f"\n{call}\n", palette.grey)
        if not await console.actions.confirmed(1, f"Apply to {name}", text, name):
            return False
        return await console.actions.perform(call) is not None

    async def _config(self, name: str) -> dict[str, str] | None:
        console = self._console
        call = connector("GET", name, "/config")
        try:
            found = await console.scene.client.get(call.path)
        except ClientError as error:
            console.say(f"{call}: {error}", "red")
            return None
        return {key: value for key, value in found.items() if value is not None}
