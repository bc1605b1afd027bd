"""Dead letters are sent again, hidden and purged as they are in the topic, and all of them where all is said."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from textual.widgets import TextArea

from tests.tui.still import StillClient, letter, open_view, queues, still, until
from tui.client import AnswerError
from tui.filters import Filter, literal
from tui.palette import DARK
from tui.screens.dialogs import Choice, Confirm, Dialog
from tui.screens.dlq import Dlq
from tui.screens.editor import EditText

QUEUE = "dlq.orders-0"
RETRY = f"{QUEUE}.retry"


class Daemon(StillClient):
    """A queue of `count` letters, and one job that runs until it is told to end."""

    def __init__(
        self, answers: dict[str, Any], count: int = 2, owners: tuple[str, ...] = ("orders-0",)
    ):
        super().__init__({**answers, **queues()})
        shared = self.answers["/dlq"][0]
        queue = {**shared, "connectors": list(owners), "records": count, "end": count}
        self.answers["/dlq"] = [queue]
        self.answers["/connectors/orders-0/config"] = {"topics": "orders"}
        self.count = count
        self.asked: list[str] = []
        self.whole: dict[str, Any] = {}
        self.state = "done"
        self.members: dict[str, Any] = {}

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        bare = urlsplit(path).path.removeprefix("/appliance/v1")
        tail = bare.removeprefix(f"/dlq/{QUEUE}")
        if method == "GET" and tail == "/records":
            self.asked.append(path)
            query = {key: value[0] for key, value in parse_qs(urlsplit(path).query).items()}
            end = int(query.get("after", f"0:{self.count}").partition(":")[2])
            first = max(0, end - int(query["limit"]))
            cause = "a.DataException: no"
            shape = {**letter(0, "VALUE_CONVERTER", cause), **self.members}
            return [{**shape, "offset": at} for at in range(end - 1, first - 1, -1)]
        if method == "GET" and tail.startswith("/records/"):
            return {**letter(0, "VALUE_CONVERTER", "no"), "value": self.whole}
        if bare.startswith("/jobs/"):
            self.state = "cancelled" if method == "DELETE" else self.state
            return self.job("replay")
        if method == "POST" and bare.startswith("/dlq/"):
            self.changes.append((method, path, body))
            if body.get("dry_run"):
                return self.dry(len(body["records"]) if "records" in body else self.count)
            return self.job(tail.strip("/"))
        return await super().request(method, path, body)

    def dry(self, count: int) -> dict[str, Any]:
        found: dict[str, Any] = {
            "count": count,
            "whole": True,
            "tried": min(count, 5000),
            "decode": count,
        }
        found |= {"still_failing": 0, "without_origin": 0, "failures": [], "targets": {}}
        return {**found, "before": {"0": self.count}}

    def job(self, kind: str) -> dict[str, Any]:
        shared = {"id": "j1", "kind": kind, "state": self.state, "done": 1, "failed": 0}
        return {**shared, "total": self.count, "error": None}

    def sent(self, verb: str) -> list[Any]:
        found = [body for _, path, body in self.changes if path.endswith(f"/{verb}")]
        return [body for body in found if not body.get("dry_run")]


def console(*given: Any, **more: Any) -> tuple[Any, Daemon]:
    app = still(DARK)
    client = app.scene.client
    assert isinstance(client, StillClient)
    daemon = Daemon(client.answers, *given, **more)
    app.scene.client = daemon
    return app, daemon


async def stands(app: Any, kind: type[Dialog]) -> None:
    await until(lambda: isinstance(app.screen, kind) and app.screen.is_mounted)


async def take(pilot: Any, entry: str) -> None:
    """Take an entry of the list that opens."""
    await stands(pilot.app, Choice)
    await pilot.pause()
    pilot.app.screen.query_one("#options").go_to(entry)
    await pilot.press("enter")


def value(raw: bytes, **more: Any) -> dict[str, Any]:
    shown = {"as": "text", "text": "?", "size": len(raw), "schema_id": None, "cut": False}
    return {**shown, "bytes_b64": base64.b64encode(raw).decode(), **more}


LARGE = b"x" * 70_000


@pytest.mark.parametrize(
    ("whole", "typed", "edit"),
    [
        (value(LARGE), "y" + LARGE.decode()[1:], {"text": "y" + LARGE.decode()[1:]}),
        (value(LARGE), None, None),
        (value(b"\x00\x00\x00\x00\x07A", schema_id=7), "00 41", {"base64": "AEE="}),
        (value(b"a\r\nb\n"), "61 0a", {"base64": "YQo="}),
    ],
    ids=["large", "unchanged", "avro", "mixed ends of lines"],
)
async def test_edit_is_made_from_all_of_the_payload(whole, typed, edit):
    """Never from the part that the list has; raw bytes are said to be that; what is unchanged is no edit."""
    app, daemon = console()
    daemon.whole = whole
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("R")
        await stands(app, EditText)
        title = str(app.screen.query_one(".panel").border_title)
        assert ("raw bytes, in hex" in title) == (edit is not None and "base64" in edit)
        if typed is not None:
            app.screen.query_one(TextArea).text = typed
        await pilot.press("ctrl+s")
        await take(pilot, "retry")
        await stands(app, Confirm)
        await pilot.press("y")
        await until(lambda: daemon.sent("replay"))
        edits = {} if edit is None else {"0:1": {**edit, "from_size": whole["size"]}}
        assert daemon.sent("replay")[0]["edits"] == edits
        assert daemon.sent("replay")[0]["records"] == [[0, 1]]


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        (value(LARGE[:65_536], size=70_000, cut=True), "the record would be cut"),
        ({"as": "null", "text": None, "size": 0}, "no payload"),
        (value(b"x" * (2 << 20)), "too many to edit"),
    ],
    ids=["cut", "null", "huge"],
)
async def test_edit_is_refused_when_it_would_harm(whole, said):
    """A part of a payload is never sent in its place."""
    app, daemon = console()
    daemon.whole = whole
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("R")
        await until(lambda: said in str(app._said))
        assert len(app.screen_stack) == 1
        assert daemon.changes == []


async def test_values_are_exported_whole_when_the_list_has_a_part(tmp_path, monkeypatch):
    """What is cut in the list is asked for again."""
    monkeypatch.chdir(tmp_path)
    app, daemon = console(1)
    daemon.members = {"value": value(LARGE[:10], size=len(LARGE), cut=True)}
    daemon.whole = value(LARGE)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("E")
        await take(pilot, "raw")
        await until(lambda: "1 values in" in str(app._said))
    (written,) = tmp_path.glob("*/*.bin")
    assert written.read_bytes() == LARGE


@pytest.mark.parametrize(
    ("config", "owners", "named", "said"),
    [
        ({"topics.regex": "orders.*"}, ("orders-0",), "orders-0", f"not {RETRY}"),
        ({"topics": "orders"}, ("orders-0", "orders-2"), None, "mark those of one"),
    ],
    ids=["pattern", "no headers"],
)
async def test_retry_is_refused_when_nobody_would_read_it(config, owners, named, said):
    """No letter goes where it vanishes; the reason stands in the list, the other way is open."""
    app, daemon = console(1, owners)
    daemon.answers["/connectors/orders-0/config"] = config
    daemon.members = {"connector": named}
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("r")
        await stands(app, Choice)
        assert said in app.screen.options["retry"][1]
        await take(pilot, "retry")
        await until(lambda: said in str(app._said))
        assert daemon.changes == []


@pytest.mark.parametrize(
    ("config", "patched"),
    [({"topics.regex": "dlq[.].*"}, []), ({"topics": "orders"}, [{"topics": f"orders,{RETRY}"}])],
)
async def test_retry_topic_is_the_first_choice_and_is_read(config, patched):
    """The connector is made to read it before anything is sent, unless it does."""
    app, daemon = console(1)
    daemon.answers["/connectors/orders-0/config"] = config
    daemon.answers["PATCH /connectors/orders-0/config"] = {}
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("r")
        await stands(app, Choice)
        await pilot.pause()
        await pilot.press("enter")
        await stands(app, Confirm)
        await pilot.press("y")
        await until(lambda: daemon.sent("replay"))
        assert [body for method, _, body in daemon.changes if method == "PATCH"] == patched
        assert daemon.sent("replay")[0]["topic"] == RETRY


async def test_job_stays_in_view_when_another_key_is_pressed():
    """Its progress is told until it ends; x cancels it, no second one begins, no connector is stopped."""
    app, daemon = console(2)
    daemon.state = "running"
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("r")
        await take(pilot, "all")
        await take(pilot, "origin")
        await stands(app, Confirm)
        assert "all of the queue, 2 letters" in str(app.screen.query_one(".panel").border_title)
        await pilot.press("y")
        view = app.view
        assert isinstance(view, Dlq)
        await until(lambda: view.replaying is not None and view.replaying.progress)
        await pilot.press("t")
        await stands(app, Choice)
        await pilot.press("escape")
        await pilot.press("r")
        await until(lambda: "a job is running" in str(app._said))
        assert view.replaying is not None
        assert view.replaying.progress == "replay 1/2, x cancels"
        await pilot.press("x")
        await until(
            lambda: "replay cancelled: the broker has acknowledged 1 of 2" in str(app._said)
        )
        assert daemon.sent("replay") == [{"edits": {}}]
        assert [path for _, path, _ in daemon.changes if path.endswith("/stop")] == []


async def test_letters_are_loaded_page_by_page_when_there_are_many():
    """The title tells how many of how many; End loads the next ones; all is all of the queue."""
    app, daemon = console(1200)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        table = app.view.table
        await until(lambda: "500 of 1200 records" in str(table.border_title))
        assert "End loads more" in str(table.border_title)
        await pilot.press("end")
        await until(lambda: "1000 of 1200 records" in str(table.border_title))
        await pilot.press("end")
        await until(lambda: "  1200 records" in str(table.border_title))
        assert table.keys[0] == "0:1199"
        assert table.keys[-1] == "0:0"
        asked = len(daemon.asked)
        app.view.loaded_s = float("-inf")
        await until(lambda: app.view.loaded_s > float("-inf"))
        assert len(daemon.asked) == asked


async def test_discard_says_what_it_hides_and_is_a_job():
    """The dry run's number is asked about; the places marked are sent, and the job is followed."""
    app, daemon = console(3)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("space", "space", "D")
        await stands(app, Confirm)
        assert "2 letters hidden" in app.screen.text.plain
        await pilot.pause()
        await pilot.press(*QUEUE, "enter")
        await until(lambda: "discard done: 1 of 3 hidden" in str(app._said))
        assert daemon.sent("discard") == [{"records": [[0, 2], [0, 1]]}]


async def test_purge_goes_up_to_the_letter_under_the_cursor():
    """Only that partition, that letter with it; the name is typed first."""
    app, daemon = console(3)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("j", "P")
        await take(pilot, "upto")
        await stands(app, Confirm)
        await pilot.pause()
        await pilot.press(*QUEUE, "enter")
        await until(lambda: daemon.sent("purge"))
        asked = [body for _, path, body in daemon.changes if path.endswith("/purge")]
        assert asked[0] == {"before": {"0": 2}, "dry_run": True}


async def test_groups_are_those_of_all_of_the_queue():
    """G offers what the daemon counts; the chosen one is the filter."""
    app, daemon = console(600)
    group = {"stage": "TASK_PUT", "exception": "IOException", "message": "a.IOException: full"}
    daemon.answers[f"/dlq/{QUEUE}/groups"] = [{**group, "count": 599}]
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("G")
        await stands(app, Choice)
        assert app.screen.options["0"] == ("599  put", "IOException: full")
        await pilot.pause()
        await pilot.press("enter")
        await until(lambda: app.view.filter.text == "stage:TASK_PUT /IOException:/ full")


def test_filter_of_an_error_finds_that_error_alone():
    """Whatever signs it holds, and however far into it another one differs."""
    error = "IOException: 100% of /data (disk 1) is !full state:ok n<3 lag>1k"
    wanted = Filter(" ".join(map(literal, error.split())))
    assert wanted.matches({"error": error})
    assert not wanted.matches({"error": error.replace("1k", "2k")})


async def test_end_of_a_job_is_told_when_its_worker_has_started_anew(monkeypatch):
    """Nothing says that it goes on; what it did stays."""
    app, daemon = console(1)
    daemon.state = "running"

    async def gone(method: str, path: str, body: Any = None) -> Any:
        if "/jobs/" in path:
            raise AnswerError(404, "Job not found on this worker.")
        return await Daemon.request(daemon, method, path, body)

    monkeypatch.setattr(daemon, "request", gone)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("r")
        await take(pilot, "origin")
        await stands(app, Confirm)
        await pilot.press("y")
        await until(lambda: "the replay ended early" in str(app._said))
