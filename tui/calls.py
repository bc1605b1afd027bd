"""Calls: a change as the REST request it is, shown to the user, sent, and tried again on 409."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from tui.client import PREFIX, AnswerError, escaped
from tui.scene import Asker
from tui.veil import veiled

RETRY_S: Final = 30.0
_CONNECTOR: Final = re.compile(r"/connectors/([^/]+)(?:/(.+))?")
_TASK: Final = re.compile(r"tasks/(\d+)/restart")
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

    def veiled(self) -> Call:
        """Give it with stars for the secrets of a configuration: they are the user's own to fill in."""
        if not isinstance(self.body, dict):
            return self
        nested = self.body.get("config")
        if isinstance(nested, dict):
            return self._replace(body={**self.body, "config": _veiled(nested)})
        return self._replace(body=_veiled(self.body))

    def curl(self, url: str) -> str:
        """Give it as a command."""
        parts = ["curl", "-X", self.method]
        if self.body is not None:
            parts += ["-H", "Content-Type: application/json", "-d", json.dumps(self.body)]
        return shlex.join([*parts, url.rstrip("/") + self.path])


def _veiled(config: dict[str, Any]) -> dict[str, Any]:
    return {
        name: veiled(name, value, ascii=True) if isinstance(value, str) else value
        for name, value in config.items()
    }


_WAYS: Final = {
    ("PUT", "pause"): "pause",
    ("PUT", "resume"): "resume",
    ("PUT", "stop"): "stop",
    ("DELETE", ""): "delete",
}


def verb_of(call: Call, url: str) -> str | None:
    """Give a call as a verb of ingest-appliance, None for what no verb sends so."""
    path, _, query = call.path.partition("?")
    found = _CONNECTOR.fullmatch(path)
    if found is None:
        return None
    name, tail = unquote(found[1]), found[2] or ""
    words: list[str] | None = None
    if (call.method, tail) in _WAYS:
        words = [_WAYS[call.method, tail], name]
    elif tail == "restart":
        tasks = "all" if "includeTasks=true" in query else "none"
        words = ["restart", name, "--tasks", "failed" if "onlyFailed=true" in query else tasks]
    elif task := _TASK.fullmatch(tail):
        words = ["restart", name, "--task", task[1]]
    elif (call.method, tail) == ("PATCH", "config"):
        words = ["patch", name]
        for option, value in call.body.items():
            words += ["--remove", option] if value is None else ["--set", f"{option}={value}"]
    return None if words is None else shlex.join(["ingest-appliance", *words, "--url", url])


_DONE: Final = {
    ("PUT", "pause"): "paused",
    ("PUT", "resume"): "resumed",
    ("PUT", "stop"): "stopped",
    ("DELETE", ""): "deleted",
    ("PATCH", "config"): "changed",
    ("PUT", "config"): "changed",
    ("PATCH", "offsets"): "altered the offsets of",
    ("DELETE", "offsets"): "reset the offsets of",
}


def done_words(call: Call) -> str:
    """Say in plain words what a call has done: paused orders-hdfs; the call itself for what has no word."""
    path, _, query = call.path.partition("?")
    if (call.method, path) == ("POST", "/connectors"):
        return f"created {call.body['name']}"
    found = _CONNECTOR.fullmatch(path)
    if found is not None:
        name, tail = unquote(found[1]), found[2] or ""
        if (call.method, tail) in _DONE:
            return f"{_DONE[call.method, tail]} {name}"
        if task := _TASK.fullmatch(tail):
            return f"restarted task {task[1]} of {name}"
        if tail == "restart":
            part = "what failed of " if "onlyFailed=true" in query else ""
            return f"restarted {part}{name}"
    return f"{call}: done"


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
