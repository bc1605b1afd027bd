"""Records of topics, offsets and dead letters are read, followed and sent again."""

from __future__ import annotations

import time
from typing import Any

import pytest
from textual.widgets import TextArea

from tests.tui.daemon import task_event
from tests.tui.still import (
    NOW_MS,
    W1,
    StillClient,
    open_view,
    opened,
    queues,
    settled,
    still,
    topics,
    until,
)
from tui.client import ServerEvent
from tui.palette import DARK
from tui.screens.dialogs import Ask, Choice, Confirm
from tui.screens.dlq import Dlq
from tui.screens.editor import EditText
from tui.screens.offsets import Offsets
from tui.screens.topics import Topics
from tui.widgets.frame import Pane
from tui.widgets.grid import Grid


async def test_topic_of_a_connector_is_told_and_opened():
    """Below the tab's list stands what the cluster knows of the topic; Enter goes to its records."""
    used = {"/connectors/orders-0/topics": {"orders-0": {"topics": ["gone", "orders"]}}}
    app = still(DARK, {**opened(), **topics(), **used})
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_connector("orders-0", "Topics")
        pane = app.view.query_one("#detail-text", Pane)
        await until(lambda: "no such topic" in pane.text)
        await pilot.press("j")
        await until(lambda: "partitions  6" in pane.text)
        assert "read by     orders-0" in pane.text
        await pilot.press("enter")
        await until(lambda: app.view.NAME == "Topics")
        await until(lambda: len(app.view.query_one("#records-grid", Grid).keys) > 1)


def two_topics() -> dict[str, Any]:
    """Give two topics whose records stand at different places; what follows the first one is newer."""
    found = topics()
    found["/topics"] = found["/topics"][:2]
    shared = found["/topics/orders/records"][0]
    found["/topics/orders/records"] = [
        {**shared, "partition": 0, "offset": at} for at in (1311, 1310)
    ]
    found["/topics/orders-returns/records"] = [{**shared, "partition": 1, "offset": 7}]
    return found


async def test_other_topic_is_peeked_at_after_the_first_one_was_left():
    """Its own records stand there, of the one before none; the same topic opens again after F as well."""
    app = still(DARK, two_topics())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 7)
        grid = app.view.query_one("#records-grid", Grid)
        await pilot.press("enter")
        await until(lambda: grid.keys == ["0@1311", "0@1310"])
        await pilot.press("escape", "j", "enter")
        await until(lambda: grid.keys == ["1@7"])
        await pilot.press("F", "escape", "enter")
        await until(lambda: grid.keys == ["1@7"])
        app.open_topic("orders")
        await pilot.pause()
        await until(lambda: grid.keys == ["0@1311", "0@1310"])


async def test_row_is_empty_when_the_view_has_given_it_up():
    """A table that is drawn before it has heard of the new rows draws, and the console goes on."""
    app = still(DARK, two_topics())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 7)
        assert isinstance(app.view, Topics)
        await pilot.press("enter")
        grid = app.view.query_one("#records-grid", Grid)
        await until(lambda: len(grid.keys) == 2)
        app.view.records = {}
        grid.refresh()
        await pilot.press("j", "enter", "y")
        assert grid.render_line(1).text.strip() == ""
        assert app.is_running


async def test_records_are_unfiltered_when_the_list_is_filtered():
    """The list's filter is there again on the way back; what `t` of a connector filters is the list."""
    app = still(DARK, two_topics())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 7)
        grid = app.view.query_one("#records-grid", Grid)
        await pilot.press("slash", *"returns", "enter", "enter")
        await until(lambda: grid.keys == ["1@7"])
        assert app.view.filter.text == ""
        await pilot.press("slash", *"nothing", "enter")
        await until(lambda: grid.keys == [])
        await pilot.press("escape")
        await until(lambda: grid.keys == ["1@7"])
        await pilot.press("escape")
        assert app.view.filter.text == "returns"
        assert app.view.query_one("#topics-grid", Grid).keys == ["orders-returns"]
        await pilot.press("enter", "2", "t")
        await until(lambda: app.view.NAME == "Topics")
        assert isinstance(app.view, Topics)
        assert app.view.topic == ""
        assert app.view.filter.text.startswith("orders-")


async def test_records_of_a_connector_lead_back_to_it():
    """Escape in records that a connector's tab opened shows that tab, at its row."""
    used = {"/connectors/orders-0/topics": {"orders-0": {"topics": ["orders", "orders-returns"]}}}
    app = still(DARK, {**opened(), **two_topics(), **used})
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_connector("orders-0", "Topics")
        await until(lambda: app.view.grid is not None and len(app.view.grid.keys) == 2)
        await pilot.press("j", "enter")
        await until(lambda: app.view.NAME == "Topics")
        await until(lambda: app.view.query_one("#records-grid", Grid).keys == ["1@7"])
        await pilot.press("1", "7", "escape")
        await until(lambda: app.view.NAME == "Connectors")
        await until(lambda: app.view.grid is not None and app.view.grid.key == "orders-returns")


async def test_offsets_say_that_they_are_limited_and_their_number_shows_all():
    """What `o` limits the view to stands in the frame; a sink that has committed nothing has its partitions."""
    figures = {"orders-3-0": {"partitions": "orders/0 orders/1"}, "orders-1-0": {}}
    app = still(DARK, {"/metrics": figures})
    app.scene.model.connectors["orders-3"] = app.scene.model.connectors["orders-3"]._replace(
        kind="sink"
    )
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_connector("orders-3")
        await pilot.press("o")
        await until(lambda: isinstance(app.view, Offsets))
        assert isinstance(app.view, Offsets)
        table = app.view.table
        await until(lambda: len(table.keys) == 2)
        assert table.texts(table.keys[0])["committed"] == "-"
        assert "/connector:orders-3  Esc shows all" in str(table.border_title)
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Choice))
        assert isinstance(app.screen, Choice)
        assert list(app.screen.options) == ["to", "forget"]
        await pilot.press("escape", "2", "escape", "5")
        await until(lambda: len(table.keys) > 2)
        assert "connector:" not in str(table.border_title)
        app.view.limit("connector", "orders-2")
        assert "orders-2 has committed nothing yet" in table.empty
        await pilot.press("e")
        await until(lambda: "nothing to alter: orders-2" in str(app._said))
        await pilot.press("escape")
        await until(lambda: len(table.keys) > 2)


async def test_preview_is_of_the_offset_that_the_new_one_was_reckoned_from():
    """The offset is read again when the question opens; what is committed meanwhile is told apart."""
    app = still(DARK)
    client = app.scene.client
    assert isinstance(client, StillClient)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 5)
        row = client.answers["/lag"][0]
        place = row["partition"]
        row = {**row, "committed": {"kafka_offset": 3202}}
        client.answers["/lag"] = [row]
        previewed = {
            "partition": place,
            "from": {"kafka_offset": 3235},
            "to": {"kafka_offset": 3152},
            "direction": "again",
            "events": 83,
            "bytes": None,
            "eta_s": 8.3,
            "checks": [],
        }
        client.answers["/connectors/orders-0/offsets/preview"] = {
            "offsets": [previewed],
            "checks": [],
        }
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Choice))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Ask))
        assert isinstance(app.screen, Ask)
        assert "back from the committed offset 3202" in app.screen._text
        await pilot.press("5", "0", "enter")
        await until(lambda: isinstance(app.screen, Confirm))
        assert isinstance(app.screen, Confirm)
        asked = client.changes[-1][2]["offsets"]
        assert asked == [{"partition": place, "offset": {"kafka_offset": 3152}}]
        told = app.screen.text.plain
        assert "from 3202  to 3152\n  = 50 events again, about 5s at 10.0/s" in told
        assert "3235 is committed by now: 33 more come again" in told


async def test_records_go_on_from_the_newest_row_when_the_topic_is_followed():
    """What came between the peek and F is there; of what the daemon left out a row says how many."""
    found = two_topics()
    shared = found["/topics/orders/records"][0]
    path = "/appliance/v1/topics/orders/records?follow=true&as=auto"
    record = ServerEvent(None, "record", {**shared, "offset": 1320, "ts": NOW_MS})
    found[f"STREAM {path}"] = [None, ServerEvent(None, "skipped", {}), record]
    app = still(DARK, found)
    client = app.scene.client
    assert isinstance(client, StillClient)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 7)
        grid = app.view.query_one("#records-grid", Grid)
        await pilot.press("enter")
        await until(lambda: grid.keys == ["0@1311", "0@1310"])
        client.answers["/topics/orders/records"] = [
            {**shared, "offset": at} for at in (1313, 1312, 1311)
        ]
        await pilot.press("F")
        await until(lambda: len(grid.keys) > 2)
        assert grid.keys == ["0@1320", "0@1314", "0@1313", "0@1312", "0@1311", "0@1310"]
        passed = grid.texts("0@1314")["value"]
        assert passed.startswith("6 passed over: offset 1314 to 1319")
        await pilot.press("g", "j")
        assert app.view.query_one("#record", Pane).text.startswith("6 passed over")
        assert len(app.view.exported()) == 5
        # the stream has ended, as when the link is lost: it is taken up again
        client.answers[f"STREAM {path}"] = [record._replace(data={**record.data, "offset": 1321})]
        await until(lambda: "0@1321" in grid.keys)


def mended() -> dict[str, Any]:
    """Give what a replay of a letter answers."""
    found = queues()
    first = found["/dlq/dlq.orders-0/records"][0]
    value = {"as": "text", "text": "n/a", "size": 3, "schema_id": None, "bytes_b64": "bi9h"}
    found["/dlq/dlq.orders-0/records/0/0"] = {**first, "value": {**value, "cut": False}}
    dry: dict[str, Any] = {"count": 1, "tried": 1, "whole": True, "decode": 1}
    dry |= {"still_failing": 0, "without_origin": 0, "failures": []}
    job = {"id": "replay-1", "state": "done", "total": 1, "done": 1, "failed": 0, "error": None}
    replay = {**dry, **job, "targets": {"dlq.orders-0.retry": 1}}
    config = {"name": "orders-0", "topics": "orders"}
    return {
        **found,
        "POST /dlq/dlq.orders-0/replay": replay,
        "/connectors/orders-0/config": config,
    }


async def test_edited_payload_is_kept_when_it_is_not_sent_yet():
    """Escape at the question keeps it for the next R; the dry run is in words, the end tells who has it."""
    app = still(DARK, mended())
    client = app.scene.client
    assert isinstance(client, StillClient)
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        for step in ("escape", "enter"):
            await pilot.press("R")
            await until(lambda: isinstance(app.screen, EditText))
            area = app.screen.query_one(TextArea)
            if step == "escape":
                assert area.text == "n/a"
                area.text = "12.5"
            assert area.text == "12.5"
            await pilot.press("ctrl+s")
            await until(lambda: isinstance(app.screen, Choice))
            await pilot.press(step)
            if step == "escape":
                await until(lambda: "R goes on with the edited payload of 0:0" in str(app._said))
        await until(lambda: isinstance(app.screen, Confirm))
        assert isinstance(app.screen, Confirm)
        told = app.screen.text.plain
        assert "reads the retry topic too: topics=orders,dlq.orders-0.retry" in told
        assert "{" not in told
        await pilot.press("y")
        await until(lambda: "the broker has acknowledged 1 of 1" in str(app._said))
        sent = [body for method, path, body in client.changes if path.endswith("/replay")][-1]
        assert sent["edits"] == {"0:0": {"text": "12.5", "from_size": 3}}


async def test_letter_shows_what_the_connector_wrote_beside_its_own_headers():
    """The context headers stand in their own group, under their own names."""
    app = still(DARK, queues())
    async with app.run_test(size=(120, 36)) as pilot:
        await open_view(pilot, 6)
        await pilot.press("left_square_bracket")
        pane = app.view.query_one("#letter", Pane)
        lines = [line.split(maxsplit=1) for line in pane.text.splitlines()]
        assert ["trace", "a1"] in lines
        assert ["__connect.errors.topic", "orders"] in lines
        exception = "org.apache.kafka.connect.errors.DataException"
        assert ["__connect.errors.exception.class.name", exception] in lines
        assert ["__connect.errors.task.id", "0"] in lines


async def test_queue_is_not_there_yet_when_nothing_was_written_into_it():
    """That is not a queue with 0 records; at 80 columns the keys that act on letters stay in the bar."""
    found = queues()
    (queue,) = found["/dlq"]
    later = {**queue, "topic": "dlq.later", "exists": False, "records": 0, "new_1h": 0}
    found["/dlq"] = [queue, {**later, "last_ms": None}]
    found["/dlq/dlq.later/records"] = []
    app = still(DARK, found)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_view(pilot, 6)
        assert isinstance(app.view, Dlq)
        keys_shown = str(app._shown["keys"])
        assert [
            key for key in (" r replay", " R edit+", " D discard") if key not in keys_shown
        ] == []
        table = app.view.table
        assert "t shows 1 other queue" in str(table.border_title)
        listed = app.view.query_one("#queues", Grid).texts("dlq.later")
        assert listed["dlq topic"] == "dlq.later not there yet"
        assert listed["recs"] == "-"
        app.view.open_named("dlq.later")
        await settled(pilot)
        await until(lambda: str(table.border_title).startswith("dlq.later  not there yet"))
        assert "first dead letter makes it" in table.empty


@pytest.mark.parametrize("tab", ["Tasks", "States"])
async def test_record_that_a_trace_names_is_read_by_enter(tab):
    """Above the trace stands which record it was; Enter shows it, Escape the trace again."""
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n"
        "\tof stage VALUE_CONVERTER, consumed record is {topic='orders', partition=0, "
        "offset=1310, timestamp=1001, timestampType=CreateTime}\nCaused by: no\n"
    )
    path = "/connectors/orders-0"
    change = {"id": 4, "ts": NOW_MS, "type": "task", "key": "orders-0-0", "worker": W1}
    tasks = [{"id": 0, "state": "FAILED", "worker_id": W1, "trace": trace}]
    more = {
        f"{path}/status": {"tasks": tasks},
        f"{path}/transitions": [{**change, "to": "FAILED", "trace": trace}],
    }
    app = still(DARK, {**opened(), **two_topics(), **more}, failed=1)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.scene.model.apply(9, "task", task_event("orders-0-0", "FAILED", "no"))
        app.open_connector("orders-0", tab)
        pane = app.view.query_one("#detail-text", Pane)
        await until(lambda: pane.text.startswith("record orders/0@1310: Enter reads it\n"))
        await pilot.press("enter")
        await until(lambda: app.view.NAME == "Topics")
        grid = app.view.query_one("#records-grid", Grid)
        await until(lambda: len(grid.keys) == 2)
        assert isinstance(app.view, Topics)
        asked = app.view._path(f"from={app.view.start}")
        assert asked.endswith("/topics/orders/records?from=1310&as=auto&partition=0")
        assert "of partition 0, from 1310" in str(grid.border_title)
        await pilot.press("escape")
        await until(lambda: pane.text.startswith("record orders/0@1310"))
        assert app.view.NAME == "Connectors"


async def test_rejected_records_are_counted_and_changes_of_state_tell_the_second():
    """A record that the task itself rejects is an error and no failed operation."""
    figures = {"0": {"total-record-failures": 0, "total-record-errors": 3}}
    path = "/connectors/orders-0"
    change = {"id": 4, "ts": NOW_MS, "type": "connector", "key": "orders-0", "worker": W1}
    more = {f"{path}/metrics": figures, f"{path}/transitions": [{**change, "to": "RUNNING"}]}
    app = still(DARK, {**opened(), **more})
    async with app.run_test(size=(140, 36)) as pilot:
        await settled(pilot)
        app.open_connector("orders-0")
        await until(lambda: app.view.grid is not None and app.view.grid.keys)
        grid = app.view.grid
        assert grid is not None
        await until(lambda: grid.texts("0")["rejected"] == "3")
        app.open_connector("orders-0", "States")
        states = app.view.query_one("#tab-states", Grid)
        await until(lambda: states.keys == ["4"])
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(NOW_MS / 1000))
        assert states.texts("4")["when"] == when
