"""What is remembered of schemas, so that many of them do not fill the memory."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(dict[K, V]):
    """A map of the entries that came last; reading costs what it costs in any map."""

    def __init__(self, most: int) -> None:
        """Keep `most` entries, one at least."""
        super().__init__()
        self._most = max(1, most)

    def __setitem__(self, key: K, value: V) -> None:
        """Set an entry; the oldest goes when there are too many."""
        super().__setitem__(key, value)
        if len(self) > self._most:
            del self[next(iter(self))]
