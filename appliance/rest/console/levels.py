"""`/appliance/v1/loggers/{logger}`: a level for a while. Connect's `/admin/loggers` sets it for good.

The worker that was asked sets it back; one that ends before has said so in its answer (`revert_at_ms`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.clock import SYSTEM_CLOCK
from appliance.errors import ConnectError
from appliance.rest.admin import wanted_level
from appliance.rest.answers import json_response
from appliance.rest.bodies import read_body, text_map
from appliance.rest.console.query import span_ms
from appliance.rest.context import Context
from appliance.rest.routing import Route
from appliance.rest.users import Role
from appliance.telemetry.loggers import ROOT

REVERT_MS: Final = 600_000
_LONGEST_MS: Final = 86_400_000
_LOG = logging.getLogger(__name__)


def routes(context: Context, prefix: str) -> list[Route]:
    """Give the route."""
    return [
        Route("PUT", f"{prefix}/loggers/{{logger}}", Levels(context).put, role=Role.OPERATE),
    ]


class Levels:
    """Sets levels, and sets them back."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._reverting: dict[tuple[str, bool], tuple[asyncio.Task[None], str]] = {}

    async def put(self, request: Request, members: Mapping[str, str]) -> Response:
        """Set a logger's level for a while."""
        level = wanted_level(read_body(await request.body(), text_map))
        name = members["logger"]
        everywhere = request.query_params.get("scope", "").lower() == "cluster"
        span = min(span_ms(request, "revert_after", REVERT_MS), _LONGEST_MS)
        loggers = self._context.loggers
        known = loggers.get(name) or loggers.get(ROOT)
        before = known.level if known is not None else "INFO"
        await self._set(name, level, everywhere)
        earlier = self._reverting.pop((name, everywhere), None)
        if earlier is not None:
            # what it was before the first change is what it goes back to
            earlier[0].cancel()
            before = earlier[1]
        if before != level:
            back = asyncio.create_task(self._back(name, before, span / 1000, everywhere))
            self._reverting[name, everywhere] = back, before
        return json_response(
            {
                "logger": name,
                "level": level,
                "before": before,
                "revert_at_ms": SYSTEM_CLOCK.now_ms() + span if before != level else None,
            }
        )

    async def _back(self, name: str, level: str, span_s: float, everywhere: bool) -> None:
        await asyncio.sleep(span_s)
        del self._reverting[name, everywhere]
        try:
            await self._set(name, level, everywhere)
            _LOG.info("A logger has its former level again. logger=%s level=%s", name, level)
        except ConnectError as error:
            _LOG.warning(
                "A logger could not be set back. logger=%s level=%s error=%s", name, level, error
            )

    async def _set(self, name: str, level: str, everywhere: bool) -> None:
        if everywhere:
            await self._context.wait(self._context.herder.set_cluster_log_level(name, level))
            return
        self._context.loggers.set_level(name, level)
        self._context.set_task_log_level(name, level)
