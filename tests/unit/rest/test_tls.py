"""TLS between the workers of a host and between hosts, without a network."""

from __future__ import annotations

import ssl

import pytest

from appliance.config.worker import WorkerConfig
from appliance.rest.tls import LISTENERS, client_context, server_context
from tests.certificates import certified


@pytest.fixture
def config(tmp_path):
    """A worker with a certificate that nobody is told to believe."""
    store = tmp_path / "tls.pem"
    store.write_bytes(b"".join(certified("10.0.0.11")))
    options = {
        f"{LISTENERS}ssl.keystore.type": "PEM",
        f"{LISTENERS}ssl.keystore.location": str(store),
    }
    return WorkerConfig(options, "run")


def shake_hands(config: WorkerConfig, host: str) -> None:
    """Let a worker call `host`, where a worker of the same configuration answers. Raises ssl.SSLError."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context(config, LISTENERS).wrap_bio(to_server, to_client, server_side=True)
    client = client_context(config, host).wrap_bio(to_client, to_server, server_hostname=host)
    waiting = [client, server]
    while waiting:
        for side in tuple(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)


def test_sibling_is_believed_when_its_certificate_is_the_own_one(config):
    """A host with a certificate of its own making can forward to its own leader."""
    shake_hands(config, "127.0.0.1")


def test_other_host_is_not_believed_without_a_truststore(config):
    """Beyond this machine somebody has to have signed."""
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(config, "10.0.0.11")
