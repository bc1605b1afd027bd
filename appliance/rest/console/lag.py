"""How far behind connectors are, and what changing their offsets would mean."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import BadRequestError, ConnectError
from appliance.herder.entities import ConnectorOffset, HerderSnapshot
from appliance.kafka.peek import Bounds
from appliance.rest.answers import json_response
from appliance.rest.console.peers import Peers
from appliance.rest.console.records import Records, object_of
from appliance.rest.console.snapshot import lag_of
from appliance.rest.console.trends import rate_of
from appliance.rest.context import Context
from appliance.rest.errors import RestError
from appliance.rest.routing import Route
from appliance.rest.users import Role

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
            return (await self._context.wait(self._context.herder.connector_offsets(name))).offsets
        except ConnectError:
            # gone meanwhile, or its configuration names an unknown plugin: it has none to show
            return ()

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
        now = {_key(offset.partition): offset for offset in await self._offsets(name)}
        figures = await self._peers.metrics(seen, request.headers.get("authorization"))
        bounds = await self._context.call(self._bounds, wanted)
        state = seen.states[name].connector.state if name in seen.states else "UNASSIGNED"
        tasks = len(seen.states[name].tasks) if name in seen.states else 0
        rate = _rate(name, figures)
        return json_response(
            {
                "connector": name,
                "requires": "STOPPED",
                "state": state,
                "offsets": [
                    _previewed(offset, now.get(_key(offset.partition)), bounds, rate)
                    for offset in wanted
                ],
                "checks": [
                    _check("connector is stopped", state == "STOPPED", f"it is {state}"),
                    _check("its tasks have ended", tasks == 0, f"{tasks} have not yet"),
                ],
            }
        )


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
    sizes = [int(values[_BYTES]) for values in own if _BYTES in values]
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


def _previewed(
    wanted: ConnectorOffset, now: ConnectorOffset | None, bounds: Bounds, rate: float
) -> Entry:
    before = None if now is None else now.offset
    step = _step(before, wanted.offset)
    checks = []
    place = _place(wanted.partition)
    if place is not None:
        known = bounds.get(place)
        checks.append(_check("topic and partition exist", known is not None, f"{place[0]}"))
        target = None if wanted.offset is None else wanted.offset.get("kafka_offset")
        if known is not None and isinstance(target, int):
            low, high = known
            inside = low <= target <= high
            checks.append(_check("offset is in the topic", inside, f"it holds {low} to {high}"))
    elif now is None:
        checks.append(_check("partition is known", ok=False, detail="no offset of it is stored"))
    events = None if step is None else abs(step)
    return {
        "partition": wanted.partition,
        "from": before,
        "to": wanted.offset,
        "direction": None if not step else "again" if step < 0 else "left out",
        "events": events,
        "eta_s": round(events / rate, 1) if events and rate else None,
        "checks": checks,
    }


def _step(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> int | None:
    """Give how far the one number that changes moves; None where that says nothing."""
    if before is None:
        return None
    if after is None:
        numbers = [value for value in before.values() if isinstance(value, int)]
        return -numbers[0] if len(before) == 1 and numbers else None
    changed = [key for key in before if before[key] != after.get(key)]
    if not changed:
        return 0
    old, new = before[changed[0]], after.get(changed[0])
    if len(changed) == 1 and isinstance(old, int) and isinstance(new, int):
        return new - old
    return None


def _rate(name: str, figures: Figures) -> float:
    rates = (rate_of(values) for key, values in figures.items() if key.rpartition("-")[0] == name)
    return sum(rate or 0.0 for rate in rates)


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
