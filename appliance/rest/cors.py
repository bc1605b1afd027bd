"""Cross-origin requests, where the worker allows them.

Semantics: Kafka Connect 4.3.1 RestServer with Jetty's CrossOriginHandler; off unless
`access.control.allow.origin` is set.
"""

from __future__ import annotations

import fnmatch
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.config.worker import WorkerConfig

_METHODS: Final = "GET,POST,HEAD"


class Cors:
    """The worker's cross-origin rules."""

    def __init__(self, config: WorkerConfig) -> None:
        """Take origins and methods from the configuration."""
        origins = config.text("access.control.allow.origin")
        self._origins = [origin.strip() for origin in origins.split(",") if origin.strip()]
        self._methods = config.text("access.control.allow.methods").strip() or _METHODS

    def preflight(self, request: Request) -> Response | None:
        """Give the answer to a preflight from an allowed origin; others go to the resource."""
        wanted = request.headers.get("access-control-request-method")
        if wanted is None or not self._allowed(request):
            return None
        response = Response(b"", 200)
        response.headers["access-control-allow-methods"] = self._methods
        return response

    def apply(self, request: Request, response: Response) -> None:
        """Echo an allowed origin."""
        if self._allowed(request):
            response.headers["access-control-allow-origin"] = request.headers["origin"]

    def _allowed(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        return origin is not None and any(
            fnmatch.fnmatchcase(origin, allowed) for allowed in self._origins
        )
