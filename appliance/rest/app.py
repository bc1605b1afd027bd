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
from appliance.rest.access import Access, forbidden
from appliance.rest.answers import JSON, json_response
from appliance.rest.connectors import Connectors
from appliance.rest.console import resources as console
from appliance.rest.context import Context
from appliance.rest.cors import Cors
from appliance.rest.errors import FrameworkError, error_response
from appliance.rest.forward import WorkerClient
from appliance.rest.headers import HeaderRules
from appliance.rest.limits import limited, read_limited
from appliance.rest.routing import Route, Table, allow_header, answer_type, check_body_type
from appliance.rest.secrets import Secrets
from appliance.rest.trust import FORWARDED, WHO, Key
from appliance.rest.users import Principal

_LOG = logging.getLogger(__name__)

_CHANGING: Final = ("POST", "PUT", "PATCH", "DELETE")
_NO_CHANGE: Final = ("/validate", "/connection-test", "/preview", "/plan", "/tasks", "/fence")


def create_app(context: Context) -> App:
    """Give the application of a worker."""
    secrets = Secrets(context)
    key = session_key(context)
    connectors = Connectors(context, WorkerClient(context.config, key), secrets)
    routes = [
        *root.routes(context),
        *connectors.routes(),
        *offsets.routes(context, connectors),
        *internal.routes(context, connectors),
        *plugins.routes(context, secrets),
        *console.routes(context, secrets),
    ]
    if context.config["admin.listeners"] is None:
        routes += admin.routes(context)

    async def described(_request: Request, _members: Mapping[str, str]) -> Response:
        """Give this document."""
        return json_response(openapi.document(routes))

    routes.append(Route("GET", f"{console.PREFIX}/openapi.json", described))
    return App(context, Table(routes), Gate(context.config, key))


def create_admin_app(context: Context) -> App:
    """Give the application of `admin.listeners`: /admin alone, without rules for headers and origins."""
    return App(
        context,
        Table(admin.routes(context)),
        Gate(context.config, session_key(context), main=False),
    )


def session_key(context: Context) -> Key:
    """Give what gives the key that workers sign with."""
    return lambda: context.herder.session_key


class Gate:
    """What stands before the listeners: who may call, header rules, cross-origin rules."""

    def __init__(
        self, config: WorkerConfig, key: Key = lambda: None, *, main: bool = True
    ) -> None:
        """Take the worker's configuration. Raises ConfigError for what will not do."""
        self._access = Access(config, key, main=main)
        self._main = main
        self._cors = Cors(config)
        self._headers = HeaderRules(config.text("response.http.headers.config"))

    async def caller(self, request: Request) -> Principal | Response:
        """Give who calls, or the answer for somebody who may not."""
        return await self._access.caller(request)

    def dress(self, request: Request, response: Response) -> None:
        """Give an answer the headers that are configured."""
        if self._main:
            self._headers.apply(response)
            self._cors.apply(request, response)


class App:
    """Answers every request; nothing gets out of it unanswered."""

    def __init__(self, context: Context, table: Table, gate: Gate) -> None:
        """Take the worker, its routes, and what stands before them."""
        self._context = context
        self._table = table
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request (ASGI)."""
        if scope["type"] != "http":
            return
        request = Request(scope, limited(receive))
        response = await self._answer(request)
        if request.method == "HEAD":
            response = Response(b"", response.status_code, dict(response.headers))
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
        caller = await self._gate.caller(request)
        if isinstance(caller, Response):
            return caller
        request.scope[WHO] = caller
        if request.method == "OPTIONS":
            return _options(request, routes)
        route = routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise FrameworkError(405)
        if caller.role < route.needs:
            return forbidden(caller, route.needs)
        body = await read_limited(request)
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
        """Tell the log of a change that was asked for, and the journal of one made or forbidden.

        What another worker has forwarded it has told of itself.
        """
        path, status = request.url.path, response.status_code
        if request.method not in _CHANGING or path.endswith(_NO_CHANGE):
            return
        if FORWARDED in request.scope:
            return
        place = request.client.host if request.client is not None else "unknown"
        who: Principal | None = request.scope.get(WHO)
        by = place if who is None or who.name is None else who.name
        sent = request.scope.get("raw_path", b"").decode("latin-1")
        _LOG.info(
            "A change was asked for. by=%s from=%s method=%s path=%s status=%s",
            by,
            place,
            request.method,
            sent,
            status,
        )
        if status < 400 or status == 403:
            self._context.journal.audit(request.method, path, status, by, place)


def _options(request: Request, routes: dict[str, Route]) -> Response:
    """Give the verbs of a path: as text where text may be sent, in a header in any case."""
    accept = request.headers.get("accept", "*/*").split(",")[0].split(";")[0].strip()
    allowed = allow_header(routes)
    as_text = accept in ("*/*", "text/plain", "text/*")
    response = Response(", ".join(allowed.split(",")) if as_text else b"", 200)
    response.headers["content-type"] = "text/plain" if as_text else accept or JSON
    response.headers["allow"] = allowed
    return response
