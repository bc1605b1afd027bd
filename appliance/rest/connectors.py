"""`/connectors`: create, read, change, delete, restart, pause, resume, stop, topics and tasks.

Semantics: Kafka Connect 4.3.1 ConnectorsResource; which requests are forwarded and which rebalance texts
they get is written at each resource.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from appliance.config.connectorfile import OWNER_KEY
from appliance.errors import (
    BadRequestError,
    NotFoundError,
    RebalanceNeededError,
    RequestTargetError,
)
from appliance.herder.entities import ConnectorInfo, Created, RestartRequest
from appliance.ids import ConnectorTaskId, TargetState
from appliance.rest.answers import JSON, empty_response, json_response
from appliance.rest.bodies import (
    CREATE_REQUEST,
    entity_map,
    known_members,
    read_body,
    text_map,
    text_value,
    wrong_enum,
)
from appliance.rest.context import Context
from appliance.rest.errors import STALE, FrameworkError, RestError
from appliance.rest.forward import WorkerClient, forwarded
from appliance.rest.jsonfaults import source_at
from appliance.rest.ownership import Ownership, is_release, without_owner
from appliance.rest.plugins import is_true
from appliance.rest.routing import Handler, Route
from appliance.rest.secrets import Secrets
from appliance.rest.users import Role

Members = Mapping[str, str]

_INITIAL_STATES: Final = {
    "RUNNING": TargetState.STARTED,
    "PAUSED": TargetState.PAUSED,
    "STOPPED": TargetState.STOPPED,
}
_NO_CONFIG: Final = 'Cannot invoke "java.util.Map.get(Object)" because "connectorConfig" is null'
_NO_PATCH: Final = (
    'Cannot invoke "java.util.Map.forEach(java.util.function.BiConsumer)" because "patch" is null'
)
_NO_REQUEST: Final = f'Cannot invoke "{CREATE_REQUEST}.name()" because "createRequest" is null'
# What a path keeps unescaped, as Jersey writes it.
_PATH_SAFE: Final = "/!$&'()*+,;=:@~-._"


class Connectors:
    """The resources of `/connectors`."""

    def __init__(self, context: Context, client: WorkerClient, secrets: Secrets) -> None:
        """Take the worker, the client for forwarding, and what masks secrets."""
        self._context = context
        self._herder = context.herder
        self._client = client
        self._secrets = secrets
        self._ownership = Ownership(context)

    def routes(self) -> list[Route]:
        """Give the routes."""
        one = "/connectors/{name}"
        task = f"{one}/tasks/{{task}}"
        return [
            Route("GET", "/connectors", self.listed),
            Route("POST", "/connectors", self.forwardable(self.create)),
            Route("GET", one, self.info),
            Route("DELETE", one, self.forwardable(self.delete)),
            Route("GET", f"{one}/config", self.config),
            Route("PUT", f"{one}/config", self.forwardable(self.put_config)),
            Route("PATCH", f"{one}/config", self.forwardable(self.patch_config)),
            Route("GET", f"{one}/status", self.status),
            Route("GET", f"{one}/tasks", self.tasks),
            Route("GET", f"{task}/status", self.task_status),
            Route(
                "POST",
                f"{task}/restart",
                self.forwardable(self.restart_task, STALE),
                role=Role.OPERATE,
            ),
            Route(
                "POST", f"{one}/restart", self.forwardable(self.restart, STALE), role=Role.OPERATE
            ),
            Route("PUT", f"{one}/pause", self.pause, role=Role.OPERATE),
            Route("PUT", f"{one}/resume", self.resume, role=Role.OPERATE),
            Route("PUT", f"{one}/stop", self.forwardable(self.stop), role=Role.OPERATE),
            Route("GET", f"{one}/topics", self.topics),
            Route("PUT", f"{one}/topics/reset", self.reset_topics),
        ]

    def forwardable(self, handler: Handler, on_rebalance: str | None = None) -> Handler:
        """Send a request on when another worker must answer it; 409 with a text during a rebalance."""

        async def handle(request: Request, members: Members) -> Response:
            body = await request.body()
            try:
                return await handler(request, members)
            except RequestTargetError as error:
                return await forwarded(self._context, self._client, request, body, error)
            except RebalanceNeededError as error:
                if on_rebalance is None:
                    raise
                raise RestError(409, on_rebalance) from error

        return handle

    async def listed(self, request: Request, _members: Members) -> Response:
        """Give all names, or an object with what `expand` asks for."""
        expand = request.query_params.getlist("expand")
        names = await self._context.wait(self._herder.connectors())
        if not expand:
            return json_response(names)
        answer: dict[str, dict[str, Any]] = {}
        for name in names:
            try:
                answer[name] = await self._expanded(name, expand)
            except NotFoundError:
                # deleted meanwhile, or no status record yet
                continue
        return json_response(answer)

    async def _expanded(self, name: str, expand: list[str]) -> dict[str, Any]:
        entry: dict[str, Any] = {}
        if "status" in expand:
            entry["status"] = await self._context.wait(self._herder.connector_status(name))
        if "info" in expand:
            entry["info"] = self._shown(
                await self._context.wait(self._herder.connector_info(name))
            )
        return entry

    async def create(self, request: Request, _members: Members) -> Response:
        """Make a connector."""
        asked = read_body(await request.body(), _create_request, CREATE_REQUEST)
        if asked is None:
            raise RestError(500, _NO_REQUEST)
        name, config, target = asked
        return await self._put(request, name, config, target, allow_replace=False)

    async def put_config(self, request: Request, members: Members) -> Response:
        """Make a connector or replace its configuration."""
        config = read_body(await request.body(), text_map)
        return await self._put(request, members["name"], config, None, allow_replace=True)

    async def _put(
        self,
        request: Request,
        name: str,
        config: dict[str, str | None] | None,
        target: TargetState | None,
        *,
        allow_replace: bool,
    ) -> Response:
        if config is None:
            raise RestError(500, _NO_CONFIG)
        _check_name(name, config)
        config = await self._secrets.restored(name, without_owner(request, config))
        await self._ownership.check(request, name)
        created = await self._context.wait(
            self._herder.put_connector_config(name, config, target, allow_replace)
        )
        return self._written(request, name, created)

    async def patch_config(self, request: Request, members: Members) -> Response:
        """Change some options."""
        asked = read_body(await request.body(), text_map)
        if asked is None:
            raise RestError(500, _NO_PATCH)
        name = members["name"]
        patch = await self._secrets.restored(name, without_owner(request, asked))
        if is_release(request):
            patch[OWNER_KEY] = None
        await self._ownership.check(request, name)
        created = await self._context.wait(self._herder.patch_connector_config(name, patch))
        return self._written(request, name, created)

    def _written(self, request: Request, name: str, created: Created) -> Response:
        response = json_response(self._shown(created.info), 201 if created.created else 200)
        if created.created:
            path = quote(f"/connectors/{name}", safe=_PATH_SAFE)
            response.headers["location"] = f"{request.url.scheme}://{request.url.netloc}{path}"
        return response

    def _shown(self, info: ConnectorInfo) -> Any:
        shown = self._secrets.masked(info.config)
        return ConnectorInfo(info.name, shown, info.tasks, info.type)

    async def info(self, _request: Request, members: Members) -> Response:
        """Give a connector."""
        info = await self._context.wait(self._herder.connector_info(members["name"]))
        return json_response(self._shown(info))

    async def config(self, _request: Request, members: Members) -> Response:
        """Give a connector's configuration as stored."""
        config = await self._context.wait(self._herder.connector_config(members["name"]))
        return json_response(self._secrets.masked(config))

    async def delete(self, request: Request, members: Members) -> Response:
        """Remove a connector."""
        await self._ownership.check(request, members["name"])
        await self._context.wait(self._herder.delete_connector(members["name"]))
        return empty_response(204)

    async def status(self, _request: Request, members: Members) -> Response:
        """Give the states of a connector and its tasks."""
        return json_response(
            await self._context.wait(self._herder.connector_status(members["name"]))
        )

    async def tasks(self, _request: Request, members: Members) -> Response:
        """Give the tasks with their configurations."""
        tasks = await self._context.wait(self._herder.task_configs(members["name"]))
        return json_response(
            [{"id": task.id, "config": self._secrets.masked(task.config)} for task in tasks]
        )

    async def task_status(self, _request: Request, members: Members) -> Response:
        """Give a task's state."""
        return json_response(await self._context.wait(self._herder.task_status(_task_id(members))))

    async def restart(self, request: Request, members: Members) -> Response:
        """Restart the Connector instance, or it and its tasks."""
        include_tasks = is_true(request.query_params.get("includeTasks"), False)
        only_failed = is_true(request.query_params.get("onlyFailed"), False)
        if not include_tasks and not only_failed:
            await self._context.wait(self._herder.restart_connector(members["name"]))
            return empty_response(204)
        plan = RestartRequest(members["name"], only_failed, include_tasks)
        state = await self._context.wait(self._herder.restart_connector_and_tasks(plan))
        return json_response(state, 202)

    async def restart_task(self, _request: Request, members: Members) -> Response:
        """Restart one task."""
        await self._context.wait(self._herder.restart_task(_task_id(members)))
        return empty_response(204)

    async def pause(self, _request: Request, members: Members) -> Response:
        """Let a connector rest; any worker writes the target state."""
        await self._context.wait(self._herder.pause_connector(members["name"]))
        return empty_response(202)

    async def resume(self, _request: Request, members: Members) -> Response:
        """Let a connector run; any worker writes the target state."""
        await self._context.wait(self._herder.resume_connector(members["name"]))
        return empty_response(202)

    async def stop(self, _request: Request, members: Members) -> Response:
        """Take a connector's tasks away."""
        await self._context.wait(self._herder.stop_connector(members["name"]))
        return empty_response(204)

    async def topics(self, _request: Request, members: Members) -> Response:
        """Give the topics that a connector has used."""
        self._check_tracking("topic.tracking.enable", "Topic tracking is disabled.")
        found = await self._context.wait(self._herder.connector_topics(members["name"]))
        return json_response({found.connector: {"topics": found.topics}})

    async def reset_topics(self, _request: Request, members: Members) -> Response:
        """Forget the topics that a connector has used."""
        self._check_tracking("topic.tracking.enable", "Topic tracking is disabled.")
        self._check_tracking("topic.tracking.allow.reset", "Topic tracking reset is disabled.")
        await self._context.wait(self._herder.reset_topics(members["name"]))
        return empty_response(202)

    def _check_tracking(self, option: str, message: str) -> None:
        if not self._context.config.flag(option):
            raise RestError(403, message)


def _check_name(name: str, config: dict[str, str | None]) -> None:
    included = config.get("name")
    if included is None:
        config["name"] = name
    elif included != name:
        raise BadRequestError(
            f"Connector name configuration ({included}) doesn't match connector name in the URL "
            f"({name})"
        )


def _create_request(value: Any) -> tuple[str, dict[str, str | None] | None, TargetState | None]:
    """Bind the entity, its members in the order in which they stand. Raises RestError 500."""
    body = entity_map(value, CREATE_REQUEST)
    name, config, target = "", None, None
    for member, item in body.items():
        match member:
            case "name":
                name = (text_value(item, f'{CREATE_REQUEST}["name"]') or "").strip()
            case "config" if item is not None:
                config = text_map(item, f'{CREATE_REQUEST}["config"]')
            case "initial_state":
                target = _initial_state(item)
    known_members(body, CREATE_REQUEST, ("config", "name", "initial_state"))
    return name, config, target


def _initial_state(value: Any) -> TargetState | None:
    chain = f'{CREATE_REQUEST}["initial_state"]'
    if isinstance(value, (dict, list)):
        raise RestError(500, wrong_enum(value, f"{CREATE_REQUEST}$InitialState", chain))
    text = text_value(value, chain)
    if text is None:
        return None
    if text.upper() not in _INITIAL_STATES:
        raise RestError(
            500,
            f"Cannot construct instance of `{CREATE_REQUEST}$InitialState`, problem: No enum constant "
            f"{CREATE_REQUEST}.InitialState.{text.upper()}\n at {source_at()} (through reference "
            f"chain: {chain})",
        )
    return _INITIAL_STATES[text.upper()]


def _task_id(members: Members) -> ConnectorTaskId:
    text = members["task"]
    if not re.fullmatch(r"[+-]?\d{1,10}", text) or not -(1 << 31) <= int(text) < 1 << 31:
        raise FrameworkError(404, JSON)
    return ConnectorTaskId(members["name"], int(text))
