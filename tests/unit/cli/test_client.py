"""The client of scripts, command line and console."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from appliance.client import AnswerError, Client, ClientError, ServerEvent, UnreachableError

STREAM = (
    b": stream\nretry: 1000\n\n"
    b'id: 7\nevent: task\ndata: {"key":"a-0"}\n\n'
    b": beat\n\n"
    b'event: rates\ndata: {"tasks":[]}\n\n'
)


class Handler(BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, str, bytes, str | None]]] = []

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.seen.append((self.command, self.path, body, self.headers.get("last-event-id")))
        if self.path.endswith("/events"):
            status, content = 200, STREAM
        elif "missing" in self.path:
            status, content = 404, b'{"error_code":404,"message":"Connector missing not found"}'
        else:
            status, content = 200, b'["a"]'
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def client() -> Iterator[Client]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Handler.seen.clear()
    yield Client(f"127.0.0.1:{server.server_address[1]}", timeout_s=5)
    server.shutdown()
    server.server_close()


def test_names_are_escaped_and_queries_spelt_when_asked(client):
    """Segments are escaped whole, booleans are lower case, lists repeat."""
    assert client.get("connectors", expand=["status", "info"], x=True) == ["a"]
    client.put("connectors", "a/b %", "config", body={"k": "v"})

    assert Handler.seen == [
        ("GET", "/connectors?expand=status&expand=info&x=true", b"", None),
        ("PUT", "/connectors/a%2Fb%20%25/config", b'{"k": "v"}', None),
    ]


def test_message_is_raised_when_the_daemon_refuses(client):
    """An error answer carries status and message."""
    with pytest.raises(AnswerError, match="Connector missing not found") as caught:
        client.get("connectors", "missing")
    assert caught.value.status == 404
    assert not caught.value.retriable


def test_events_are_parsed_when_streamed(client):
    """Comments are skipped, ids kept, the place to resume from sent."""
    events = list(client.events(after=6))

    assert events == [
        ServerEvent(7, "task", {"key": "a-0"}),
        ServerEvent(None, "rates", {"tasks": []}),
    ]
    assert Handler.seen[0][3] == "6"


@pytest.mark.parametrize(
    ("code", "remedy"), [(19, "--cafile FILE"), (62, "name or address"), (10, "expired.")]
)
def test_remedy_is_told_when_a_certificate_is_not_trusted(code, remedy):
    """Whoever does not know the authority is told how to name it."""
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "expired" if code == 10 else "no"
    told = Client("https://h:1")._unreachable(error)
    assert told.startswith("The certificate of https://h:1 is not trusted: ")
    assert remedy in told


def test_file_is_named_when_authorities_cannot_be_read(tmp_path):
    """Before anything is sent."""
    with pytest.raises(ClientError, match=r"Reading .*none\.pem: No such file"):
        Client("https://h:1", cafile=str(tmp_path / "none.pem")).get("connectors")


def test_address_is_named_when_nobody_answers():
    """The sentence names the address and asks the right question."""
    with pytest.raises(UnreachableError, match=r"Cannot reach http://127\.0\.0\.1:1: .*running"):
        Client("http://127.0.0.1:1").get("connectors")


class Stranger(BaseHTTPRequestHandler):
    """A web server at the daemon's address: a page, or a way elsewhere."""

    def do_GET(self) -> None:
        moved = self.path.startswith("/connectors/moved")
        content = b"" if moved else b"<html>Maintenance</html>\n"
        self.send_response(302 if moved else 404 if "missing" in self.path else 200)
        self.send_header("content-type", "text/html; charset=utf-8")
        if moved:
            self.send_header("location", "https://login.example/")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[Client]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Client(f"http://127.0.0.1:{server.server_port}", timeout_s=5)
        server.shutdown()


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (
            lambda it: it.get("connectors", x=1),
            r"answers GET /connectors with .* 200 and text/html",
        ),
        (lambda it: it.get("connectors", "moved"), "302, which leads to https://login.example/"),
        (
            lambda it: it.put("connectors", "moved"),
            "answers PUT /connectors/moved with HTTP status 302",
        ),
        (lambda it: list(it.lines("dlq")), "answers GET /dlq with HTTP status 200 and text/html"),
        (lambda it: list(it.events()), "text/html where events were expected"),
    ],
    ids=["page", "led away", "change led away", "lines", "stream"],
)
def test_stranger_is_named_when_no_daemon_answers(stranger, ask, told):
    """What answered where, that it is no daemon, and what to try."""
    with pytest.raises(UnreachableError, match=told) as caught:
        ask(stranger)
    assert str(caught.value).startswith(f"{stranger.url} answers ")
    assert "no ingest-appliance" in str(caught.value)
    assert "--url or a context names another" in str(caught.value)


def test_kind_of_answer_is_told_when_an_error_is_not_the_daemon_s(stranger):
    """A page that says 404 is not the daemon's own word."""
    with pytest.raises(AnswerError, match=r"answers with HTTP status 404 and text/html"):
        stranger.get("missing")
