"""`/appliance/v1/topics`: which topics there are, who writes and reads them, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from appliance.errors import BadRequestError, NotFoundError
from appliance.herder.entities import HerderSnapshot
from appliance.rest.answers import json_response
from appliance.rest.console.payloads import FORMS
from appliance.rest.console.records import QUEUE_OPTION, Records, entry
from appliance.rest.console.tail import Tail, followed, record_text
from appliance.rest.context import Context
from appliance.rest.routing import Route

_MOST: Final = 1000

Members = Mapping[str, str]
Entry = dict[str, Any]


def routes(context: Context, records: Records, prefix: str) -> list[Route]:
    """Give the routes."""
    topics = _Topics(context, records)
    return [
        Route("GET", f"{prefix}/topics", topics.all),
        Route("GET", f"{prefix}/topics/{{topic}}/records", topics.records, any_type=True),
    ]


def _reads(seen: HerderSnapshot, name: str) -> bool:
    return seen.connectors[name].type == "sink"


class _Topics:
    def __init__(self, context: Context, records: Records) -> None:
        self._context = context
        self._records = records

    async def all(self, _request: Request, _members: Members) -> Response:
        """Every topic: partitions, records, bytes of one copy, which connectors write and read it."""
        seen = self._context.herder.snapshot()
        return json_response(await self._context.call(self._listed, seen))

    def _listed(self, seen: HerderSnapshot) -> list[Entry]:
        writers: dict[str, set[str]] = {}
        readers: dict[str, set[str]] = {}
        for name, topics in seen.topics.items():
            for topic in topics if name in seen.connectors and not _reads(seen, name) else ():
                writers.setdefault(topic, set()).add(name)
        for name, info in seen.connectors.items():
            if queue := info.config.get(QUEUE_OPTION):
                writers.setdefault(queue, set()).add(f"{name} (DLQ)")
            if info.type == "sink":
                for topic in (info.config.get("topics") or "").split(","):
                    readers.setdefault(topic.strip(), set()).add(name)
        internal = self._internal()
        with self._records.reader() as reader:
            known = reader.topics()
            places = [(topic, number) for topic in known for number in known[topic]]
            bounds = reader.bounds(places)
            sizes = self._records.sizes(reader)
        return [
            {
                "topic": topic,
                "partitions": len(partitions),
                "records": sum(
                    bounds[topic, number][1] - bounds[topic, number][0]
                    for number in partitions
                    if (topic, number) in bounds
                ),
                "size_bytes": sizes.get(topic),
                "internal": topic in internal or topic.startswith("__"),
                "written_by": sorted(writers.get(topic, ())),
                "read_by": sorted(readers.get(topic, ())),
            }
            for topic, partitions in sorted(known.items())
        ]

    def _internal(self) -> set[str]:
        config = self._context.config
        stores = (
            config.originals.get(f"{s}.storage.topic") for s in ("config", "offset", "status")
        )
        return {topic for topic in (*stores, config.journal_topic) if topic}

    async def records(self, request: Request, members: Members) -> Response:
        """Records of a topic: `from` newest, oldest, an offset or `time:MS`; `partition`, `q`, `as`.

        With `follow=true` those that come from now on, as server-sent events.
        """
        query = request.query_params
        form = query.get("as", "auto")
        if form not in FORMS:
            raise BadRequestError(f"Unknown form {form}; there are {', '.join(FORMS)}")
        limit = query.get("limit", "")
        given = query.get("partition", "")
        partition = int(given) if given.isdigit() else None
        words = query.get("q", "").lower()
        if query.get("follow") == "true":
            topic = members["topic"]
            payloads = self._records.payloads(self._user(topic))
            tail = Tail(self._records, topic, partition, lambda raw: entry(raw, payloads, form))
            return StreamingResponse(
                followed(tail, words),
                media_type="text/event-stream",
                headers={"cache-control": "no-store"},
            )
        found = await self._context.call(
            self._read,
            members["topic"],
            query.get("from", "newest"),
            partition,
            min(int(limit), _MOST) if limit.isdigit() else 100,
            form,
        )
        return json_response([record for record in found if words in record_text(record)])

    def _read(
        self, topic: str, start: str, partition: int | None, limit: int, form: str
    ) -> list[Entry]:
        payloads = self._records.payloads(self._user(topic))
        kind, _, number = start.rpartition(":")
        with self._records.reader() as reader:
            if topic not in reader.topics():
                raise NotFoundError(f"Topic {topic} not found")
            if start == "newest":
                raws = reader.newest(topic, limit, partition)
            elif start == "oldest":
                raws = reader.since(topic, limit, partition)
            elif not number.isdigit():
                raise BadRequestError(f"from={start} is neither newest, oldest, N nor time:MS")
            elif kind == "time":
                raws = reader.since(topic, limit, partition, time_ms=int(number))
            else:
                raws = reader.since(topic, limit, partition, offset=int(number))
        return [entry(raw, payloads, form) for raw in raws]

    def _user(self, topic: str) -> str | None:
        """Give a connector that reads or writes the topic: its converters fit."""
        for name, info in self._context.herder.snapshot().connectors.items():
            topics = [one.strip() for one in (info.config.get("topics") or "").split(",")]
            if topic in topics or info.config.get(QUEUE_OPTION) == topic:
                return name
        return None
