"""Calls between workers: task configurations from another worker, fencing of earlier task producers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.herder.entities import InternalSignature
from appliance.rest.answers import empty_response
from appliance.rest.bodies import entity_list, read_body, text_map
from appliance.rest.connectors import Connectors
from appliance.rest.context import Context
from appliance.rest.errors import RestError
from appliance.rest.routing import Route

_SIGNATURE = "x-connect-authorization"
_ALGORITHM = "x-connect-request-signature-algorithm"


_TASK_CONFIG: Final = "java.util.Map<java.lang.String,java.lang.String>"
_NO_CONTENT: Final = (
    "No content to map due to end-of-input\n at [Source: REDACTED "
    "(`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1]"
)


def routes(context: Context, connectors: Connectors) -> list[Route]:
    """Give the routes."""

    async def put_tasks(request: Request, members: Mapping[str, str]) -> Response:
        body = await request.body()
        texts = read_body(body, _task_configs, None)
        if texts is None:
            raise RestError(500, _NO_CONTENT)
        signature = _signature(request, body)
        await context.wait(context.herder.put_task_configs(members["name"], texts, signature))
        return empty_response(204)

    async def fence(request: Request, members: Mapping[str, str]) -> Response:
        signature = _signature(request, await request.body())
        await context.wait(context.herder.fence_zombies(members["name"], signature))
        return empty_response(204)

    return [
        Route("POST", "/connectors/{name}/tasks", connectors.forwardable(put_tasks)),
        Route("PUT", "/connectors/{name}/fence", connectors.forwardable(fence)),
    ]


def _task_configs(value: object) -> list[dict[str, str]]:
    return [
        {name: text for name, text in text_map(config).items() if text is not None}
        for config in entity_list(value, _TASK_CONFIG)
    ]


def _signature(request: Request, body: bytes) -> InternalSignature:
    return InternalSignature(
        body, request.headers.get(_SIGNATURE), request.headers.get(_ALGORITHM)
    )
