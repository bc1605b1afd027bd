"""The letters of a dead letter queue: which are meant, pages of them, all of them piece by piece. Blocks."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.errors import BadRequestError, ConnectError
from appliance.journal.journal import Journal
from appliance.kafka.peek import Raw, Reader, Spans
from appliance.rest.console.payloads import Payloads
from appliance.rest.console.records import Records, dead_letter, envelope

_SCANNED: Final = 50_000
"""How many letters a filtered page looks at before it gives what it has."""
COUNTED_S: Final = 15.0
"""How long a dry run looks at letters."""
_NEAR: Final = 500

Entry = dict[str, Any]
Pairs = list[tuple[Entry, Raw]]
Place = tuple[int, int]


class Selected:
    """Which dead letters a request means: places, or what the filters leave."""

    def __init__(self, query: Mapping[str, Any]) -> None:
        self._stage = query.get("stage")
        self._exception = query.get("exception")
        self._text = str(query.get("q") or "").lower()
        places = query.get("records")
        self.places: set[Place] | None = (
            None if places is None else {(int(p), int(o)) for p, o in places}
        )

    @property
    def all(self) -> bool:
        """Tell whether every letter is meant."""
        return self.places is None and not (self._stage or self._exception or self._text)

    @property
    def reads(self) -> bool:
        """Tell whether payloads must be read to know."""
        return self.places is None and bool(self._text)

    def __call__(self, letter: Mapping[str, Any]) -> bool:
        """Tell whether the letter is meant."""
        if self.places is not None:
            return (letter["partition"], letter["offset"]) in self.places
        if self._stage and letter["stage"] != self._stage:
            return False
        if self._exception and letter["exception"] != self._exception:
            return False
        if not self._text:
            return True
        words = [
            letter["key"]["text"],
            letter["value"]["text"],
            letter["message"],
            letter["cause"],
        ]
        words += [str(value) for _, value in letter["headers"]]
        origin = letter["origin"]
        words.append(
            f"{origin['topic']}/{origin['partition']}@{origin['offset']}" if origin else ""
        )
        return self._text in "\n".join(word or "" for word in words).lower()


class Letters:
    """The letters of one queue, read as its first connector would."""

    def __init__(
        self,
        records: Records,
        journal: Journal,
        topic: str,
        payloads: Payloads,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._records = records
        self._journal = journal
        self._topic = topic
        self._payloads = payloads
        self._clock = clock

    def page(
        self,
        wanted: Selected,
        form: str,
        limit: int,
        after: Mapping[int, int],
        *,
        with_hidden: bool = False,
    ) -> list[Entry]:
        """Give at most `limit` letters, newest first, in each partition those before `after`.

        They are newest first within their partition; beside each other those with the later time. So a
        page ends in each partition at its last letter, and nothing is between two pages.
        """
        hidden = self._journal.discarded(self._topic)
        passed = frozenset[Place]() if with_hidden else hidden
        found: list[Entry] = []
        looked = 0
        with self._records.reader() as reader:
            bounds = self._bounds(reader)
            ends = {n: min(high, after.get(n, high)) for n, (_, high) in bounds.items()}
            while len(found) < limit and looked < _SCANNED:
                raws, ends = self._window(reader, bounds, ends, passed, limit)
                if not raws:
                    break
                looked += len(raws)
                for raw in raws:
                    if (raw.partition, raw.offset) in passed:
                        continue
                    gone = (raw.partition, raw.offset) in hidden
                    letter = {**dead_letter(raw, self._payloads, form), "discarded": gone}
                    if wanted(letter):
                        found.append(letter)
                        if len(found) == limit:
                            break
        return found

    def _window(
        self,
        reader: Reader,
        bounds: Spans,
        ends: Mapping[int, int],
        passed: frozenset[Place],
        limit: int,
    ) -> tuple[list[Raw], dict[int, int]]:
        """Give the newest records before `ends`, at least `limit` that count if there are; and new ends."""
        ends = dict(ends)
        while True:
            starts = {
                number: _start(number, low, ends[number], passed, limit)
                for number, (low, _) in bounds.items()
            }
            spans = {number: (start, ends[number]) for number, start in starts.items()}
            raws, complete = reader.span(self._topic, spans)
            if not complete:
                if limit == 1:
                    raise ConnectError(f"reading the newest letters of {self._topic}: too slow")
                # too much for one look: the newest of them come with fewer
                limit = max(1, limit // 4)
            elif raws or all(starts[number] == low for number, (low, _) in bounds.items()):
                break
            else:
                # nothing but gaps in it
                ends = starts
        kept: list[Raw] = []
        count = 0
        for raw in _newest_first(raws):
            if count >= limit:
                break
            kept.append(raw)
            ends[raw.partition] = raw.offset
            count += (raw.partition, raw.offset) not in passed
        return kept, ends

    def one(self, partition: int, offset: int, form: str) -> Entry | None:
        """Give one letter with all its bytes, hidden or not; None when it is not there (any more)."""
        with self._records.reader() as reader:
            raw = reader.at(self._topic, partition, offset)
        if raw is None:
            return None
        gone = (partition, offset) in self._journal.discarded(self._topic)
        return {**dead_letter(raw, self._payloads, form, whole=True), "discarded": gone}

    def total(self, wanted: Selected) -> int | None:
        """Give how many letters are meant as far as offsets tell, None when a filter decides."""
        if wanted.places is None and not wanted.all:
            return None
        hidden = self._journal.discarded(self._topic)
        with self._records.reader() as reader:
            bounds = self._bounds(reader)
        if wanted.places is not None:
            return sum(_within(bounds, place) for place in wanted.places - hidden)
        gone = sum(_within(bounds, place) for place in hidden)
        return sum(high - low for low, high in bounds.values()) - gone

    def each(self, wanted: Selected) -> Iterator[Pairs]:
        """Give all letters that are meant, oldest first, piece by piece; those that come later are not.

        Payloads are read only where `wanted` asks for them.
        """
        with self._records.reader() as reader:
            bounds = self._bounds(reader)
            for spans in _spans(bounds, wanted.places):
                for raws in reader.scan(self._topic, spans):
                    hidden = self._journal.discarded(self._topic)
                    pairs = [
                        (letter, raw)
                        for raw in raws
                        if (raw.partition, raw.offset) not in hidden
                        and wanted(letter := self._letter(raw, wanted))
                    ]
                    if pairs:
                        yield pairs

    def lines(self, wanted: Selected, form: str) -> Iterator[bytes]:
        """Give each letter that is meant, whole, as a line of JSON."""
        for pairs in self.each(wanted):
            for _, raw in pairs:
                letter = dead_letter(raw, self._payloads, form, whole=True)
                yield msgspec.json.encode({**letter, "discarded": False}) + b"\n"

    def counted(self, wanted: Selected) -> tuple[int, bool]:
        """Give how many letters are meant, and whether all of the queue was looked at for it."""
        total = self.total(wanted)
        if total is not None:
            return total, True
        end_s = self._clock.monotonic_s() + COUNTED_S
        count = 0
        for pairs in self.each(wanted):
            count += len(pairs)
            if self._clock.monotonic_s() > end_s:
                return count, False
        return count, True

    def _letter(self, raw: Raw, wanted: Selected) -> Entry:
        return dead_letter(raw, self._payloads, "auto") if wanted.reads else envelope(raw)

    def _bounds(self, reader: Reader) -> dict[int, tuple[int, int]]:
        places = [(self._topic, number) for number in reader.topics().get(self._topic, ())]
        return {number: span for (_, number), span in reader.bounds(places).items()}


def _start(number: int, low: int, end: int, passed: frozenset[Place], limit: int) -> int:
    """Give where the last `limit` offsets before `end` begin that are not passed over."""
    start, count = end, 0
    while start > low and count < limit:
        start -= 1
        count += (number, start) not in passed
    return start


def _newest_first(raws: list[Raw]) -> Iterator[Raw]:
    """Give records so that each partition's come by falling offsets, of all heads the latest time first."""
    lines: dict[int, list[Raw]] = {}
    for raw in sorted(raws, key=lambda raw: raw.offset):
        lines.setdefault(raw.partition, []).append(raw)
    heads = [(-(line[-1].timestamp or 0), number) for number, line in lines.items()]
    heapq.heapify(heads)
    while heads:
        _, number = heapq.heappop(heads)
        line = lines[number]
        yield line.pop()
        if line:
            heapq.heappush(heads, (-(line[-1].timestamp or 0), number))


def _within(bounds: Spans, place: Place) -> bool:
    low, high = bounds.get(place[0], (0, 0))
    return low <= place[1] < high


def _spans(bounds: Spans, places: set[Place] | None) -> Iterator[Spans]:
    """Give what to read: everything, or around places, those that are near each other at once."""
    if places is None:
        yield bounds
        return
    open_: tuple[int, int, int] | None = None
    for number, offset in sorted(place for place in places if _within(bounds, place)):
        if open_ is not None and open_[0] == number and offset - open_[2] <= _NEAR:
            open_ = number, open_[1], offset + 1
            continue
        if open_ is not None:
            yield {open_[0]: open_[1:]}
        open_ = number, offset, offset + 1
    if open_ is not None:
        yield {open_[0]: open_[1:]}


def read_after(text: str) -> dict[int, int]:
    """Read `after`: `partition:offset` with commas. Raises BadRequestError."""
    found = {}
    for part in text.split(",") if text else ():
        number, mark, offset = part.partition(":")
        if not (mark and number.isdigit() and offset.isdigit()):
            raise BadRequestError(f"after={text}: give partition:offset, with commas between")
        found[int(number)] = int(offset)
    return found
