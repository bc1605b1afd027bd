"""The menu of a row does what its entries say in every view, and a copied call tells no secret."""

from __future__ import annotations

import pytest

from tests.tui.still import StillClient, open_view, queues, still, until
from tui.calls import Call, connector
from tui.palette import DARK
from tui.screens.dialogs import Choice, Confirm
from tui.screens.form import Form
from tui.screens.topics import Topics

SECRET = "hunter2"


async def choose(pilot, entry: str) -> None:
    """Open the menu of the row and take an entry."""
    app = pilot.app
    await pilot.press("a")
    await until(lambda: isinstance(app.screen, Choice) and app.screen.is_mounted)
    await pilot.pause()
    grid = app.screen.query_one("#options")
    grid.go_to(entry)
    await pilot.press("enter")


@pytest.mark.parametrize("view", [2, 5, 6], ids=["Connectors", "Offsets", "DLQ"])
@pytest.mark.parametrize(
    ("entry", "title", "request_"),
    [
        ("delete", "Delete orders-0", "DELETE /connectors/orders-0\n"),
        ("stop", "Stop orders-0", "PUT /connectors/orders-0/stop\n"),
    ],
)
async def test_entry_acts_on_the_connector_when_the_view_uses_its_key_otherwise(
    view, entry, title, request_
):
    """Delete is the connector's, in Offsets and DLQ too, whose own D resets or discards."""
    app = still(DARK, queues())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, view)
        await until(app.view.selection)
        await choose(pilot, entry)
        await until(lambda: isinstance(app.screen, Confirm) and app.screen.is_mounted)
        assert isinstance(app.screen, Confirm)
        assert title in str(app.screen.query_one(".panel").border_title)
        assert request_ in app.screen.text.plain


@pytest.mark.parametrize("view", [5, 6], ids=["Offsets", "DLQ"])
async def test_restart_and_edit_are_the_connector_s_in_the_menu(view):
    """In DLQ no letter is replayed, in Offsets no offset is altered."""
    config = {"/connectors/orders-0/config": {"name": "orders-0", "connector.class": "S"}}
    app = still(DARK, {**queues(), **config})
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, view)
        await until(app.view.selection)
        await choose(pilot, "restart")
        await until(lambda: isinstance(app.screen, Choice) and "connector" in app.screen.options)
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1)
        await choose(pilot, "edit")
        await until(lambda: isinstance(app.screen, Form))
        client = app.scene.client
        assert isinstance(client, StillClient)
        assert [path for _, path, _ in client.changes if "validate" not in path] == []


async def test_topics_of_the_menu_are_the_connector_s():
    """In DLQ, whose t picks the queue, the entry goes to the topics."""
    app = still(DARK, queues())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await until(app.view.selection)
        await choose(pilot, "topics")
        await until(lambda: isinstance(app.view, Topics))


@pytest.mark.parametrize(
    "call",
    [
        connector("PATCH", "a", "/config", {"connection.password": SECRET, "tasks.max": "2"}),
        connector("PATCH", "a", "/config", {"url": f"jdbc:mysql://ana:{SECRET}@db/shop"}),
        Call("POST", "/connectors", {"name": "a", "config": {"basic.auth.user.info": SECRET}}),
    ],
    ids=["patch", "address", "create"],
)
async def test_secret_is_not_shown_when_the_call_that_set_it_is_copied(call):
    """C copies stars in its place, in curl as in the verb, and says nothing else."""
    app = still(DARK)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(lambda: app.view.grid is not None and app.view.grid.keys)
        app.actions.last = call
        await pilot.press("C")
        if call.method == "PATCH":
            await until(lambda: isinstance(app.screen, Choice) and app.screen.is_mounted)
            assert isinstance(app.screen, Choice)
            assert SECRET not in str(app.screen.options)
            assert "******" in str(app.screen.options["ingest-appliance"])
            await pilot.pause()
            await pilot.press("enter")
        await until(lambda: "copied: curl" in str(app._said))
        assert SECRET not in f"{app._said}{app.clipboard}"
        assert "******" in app.clipboard
