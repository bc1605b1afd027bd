"""Replay: dead letters sent again, to the topic they came from or to another one.

A replayed record keeps key, value, timestamp and its own headers; the error headers go, and a header counts
the attempts. What has been delivered is hidden from the queue like a discarded letter. Blocks.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.errors import BadRequestError, ConnectError
from appliance.journal.journal import Journal
from appliance.kafka.library import KafkaException, Producer
from appliance.kafka.peek import Raw
from appliance.kafka.topics import create_topic
from appliance.rest.console.jobs import Job
from appliance.rest.console.records import ATTEMPT, ERRORS, Records

_BATCH: Final = 500
_FLUSH_S: Final = 30.0

Letter = Mapping[str, Any]
Pairs = Sequence[tuple[Letter, Raw]]


class Replay:
    """One replay; `body` has `topic` (default: each letter's origin) and `edits` by `partition:offset`."""

    def __init__(
        self,
        records: Records,
        journal: Journal,
        queue: str,
        owner: str,
        body: Mapping[str, Any],
    ) -> None:
        """Raises BadRequestError for an edit that cannot be read."""
        self._records = records
        self._journal = journal
        self._queue = queue
        self._owner = owner
        self._topic = body.get("topic")
        self._edits: dict[str, bytes | None] = {}
        for place, edit in dict(body.get("edits") or {}).items():
            self._edits[place] = _payload(place, edit)

    def tried(self, pairs: Pairs) -> dict[str, Any]:
        """Say what would happen: how many the connector's converters read now, and what still fails."""
        payloads = self._records.payloads(self._owner)
        failing = []
        targets: dict[str, int] = {}
        homeless = 0
        for letter, raw in pairs:
            topic = self._target(letter)
            if topic is None:
                homeless += 1
                continue
            targets[topic] = targets.get(topic, 0) + 1
            why = payloads.decodes(topic, raw.key, is_key=True, headers=raw.headers)
            why = why or payloads.decodes(
                topic, self._value(raw), is_key=False, headers=raw.headers
            )
            if why is not None:
                place = {"partition": raw.partition, "offset": raw.offset}
                failing.append({**place, "error": why})
        return {
            "count": len(pairs),
            "decode": len(pairs) - homeless - len(failing),
            "still_failing": len(failing),
            "without_origin": homeless,
            "failures": failing[:100],
            "targets": targets,
        }

    def run(self, pairs: Pairs, job: Job) -> None:
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
        for at in range(0, len(pairs), _BATCH):
            if job.cancelled:
                return
            delivered: list[list[int]] = []
            for letter, raw in pairs[at : at + _BATCH]:
                self._send(producer, letter, raw, job, delivered)
            if producer.flush(_FLUSH_S):
                raise ConnectError(
                    f"replaying {self._queue}: the broker did not take every record within "
                    f"{_FLUSH_S:.0f} s; what was delivered is hidden, replay the rest again"
                )
            if delivered:
                self._journal.discard(self._queue, delivered, "replayed")

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
        return self._edits.get(f"{raw.partition}:{raw.offset}", raw.value)


def _payload(place: str, edit: Any) -> bytes | None:
    """Read an edit: text, or `{"base64": ...}`, None for a null value."""
    if edit is None or isinstance(edit, str):
        return None if edit is None else edit.encode()
    try:
        return base64.b64decode(edit["base64"], validate=True)
    except (KeyError, TypeError, binascii.Error) as error:
        raise BadRequestError(
            f"The edit of {place} is neither text nor an object with base64."
        ) from error
