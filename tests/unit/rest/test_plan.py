"""What a change would do is told before it is asked for, and changes nothing."""

from __future__ import annotations

import pytest

from appliance.errors import ConnectError
from appliance.herder.entities import ConnectorOffset
from appliance.rest.console.records import Records
from tests.unit.rest.fakes import WORKER

SOURCE = {"connector.class": "FileStreamSource", "topic": "t"}
SINK = {"connector.class": "FileStreamSink", "topics": "t, u", "file": "/tmp/x"}
TASK = {"task": "in:0", "worker": WORKER, "state": "RUNNING", "rate": 2.0}


@pytest.fixture
def running(client, context):
    """A source, and a sink that reads what it writes into a topic."""
    for name, config in (("in", SOURCE), ("out", SINK)):
        assert client.put(f"/connectors/{name}/config", json=config).status_code == 201
    context.herder.topics["in"] = ("t",)
    return client


def planned(client, action, target="in", **more):
    answer = client.post("/appliance/v1/plan", json={"action": action, "target": target, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_stop_tells_tasks_and_who_starves(running, context):
    """The tasks that go, what stays, whose source runs dry; the connector still runs."""
    plan = planned(running, "stop")

    assert plan["stops"] == [TASK]
    assert plan["calls"] == ["PUT /connectors/in/stop"]
    assert plan["lost"] == []
    assert "out read what in writes: nothing new comes from it." in plan["notes"]
    assert context.herder.states["in"] == "RUNNING"
    assert running.get("/appliance/v1/audit").json()[0]["key"] == "/connectors/out/config"


def test_delete_tells_what_is_lost_and_kept(running, context, monkeypatch):
    """The configuration goes; offsets, topics and dead letters stay."""
    context.journal.revision("in", SOURCE)
    context.herder.offsets["in"] = [ConnectorOffset({"f": 1}, {"p": 2})]
    context.herder.configs["in"]["errors.deadletterqueue.topic.name"] = "dlq"
    monkeypatch.setattr(Records, "letters", lambda _self, topics: dict.fromkeys(topics, 3))
    plan = planned(running, "delete")

    assert plan["lost"] == ["the configuration of in, revision 1"]
    assert plan["kept"] == [
        "offsets of 1 partition: a connector called in goes on from there",
        "topics and their records",
        "3 dead letters in dlq",
    ]
    assert "in" in context.herder.configs


def test_plan_stands_when_the_broker_is_away(running, context, monkeypatch):
    """What cannot be counted is left out; the rest is told."""

    def away(_self, _topics):
        raise ConnectError("listing topics: no broker")

    context.herder.configs["in"]["errors.deadletterqueue.topic.name"] = "dlq"
    monkeypatch.setattr(Records, "letters", away)
    assert planned(running, "delete")["kept"] == ["topics and their records"]


@pytest.mark.parametrize(
    ("asked", "state", "restarted"),
    [
        ({"includeTasks": True}, "RUNNING", 1),
        ({"includeTasks": True, "onlyFailed": True}, "RUNNING", 0),
        ({"includeTasks": True, "onlyFailed": True}, "FAILED", 1),
        ({}, "FAILED", 0),
    ],
)
def test_restart_tells_the_tasks_it_means(running, context, asked, state, restarted):
    """All, those that failed, or none, as Connect's own call takes them."""
    context.herder.states["in"] = state
    plan = planned(running, "restart", **asked)
    assert len(plan["restarts"]) == restarted
    assert plan["calls"][0].startswith("POST /connectors/in/restart?includeTasks=")


def test_several_are_planned_at_once(running):
    """One plan for all that is marked; a state that is so already is said."""
    plan = planned(running, "pause", ["in", "out"])
    assert plan["calls"] == ["PUT /connectors/in/pause", "PUT /connectors/out/pause"]
    assert planned(running, "resume")["notes"] == ["in is RUNNING already."]


def test_patch_tells_the_difference_and_its_errors(running):
    """Only what changes, secrets masked, findings by option, the tasks that start again."""
    patch = {"topic": "v", "file": None, "db.password": "pw", "tasks.max": "0"}
    plan = planned(running, "apply", patch=patch)

    assert {one["option"]: (one["before"], one["after"]) for one in plan["changes"]} == {
        "topic": ("t", "v"),
        "db.password": (None, "[hidden]"),
        "tasks.max": (None, "0"),
    }
    assert [one["option"] for one in plan["errors"]] == ["tasks.max"]
    assert plan["restarts"] == [TASK]
    assert "pw" not in str(plan)


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
def test_no_restart_is_promised_when_the_connector_rests(running, context, state):
    """Its tasks take the new configuration when it is resumed."""
    context.herder.states["in"] = state
    plan = planned(running, "apply", patch={"topic": "u"})
    assert plan["restarts"] == []
    assert plan["notes"] == [f"in is {state.lower()}: no task starts with it until resume."]


def test_new_connector_is_planned_by_its_configuration(running):
    """What is not there yet has calls, errors and no tasks."""
    plan = planned(running, "apply", "new", config=SOURCE)
    assert (plan["calls"], plan["restarts"], plan["errors"]) == (["POST /connectors"], [], [])
    assert planned(running, "apply", "in", config=SOURCE)["notes"] == ["Nothing would change."]
    unknown = planned(running, "apply", "new", config={"connector.class": "No"})
    assert "Failed to find any class" in unknown["errors"][0]["error"]


def test_connector_of_a_file_is_refused(running, context):
    """The daemon would answer 409; the plan says so before."""
    context.herder.configs["in"]["appliance.connector.file"] = "host:/etc/in.properties"
    assert "is defined in the file" in planned(running, "delete")["refused"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "burn", "target": "in"}, 400),
        ({"action": "stop"}, 400),
        ({"action": "stop", "target": []}, 400),
        ({"action": "stop", "target": [1]}, 400),
        ({"action": "stop", "target": "no"}, 404),
        ({"action": "apply", "target": ["in", "out"], "patch": {}}, 400),
        ({"action": "apply", "target": "in", "patch": {"a": 1}}, 400),
        ({"action": "apply", "target": "in"}, 400),
        ([], 400),
    ],
)
def test_question_is_refused_when_it_means_nothing(running, body, status):
    """A wrong action, target or configuration is answered with what is right."""
    assert running.post("/appliance/v1/plan", json=body).status_code == status
