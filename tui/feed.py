"""The one task that keeps the model current: a snapshot, then the event stream, for ever.

Where Kafka Connect itself answers there are no events: it is asked every POLL_S. So is a daemon whose
stream does not come through, which is tried again every STREAM_AGAIN_S. A lost line is tried again after 1,
2, 4, then every 8 s; `retry_now` ends the wait. Runs on the console's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from tui.client import PREFIX, AnswerError, Client, ClientError, UnreachableError
from tui.model import Model

_RELOAD_S: Final = 0.5
POLL_S: Final = 2.0
STREAM_AGAIN_S: Final = 60.0
_SILENT: Final = 2
"""How often in a row the stream may say nothing before snapshots take its place."""
_NOT_FOUND: Final = 404
_BACK_OFF_S: Final = (1.0, 2.0, 4.0, 8.0)


class _StreamError(Exception):
    """The daemon answers, and its stream ended before it said anything."""


class Feed:
    """Link state beside the model: `live`, else `error` and `retry_at_s`; times by `clock`.

    `status` is the HTTP status where the daemon answered, and refused; `stock` says that Kafka Connect
    answers, not ingest-appliance; `polled` that snapshots come, and no events.
    """

    def __init__(self, client: Client, model: Model, clock: Callable[[], float]) -> None:
        self.client = client
        self.live = False
        self.stock = False
        self.polled = False
        self.error: str | None = None
        self.status: int | None = None
        self.retry_at_s = 0.0
        self.heard_s: float | None = None
        self._model = model
        self._clock = clock
        self._again = asyncio.Event()
        self._doubtful = asyncio.Event()
        self._silent = 0

    async def run(self) -> None:
        """Follow the daemon until cancelled."""
        failures = 0
        while True:
            try:
                await self._load()
                failures = 0
                self.polled = not self.stock and self._silent >= _SILENT
                if self.stock:
                    await self._poll(None)
                elif self.polled:
                    await self._poll(STREAM_AGAIN_S)
                    self._silent = _SILENT - 1
                else:
                    await self._follow()
            except _StreamError:
                self._silent += 1
            except ClientError as error:
                self.live = False
                self.error = str(error)
                self.status = error.status if isinstance(error, AnswerError) else None
                wait_s = _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)]
                failures += 1
                await self._wait(wait_s)

    def retry_now(self) -> None:
        """Try the daemon at once, where the feed waits to."""
        self._again.set()

    def reload(self) -> None:
        """Take a new snapshot: what is shown may not be so."""
        self._doubtful.set()

    async def _load(self) -> None:
        try:
            snapshot = await self.client.get(f"{PREFIX}/snapshot")
            self.stock = False
        except AnswerError as error:
            if error.status != _NOT_FOUND:
                raise
            # lazily: most daemons are of this product
            from tui.stock import stock_snapshot

            snapshot = await stock_snapshot(self.client, int(self._clock() * 1000))
            self.stock = True
        if not isinstance(snapshot, dict) or "connectors" not in snapshot:
            raise UnreachableError(
                f"{self.client.url} answers GET {PREFIX}/snapshot with JSON of another kind: this is no "
                "ingest-appliance. Is this the daemon's address? --url or a context names another."
            )
        self._model.load(snapshot)
        self._heard()

    async def _poll(self, span_s: float | None) -> None:
        """Ask again and again, for `span_s` where it is given, else until ingest-appliance answers."""
        loop = asyncio.get_running_loop()
        end_s = None if span_s is None else loop.time() + span_s
        while self.stock if end_s is None else loop.time() < end_s:
            self._doubtful.clear()
            try:
                async with asyncio.timeout(POLL_S):
                    await self._doubtful.wait()
            except TimeoutError:
                pass
            await self._load()

    async def _follow(self) -> None:
        """Take events; what only a snapshot can tell is asked for at most every _RELOAD_S.

        The stream waits meanwhile: an event taken during the request would be undone by its answer.
        """
        loop = asyncio.get_running_loop()
        loaded_s, behind, heard = loop.time(), False, False
        self._doubtful.clear()
        # closed here, not by the garbage collector: the connection goes with it
        async with aclosing(self.client.events(self._model.seq)) as events:
            coming = asyncio.ensure_future(anext(events))
            doubt = asyncio.ensure_future(self._doubtful.wait())
            try:
                while True:
                    wait_s = max(0.0, loaded_s + _RELOAD_S - loop.time()) if behind else None
                    waited = {coming} if behind else {coming, doubt}
                    await asyncio.wait(waited, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                    behind = behind or self._doubtful.is_set()
                    if behind and loop.time() >= loaded_s + _RELOAD_S:
                        self._doubtful.clear()
                        doubt.cancel()
                        doubt = asyncio.ensure_future(self._doubtful.wait())
                        await self._load()
                        loaded_s, behind = loop.time(), False
                    if coming.done():
                        try:
                            event = coming.result()
                        except ClientError as error:
                            if heard:
                                raise
                            raise _StreamError(str(error)) from error
                        heard, self._silent = True, 0
                        self._heard()
                        coming = asyncio.ensure_future(anext(events))
                        if event is not None and not self._model.apply(*event):
                            behind = True
            finally:
                doubt.cancel()
                coming.cancel()
                await asyncio.wait({coming, doubt})

    def _heard(self) -> None:
        self.live = True
        self.error = None
        self.heard_s = self._clock()

    async def _wait(self, wait_s: float) -> None:
        self.retry_at_s = self._clock() + wait_s
        self._again.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self._again.wait()
        except TimeoutError:
            return
