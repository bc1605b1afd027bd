"""The HTTP servers of a worker: one on its own address, one on the public socket when it is its turn.

The event loop runs on the worker's main thread; everything but `run` may be called on any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from appliance.config.worker import WorkerConfig
from appliance.rest.access import CERTIFICATE
from appliance.rest.app import App
from appliance.rest.tls import LISTENERS, server_context

_GRACE_S: Final = 2
_TICK_S: Final = 1.0


class _Protocol(H11Protocol):
    """A connection; its requests know the subject of the certificate that the client showed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # narrower there
        """Look at the certificate once: it holds for all requests of the connection."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        subject = (tls.getpeercert() or {}).get("subject") if tls is not None else None
        if subject:
            app = self.app

            async def certified(scope: Any, receive: Any, send: Any) -> None:
                await app({**scope, CERTIFICATE: subject}, receive, send)

            self.app = certified


class _Server(uvicorn.Server):
    """A server that leaves signals to the worker, and waits instead of looking whether it is to end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._end = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: the supervisor decides when a worker stops."""
        yield

    async def main_loop(self) -> None:
        """Renew the Date header once a second until `end`."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), _TICK_S)

    def end(self) -> None:
        """Stop serving."""
        self.should_exit = True
        self._end.set()


class RestServer:
    """Serves one application on several sockets."""

    def __init__(self, app: App, config: WorkerConfig) -> None:
        """Take the application; TLS settings come from the worker's configuration."""
        self._app = app
        self._config = config
        self._loop: asyncio.AbstractEventLoop | None = None
        self._servers: list[_Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self._lock = threading.Lock()
        self._early: list[Any] = []

    def run(self, sockets: Sequence[tuple[str, socket.socket]]) -> None:
        """Serve (scheme, socket) pairs until `stop`; blocks."""
        asyncio.run(self._run(sockets))

    def accept(
        self,
        sockets: Sequence[tuple[str, socket.socket]],
        app: ASGIApp | None = None,
        tls_prefix: str = LISTENERS,
    ) -> None:
        """Serve these sockets too from now on, with another application and TLS if they are given."""
        for scheme, sock in sockets:
            self._call(lambda scheme=scheme, sock=sock: self._start(scheme, sock, app, tls_prefix))

    def stop(self) -> None:
        """End; requests under way get a moment to finish."""
        self._call(self._stopped.set)

    async def _run(self, sockets: Sequence[tuple[str, socket.socket]]) -> None:
        for scheme, sock in sockets:
            self._start(scheme, sock)
        with self._lock:
            self._loop = asyncio.get_running_loop()
            early, self._early = self._early, []
        for function in early:
            function()
        await self._stopped.wait()
        for server in self._servers:
            server.end()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GRACE_S + 1)

    def _start(
        self,
        scheme: str,
        sock: socket.socket,
        app: ASGIApp | None = None,
        tls_prefix: str = LISTENERS,
    ) -> None:
        context = server_context(self._config, tls_prefix) if scheme == "https" else None
        config = uvicorn.Config(
            app or self._app,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            http=_Protocol,
            ws="none",
            loop="asyncio",
            timeout_graceful_shutdown=_GRACE_S,
            ssl_context_factory=None if context is None else lambda _config, _default: context,
        )
        server = _Server(config)
        self._servers.append(server)
        task = asyncio.get_running_loop().create_task(server.serve([sock]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _call(self, function: Any) -> None:
        """Call on the loop's thread, at once or as soon as the loop runs."""
        with self._lock:
            loop = self._loop
            if loop is None:
                self._early.append(function)
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(function)
