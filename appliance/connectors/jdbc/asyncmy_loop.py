"""asyncmy on a private event loop: the fast MySQL/MariaDB driver behind a plain, blocking interface.

The only module outside the REST layer that uses asyncio. asyncmy decodes rows in C at a twentieth of
PyMySQL's cost; the loop runs only while a call is under way, on the calling thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncmy
from asyncmy.cursors import SSCursor


class AsyncmyConnection:
    """One blocking connection; arguments as for `asyncmy.connect`."""

    def __init__(self, **arguments: Any) -> None:
        """Connect. Raises asyncmy's errors."""
        self._loop = asyncio.new_event_loop()
        try:
            self._connection = self._run(asyncmy.connect(**arguments))
        except BaseException:
            self._loop.close()
            raise
        self._cursor: Any = None

    def _run(self, awaitable: Any) -> Any:
        async def wait() -> Any:
            return await awaitable

        return self._loop.run_until_complete(wait())

    def execute(self, sql: str, binds: Sequence[Any]) -> Any:
        """Run a statement; give its result fields (name, type_code, flags, length, scale, charsetnr)."""
        self._cursor = self._connection.cursor(SSCursor)
        self._run(self._cursor.execute(sql, tuple(binds) or None))
        return self._cursor._result.fields

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        """Give up to `count` rows of the running statement; [] at the end."""
        rows = self._run(self._cursor.fetchmany(count))
        return rows if isinstance(rows, list) else list(rows or ())

    def finish(self) -> None:
        """Drop the rest of the running statement's result."""
        if self._cursor is not None:
            cursor, self._cursor = self._cursor, None
            self._run(cursor.close())

    def commit(self) -> None:
        """End the transaction."""
        self._run(self._connection.commit())

    def close(self) -> None:
        """Close at once, without a word to the server, so that an unread result cannot block."""
        self._cursor = None
        try:
            self._connection.close()
            self._loop.run_until_complete(asyncio.sleep(0))
        finally:
            self._loop.close()
