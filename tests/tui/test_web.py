"""The console in a browser: who may come, and that he may only read."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, CookieJar, WSServerHandshakeError, web

from tests.tui import daemon
from tests.tui.still import DEADLINE_S, until
from tui.web import WebConsole


@asynccontextmanager
async def served(*arguments: str) -> AsyncIterator[WebConsole]:
    """Serve consoles with these arguments."""
    listening = socket.create_server(("127.0.0.1", 0))
    console = WebConsole(listening.getsockname()[1], arguments)
    runner = web.AppRunner(await console._make_app())
    await runner.setup()
    await web.SockSite(runner, listening).start()
    before = children()
    try:
        yield console
    finally:
        await runner.cleanup()
        # consoles end when their browsers leave; the loop must still be there to see it
        await until(lambda: children() <= before)
        await until(lambda: not any("waitpid" in one.name for one in threading.enumerate()))
        await asyncio.sleep(0)  # a turn of the loop, in which it takes notice


def children() -> set[str]:
    """Give the pids of this process's children, those included that nobody has waited for."""
    found: set[str] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        # a thread may have ended meanwhile
        with suppress(OSError):
            found.update(file.read_text().split())
    return found


async def test_console_is_shown_and_changes_nothing_when_a_browser_has_the_key(tmp_path):
    """The view comes over the socket; p is refused and says why."""
    async with daemon.Daemon(daemon.snapshot(failed=0)) as server:
        options = ("--url", server.url, "--config", str(tmp_path / "none.toml"))
        async with (
            served(*options) as console,
            ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser,
        ):
            async with browser.get(console.address) as page:
                assert (page.status, page.url.query_string) == (200, "")
                # nothing is fetched from elsewhere: the page that textual-serve has names a font of Google's
                assert "style-src 'self'" in page.headers["Content-Security-Policy"]
                await page.read()
            screen = b""
            async with browser.ws_connect(f"{console.public_url}/ws?width=120&height=36") as line:

                async def shows(word: bytes) -> None:
                    nonlocal screen
                    while word not in screen:
                        message = await line.receive(DEADLINE_S)
                        screen += message.data if isinstance(message.data, bytes) else b""

                await shows(b"orders-3")
                await line.send_json(["stdin", "p"])
                await shows(b"read-only")
            assert server.changes == []


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/?key=guessed", {}),
        ("/static/js/textual.js", {}),
        ("/ws", {"Origin": "http://elsewhere"}),
        ("/?key={key}", {"Host": "elsewhere:80"}),
    ],
)
async def test_stranger_is_refused_when_he_has_no_key_or_comes_from_another_site(path, headers):
    """Neither the page nor the socket is there for those without the key, or for other sites' pages."""
    async with served() as console, ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
        key = urlsplit(console.address).query.partition("=")[2]
        url = console.public_url + path.format(key=key)
        async with browser.get(url, headers=headers) as answer:
            assert answer.status == 403
            await answer.read()


async def test_other_site_is_refused_when_the_browser_has_the_key():
    """A page of another site cannot open the socket, although the browser would send the key along."""
    async with served() as console, ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
        async with browser.get(console.address) as page:
            await page.read()
        with pytest.raises(WSServerHandshakeError) as caught:
            await browser.ws_connect(
                f"{console.public_url}/ws", headers={"Origin": "http://elsewhere"}
            )
        assert caught.value.status == 403
