"""The console in a browser of this host: to read alone, off unless it is asked for (`--web`).

textual-serve, an extra of this package, gives each browser a console of its own. Here it learns who may come:
whoever has the key that stands in the printed address, from this very address. It listens on the loopback
interface alone; others come through an SSH tunnel of the same port.
"""

from __future__ import annotations

import hmac
import secrets
import shlex
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web
from textual_serve.server import Server

HOST: Final = "127.0.0.1"
MOST: Final = 4
"""How many consoles there are at most; each is a process."""
_COOKIE: Final = "ingest-tui"
_OWN_STYLES: Final = "style-src 'self' 'unsafe-inline'; font-src 'self' data:"
"""The page names a font of Google's; who looks at the console is not for Google to know."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebConsole(Server):
    """Serves `ingest-tui` with `arguments` to those who know the key."""

    def __init__(self, port: int, arguments: Sequence[str]) -> None:
        command = shlex.join([sys.executable, "-m", "tui", "--browser", *arguments])
        super().__init__(command, HOST, port, title="ingest-tui")
        self._key = secrets.token_urlsafe(24)
        self._shown = 0

    @property
    def address(self) -> str:
        """Give what to open, key included."""
        return f"{self.public_url}/?key={self._key}"

    def initialize_logging(self) -> None:
        """Leave the log to whoever runs this; the one of the server shows local variables."""

    async def on_startup(self, app: web.Application) -> None:
        """Say where it is."""
        del app
        sys.stderr.write(
            f"The console, to read alone: {self.address}\n"
            f"From elsewhere: ssh -L {self.port}:{HOST}:{self.port} THIS-HOST. ctrl+c ends it.\n"
        )

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._admit)
        return app

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass on who comes to this very address with the key; the first time it is in the query."""
        if request.headers.get("Host") != f"{HOST}:{self.port}":
            raise web.HTTPForbidden(text=f"Open it as {self.public_url}, with the key.\n")
        if request.headers.get("Origin", self.public_url) != self.public_url:
            raise web.HTTPForbidden(text="Not for pages of other sites.\n")
        if request.path == "/" and self._fits(request.query.get("key")):
            # not kept in the address, which browsers remember
            found = web.HTTPFound("/")
            found.set_cookie(_COOKIE, self._key, httponly=True, samesite="Strict")
            raise found
        if not self._fits(request.cookies.get(_COOKIE)):
            raise web.HTTPForbidden(
                text="The key is missing: open the address that was printed.\n"
            )
        if request.path != "/ws":
            answer = await handler(request)
            answer.headers["Content-Security-Policy"] = _OWN_STYLES
            return answer
        if self._shown >= MOST:
            raise web.HTTPServiceUnavailable(text=f"{MOST} consoles are open already.\n")
        self._shown += 1
        try:
            return await handler(request)
        finally:
            self._shown -= 1

    def _fits(self, key: str | None) -> bool:
        return key is not None and hmac.compare_digest(key.encode(), self._key.encode())
