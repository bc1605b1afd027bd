"""`/`, `/health` and `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.api.plugin import KAFKA_VERSION
from appliance.herder.entities import HerderSnapshot
from appliance.ids import ConnectorTaskId, State
from appliance.rest.answers import json_response
from appliance.rest.context import HEALTH_TIMEOUT_S, Context, stage_text
from appliance.rest.routing import Route
from appliance.telemetry.metrics import (
    Sample,
    prometheus_text,
    rebalance_sample,
    task_samples,
    worker_sample,
)

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
        text = prometheus_text(samples(context.herder.snapshot(), context.restarts()))
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


def samples(snapshot: HerderSnapshot, restarts: Mapping[str, int]) -> Iterator[Sample]:
    """Give what `/metrics` shows of this worker."""
    here = next((worker for worker in snapshot.workers if worker.here), None)
    yield worker_sample("connector-count", here.connectors if here else 0)
    yield worker_sample("task-count", here.tasks if here else 0)
    for name, count in restarts.items():
        yield Sample(f"ingest_appliance_{name}", (), count)
    yield rebalance_sample("epoch", snapshot.group.generation)
    yield rebalance_sample("rebalancing", int(snapshot.group.phase not in ("stable", "waiting")))
    leader = snapshot.group.leader_url or ""
    yield Sample("kafka_connect_worker_rebalance_leader_name_info", (("value", leader),), 1)
    yield Sample(
        "kafka_connect_coordinator_assigned_connectors", (), here.connectors if here else 0
    )
    yield Sample("kafka_connect_coordinator_assigned_tasks", (), here.tasks if here else 0)
    for name, info in snapshot.states.items():
        status = info.connector.state.lower()
        labels = (("connector", name), ("status", status))
        yield Sample("kafka_connect_connector_status", labels, 1)
        yield worker_sample("connector-total-task-count", len(info.tasks), connector=name)
        for state in State:
            if state is not State.STOPPED:
                count = sum(task.state == state for task in info.tasks)
                attribute = f"connector-{state.lower()}-task-count"
                yield worker_sample(attribute, count, connector=name)
    for text, figures in snapshot.metrics.items():
        name, number = ConnectorTaskId.parse(text)
        yield from task_samples(name, number, figures)
