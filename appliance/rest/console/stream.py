"""The event stream: journal entries and rates as server-sent events, resumed by id.

A client that comes with `Last-Event-ID` gets what it missed; where that is forgotten, or where its queue
of `QUEUE` events overflows, it gets `resync` and takes a new snapshot. A comment every `HEARTBEAT_S`
keeps the line alive.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from appliance.clock import SYSTEM_CLOCK
from appliance.journal.journal import Event, Journal

QUEUE: Final = 1000
HEARTBEAT_S: Final = 5.0
RATES_S: Final = 1.0


Letters = Callable[[], Mapping[str, int]]
"""How many letters the tasks that run have written into each dead letter queue."""


async def events(
    journal: Journal,
    last_id: int | None,
    rates: Callable[[], Awaitable[list[Any]]],
    letters: Letters = dict,
) -> AsyncGenerator[bytes, None]:
    """Give the stream; `rates` tells of every task with figures what `snapshot.rates` does.

    `letters` is asked after `rates`, from the same figures.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE)
    overflow = asyncio.Event()

    def put(event: Event) -> None:
        try:
            queue.put_nowait(event)
        except asyncio.QueueFull:
            overflow.set()

    def on_event(event: Event) -> None:
        loop.call_soon_threadsafe(put, event)

    journal.subscribe(on_event)
    try:
        sent = journal.last_id if last_id is None else last_id
        missed, complete = journal.after(sent)
        yield b": stream\nretry: 1000\n\n"
        if not complete or (last_id is not None and last_id > journal.last_id):
            yield _frame("resync", {}, journal.last_id)
            missed = []
            sent = journal.last_id
        for event in missed:
            sent = event.id
            yield _frame(event.type, event.body, event.id)
        async for frame in _follow(queue, overflow, sent, journal, rates, letters):
            yield frame
    finally:
        journal.unsubscribe(on_event)


async def _follow(
    queue: asyncio.Queue[Event],
    overflow: asyncio.Event,
    sent: int,
    journal: Journal,
    rates: Callable[[], Awaitable[list[Any]]],
    letters: Letters,
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    shown: dict[str, Any] = {}
    written: dict[str, int] = {}
    told_s = loop.time()
    due_s = told_s + RATES_S
    while True:
        if overflow.is_set():
            overflow.clear()
            while not queue.empty():
                queue.get_nowait()
            sent = journal.last_id
            yield _frame("resync", {}, sent)
        # by the clock, not after a pause: on a busy stream there is none
        if loop.time() >= due_s:
            changed = [rate for rate in await rates() if shown.get(rate[0]) != rate]
            shown.update((rate[0], rate) for rate in changed)
            if changed:
                told_s = loop.time()
                yield _frame("rates", {"tasks": changed}, None)
            elif loop.time() - told_s >= HEARTBEAT_S:
                told_s = loop.time()
                yield b": beat\n\n"
            for topic, count in letters().items():
                # a task that starts anew counts from 0 again
                new = count - written.get(topic, count)
                written[topic] = count
                if new > 0:
                    told = {"ts": SYSTEM_CLOCK.now_ms(), "key": topic, "new": new}
                    yield _frame("dlq", told, None)
            due_s = loop.time() + RATES_S
        try:
            async with asyncio.timeout_at(due_s):
                found = [await queue.get()]
        except TimeoutError:
            continue
        # what came at the same moment leaves at once: a chunk costs more than the event in it
        while not queue.empty():
            found.append(queue.get_nowait())
        news = [event for event in found if event.id > sent]
        if news:
            sent = news[-1].id
            yield b"".join([_frame(event.type, event.body, event.id) for event in news])


def _frame(type_: str, body: dict[str, Any], id: int | None) -> bytes:
    head = f"id: {id}\n" if id is not None and id >= 0 else ""
    return f"{head}event: {type_}\ndata: {json.dumps(body)}\n\n".encode()
