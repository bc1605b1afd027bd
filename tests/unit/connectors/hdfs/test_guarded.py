"""Where WebHDFS calls may go."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from appliance.connectors.hdfs.connector import HdfsSinkConnector, address_of
from appliance.connectors.hdfs.guarded import guarded_session
from appliance.errors import ConfigError

PARSED = {"hdfs.url": None, "webhdfs.url": "", "hadoop.conf.dir": ""}


@pytest.fixture
def redirecting() -> Iterator[str]:
    """A NameNode, without its Hadoop: answers each call with a redirection to a link-local DataNode."""
    answer = (
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254:9864/x\r\n"
        b"Content-Length: 0\r\nConnection: close\r\n\r\n"
    )

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_redirection_is_not_followed_when_it_leads_to_a_link_local_address(redirecting):
    """The error names where it would have gone."""
    with pytest.raises(ConfigError, match=r"WebHDFS at 169\.254\.169\.254: link-local"):
        guarded_session((redirecting,)).get(redirecting, timeout=5)


def test_name_is_refused_when_it_resolves_to_a_link_local_address(redirecting, monkeypatch):
    """What counts is whom the connection reaches."""
    monkeypatch.setattr(
        "appliance.config.addresses.is_link_local", lambda host: host == "127.0.0.1"
    )
    url = redirecting.replace("127.0.0.1", "localhost")
    with pytest.raises(ConfigError, match=r"localhost \(127\.0\.0\.1\): link-local"):
        guarded_session((url,)).get(url, timeout=5)


def test_plain_http_is_refused_when_every_namenode_is_https():
    """A redirection must not take TLS off; the message holds no query."""
    session = guarded_session(("https://nn:9871",))
    with pytest.raises(ConfigError, match="at http://dn:9864: it was redirected") as raised:
        session.get("http://dn:9864/webhdfs/v1/x?delegation=s3cret")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://169.254.169.254:80", "hdfs://[fe80::1]:8020"])
def test_sink_is_refused_when_its_store_is_link_local(url):
    """Validation tells it of the store's option, and nothing is asked."""
    with pytest.raises(ConfigError, match="link-local addresses are never asked"):
        address_of({**PARSED, "store.url": url})
    config = {"store.url": url, "topics": "t", "flush.size": "1", "name": "x"}
    (value,) = (v for v in HdfsSinkConnector().validate(config) if v.name == "store.url")
    assert any("link-local" in error for error in value.errors)
