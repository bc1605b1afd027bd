"""Which daemon a verb speaks to: options first, then environment, then contexts, then this host.

The file of contexts is the console's, read by its own module: one login for both.
"""

from __future__ import annotations

import argparse
import base64
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from appliance.client import TIMEOUT_S, Client, ClientError

if TYPE_CHECKING:
    from tui.contexts import Context

_READS: Final = frozenset({"validate", "preview", "plan"})
ADDRESS_OPTIONS: Final = ("--url", "--context", "--user", "--cert", "--cafile")


class RefusedError(ClientError):
    """The context is read-only."""


class UsageError(ClientError):
    """The command line asks for what there is not."""


class UnknownError(ClientError):
    """There is nothing of that name, as the daemon's other answers show."""


def address_options() -> argparse.ArgumentParser:
    """Give the options that every verb takes, as a parent parser."""
    parent = argparse.ArgumentParser(add_help=False)
    group = parent.add_argument_group(
        "daemon",
        "Without --url or --context: $INGEST_APPLIANCE_URL, the file's current context, this host. "
        "A password comes from $INGEST_APPLIANCE_PASSWORD or the context, a bearer token from "
        "$INGEST_APPLIANCE_TOKEN or the context: no secret is an argument.",
    )
    group.add_argument("--url", help="its address")
    group.add_argument("--context", help="its name in the file of contexts (see ctx)")
    group.add_argument("--user", help="user name; default $INGEST_APPLIANCE_USER")
    group.add_argument("--cert", help="certificate to show, with its key, as PEM")
    group.add_argument("--cafile", help="certificates that may have signed the daemon's, as PEM")
    return parent


def behind_verb(words: Sequence[str]) -> list[str]:
    """Give a command line whose address options stand before the verb with these behind it."""
    count = leading(words)
    rest = words[count:]
    end = rest.index("--") if "--" in rest else len(rest)
    return [*rest[:end], *words[:count], *rest[end:]]


def leading(words: Sequence[str]) -> int:
    """Give how many words before the verb are address options with their values."""
    count = 0
    while count < len(words) and words[count].partition("=")[0] in ADDRESS_OPTIONS:
        count += 1 if "=" in words[count] else 2
    return min(count, len(words))


def client_of(
    options: argparse.Namespace,
    environment: Mapping[str, str] = os.environ,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Client:
    """Give the client that options and environment ask for. Raises ClientError."""
    from tui.contexts import ContextError, chosen

    try:
        context = chosen(
            environment,
            context=options.context,
            url=options.url,
            user=options.user,
            cafile=options.cafile,
        )
    except ContextError as error:
        raise ClientError(str(error)) from error
    return (ReadingClient if context.read_only else Client)(
        context.url,
        headers=_login(context),
        cafile=context.cafile,
        certfile=options.cert or context.certfile,
        keyfile=None if options.cert else context.keyfile,
        timeout_s=timeout_s,
    )


def _login(context: Context) -> dict[str, str]:
    if context.token:
        return {"Authorization": f"Bearer {context.token}"}
    if context.user:
        pair = f"{context.user}:{context.password or ''}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


class ReadingClient(Client):
    """The client of a read-only context: asks, and changes nothing."""

    def request(
        self, method: str, path: tuple[str, ...], body: Any, query: Mapping[str, Any]
    ) -> Any:
        """Give the answer to a question. Raises RefusedError for a change."""
        asks = method == "GET" or (body or {}).get("dry_run") is True
        asks |= method in {"POST", "PUT"} and path[-1] in _READS
        if not asks:
            raise RefusedError(f"{method} /{'/'.join(path)}: its context is read_only")
        return super().request(method, path, body, query)
