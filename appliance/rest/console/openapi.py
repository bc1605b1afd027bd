"""The OpenAPI document of `/appliance/v1`, made from its routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import appliance


def document(paths: Sequence[str]) -> dict[str, Any]:
    """Give the document for GET resources at `paths`."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "ingest-appliance console", "version": appliance.__version__},
        "paths": {path: {"get": _operation(path)} for path in paths},
    }


def _operation(path: str) -> dict[str, Any]:
    members = re.findall(r"\{(\w+)\}", path)
    stream = path.endswith("/events")
    media = "text/event-stream" if stream else "application/json"
    return {
        "operationId": re.sub(r"\W+", "_", path).strip("_"),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in members
        ],
        "responses": {
            "200": {"description": "what was asked for", "content": {media: {}}},
            "default": {
                "description": "error_code and message",
                "content": {"application/json": {}},
            },
        },
    }
