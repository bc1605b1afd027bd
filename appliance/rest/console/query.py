"""What queries of the console's resources hold: spans of time, and how much is wanted."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request

_MOST: Final = 1000
_UNITS_MS: Final = {"ms": 1, "": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def limit(request: Request) -> int:
    """Give how many entries are wanted: 50 unless it is said."""
    text = request.query_params.get("limit", "")
    return min(int(text), _MOST) if text.isdigit() else 50


def span_ms(request: Request, name: str, default_ms: int) -> int:
    """Read a span of a query: `90s`, `10m`, or milliseconds."""
    found = re.fullmatch(r"(\d+)(ms|s|m|h|)", request.query_params.get(name, ""))
    return int(found[1]) * _UNITS_MS[found[2]] if found else default_ms
