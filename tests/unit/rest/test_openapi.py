"""The OpenAPI document says what is served, no less and no more."""

from __future__ import annotations

from appliance.rest.openapi import DESCRIBED


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
