"""From ledger and evidence to violations: pure functions, each gives sentences, none when all is well."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.killing.ledger import Event

SHOWN = 5


class Seen(NamedTuple):
    """A record of a topic: what it says, and where and when it was written."""

    offset: int
    time_ms: int
    what: Hashable
    place: tuple[str, int] = ("", 0)


class Rerun(NamedTuple):
    """A stretch that came again: its first record."""

    where: str
    first: Seen


@dataclass
class Walk:
    """A topic partition read along what it should hold."""

    records: int = 0
    repeated: int = 0
    reruns: list[Rerun] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def walk(where: str, expected: Sequence[Hashable], seen: Iterable[Seen]) -> Walk:
    """Follow `seen` along `expected`: each step goes on by one, or back to where a rerun begins.

    So nothing is missing, nothing is out of order once repeats are taken out, and each repeat is a
    contiguous rerun.
    """
    places = {what: number for number, what in enumerate(expected)}
    found = Walk()
    at = reached = 0
    for record in seen:
        found.records += 1
        number = places.get(record.what)
        if number is None:
            found.violations.append(f"{where}@{record.offset}: {record.what} was never committed")
            continue
        if number < at:
            found.reruns.append(Rerun(where, record))
        elif number > at:
            kind = "lost" if number > reached else "missing in a rerun"
            missing = expected[at:number]
            found.violations.append(
                f"{where}@{record.offset}: {len(missing)} {kind} before {record.what}: "
                f"{list(missing[:SHOWN])}"
            )
        found.repeated += number < reached
        at = number + 1
        reached = max(reached, at)
    if reached < len(expected):
        missing = expected[reached:]
        found.violations.append(
            f"{where}: {len(missing)} lost at the end: {list(missing[:SHOWN])}"
        )
    return found


def split_by_partition(
    table: str, expected: Sequence[Event], partitions: Mapping[int, list[Seen]]
) -> tuple[dict[int, list[Event]], list[str]]:
    """Give what each partition should hold, a key's events being where its first one was seen."""
    homes: dict[int, int] = {}
    violations = []
    for partition, records in partitions.items():
        for record in records:
            event = record.what
            if isinstance(event, Event) and homes.setdefault(event.key, partition) != partition:
                violations.append(f"{table}: key {event.key} is in two partitions")
    split: dict[int, list[Event]] = {partition: [] for partition in partitions}
    homeless = [event for event in expected if event.key not in homes]
    if homeless:
        violations.append(f"{table}: {len(homeless)} lost of keys never seen: {homeless[:SHOWN]}")
    for event in expected:
        if event.key in homes:
            split[homes[event.key]].append(event)
    return split, violations


def reruns_after_offset(
    reruns: Iterable[Rerun],
    stored: Sequence[tuple[int, tuple[str, int]]],
    place_of: Callable[[Seen], tuple[str, int]],
) -> list[str]:
    """A rerun begins at or after the offset stored last before it; `stored`: (time, place) in order."""
    violations = []
    for rerun in reruns:
        before = [place for time_ms, place in stored if time_ms < rerun.first.time_ms]
        if before and place_of(rerun.first) < before[-1]:
            violations.append(
                f"{rerun.where}@{rerun.first.offset}: {rerun.first.what} at {place_of(rerun.first)} "
                f"came again though {before[-1]} had been stored"
            )
    return violations


def folded(table: str, kept: Mapping[int, object], rows: Mapping[int, object]) -> list[str]:
    """The last value of each key is the table's row."""
    wrong = [
        f"{key}: topic {kept.get(key)}, table {rows.get(key)}"
        for key in sorted(kept.keys() | rows.keys())
        if kept.get(key) != rows.get(key)
    ]
    if not wrong:
        return []
    return [
        f"{table}: topic folded by key differs from the table in {len(wrong)}: {wrong[:SHOWN]}"
    ]


class StoredFile(NamedTuple):
    """A committed file of a sink: offsets by its name (inclusive), what its records say."""

    name: str
    start: int
    end: int
    content: list[Hashable]


def files_hold_once(
    where: str, files: Iterable[StoredFile], topic: Mapping[int, Hashable]
) -> list[str]:
    """Each record of the topic partition (offset -> what) is in the files exactly once."""
    violations = []
    left = dict(topic)
    end = -1
    for file in sorted(files, key=lambda file: (file.start, file.end)):
        if file.start <= end:
            violations.append(f"{where}: {file.name} doubles offsets up to {end}")
        end = max(end, file.end)
        inside = [offset for offset in range(file.start, file.end + 1) if offset in topic]
        if file.content != [topic[offset] for offset in inside]:
            violations.append(
                f"{where}: {file.name} holds {len(file.content)} records that are not the "
                f"{len(inside)} of its offsets: {file.content[:SHOWN]}"
            )
        for offset in inside:
            left.pop(offset, None)
    if left:
        first = sorted(left)[:SHOWN]
        violations.append(f"{where}: {len(left)} lost, first at {first}")
    return violations


def lines_at_least_once(where: str, expected: Sequence[str], lines: Iterable[str]) -> Walk:
    """Each line is there, and the first copies are in order; repeats may begin anywhere."""
    numbers = {line: number for number, line in enumerate(expected)}
    found = Walk()
    reached = 0
    for line in lines:
        found.records += 1
        number = numbers.get(line)
        if number is None:
            found.violations.append(f"{where}: {line[:80]!r} was never written")
        elif number > reached:
            found.violations.append(f"{where}: {number - reached} lost before {line[:40]!r}")
            reached = number + 1
        elif number == reached:
            reached += 1
        else:
            found.repeated += 1
    if reached < len(expected):
        found.violations.append(f"{where}: {len(expected) - reached} lost at the end")
    return found
