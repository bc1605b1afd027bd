"""Cross-origin requests, where the worker allows them.

Semantics: Kafka Connect 4.3.1 RestServer with Jetty 12's CrossOriginHandler: off unless
`access.control.allow.origin` is set; its origins are regular expressions, `*` is any. A preflight goes on to
the resource and gets its headers there.
"""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.config.worker import WorkerConfig

_METHODS: Final = ["GET", "POST", "HEAD"]
_MAX_AGE_S: Final = 60


class Cors:
    """The worker's cross-origin rules."""

    def __init__(self, config: WorkerConfig) -> None:
        """Take origins and methods from the configuration."""
        self._origins = _split(config.text("access.control.allow.origin"))
        methods = _split(config.text("access.control.allow.methods")) or _METHODS
        self._methods = ",".join(methods)

    def apply(self, request: Request, response: Response) -> None:
        """Echo an allowed origin; tell a preflight what may be sent."""
        if not self._origins:
            return
        response.headers.append("vary", "Origin")
        origin = request.headers.get("origin")
        if origin is None or not self.allows(origin):
            return
        response.headers["access-control-allow-origin"] = origin
        if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            response.headers["access-control-allow-methods"] = self._methods
            response.headers["access-control-allow-headers"] = "Content-Type"
            response.headers["access-control-max-age"] = str(_MAX_AGE_S)

    def allows(self, origin: str) -> bool:
        """Tell whether pages of one of these origins, separated by blanks, may call."""
        return any(_matches(pattern, one) for one in origin.split() for pattern in self._origins)


def _matches(pattern: str, origin: str) -> bool:
    if pattern in ("*", origin):
        return True
    try:
        return re.fullmatch(pattern, origin, re.IGNORECASE) is not None
    except re.error:
        return False


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
