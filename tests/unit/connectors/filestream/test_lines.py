"""Lines of a growing file, whatever the chunks."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from appliance.connectors.filestream.lines import LineBuffer

TEXT = st.lists(st.sampled_from([b"a", b"\xc3\xa9", b"\n", b"\r", b"\r\n", b" "])).map(b"".join)


@given(TEXT, st.lists(st.integers(1, 5)), st.integers(1, 4))
def test_lines_and_positions_do_not_depend_on_chunks(text: bytes, cuts: list[int], limit: int):
    """Whole lines, each with the position behind its terminator; the rest waits."""
    buffer = LineBuffer(0)
    lines: list[bytes] = []
    ends: list[int] = []

    def take() -> None:
        while buffer:
            some, positions = buffer.take(limit)
            assert len(some) <= limit
            lines.extend(some)
            ends.extend(positions)

    at = 0
    for size in [*cuts, len(text)]:
        buffer.feed(text[at : at + size])
        at += size
        take()
    matches = list(re.finditer(rb"(.*?)(\r\n|\n|\r(?!\Z))", text, re.DOTALL))
    assert lines == [match[1] for match in matches]
    assert ends == [match.end() for match in matches]
    assert buffer.end == len(text)
    assert buffer.position == (ends[-1] if ends else 0)
