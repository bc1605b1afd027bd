"""Calls: a change as the REST request it is, shown to the user, sent, and tried again on 409."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tui.client import PREFIX, AnswerError, escaped
from tui.scene import Asker

RETRY_S: Final = 30.0
_PAUSE_S: Final = 1.0
CONFLICT: Final = 409


class Call(NamedTuple):
    """One request; `body` is JSON."""

    method: str
    path: str
    body: Any = None

    def __str__(self) -> str:
        """Give it as the console shows it."""
        return f"{self.method} {self.path}"

    def curl(self, url: str) -> str:
        """Give it as a command; a secret in it is the user's own to fill in."""
        parts = ["curl", "-X", self.method]
        if self.body is not None:
            parts += ["-H", "Content-Type: application/json", "-d", json.dumps(self.body)]
        return shlex.join([*parts, url.rstrip("/") + self.path])


def connector(method: str, name: str, tail: str = "", body: Any = None) -> Call:
    """Give a call on a connector; `tail` as `/pause`."""
    return Call(method, f"/connectors/{escaped(name)}{tail}", body)


def ours(method: str, tail: str, body: Any = None) -> Call:
    """Give a call on a resource of the console's own."""
    return Call(method, f"{PREFIX}{tail}", body)


async def send(asker: Asker, call: Call, say: Callable[[str], None]) -> Any:
    """Send it; a rebalance (409) is waited out for RETRY_S and said. Raises ClientError."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + RETRY_S
    while True:
        try:
            return await asker.request(*call)
        except AnswerError as error:
            if error.status != CONFLICT or "already exists" in str(error) or loop.time() > end_s:
                raise
            say(f"{call}: rebalance under way, trying again for {end_s - loop.time():.0f} s")
            await asyncio.sleep(_PAUSE_S)
