"""`/appliance/v1/dlq`: dead letter queues, their records with what went wrong, replay, discard, purge.

Kafka deletes no single record: discarded and replayed ones are hidden by an index in the journal; purge
deletes a partition's records up to an offset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.clock import SYSTEM_CLOCK
from appliance.errors import BadRequestError
from appliance.kafka.peek import Raw, purge
from appliance.rest.answers import json_response
from appliance.rest.console.jobs import Jobs
from appliance.rest.console.payloads import FORMS
from appliance.rest.console.records import Records, dead_letter, object_of
from appliance.rest.console.replay import Replay
from appliance.rest.context import Context
from appliance.rest.errors import RestError
from appliance.rest.routing import Route
from appliance.rest.users import Role

HOUR_MS: Final = 3_600_000
_MOST: Final = 5000
_SCANNED: Final = 5000

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


class Selected:
    """Which dead letters a request means: places, or what the filters leave."""

    def __init__(self, query: Mapping[str, Any]) -> None:
        self._stage = query.get("stage")
        self._exception = query.get("exception")
        self._text = str(query.get("q") or "").lower()
        places = query.get("records")
        self._places = None if places is None else {(int(p), int(o)) for p, o in places}

    def __call__(self, letter: Entry) -> bool:
        """Tell whether the letter is meant."""
        if self._places is not None:
            return (letter["partition"], letter["offset"]) in self._places
        if self._stage and letter["stage"] != self._stage:
            return False
        if self._exception and letter["exception"] != self._exception:
            return False
        if not self._text:
            return True
        words = [
            letter["key"]["text"],
            letter["value"]["text"],
            letter["message"],
            letter["cause"],
        ]
        words += [str(value) for _, value in letter["headers"]]
        origin = letter["origin"]
        words.append(
            f"{origin['topic']}/{origin['partition']}@{origin['offset']}" if origin else ""
        )
        return self._text in "\n".join(word or "" for word in words).lower()


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
        """Dead letters, newest first; `q`, `stage`, `exception` choose, `as` says how to read them."""
        limit = request.query_params.get("limit", "")
        count = min(int(limit), _MOST) if limit.isdigit() else 200
        letters = await self._letters(request, members)
        return json_response(letters[:count])

    async def record(self, request: Request, members: Members) -> Response:
        """One dead letter, hidden or not; `as` says how to read it."""
        place = members["partition"], members["offset"]
        if not all(number.isdigit() for number in place):
            raise RestError(404, f"{place[0]}@{place[1]} is no partition and offset.")
        found = await self._context.call(
            self._one, members["topic"], int(place[0]), int(place[1]), _form(request)
        )
        if found is None:
            raise RestError(
                404, f"{members['topic']} has no record {place[0]}@{place[1]} any more."
            )
        return json_response(found)

    def _one(self, topic: str, partition: int, offset: int, form: str) -> Entry | None:
        payloads = self._records.payloads(self._owners(topic)[0])
        with self._records.reader() as reader:
            raw = reader.at(topic, partition, offset)
        gone = (partition, offset) in self._context.journal.discarded(topic)
        return None if raw is None else {**dead_letter(raw, payloads, form), "discarded": gone}

    async def _letters(self, request: Request, members: Members) -> list[Entry]:
        form = _form(request)
        wanted = Selected(request.query_params)
        with_hidden = request.query_params.get("discarded") == "true"
        return await self._context.call(self._read, members["topic"], form, wanted, with_hidden)

    def _read(
        self, topic: str, form: str, wanted: Selected, with_hidden: bool = False
    ) -> list[Entry]:
        return [letter for letter, _ in self._pairs(topic, form, wanted, with_hidden)]

    def _pairs(
        self, topic: str, form: str, wanted: Selected, with_hidden: bool = False
    ) -> list[tuple[Entry, Raw]]:
        owners = self._owners(topic)
        payloads = self._records.payloads(owners[0])
        hidden = self._context.journal.discarded(topic)
        with self._records.reader() as reader:
            raws = reader.newest(topic, _SCANNED)
        found = []
        for raw in raws:
            gone = (raw.partition, raw.offset) in hidden
            if gone and not with_hidden:
                continue
            letter = {**dead_letter(raw, payloads, form), "discarded": gone}
            if wanted(letter):
                found.append((letter, raw))
        return found

    def _owners(self, topic: str) -> list[str]:
        owners = self._records.queues(self._context.herder.snapshot()).get(topic)
        if owners is None:
            raise RestError(404, f"No connector has {topic} as its dead letter queue.")
        return owners

    async def groups(self, request: Request, members: Members) -> Response:
        """How many dead letters there are of each stage and error."""
        letters = await self._letters(request, members)
        counts = Counter(
            (letter["stage"], letter["exception"], letter["cause"] or letter["message"])
            for letter in letters
        )
        return json_response(
            [
                {"stage": stage, "exception": exception, "message": message, "count": count}
                for (stage, exception, message), count in counts.most_common()
            ]
        )

    async def export(self, request: Request, members: Members) -> Response:
        """Dead letters as they are listed, all that `q`, `stage` and `exception` leave."""
        return json_response(await self._letters(request, members))

    async def replay(self, request: Request, members: Members) -> Response:
        """Send dead letters again: `records` or filters, `topic`, `edits`, `dry_run`; gives a job."""
        body = _object(await request.body())
        topic = members["topic"]
        pairs = await self._context.call(self._pairs, topic, "auto", Selected(body))
        owner = self._owners(topic)[0]
        replay = Replay(self._records, self._context.journal, topic, owner, body)
        if body.get("dry_run"):
            return json_response(await self._context.call(replay.tried, pairs))
        job = self._jobs.start("replay", topic, len(pairs), lambda job: replay.run(pairs, job))
        return json_response(job.told(), 202)

    async def discard(self, request: Request, members: Members) -> Response:
        """Hide dead letters: `records` or filters, `dry_run`."""
        body = _object(await request.body())
        topic = members["topic"]
        letters = await self._context.call(self._read, topic, "auto", Selected(body))
        places = [[letter["partition"], letter["offset"]] for letter in letters]
        if not body.get("dry_run") and places:
            self._context.journal.discard(topic, places, "discarded")
        return json_response({"count": len(places), "records": places})

    async def purge(self, request: Request, members: Members) -> Response:
        """Delete a queue's records for good, up to `before` by partition or all; `dry_run`."""
        body = _object(await request.body())
        topic = members["topic"]
        self._owners(topic)
        return json_response(await self._context.call(self._purge, topic, body))

    def _purge(self, topic: str, body: Entry) -> Entry:
        with self._records.reader() as reader:
            places = [(topic, number) for number in reader.topics().get(topic, ())]
            bounds = reader.bounds(places)
        before = {partition: high for (_, partition), (_, high) in bounds.items()}
        if "before" in body:
            before = {int(number): int(offset) for number, offset in body["before"].items()}
        count = sum(
            max(0, min(before[partition], high) - low)
            for (_, partition), (low, high) in bounds.items()
            if partition in before
        )
        if not body.get("dry_run") and count:
            purge(self._records.settings(), topic, before)
            self._context.journal.purged(topic, count)
        return {"count": count, "before": {str(key): value for key, value in before.items()}}


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
