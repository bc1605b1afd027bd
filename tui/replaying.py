"""Sending dead letters again, hiding and purging them: dry run, question, job with progress."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tui.actions import ADMINISTER, OPERATE
from tui.calls import Call, connector, ours
from tui.client import escaped
from tui.screens.dialogs import Choice
from tui.text import several

if TYPE_CHECKING:
    from tui.app import Console
    from tui.screens.dlq import Dlq

_EVERY_S = 0.3


class Replaying:
    """Acts on the letters of a view; `progress` says how far the running job is."""

    def __init__(self, console: Console, view: Dlq) -> None:
        self._console = console
        self._view = view
        self._job: str | None = None
        self._edits: dict[tuple[str, str], str] = {}
        self.progress = ""

    async def replay(self) -> None:
        """Replay what is marked, under the cursor or shown."""
        keys = await self._chosen("Replay")
        if keys:
            await self._send(keys, {})

    async def edit(self) -> None:
        """Edit the payload under the cursor, then replay it."""
        key = self._view.table.key
        if key not in self._view.letters or not self._console.actions.allowed(OPERATE):
            return
        # lazily: the editor is large, and most never edit a payload
        from tui.screens.editor import EditText

        letter = self._view.letters[key]
        try:
            raw = base64.b64decode(letter["value"].get("bytes_b64") or "").decode()
        except UnicodeDecodeError:
            self._console.say("this payload is binary: it can be replayed, not edited", "amber")
            return
        place = self._view.topic, key
        edited = await self._console.push_screen_wait(
            EditText(self._console.scene, f"Payload of {key}", self._edits.get(place, raw))
        )
        if edited is None:
            return
        # typed once, it is there again until it has been sent
        self._edits[place] = edited
        if await self._send([key], {key: edited}):
            self._edits.pop(place, None)
        elif edited != raw:
            self._console.say(f"not sent; R goes on with the edited payload of {key}", "amber")

    async def discard(self) -> None:
        """Hide letters."""
        keys = await self._chosen("Discard")
        if not keys:
            return
        console, topic = self._console, self._view.topic
        call = self._call("discard", {"records": _places(keys)})
        text = Text(style=console.scene.palette.text)
        text.append(
            f"{several(len(keys), 'letter')} hidden; in Kafka they stay until retention.\n\n"
        )
        text.append(f"{call}\n", console.scene.palette.grey)
        if await console.actions.confirmed(2, f"Discard from {topic}", text, topic):
            await console.actions.perform(call)
            self._over()

    async def purge(self) -> None:
        """Delete all records of the queue for good."""
        console, topic = self._console, self._view.topic
        if not topic or not console.actions.allowed(ADMINISTER):
            return
        found = await self._console.actions.ask(self._call("purge", {"dry_run": True}))
        if found is None:
            return
        call = self._call("purge", {"before": found["before"]})
        text = Text(style=console.scene.palette.text)
        text.append(f"{found['count']} records are deleted for good, up to the offsets\n")
        text.append(", ".join(f"p{p}@{o}" for p, o in found["before"].items()))
        text.append(f"\n\n{call}\n", console.scene.palette.grey)
        if await console.actions.confirmed(2, f"Purge {topic}", text, topic):
            await console.actions.perform(call)
            self._over()

    def cancel(self) -> bool:
        """End the running job early; False when none runs."""
        if self._job is None:
            return False
        call = ours("DELETE", f"/jobs/{self._job}")
        self._console.run_worker(self._console.actions.perform(call), group="cancel")
        return True

    async def _chosen(self, word: str) -> list[str] | None:
        """Give the keys meant: marked ones, else the one under the cursor or all shown."""
        view, console = self._view, self._console
        if view.table.key is None or not console.actions.allowed(OPERATE):
            return None
        if view.table.marked:
            return view.table.chosen
        shown = view.table.keys
        if len(shown) == 1:
            return list(shown)
        answer = await console.push_screen_wait(
            Choice(
                console.scene,
                word,
                (
                    ("one", "this one", view.table.key),
                    ("all", "all shown", f"the {len(shown)} letters that the filter leaves"),
                ),
            )
        )
        if answer is None:
            return None
        return [view.table.key] if answer == "one" else list(shown)

    async def _send(self, keys: Sequence[str], edits: Mapping[str, str]) -> bool:
        """Ask where to and send; tell whether the daemon has taken it on."""
        console, queue = self._console, self._view.topic
        retry = f"{queue}.retry"
        target = await console.push_screen_wait(
            Choice(
                console.scene,
                "Replay to",
                (
                    (
                        "origin",
                        "where it was",
                        "the topic of origin: every other consumer of it sees the records again",
                    ),
                    ("retry", "retry topic", f"{retry}, which this connector alone reads"),
                ),
            )
        )
        if target is None:
            return False
        body: dict[str, Any] = {"records": _places(keys), "edits": dict(edits)}
        body |= {"topic": retry} if target == "retry" else {}
        dry = await self._console.actions.ask(self._call("replay", {**body, "dry_run": True}))
        if dry is None:
            return False
        subscribe = await self._subscription(keys, retry) if target == "retry" else None
        call = self._call("replay", body)
        text = self._told(dry, subscribe, call)
        if not await console.actions.confirmed(
            1, f"Replay {several(len(keys), 'letter')}", text, queue
        ):
            return False
        if subscribe is not None and await console.actions.perform(subscribe) is None:
            return False
        job = await console.actions.perform(call)
        if job is None:
            return False
        return await self._follow(job)

    def _told(self, dry: Mapping[str, Any], subscribe: Call | None, call: Call) -> Text:
        palette = self._console.scene.palette
        text = Text(style=palette.text)
        text.append("Dry run with the connector's converters as they are now\n\n", palette.grey)
        text.append(f"  {dry['decode']:>6} decode now\n", palette.style("green"))
        bad = dry["still_failing"]
        text.append(f"  {bad:>6} still fail\n", palette.style("red") if bad else palette.grey)
        if dry["without_origin"]:
            text.append(f"  {dry['without_origin']:>6} without a known origin stay here\n")
        for failure in dry["failures"][:3]:
            text.append(f"         {failure['error']}\n", palette.grey)
        text.append("\n")
        for topic, number in dry["targets"].items():
            text.append(f"{number} to {topic}\n", "bold")
        text.append("What is delivered leaves this list; what fails again comes back into it.\n")
        if subscribe is not None:
            body: Any = subscribe.body
            text.append(
                f"\nFirst the connector reads the retry topic too: topics={body['topics']}\n"
            )
            text.append(f"{subscribe}\n", palette.grey)
        text.append(f"\n{call}\n", palette.grey)
        return text

    async def _subscription(self, keys: Sequence[str], retry: str) -> Call | None:
        """Give the change that makes the connector read the retry topic, None if it does."""
        name = self._view.letters[keys[0]]["connector"] or ""
        config = await self._console.actions.ask(connector("GET", name, "/config"))
        topics = [topic.strip() for topic in (config or {}).get("topics", "").split(",")]
        if config is None or retry in topics or "topics" not in config:
            return None
        return connector("PATCH", name, "/config", {"topics": ",".join([*topics, retry])})

    async def _follow(self, job: Mapping[str, Any]) -> bool:
        """Show how far the job is until it ends; tell whether all was sent."""
        self._job = str(job["id"])
        try:
            while job["state"] == "running":
                self.progress = f"replay {job['done']}/{job['total']}, x cancels"
                await asyncio.sleep(_EVERY_S)
                found = await self._console.actions.ask(ours("GET", f"/jobs/{self._job}"))
                if found is None:
                    return False
                job = found
        finally:
            self._job, self.progress = None, ""
        why = job["error"] or "no topic of origin is known"
        failed = f", {job['failed']} failed: {why}" if job["failed"] else ""
        taken = f"the broker has acknowledged {job['done']} of {job['total']}"
        text = f"replay {job['state']}: {taken}{failed}"
        if job["state"] == "failed":
            text = f"replay failed: {job['error']}"
        well = job["state"] == "done" and not failed
        self._console.say(text, "green" if well else "red")
        self._over()
        return well

    def _over(self) -> None:
        self._view.table.action_clear_marks()
        self._view.loaded_s = float("-inf")

    def _call(self, verb: str, body: Mapping[str, Any]) -> Call:
        return ours("POST", f"/dlq/{escaped(self._view.topic)}/{verb}", dict(body))


def _places(keys: Sequence[str]) -> list[list[int]]:
    return [[int(number) for number in key.split(":")] for key in keys]
