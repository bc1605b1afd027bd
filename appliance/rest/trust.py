"""Requests between workers: signed with the group's session key, they carry for whom they are made.

A worker that forwards a request has asked its caller who he is; the next one believes it. The signature
covers verb, target, caller, time and body. Without a session key (protocols before `sessioned`,
standalone) nothing is signed, and `Authorization` alone travels along, as with Kafka Connect.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import Request

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.rest.users import Principal, Role
from appliance.storage.snapshot import SessionKey

WHO: Final = "appliance.caller"
"""Member of a request's scope: the Principal who calls, once that is known."""
CALLER: Final = "x-ingest-caller"
"""Header of a request that one worker makes of another for somebody."""
FORWARDED: Final = "appliance.forwarded"
"""Member of a request's scope: another worker has made it for somebody, and told of it."""
_TIME: Final = "x-ingest-time"
_SIGNATURE: Final = "x-ingest-signature"
_MOST_AGE_MS: Final = 300_000
_LOOKS: Final = 20
_PAUSE_S: Final = 0.1

Key = Callable[[], SessionKey | None]


def signed(
    key: Key,
    caller: Principal,
    method: str,
    target: str,
    body: bytes,
    clock: Clock = SYSTEM_CLOCK,
) -> Mapping[str, str]:
    """Give the headers that make a request one of `caller`'s; none without a key."""
    current = key()
    if current is None:
        return {}
    named = base64.b64encode((caller.name or "").encode()).decode()
    # a blank at the end of a header would not arrive
    who, time_ms = f"{named}:{caller.role.word}", str(clock.now_ms())
    signature = _signature(current, method, target, who, time_ms, body)
    return {CALLER: who, _TIME: time_ms, _SIGNATURE: signature}


async def signed_caller(
    key: Key, request: Request, clock: Clock = SYSTEM_CLOCK
) -> Principal | None:
    """Give for whom another worker made a request, None for one that none made or whose signature is wrong.

    Keys change, and workers learn of it one after the other: a wrong signature is looked at again for a
    moment.
    """
    who, time_ms = request.headers.get(CALLER), request.headers.get(_TIME, "")
    if who is None or not time_ms.isdigit() or abs(clock.now_ms() - int(time_ms)) > _MOST_AGE_MS:
        return None
    given = request.headers.get(_SIGNATURE, "")
    query = request.scope["query_string"].decode("latin-1")
    target = request.scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    body = await request.body()
    for _ in range(_LOOKS):
        current = key()
        if current is not None:
            wanted = _signature(current, request.method, target, who, time_ms, body)
            if hmac.compare_digest(wanted.encode(), given.encode()):
                named, _, role = who.partition(":")
                return Principal(base64.b64decode(named).decode() or None, Role[role.upper()])
        await asyncio.sleep(_PAUSE_S)
    return None


def _signature(
    key: SessionKey, method: str, target: str, who: str, time_ms: str, body: bytes
) -> str:
    told = "\n".join((method, target, who, time_ms, hashlib.sha256(body).hexdigest()))
    return base64.b64encode(hmac.digest(key.key, told.encode(), "sha256")).decode()
