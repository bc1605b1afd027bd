"""A client of the daemon's REST API; needs the standard library alone.

Serves the command line and the console; scripts may copy it. Not thread-safe: one client per thread.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

DEFAULT_URL = "http://127.0.0.1:8083"
TIMEOUT_S = 95.0
SILENCE_S = 12.0
_STREAM = "text/event-stream"
_CAFILE = "Name who signed it: --cafile FILE, or cafile in a context (ingest-appliance ctx set)."
_NAMES = "Ask by a name or address that stands in it."
# OpenSSL's X509_V_ERR_*: self-signed, unknown issuer; another host or address
_REMEDIES = {18: _CAFILE, 19: _CAFILE, 20: _CAFILE, 21: _CAFILE, 62: _NAMES, 64: _NAMES}


class ClientError(Exception):
    """A request failed; the text says what to do."""


class UnreachableError(ClientError):
    """Nobody answers at the address, or somebody who does not speak this API."""


class AnswerError(ClientError):
    """The daemon answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the HTTP status."""
        super().__init__(message)
        self.status = status

    @property
    def retriable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (409, 503)


class ServerEvent(NamedTuple):
    """One event of the stream; `id` is what to resume after."""

    id: int | None
    type: str
    data: dict[str, Any]


class Client:
    """Requests to one daemon."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        timeout_s: float = TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        cafile: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
    ) -> None:
        """Take the address; `headers` go with every request (for example Authorization).

        `cafile` are the authorities believed, `certfile` the own certificate with its key,
        which may also stand in `keyfile`; all PEM.
        """
        self._parts = urlsplit(url if "//" in url else f"http://{url}")
        self._timeout_s = timeout_s
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._cafile = cafile
        self._certfile = certfile
        self._keyfile = keyfile

    @property
    def url(self) -> str:
        """Give the daemon's address."""
        return self._parts.geturl()

    def get(self, *path: str, **query: Any) -> Any:
        """GET a resource; `path` are its segments, unescaped."""
        return self.request("GET", path, None, query)

    def put(self, *path: str, body: Any = None, **query: Any) -> Any:
        """PUT a resource."""
        return self.request("PUT", path, body, query)

    def post(self, *path: str, body: Any = None, **query: Any) -> Any:
        """POST to a resource."""
        return self.request("POST", path, body, query)

    def patch(self, *path: str, body: Any = None, **query: Any) -> Any:
        """PATCH a resource."""
        return self.request("PATCH", path, body, query)

    def delete(self, *path: str, **query: Any) -> Any:
        """DELETE a resource."""
        return self.request("DELETE", path, None, query)

    def request(
        self, method: str, path: tuple[str, ...], body: Any, query: Mapping[str, Any]
    ) -> Any:
        """Give the JSON of the answer, None when it is empty. Raises ClientError."""
        connection = self._connection(self._timeout_s)
        target = _target(path, query)
        try:
            response = self._send(connection, method, target, body, {})
            content = response.read()
        except OSError as error:
            raise UnreachableError(self._unreachable(error)) from error
        except http.client.HTTPException as error:
            raise ClientError(f"Reading the answer of {self.url}: {error!r}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise AnswerError(response.status, self._message(response, content))
        moved = response.status >= 300
        if not content and method != "GET" and not moved:
            return None
        try:
            return json.loads(b"" if moved else content)
        except ValueError as error:
            raise UnreachableError(self._stranger(f"{method} {target}", response)) from error

    def events(self, after: int | None = None) -> Iterator[ServerEvent]:
        """Give the daemon's events as they happen, from after the event `after` on.

        Raises UnreachableError when the line breaks or stays silent for SILENCE_S: call again with the
        last id seen.
        """
        yield from self.stream("appliance", "v1", "events", after=after)

    def stream(self, *path: str, after: int | None = None, **query: Any) -> Iterator[ServerEvent]:
        """Give the events of a stream as they come. Raises as `events`."""
        connection, target = self._connection(SILENCE_S), _target(path, query)
        headers = {"Accept": _STREAM}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        try:
            with self._send(connection, "GET", target, None, headers) as response:
                if response.status != 200:
                    raise AnswerError(response.status, self._message(response, response.read()))
                if response.getheader("content-type", _STREAM).partition(";")[0] != _STREAM:
                    told = self._stranger(f"GET {target}", response, "events were")
                    raise UnreachableError(told)
                yield from _parsed(response)
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(self._unreachable(error)) from error
        finally:
            connection.close()

    def lines(self, *path: str, **query: Any) -> Iterator[Any]:
        """Give what an answer of JSON lines holds as it comes, however long it is. Raises ClientError."""
        connection, target = self._connection(self._timeout_s), _target(path, query)
        try:
            with self._send(connection, "GET", target, None, {}) as response:
                if response.status != 200:
                    raise AnswerError(response.status, self._message(response, response.read()))
                for line in response:
                    try:
                        found = json.loads(line)
                    except ValueError as error:
                        told = self._stranger(f"GET {target}", response)
                        raise UnreachableError(told) from error
                    yield found
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(self._unreachable(error)) from error
        finally:
            connection.close()

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: Any,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        content = None if body is None else json.dumps(body).encode()
        sent = {**self._headers, **headers}
        if content is not None:
            sent["Content-Type"] = "application/json"
        connection.request(method, self._parts.path.rstrip("/") + target, content, sent)
        return connection.getresponse()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "127.0.0.1", self._parts.port
        if self._parts.scheme == "https":
            context = self._context()
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
        return http.client.HTTPConnection(host, port, timeout=timeout_s)

    def _context(self) -> ssl.SSLContext:
        file = self._cafile
        try:
            context = ssl.create_default_context(cafile=file)
            if self._certfile is not None:
                file = self._certfile
                context.load_cert_chain(file, self._keyfile)
        except OSError as error:
            raise ClientError(f"Reading {file}: {error.strerror or error}.") from error
        return context

    def _unreachable(self, error: Exception) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            told = f"The certificate of {self.url} is not trusted: {error.verify_message}."
            remedy = _REMEDIES.get(error.verify_code)
            return f"{told} {remedy}" if remedy else told
        return f"Cannot reach {self.url}: {error}. Is the daemon running, and is this its address?"

    def _message(self, response: http.client.HTTPResponse, content: bytes) -> str:
        """Give what the daemon says of an error; of another server what it is."""
        try:
            return str(json.loads(content)["message"])
        except (ValueError, KeyError, TypeError):
            return f"{self.url} answers with HTTP status {response.status} and {_kind(response)}."

    def _stranger(
        self, asked: str, response: http.client.HTTPResponse, expected: str = "JSON was"
    ) -> str:
        """Say that no daemon answers here but something else, and what to try."""
        place = response.getheader("location")
        led = f", which leads to {place}" if place else ""
        what = f"{asked.partition('?')[0]} with HTTP status {response.status}{led}"
        return (
            f"{self.url} answers {what} and {_kind(response)} where {expected} expected: this is no "
            "ingest-appliance, or a proxy answers in its place. Is this the daemon's address? It listens on "
            "port 8083 unless it was told otherwise; --url or a context names another."
        )


def _target(path: tuple[str, ...], query: Mapping[str, Any]) -> str:
    target = "/" + "/".join(quote(segment, safe="") for segment in path)
    pairs = [
        (name, str(item).lower() if isinstance(item, bool) else item)
        for name, value in query.items()
        for item in (value if isinstance(value, (list, tuple)) else [value])
        if item is not None
    ]
    return f"{target}?{urlencode(pairs)}" if pairs else target


def _kind(response: http.client.HTTPResponse) -> str:
    """Give what the body claims to be."""
    return str(response.getheader("content-type", "")).partition(";")[0] or "no type of content"


def _parsed(lines: Iterator[bytes] | http.client.HTTPResponse) -> Iterator[ServerEvent]:
    fields: dict[str, str] = {}
    for raw in lines:
        line = raw.decode().rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.strip()
        elif "data" in fields:
            number = fields.get("id")
            yield ServerEvent(
                None if number is None else int(number),
                fields.get("event", "message"),
                json.loads(fields["data"]),
            )
            fields = {}
        else:
            fields = {}
