"""Sending dead letters again, hiding and purging them: dry run, question, job with progress."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.text import Text

from tui.actions import ADMINISTER, OPERATE
from tui.calls import Call, connector, ours
from tui.client import PREFIX, AnswerError, ClientError, escaped
from tui.screens.dialogs import Choice
from tui.screens.view import NOT_FOUND
from tui.text import several

if TYPE_CHECKING:
    from tui.app import Console
    from tui.screens.dlq import Dlq

_EVERY_S: Final = 0.3
EDITED: Final = 1 << 20
"""How many bytes may be edited."""


class Chosen(NamedTuple):
    """Letters that are meant: by their keys, None for all of the queue; and how many."""

    keys: Sequence[str] | None
    number: int

    @property
    def body(self) -> dict[str, Any]:
        """Give them as the daemon is asked for them."""
        return {} if self.keys is None else {"records": _places(self.keys)}

    @property
    def words(self) -> str:
        """Give them as a person is asked about them."""
        whole = "all of the queue, " if self.keys is None else ""
        return f"{whole}{several(self.number, 'letter')}"


class Replaying:
    """Acts on the letters of a view; `progress` says how far the running job is."""

    def __init__(self, console: Console, view: Dlq) -> None:
        self._console = console
        self._view = view
        self._busy = False
        self._job: str | None = None
        self._edits: dict[tuple[str, str], str] = {}
        self.progress = ""

    async def replay(self) -> None:
        """Replay what is marked, under the cursor, shown, or all of the queue."""
        chosen = await self._chosen("Replay")
        if chosen is not None:
            await self._send(chosen, {})

    async def edit(self) -> None:
        """Edit the payload under the cursor, all of it, then replay it."""
        key, topic = self._view.table.key, self._view.topic
        if key is None or key not in self._view.letters or not self._ready():
            return
        found = await self._console.actions.ask(ours("GET", whole_path(topic, key, "text")))
        if found is None:
            return
        payload = Payload.of(found["value"])
        if isinstance(payload, str):
            self._console.say(payload, "amber")
            return
        # lazily: the editor is large, and most never edit a payload
        from tui.screens.editor import EditText

        place = topic, key
        title = f"Payload of {key}{'' if payload.is_text else ': its raw bytes, in hex'}"
        edited = await self._console.push_screen_wait(
            EditText(self._console.scene, title, self._edits.get(place, payload.text))
        )
        if edited is None:
            return
        # typed once, it is there again until it has been sent
        self._edits[place] = edited
        try:
            edit = payload.edit(edited)
        except ValueError:
            self._console.say(f"not sent, for it is no hex; R goes on with {key}", "red")
            return
        # what was not changed is sent from the topic
        edits = {} if edit is None else {key: edit}
        if not await self._send(Chosen([key], 1), edits, place) and edit is not None:
            self._console.say(f"not sent; R goes on with the edited payload of {key}", "amber")

    async def discard(self) -> None:
        """Hide letters, by a job."""
        chosen = await self._chosen("Discard")
        if chosen is None:
            return
        console, topic = self._console, self._view.topic
        dry = await console.actions.ask(self._call("discard", {**chosen.body, "dry_run": True}))
        if dry is None:
            return
        call = self._call("discard", chosen.body)
        text = Text(style=console.scene.palette.text)
        text.append(
            f"{several(dry['count'], 'letter')} hidden; in Kafka they stay until retention.\n\n"
        )
        text.append(f"{call}\n", console.scene.palette.grey)
        if await console.actions.confirmed(2, f"Discard {chosen.words}", text, topic):
            self._start("discard", [call])

    async def purge(self) -> None:
        """Delete records of the queue for good: all, or those of a partition up to the cursor."""
        console, topic = self._console, self._view.topic
        if not topic or not console.actions.allowed(ADMINISTER):
            return
        key = self._view.table.key
        body: dict[str, Any] = {}
        if key is not None:
            ((partition, offset),) = _places([key])
            upto = f"this one and all before it in partition {partition}, hidden ones too"
            choices = (("upto", "up to it", upto), ("all", "all", "every record of the queue"))
            answer = await console.push_screen_wait(Choice(console.scene, "Purge", choices))
            if answer is None:
                return
            body = {"before": {str(partition): offset + 1}} if answer == "upto" else {}
        found = await self._console.actions.ask(self._call("purge", {**body, "dry_run": True}))
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

    def _ready(self) -> bool:
        """Tell whether a job may be started; say why not."""
        if self._busy:
            self._console.say("a job is running; x cancels it", "amber")
            return False
        return self._console.actions.allowed(OPERATE)

    async def _chosen(self, word: str) -> Chosen | None:
        """Give what is meant: marked letters, else the one under the cursor, all shown or the queue."""
        view, console = self._view, self._console
        if view.table.key is None or not self._ready():
            return None
        if view.table.marked:
            marked = view.table.chosen
            return Chosen(marked, len(marked))
        shown = list(view.table.keys)
        one = Chosen([view.table.key], 1)
        ways = {"one": ("this one", view.table.key, one)}
        if view.filter.text:
            about = f"the {len(shown)} letters that the filter leaves of those loaded"
            ways["shown"] = ("all shown", about, Chosen(shown, len(shown)))
        elif len(shown) < view.total:
            about = f"the newest {len(shown)} letters"
            ways["shown"] = ("all shown", about, Chosen(shown, len(shown)))
        if view.total > 1:
            about = f"all {view.total} letters of {view.topic}"
            ways["all"] = ("the queue", about, Chosen(None, view.total))
        if len(ways) == 1:
            return one
        options = [(key, way, about) for key, (way, about, _) in ways.items()]
        answer = await console.push_screen_wait(Choice(console.scene, word, options))
        return None if answer is None else ways[answer][2]

    async def _send(
        self, chosen: Chosen, edits: Mapping[str, Any], place: tuple[str, str] | None = None
    ) -> bool:
        """Ask where to and send; tell whether that was agreed to."""
        console, queue = self._console, self._view.topic
        way = await self._way(chosen)
        only = f"{way.topic}, which {way.reader} alone reads" if way.refusal is None else ""
        target = await console.push_screen_wait(
            Choice(
                console.scene,
                "Replay to",
                (
                    ("retry", "retry topic", only or f"refused: {way.refusal}"),
                    (
                        "origin",
                        "where it was",
                        "the topic of origin: every other consumer of it sees the records again",
                    ),
                ),
            )
        )
        if target is None:
            return False
        if target == "retry" and way.refusal is not None:
            console.say(way.refusal, "amber")
            return False
        body: dict[str, Any] = {**chosen.body, "edits": dict(edits)}
        body |= {"topic": way.topic} if target == "retry" else {}
        dry = await self._console.actions.ask(self._call("replay", {**body, "dry_run": True}))
        if dry is None:
            return False
        subscribe = way.subscribe if target == "retry" else None
        call = self._call("replay", body)
        text = self._told(dry, subscribe, call)
        if not await console.actions.confirmed(1, f"Replay {chosen.words}", text, queue):
            return False
        self._start("replay", [call] if subscribe is None else [subscribe, call], place)
        return True

    async def _way(self, chosen: Chosen) -> Way:
        """Give the retry topic and what makes its reader read it, or why there is none."""
        view, scene = self._view, self._console.scene
        owners = view.owners
        named = {
            view.letters[key]["connector"] for key in chosen.keys or () if key in view.letters
        }
        # who has no headers is of the queue's connectors
        readers = {name for name in named if name} or set(owners)
        if None in named:
            readers |= set(owners)
        if len(readers) != 1:
            several_ = ", ".join(sorted(readers)) or "no connector"
            return Way("", "", None, f"letters of {several_}: mark those of one, or where it was")
        (reader,) = readers
        retry = f"{view.topic}.retry" if owners == [reader] else f"{view.topic}.{reader}.retry"
        config = await self._console.actions.ask(connector("GET", reader, "/config"))
        if config is None:
            return Way(retry, reader, None, f"{reader} does not tell what it reads")
        if not (config.get("topics") or "").strip():
            pattern = config.get("topics.regex") or ""
            if _matches(pattern, retry):
                return Way(retry, reader, None, None)
            why = f"{reader} reads topics.regex={pattern}, not {retry}: choose where it was"
            return Way(retry, reader, None, why)
        topics = [topic.strip() for topic in config["topics"].split(",")]
        if retry in topics:
            return Way(retry, reader, None, None)
        change = {"topics": ",".join([*topics, retry])}
        # the change of the configuration needs more than the replay
        refusal = scene.refusal(ADMINISTER)
        return Way(retry, reader, connector("PATCH", reader, "/config", change), refusal)

    def _told(self, dry: Mapping[str, Any], subscribe: Call | None, call: Call) -> Text:
        palette = self._console.scene.palette
        text = Text(style=palette.text)
        text.append("Dry run with the connector's converters as they are now\n\n", palette.grey)
        if dry["tried"] + dry["without_origin"] < dry["count"] or not dry["whole"]:
            tried = f"the first {dry['tried']} of {dry['count']} letters were tried"
            text.append(f"  {tried}\n", palette.style("amber"))
        text.append(f"  {dry['decode']:>6} decode now\n", palette.style("green"))
        bad = dry["still_failing"]
        text.append(f"  {bad:>6} still fail\n", palette.style("red") if bad else palette.grey)
        if dry["without_origin"]:
            text.append(f"  {dry['without_origin']:>6} without a known origin stay here\n")
        for failure in dry["failures"][:3]:
            text.append(f"         {failure['error']}\n", palette.grey)
        text.append("\n")
        for topic, number in dry["targets"].items():
            more = "" if dry["whole"] else " and more"
            text.append(f"{number}{more} to {topic}\n", "bold")
        text.append("What is delivered leaves this list; what fails again comes back into it.\n")
        if subscribe is not None:
            body: Any = subscribe.body
            text.append(
                f"\nFirst the connector reads the retry topic too: topics={body['topics']}\n"
            )
            text.append(f"{subscribe}\n", palette.grey)
        text.append(f"\n{call}\n", palette.grey)
        return text

    def _start(
        self, word: str, calls: Sequence[Call], place: tuple[str, str] | None = None
    ) -> None:
        """Make the calls, the last of which gives a job, and follow that whatever other keys do."""
        self._busy = True
        # a group of its own: the next key ends those of its own
        self._console.run_worker(self._work(word, calls, place), group="job")

    async def _work(self, word: str, calls: Sequence[Call], place: tuple[str, str] | None) -> None:
        try:
            job: Any = None
            for call in calls:
                job = await self._console.actions.perform(call)
                if job is None:
                    return
            if await self._follow(word, job) and place is not None:
                self._edits.pop(place, None)
        finally:
            self._busy, self._job, self.progress = False, None, ""
            self._over()

    async def _follow(self, word: str, job: Mapping[str, Any]) -> bool:
        """Show how far the job is until it ends; tell whether all was done."""
        self._job = str(job["id"])
        path = f"{PREFIX}/jobs/{self._job}"
        while job["state"] == "running":
            self.progress = f"{word} {job['done']}/{job['total']}, x cancels"
            await asyncio.sleep(_EVERY_S)
            try:
                job = await self._console.scene.client.get(path)
            except AnswerError as error:
                if error.status != NOT_FOUND:
                    raise
                gone = "its worker has started anew. What it did is done; look, and do the rest"
                self._console.say(f"the {word} ended early: {gone}", "red")
                return False
            except ClientError:
                self.progress = f"{word} {job['done']}/{job['total']}, no answer at the moment"
        why = job["error"] or "no topic of origin is known"
        failed = f", {job['failed']} failed: {why}" if job["failed"] else ""
        taken = f"{job['done']} of {job['total']}"
        taken = f"the broker has acknowledged {taken}" if word == "replay" else f"{taken} hidden"
        text = f"{word} {job['state']}: {taken}{failed}"
        if job["state"] == "failed":
            text = f"{word} failed: {job['error']}"
        well = job["state"] == "done" and not failed
        self._console.say(text, "green" if well else "red")
        return well

    def _over(self) -> None:
        self._view.table.action_clear_marks()
        self._view.loaded_s = float("-inf")

    def _call(self, verb: str, body: Mapping[str, Any]) -> Call:
        return ours("POST", f"/dlq/{escaped(self._view.topic)}/{verb}", dict(body))


class Way(NamedTuple):
    """A retry topic, its reader, the change that makes it read it, or why there is no way."""

    topic: str
    reader: str
    subscribe: Call | None
    refusal: str | None


class Payload(NamedTuple):
    """A payload to edit: as text where the editor keeps it as it is, else its bytes in hex."""

    raw: bytes
    text: str
    is_text: bool

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Payload | str:
        """Give it, or why it cannot be edited."""
        if value["as"] == "null":
            return "this letter has no payload: it can be replayed, not edited"
        raw = base64.b64decode(value.get("bytes_b64") or "")
        if value.get("cut") or len(raw) != value["size"]:
            return (
                f"only {len(raw)} of {value['size']} bytes came: edited, the record would be cut"
            )
        if len(raw) > EDITED:
            return f"{len(raw)} bytes are too many to edit here: E exports them"
        from tui.screens.editor import keeps

        # with a schema's id before it it is no text, though it may look like one
        if value["as"] == "text" and value.get("schema_id") is None:
            text = raw.decode()
            if keeps(text):
                return cls(raw, text, True)
        rows = (raw[at : at + 24] for at in range(0, len(raw), 24))
        return cls(raw, "\n".join(row.hex(" ") for row in rows), False)

    def edit(self, text: str) -> dict[str, Any] | None:
        """Give what the daemon is told, None where nothing has changed. Raises ValueError for no hex."""
        given = text.encode() if self.is_text else bytes.fromhex(text)
        if given == self.raw:
            return None
        told = {"text": text} if self.is_text else {"base64": base64.b64encode(given).decode()}
        return {**told, "from_size": len(self.raw)}


def whole_path(topic: str, key: str, form: str) -> str:
    """Give where a letter is told with all of its bytes."""
    ((partition, offset),) = _places([key])
    return f"/dlq/{escaped(topic)}/records/{partition}/{offset}?as={form}"


def _matches(pattern: str, topic: str) -> bool:
    try:
        return bool(pattern) and re.fullmatch(pattern, topic) is not None
    except re.error:
        return False


def _places(keys: Sequence[str]) -> list[list[int]]:
    return [[int(number) for number in key.split(":")] for key in keys]
