"""Log lines of every worker of the group: the newest ones, and a stream of those that come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from appliance.rest.answers import json_response
from appliance.rest.console.peers import Peers
from appliance.rest.routing import Route
from appliance.telemetry.lines import LINES
from appliance.telemetry.loggers import LEVELS

_MOST: Final = 2000
_EVERY_S: Final = 1.0
_BEAT_S: Final = 5.0

Entry = dict[str, Any]


def routes(peers: Peers, prefix: str) -> list[Route]:
    """Give the routes: this worker's lines, everybody's newest, the stream."""

    async def local(request: Request, _members: Mapping[str, str]) -> Response:
        """This worker's log lines later than `after`."""
        after = request.query_params.get("after", "0")
        return json_response([line._asdict() for line in LINES.after(int(after))])

    async def newest(places: dict[str, int], request: Request) -> list[Entry]:
        """Give the lines later than each worker's place, and move the places on."""
        found = await peers.ask_others(
            lambda worker: f"{prefix}/local/logs?after={places.get(worker, 0)}", request
        )
        here = peers.worker_id
        found[here] = [line._asdict() for line in LINES.after(places.get(here, 0))]
        wanted = _Wanted(request.query_params)
        lines = []
        for worker, entries in found.items():
            if entries:
                places[worker] = entries[-1]["id"]
            lines += [{**entry, "worker": worker} for entry in entries]
        return sorted(filter(wanted, lines), key=lambda entry: (entry["ts"], entry["id"]))

    async def recent(request: Request, _members: Mapping[str, str]) -> Response:
        """The newest log lines of all workers; `level`, `worker`, `connector`, `q` choose."""
        limit = request.query_params.get("limit", "")
        count = min(int(limit), _MOST) if limit.isdigit() else 200
        return json_response((await newest(_places(request), request))[-count:])

    async def stream(request: Request, _members: Mapping[str, str]) -> Response:
        """Log lines of all workers as they come, as server-sent events."""
        return StreamingResponse(
            _events(request), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def _events(request: Request) -> AsyncIterator[bytes]:
        places = _places(request)
        quiet_s = 0.0
        yield b": stream\n\n"
        while True:
            lines = await newest(places, request)
            for line in lines:
                yield f"event: log\ndata: {json.dumps(line)}\n\n".encode()
            quiet_s = 0.0 if lines else quiet_s + _EVERY_S
            if quiet_s >= _BEAT_S:
                quiet_s = 0.0
                yield b": beat\n\n"
            await asyncio.sleep(_EVERY_S)

    return [
        Route("GET", f"{prefix}/local/logs", local),
        Route("GET", f"{prefix}/logs/recent", recent),
        Route("GET", f"{prefix}/logs", stream, any_type=True),
    ]


def _places(request: Request) -> dict[str, int]:
    """Read `after=worker=id,worker=id`."""
    found = {}
    for part in request.query_params.get("after", "").split(","):
        worker, _, number = part.rpartition("=")
        if worker and number.isdigit():
            found[worker] = int(number)
    return found


class _Wanted:
    """The filters of a request: lowest level, worker, connector, words."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self._lowest = LEVELS.get(query.get("level", "").upper(), 0)
        self._worker = query.get("worker")
        self._connector = query.get("connector")
        self._text = query.get("q", "").lower()

    def __call__(self, entry: Entry) -> bool:
        """Tell whether the line is wanted."""
        if LEVELS.get(entry["level"], 0) < self._lowest:
            return False
        if self._worker and entry["worker"] != self._worker:
            return False
        if self._connector:
            context = str(entry["context"]).partition("|")[0]
            named = self._connector in str(entry["message"])
            if context != self._connector and not named:
                return False
        return self._text in f"{entry['logger']} {entry['message']}".lower()
