"""Records of a topic as they come, as server-sent events.

A look, not a copy: of a topic that is faster than `MOST` records in `EVERY_S` some are left out, which an
event `skipped` says. The consumer lives on threads, one call at a time.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from appliance.errors import ConnectError
from appliance.kafka.peek import Raw, Reader
from appliance.rest.console.records import Records

MOST: Final = 100
EVERY_S: Final = 0.25
_WAIT_S: Final = 1.0
_BEAT_S: Final = 5.0

Entry = dict[str, Any]


class Tail:
    """One follower's consumer; `close` may come while `more` waits."""

    def __init__(
        self,
        records: Records,
        topic: str,
        partition: int | None,
        shown: Callable[[Raw], Entry],
    ) -> None:
        self._records = records
        self._shown = shown
        self._topic = topic
        self._partition = partition
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._closed = False

    def more(self) -> tuple[list[Entry], bool]:
        """Give what has come, and whether some of it was left out. Raises ConnectError."""
        with self._lock:
            if self._closed:
                return [], False
            if self._reader is None:
                self._reader = self._records.reader()
                self._reader.go_to_end(self._topic, self._partition)
            found = self._reader.coming(MOST, _WAIT_S)
            skipped = len(found) == MOST
            if skipped:
                self._reader.go_to_end(self._topic, self._partition)
        # payloads are read here and not on the event loop: a registry may be asked for their schemas
        return [self._shown(raw) for raw in found], skipped

    def close(self) -> None:
        """End the consumer."""
        with self._lock:
            self._closed = True
            if self._reader is not None:
                self._reader.close()


async def followed(tail: Tail, words: str) -> AsyncIterator[bytes]:
    """Give an event for each record that holds `words`, until the client leaves."""
    loop = asyncio.get_running_loop()
    told_s = loop.time()
    yield b": stream\n\n"
    try:
        while True:
            records, skipped = await asyncio.to_thread(tail.more)
            found = [record for record in records if words in record_text(record)]
            for record in found:
                yield _frame("record", record)
            if skipped:
                yield _frame("skipped", {})
            if found:
                told_s = loop.time()
            elif loop.time() - told_s >= _BEAT_S:
                told_s = loop.time()
                yield b": beat\n\n"
            await asyncio.sleep(EVERY_S)
    except ConnectError as error:
        yield _frame("failed", {"message": str(error)})
    finally:
        # not waited for: who has left cancels whatever is awaited here
        loop.run_in_executor(None, tail.close)


def record_text(record: Entry) -> str:
    """Give what a query is looked for in: key, value and headers."""
    words = [record["key"]["text"], record["value"]["text"]]
    words += [f"{name}={value}" for name, value in record["headers"]]
    return "\n".join(word or "" for word in words).lower()


def _frame(type_: str, body: Entry) -> bytes:
    return f"event: {type_}\ndata: {json.dumps(body)}\n\n".encode()
