"""Answers: values as JSON with Connect's content type."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

JSON: Final = "application/json"

_encode = msgspec.json.Encoder().encode


def json_response(value: Any, status: int = 200, media_type: str | None = JSON) -> Response:
    """Give `value` as JSON; entities encode themselves."""
    response = Response(_encode(value), status)
    if media_type is not None:
        response.headers["content-type"] = media_type
    return response


def empty_response(status: int) -> Response:
    """Give an answer without body and content type."""
    return Response(b"", status)
