"""The ASGI application of a worker: routing, content types, error answers, HEAD and OPTIONS.

Semantics: Kafka Connect 4.3.1 RestServer on Jetty and Jersey. One event loop, the worker's main thread.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from appliance.config.worker import WorkerConfig
from appliance.rest import admin, internal, offsets, openapi, plugins, root
from appliance.rest.answers import JSON, json_response
from appliance.rest.basicauth import BasicAuth
from appliance.rest.connectors import Connectors
from appliance.rest.console import resources as console
from appliance.rest.context import Context
from appliance.rest.cors import Cors
from appliance.rest.errors import FrameworkError, RestError, error_response
from appliance.rest.forward import WorkerClient
from appliance.rest.headers import HeaderRules
from appliance.rest.routing import Route, Table, allow_header, answer_type, check_body_type
from appliance.rest.secrets import Secrets

_LOG = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 10 << 20
_CHANGING: Final = ("POST", "PUT", "PATCH", "DELETE")


def create_app(context: Context) -> App:
    """Give the application of a worker."""
    secrets = Secrets(context)
    connectors = Connectors(context, WorkerClient(context.config), secrets)
    routes = [
        *root.routes(context),
        *connectors.routes(),
        *offsets.routes(context, connectors),
        *internal.routes(context, connectors),
        *plugins.routes(context),
        *console.routes(context, secrets),
    ]
    if context.config["admin.listeners"] is None:
        routes += admin.routes(context)

    async def described(_request: Request, _members: Mapping[str, str]) -> Response:
        """Give this document."""
        return json_response(openapi.document(routes))

    routes.append(Route("GET", f"{console.PREFIX}/openapi.json", described))
    return App(context, Table(routes), Gate(context.config))


def create_admin_app(context: Context) -> App:
    """Give the application of `admin.listeners`: /admin alone, without the main listeners' rules."""
    return App(context, Table(admin.routes(context)), None)


class Gate:
    """What stands before the main listeners: passwords, header rules, cross-origin rules."""

    def __init__(self, config: WorkerConfig) -> None:
        """Take the worker's configuration. Raises ConfigError for what will not do."""
        self._auth = BasicAuth(config)
        self._cors = Cors(config)
        self._headers = HeaderRules(config.text("response.http.headers.config"))

    def refusal(self, request: Request) -> Response | None:
        """Give the answer to a caller who may not, None for one who may."""
        return self._auth.refusal(request)

    def dress(self, request: Request, response: Response) -> None:
        """Give an answer the headers that are configured."""
        self._headers.apply(response)
        self._cors.apply(request, response)


class App:
    """Answers every request; nothing gets out of it unanswered."""

    def __init__(self, context: Context, table: Table, gate: Gate | None) -> None:
        """Take the worker, its routes, and what stands before them."""
        self._context = context
        self._table = table
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request (ASGI)."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = await self._answer(request)
        if request.method == "HEAD":
            response = Response(b"", response.status_code, dict(response.headers))
        if self._gate is not None:
            self._gate.dress(request, response)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            response = await self._routed(request)
        except Exception as error:  # noqa: BLE001 - the mapper turns every error into an answer
            response = error_response(error)
        self._audit(request, response)
        return response

    async def _routed(self, request: Request) -> Response:
        raw_path = request.scope.get("raw_path") or request.scope["path"].encode()
        routes, members = self._table.find(raw_path.decode("latin-1"))
        refusal = self._gate.refusal(request) if self._gate is not None else None
        if refusal is not None:
            return refusal
        if request.method == "OPTIONS":
            return _options(request, routes)
        route = routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise FrameworkError(405)
        body = await _read_body(request)
        check_body_type(request, bool(body))
        if route.any_type:
            return await route.handler(request, members)
        media_type = answer_type(request.headers.get("accept"))
        try:
            response = await route.handler(request, members)
        except Exception as error:  # noqa: BLE001 - an error is answered in the type asked for
            response = error_response(error)
        if media_type != JSON and response.headers.get("content-type") == JSON:
            response.headers["content-type"] = media_type
        return response

    def _audit(self, request: Request, response: Response) -> None:
        if request.method not in _CHANGING or request.query_params.get("forward") is not None:
            return
        path = request.url.path
        if response.status_code < 400 and not path.endswith(("/validate", "/tasks", "/fence")):
            by = request.client.host if request.client is not None else "unknown"
            self._context.journal.audit(request.method, path, response.status_code, by)


async def _read_body(request: Request) -> bytes:
    given = request.headers.get("content-length", "0")
    if given.isdigit() and int(given) > MAX_BODY_BYTES:
        raise RestError(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
    return await request.body()


def _options(request: Request, routes: dict[str, Route]) -> Response:
    """Give the verbs of a path: as text where text may be sent, in a header in any case."""
    accept = request.headers.get("accept", "*/*").split(",")[0].split(";")[0].strip()
    allowed = allow_header(routes)
    as_text = accept in ("*/*", "text/plain", "text/*")
    response = Response(", ".join(allowed.split(",")) if as_text else b"", 200)
    response.headers["content-type"] = "text/plain" if as_text else accept or JSON
    response.headers["allow"] = allowed
    return response
