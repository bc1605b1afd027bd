"""Routing: which resource a request means, and the checks that come before it.

Paths are matched on their raw segments, so that a name may hold an encoded slash or percent sign. The
order of checks is Jersey's: path (404), verb (405), content type of the body (415), Accept (406).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response

from appliance.rest.answers import JSON
from appliance.rest.errors import FrameworkError, RestError
from appliance.worker.javahash import hash_order

Handler = Callable[[Request, Mapping[str, str]], Awaitable[Response]]

_MEMBER: Final = re.compile(r"\{(\w+)\}")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Route(NamedTuple):
    """A verb on a path; `{member}` matches one segment. `any_type`: the answer is not JSON."""

    method: str
    path: str
    handler: Handler
    any_type: bool = False


class Table:
    """All routes; immutable after it is made."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Take the routes; of two that match the one with fewer members counts."""
        self._routes: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes:
            segments = tuple(route.path.strip("/").split("/")) if route.path != "/" else ()
            self._routes.setdefault(segments, {})[route.method] = route

    def find(self, raw_path: str) -> tuple[dict[str, Route], dict[str, str]]:
        """Give the routes of a path by verb, and its members. Raises FrameworkError, RestError."""
        segments = split_path(raw_path)
        best: tuple[int, dict[str, Route], dict[str, str]] | None = None
        for pattern, routes in self._routes.items():
            members = _match(pattern, segments)
            if members is not None and (best is None or len(members) < best[0]):
                best = len(members), routes, members
        if best is None:
            raise FrameworkError(404)
        return best[1], best[2]


def split_path(raw_path: str) -> list[str]:
    """Give the decoded segments of a path. Raises RestError 400 for what cannot be decoded."""
    if _BAD_ESCAPE.search(raw_path):
        raise RestError(400, "Bad Request")
    path = raw_path.removesuffix("/") if raw_path != "/" else ""
    if "//" in path:
        raise RestError(400, "Ambiguous URI empty segment")
    decoded: list[str] = []
    for segment in path.lstrip("/").split("/") if path else []:
        plain = segment.split(";")[0]
        if plain == "..":
            del decoded[-1:]
        elif plain != ".":
            decoded.append(_decode(plain))
    return decoded


def _decode(segment: str) -> str:
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise RestError(400, "Bad Request") from error
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise RestError(400, "Bad Request")
    return text


def _match(pattern: tuple[str, ...], segments: Sequence[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    members = {}
    for expected, segment in zip(pattern, segments, strict=True):
        found = _MEMBER.fullmatch(expected)
        if found is not None:
            members[found[1]] = segment
        elif expected != segment:
            return None
    return members


def allow_header(routes: Mapping[str, Route]) -> str:
    """Give the value of `Allow`, in the order Java gives it."""
    verbs = [*routes, *(["HEAD"] if "GET" in routes else []), "OPTIONS"]
    return ",".join(hash_order(verbs))


def check_body_type(request: Request, has_body: bool) -> None:
    """Raise FrameworkError 415 unless a body is JSON."""
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given and given != JSON:
        raise FrameworkError(415)
    if not given and has_body:
        raise FrameworkError(415, JSON)


def answer_type(accept: str | None) -> str:
    """Give the content type for an `Accept` header. Raises FrameworkError 406."""
    if accept is None or not accept.strip():
        return JSON
    for part in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters):
            continue
        if media in ("*/*", "application/*", JSON):
            charset = [p for p in parameters if p.startswith("charset=")] if media == JSON else []
            return ";".join([JSON, *charset])
    raise FrameworkError(406)
