"""The event stream: journal entries and rates as server-sent events, resumed by id.

A client that comes with `Last-Event-ID` gets what it missed; where that is forgotten, or where its queue
of `QUEUE` events overflows, it gets `resync` and takes a new snapshot. A comment every `HEARTBEAT_S`
keeps the line alive.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final

from appliance.journal.journal import Event, Journal

QUEUE: Final = 1000
HEARTBEAT_S: Final = 5.0
RATES_S: Final = 1.0


async def events(
    journal: Journal, last_id: int | None, rates: Callable[[], list[Any]]
) -> AsyncGenerator[bytes, None]:
    """Give the stream; `rates` tells (task, records per second, lag) of every task that has figures."""
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
        async for frame in _follow(queue, overflow, sent, journal, rates):
            yield frame
    finally:
        journal.unsubscribe(on_event)


async def _follow(
    queue: asyncio.Queue[Event],
    overflow: asyncio.Event,
    sent: int,
    journal: Journal,
    rates: Callable[[], list[Any]],
) -> AsyncIterator[bytes]:
    shown: dict[str, Any] = {}
    quiet_s = 0.0
    while True:
        if overflow.is_set():
            overflow.clear()
            while not queue.empty():
                queue.get_nowait()
            sent = journal.last_id
            yield _frame("resync", {}, sent)
        try:
            async with asyncio.timeout(RATES_S):
                event = await queue.get()
        except TimeoutError:
            changed = [rate for rate in rates() if shown.get(rate[0]) != rate]
            shown.update((rate[0], rate) for rate in changed)
            quiet_s += RATES_S
            if changed:
                quiet_s = 0.0
                yield _frame("rates", {"tasks": changed}, None)
            elif quiet_s >= HEARTBEAT_S:
                quiet_s = 0.0
                yield b": beat\n\n"
            continue
        if event.id > sent:
            sent = event.id
            yield _frame(event.type, event.body, event.id)


def _frame(type_: str, body: dict[str, Any], id: int | None) -> bytes:
    head = f"id: {id}\n" if id is not None and id >= 0 else ""
    return f"{head}event: {type_}\ndata: {json.dumps(body)}\n\n".encode()
