"""Records of topics and dead letter queues as the console shows them.

Names of the context headers: Kafka Connect 4.3.1 DeadLetterQueueReporter. Blocks; used on threads.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.config.providers import Providers
from appliance.config.worker import WorkerConfig
from appliance.errors import BadRequestError, ConfigError, ConnectError
from appliance.herder.entities import HerderSnapshot
from appliance.kafka.clients import worker_client
from appliance.kafka.peek import Raw, Reader
from appliance.kafka.security import Security
from appliance.kafka.sizes import topic_sizes
from appliance.rest.console.payloads import Payloads
from appliance.rest.context import Context

_LOG = logging.getLogger(__name__)
ERRORS: Final = "__connect.errors."
ATTEMPT: Final = "ingest.replay.attempt"
QUEUE_OPTION: Final = "errors.deadletterqueue.topic.name"


class Records:
    """Reads topics on behalf of one worker."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._providers = Providers.from_config(context.config.originals)

    def reader(self) -> Reader:
        """Give a reader, to be used in a `with`."""
        return Reader(self.settings())

    def settings(self) -> dict[str, Any]:
        """Give the settings of the worker's own Kafka clients."""
        return worker_client(self._context.config, "ingest-appliance-console")

    def queues(self, seen: HerderSnapshot) -> dict[str, list[str]]:
        """Give the dead letter topics with the connectors that write into each."""
        found: dict[str, list[str]] = {}
        for name, info in seen.connectors.items():
            topic = info.config.get(QUEUE_OPTION)
            if topic:
                found.setdefault(topic, []).append(name)
        return found

    def sizes(self, reader: Reader) -> dict[str, int]:
        """Give the bytes of each topic, nothing where the brokers do not tell."""
        try:
            security = Security.from_config(self._context.config.client_settings("worker"))
            return topic_sizes(reader.brokers(), security)
        except ConnectError as error:
            _LOG.debug("The sizes of topics are not known. error=%s", error)
            return {}

    def letters(self, topics: Sequence[str]) -> dict[str, int]:
        """Give how many dead letters there are in each queue, hidden ones left out."""
        if not topics:
            return {}
        with self.reader() as reader:
            known = reader.topics()
            places = [(topic, number) for topic in topics for number in known.get(topic, ())]
            bounds = reader.bounds(places)
        counts = dict.fromkeys(topics, 0)
        for (topic, number), (low, high) in bounds.items():
            hidden = self._context.journal.discarded(topic)
            gone = sum(one == number and low <= offset < high for one, offset in hidden)
            counts[topic] += high - low - gone
        return counts

    def payloads(self, connector: str | None) -> Payloads:
        """Give what reads payloads as `connector` would; with the worker's converters for None."""
        info = self._context.herder.snapshot().connectors.get(connector or "")
        given = {} if info is None else {k: v for k, v in info.config.items() if v is not None}
        try:
            given = self._providers.resolve(given)
        except ConfigError:
            # what cannot be resolved is a registry's password at worst: the rest is still readable
            pass
        return Payloads(self._context.plugins, effective(self._context.config, given))


def object_of(body: bytes) -> dict[str, Any]:
    """Give a request's JSON object, an empty one for no body. Raises BadRequestError."""
    try:
        found = json.loads(body) if body else {}
    except ValueError as error:
        raise BadRequestError(f"The body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadRequestError("The body must be a JSON object.")
    return found


def effective(worker: WorkerConfig, given: Mapping[str, str]) -> dict[str, str]:
    """Give the converters' options: a connector that names a converter gives all of them."""
    found: dict[str, str] = {}
    for side in ("key", "value"):
        option = f"{side}.converter"
        source = given if option in given else worker.originals
        found |= {key: text for key, text in source.items() if key.startswith(option)}
    return found


def entry(raw: Raw, payloads: Payloads, form: str, *, whole: bool = False) -> dict[str, Any]:
    """Give a record with its payloads as text; with all their bytes when it is to be `whole`."""
    of_key = form if form == "hex" else "auto"
    show = functools.partial(payloads.show, raw.topic, headers=raw.headers, whole=whole)
    return {
        "topic": raw.topic,
        "partition": raw.partition,
        "offset": raw.offset,
        "ts": raw.timestamp,
        "key": show(raw.key, of_key, is_key=True),
        "value": show(raw.value, form, is_key=False),
        "headers": [[name, header_text(value)] for name, value in raw.headers],
    }


def dead_letter(raw: Raw, payloads: Payloads, form: str, *, whole: bool = False) -> dict[str, Any]:
    """Give a dead letter: the record, where it came from and why it is here."""
    why = envelope(raw)
    origin = why["origin"]
    # the converter that could not read it is asked with the topic that it came from
    asked = raw if origin is None else raw._replace(topic=str(origin["topic"]))
    return {**entry(asked, payloads, form, whole=whole), **why}


def envelope(raw: Raw) -> dict[str, Any]:
    """Give what is known of a dead letter without its payloads."""
    context = {
        name.removeprefix(ERRORS): header_text(value)
        for name, value in raw.headers
        if name.startswith(ERRORS)
    }
    origin = None
    if "topic" in context:
        origin = {
            "topic": context["topic"],
            "partition": _number(context.get("partition")),
            "offset": _number(context.get("offset")),
        }
    headers = [
        [name, header_text(value)] for name, value in raw.headers if not name.startswith(ERRORS)
    ]
    exception = (context.get("exception.class.name") or "").rpartition(".")[2]
    return {
        "topic": raw.topic,
        "partition": raw.partition,
        "offset": raw.offset,
        "ts": raw.timestamp,
        "headers": headers,
        "origin": origin,
        "connector": context.get("connector.name"),
        "task": _number(context.get("task.id")),
        "stage": context.get("stage"),
        "class": context.get("class.name"),
        "exception": exception or None,
        "message": context.get("exception.message"),
        "trace": context.get("exception.stacktrace"),
        "cause": _cause(context.get("exception.stacktrace")),
        "attempts": _number({str(name): value for name, value in headers}.get(ATTEMPT)) or 0,
    }


def header_text(value: bytes | None) -> str | None:
    """Give a header's value as text, hex where it is none."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex(" ")


def _cause(trace: str | None) -> str | None:
    lines = [line for line in (trace or "").splitlines() if line.startswith("Caused by: ")]
    return lines[-1].removeprefix("Caused by: ") if lines else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.lstrip("-").isdigit() else None
