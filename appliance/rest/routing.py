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
from appliance.rest.errors import FrameworkError, RestError, UnreadableError
from appliance.rest.users import Role
from appliance.worker.javahash import hash_order

Handler = Callable[[Request, Mapping[str, str]], Awaitable[Response]]

_MEMBER: Final = re.compile(r"\{(\w+)\}")
_ILLEGAL: Final = re.compile(r'[|"{}^`\\<>]')
_MEDIA_TYPE: Final = re.compile(r"[^\s/;,]+/[^\s/;,]+")
_ACCEPTED: Final = ("*/*", "*", "application/*", "*/json", JSON)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Route(NamedTuple):
    """A verb on a path; `{member}` matches one segment. `any_type`: the answer is not JSON.

    `role` is what a caller needs; unless it is given, reading needs `view` and all else `administer`.
    """

    method: str
    path: str
    handler: Handler
    any_type: bool = False
    role: Role | None = None

    @property
    def needs(self) -> Role:
        """Give the role that a caller needs."""
        if self.role is not None:
            return self.role
        return Role.VIEW if self.method == "GET" else Role.ADMINISTER


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


class Segment(NamedTuple):
    """A piece of a path as it was sent, parameters left out, and what it means."""

    raw: str
    text: str


def split_path(raw_path: str) -> list[Segment]:
    """Give the segments of a path. Raises RestError 400 for what cannot be read.

    A dot segment is a segment like any other, as for Jersey; an encoded one is refused, as by Jetty.
    """
    if _BAD_ESCAPE.search(raw_path):
        raise RestError(400, "Bad Request")
    if _ILLEGAL.search(raw_path):
        raise RestError(400, "Illegal Path Character")
    if "//" in raw_path:
        raise RestError(400, "Ambiguous URI empty segment")
    path = raw_path.removesuffix("/")
    plain = [segment.split(";")[0] for segment in path.lstrip("/").split("/")] if path else []
    segments = [Segment(segment, _decode(segment)) for segment in plain]
    if any(segment.text in (".", "..") and segment.raw != segment.text for segment in segments):
        raise RestError(400, "Ambiguous URI path segment")
    return segments


def _decode(segment: str) -> str:
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise RestError(400, "Bad Request") from error
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise RestError(400, "Bad Request")
    return text


def _match(pattern: tuple[str, ...], segments: Sequence[Segment]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    members = {}
    for expected, segment in zip(pattern, segments, strict=True):
        found = _MEMBER.fullmatch(expected)
        if found is not None:
            members[found[1]] = segment.text
        elif expected != segment.raw:
            return None
    return members


def allow_header(routes: Mapping[str, Route]) -> str:
    """Give the value of `Allow`, in the order Java gives it."""
    verbs = [*routes, *(["HEAD"] if "GET" in routes else []), "OPTIONS"]
    return ",".join(hash_order(verbs))


def check_body_type(request: Request, has_body: bool) -> None:
    """Raise FrameworkError unless a body is JSON: 415, or 400 for what is no media type."""
    given = request.headers.get("content-type")
    if given is None:
        if has_body:
            raise FrameworkError(415, JSON)
        return
    media = given.split(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(media):
        raise UnreadableError
    if media in ("*/*", "application/*"):
        raise FrameworkError(415, JSON)
    if media != JSON:
        raise FrameworkError(415)


def answer_type(accept: str | None) -> str:
    """Give the content type for an `Accept` header, parameters echoed.

    Raises FrameworkError 406, UnreadableError for a weight that is no number. A weight of 0 excludes
    nothing, as with Jersey.
    """
    if accept is None or not accept.strip():
        return JSON
    found = None
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [p[2:] for p in parameters if p.lower().startswith("q=")]
        if any(not re.fullmatch(r"\d*\.?\d+", weight) for weight in weights):
            raise UnreadableError
        if found is None and media.lower() in _ACCEPTED:
            kept = [_parameter(p) for p in parameters if not p.lower().startswith("q=")]
            found = ";".join([JSON, *kept]) if media.lower() == JSON else JSON
    if found is None:
        raise FrameworkError(406)
    return found


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    return f"{name.lower()}{equals}{value.lower() if name.lower() == 'charset' else value}"
