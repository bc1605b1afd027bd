"""`/connectors/{name}/offsets`: read, change and forget offsets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import BadRequestError
from appliance.herder.entities import ConnectorOffset
from appliance.rest.answers import json_response
from appliance.rest.bodies import (
    OBJECT_MAP,
    OFFSET,
    OFFSETS,
    entity_list,
    entity_map,
    known_members,
    numbers,
    read_body,
)
from appliance.rest.connectors import Connectors
from appliance.rest.context import Context
from appliance.rest.errors import STALE, RestError
from appliance.rest.routing import Route

_NO_BODY: Final = f'Cannot invoke "{OFFSETS}.offsets()" because "offsets" is null'
_MEMBERS: Final = ("partition", "offset")
_NO_ENTRY: Final = f'Cannot invoke "{OFFSET}.partition()" because "offset" is null'
_EMPTY: Final = "Partitions / offsets need to be provided for an alter offsets request"


def routes(context: Context, connectors: Connectors) -> list[Route]:
    """Give the routes."""
    herder = context.herder

    async def get(_request: Request, members: Mapping[str, str]) -> Response:
        return json_response(await context.wait(herder.connector_offsets(members["name"])))

    async def alter(request: Request, members: Mapping[str, str]) -> Response:
        offsets = _offsets(read_body(await request.body(), _entries, OFFSETS))
        return json_response(await context.wait(herder.alter_offsets(members["name"], offsets)))

    async def reset(_request: Request, members: Mapping[str, str]) -> Response:
        return json_response(await context.wait(herder.reset_offsets(members["name"])))

    path = "/connectors/{name}/offsets"
    return [
        Route("GET", path, get),
        Route("PATCH", path, connectors.forwardable(alter, STALE)),
        Route("DELETE", path, connectors.forwardable(reset, STALE)),
    ]


def _offsets(entries: list[ConnectorOffset | None] | None) -> list[ConnectorOffset]:
    if entries is None:
        raise RestError(500, _NO_BODY)
    offsets = [entry for entry in entries if entry is not None]
    if len(offsets) < len(entries):
        raise RestError(500, _NO_ENTRY)
    if not offsets:
        raise BadRequestError(_EMPTY)
    # as in Java's map: of entries for the same partition the last one counts
    last = {json.dumps(offset.partition, sort_keys=True): offset for offset in offsets}
    return list(last.values())


def _entries(value: Any) -> list[ConnectorOffset | None]:
    """Bind the entity. Raises RestError 500."""
    body = entity_map(value, OFFSETS)
    chain = f'{OFFSETS}["offsets"]'
    found = body.get("offsets")
    entries = [] if found is None else entity_list(found, OFFSET, chain)
    offsets = [
        None if entry is None else _offset(entry, f"{chain}->java.util.ArrayList[{number}]")
        for number, entry in enumerate(entries)
    ]
    known_members(body, OFFSETS, ("offsets",))
    return offsets


def _offset(value: Any, chain: str) -> ConnectorOffset:
    entry = entity_map(value, OFFSET, chain)
    found = {member: _object(entry, member, chain) for member in entry if member in _MEMBERS}
    known_members(entry, OFFSET, _MEMBERS, chain)
    return ConnectorOffset(found.get("partition"), found.get("offset"))


def _object(entry: Mapping[str, Any], member: str, chain: str) -> dict[str, Any] | None:
    value = entry.get(member)
    if value is None:
        return None
    found = numbers(entity_map(value, OBJECT_MAP, f'{chain}->{OFFSET}["{member}"]'))
    return dict(found)
