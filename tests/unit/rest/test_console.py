"""What the console reads under /appliance/v1."""

from __future__ import annotations

import asyncio
import json
import logging
import time

import httpx2
import pytest

from appliance.errors import RetriableError
from appliance.herder.entities import ConnectorOffset
from appliance.ids import ConnectorTaskId, State
from appliance.journal.journal import Journal
from appliance.rest.app import create_app
from appliance.rest.console.stream import QUEUE, events
from appliance.telemetry.names import JAVA_NAMES
from tests.unit.rest.fakes import WORKER
from tests.waiting import wait_until


async def nothing() -> list:
    return []


async def figures() -> list:
    return [["in:0", 2.0, None]]


def parsed(frame: bytes) -> tuple[str | None, str, dict]:
    fields = dict(line.split(": ", 1) for line in frame.decode().strip().splitlines())
    return fields.get("id"), fields["event"], json.loads(fields["data"])


def test_snapshot_holds_group_workers_connectors_and_tasks(client, context):
    """One call gives the whole picture and where the events go on."""
    client.put("/connectors/in/config", json={"connector.class": "FileStreamSource", "topic": "t"})
    seen = client.get("/appliance/v1/snapshot").json()

    assert seen["seq"] == context.journal.last_id
    assert seen["group"]["phase"] == "stable"
    assert seen["workers"][0]["id"] == WORKER
    assert seen["connectors"][0]["topics"] == ["t"]
    assert seen["tasks"][0]["id"] == "in:0"
    assert seen["tasks"][0]["rate"] == 2.0
    assert seen["connectors"][0]["rev"] is None
    assert seen["connectors"][0]["version"] == "4.3.1"


def test_used_topics_are_told_when_the_configuration_names_none(client, context):
    """What a CDC source writes into; what a configuration names comes first."""
    for name, config in (("in", {"topic": "t"}), ("cdc", {})):
        context.herder.configs[name] = {"connector.class": "FileStreamSource", **config}
        context.herder.states[name] = "RUNNING"
        context.herder.topics[name] = ("shop.b", "shop.a")
    seen = client.get("/appliance/v1/snapshot").json()["connectors"]
    assert {one["name"]: one["topics"] for one in seen} == {
        "in": ["t"],
        "cdc": ["shop.a", "shop.b"],
    }


def test_last_minutes_are_told_when_a_console_opens(client, context):
    """Each task's line in the snapshot, the sums beside it, in the steps that are asked for."""
    client.put("/connectors/in/config", json={"connector.class": "FileStreamSource", "topic": "t"})
    context.journal.revision("in", {"topic": "t"})
    metrics = {"in-0": {"source-record-write-rate": 2.0}}
    # the herder of these tests took its snapshot at 1 ms
    context.trends.take(metrics, 1)
    task = client.get("/appliance/v1/snapshot").json()["tasks"][0]
    flow = client.get("/appliance/v1/throughput?window=10m&step=10s").json()

    assert task["hist"] == [2.0]
    assert flow == {"step_ms": 10_000, "ts": 1, "in": [2.0], "out": [0.0]}


def test_changes_leave_a_trail_when_made_over_rest(client):
    """Every successful change is in the audit trail, reads and refusals are not."""
    client.put("/connectors/in/config", json={"connector.class": "FileStreamSource", "topic": "t"})
    client.get("/connectors")
    client.delete("/connectors/no")

    trail = client.get("/appliance/v1/audit").json()
    assert [(entry["action"], entry["key"]) for entry in trail] == [
        ("PUT", "/connectors/in/config")
    ]


def test_history_is_listed_newest_first(client, context):
    """Rebalances, transitions and revisions come from the journal."""
    for number in (1, 2):
        leader = f"http://{WORKER}/"
        context.journal.rebalance({"generation": number, "leader_url": leader, "cause": "why"})
    context.journal.transition(ConnectorTaskId("in", 0), None, State.RUNNING, None, "started")
    context.journal.revision("in", {"topic": "t", "db.password": "x"})

    rebalances = client.get("/appliance/v1/rebalances?limit=1").json()
    assert [entry["gen"] for entry in rebalances] == [2]
    one = client.get(f"/appliance/v1/rebalances/{rebalances[0]['id']}")
    assert one.json()["cause"]["detail"] == "why"
    moves = client.get("/appliance/v1/connectors/in/tasks/0/transitions").json()
    assert moves[0]["to"] == "RUNNING"
    revisions = client.get("/appliance/v1/connectors/in/history").json()
    assert revisions[0]["config"] == {"topic": "t", "db.password": "[hidden]"}


@pytest.mark.asyncio
async def test_new_dead_letters_are_told_when_a_task_has_written_some():
    """How many since the last look; a task that starts anew, from 0, is no news."""
    counts = iter([{"dlq": 5}, {"dlq": 8}, {"dlq": 0}, {"dlq": 1}])
    stream = events(Journal(None, WORKER), None, nothing, lambda: next(counts))
    await anext(stream)
    found = [parsed(await anext(stream)) for _ in range(2)]
    assert [(type_, body["key"], body["new"]) for _, type_, body in found] == [
        ("dlq", "dlq", 3),
        ("dlq", "dlq", 1),
    ]
    await stream.aclose()


@pytest.mark.asyncio
async def test_missed_events_come_first_when_a_client_resumes():
    """Events after the given id are sent, then later ones as they happen."""
    journal = Journal(None, WORKER)
    for number in range(3):
        journal.append("task", {"key": "in-0", "n": number})
    stream = events(journal, 0, nothing)
    assert (await anext(stream)).startswith(b": stream")
    assert [parsed(await anext(stream))[2]["n"] for _ in range(2)] == [1, 2]

    journal.append("task", {"key": "in-0", "n": 3})
    id_, type_, body = parsed(await anext(stream))
    await stream.aclose()

    assert (id_, type_, body["n"]) == ("3", "task", 3)


@pytest.mark.asyncio
async def test_client_is_told_to_start_over_when_its_place_is_gone():
    """An id from another life, or too many events at once, give resync."""
    journal = Journal(None, WORKER)
    journal.append("task", {"key": "in-0"})
    stream = events(journal, 500, nothing)
    await anext(stream)
    assert parsed(await anext(stream))[1] == "resync"

    for _ in range(QUEUE + 5):
        journal.append("task", {"key": "in-0"})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert parsed(await anext(stream))[1] == "resync"
    await stream.aclose()


@pytest.mark.asyncio
async def test_rates_are_sent_when_they_change():
    """Only changed figures travel."""
    journal = Journal(None, WORKER)
    stream = events(journal, None, figures)
    await anext(stream)

    assert parsed(await anext(stream))[1:] == ("rates", {"tasks": [["in:0", 2.0, None]]})
    await stream.aclose()


async def test_rates_are_sent_when_events_never_pause():
    """A stream with an event always at hand still tells the rates."""
    journal = Journal(None, WORKER)
    stream = events(journal, None, figures)
    await anext(stream)
    seen = set()
    end_s = time.monotonic() + 5
    while "rates" not in seen:
        assert time.monotonic() < end_s
        journal.append("task", {"key": "in-0"})
        seen.add(parsed(await anext(stream))[1])
    await stream.aclose()


def test_event_comes_after_the_snapshot_when_it_is_told_while_that_is_made(client, context):
    """Nothing falls between a snapshot, which takes its time, and the events after its `seq`."""
    client.put("/connectors/in/config", json={"connector.class": "FileStreamSource", "topic": "t"})
    before = context.journal.last_id
    context.herder.meanwhile = lambda: context.journal.transition(
        "in", State.RUNNING, State.STOPPED, None, "told"
    )

    seen = client.get("/appliance/v1/snapshot").json()

    assert (seen["seq"], seen["connectors"][0]["state"]) == (before, "RUNNING")
    assert [event.body["to"] for event in context.journal.after(seen["seq"])[0]] == ["STOPPED"]


def test_snapshot_shows_what_events_say_when_its_status_is_not_here_yet(client, context):
    """The status topic may be read later than the journal; what its former worker says is no news."""
    client.put("/connectors/in/config", json={"connector.class": "FileStreamSource", "topic": "t"})
    task = ConnectorTaskId("in", 0)
    context.journal.transition("in", State.RUNNING, State.PAUSED, None, "told")
    context.journal.transition(task, State.RUNNING, State.FAILED, "a.b.IOException: no", "told")
    other = {"worker": "gone:8083", "from": "RUNNING", "to": "UNASSIGNED"}
    context.journal.append("task", {**other, "key": "in-0"})

    seen = client.get("/appliance/v1/snapshot").json()

    assert seen["seq"] == context.journal.last_id
    assert seen["connectors"][0]["state"] == "PAUSED"
    assert [(one["state"], one["error"]) for one in seen["tasks"]] == [
        ("FAILED", "IOException: no")
    ]


def test_plugins_tell_where_from_and_who_uses_them(client):
    """Connectors and what their configurations name beside: converters, transforms, predicates."""
    config = {
        "connector.class": "FileStreamSource",
        "topic": "t",
        "value.converter": "StringConverter",
        "transforms": "a",
        "transforms.a.type": "org.apache.kafka.connect.transforms.InsertField$Value",
    }
    assert client.put("/connectors/in/config", json=config).status_code == 201
    found = {
        (one["type"], one["class"].rpartition(".")[2]): one
        for one in client.get("/appliance/v1/plugins").json()
    }
    source = found["source", "FileStreamSourceConnector"]
    assert (source["path"], source["used_by"]) == ("built in", ["in"])
    assert source["version"]
    assert found["converter", "StringConverter"]["used_by"] == ["in"]
    assert found["transformation", "InsertField$Value"]["used_by"] == ["in"]
    assert found["sink", "FileStreamSinkConnector"]["used_by"] == []


@pytest.fixture
def levels():
    """Leave Python's own loggers as they were: levels belong to the process."""
    names = [None, *JAVA_NAMES, *JAVA_NAMES.values()]
    before = {name: logging.getLogger(name).level for name in names}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.asyncio
@pytest.mark.usefixtures("levels")
async def test_level_goes_back_when_its_time_is_over(context):
    """A second change keeps what was before the first; everywhere or here alone."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=create_app(context)), base_url="http://localhost:8083"
    ) as client:
        name = "org.apache.kafka.connect.runtime.Worker"
        path = f"/appliance/v1/loggers/{name}"
        before = context.loggers.get(name).level
        first = await client.put(f"{path}?revert_after=1h", json={"level": "DEBUG"})
        second = await client.put(f"{path}?revert_after=1ms", json={"level": "TRACE"})
        assert first.json()["before"] == second.json()["before"] == before
        assert second.json()["revert_at_ms"] > 0
        await asyncio.to_thread(
            wait_until, lambda: context.loggers.get(name).level == before, "it is set back"
        )
        await client.put(f"{path}?scope=cluster&revert_after=1ms", json={"level": "ERROR"})
        await asyncio.to_thread(
            wait_until, lambda: len(context.herder.cluster_levels) == 2, "it is set back"
        )
    assert [level for _, level in context.herder.cluster_levels] == ["ERROR", before]


def test_offsets_stay_when_they_cannot_be_read_for_the_moment(client, context):
    """A row that went and came back would put another one under the reader's hand."""
    client.put("/connectors/in/config", json={"connector.class": "FileStreamSource", "topic": "t"})
    context.herder.offsets["in"] = [ConnectorOffset({"filename": "a"}, {"position": 3})]
    before = client.get("/appliance/v1/lag").json()
    context.herder.fail_with = RetriableError("the group is forming")
    during = client.get("/appliance/v1/lag").json()

    assert before[0]["committed"] == {"position": 3}
    assert during == before
