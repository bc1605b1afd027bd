"""The packaged broker's login reaches the clients that speak to it, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config.packaged import add_login
from appliance.config.worker import WorkerConfig

_JAAS = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="ingest" password="p";'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "client.properties"
    path.write_text(
        "bootstrap.servers=127.0.0.1:9092\nsecurity.protocol=SASL_PLAINTEXT\n"
        f"sasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config={_JAAS}\n"
    )
    return path


@pytest.mark.parametrize("named", [{}, {"bootstrap.servers": "localhost:9092"}])
def test_every_client_of_the_packaged_broker_logs_in(file, named):
    """Without a word of configuration, and where the worker file names the same broker."""
    add_login(named, file)
    config = WorkerConfig(named, "run")
    for role in ("worker", "admin", "producer", "consumer"):
        assert config.client_settings(role)["sasl.jaas.config"] == _JAAS, role
        assert config.client_settings(role)["security.protocol"] == "SASL_PLAINTEXT", role


@pytest.mark.parametrize(
    "own", [{"bootstrap.servers": "kafka-1:9092"}, {"security.protocol": "SSL"}]
)
def test_another_broker_or_login_is_left_alone(file, own):
    """The password goes nowhere else, and a login of the worker file wins."""
    texts = dict(own)
    add_login(texts, file)
    assert texts == own


def test_broker_without_login_gets_none(tmp_path):
    """Neither an absent package nor an edited server.properties changes the worker."""
    plain = tmp_path / "client.properties"
    for text in (None, "security.protocol=PLAINTEXT\n"):
        if text is not None:
            plain.write_text(text)
        texts: dict[str, str] = {}
        add_login(texts, plain)
        assert texts == {}
