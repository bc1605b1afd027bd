r"""Lines out of a growing file: whole lines only, with the byte position after each.

Terminators are `\n`, `\r\n` and a lone `\r`, as in Kafka Connect 4.3.1 FileStreamSourceTask; a `\r` at
the end of what is there waits for the next byte. Positions are bytes (the Java task skips bytes by a count of
characters, which goes wrong after the first accent).
"""

from __future__ import annotations

import itertools
import re
from typing import Final

_TERMINATOR: Final = re.compile(rb"\r\n|\n|\r(?!\Z)")


class LineBuffer:
    """Bytes read and not yet given out; `position` is where the first of them stands in the file."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._text = b""
        self._lines: list[bytes] = []
        self._ends: list[int] = []
        self._given = 0

    @property
    def end(self) -> int:
        """Give where the next read must begin."""
        return (self._ends[-1] if self._ends else self.position) + len(self._text)

    def feed(self, data: bytes) -> None:
        """Take what was read at `end`."""
        start = self._ends[-1] if self._ends else self.position
        text = self._text + data
        if b"\r" in text:
            self._split_any(text, start)
            return
        lines = text.split(b"\n")
        self._text = lines.pop()
        self._lines += lines
        ends = itertools.accumulate((len(line) + 1 for line in lines), initial=start)
        self._ends += itertools.islice(ends, 1, None)

    def _split_any(self, text: bytes, start: int) -> None:
        at = 0
        for match in _TERMINATOR.finditer(text):
            self._lines.append(text[at : match.start()])
            at = match.end()
            self._ends.append(start + at)
        self._text = text[at:]

    def take(self, limit: int) -> tuple[list[bytes], list[int]]:
        """Give up to `limit` whole lines and the position after each."""
        low, high = self._given, self._given + limit
        lines, ends = self._lines[low:high], self._ends[low:high]
        self._given += len(lines)
        if ends:
            self.position = ends[-1]
        if self._given >= len(self._lines):
            self._lines, self._ends, self._given = [], [], 0
        return lines, ends

    def __bool__(self) -> bool:
        """Whether a whole line is there."""
        return self._given < len(self._lines)
