"""Resources answer with Connect's statuses, headers and bodies."""

from __future__ import annotations

import json
from concurrent.futures import Future
from typing import Any

import pytest
from starlette.testclient import TestClient

from appliance.config.connectorfile import OWNER_HEADER, OWNER_KEY
from appliance.errors import NotLeaderError, RebalanceNeededError
from appliance.rest.app import create_app
from appliance.rest.trust import signed
from appliance.rest.users import Principal, Role
from appliance.storage.snapshot import SessionKey
from tests.unit.rest.fakes import make_context

SOURCE = {"connector.class": "FileStreamSource", "topic": "t", "file": "/in"}


def create(client: TestClient, name: str = "in", **more: Any) -> Any:
    return client.post("/connectors", json={"name": name, "config": SOURCE, **more})


def test_connector_is_answered_with_location_when_created(client):
    """201, the configuration in the request's order with the name at its end, an absolute Location."""
    answer = create(client, "a b/ä")

    assert answer.status_code == 201
    assert answer.headers["location"] == "http://localhost:8083/connectors/a%20b/%C3%A4"
    assert list(answer.json()["config"]) == [*SOURCE, "name"]
    assert client.get("/connectors/a%20b%2F%C3%A4").json()["name"] == "a b/ä"
    assert client.delete("/connectors/a%20b%2F%C3%A4").status_code == 204


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 500, '"createRequest" is null'),
        (b"[]", 500, "from Array value"),
        (b"{", 500, "Unexpected end-of-input: expected close marker for Object"),
        (b"{nope", 500, "Unexpected character ('n' (code 110)): was expecting double-quote"),
        (b'{"name":"x"}', 500, '"connectorConfig" is null'),
        (b'{"name":"x","config":{},"zz":1}', 500, 'Unrecognized field "zz"'),
        (
            b'{"name":"x","config":{"topic":["a"]}}',
            500,
            "Cannot deserialize value of type `java.l",
        ),
        (b'{"name":"x","config":{},"initial_state":"no"}', 500, "No enum constant"),
        (
            b'{"name":"x","config":{"name":"y"}}',
            400,
            "(y) doesn't match connector name in the URL (x)",
        ),
        (
            b'{"name":"x","config":{"connector.class":"No"}}',
            400,
            "Failed to find any class that implements Connector and which name matches No, ",
        ),
        (b'{"name":"x","config":{}}', 400, "Connector config {name=x} contains no connector type"),
    ],
)
def test_fault_is_named_when_a_body_will_not_do(client, body, status, text):
    """Unreadable bodies are 500 with Jackson's words, wrong ones 400."""
    headers = {"content-type": "application/json"}
    answer = client.post("/connectors", content=body, headers=headers)

    assert answer.status_code == status
    assert answer.json()["error_code"] == status
    assert text in answer.json()["message"]


def test_numbers_become_texts_when_given_as_values(client):
    """Scalars keep their spelling."""
    body = b'{"connector.class":"FileStreamSource","topic":"t","tasks.max":1,"a":1.50,"b":true}'
    answer = client.put(
        "/connectors/x/config", content=body, headers={"content-type": "application/json"}
    )

    assert answer.json()["config"] == {
        "connector.class": "FileStreamSource",
        "topic": "t",
        "tasks.max": "1",
        "a": "1.50",
        "b": "true",
        "name": "x",
    }


def test_findings_are_listed_when_a_configuration_is_invalid(client):
    """400 with every finding and the endpoint that lists them."""
    answer = client.put("/connectors/x/config", json={**SOURCE, "tasks.max": "0"})

    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "Connector configuration is invalid and contains the following 1 error(s):\n"
        "Invalid value 0 for configuration tasks.max: Value must be at least 1\n"
        "You can also find the above list of errors at the endpoint "
        "`/connector-plugins/{connectorType}/config/validate`"
    )


def test_option_goes_when_patched_with_null(client):
    """PATCH merges; null removes."""
    create(client)
    client.patch("/connectors/in/config", json={"batch.size": 5, "file": None})

    assert client.get("/connectors/in/config").json() == {
        "connector.class": "FileStreamSource",
        "topic": "t",
        "name": "in",
        "batch.size": "5",
    }


def test_connector_moves_through_its_states_when_asked(client):
    """Pause and resume answer 202, stop and restart 204, the wide restart 202 with a plan."""
    create(client)

    assert client.put("/connectors/in/pause").status_code == 202
    assert client.get("/connectors/in/status").json()["connector"]["state"] == "PAUSED"
    assert client.put("/connectors/in/resume").status_code == 202
    assert client.post("/connectors/in/restart").status_code == 204
    assert client.post("/connectors/in/restart?includeTasks=TRUE").json()["name"] == "in"
    assert client.post("/connectors/in/tasks/0/restart").status_code == 204
    assert client.put("/connectors/in/stop").status_code == 204
    assert client.put("/connectors/no/pause").json()["message"] == "Unknown connector no"


def test_expanded_list_has_what_was_asked_for(client):
    """Unknown values of `expand` give empty objects."""
    create(client)

    assert client.get("/connectors").json() == ["in"]
    both = client.get("/connectors?expand=status&expand=info").json()
    assert set(both["in"]) == {"status", "info"}
    assert client.get("/connectors?expand=status,info").json() == {"in": {}}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nope", {}, 404),
        ("DELETE", "/connectors", {}, 405),
        ("TRACE", "/connectors", {}, 405),
        ("GET", "/connectors", {"accept": "text/html"}, 406),
        ("PUT", "/admin/loggers/root", {"content-type": "text/plain"}, 415),
    ],
)
def test_framework_errors_have_no_content_type_when_answered(
    client, method, path, headers, status
):
    """404, 405, 406 and 415 carry JSON without saying so."""
    answer = client.request(method, path, headers=headers)

    assert answer.status_code == status
    assert answer.json()["message"].startswith(f"HTTP {status} ")
    assert "content-type" not in answer.headers


@pytest.mark.parametrize(("method", "path"), [("GET", "status"), ("POST", "restart")])
def test_task_number_that_is_none_is_not_found_when_asked_for(client, method, path):
    """A path whose resource was found but not its member says that its answer is JSON."""
    answer = client.request(method, f"/connectors/x/tasks/abc/{path}")

    assert answer.json() == {"error_code": 404, "message": "HTTP 404 Not Found"}
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"offsets": 5},
            "`java.util.ArrayList<{0}Offset>` from Integer value (token `JsonToken.VALUE_",
        ),
        (
            {"offsets": [{}, 1.5]},
            "no double/Double-argument constructor/factory method to deseria",
        ),
        ({"offsets": [{}, ""]}, 'Cannot coerce empty String ("") to `{0}Offset` value (but could'),
        (
            {"offsets": [{}, {"partition": True}]},
            "java.lang.Object>` from Boolean value (token `JsonToken.VALUE_TRUE`)",
        ),
        (
            {"offsets": [{}, {"x": 1}]},
            '{0}Offsets["offsets"]->java.util.ArrayList[1]->{0}Offset["x"])',
        ),
    ],
)
def test_wrong_shapes_get_jackson_words_when_offsets_are_changed(client, body, message):
    """The answer names what was wrong and where in the body it stood."""
    answer = client.patch("/connectors/x/offsets", json=body)

    assert answer.status_code == 500
    named = message.format("org.apache.kafka.connect.runtime.rest.entities.Connector")
    assert named in answer.json()["message"]


def test_verbs_are_listed_when_asked_for_options(client):
    """OPTIONS answers the verbs; HEAD works where GET does."""
    assert client.options("/connectors").headers["allow"] == "HEAD,POST,GET,OPTIONS"
    assert client.head("/connectors").content == b""
    assert client.get("/connectors/").status_code == 200


def test_charset_is_echoed_when_accepted(client):
    """The answer has the charset that the client asked for."""
    answer = client.get("/connectors", headers={"accept": "application/json; charset=utf-8"})

    assert answer.headers["content-type"] == "application/json;charset=utf-8"


def test_request_is_a_conflict_when_no_leader_is_known(client, context):
    """No leader: 409; a request already forwarded twice: 409."""
    context.herder.fail_with = NotLeaderError("not the leader", None)
    answer = client.put("/connectors/x/stop")
    assert (answer.status_code, answer.json()["error_code"]) == (409, 409)
    assert "no known leader URL" in answer.json()["message"]

    context.herder.fail_with = NotLeaderError("not the leader", "http://127.0.0.1:1/")
    answer = client.put("/connectors/x/stop?forward=false")
    assert "conflicting operation" in answer.json()["message"]
    answer = client.put("/connectors/x/stop")
    assert answer.status_code == 500
    assert answer.json()["message"].startswith("IO Error trying to forward REST request")


def test_rebalance_is_a_conflict_only_where_connect_says_so(client, context):
    """Restarts and offset changes answer 409 during a rebalance, reads 500."""
    context.herder.fail_with = RebalanceNeededError("soon")

    assert client.post("/connectors/x/restart").status_code == 409
    assert client.delete("/connectors/x/offsets").status_code == 409
    assert client.get("/connectors/x").status_code == 500
    assert client.get("/connectors/x").json()["message"].endswith("a rebalance is expected")


def test_stage_is_told_when_the_worker_does_not_answer_in_time():
    """A timed-out request says what the worker is doing."""
    context = make_context({"appliance.rest.timeout.ms": "1000"})
    herder: Any = context.herder
    herder.pending = Future()
    client = TestClient(create_app(context))
    answer = client.get("/connectors")

    assert answer.status_code == 500
    assert answer.json()["message"] == (
        "Request timed out. The worker is currently polling the group coordinator, which began at "
        "1970-01-01T00:00:00.000Z."
    )


def test_offsets_change_when_a_connector_is_stopped(client, context):
    """Numbers stay numbers on their way to the herder; an empty list is refused."""
    create(client, initial_state="stopped")
    change = {"offsets": [{"partition": {"filename": "/in"}, "offset": {"position": 7}}]}

    assert client.patch("/connectors/in/offsets", json=change).status_code == 200
    assert client.get("/connectors/in/offsets").json() == change
    assert client.patch("/connectors/no/offsets", json={"offsets": []}).status_code == 400
    assert client.delete("/connectors/in/offsets").json() == {"message": "reset"}


def test_unsigned_call_between_workers_is_refused(client):
    """Task configurations need a body first, then a signature."""
    headers = {"content-type": "application/json"}
    answer = client.post("/connectors/x/tasks", content=b"", headers=headers)
    assert answer.json()["message"].startswith("No content to map due to end-of-input\n at ")
    answer = client.post("/connectors/x/tasks", json=[{}])
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "Internal request missing required signature",
    )
    assert client.put("/connectors/x/fence").status_code == 400


def test_topics_are_refused_when_tracking_is_off():
    """403 with Connect's words."""
    client = TestClient(create_app(make_context({"topic.tracking.enable": "false"})))
    answer = client.get("/connectors/x/topics")
    assert (answer.status_code, answer.json()["message"]) == (403, "Topic tracking is disabled.")


def test_validation_wraps_errors_when_it_fails(client):
    """The validate endpoint answers findings with 200 and everything thrown with 500."""
    path = "/connector-plugins/FileStreamSource/config/validate"

    assert client.put(path, json={**SOURCE, "name": "v"}).json()["error_count"] == 0
    answer = client.put(path, json={"name": "v"})
    assert answer.status_code == 500
    assert answer.json()["message"] == (
        "org.apache.kafka.connect.runtime.rest.errors.BadRequestException: "
        "Connector config {name=v} contains no connector type"
    )
    answer = client.put(path, json={"connector.class": "FileStreamSink"})
    assert answer.status_code == 400


def test_worker_is_unhealthy_when_it_does_not_tick(client, context):
    """Healthy workers say so; GET / gives the version."""
    assert client.get("/health").json()["status"] == "healthy"
    assert client.get("/").json()["version"] == "4.3.1"
    assert client.get("/").json()["kafka_cluster_id"] == "cluster"


def test_metrics_carry_the_tags_of_the_connector(client):
    """`custom.metric.tags` are labels of the figures of the connector's tasks."""
    create(client, config={**SOURCE, "custom.metric.tags": "env=prod"})

    text = client.get("/metrics").text

    assert 'source_record_write_rate{connector="in",task="0",env="prod"} 2.0' in text


def test_metrics_are_served_for_prometheus(client):
    """The names are those of the JMX exporter's rules."""
    create(client)
    text = client.get("/metrics").text

    assert 'kafka_connect_connector_status{connector="in",status="running"} 1' in text
    assert (
        'kafka_connect_source_task_source_record_write_rate{connector="in",task="0"} 2.0' in text
    )


def test_cross_origin_is_answered_when_it_is_allowed():
    """An allowed origin is echoed, others are not; header rules apply to every answer."""
    options = {
        "access.control.allow.origin": "http://a.example",
        "access.control.allow.methods": "GET,PUT",
        "response.http.headers.config": 'set X-Frame-Options: DENY, "add Cache-Control: a, b"',
    }
    client = TestClient(create_app(make_context(options)))
    good = client.get("/", headers={"origin": "http://a.example"})
    bad = client.get("/", headers={"origin": "http://b.example"})

    assert good.headers["access-control-allow-origin"] == "http://a.example"
    assert "access-control-allow-origin" not in bad.headers
    assert bad.headers["x-frame-options"] == "DENY"
    assert bad.headers["cache-control"] == "a, b"


def test_secrets_are_masked_and_kept_when_run_as_our_daemon():
    """Under `run` passwords are shown as [hidden], and [hidden] sent back means unchanged."""
    context = make_context(mode="run")
    client = TestClient(create_app(context), base_url="http://localhost:8083")
    config = {**SOURCE, "db.password": "s3cret"}
    client.put("/connectors/x/config", json=config)
    shown = client.get("/connectors/x/config").json()
    client.put("/connectors/x/config", json={**shown, "topic": "u"})

    assert shown["db.password"] == "[hidden]"
    stored = context.herder.connector_config("x").result()
    assert stored["db.password"] == "s3cret"
    assert stored["topic"] == "u"


def test_configuration_is_checked_with_the_stored_secret_when_the_mask_is_sent(monkeypatch):
    """A form sends [hidden] for what it may not see: that is no wrong value, and is not told either."""
    context = make_context(mode="run")
    client = TestClient(create_app(context), base_url="http://localhost:8083")
    seen: list[dict[str, str | None]] = []
    checked = context.checks.validate

    def validate(config):
        seen.append(config)
        return checked(config)

    monkeypatch.setattr(context.checks, "validate", validate)
    client.put("/connectors/x/config", json={**SOURCE, "db.password": "s3cret"})
    shown = client.get("/connectors/x/config").json()
    path = "/connector-plugins/FileStreamSource/config/validate"
    answer = client.put(path, json={**shown, "topic": "u"})

    assert seen[-1] == {**SOURCE, "name": "x", "topic": "u", "db.password": "s3cret"}
    assert "s3cret" not in answer.text


def test_connection_is_tried_with_the_stored_secret_when_the_mask_is_sent():
    """A form shows [hidden]; what is tried is what is stored."""
    context = make_context(mode="run")
    client = TestClient(create_app(context), base_url="http://localhost:8083")
    client.put("/connectors/x/config", json={**SOURCE, "db.password": "s3cret"})
    shown = client.get("/connectors/x/config").json()
    path = "/appliance/v1/connection-test"
    answer = client.post(path, json={**shown, "database.hostname": "${db.password}"})

    assert answer.json() == [
        {
            "level": "problem",
            "subject": "x",
            "text": "s3cret at ${db.password} is away",
            "remedy": "",
            "option": "database.hostname",
        }
    ]
    assert client.post(path).status_code == 400


def of_file(context):
    """Give the configuration of connector x, which a file owns."""
    owned = {**SOURCE, "name": "x", OWNER_KEY: "vm1:/etc/x.properties"}
    context.herder.put_connector_config("x", owned, None, True)
    return owned


def as_worker(key, method, path, body):
    """Give the headers of a worker that acts for a file."""
    caller = Principal("connector files", Role.ADMINISTER)
    return {
        "content-type": "application/json",
        OWNER_HEADER: "vm1:/etc/x.properties",
        **signed(lambda: key, caller, method, path, body),
    }


def test_worker_acts_for_a_file_when_the_groups_key_signs_it(monkeypatch):
    """Nobody else does, whatever he says of himself: a connector that he makes has no file."""
    monkeypatch.setattr("appliance.rest.trust._LOOKS", 1)
    context = make_context()
    herder: Any = context.herder
    client = TestClient(create_app(context))
    herder.session_key = key = SessionKey(b"k" * 32, "HmacSHA256", 0)
    path = "/connectors/x/config?forward=false"
    body = json.dumps({**SOURCE, OWNER_KEY: "vm1:/etc/x.properties"}).encode()
    forged = as_worker(SessionKey(b"o" * 32, "HmacSHA256", 0), "PUT", path, body)

    refused = client.put(path, content=body, headers=forged)
    assert (refused.status_code, "signed" in refused.text) == (409, True)
    assert "x" not in herder.configs
    made = client.put(path, content=body, headers=as_worker(key, "PUT", path, body))
    assert made.status_code == 201
    assert herder.configs["x"][OWNER_KEY] == "vm1:/etc/x.properties"
    path = "/connectors/x?forward=false"
    gone = client.delete(path, headers=as_worker(key, "DELETE", path, b""))
    assert gone.status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/connectors/x/config", {}),
        ("PUT", "/connectors/x/config", SOURCE),
        ("DELETE", "/connectors/x", None),
    ],
)
def test_connector_is_rests_again_when_it_is_released(method, path, body):
    """Its host may be gone for good: the refusal says how, and then the connector has no file."""
    context = make_context()
    herder: Any = context.herder
    client = TestClient(create_app(context))
    of_file(context)
    refused = client.request(method, path, json=body)
    assert "`ingest-appliance patch x --release`" in refused.json()["message"]

    assert client.request(method, f"{path}?release=true", json=body).status_code < 300
    assert OWNER_KEY not in herder.configs.get("x", {})


def test_file_is_named_when_it_owns_the_connector():
    """A connector defined in a file is changed in the file, whichever worker is asked."""
    context = make_context()
    client = TestClient(create_app(context))
    owned = of_file(context)
    answers = [
        client.put("/connectors/x/config", json=owned),
        client.put("/connectors/x/config", json=owned, headers={OWNER_HEADER: owned[OWNER_KEY]}),
        client.delete("/connectors/x", headers={OWNER_HEADER: owned[OWNER_KEY]}),
        client.patch("/connectors/x/config", json={"topic": "u"}),
        client.post("/connectors", json={"name": "x", "config": SOURCE}),
        client.delete("/connectors/x"),
    ]

    assert [answer.status_code for answer in answers] == [409] * 6
    assert all("/etc/x.properties of vm1" in answer.json()["message"] for answer in answers)
    assert client.get("/connectors/x/config").json() == owned
    assert client.put("/connectors/x/pause").status_code == 202


def test_copy_has_no_owner_when_a_file_owns_the_original():
    """Who reads a configuration and writes it under another name makes a connector of REST's."""
    context = make_context()
    client = TestClient(create_app(context))
    client.put("/connectors/y/config", json={**SOURCE, OWNER_KEY: "vm1:/etc/x.properties"})

    assert OWNER_KEY not in client.get("/connectors/y/config").json()
    assert client.delete("/connectors/y").status_code == 204
