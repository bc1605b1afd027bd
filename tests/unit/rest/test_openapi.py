"""The OpenAPI document says what is served, no less and no more."""

from __future__ import annotations

import msgspec
import pytest

from appliance.ids import ConnectorTaskId, State
from appliance.rest.console.entities import Letter
from appliance.rest.openapi import DESCRIBED
from tests.unit.rest.fakes import WORKER
from tests.unit.rest.test_records import letter

SOURCE = {"connector.class": "FileStreamSource", "topic": "t"}


def operations(client):
    paths = client.get("/appliance/v1/openapi.json").json()["paths"]
    return {
        (method.upper(), path): operation
        for path, found in paths.items()
        for method, operation in found.items()
    }


def test_every_resource_has_a_sentence_when_the_document_is_read(client):
    """Who reads the document learns what each resource is for."""
    found = operations(client)
    assert ("GET", "/connectors/{name}/status") in found
    assert ("GET", "/appliance/v1/snapshot") in found
    assert [key for key, operation in found.items() if not operation["summary"]] == []
    assert len({operation["operationId"] for operation in found.values()}) == len(found)


def test_nothing_is_described_when_it_is_not_served(client):
    """A resource that was removed leaves the document too."""
    assert set(DESCRIBED) <= set(operations(client))


def test_answers_are_described_by_what_is_encoded(client):
    """The schema of a connector's status names the members that the answer has."""
    document = client.get("/appliance/v1/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert set(schemas["ConnectorStateInfo"]["properties"]) == {
        "name",
        "connector",
        "tasks",
        "type",
    }


def test_every_console_resource_says_what_it_answers_and_takes(client):
    """A schema for each answer, a body for each change; no path is left to its docstring."""
    for (method, path), operation in operations(client).items():
        if not path.startswith("/appliance/v1"):
            continue
        answers = [
            content["schema"]
            for status, response in operation["responses"].items()
            if status == str(DESCRIBED[method, path].status)
            for content in response.get("content", {}).values()
        ]
        assert len(answers) == 1, (method, path)
        assert answers[0], (method, path)
        assert ("requestBody" in operation) is (method in {"POST", "PUT"}), (method, path)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("", ""),
        ("/whoami", ""),
        ("/snapshot", ""),
        ("/workers", ""),
        ("/local", ""),
        ("/local/trends", ""),
        ("/throughput", "?window=1m"),
        ("/audit", "?limit=1"),
        ("/metrics", ""),
        ("/rebalances", ""),
        ("/connectors/{name}/history", ""),
        ("/connectors/{name}/metrics", ""),
        ("/connectors/{name}/transitions", ""),
        ("/connectors/{name}/tasks/{task}/transitions", ""),
        ("/connectors/{name}/tasks/{task}/metrics", ""),
        ("/lag", ""),
        ("/jobs", ""),
        ("/plugins", ""),
    ],
)
def test_answer_is_what_the_document_says(client, context, path, real):
    """Every member that is answered is declared, every one that is declared is answered."""
    client.put("/connectors/in/config", json=SOURCE)
    context.trends.take(context.herder.snapshot().metrics, 1)
    worker = f"http://{WORKER}/"
    for number, owned in ((1, []), (2, ["in-0"])):
        told = {
            "generation": number,
            "leader_url": worker,
            "cause": "why",
            "owned": {worker: owned},
        }
        context.journal.rebalance({**told, "assigned": owned, "revoked": owned})
    context.journal.transition(ConnectorTaskId("in", 0), None, State.FAILED, "Boom", "started")
    context.journal.revision("in", SOURCE)

    asked = path.replace("{name}", "in").replace("{task}", "0")
    response = client.get(f"/appliance/v1{asked}{real}")
    assert response.status_code == 200
    answer = response.json()
    assert answer or path in {"/lag", "/jobs"}
    declared = DESCRIBED["GET", f"/appliance/v1{path}"].answer
    assert msgspec.to_builtins(msgspec.convert(answer, declared)) == answer


def test_dead_letter_is_what_the_document_says():
    """As of every other answer."""
    found = msgspec.to_builtins(letter())
    assert msgspec.convert({**found, "discarded": False}, Letter) == {**found, "discarded": False}
