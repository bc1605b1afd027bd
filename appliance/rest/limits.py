"""How much of a body is let in, before any of it is understood."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.types import Message, Receive

from appliance.rest.errors import RestError

MAX_BODY_BYTES: Final = 10 << 20


def limited(receive: Receive) -> Receive:
    """Let no more of a body in than is allowed, whatever its headers say."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise _too_large()
        return message

    return counted


async def read_limited(request: Request) -> bytes:
    """Give the body of a request that `limited` receives. Raises RestError 413 before it is there."""
    given = request.headers.get("content-length", "0")
    if given.isdigit() and int(given) > MAX_BODY_BYTES:
        raise _too_large()
    return await request.body()


def _too_large() -> RestError:
    return RestError(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
