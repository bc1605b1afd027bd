"""Forwarding: a request that another worker must answer is sent to it, at most two hops.

Semantics: Kafka Connect 4.3.1 HerderRequestHandler and RestClient; the `Authorization` header alone
travels along, and with it, signed, for whom the request is made. Blocking calls run on threads; the same
client carries signed calls between workers.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from appliance.config.worker import WorkerConfig
from appliance.errors import ConnectError, RequestTargetError
from appliance.rest.answers import JSON
from appliance.rest.context import Context
from appliance.rest.errors import CONFLICT, NO_LEADER, RestError
from appliance.rest.tls import client_context
from appliance.rest.trust import WHO, Key, signed
from appliance.rest.users import Principal

_USER_AGENT = "kafka-connect"


class Answer(NamedTuple):
    """What another worker answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class WorkerClient:
    """Calls other workers; any thread, blocks."""

    def __init__(self, config: WorkerConfig, key: Key, timeout_s: float | None = None) -> None:
        """Take TLS settings, and the timeout unless one is given, from the worker's configuration.

        `key` gives the group's session key, for requests made for somebody.
        """
        self._key = key
        self._timeout_s = timeout_s or config.seconds("appliance.rest.timeout.ms")
        self._config = config

    def __call__(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a signed call (an InternalClient). Raises ConnectError unless it is answered with 2xx."""
        answer = self.send(method, url, body, headers)
        if answer.status >= 300:
            raise ConnectError(f"calling {url}: {_message(answer)}")

    def send(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        caller: Principal | None = None,
    ) -> Answer:
        """Give the answer to a request, made for `caller` if there is one.

        Raises RestError 500 when none comes.
        """
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        if caller is not None:
            headers = {**headers, **signed(self._key, caller, method, target, body)}
        connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
        try:
            connection.request(
                method, target, body or None, {"User-Agent": _USER_AGENT, **headers}
            )
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException) as error:
            raise RestError(500, f"IO Error trying to forward REST request: {error}") from error
        finally:
            connection.close()

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        context = client_context(self._config, host)
        return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=context)


async def forwarded(
    context: Context,
    client: WorkerClient,
    request: Request,
    body: bytes,
    error: RequestTargetError,
) -> Response:
    """Give the answer of the worker that `error` names. Raises RestError."""
    hop = request.query_params.get("forward")
    if hop is not None and hop.lower() != "true":
        raise RestError(409, CONFLICT) from error
    if not error.forward_url:
        raise RestError(409, NO_LEADER) from error
    query = "&".join(
        f"{name}={value}"
        for name, value in request.query_params.multi_items()
        if name != "forward"
    )
    flag = "forward=" + ("true" if hop is None else "false")
    path = request.scope["raw_path"].decode("latin-1").lstrip("/")
    url = f"{error.forward_url.rstrip('/')}/{path}?{query + '&' if query else ''}{flag}"
    headers = {"Accept": JSON, "Content-Type": JSON}
    if "authorization" in request.headers:
        headers["Authorization"] = request.headers["authorization"]
    caller = request.scope.get(WHO)
    answer = await context.call(client.send, request.method, url, body, headers, caller)
    if answer.status >= 400:
        raise RestError(answer.status, _message(answer), _code(answer))
    return _relayed(answer, request)


def _relayed(answer: Answer, request: Request) -> Response:
    response = Response(answer.body, answer.status)
    if answer.body:
        response.headers["content-type"] = JSON
    headers = {name.lower(): value for name, value in answer.headers.items()}
    location = headers.get("location")
    if location is not None:
        path = urlsplit(location).path
        response.headers["location"] = f"{request.url.scheme}://{request.url.netloc}{path}"
    return response


def _message(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status}"


def _code(answer: Answer) -> int:
    try:
        return int(json.loads(answer.body)["error_code"])
    except (ValueError, KeyError, TypeError):
        return answer.status
