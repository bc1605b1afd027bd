"""Keys in turn: each goes where the focus is once the one before it has done what it does.

Textual sends a key to what has the focus when it comes and looks for its meaning when it has risen to the
app. What is typed fast, or over a slow line, would overtake the key that opens a line, a form or a question.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from textual.app import App
from textual.events import Key
from textual.message import Message
from textual.screen import Screen

ANSWER_S: Final = 0.5
"""After this time a key counts as answered, whatever became of it."""
HOLD_S: Final = 2.0
"""So long keys wait for what a key has begun to open."""
_LOOK_S: Final = 0.02


class Answered(Message):
    """Follows a key through the same queues; when it reaches the app, the key has been answered."""


class Keyboard:
    """The keys that wait; `forward` gives one to what has the focus."""

    def __init__(self, app: App[Any], forward: Callable[[Key], Awaitable[None]]) -> None:
        self._app = app
        self._forward = forward
        self._waiting: deque[tuple[Key, Screen[Any]]] = deque()
        self._sent_s: float | None = None
        self._opening: Screen[Any] | None = None
        self._opening_s = 0.0

    async def take(self, key: Key) -> None:
        """Take a key that has been typed."""
        self._waiting.append((key, self._app.screen))
        await self._send()

    def answered(self) -> None:
        """Note that the key that was sent has been answered."""
        # after what it has left to the app to do, such as moving the focus
        self._app.call_later(self._go_on)

    async def _go_on(self) -> None:
        self._sent_s = None
        await self._send()

    def holding(self, doing: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None]:
        """Give `doing` to run; from now on keys wait until it opened a screen or ended, or for `HOLD_S`."""
        self._opening, self._opening_s = self._app.screen, time.monotonic()

        async def done() -> None:
            try:
                await doing
            finally:
                self.release()

        return done()

    def release(self) -> None:
        """Let them wait no longer."""
        self._opening = None

    async def _send(self) -> None:
        while self._waiting and not self._must_wait():
            key, typed_on = self._waiting.popleft()
            screen = self._app.screen
            if screen is not typed_on and getattr(screen, "ASKS", False):
                # nobody answers a question that he has not seen
                continue
            target = self._app.focused or screen
            await self._forward(key)
            if target.post_message(Answered()):
                self._sent_s = time.monotonic()
        if self._waiting:
            self._app.set_timer(_LOOK_S, self._send)

    def _must_wait(self) -> bool:
        now_s, screen = time.monotonic(), self._app.screen
        return (
            not screen._is_mounted
            or (self._sent_s is not None and now_s - self._sent_s < ANSWER_S)
            or (self._opening is screen and now_s - self._opening_s < HOLD_S)
        )
