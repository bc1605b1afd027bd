"""A client of the daemon's REST API on asyncio streams: requests, and the event stream.

One connection per request. Nothing is imported that the first paint would have to wait for.
Runs on the console's event loop. Raises UnreachableError, AnswerError.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from tui.contexts import Context

TIMEOUT_S = 10.0
CHANGE_TIMEOUT_S = 100.0
"""A change waits for a rebalance to end; the daemon itself gives up after 90 s."""
SILENCE_S = 12.0
PREFIX = "/appliance/v1"
_STREAM: Final = "text/event-stream"
_BROKEN: Final = (
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
    asyncio.LimitOverrunError,
    ValueError,
)
"""What a line that breaks, or a server of another kind, raises."""


class ClientError(Exception):
    """A request failed; the text says what to do."""


class UnreachableError(ClientError):
    """Nobody answers at the address, or somebody who does not speak this API."""


class AnswerError(ClientError):
    """The daemon answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ServerEvent(NamedTuple):
    """One event of the stream; `id` is None for rates."""

    id: int | None
    type: str
    data: dict[str, Any]


class _Answer(NamedTuple):
    """An answer whose body has still to be read."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader

    @property
    def kind(self) -> str:
        """Give what its body claims to be."""
        return self.headers.get("content-type", "").partition(";")[0] or "no type of content"


class Client:
    """The daemon at one address; user and password may stand in the URL."""

    def __init__(
        self,
        url: str,
        cafile: str | None = None,
        *,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        certificate: str | None = None,
        key: str | None = None,
    ) -> None:
        self._parts = urlsplit(url if "//" in url else f"http://{url}")
        self._cafile = cafile
        self._certificate = certificate
        self._key = key
        in_url = self._parts.username
        self._user = user if user is not None or in_url is None else unquote(in_url)
        self._token = token
        self._password = password or unquote(self._parts.password or "")

    @classmethod
    def of(cls, context: Context) -> Self:
        """Give the client of a context."""
        return cls(
            context.url,
            context.cafile,
            user=context.user,
            password=context.password,
            token=context.token,
            certificate=context.certfile,
            key=context.keyfile,
        )

    @property
    def url(self) -> str:
        """Give the address without user and password."""
        return f"{self._parts.scheme}://{self._host}:{self._port}{self._parts.path}"

    async def get(self, path: str) -> Any:
        """GET a resource by its escaped path."""
        return await self.request("GET", path)

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Give the JSON of the answer, None when it is empty."""
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(TIMEOUT_S if method == "GET" else CHANGE_TIMEOUT_S):
                async with asyncio.timeout(TIMEOUT_S):
                    reader, writer = await self._connect()
                try:
                    answer = await self._send(reader, writer, method, path, body, {})
                    content = b"".join([chunk async for chunk in _body(answer)])
                finally:
                    writer.close()
        except _BROKEN as error:
            if writer is not None and isinstance(error, TimeoutError):
                what = "" if method == "GET" else " What was asked for may still come about."
                message = f"The daemon at {self.url} did not answer in time.{what}"
                raise UnreachableError(message) from error
            raise UnreachableError(self._unreachable(error)) from error
        if answer.status >= 400:
            raise AnswerError(answer.status, self._message(answer, content))
        moved = answer.status >= 300
        if not content and method != "GET" and not moved:
            return None
        try:
            return json.loads(b"" if moved else content)
        except ValueError as error:
            raise UnreachableError(self._stranger(method, path, answer)) from error

    async def events(self, after: int | None) -> AsyncGenerator[ServerEvent | None]:
        """Give what happens after event `after`; None for each heartbeat.

        Raises UnreachableError when the line breaks or stays silent for SILENCE_S.
        """
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        async with aclosing(self.stream(f"{PREFIX}/events", headers)) as events:
            async for event in events:
                yield event

    async def stream(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[ServerEvent | None]:
        """Give the events of a stream; None for each heartbeat. Raises as `events`."""
        sent = {"Accept": _STREAM, **(headers or {})}
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await self._connect()
                answer = await self._send(reader, writer, "GET", path, None, sent)
            if answer.status != 200:
                content = b"".join([chunk async for chunk in _body(answer)])
                raise AnswerError(answer.status, self._message(answer, content))
            if answer.headers.get("content-type", _STREAM).partition(";")[0] != _STREAM:
                raise UnreachableError(self._stranger("GET", path, answer, "events were"))
            async for event in _parsed(answer):
                yield event
        except _BROKEN as error:
            raise UnreachableError(self._unreachable(error)) from error
        finally:
            if writer is not None:
                writer.close()
        raise UnreachableError(f"The daemon at {self.url} closed the stream.")

    @property
    def _host(self) -> str:
        return self._parts.hostname or "127.0.0.1"

    @property
    def _port(self) -> int:
        return self._parts.port or (443 if self._parts.scheme == "https" else 8083)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = None
        if self._parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._cafile)
            if self._certificate is not None:
                context.load_cert_chain(self._certificate, self._key)
        return await asyncio.open_connection(self._host, self._port, ssl=context, limit=1 << 24)

    async def _send(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        method: str,
        path: str,
        body: Any,
        headers: dict[str, str],
    ) -> _Answer:
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"Host": f"{self._host}:{self._port}", "Accept": "application/json", **headers}
        sent["Connection"] = "close"
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        elif self._user is not None:
            pair = f"{self._user}:{self._password}"
            sent["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if method not in {"GET", "DELETE"} or content:
            sent["Content-Type"] = "application/json"
            sent["Content-Length"] = str(len(content))
        lines = [f"{method} {self._parts.path.rstrip('/')}{path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in sent.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()
        status = _status(await reader.readuntil(b"\r\n"))
        found: dict[str, str] = {}
        while line := (await reader.readuntil(b"\r\n")).strip():
            name, _, value = line.decode("latin-1").partition(":")
            found[name.lower()] = value.strip()
        return _Answer(status, found, reader)

    def _unreachable(self, error: Exception) -> str:
        cause = str(error) or type(error).__name__
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"Cannot trust {self.url}: {error.verify_message}. Give the authority that signed "
                "its certificate with --cafile, or cafile in the context."
            )
        return f"Cannot reach {self.url}: {cause}. Is the daemon running, and is this its address?"

    def _message(self, answer: _Answer, content: bytes) -> str:
        """Give what the daemon says of an error; of another server what it is."""
        try:
            return str(json.loads(content)["message"])
        except (ValueError, KeyError, TypeError):
            return f"{self.url} answers with HTTP status {answer.status} and {answer.kind}."

    def _stranger(
        self, method: str, path: str, answer: _Answer, expected: str = "JSON was"
    ) -> str:
        """Say that no daemon answers here but something else, and what to try."""
        target = answer.headers.get("location")
        led = f", which leads to {target}" if target else ""
        what = f"{method} {path.partition('?')[0]} with HTTP status {answer.status}{led}"
        return (
            f"{self.url} answers {what} and {answer.kind} where {expected} expected: this is no "
            "ingest-appliance, or a proxy answers in its place. Is this the daemon's address? It listens on "
            "port 8083 unless it was told otherwise; --url or a context names another."
        )


def escaped(segment: str) -> str:
    """Give a name as one segment of a path."""
    return quote(segment, safe="")


def _status(line: bytes) -> int:
    """Give the status of an answer's first line. Raises ValueError for what is no answer of HTTP."""
    words = line.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError(f"what answers does not speak HTTP ({line[:40]!r})")
    return int(words[1])


async def _body(answer: _Answer) -> AsyncIterator[bytes]:
    reader = answer.reader
    if answer.headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
    elif "content-length" in answer.headers:
        yield await reader.readexactly(int(answer.headers["content-length"]))
    elif answer.status not in {204, 304}:
        yield await reader.read()


async def _parsed(answer: _Answer) -> AsyncIterator[ServerEvent | None]:
    """Give the events of a stream, however its bytes are cut into chunks."""
    chunks = aiter(_body(answer))
    rest = b""
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                rest += await anext(chunks)
        except StopAsyncIteration:
            return
        *frames, rest = rest.split(b"\n\n")
        for frame in frames:
            yield _event(frame.decode())


def _event(frame: str) -> ServerEvent | None:
    fields: dict[str, str] = {}
    for line in frame.splitlines():
        name, _, value = line.partition(":")
        fields[name] = value.strip()
    if "data" not in fields:
        return None
    number = int(fields["id"]) if "id" in fields else None
    return ServerEvent(number, fields.get("event", "message"), json.loads(fields["data"]))
