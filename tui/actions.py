"""Actions on connectors and tasks: what is asked first, which request it is, what is shown meanwhile.

Confirmation by tier: 0 acts at once and can be undone, 1 asks y/N, 2 wants the name typed. A context
marked `prod` moves each one up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rich.text import Text

from tui.calls import Call, connector, done_words, ours, send
from tui.client import AnswerError, ClientError
from tui.model import RESTART
from tui.plans import PLAN_S, Plan, put_plan
from tui.screens.dialogs import Choice, Confirm
from tui.screens.view import Selection
from tui.text import several

if TYPE_CHECKING:
    from tui.handlers import Handlers


OPERATE: Final = "operate"
ADMINISTER: Final = "administer"
_WAYS: Final = {"PAUSED": "/pause", "RUNNING": "/resume", "STOPPED": "/stop"}

T = TypeVar("T")


class Actions:
    """What the keys p, x, r, a, D and u do to what is selected in the present view."""

    def __init__(self, console: Handlers) -> None:
        self._console = console
        self._undo: dict[str, str] = {}
        self._turn = asyncio.Lock()
        self._going: set[asyncio.Task[Any]] = set()
        self.last: Call | None = None

    async def pause(self, names: Sequence[str] = ()) -> None:
        """Pause what runs, resume what is paused or stopped, or about to be; what is named is paused."""
        chosen = self._names(names)
        if not chosen or not self.allowed(OPERATE):
            return
        targets = {
            name: "PAUSED" if names or self._target(name) == "RUNNING" else "RUNNING"
            for name in chosen
        }
        word = "Pause" if "PAUSED" in targets.values() else "Resume"
        # one is undone by one key: of several the names are read first
        tier = 0 if len(targets) == 1 else 1
        await self._change(tier, word, targets, "Tasks stay where they are.")

    async def resume(self, names: Sequence[str]) -> None:
        """Resume connectors by their names."""
        if self.allowed(OPERATE):
            targets = dict.fromkeys(self._names(names), "RUNNING")
            tier = 0 if len(targets) == 1 else 1
            await self._change(tier, "Resume", targets, "Tasks go on from their offsets.")

    async def stop(self, names: Sequence[str] = ()) -> None:
        """Stop connectors: their tasks go, configuration and offsets stay."""
        chosen = self._names(names)
        if chosen and self.allowed(OPERATE):
            text = "Tasks are taken away; configuration and offsets stay. p resumes."
            await self._change(1, "Stop", dict.fromkeys(chosen, "STOPPED"), text)

    async def restart(self, names: Sequence[str] = ()) -> None:
        """Restart one task, or what failed of a connector; not what rests, unless it has failed."""
        named = [Selection(name) for name in names]
        chosen = named or self._console.view.selection()
        if not chosen or not self.allowed(OPERATE):
            return
        chosen = self._not_resting(chosen)
        if not chosen:
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
        note = self._resting_note([name for name, _ in chosen])
        tier = 0 if len(calls) == 1 and not note else 1
        whom = list(expected)
        if await self._confirmed(tier, "Restart", whom, calls, note or "Each commits first."):
            await self._run(calls, expected)

    def _not_resting(self, chosen: Sequence[Selection]) -> list[Selection]:
        """Give what a restart means something for; say of the rest that p resumes it.

        A restart keeps the target state (Kafka Connect 4.3.1, Herder.restartConnectorAndTasks), and a
        task of a paused connector the configuration that it had: it is of use only after a failure.
        """
        model = self._console.scene.model
        kept: list[Selection] = []
        resting: dict[str, str] = {}
        for one in chosen:
            known = model.connectors.get(one.connector)
            tasks = model.tasks_of(one.connector)
            failed = any(
                task.state == "FAILED" and one.task in {None, task.number} for task in tasks
            )
            if known is not None and known.rests and not failed:
                resting[one.connector] = known.state.lower()
            else:
                kept.append(one)
        if len(resting) == 1:
            name, state = next(iter(resting.items()))
            present = "it (with the present configuration)"
            self._console.say(f"{name} is {state}: p resumes {present}", "amber")
        elif resting:
            self._console.say(f"{len(resting)} connectors rest: p resumes them", "amber")
        return kept

    def _resting_note(self, names: Sequence[str]) -> str:
        """Give what a restart leaves as it is of paused connectors, empty where none is."""
        known = self._console.scene.model.connectors
        paused = [name for name in names if name in known and known[name].rests]
        if not paused:
            return ""
        return (
            f"{', '.join(dict.fromkeys(paused))}: paused, and stays so. What is restarted starts with the "
            "configuration it had when it was paused, and moves no record. p resumes with the present one."
        )

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
        known = console.scene.model.connectors.get(name)
        if answer == "failed" and not failed and (known is None or known.state != "FAILED"):
            console.say(f"nothing of {name} has failed, nothing is restarted", "grey")
            return
        call = _restart(name, tasks=answer != "connector", failed=answer == "failed")
        note = self._resting_note([name])
        tier = 1 if answer == "all" or note else 0
        text = f"All {len(tasks)} tasks commit, stop and start again."
        asked = {"includeTasks": answer != "connector", "onlyFailed": answer == "failed"}
        plan = {"action": "restart", "target": name, **asked}
        if await self._confirmed(tier, "Restart", [name], [call], text, plan, note):
            touched = failed if answer == "failed" else len(tasks)
            await self._run([call], {name: RESTART} if touched else {})

    async def delete(self, names: Sequence[str] = ()) -> None:
        """Delete connectors, after their name has been typed."""
        chosen = self._names(names)
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
            plan = {"action": "delete", "target": name}
            if not await self._confirmed(2, "Delete", [name], [call], about, plan):
                return
            await self._run([call], {})

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
                _of_whom(chosen),
                [
                    (key, key, f"refused: {reasons[key]}" if reasons.get(key) else text)
                    for key, text in about.items()
                ],
            )
        )
        if answer is not None:
            await self._option(answer)

    async def _option(self, name: str) -> None:
        """Do an entry of the menu to the connector or task, whatever the view's own key of that name does."""
        console = self._console
        doing: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "pause": self.pause,
            "stop": self.stop,
            "restart": self.restart,
            "edit": console.editing.edit,
            "delete": self.delete,
        }
        going = {
            "offsets": console.action_offsets,
            "topics": console.topics_of_chosen,
            "logs": console.action_logs,
        }
        if name in going:
            going[name]()
        else:
            await doing[name]()

    async def undo(self) -> None:
        """Take back the last pause, resume or stop."""
        if not self._undo:
            self._console.say("nothing to undo", "grey")
        elif self.allowed(OPERATE):
            targets, self._undo = self._undo, {}
            await self._run(_ways(targets), targets)

    async def perform(self, call: Call) -> Any:
        """Send one call and say how it went; gives the answer, None when it failed."""
        return await self._whole(self._perform(call))

    async def _perform(self, call: Call) -> Any:
        try:
            answer = await self._send(call)
        except ClientError as error:
            self._console.say(_failure(call, error), "red")
            return None
        self._console.say(done_words(call), "green")
        return {} if answer is None else answer

    async def _send(self, call: Call) -> Any:
        self.last = call
        console = self._console
        return await send(console.scene.client, call, lambda text: console.say(text, "amber"))

    async def _whole(self, doing: Coroutine[Any, Any, T]) -> T:
        """Do it after what was asked for before, to its end: another key may end the one who waits."""
        self._console.keyboard.release()

        async def in_turn() -> T:
            async with self._turn:
                return await doing

        task = asyncio.ensure_future(in_turn())
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        return await asyncio.shield(task)

    async def ask(self, call: Call) -> Any:
        """Give the answer to a question, None when it failed, which is said."""
        try:
            return await self._console.scene.client.request(*call)
        except ClientError as error:
            self._console.say(f"{call}: {error}", "red")
            return None

    async def planned(self, asked: Mapping[str, Any]) -> Plan | None:
        """Give what the daemon says a change would do, None when it does not tell."""
        scene = self._console.scene
        if scene.stock:
            return None
        try:
            async with asyncio.timeout(PLAN_S):
                found: Plan = await scene.client.request(*ours("POST", "/plan", dict(asked)))
        except (ClientError, TimeoutError):
            # the question is asked all the same, with what is known here
            return None
        return found

    def refuses(self, plan: Plan | None) -> bool:
        """Tell whether the daemon would not make the change; say why."""
        if plan is None or plan["refused"] is None:
            return False
        self._console.say(str(plan["refused"]), "amber")
        return True

    def tier(self, tier: int) -> int:
        """Give the tier of a change in this context."""
        return min(2, tier + (1 if self._console.scene.guarded else 0))

    async def confirmed(self, tier: int, title: str, text: Text, name: str) -> bool:
        """Ask as the tier (and a guarded context) demands."""
        console = self._console
        tier = self.tier(tier)
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

    def _names(self, given: Sequence[str] = ()) -> list[str]:
        """Give the connectors that are named, else those that the view has chosen."""
        model = self._console.scene.model
        chosen: Sequence[Selection] = () if given else self._console.view.selection()
        names = dict.fromkeys(given or (found.connector for found in chosen))
        return [name for name in names if name in model.connectors]

    async def _confirmed(
        self,
        tier: int,
        word: str,
        names: Sequence[str],
        calls: Sequence[Call],
        about: str,
        asked: Mapping[str, Any] | None = None,
        note: str = "",
    ) -> bool:
        """Ask as the tier demands, with the plan for `asked`, else `about`; `note` stands before either."""
        palette = self._console.scene.palette
        text = Text(style=palette.text)
        plan = await self.planned(asked) if asked is not None and self.tier(tier) else None
        if self.refuses(plan):
            return False
        if note:
            text.append(f"{note}\n\n", palette.style("amber"))
        if len(names) > 1:
            text.append(f"{', '.join(names)}\n\n", "bold")
        if plan is None:
            text.append(f"{about}\n\n")
        else:
            put_plan(text, self._console.scene, plan, self._console.size.width)
            text.append("\n")
        for call in calls[:12]:
            text.append(f"{call}\n", palette.grey)
        if len(calls) > 12:
            text.append(f"and {len(calls) - 12} more\n", palette.grey)
        noun = "tasks" if any(":" in name for name in names) else "connectors"
        title = f"{word} {names[0] if len(names) == 1 else f'{len(names)} {noun}'}"
        return await self.confirmed(tier, title, text, names[0])

    def _target(self, name: str) -> str:
        """Give the state that a connector is to be in: the one asked for last, else PAUSED or STOPPED
        where it is so, else RUNNING.
        """
        model = self._console.scene.model
        asked = model.pending.get(name)
        state = model.connectors[name].state if asked is None else asked.state
        return state if state in _WAYS else "RUNNING"

    async def _change(self, tier: int, word: str, targets: Mapping[str, str], about: str) -> None:
        """Bring connectors into the states of `targets`, once that is confirmed."""
        calls = _ways(targets)
        plan = {"action": word.lower(), "target": list(targets)}
        # of some that are to pause and some to go on there is no one plan
        asked = plan if len(set(targets.values())) == 1 else None
        if await self._confirmed(tier, word, list(targets), calls, about, asked):
            # kept before it is done: u may come before the answer, and then waits for it
            back = self._undo = {name: self._target(name) for name in targets}
            if not await self._run(calls, targets, "  u undoes") and self._undo is back:
                self._undo = {}

    async def _run(
        self, calls: Sequence[Call], expected: Mapping[str, str], hint: str = ""
    ) -> bool:
        """Send calls, the first ones for the keys of `expected`; tell whether all went well."""
        scene = self._console.scene
        for key, state in expected.items():
            scene.model.expect(key, state, scene.clock())
        return await self._whole(self._send_all(calls, expected, hint))

    async def _send_all(
        self, calls: Sequence[Call], expected: Mapping[str, str], hint: str
    ) -> bool:
        console, scene = self._console, self._console.scene
        failures = []
        wanted = iter(expected.items())
        for call in calls:
            key, state = next(wanted, ("", ""))
            try:
                await self._send(call)
            except ClientError as error:
                failures.append(_failure(call, error))
                scene.model.give_up(key, state)
            else:
                scene.model.answered(key, state, scene.clock())
        what = several(len(calls), "connector")
        if failures:
            more = f"{len(failures)} of {len(calls)} calls failed: " if len(calls) > 1 else ""
            console.say(f"{more}{failures[0]}", "red")
        else:
            words = [done_words(call) for call in calls]
            verbs = {word.rpartition(" ")[0] for word in words}
            said = words[0]
            if len(calls) > 1:
                # the same for all of them, or several things
                said = f"{verbs.pop()} {what}" if len(verbs) == 1 else f"made {len(calls)} changes"
            console.say(f"{said}{hint}", "green")
        return not failures


def _of_whom(chosen: Sequence[Selection]) -> str:
    names = dict.fromkeys(one.connector for one in chosen)
    return next(iter(names)) if len(names) == 1 else f"{len(names)} connectors"


def _failure(call: Call, error: ClientError) -> str:
    status = f"{error.status} " if isinstance(error, AnswerError) else ""
    return f"{call}: {status}{error}"


def _ways(targets: Mapping[str, str]) -> list[Call]:
    """Give the calls that bring connectors into states."""
    return [connector("PUT", name, _WAYS[state]) for name, state in targets.items()]


def _restart(name: str, *, tasks: bool, failed: bool) -> Call:
    query = f"?includeTasks={str(tasks).lower()}&onlyFailed={str(failed).lower()}"
    return connector("POST", name, f"/restart{query}")
