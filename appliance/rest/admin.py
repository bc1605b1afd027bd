"""`/admin/loggers`: levels of this worker and its processes, or of all workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from appliance.rest.answers import empty_response, json_response
from appliance.rest.bodies import read_body, text_map
from appliance.rest.context import Context
from appliance.rest.errors import RestError
from appliance.rest.routing import Route
from appliance.rest.users import Role
from appliance.telemetry.loggers import LEVELS, LoggerLevel


def routes(context: Context) -> list[Route]:
    """Give the routes."""

    async def listed(_request: Request, _members: Mapping[str, str]) -> Response:
        return json_response(
            {name: _entity(level) for name, level in context.loggers.all().items()}
        )

    async def one(_request: Request, members: Mapping[str, str]) -> Response:
        level = context.loggers.get(members["logger"])
        if level is None:
            raise RestError(404, f"Logger {members['logger']} not found.")
        return json_response(_entity(level))

    async def put(request: Request, members: Mapping[str, str]) -> Response:
        level = wanted_level(read_body(await request.body(), text_map))
        name = members["logger"]
        if request.query_params.get("scope", "").lower() == "cluster":
            await context.wait(context.herder.set_cluster_log_level(name, level))
            return empty_response(204)
        changed = context.loggers.set_level(name, level)
        context.set_task_log_level(name, level)
        return json_response(changed)

    return [
        Route("GET", "/admin/loggers", listed),
        Route("GET", "/admin/loggers/{logger}", one),
        Route("PUT", "/admin/loggers/{logger}", put, role=Role.OPERATE),
    ]


def _entity(level: LoggerLevel) -> dict[str, Any]:
    return {"level": level.level, "last_modified": level.last_modified}


def wanted_level(body: Mapping[str, str | None] | None) -> str:
    """Give the level that a request asks for. Raises RestError in Connect's words."""
    if body is None:
        raise RestError(
            500, 'Cannot invoke "java.util.Map.get(Object)" because "levelMap" is null'
        )
    level = body.get("level")
    if level is None:
        raise RestError(400, "Desired 'level' parameter was not specified in request.")
    if not level:
        raise RestError(500, "Illegal null or empty Level name.")
    if level.strip().upper() not in LEVELS:
        raise RestError(404, f"invalid log level '{level}'.")
    return level.strip().upper()
