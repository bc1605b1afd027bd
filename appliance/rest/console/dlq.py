"""`/appliance/v1/dlq`: dead letter queues, their records with what went wrong, replay, discard, purge.

Kafka deletes no single record: discarded and replayed ones are hidden by an index in the journal; purge
deletes a partition's records up to an offset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from appliance.clock import SYSTEM_CLOCK
from appliance.errors import BadRequestError
from appliance.kafka.peek import purge
from appliance.rest.answers import json_response
from appliance.rest.console.jobs import Job, Jobs
from appliance.rest.console.letters import Letters, Selected, read_after
from appliance.rest.console.payloads import FORMS
from appliance.rest.console.records import Records, object_of
from appliance.rest.console.replay import Replay
from appliance.rest.context import Context
from appliance.rest.errors import RestError
from appliance.rest.routing import Route
from appliance.rest.users import Role

HOUR_MS: Final = 3_600_000
_MOST: Final = 5000

Members = Mapping[str, str]
Entry = dict[str, Any]


def routes(context: Context, records: Records, jobs: Jobs, prefix: str) -> list[Route]:
    """Give the routes."""
    queues = _Queues(context, records, jobs)
    topic = f"{prefix}/dlq/{{topic}}"
    return [
        Route("GET", f"{prefix}/dlq", queues.all),
        Route("GET", f"{topic}/records", queues.records),
        Route("GET", f"{topic}/records/{{partition}}/{{offset}}", queues.record),
        Route("GET", f"{topic}/groups", queues.groups),
        Route("GET", f"{topic}/export", queues.export),
        Route("POST", f"{topic}/replay", queues.replay, role=Role.OPERATE),
        Route("POST", f"{topic}/discard", queues.discard, role=Role.OPERATE),
        Route("POST", f"{topic}/purge", queues.purge),
    ]


class _Queues:
    def __init__(self, context: Context, records: Records, jobs: Jobs) -> None:
        self._context = context
        self._records = records
        self._jobs = jobs

    async def all(self, _request: Request, _members: Members) -> Response:
        """Every dead letter queue: records, new ones in 1 h, the newest one's time, since when empty."""
        return json_response(await self._context.call(self._counted))

    def _counted(self) -> list[Entry]:
        queues = self._records.queues(self._context.herder.snapshot())
        if not queues:
            return []
        answer = []
        now_ms = SYSTEM_CLOCK.now_ms()
        with self._records.reader() as reader:
            known = reader.topics()
            for topic, connectors in sorted(queues.items()):
                hidden = self._context.journal.discarded(topic)
                places = [(topic, number) for number in known.get(topic, ())]
                bounds = reader.bounds(places)
                total = sum(high - low for low, high in bounds.values())
                fresh = reader.offsets_at(bounds, now_ms - HOUR_MS)
                gone = [
                    (partition, offset)
                    for partition, offset in hidden
                    if (bound := bounds.get((topic, partition))) and bound[0] <= offset < bound[1]
                ]
                new = sum(bounds[place][1] - first for place, first in fresh.items())
                new -= sum(offset >= fresh[topic, partition] for partition, offset in gone)
                newest = reader.newest(topic, 1) if total else []
                answer.append(
                    {
                        "topic": topic,
                        "connectors": connectors,
                        "exists": topic in known,
                        "records": total - len(gone),
                        "end": sum(high for _, high in bounds.values()),
                        "discarded": len(gone),
                        "new_1h": new,
                        "last_ms": newest[0].timestamp if newest else None,
                        "empty_since_ms": self._context.journal.emptied_ms(topic)
                        if total == len(gone)
                        else None,
                    }
                )
        return answer

    async def records(self, request: Request, members: Members) -> Response:
        """Dead letters, newest first; `q`, `stage`, `exception` choose, `as` says how to read them.

        `after`, `partition:offset` with commas, goes on after these letters, in partitions that it does
        not name at the newest.
        """
        query = request.query_params
        limit = query.get("limit", "")
        count = min(int(limit), _MOST) if limit.isdigit() else 200
        after = read_after(query.get("after", ""))
        return json_response(await self._page(request, members, count, after))

    async def _page(
        self, request: Request, members: Members, count: int, after: Mapping[int, int]
    ) -> list[Entry]:
        query, form = request.query_params, _form(request)
        with_hidden = query.get("discarded") == "true"

        def page() -> list[Entry]:
            letters = self._letters(members["topic"])
            return letters.page(Selected(query), form, count, after, with_hidden=with_hidden)

        return await self._context.call(page)

    def _letters(self, topic: str) -> Letters:
        payloads = self._records.payloads(self._owners(topic)[0])
        return Letters(self._records, self._context.journal, topic, payloads)

    async def record(self, request: Request, members: Members) -> Response:
        """One dead letter with all its bytes, hidden or not; `as` says how to read it."""
        place = members["partition"], members["offset"]
        if not all(number.isdigit() for number in place):
            raise RestError(404, f"{place[0]}@{place[1]} is no partition and offset.")
        letters = self._letters(members["topic"])
        found = await self._context.call(letters.one, int(place[0]), int(place[1]), _form(request))
        if found is None:
            raise RestError(
                404, f"{members['topic']} has no record {place[0]}@{place[1]} any more."
            )
        return json_response(found)

    def _owners(self, topic: str) -> list[str]:
        owners = self._records.queues(self._context.herder.snapshot()).get(topic)
        if owners is None:
            raise RestError(404, f"No connector has {topic} as its dead letter queue.")
        return owners

    async def groups(self, request: Request, members: Members) -> Response:
        """How many dead letters there are of each stage and error, in all of the queue."""
        letters, wanted = self._letters(members["topic"]), Selected(request.query_params)
        counts = await self._context.call(_grouped, letters, wanted)
        return json_response(
            [
                {"stage": stage, "exception": exception, "message": message, "count": count}
                for (stage, exception, message), count in counts.most_common()
            ]
        )

    async def export(self, request: Request, members: Members) -> Response:
        """All dead letters that `q`, `stage` and `exception` leave, whole, as JSON lines, oldest first."""
        form, wanted = _form(request), Selected(request.query_params)
        letters = self._letters(members["topic"])
        lines = iterate_in_threadpool(letters.lines(wanted, form))
        return StreamingResponse(lines, media_type="application/x-ndjson")

    async def replay(self, request: Request, members: Members) -> Response:
        """Send dead letters again; gives a job.

        `records` or filters choose (neither: all of the queue); `topic`, `edits`, `dry_run`.
        The dry run reads the first letters with the connector's converters; `tried` says how many.
        """
        body, topic = _object(await request.body()), members["topic"]
        letters, wanted = self._letters(topic), Selected(body)
        owner = self._owners(topic)[0]
        replay = Replay(self._records, self._context.journal, topic, owner, body)
        await self._context.call(replay.check, letters)
        total = await self._context.call(letters.total, wanted)
        if body.get("dry_run"):
            told = await self._context.call(replay.tried, letters.each(wanted), total)
            return json_response(told)
        job = self._jobs.start(
            "replay", topic, total or 0, lambda job: replay.run(letters.each(wanted), job)
        )
        return json_response(job.told(), 202)

    async def discard(self, request: Request, members: Members) -> Response:
        """Hide dead letters: `records` or filters (neither: all), `dry_run`; gives a job."""
        body, topic = _object(await request.body()), members["topic"]
        letters, wanted = self._letters(topic), Selected(body)
        if body.get("dry_run"):
            count, whole = await self._context.call(letters.counted, wanted)
            return json_response({"count": count, "whole": whole})
        total = await self._context.call(letters.total, wanted)
        job = self._jobs.start(
            "discard", topic, total or 0, lambda job: self._hide(letters, wanted, topic, job)
        )
        return json_response(job.told(), 202)

    def _hide(self, letters: Letters, wanted: Selected, topic: str, job: Job) -> None:
        for pairs in letters.each(wanted):
            job.go_on()
            places = [[raw.partition, raw.offset] for _, raw in pairs]
            self._context.journal.discard(topic, places, "discarded")
            job.done += len(places)
            job.total = max(job.total, job.done)
        job.total = job.done

    async def purge(self, request: Request, members: Members) -> Response:
        """Delete a queue's records for good, up to `before` by partition or all; `dry_run`."""
        body = _object(await request.body())
        before = body.get("before", {})
        if not isinstance(before, dict) or not all(
            key.isdigit() and isinstance(offset, int) for key, offset in before.items()
        ):
            raise BadRequestError("before must be an object of offsets by partition.")
        topic = members["topic"]
        self._owners(topic)
        return json_response(await self._context.call(self._purge, topic, body))

    def _purge(self, topic: str, body: Entry) -> Entry:
        with self._records.reader() as reader:
            places = [(topic, number) for number in reader.topics().get(topic, ())]
            bounds = reader.bounds(places)
        before = {partition: high for (_, partition), (_, high) in bounds.items()}
        if "before" in body:
            before = {int(number): offset for number, offset in body["before"].items()}
        count = sum(
            max(0, min(before[partition], high) - low)
            for (_, partition), (low, high) in bounds.items()
            if partition in before
        )
        if not body.get("dry_run") and count:
            purge(self._records.settings(), topic, before)
            self._context.journal.purged(topic, count)
        return {"count": count, "before": {str(key): value for key, value in before.items()}}


def _grouped(letters: Letters, wanted: Selected) -> Counter[tuple[Any, Any, Any]]:
    counts: Counter[tuple[Any, Any, Any]] = Counter()
    for pairs in letters.each(wanted):
        counts.update(
            (letter["stage"], letter["exception"], letter["cause"] or letter["message"])
            for letter, _ in pairs
        )
    return counts


def _form(request: Request) -> str:
    form = request.query_params.get("as", "auto")
    if form not in FORMS:
        raise BadRequestError(f"Unknown form {form}; there are {', '.join(FORMS)}")
    return form


def _object(body: bytes) -> Entry:
    found = object_of(body)
    places = found.get("records")
    if places is not None and not _are_places(places):
        raise BadRequestError("records must be a list of [partition, offset].")
    return found


def _are_places(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, Sequence) and len(pair) == 2 and all(isinstance(n, int) for n in pair)
        for pair in value
    )
