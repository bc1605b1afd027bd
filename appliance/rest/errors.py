"""What a failed request is answered with: one table from exceptions to status and message.

Semantics: Kafka Connect 4.3.1 ConnectExceptionMapper; errors of the framework itself carry a JSON body
without a content type, as Jersey's do.
"""

from __future__ import annotations

import http
import logging
from typing import Final

from starlette.responses import Response

from appliance.errors import (
    AlreadyExistsError,
    BadRequestError,
    ConnectError,
    NotFoundError,
    RebalanceNeededError,
    java_class_of,
)
from appliance.herder.herder import SignatureError
from appliance.rest.answers import empty_response, json_response
from appliance.worker.throwaway import ValidationFailedError

_LOG = logging.getLogger(__name__)

CONFLICT: Final = (
    "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
)
NO_LEADER: Final = (
    "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was "
    "underway."
)
STALE: Final = (
    "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent "
    "config change)"
)
REBALANCE: Final = "Request cannot be completed because a rebalance is expected"

_STATUSES: Final[tuple[tuple[type[ConnectError], int], ...]] = (
    (NotFoundError, 404),
    (AlreadyExistsError, 409),
    (BadRequestError, 400),
)


class RestError(ConnectError):
    """An answer with a status of its own; `code` differs where another worker answered."""

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        """Keep status and code (default: the status)."""
        super().__init__(message)
        self.status = status
        self.code = status if code is None else code


class FrameworkError(Exception):
    """A request that no resource takes: unknown path, wrong verb, wrong content type."""

    def __init__(self, status: int, media_type: str | None = None) -> None:
        """Keep the status, and the content type of the answer."""
        super().__init__(f"HTTP {status} {http.HTTPStatus(status).phrase}")
        self.status = status
        self.media_type = media_type

    def response(self) -> Response:
        """Give the answer."""
        return json_response(
            {"error_code": self.status, "message": str(self)}, self.status, self.media_type
        )


class UnreadableError(Exception):
    """A header that cannot be read: 400 without a word, as from the peer's server."""


def error_response(error: BaseException) -> Response:
    """Give the answer for any exception out of a resource."""
    if isinstance(error, UnreadableError):
        return empty_response(400)
    if isinstance(error, FrameworkError):
        return error.response()
    status, code, message = _described(error)
    if status >= 500 and not isinstance(error, ConnectError):
        _LOG.error("A request failed unexpectedly.", exc_info=error)
    return json_response({"error_code": code, "message": message}, status)


def _described(error: BaseException) -> tuple[int, int, str]:
    if isinstance(error, RestError):
        return error.status, error.code, str(error)
    if isinstance(error, SignatureError):
        return error.status, error.status, str(error)
    if isinstance(error, RebalanceNeededError):
        return 500, 500, REBALANCE
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status, status, str(error)
    return 500, 500, str(error) or type(error).__name__


def wrapped(error: BaseException) -> RestError:
    """Give what the validate endpoint makes of an error: status 500, the Java class in front."""
    if isinstance(error, ValidationFailedError):
        return RestError(500, f"{error.cause_class}: {error}")
    return RestError(500, f"{java_class_of(error)}: {error}")
