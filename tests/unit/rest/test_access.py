"""Who may call REST, in which role, from where; what is kept of it."""

from __future__ import annotations

import base64
import dataclasses
import logging

import pytest
from starlette.testclient import TestClient

from appliance.clock import SYSTEM_CLOCK, ManualClock
from appliance.config.worker import WorkerConfig
from appliance.errors import ConfigError
from appliance.journal.journal import Journal
from appliance.rest.access import CERTIFICATE, Access
from appliance.rest.app import create_admin_app, create_app
from appliance.rest.reach import check_reach
from appliance.rest.registry import RegistryApp
from appliance.rest.trust import CALLER, signed
from appliance.rest.users import Principal, Role, UsersFile, password_line, token_line
from appliance.schemaregistry.server.service import RegistryService
from appliance.storage.snapshot import SessionKey
from tests.unit.rest.fakes import DISTRIBUTED, make_context
from tests.unit.schemaregistry.server.fakes import MemoryLog, Topic

KEY = SessionKey(b"k" * 32, "HmacSHA256", 0)
CONNECTOR = {"connector.class": "FileStreamSource", "topic": "t"}
RUN = {"listeners": "http://127.0.0.1:8083"}


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def serve(options, mode="run", where="localhost", certificate=None, subject="main"):
    """Give a context and a client of its application, which shows a certificate if one is given."""
    context = dataclasses.replace(
        make_context(), config=WorkerConfig({**DISTRIBUTED, **options}, mode)
    )
    app = create_app(context) if subject == "main" else create_admin_app(context)

    async def certified(scope, receive, send):
        await app({**scope, CERTIFICATE: certificate}, receive, send)

    return context, TestClient(certified if certificate else app, base_url=f"https://{where}:8083")


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    """Somebody of each role and kind, and the token."""
    file = tmp_path_factory.mktemp("users") / "users"
    line, token = token_line("grafana", Role.VIEW)
    file.write_text(
        f"# who may\n\n{password_line('ada', Role.ADMINISTER, 's3:cret')}\n{line}\n"
        f"{password_line('olga', Role.OPERATE, 'op')}\n"
        "operate      certificate  CN=console, O=Example\\, Inc.\n"
    )
    return file, token


def role_of(client, headers) -> str | int:
    answer = client.get("/appliance/v1/whoami", headers=headers)
    return str(answer.json()["role"]) if answer.status_code == 200 else answer.status_code


def test_caller_has_the_role_of_the_file(users):
    """Passwords and tokens are known, whatever else is said is not; strangers are told how to ask."""
    file, token = users
    _, client = serve({"appliance.rest.users.file": str(file)})

    assert role_of(client, basic("ada", "s3:cret")) == "administer"
    assert role_of(client, {"authorization": f"Bearer {token}"}) == "view"
    for wrong in (
        basic("ada", "s3"),
        basic("eve", "x"),
        {"authorization": f"Bearer {token}x"},
        {},
    ):
        assert role_of(client, wrong) == 401
    refused = client.get("/connectors")
    assert refused.json()["error_code"] == 401
    assert refused.headers["www-authenticate"].startswith("Basic")
    known = client.get("/appliance/v1/whoami", headers=basic("olga", "op")).json()
    assert (known["principal"], known["role"], known["read_only"]) == ("olga", "operate", False)


def test_failed_login_is_told_once_a_second_for_an_address(users, caplog):
    """With the name that was given and no secret; who says nothing, and who is known, is not told of."""
    clock = ManualClock()
    config = WorkerConfig({**DISTRIBUTED, "appliance.rest.users.file": str(users[0])}, "run")
    app = RegistryApp(
        lambda: pytest.fail("the registry is not opened"),
        Access(config, lambda: None, clock=clock),
    )
    far = TestClient(app, base_url="https://localhost", client=("10.0.0.9", 4711))
    other = TestClient(app, base_url="https://localhost", client=("10.0.0.8", 4711))

    def ask(client, headers, status=401):
        assert client.get("/schemas/types", headers=headers).status_code == status

    ask(far, {})
    ask(far, basic("olga", "op"), 200)
    assert caplog.messages == []
    ask(far, basic("olga\nx", "s3:wrong"))
    ask(far, basic("olga", "s3:wrong"))
    ask(other, {"authorization": "Bearer s3:wrong"})
    clock.advance(1100)
    ask(far, basic("ada", "s3:wrong"))
    told = [message.partition("401. ")[2] for message in caplog.messages]
    assert told == [
        "address=10.0.0.9 user=olga?x method=GET path=/schemas/types",
        "address=10.0.0.8 by=token method=GET path=/schemas/types",
        "address=10.0.0.9 user=ada method=GET path=/schemas/types",
    ]


def test_certificate_names_a_principal_when_all_its_attributes_fit(users):
    """What the file names must all be in the subject; more may be there."""
    options = {"appliance.rest.users.file": str(users[0])}
    fits = (
        (("organizationName", "Example, Inc."),),
        (("commonName", "console"),),
        (("countryName", "CH"),),
    )

    assert role_of(serve(options, certificate=fits)[1], {}) == "operate"
    assert role_of(serve(options, certificate=fits[1:])[1], {}) == 401
    known = serve({}, certificate=fits)[1].get("/appliance/v1/whoami").json()
    assert (known["principal"], known["role"]) == ("console", "administer")


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/connectors", Role.VIEW),
        ("GET", "/metrics", Role.VIEW),
        ("PUT", "/connectors/in/pause", Role.OPERATE),
        ("POST", "/connectors/in/restart", Role.OPERATE),
        ("PUT", "/admin/loggers/root", Role.OPERATE),
        ("PUT", "/connectors/in/config", Role.ADMINISTER),
        ("POST", "/connectors", Role.ADMINISTER),
        ("DELETE", "/connectors/in", Role.ADMINISTER),
        ("PATCH", "/connectors/in/offsets", Role.ADMINISTER),
        ("POST", "/appliance/v1/dlq/q/purge", Role.ADMINISTER),
        ("POST", "/appliance/v1/connection-test", Role.ADMINISTER),
    ],
)
def test_verb_is_forbidden_when_the_role_is_too_small(users, method, path, needed):
    """Reading needs view, what can be undone operate, all else administer."""
    _, client = serve({"appliance.rest.users.file": str(users[0])})
    for headers, role in (
        ({"authorization": f"Bearer {users[1]}"}, Role.VIEW),
        (basic("olga", "op"), Role.OPERATE),
    ):
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code == 403) == (role < needed), answer.text
        if role < needed:
            assert f"needs the role {needed.word}" in answer.json()["message"]


def test_stored_secret_is_used_for_what_is_stored_alone_when_an_operator_checks(
    users, monkeypatch
):
    """Else a password could be had by having it sent to another host."""
    context, client = serve({"appliance.rest.users.file": str(users[0])})
    seen: list[str | None] = []
    checked = context.checks.validate

    def validate(config):
        seen.append(config["db.password"])
        return checked(config)

    monkeypatch.setattr(context.checks, "validate", validate)
    ada, olga = basic("ada", "s3:cret"), basic("olga", "op")
    client.put("/connectors/in/config", json={**CONNECTOR, "db.password": "x"}, headers=ada)
    shown = client.get("/connectors/in/config", headers=olga).json()
    seen.clear()
    for headers in (olga, ada):
        for topic in ("t", "u"):
            client.put(
                "/connector-plugins/FileStreamSource/config/validate",
                json={**shown, "topic": topic},
                headers=headers,
            )
    assert seen == ["x", "[hidden]", "x", "x"]


def test_every_route_names_the_role_it_needs_or_has_the_default():
    """No route that changes something is open to a viewer, but for what only looks."""
    context, _ = serve({})
    table = create_app(context)._table
    open_ones = {
        (method, "/".join(path))
        for path, routes in table._routes.items()
        for method, route in routes.items()
        if method != "GET" and route.needs is Role.VIEW
    }
    assert open_ones == {("POST", "appliance/v1/connectors/{name}/offsets/preview")}


def test_users_are_read_again_when_the_file_changes(tmp_path, caplog):
    """A principal that is taken out is a stranger at once; a broken file changes nothing."""
    file = tmp_path / "users"
    file.write_text(password_line("ada", Role.VIEW, "x"))
    users = UsersFile(file)
    assert users.of_password("ada", "x") == Principal("ada", Role.VIEW)

    file.write_text("nonsense\n")
    assert users.of_password("ada", "x") is not None
    assert "stay as they were" in caplog.text
    file.write_text("# nobody\n")
    assert users.of_password("ada", "x") is None


@pytest.mark.parametrize(
    "line",
    [
        "root password a scrypt:1:1:1:a:b",
        "view password a plain",
        "view token a sha256:12",
        "view certificate nobody",
    ],
)
def test_users_file_is_refused_when_a_line_is_not_understood(tmp_path, line):
    """The line and its form are named, the secret is not."""
    file = tmp_path / "users"
    file.write_text(f"\n{line}\n")
    with pytest.raises(ConfigError, match=r"Line 2 of .*ROLE KIND NAME SECRET") as told:
        UsersFile(file)
    assert line.split()[-1] not in str(told.value)


def test_forwarded_request_is_its_callers_when_it_is_signed(users, monkeypatch):
    """Another worker's word counts for verb, path, body and time; a changed word is refused."""
    monkeypatch.setattr("appliance.rest.trust._LOOKS", 1)
    context, client = serve({"appliance.rest.users.file": str(users[0])})
    context.herder.session_key = KEY
    ann = Principal("ann", Role.VIEW)
    target = "/appliance/v1/whoami?forward=true"
    good = dict(signed(lambda: KEY, ann, "GET", target, b""))

    assert client.get(target, headers=good).json()["principal"] == "ann"
    assert client.get("/appliance/v1/whoami", headers=good).status_code == 503
    raised = {**good, CALLER: good[CALLER].replace("view", "administer")}
    assert client.get(target, headers=raised).status_code == 503
    other = signed(lambda: SessionKey(b"o" * 32, "HmacSHA256", 0), ann, "GET", target, b"")
    assert client.get(target, headers=dict(other)).status_code == 503


def test_signed_request_is_refused_when_it_is_old(users, monkeypatch):
    """What was signed six minutes ago is not believed."""
    monkeypatch.setattr("appliance.rest.trust._LOOKS", 1)
    past = ManualClock(now_ms=SYSTEM_CLOCK.now_ms() - 360_000)
    context, client = serve({"appliance.rest.users.file": str(users[0])})
    context.herder.session_key = KEY
    old = signed(lambda: KEY, Principal(None, Role.VIEW), "GET", "/connectors", b"", past)
    answer = client.get("/connectors", headers=dict(old))
    assert (answer.status_code, "clocks" in answer.text) == (503, True)


def test_audit_says_who_from_where_and_how_it_ended(users, caplog):
    """A line for each change that is asked for; the journal keeps those made and forbidden."""
    context, client = serve({"appliance.rest.users.file": str(users[0])})
    caplog.set_level(logging.INFO)
    client.put("/connectors/in/config", json=CONNECTOR, headers=basic("ada", "s3:cret"))
    client.put("/connectors/in/config?forward=true", json=CONNECTOR, headers=basic("olga", "op"))
    client.delete("/connectors/in")

    told = [record.getMessage() for record in caplog.records if "A change" in record.getMessage()]
    assert told == [
        "A change was asked for. by=ada from=testclient method=PUT path=/connectors/in/config status=201",
        "A change was asked for. by=olga from=testclient method=PUT path=/connectors/in/config status=403",
        "A change was asked for. by=testclient from=testclient method=DELETE path=/connectors/in status=401",
    ]
    kept = [event.body for event in reversed(context.journal.newest("audit", 9))]
    assert [(entry["by"], entry["from"], entry["status"]) for entry in kept] == [
        ("ada", "testclient", 201),
        ("olga", "testclient", 403),
    ]


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"listeners": "http://0.0.0.0:8083"}, ["TLS", "authentication"]),
        ({"listeners": "http://:8083", "appliance.rest.users.file": "u"}, ["TLS"]),
        (
            {"listeners": "https://10.0.0.1:8083", "ssl.client.auth": "requested"},
            ["authentication"],
        ),
        ({**RUN, "admin.listeners": "http://10.0.0.1:9"}, ["TLS", "authentication"]),
        ({**RUN, "appliance.registry.listeners": "http://[::]:8081"}, ["TLS", "authentication"]),
        ({"listeners": "https://10.0.0.1:1", "appliance.rest.users.file": "u"}, []),
        ({"listeners": "https://10.0.0.1:1", "ssl.client.auth": "required"}, []),
        ({"listeners": "https://h:1", "listeners.https.ssl.client.auth": "required"}, []),
        ({"listeners": "http://localhost:8083,http://[::1]:1,http://127.0.0.2:3"}, []),
    ],
)
def test_open_listener_is_refused_when_others_reach_it(options, missing):
    """Under `run` such a worker does not start unless that is meant; a user's own file is only warned of."""
    own = {**DISTRIBUTED, "appliance.registry.listeners": "", **options}
    if not missing:
        assert check_reach(WorkerConfig(own, "run")) == []
        return
    with pytest.raises(ConfigError, match=r"appliance\.rest\.open") as told:
        check_reach(WorkerConfig(own, "run"))
    assert all(word in str(told.value) for word in missing)
    assert ("TLS" in str(told.value)) == ("TLS" in missing)
    assert len(check_reach(WorkerConfig({**own, "appliance.rest.open": "true"}, "run"))) == 1
    assert len(check_reach(WorkerConfig(own, "distributed"))) == 1


def test_other_sites_cannot_call_through_a_browser_when_nobody_is_asked():
    """A name that leads here, and a page of elsewhere, are refused; addresses and this machine's names not."""
    _, client = serve({"appliance.rest.hosts": "gate.example"})
    for host, status in (
        ("evil.example", 403),
        ("127.0.0.1:8083", 200),
        ("[::1]:8083", 200),
        ("localhost", 200),
        ("gate.example", 200),
    ):
        assert client.get("/", headers={"host": host}).status_code == status, host
    for origin, status in (("http://evil.example", 403), ("https://localhost:8083", 404)):
        answer = client.post("/connectors/no/restart", headers={"origin": origin})
        assert answer.status_code == status, origin
    _, own = serve({}, mode="distributed")
    assert own.get("/", headers={"host": "evil.example"}).status_code == 200


def test_admin_listener_asks_for_the_same_principals(users):
    """Logger levels are nobody's to set at an address of their own."""
    options = {"appliance.rest.users.file": str(users[0]), "admin.listeners": "http://127.0.0.1:9"}
    _, client = serve(options, subject="admin")
    assert client.get("/admin/loggers").status_code == 401
    assert client.get("/admin/loggers", headers=basic("olga", "op")).status_code == 200


def test_registry_asks_other_machines_alone(users):
    """Converters of this machine need no name; a viewer from elsewhere may not change a thing."""
    config = WorkerConfig({**DISTRIBUTED, "appliance.rest.users.file": str(users[0])}, "run")
    app = RegistryApp(
        lambda: pytest.fail("the registry is not opened"), Access(config, lambda: None)
    )
    viewer = {"authorization": f"Bearer {users[1]}"}

    far = TestClient(app, base_url="https://localhost", client=("10.0.0.9", 4711))
    assert far.get("/schemas/types").status_code == 401
    assert far.get("/schemas/types", headers=viewer).status_code == 200
    assert far.delete("/subjects/s", headers=viewer).status_code == 403
    near = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 4711))
    assert near.get("/schemas/types").status_code == 200


def registry(journal=None, where="127.0.0.1"):
    """Give a registry of `run` in memory, asked from this machine unless another place is given."""
    log = MemoryLog(Topic())

    def opened():
        service = RegistryService(log)
        log.read_to_end(1)
        return service

    access = Access(WorkerConfig({**DISTRIBUTED, **RUN}, "run"), lambda: None)
    app = RegistryApp(opened, access, journal)
    return TestClient(app, base_url="http://localhost:8081", client=(where, 4711))


def test_registry_is_closed_to_pages_of_other_sites():
    """A browser on this machine can neither change nor, by a name of its own, read schemas."""
    client = registry()
    changes = [
        ("POST", "/subjects/s/versions", 403),
        ("PUT", "/config", 403),
        ("DELETE", "/subjects/s", 403),
    ]
    for method, path, status in changes:
        answer = client.request(
            method, path, headers={"origin": "http://evil.example"}, content=b"{}"
        )
        assert answer.status_code == status, path
    assert client.get("/subjects", headers={"host": "evil.example:8081"}).status_code == 403
    assert client.get("/subjects", headers={"host": "127.0.0.1:8081"}).json() == []


@pytest.mark.parametrize(
    ("media", "status"),
    [
        ("application/vnd.schemaregistry.v1+json", 200),
        ("application/vnd.schemaregistry+json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/octet-stream", 200),
        (None, 200),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
    ],
)
def test_registry_takes_the_content_types_of_the_peer(media, status):
    """What its clients send, and a body without a type; what `curl -d` or a form sends is refused."""
    headers = {} if media is None else {"content-type": media}
    answer = registry().post(
        "/subjects/s/versions", content=b'{"schema":"\\"int\\""}', headers=headers
    )
    assert answer.status_code == status


def test_registry_tells_of_each_change_who_asked_for_it(caplog):
    """The log has a line for each; the journal those that no converter makes at its start."""
    caplog.set_level(logging.INFO)
    journal = Journal(None, "w")
    client = registry(journal)
    client.post("/subjects/s/versions", json={"schema": '"int"'})
    client.post("/subjects/s", json={"schema": '"int"'})
    client.put("/config/s", json={"compatibility": "nonsense"})
    client.put("/config/s", json={"compatibility": "NONE"})
    client.delete("/subjects/s")

    told = [m.partition("asked for. ")[2] for m in caplog.messages if "A change of the" in m]
    by = "by=127.0.0.1 from=127.0.0.1"
    assert told == [
        f"{by} method=POST path=/subjects/s/versions status=200",
        f"{by} method=PUT path=/config/s status=422",
        f"{by} method=PUT path=/config/s status=200",
        f"{by} method=DELETE path=/subjects/s status=200",
    ]
    kept = [event.body for event in reversed(journal.newest("audit", 9))]
    assert [(one["action"], one["key"]) for one in kept] == [
        ("PUT", "/config/s"),
        ("DELETE", "/subjects/s"),
    ]


def test_registry_refuses_a_body_that_is_too_large_before_it_is_there():
    """A body in pieces is counted while it comes, and one that says its size is not waited for."""
    client = registry()
    pieces = (b"x" * (1 << 20) for _ in range(11))
    headers = {"content-type": "application/json"}
    assert client.put("/config", content=pieces, headers=headers).status_code == 413
    large = {**headers, "content-length": str(11 << 20)}
    assert client.put("/config", content=b"", headers=large).status_code == 413


def test_body_is_refused_when_it_is_too_large_and_says_nothing_of_it():
    """A body in pieces is counted while it comes."""
    _, client = serve({})
    pieces = (b"x" * (1 << 20) for _ in range(11))
    answer = client.put(
        "/connectors/in/config", content=pieces, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413


def test_password_in_an_address_is_masked_and_taken_back():
    """JDBC and other addresses show no password, and what was shown means what is stored."""
    context, client = serve({})
    url = "jdbc:mysql://db/shop?user=u&password=canary&useSSL=true"
    config = {**CONNECTOR, "connection.url": url, "hdfs.url": "http://u:canary@h/"}
    client.put("/connectors/in/config", json=config)
    shown = client.get("/connectors/in/config").json()

    assert "canary" not in str(shown)
    assert shown["connection.url"] == "jdbc:mysql://db/shop?user=u&password=[hidden]&useSSL=true"
    client.put("/connectors/in/config", json=shown)
    assert context.herder.configs["in"]["connection.url"] == url
    assert context.herder.configs["in"]["hdfs.url"] == "http://u:canary@h/"


def test_forwarded_request_is_believed_when_the_key_comes_a_moment_later(users):
    """Workers learn of a new key one after the other; open ones need no signature at all."""
    keys = iter([None, KEY])
    context, _ = serve({"appliance.rest.users.file": str(users[0])})
    target = "/appliance/v1/whoami"
    good = dict(signed(lambda: KEY, Principal("ann", Role.VIEW), "GET", target, b""))
    type(context.herder).session_key = property(lambda _: next(keys))
    try:
        client = TestClient(create_app(context), base_url="http://localhost:8083")
        assert client.get(target, headers=good).json()["principal"] == "ann"
    finally:
        del type(context.herder).session_key


def test_change_is_told_of_when_a_signature_is_made_up(monkeypatch):
    """Who is asked nothing cannot keep out of the audit trail either."""
    monkeypatch.setattr("appliance.rest.trust._LOOKS", 1)
    context, client = serve({})
    forged = {CALLER: "YQ==:administer", "x-ingest-time": "1", "x-ingest-signature": "é"}
    raw = {name.encode(): value.encode("latin-1") for name, value in forged.items()}
    client.put("/connectors/in/config?forward=true", json=CONNECTOR, headers=raw)
    assert [event.body["status"] for event in context.journal.newest("audit", 9)] == [201]
