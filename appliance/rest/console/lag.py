"""How far behind connectors are, and what changing their offsets would mean."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from appliance.api.connector import OffsetChange, OffsetCheck, OffsetPreview
from appliance.errors import BadRequestError, ConnectError, NotFoundError
from appliance.herder.entities import ConnectorOffset, HerderSnapshot
from appliance.kafka.peek import Bounds
from appliance.rest.answers import json_response
from appliance.rest.console.peers import Peers
from appliance.rest.console.records import Records, object_of
from appliance.rest.console.snapshot import known, lag_of
from appliance.rest.console.trends import rate_of
from appliance.rest.context import Context
from appliance.rest.errors import RestError
from appliance.rest.routing import Route
from appliance.rest.users import Role
from appliance.telemetry.logs import blotted

_BYTES: Final = "bytes_behind_source"
_SINK: Final = {"kafka_topic", "kafka_partition"}

Members = Mapping[str, str]
Entry = dict[str, Any]
Figures = Mapping[str, Mapping[str, Any]]


def routes(context: Context, records: Records, peers: Peers, prefix: str) -> list[Route]:
    """Give the routes."""
    lag = _Lag(context, records, peers)
    return [
        Route("GET", f"{prefix}/lag", lag.all),
        Route(
            "POST", f"{prefix}/connectors/{{name}}/offsets/preview", lag.preview, role=Role.VIEW
        ),
    ]


class _Lag:
    def __init__(self, context: Context, records: Records, peers: Peers) -> None:
        self._context = context
        self._records = records
        self._peers = peers
        self._known: dict[str, Sequence[ConnectorOffset]] = {}

    async def all(self, request: Request, _members: Members) -> Response:
        """Each partition's committed offset, its end and how far it is behind; `connector` chooses.

        A source is behind by time: of what it read last, or since its last complete poll; one that
        reads a binlog tells the bytes as well.
        """
        seen = self._context.herder.snapshot()
        wanted = request.query_params.get("connector")
        names = [name for name in seen.connectors if wanted in (None, name)]
        offsets = await asyncio.gather(*(self._offsets(name) for name in names))
        figures = await self._peers.metrics(seen, request.headers.get("authorization"))
        bounds = await self._context.call(self._bounds, [o for found in offsets for o in found])
        answer: list[Entry] = []
        for name, found in zip(names, offsets, strict=True):
            answer += [_entry(name, seen, offset, bounds, figures) for offset in found]
        return json_response(answer)

    async def _offsets(self, name: str) -> Sequence[ConnectorOffset]:
        try:
            found = (
                await self._context.wait(self._context.herder.connector_offsets(name))
            ).offsets
        except NotFoundError:
            self._known.pop(name, None)
            return ()
        except ConnectError:
            # not for the moment, or not with its unknown plugin: a row that goes and comes back would put
            # another one under the reader's hand
            return self._known.get(name, ())
        self._known[name] = found
        return found

    def _bounds(self, offsets: Sequence[ConnectorOffset]) -> Bounds:
        places = {_place(offset.partition) for offset in offsets} - {None}
        if not places:
            return {}
        with self._records.reader() as reader:
            return reader.bounds(place for place in places if place is not None)

    async def preview(self, request: Request, members: Members) -> Response:
        """What altering offsets would do: how much again or left out, how long it takes, checks."""
        name = members["name"]
        seen = self._context.herder.snapshot()
        if name not in seen.connectors:
            raise RestError(404, f"Connector {name} not found")
        wanted = _offsets(object_of(await request.body()))
        now = {_key(offset.partition): offset.offset for offset in await self._offsets(name)}
        changes = [
            OffsetChange(offset.partition, now.get(_key(offset.partition)), offset.offset)
            for offset in wanted
        ]
        found = await self._found(name, seen, changes)
        figures = await self._peers.metrics(seen, request.headers.get("authorization"))
        bounds = await self._context.call(self._bounds, wanted)
        state = seen.states[name].connector.state if name in seen.states else "UNASSIGNED"
        tasks = len(seen.states[name].tasks) if name in seen.states else 0
        pace = _pace(name, figures)
        return json_response(
            {
                "connector": name,
                "requires": "STOPPED",
                "state": state,
                "offsets": [
                    _previewed(change, one, bounds, pace)
                    for change, one in zip(changes, found, strict=True)
                ],
                "checks": [
                    _check("connector is stopped", True, "")
                    if state == "STOPPED"
                    else _check("connector must be stopped", False, f"it is {state}"),
                    _check("its tasks have ended", True, "")
                    if tasks == 0
                    else _check("its tasks must have ended", False, f"{tasks} have not yet"),
                ],
            }
        )

    async def _found(
        self, name: str, seen: HerderSnapshot, changes: Sequence[OffsetChange]
    ) -> Sequence[OffsetPreview]:
        """Ask the connector; that it gives no answer is a check that failed."""
        if not changes:
            return [OffsetPreview() for _ in changes]
        try:
            config = await self._context.wait(self._context.herder.connector_config(name))
            return await self._context.call(self._context.preview_offsets, config, changes)
        except ConnectError as error:
            silent = OffsetCheck(
                "the connector can check it", ok=False, detail=blotted(str(error))
            )
            return [OffsetPreview((silent,)) for _ in changes]


def _entry(
    name: str, seen: HerderSnapshot, offset: ConnectorOffset, bounds: Bounds, figures: Figures
) -> Entry:
    found: Entry = {
        "connector": name,
        "type": seen.connectors[name].type,
        "partition": offset.partition,
        "committed": offset.offset,
        "end": None,
        "behind": None,
        "unit": "records",
        "committed_ms": _committed_ms(name, offset.partition, figures),
    }
    place = _place(offset.partition)
    if place is not None:
        low, high = bounds.get(place, (None, None))
        committed = None if offset.offset is None else offset.offset.get("kafka_offset")
        if high is not None and low is not None and committed is not None:
            found["end"] = {"kafka_offset": high}
            found["behind"] = max(0, high - max(low, int(committed)))
        return found
    own = [values for key, values in figures.items() if key.rpartition("-")[0] == name]
    lags = [lag for values in own if (lag := lag_of(values, seen.taken_ms)[0]) is not None]
    sizes = [int(size) for values in own if (size := known(values.get(_BYTES))) is not None]
    return {
        **found,
        "unit": "ms",
        "behind": max(lags, default=None),
        "bytes": max(sizes, default=None),
    }


def _committed_ms(name: str, partition: Mapping[str, Any] | None, figures: Figures) -> int | None:
    """Give when the partition's task committed last; where it is not known which one, any of them."""
    own = [values for key, values in figures.items() if key.rpartition("-")[0] == name]
    place = _place(partition)
    if place is not None:
        own = [values for values in own if f"{place[0]}/{place[1]}" in _assigned(values)]
    times = [int(values["last_commit_ms"]) for values in own if "last_commit_ms" in values]
    return max(times, default=None)


def _assigned(values: Mapping[str, Any]) -> Sequence[str]:
    return str(values.get("partitions", "")).split()


def _previewed(change: OffsetChange, found: OffsetPreview, bounds: Bounds, pace: _Pace) -> Entry:
    before, after = change.before, change.after
    checks = []
    place = _place(change.partition)
    if place is not None:
        known = bounds.get(place)
        checks.append(_check("topic and partition exist", known is not None, f"{place[0]}"))
        target = None if after is None else after.get("kafka_offset")
        if known is not None and isinstance(target, int):
            low, high = known
            inside = low <= target <= high
            checks.append(_check("offset is in the topic", inside, f"it holds {low} to {high}"))
    elif before is None:
        checks.append(_check("partition is known", ok=False, detail="no offset of it is stored"))
    checks += [
        {**dataclasses.asdict(one), "detail": one.detail and blotted(one.detail)}
        for one in found.checks
    ]
    size, records = found.bytes, found.records
    if place is not None and records is None:
        records = _records(before, after, bounds.get(place))
    step = size if size is not None else records
    if records is None and size is not None and pace.record_bytes:
        records = round(size / pace.record_bytes)
    eta_s = None
    if step is not None and step < 0:
        if size is not None:
            eta_s = -size / pace.bytes if pace.bytes else None
        elif pace.records:
            eta_s = -step / pace.records
    return {
        "partition": change.partition,
        "from": before,
        "to": after,
        "direction": None if not step else "again" if step < 0 else "left out",
        "bytes": None if size is None else abs(size),
        "events": None if records is None else abs(records),
        "eta_s": None if eta_s is None else round(eta_s, 1),
        "checks": checks,
    }


def _records(
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    bounds: tuple[int, int] | None,
) -> int | None:
    """Give by how many records of a topic an offset moves; forgotten, it is the topic's beginning."""
    old = None if before is None else before.get("kafka_offset")
    new = (bounds[0] if bounds else None) if after is None else after.get("kafka_offset")
    return new - old if isinstance(old, int) and isinstance(new, int) else None


class _Pace(NamedTuple):
    """How fast a connector's tasks go: records a second now; of a log bytes a second and a record."""

    records: float = 0.0
    bytes: float = 0.0
    record_bytes: float = 0.0


def _pace(name: str, figures: Figures) -> _Pace:
    own = [values for key, values in figures.items() if key.rpartition("-")[0] == name]
    return _Pace(
        sum(rate_of(values) or 0.0 for values in own),
        sum(float(values.get("source_bytes_per_second", 0.0)) for values in own),
        max((float(values.get("source_bytes_per_record", 0.0)) for values in own), default=0.0),
    )


def _check(name: str, ok: bool, detail: str) -> Entry:
    return {"name": name, "ok": ok, "detail": None if ok else detail}


def _place(partition: Mapping[str, Any] | None) -> tuple[str, int] | None:
    if partition is None or set(partition) != _SINK:
        return None
    return str(partition["kafka_topic"]), int(partition["kafka_partition"])


def _key(partition: Mapping[str, Any] | None) -> str:
    return repr(sorted((partition or {}).items()))


def _offsets(body: Mapping[str, Any]) -> list[ConnectorOffset]:
    entries = body.get("offsets")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadRequestError("Give offsets as a list of objects with partition and offset.")
    return [ConnectorOffset(entry.get("partition"), entry.get("offset")) for entry in entries]
