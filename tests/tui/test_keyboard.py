"""Keys that are typed before the one ahead of them has done what it does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from textual.events import Key
from textual.widgets import Input

from tests.tui.still import StillClient, opened, settled, still, until
from tui.palette import DARK
from tui.screens.dialogs import Confirm
from tui.screens.form import Form

SLOW_S = 0.3


class SlowClient(StillClient):
    """Answers after a while, as a daemon does over a slow line."""

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        await asyncio.sleep(SLOW_S)
        return await super().request(method, path, body)


def slow(app):
    app.scene.client = SlowClient(app.scene.client.answers)
    return app


def typed(app, text: str) -> None:
    """Type at once, as a paste or a full buffer of a slow line does; ^ stands for ctrl+s."""
    names = {":": "colon", "/": "slash", " ": "space", "^": "ctrl+s", "\n": "enter"}
    for char in text:
        key = Key(names.get(char, char), None if char in "^\n" else char)
        key.set_sender(app)
        app._driver.send_message(key)


@pytest.mark.parametrize("text", ["dlq raw-dlq", "quit", "xxjjyy"])
async def test_command_takes_all_letters_when_they_come_at_once(text):
    """No letter of a command is taken for a key of the view: its q ends nothing."""
    app = still(DARK)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        typed(app, ":" + text)
        line = app.query_one("#line", Input)
        await until(lambda: line.value == text)
        assert app.screen_stack == [app.screen]
        assert app.is_running


async def test_form_takes_the_keys_when_they_are_typed_before_it_is_there():
    """`e`, then a search at once: it is searched in the form, and no key of it does something else."""
    app = slow(still(DARK, opened()))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        typed(app, "e/topt")
        await until(lambda: isinstance(app.screen, Form))
        await until(lambda: [line.value for line in app.screen.query(Input)] == ["topt"])
        asked = {path.rpartition("/")[2] for _, path, _ in app.scene.client.changes}
        assert asked <= {"validate"}


async def test_question_is_not_answered_by_what_was_typed_before_it_was_seen():
    """A y behind ctrl+s neither confirms nor opens anything; the y after it does, and the form closes."""
    more = opened()
    validated = more["PUT /connector-plugins/FileStreamSink/config/validate"]
    for entry in validated["configs"]:
        entry["value"] = {**entry["value"], "errors": []}
    more["PATCH /connectors/orders-0/config"] = {}
    app = slow(still(DARK, more))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("2", "e")
        await until(lambda: isinstance(app.screen, Form))
        form = app.screen
        await form.validate()
        form.values["file"] = "/tmp/other"
        typed(app, "^y")
        await until(lambda: isinstance(app.screen, Confirm))
        await asyncio.sleep(SLOW_S)
        assert isinstance(app.screen, Confirm)
        assert not any(method == "PATCH" for method, *_ in app.scene.client.changes)
        await pilot.press("y")
        await until(lambda: len(app.screen_stack) == 1)
        assert ("PATCH", "/connectors/orders-0/config", {"file": "/tmp/other"}) in (
            app.scene.client.changes
        )
