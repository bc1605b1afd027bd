"""`/`, `/health` and `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.api.plugin import KAFKA_VERSION
from appliance.rest.answers import json_response
from appliance.rest.context import HEALTH_TIMEOUT_S, Context, stage_text
from appliance.rest.routing import Route
from appliance.rest.samples import samples
from appliance.telemetry.metrics import prometheus_text

_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"


def routes(context: Context) -> list[Route]:
    """Give the routes."""

    async def root(_request: Request, _members: Mapping[str, str]) -> Response:
        return json_response(
            {
                "version": KAFKA_VERSION,
                "commit": "unknown",
                "kafka_cluster_id": context.cluster_id(),
            }
        )

    async def health(_request: Request, _members: Mapping[str, str]) -> Response:
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                await asyncio.wrap_future(context.herder.ready())
        except TimeoutError:
            return _unhealthy(context)
        message = "Worker has completed startup and is ready to handle requests."
        return json_response({"status": "healthy", "message": message})

    async def metrics(_request: Request, _members: Mapping[str, str]) -> Response:
        text = prometheus_text(samples(context.herder.snapshot(), context.daemon_figures()))
        return Response(text, media_type=_PROMETHEUS)

    return [
        Route("GET", "/", root),
        Route("GET", "/health", health),
        Route("GET", "/metrics", metrics, any_type=True),
    ]


def _unhealthy(context: Context) -> Response:
    stage = context.herder.stage()
    tail = f" {stage_text(stage)}." if stage is not None else ""
    if context.herder.started:
        message = (
            "Worker was unable to handle this request and may be unable to handle other requests."
        )
        return json_response({"status": "unhealthy", "message": message + tail}, 500)
    return json_response(
        {"status": "starting", "message": f"Worker is still starting up.{tail}"}, 503
    )
