"""Actions on connectors and tasks: what is asked first, which request it is, what is shown meanwhile.

Confirmation by tier: 0 acts at once and can be undone, 1 asks y/N, 2 wants the name typed. A context
marked `prod` moves each one up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from tui.calls import Call, connector, send
from tui.client import AnswerError, ClientError
from tui.model import RESTART
from tui.screens.dialogs import Choice, Confirm
from tui.screens.view import Selection

if TYPE_CHECKING:
    from tui.handlers import Handlers


OPERATE: Final = "operate"
ADMINISTER: Final = "administer"


class Actions:
    """What the keys p, x, r, a, D and u do to what is selected in the present view."""

    def __init__(self, console: Handlers) -> None:
        self._console = console
        self._undo: list[Call] = []
        self.last: Call | None = None

    async def pause(self) -> None:
        """Pause what runs, resume what is paused or stopped."""
        chosen = self._names()
        model = self._console.scene.model
        if not chosen or not self.allowed(OPERATE):
            return
        resumes = [
            name for name in chosen if model.connectors[name].state in {"PAUSED", "STOPPED"}
        ]
        pauses = [name for name in chosen if name not in resumes]
        calls = [connector("PUT", name, "/pause") for name in pauses]
        calls += [connector("PUT", name, "/resume") for name in resumes]
        undo = [connector("PUT", name, "/resume") for name in pauses]
        undo += [connector("PUT", name, "/pause") for name in resumes]
        word = "Pause" if pauses else "Resume"
        if await self._confirmed(0, word, chosen, calls, "Tasks stay where they are."):
            expected = dict.fromkeys(pauses, "PAUSED") | dict.fromkeys(resumes, "RUNNING")
            await self._run(calls, expected, undo)

    async def stop(self) -> None:
        """Stop connectors: their tasks go, configuration and offsets stay."""
        chosen = self._names()
        if not chosen or not self.allowed(OPERATE):
            return
        calls = [connector("PUT", name, "/stop") for name in chosen]
        undo = [connector("PUT", name, "/resume") for name in chosen]
        text = "Tasks are taken away; configuration and offsets stay. p resumes."
        if await self._confirmed(1, "Stop", chosen, calls, text):
            await self._run(calls, dict.fromkeys(chosen, "STOPPED"), undo)

    async def restart(self) -> None:
        """Restart one task, or what failed of a connector."""
        chosen = self._console.view.selection()
        if not chosen or not self.allowed(OPERATE):
            return
        if len(chosen) == 1 and chosen[0].task is None:
            await self._restart_options(chosen[0].connector)
            return
        calls, expected = [], {}
        for name, task in chosen:
            if task is None:
                calls.append(_restart(name, tasks=True, failed=True))
                expected[name] = RESTART
            else:
                calls.append(connector("POST", name, f"/tasks/{task}/restart"))
                expected[f"{name}:{task}"] = RESTART
        tier = 0 if len(calls) == 1 else 1
        names = [str(call.path) for call in calls]
        if await self._confirmed(tier, "Restart", names, calls, "Each commits first."):
            await self._run(calls, expected, [])

    async def _restart_options(self, name: str) -> None:
        console = self._console
        tasks = console.scene.model.tasks_of(name)
        failed = sum(task.state == "FAILED" for task in tasks)
        answer = await console.push_screen_wait(
            Choice(
                console.scene,
                f"Restart {name}",
                (
                    ("failed", "what failed", f"connector and tasks that failed ({failed})"),
                    ("all", "everything", f"the connector and all {len(tasks)} tasks"),
                    ("connector", "connector", "the connector alone, tasks go on"),
                ),
            )
        )
        if answer is None:
            return
        call = _restart(name, tasks=answer != "connector", failed=answer == "failed")
        tier = 1 if answer == "all" else 0
        text = f"All {len(tasks)} tasks commit, stop and start again."
        if await self._confirmed(tier, "Restart", [name], [call], text):
            touched = failed if answer == "failed" else len(tasks)
            await self._run([call], {name: RESTART} if touched else {}, [])

    async def delete(self) -> None:
        """Delete connectors, after their name has been typed."""
        chosen = self._names()
        if not chosen or not self.allowed(ADMINISTER):
            return
        model = self._console.scene.model
        for name in chosen:
            call = connector("DELETE", name)
            known = model.connectors[name]
            about = (
                f"Its {known.tasks} tasks stop. Its configuration goes; u cannot bring it back. "
            )
            about += (
                "Its offsets and topics stay: a connector of the same name goes on from there."
            )
            if not await self._confirmed(2, "Delete", [name], [call], about):
                return
            await self._run([call], {}, [])

    async def options(self) -> None:
        """Offer all that can be done with the row."""
        chosen = self._console.view.selection()
        if not chosen:
            return
        scene = self._console.scene
        about = {
            "pause": "pause or resume",
            "stop": "tasks go, offsets stay",
            "restart": "the task, or parts of the connector",
            "edit": "change the configuration",
            "offsets": "see and alter offsets",
            "topics": "its topics",
            "logs": "its log lines",
            "delete": "remove the connector",
        }
        needs = dict.fromkeys(("pause", "stop", "restart"), OPERATE)
        needs |= dict.fromkeys(("edit", "delete"), ADMINISTER)
        reasons = {key: scene.refusal(role) for key, role in needs.items()}
        answer = await self._console.push_screen_wait(
            Choice(
                scene,
                chosen[0].connector,
                [
                    (key, key, f"refused: {reasons[key]}" if reasons.get(key) else text)
                    for key, text in about.items()
                ],
            )
        )
        if answer is not None:
            await self._console.run_action(answer)

    async def undo(self) -> None:
        """Take back the last pause, resume or stop."""
        if not self._undo:
            self._console.say("nothing to undo", "grey")
        elif self.allowed(OPERATE):
            calls, self._undo = self._undo, []
            await self._run(calls, {}, [])

    async def perform(self, call: Call, expected: dict[str, str] | None = None) -> Any:
        """Send one call and say how it went; gives the answer, None when it failed."""
        console = self._console
        self.last = call
        scene = console.scene
        for key, state in (expected or {}).items():
            scene.model.expect(key, state, scene.clock())
        try:
            answer = await send(scene.client, call, lambda text: console.say(text, "amber"))
        except ClientError as error:
            for key in expected or {}:
                scene.model.pending.pop(key, None)
                scene.model.reshaped = True
            status = f"{error.status} " if isinstance(error, AnswerError) else ""
            console.say(f"{call}: {status}{error}", "red")
            return None
        console.say(f"{call}: done", "green")
        return {} if answer is None else answer

    async def ask(self, call: Call) -> Any:
        """Give the answer to a question, None when it failed, which is said."""
        try:
            return await self._console.scene.client.request(*call)
        except ClientError as error:
            self._console.say(f"{call}: {error}", "red")
            return None

    async def confirmed(self, tier: int, title: str, text: Text, name: str) -> bool:
        """Ask as the tier (and a guarded context) demands."""
        console = self._console
        tier = min(2, tier + (1 if console.scene.guarded else 0))
        if tier == 0:
            return True
        dialog = Confirm(console.scene, title, text, name if tier == 2 else None)
        return await console.push_screen_wait(dialog) == "yes"

    def allowed(self, needs: str) -> bool:
        """Tell whether what needs a role is possible now; say why when it is not."""
        reason = self._console.scene.refusal(needs)
        if reason is not None:
            self._console.say(reason, "amber")
        return reason is None

    def _names(self) -> list[str]:
        model = self._console.scene.model
        chosen: Sequence[Selection] = self._console.view.selection()
        names = dict.fromkeys(found.connector for found in chosen)
        return [name for name in names if name in model.connectors]

    async def _confirmed(
        self, tier: int, word: str, names: Sequence[str], calls: Sequence[Call], about: str
    ) -> bool:
        palette = self._console.scene.palette
        text = Text(style=palette.text)
        text.append(f"{about}\n\n")
        for call in calls[:12]:
            text.append(f"{call}\n", palette.grey)
        if len(calls) > 12:
            text.append(f"and {len(calls) - 12} more\n", palette.grey)
        title = f"{word} {names[0] if len(names) == 1 else f'{len(names)} connectors'}"
        return await self.confirmed(tier, title, text, names[0])

    async def _run(
        self, calls: Sequence[Call], expected: dict[str, str], undo: list[Call]
    ) -> None:
        scene = self._console.scene
        for key, state in expected.items():
            scene.model.expect(key, state, scene.clock())
        failed = 0
        for call in calls:
            failed += await self.perform(call) is None
        if failed:
            scene.model.pending.clear()
            scene.model.reshaped = True
            return
        self._undo = undo
        hint = "  u undoes" if undo else ""
        what = str(calls[0]) if len(calls) == 1 else f"{len(calls)} calls"
        self._console.say(f"{what}: done{hint}", "green")


def _restart(name: str, *, tasks: bool, failed: bool) -> Call:
    query = f"?includeTasks={str(tasks).lower()}&onlyFailed={str(failed).lower()}"
    return connector("POST", name, f"/restart{query}")
