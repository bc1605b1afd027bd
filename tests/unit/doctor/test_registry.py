"""A registry is asked with the converter's own login; what it answers is told."""

from __future__ import annotations

import base64
import http.server
import threading
from typing import ClassVar

import pytest

from appliance.doctor.findings import Level
from appliance.doctor.registry import examine_registry

AVRO = "io.confluent.connect.avro.AvroConverter"


class Registry(http.server.BaseHTTPRequestHandler):
    """Has two subjects, for one user alone."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        login = base64.b64encode(b"ingest:pw").decode()
        known = self.headers.get("Authorization") == f"Basic {login}"
        body = (
            b'["a-value","b-value"]' if known else b'{"error_code":401,"message":"Unauthorized"}'
        )
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def registry():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    Registry.asked.clear()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def options(server, login, side="value"):
    prefix = f"{side}.converter"
    return {
        prefix: AVRO,
        f"{prefix}.schema.registry.url": f"http://127.0.0.1:{server.server_port}",
        f"{prefix}.basic.auth.credentials.source": "USER_INFO",
        f"{prefix}.basic.auth.user.info": login,
    }


def test_subjects_are_counted_when_the_registry_answers(registry):
    """Once, where both converters name it."""
    config = {**options(registry, "ingest:pw"), **options(registry, "ingest:pw", "key")}
    found = list(examine_registry("orders", {}, config))
    assert [(f.level, f.text) for f in found] == [(Level.OK, "the schema registry has 2 subjects")]
    assert Registry.asked == ["/subjects"]


def test_worker_is_asked_for_when_the_connector_has_no_converter(registry):
    """Its own options stand for every connector that names none."""
    found = list(examine_registry("orders", options(registry, "ingest:pw"), {}))
    assert [f.level for f in found] == [Level.OK]
    other = {"value.converter": "org.apache.kafka.connect.json.JsonConverter"}
    assert list(examine_registry("orders", options(registry, "ingest:pw"), other)) == []


def test_registry_is_a_problem_when_it_refuses_or_is_away(registry):
    """With the option to correct, and without the password."""
    refused = list(examine_registry("orders", {}, options(registry, "ingest:wrong-one")))
    config = options(registry, "ingest:wrong-one")
    registry.server_close()
    away = list(examine_registry("orders", {}, config))
    for (found,) in (refused, away):
        assert found.level is Level.PROBLEM
        assert found.option == "value.converter.schema.registry.url"
        assert "wrong-one" not in found.text + found.remedy
