"""Replay: dead letters sent again, to the topic they came from or to another one.

A replayed record keeps key, value, timestamp and its own headers; the error headers go, and a header counts
the attempts. What has been delivered is hidden from the queue like a discarded letter. Blocks.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.errors import BadRequestError, ConnectError
from appliance.journal.journal import Journal
from appliance.kafka.library import KafkaException, Producer
from appliance.kafka.peek import Raw
from appliance.kafka.topics import create_topic
from appliance.rest.console.jobs import Job
from appliance.rest.console.letters import COUNTED_S, Letters, Pairs
from appliance.rest.console.records import ATTEMPT, ERRORS, Records

_FLUSH_S: Final = 30.0
TRIED: Final = 5000
"""How many letters a dry run reads."""

Letter = Mapping[str, Any]


class Replay:
    """One replay; `body` has `topic` (default: each letter's origin) and `edits` by `partition:offset`."""

    def __init__(
        self,
        records: Records,
        journal: Journal,
        queue: str,
        owner: str,
        body: Mapping[str, Any],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Raises BadRequestError for an edit that cannot be read."""
        self._records = records
        self._journal = journal
        self._queue = queue
        self._owner = owner
        self._topic = body.get("topic")
        self._clock = clock
        edits = body.get("edits") or {}
        if not isinstance(edits, dict):
            raise BadRequestError("edits must be an object by partition:offset.")
        self._edits = {place: Edit(place, given) for place, given in edits.items()}

    def check(self, letters: Letters) -> None:
        """Raise BadRequestError for an edit of a letter that is gone, or made from a part of it."""
        for edit in self._edits.values():
            letter = letters.one(*edit.place, "hex")
            if letter is None:
                raise BadRequestError(f"{self._queue} has no record {edit.name} any more.")
            edit.check(int(letter["value"]["size"]))

    def tried(self, pieces: Iterable[Pairs], total: int | None) -> dict[str, Any]:
        """Say what would happen: how many the connector's converters read now, and what still fails.

        The first TRIED letters are read; of the others, and after COUNTED_S, only `total` tells (None: not
        known), and `whole` says whether all were looked at.
        """
        payloads = self._records.payloads(self._owner)
        end_s = self._clock.monotonic_s() + COUNTED_S
        failing = []
        targets: dict[str, int] = {}
        count = tried = homeless = 0
        whole = True
        for letter, raw in itertools.chain.from_iterable(pieces):
            if self._clock.monotonic_s() > end_s:
                whole = False
                break
            count += 1
            topic = self._target(letter)
            if topic is None:
                homeless += 1
                continue
            targets[topic] = targets.get(topic, 0) + 1
            if tried == TRIED:
                continue
            tried += 1
            why = payloads.decodes(topic, raw.key, is_key=True, headers=raw.headers)
            why = why or payloads.decodes(
                topic, self._value(raw), is_key=False, headers=raw.headers
            )
            if why is not None:
                place = {"partition": raw.partition, "offset": raw.offset}
                failing.append({**place, "error": why})
        return {
            "count": count if whole or total is None else total,
            "whole": whole,
            "tried": tried,
            "decode": tried - len(failing),
            "still_failing": len(failing),
            "without_origin": homeless,
            "failures": failing[:100],
            "targets": targets,
        }

    def run(self, pieces: Iterable[Pairs], job: Job) -> None:
        """Send them. Raises ConnectError when the broker takes nothing any more."""
        if self._topic:
            create_topic(self._records.settings(), str(self._topic), 1, -1)
        producer = Producer(
            {
                **self._records.settings(),
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
            }
        )
        seen = 0
        for pairs in pieces:
            job.go_on()
            seen += len(pairs)
            job.total = max(job.total, seen)
            delivered: list[list[int]] = []
            for letter, raw in pairs:
                self._send(producer, letter, raw, job, delivered)
            left = producer.flush(_FLUSH_S)
            if delivered:
                self._journal.discard(self._queue, delivered, "replayed")
            if left:
                raise ConnectError(
                    f"replaying {self._queue}: the broker did not take every record within "
                    f"{_FLUSH_S:.0f} s; what was delivered is hidden, replay the rest again"
                )
        job.total = seen

    def _send(
        self, producer: Any, letter: Letter, raw: Raw, job: Job, delivered: list[list[int]]
    ) -> None:
        def on_delivery(error: Any, _message: Any) -> None:
            if error is None:
                job.done += 1
                delivered.append([raw.partition, raw.offset])
            else:
                job.failed += 1
                job.error = str(error.str())

        topic = self._target(letter)
        if topic is None:
            job.failed += 1
            return
        headers = [pair for pair in raw.headers if not pair[0].startswith((ERRORS, ATTEMPT))]
        headers.append((ATTEMPT, str(int(letter["attempts"]) + 1).encode()))
        try:
            producer.produce(
                topic,
                self._value(raw),
                raw.key,
                timestamp=raw.timestamp or 0,
                headers=headers,
                on_delivery=on_delivery,
            )
        except (BufferError, KafkaException) as error:
            job.failed += 1
            job.error = str(error)

    def _target(self, letter: Letter) -> str | None:
        if self._topic:
            return str(self._topic)
        return letter["origin"]["topic"] if letter["origin"] else None

    def _value(self, raw: Raw) -> bytes | None:
        edit = self._edits.get(f"{raw.partition}:{raw.offset}")
        return raw.value if edit is None else edit.value


class Edit:
    """A payload instead of a letter's: text, null, or an object with `text` or `base64`.

    In an object `from_size` says how many bytes the payload had from which it was made.
    """

    def __init__(self, name: str, given: Any) -> None:
        """Raises BadRequestError for what cannot be read."""
        partition, _, offset = name.partition(":")
        if not (partition.isdigit() and offset.isdigit()):
            raise BadRequestError(f"The edit of {name}: give partition:offset.")
        self.name = name
        self.place = int(partition), int(offset)
        self._from_size = given.get("from_size") if isinstance(given, dict) else None
        self.value = _payload(name, given)

    def check(self, size: int) -> None:
        """Raise BadRequestError when it was made from another number of bytes than there are."""
        if self._from_size is not None and self._from_size != size:
            raise BadRequestError(
                f"The edit of {self.name} was made from {self._from_size} of its {size} bytes: it would "
                "cut the record. Read it whole, at records/{partition}/{offset}, and edit that."
            )


def _payload(place: str, edit: Any) -> bytes | None:
    if edit is None or isinstance(edit, str):
        return None if edit is None else edit.encode()
    try:
        if isinstance(edit.get("text"), str):
            return str(edit["text"]).encode()
        return base64.b64decode(edit["base64"], validate=True)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadRequestError(
            f"The edit of {place} is neither text nor an object with text or base64."
        ) from error
