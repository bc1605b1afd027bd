"""Whatever is sent to any resource, the daemon gives a clear answer and goes on."""

from __future__ import annotations

import re
import uuid

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from deploy.parts import free_ports
from tests.daemon import Daemon, worker_options

PEER_500 = re.compile(
    r"org\.apache\.kafka\.connect\.runtime\.rest\.errors\.BadRequestException: |No content to map "
    r"|Document nesting depth |Trailing token |Cannot invoke |Unrecognized field |Cannot deserialize |Unexpected |Unrecognized token "
    r"|Invalid UTF-8 |Illegal |Duplicate field |No enum constant |Cannot construct |Invalid numeric "
    r"|Cannot coerce |Trailing token |Input mismatch "
)
"""How the peer's answers 500 to a request that it cannot read begin."""


@pytest.fixture(scope="module")
def daemon(broker, tmp_path_factory):
    """A daemon that lives through all of it."""
    folder = tmp_path_factory.mktemp("malformed")
    port = free_ports(1)[0]
    with Daemon(
        folder, "run", worker_options(broker.bootstrap, f"malformed-{uuid.uuid4().hex[:8]}", port)
    ) as found:
        yield found


@pytest.fixture(scope="module")
def document(daemon):
    """The daemon's own document."""
    url = f"{daemon.url}/appliance/v1/openapi.json"
    return schemathesis.openapi.from_url(url)


# the streams never end
schema = schemathesis.pytest.from_fixture("document").exclude(path_regex="/(events|logs)$")


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answer_is_clear_when_request_is_anything(case, daemon):
    """Status and message of an error are there; 500 only where the peer says the same."""
    # followed, a topic is a stream too
    case.query.pop("follow", None)
    answer = case.call(timeout=60)
    assert answer.status_code < 500 or is_the_peers(answer), answer.text
    # what the daemon logs may hold a trace, an error must not
    assert answer.status_code < 400 or "Traceback" not in answer.text


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff\xfe", b"nul", b'{"name":', b"[" * 10_000, b'"' * 10_000, b"1e999"],
    ids=lambda body: body[:8].hex() or "empty",
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/connectors"),
        ("PUT", "/connectors/x/config"),
        ("PATCH", "/connectors/x/config"),
        ("PATCH", "/connectors/x/offsets"),
        ("PUT", "/connector-plugins/FileStreamSource/config/validate"),
        ("PUT", "/admin/loggers/root"),
    ],
)
def test_body_is_refused_when_it_is_not_what_is_asked_for(daemon, method, path, body):
    """Bytes that are no JSON, or another JSON: an error that says where, and the daemon serves on."""
    headers = {"Content-Type": "application/json"}
    answer = requests.request(method, daemon.url + path, data=body, headers=headers, timeout=60)
    assert 400 <= answer.status_code <= 500
    assert answer.status_code < 500 or is_the_peers(answer), answer.text
    assert daemon.healthy()


def is_the_peers(answer) -> bool:
    """Tell whether an answer 5xx has the peer's words."""
    found = answer.json()
    return (
        found["error_code"] == answer.status_code and PEER_500.match(found["message"]) is not None
    )
