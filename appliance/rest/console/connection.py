"""`/appliance/v1/connection-test`: whether the places that a configuration names can be used.

Beside `/connector-plugins/{plugin}/config/validate`, which tells what is wrong with the options themselves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from appliance.rest.answers import json_response
from appliance.rest.bodies import read_body, text_map
from appliance.rest.context import Context
from appliance.rest.errors import RestError
from appliance.rest.routing import Route
from appliance.rest.secrets import Secrets


def routes(context: Context, secrets: Secrets, prefix: str) -> list[Route]:
    """Give the route; it takes who may store a configuration, for it uses the secrets of one."""

    async def tested(request: Request, _members: Mapping[str, str]) -> Response:
        config = read_body(await request.body(), text_map)
        if config is None:
            raise RestError(400, "Send the configuration to test as a JSON object of texts.")
        config = await secrets.restored(config.get("name") or "", config)
        findings = await context.call(context.test_connection, config)
        return json_response([dataclasses.asdict(finding) for finding in findings])

    return [Route("POST", f"{prefix}/connection-test", tested)]
