"""`/connector-plugins`: what there is, what it takes, and whether a configuration will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import ConnectError
from appliance.rest.answers import json_response
from appliance.rest.bodies import read_body, text_map
from appliance.rest.context import Context
from appliance.rest.errors import RestError, wrapped
from appliance.rest.routing import Route
from appliance.rest.secrets import Secrets
from appliance.rest.trust import WHO
from appliance.rest.users import Principal, Role


def is_true(text: str | None, default: bool) -> bool:
    """Read a query's boolean: `true` in any case, everything else is false."""
    return default if text is None else text.lower() == "true"


def routes(context: Context, secrets: Secrets) -> list[Route]:
    """Give the routes."""

    async def listed(request: Request, _members: Mapping[str, str]) -> Response:
        connectors_only = is_true(request.query_params.get("connectorsOnly"), True)
        entries: list[dict[str, Any]] = []
        for kind, name, version in context.plugins.listed(connectors_only=connectors_only):
            entry = {"class": name, "type": kind, "version": version}
            entries.append({key: value for key, value in entry.items() if value})
        return json_response(entries)

    async def config(request: Request, members: Mapping[str, str]) -> Response:
        version = request.query_params.get("version")
        keys = await context.call(context.checks.plugin_config, members["plugin"], version)
        return json_response(keys)

    async def validate(request: Request, members: Mapping[str, str]) -> Response:
        config = read_body(await request.body(), text_map)
        if config is None:
            raise RestError(500, _NO_CONFIG)
        included = config.get("connector.class")
        if included is not None and not _matches(included, members["plugin"]):
            raise RestError(
                400,
                f"Included connector type {included} does not match request type "
                f"{members['plugin']}",
            )
        caller: Principal = request.scope[WHO]
        whole = await secrets.checkable(config.get("name") or "", config, caller.role)
        try:
            infos = await context.call(context.checks.validate, whole)
        except ConnectError as error:
            raise wrapped(error) from error
        for value in (entry["value"] for entry in infos.configs if entry["value"] is not None):
            # a secret that was put in place of its mask is not told
            if config.get(value["name"]) != whole.get(value["name"]):
                value["value"] = config[value["name"]]
        return json_response(infos)

    return [
        Route("GET", "/connector-plugins", listed),
        Route("GET", "/connector-plugins/{plugin}/config", config),
        Route("PUT", "/connector-plugins/{plugin}/config/validate", validate, role=Role.OPERATE),
    ]


_NO_CONFIG = 'Cannot invoke "java.util.Map.get(Object)" because "connectorConfig" is null'


def _matches(included: str, asked: str) -> bool:
    return _without_suffix(included).endswith(_without_suffix(asked))


def _without_suffix(name: str) -> str:
    return name.removesuffix("Connector") or name
