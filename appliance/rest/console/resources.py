"""The resources of `/appliance/v1`: snapshot, events, history, metrics, dead letter queues."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

import appliance
from appliance.ids import ConnectorTaskId
from appliance.journal.journal import Event
from appliance.rest.answers import json_response
from appliance.rest.console import connection, dlq, lag, levels, logs, plan, plugins, topics
from appliance.rest.console.jobs import Jobs
from appliance.rest.console.peers import LOCAL_PATH, LOCAL_TRENDS_PATH, WORKERS_PATH, Peers
from appliance.rest.console.query import limit, span_ms
from appliance.rest.console.rebalances import history
from appliance.rest.console.records import Records
from appliance.rest.console.snapshot import Told, snapshot, worker_entries
from appliance.rest.console.standstill import EVENTS
from appliance.rest.console.stream import events
from appliance.rest.console.trends import FLOW_STEPS, STEP_MS, widened
from appliance.rest.context import Context
from appliance.rest.errors import FrameworkError, RestError
from appliance.rest.routing import Route
from appliance.rest.secrets import Secrets
from appliance.rest.trust import WHO
from appliance.rest.users import Principal, Role

PREFIX: Final = "/appliance/v1"

Members = Mapping[str, str]


def routes(context: Context, secrets: Secrets) -> list[Route]:
    """Give the routes."""
    peers, records, jobs = Peers(context), Records(context), Jobs(context.journal)
    resources = _Resources(context, secrets, peers)
    return [
        *logs.routes(peers, PREFIX),
        *levels.routes(context, PREFIX),
        *dlq.routes(context, records, jobs, PREFIX),
        *jobs.routes(PREFIX),
        *lag.routes(context, records, peers, PREFIX),
        *topics.routes(context, records, PREFIX),
        *connection.routes(context, secrets, PREFIX),
        *plan.routes(context, secrets, records, peers, PREFIX),
        *plugins.routes(context, PREFIX),
        Route("GET", PREFIX, resources.version),
        Route("GET", f"{PREFIX}/whoami", resources.whoami),
        Route("GET", f"{PREFIX}/snapshot", resources.snapshot),
        Route("GET", LOCAL_PATH, resources.local),
        Route("GET", LOCAL_TRENDS_PATH, resources.local_trends),
        Route("GET", f"{PREFIX}/throughput", resources.throughput),
        Route("GET", f"{PREFIX}/events", resources.events, any_type=True),
        Route("GET", WORKERS_PATH, resources.workers),
        Route("GET", f"{PREFIX}/rebalances", resources.rebalances),
        Route("GET", f"{PREFIX}/rebalances/{{id}}", resources.rebalance),
        Route("GET", f"{PREFIX}/audit", resources.audit),
        Route("GET", f"{PREFIX}/metrics", resources.metrics),
        Route("GET", f"{PREFIX}/connectors/{{name}}/history", resources.history),
        Route("GET", f"{PREFIX}/connectors/{{name}}/metrics", resources.connector_metrics),
        Route("GET", f"{PREFIX}/connectors/{{name}}/transitions", resources.transitions),
        Route("GET", f"{PREFIX}/connectors/{{name}}/tasks/{{task}}/transitions", resources.moves),
        Route("GET", f"{PREFIX}/connectors/{{name}}/tasks/{{task}}/metrics", resources.task),
    ]


class _Resources:
    """The handlers; each answers from this worker's own copy."""

    def __init__(self, context: Context, secrets: Secrets, peers: Peers) -> None:
        self._context = context
        self._secrets = secrets
        self._peers = peers
        self._told: list[dict[str, Any]] = []
        self._told_at: tuple[int, int | None] | None = None

    async def version(self, _request: Request, _members: Members) -> Response:
        """Product and version."""
        return json_response({"product": "ingest-appliance", "version": appliance.__version__})

    async def whoami(self, request: Request, _members: Members) -> Response:
        """Who asks, and what they may do."""
        caller: Principal = request.scope[WHO]
        return json_response(
            {
                "principal": caller.name,
                "user": caller.name,
                "role": caller.role.word,
                "read_only": caller.role is Role.VIEW,
                "capabilities": [],
            }
        )

    async def snapshot(self, request: Request, _members: Members) -> Response:
        """Everything that the console shows first."""
        journal = self._context.journal
        # in this order: what is told while the other workers are asked comes after the snapshot
        told = Told.by(journal)
        seen = self._context.herder.snapshot()
        authorization = request.headers.get("authorization")
        workers, trends = await asyncio.gather(
            self._peers.workers(seen, authorization), self._peers.trends(seen, authorization)
        )
        return json_response(snapshot(seen, told, journal, workers, trends))

    async def local(self, _request: Request, _members: Members) -> Response:
        """What this worker alone knows, for the others."""
        return json_response(self._peers.local(self._context.herder.snapshot(whole=False)))

    async def local_trends(self, _request: Request, _members: Members) -> Response:
        """The trends that this worker alone knows, for the others."""
        return json_response(self._context.trends.told())

    async def throughput(self, request: Request, _members: Members) -> Response:
        """Records a second into Kafka and out of it over the last minutes, oldest first."""
        window_ms = span_ms(request, "window", FLOW_STEPS * STEP_MS)
        wide = max(1, span_ms(request, "step", STEP_MS) // STEP_MS)
        seen = self._context.herder.snapshot()
        trends = await self._peers.trends(seen, request.headers.get("authorization"))
        now_ms = seen.taken_ms
        count = min(FLOW_STEPS, max(1, window_ms // STEP_MS))
        return json_response(
            {
                "step_ms": wide * STEP_MS,
                "ts": now_ms,
                "in": widened(trends.line(trends.into, now_ms, count), wide),
                "out": widened(trends.line(trends.out, now_ms, count), wide),
            }
        )

    async def events(self, request: Request, _members: Members) -> Response:
        """Events as they happen."""
        text = request.headers.get("last-event-id") or request.query_params.get("after")
        last_id = int(text) if text is not None and text.lstrip("-").isdigit() else None
        authorization = request.headers.get("authorization")

        async def figures() -> list[Any]:
            return await self._peers.rates(authorization)

        stream = events(self._context.journal, last_id, figures, self._peers.letters)
        return StreamingResponse(
            stream, media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def workers(self, request: Request, _members: Members) -> Response:
        """The workers of the group."""
        seen = self._context.herder.snapshot()
        workers = await self._peers.workers(seen, request.headers.get("authorization"))
        return json_response(worker_entries(seen, workers))

    async def rebalances(self, request: Request, _members: Members) -> Response:
        """Rebalances with cause and standstill, newest first."""
        return json_response((await self._history())[: limit(request)])

    async def rebalance(self, _request: Request, members: Members) -> Response:
        """One rebalance."""
        for entry in await self._history():
            if str(entry["id"]) == members["id"]:
                return json_response(entry)
        raise RestError(404, f"Rebalance {members['id']} not found.")

    async def _history(self) -> list[dict[str, Any]]:
        """Give the generations, made anew only when something has happened since."""
        events = self._context.journal.of_types("rebalance", *EVENTS)
        mark = (len(events), events[-1].id if events else None)
        if mark != self._told_at:
            names = self._context.herder.snapshot().connectors.keys()
            self._told = await self._context.call(history, events, names)
            self._told_at = mark
        return self._told

    async def audit(self, request: Request, _members: Members) -> Response:
        """Changes through REST, newest first."""
        found = self._context.journal.newest("audit", limit(request))
        return json_response([_entry(event) for event in found])

    async def metrics(self, request: Request, _members: Members) -> Response:
        """Figures of the tasks."""
        return json_response(await self._figures(request))

    async def _figures(self, request: Request) -> dict[str, Any]:
        seen = self._context.herder.snapshot()
        return dict(await self._peers.metrics(seen, request.headers.get("authorization")))

    async def history(self, request: Request, members: Members) -> Response:
        """Revisions of a connector's configuration, newest first, each with who asked for it."""
        return json_response(self._context.journal.revisions(members["name"], limit(request)))

    async def connector_metrics(self, request: Request, members: Members) -> Response:
        """The figures of a connector's tasks by their numbers."""
        figures = await self._figures(request)
        tasks = self._context.herder.snapshot().connectors.get(members["name"])
        if tasks is None:
            raise RestError(404, f"Connector {members['name']} not found")
        keys = {str(name.task): f"{name.connector}-{name.task}" for name in tasks.tasks}
        return json_response({number: figures.get(key, {}) for number, key in keys.items()})

    async def transitions(self, request: Request, members: Members) -> Response:
        """Changes of state of a connector and its tasks, newest first."""
        name = members["name"]
        found = [
            _entry(event)
            for event in reversed(self._context.journal.of_types("task", "connector"))
            if _owner(event) == name
        ]
        return json_response(found[: limit(request)])

    async def moves(self, request: Request, members: Members) -> Response:
        """A task's changes of state, newest first."""
        key = str(_task(members))
        found = self._context.journal.newest("task", limit(request), key)
        return json_response([_entry(event) for event in found])

    async def task(self, request: Request, members: Members) -> Response:
        """Figures of a task."""
        figures = (await self._figures(request)).get(str(_task(members)))
        if figures is None:
            raise RestError(404, f"Task {_task(members)} does not run on any worker that answers.")
        return json_response(figures)


def _entry(event: Event) -> dict[str, Any]:
    return {"id": event.id, **event.body}


def _owner(event: Event) -> str:
    key = str(event.body["key"])
    return key.rpartition("-")[0] if event.type == "task" else key


def _task(members: Members) -> ConnectorTaskId:
    if not members["task"].isdigit():
        raise FrameworkError(404)
    return ConnectorTaskId(members["name"], int(members["task"]))
