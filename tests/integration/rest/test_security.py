"""REST behind TLS with client certificates, passwords, an address of its own for /admin, and CORS."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import uuid
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization

from appliance.kafka.keystores import key_material
from appliance.rest.users import Role, token_line
from deploy.parts import free_ports
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until

STORES = Path(__file__).parents[2] / "golden/keystores"
EXTENSION = "org.apache.kafka.connect.rest.basic.auth.extension"
TLS = {
    "ssl.keystore.location": str(STORES / "own.jks"),
    "ssl.keystore.password": "store-secret",
    "ssl.key.password": "key-secret",
    "ssl.truststore.location": str(STORES / "trust.jks"),
    "ssl.truststore.password": "store-secret",
    "ssl.client.auth": "required",
}


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: str


class Secured(NamedTuple):
    """Two daemons of one group behind TLS; `admin` is where the first serves /admin."""

    leader: Daemon
    follower: Daemon
    admin: str


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> ssl.SSLContext:
    """A client's context with the certificate that the workers trust."""
    found = key_material(TLS)
    assert found is not None
    assert serialization.load_pem_private_key(found.key.encode(), None)
    file = tmp_path_factory.mktemp("client") / "client.pem"
    file.write_text(found.key + found.chain)
    made = ssl.create_default_context(cafile=str(STORES / "own.crt"))
    made.load_cert_chain(file)
    return made


@pytest.fixture(scope="module")
def secured(broker, tmp_path_factory, context):
    """Two workers, settled, each with certificates, passwords and header rules."""
    group, ports = f"tls-{uuid.uuid4().hex[:8]}", free_ports(4)
    folder = tmp_path_factory.mktemp("jaas")
    (folder / "passwords").write_text("anna=s3cret\n")
    (folder / "jaas.conf").write_text(
        f"KafkaConnect {{\n  {EXTENSION}.PropertyFileLoginModule required\n"
        f'  file="{folder / "passwords"}";\n}};\n'
    )
    daemons = []
    try:
        for port, admin in ((ports[0], ports[1]), (ports[2], ports[3])):
            options = worker_options(broker.bootstrap, group, port) | {
                "listeners": f"https://127.0.0.1:{port}",
                "admin.listeners": f"http://127.0.0.1:{admin}",
                **{f"listeners.https.{name}": value for name, value in TLS.items()},
                "rest.extension.classes": f"{EXTENSION}.BasicAuthSecurityRestExtension",
                "appliance.jaas.file": str(folder / "jaas.conf"),
                "access.control.allow.origin": "http://ui.example",
                "access.control.allow.methods": "GET,PUT",
                "response.http.headers.config": 'set X-Frame-Options: DENY, "add Cache-Control: a, b"',
            }
            where = tmp_path_factory.mktemp("worker")
            daemons.append(Daemon(where, "distributed", options).start(ready=False))

        def settled() -> str | None:
            seen = [
                json.loads(send(daemon.url, "GET", "/appliance/v1/snapshot", context).body)
                for daemon in daemons
            ]
            stable = all(s["group"]["phase"] == "stable" and len(s["workers"]) == 2 for s in seen)
            return str(seen[0]["group"]["leader"]).rstrip("/") if stable else None

        leader = wait_until(settled, "both workers are in a stable group", 60)
        first, second = sorted(daemons, key=lambda daemon: daemon.url != leader)
        yield Secured(first, second, f"http://127.0.0.1:{ports[1]}")
    finally:
        for daemon in daemons:
            daemon.__exit__()


def send(
    url: str,
    method: str,
    path: str,
    context: ssl.SSLContext | None = None,
    body: Any = None,
    password: str | None = "anna:s3cret",
    **more: str,
) -> Answer:
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    if password is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())
    finally:
        connection.close()


def test_client_without_certificate_is_refused(secured):
    """With `ssl.client.auth=required` nobody gets to a request without a certificate."""
    without = ssl.create_default_context(cafile=str(STORES / "own.crt"))

    with pytest.raises((ssl.SSLError, ConnectionError, http.client.BadStatusLine)):
        send(secured.leader.url, "GET", "/", without)


@pytest.mark.parametrize("password", [None, "anna:wrong", "nobody:s3cret", "anna"])
def test_caller_without_the_right_password_is_refused(secured, context, password):
    """401 with Connect's bare words; nothing of the answer is given away."""
    answer = send(secured.leader.url, "GET", "/connectors", context, password=password)

    assert (answer.status, answer.body) == (401, "User cannot access the resource.")
    assert "www-authenticate" not in answer.headers
    assert send(secured.leader.url, "GET", "/connectors", context).status == 200


def test_request_is_forwarded_between_workers_when_both_ask_for_certificates(
    secured, context, tmp_path, unique_name
):
    """The follower shows its own certificate and passes the caller's password on; tasks start too."""
    (tmp_path / "in.txt").write_text("one\n")
    config = {
        "connector.class": "FileStreamSource",
        "file": str(tmp_path / "in.txt"),
        "topic": unique_name,
    }
    url, path = secured.follower.url, f"/connectors/{unique_name}"
    made = send(url, "POST", "/connectors", context, {"name": unique_name, "config": config})
    assert made.status == 201
    assert made.headers["location"] == f"{url}{path}"

    def running() -> bool:
        status = json.loads(send(url, "GET", f"{path}/status", context).body)
        return [task["state"] for task in status["tasks"]] == ["RUNNING"]

    wait_until(running, "its task runs")
    assert send(url, "DELETE", path, context).status == 204


def test_admin_is_served_at_its_own_address_alone(secured, context):
    """Elsewhere /admin is unknown; there nothing else is, and no password is asked for, as in Connect."""
    assert send(secured.leader.url, "GET", "/admin/loggers", context).status == 404
    listed = send(secured.admin, "GET", "/admin/loggers", password=None)
    assert (listed.status, json.loads(listed.body)["root"]["level"]) == (200, "INFO")
    assert send(secured.admin, "GET", "/connectors", password=None).status == 404
    assert "x-frame-options" not in listed.headers


def test_answers_carry_the_headers_that_are_configured(secured, context):
    """Rules set and add headers; an allowed origin is echoed, its preflight answered, others are not."""
    url = secured.leader.url
    plain = send(url, "GET", "/", context)
    assert (plain.headers["x-frame-options"], plain.headers["cache-control"]) == ("DENY", "a, b")
    assert plain.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in plain.headers
    allowed = send(url, "GET", "/", context, Origin="http://ui.example")
    assert allowed.headers["access-control-allow-origin"] == "http://ui.example"
    other = send(url, "GET", "/", context, Origin="http://evil.example")
    assert "access-control-allow-origin" not in other.headers
    asked = {"Origin": "http://ui.example", "Access_Control_Request_Method": "PUT"}
    preflight = send(url, "OPTIONS", "/connectors", context, **asked)
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-methods"] == "GET,PUT"
    assert preflight.headers["allow"] == "HEAD,POST,GET,OPTIONS"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"listeners": "https://127.0.0.1:0"}, "An https listener needs a certificate"),
        ({"rest.extension.classes": "a.B"}, "the only REST extension here is"),
        ({"response.http.headers.config": "put X: y"}, "The header rule must have the form"),
    ],
)
def test_daemon_says_what_is_wrong_and_ends_when_rest_cannot_be_secured(
    tmp_path, options, words, unique_name
):
    """A setting of REST that will not do ends the start with one sentence, not with a loop."""
    given = worker_options("127.0.0.1:1", unique_name, free_ports(1)[0]) | options
    daemon = Daemon(tmp_path, "distributed", given).start(ready=False)
    assert daemon.process is not None

    assert daemon.process.wait(30) != 0
    assert words in daemon.log.read_text()


def test_callers_keep_their_role_when_a_worker_asks_another(broker, tmp_path, context):
    """Two workers of a host: certificates, tokens and connector files count at both, with one audit entry each."""
    port = free_ports(1)[0]
    line, token = token_line("grafana", Role.VIEW)
    (tmp_path / "users").write_text(f"{line}\nadminister certificate CN=localhost\n")
    folder = tmp_path / "connectors.d"
    folder.mkdir()
    source = {"connector.class": "FileStreamSource", "topic": "none", "file": "/dev/null"}
    (folder / "own.json").write_text(json.dumps({"name": "own", "config": source}))
    group = f"roles-{uuid.uuid4().hex[:8]}"
    options = worker_options(broker.bootstrap, group, port) | {
        "listeners": f"https://127.0.0.1:{port}",
        **TLS,
        "ssl.client.auth": "required",
        "appliance.registry.listeners": "",
        "appliance.rest.users.file": str(tmp_path / "users"),
        "appliance.connectors.dir": str(folder),
        "appliance.state.dir": str(tmp_path),
    }
    daemon = Daemon(tmp_path, "run", options).start(ready=False)
    url = daemon.url

    def told(path: str) -> Any:
        return json.loads(send(url, "GET", path, context, password=None).body)

    def trail() -> list[tuple[str, int]]:
        found = [entry for entry in told("/appliance/v1/audit") if "made-" in entry["key"]]
        return sorted((entry["by"], entry["status"]) for entry in found)

    try:
        wait_until(lambda: len(told("/appliance/v1/snapshot")["workers"]) == 2, "two workers", 60)
        wait_until(lambda: told("/connectors") == ["own"], "the file is applied", 60)
        for number in (100, 101):
            own = f"https://127.0.0.1:{port + number}"
            path = f"/connectors/made-{number}/config"
            made = send(own, "PUT", path, context, source, password=None)
            assert made.status == 201, made.body
            denied = send(own, "PUT", path, context, source, None, Authorization=f"Bearer {token}")
            assert denied.status == 403
        made_and_forbidden = [("CN=localhost", 201)] * 2 + [("grafana", 403)] * 2
        wait_until(lambda: trail() == made_and_forbidden, "each change is told of once", 20)
        wait_until(
            lambda: {worker["state"] for worker in told("/appliance/v1/workers")} == {"up"},
            "the workers hear of each other",
            20,
        )
    finally:
        daemon.__exit__()
