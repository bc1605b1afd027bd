"""Holds all that is there at the end against the ledger."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Message

from tests.killing import checks, evidence
from tests.killing.checks import Rerun, Seen
from tests.killing.evidence import HdfsFiles, LocalFiles
from tests.killing.ledger import Event, Ledger
from tests.killing.load import Load
from tests.killing.site import CDC, FILE_SOURCE, GROUP, LINES, TOPICS, Site

Topic = Mapping[int, Mapping[int, Hashable]]
"""Partition -> offset -> what the record says."""


@dataclass
class Verdict:
    """Counts by name, and what is wrong."""

    counts: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


class Judge:
    """Reads the evidence of one site; the load has stopped and everything is quiet."""

    def __init__(self, site: Site, ledger: Ledger, load: Load) -> None:
        self._site = site
        self._ledger = ledger
        self._load = load
        self._committed = site.options.exactly_once
        self._verdict = Verdict()
        self._held: dict[str, Topic] = {}

    def judge(self) -> Verdict:
        """Give counts and violations."""
        counts = self._verdict.counts
        counts["transactions"] = self._ledger.transactions
        counts["row events"] = counts["topic records"] = counts["repeated in topics"] = 0
        reruns: list[Rerun] = []
        for table, topic in TOPICS.items():
            reruns += self._table(table, topic)
        stored = [
            (time_ms, (str(offset["file"]), int(str(offset["pos"]))))
            for time_ms, offset in self._stored(CDC)
        ]
        self._violate(checks.reruns_after_offset(reruns, stored, lambda seen: seen.place))
        self._lines()
        for name, store in (("hdfs", self._site.lake_files), ("files", self._site.local_files)):
            self._files(name, store)
        self._line_sink()
        return self._verdict

    def _violate(self, found: list[str]) -> None:
        self._verdict.violations += found

    def _count(self, walked: checks.Walk) -> None:
        counts = self._verdict.counts
        counts["topic records"] += walked.records
        counts["repeated in topics"] += walked.repeated
        self._violate(walked.violations)
        if self._committed and walked.repeated:
            self._violate([f"{walked.repeated} repeated though exactly once: {walked.reruns[:3]}"])

    def _records(self, topic: str) -> dict[int, list[Message]]:
        return evidence.records(self._site.broker.bootstrap, topic, committed=self._committed)

    def _stored(self, connector: str) -> list[tuple[int, dict[str, object]]]:
        return evidence.stored_offsets(
            self._site.broker.bootstrap, f"{GROUP}-offset", connector, committed=self._committed
        )

    def _table(self, table: str, topic: str) -> list[Rerun]:
        seen: dict[int, list[Seen]] = {}
        kept: dict[int, object] = {}
        for partition, messages in self._records(topic).items():
            reader = evidence.EventReader()
            seen[partition] = []
            for message in messages:
                record = reader.read(message)
                seen[partition].append(record)
                row = evidence.table_row(message)
                if row is None:
                    kept.pop(_event(record).key, None)
                else:
                    kept[_event(record).key] = row
        expected = self._ledger.events(table)
        self._verdict.counts["row events"] += len(expected)
        split, wrong = checks.split_by_partition(table, expected, seen)
        self._violate(wrong)
        reruns = []
        for partition, records in seen.items():
            walked = checks.walk(f"{topic}-{partition}", split[partition], records)
            self._count(walked)
            reruns += walked.reruns
        self._violate(checks.folded(table, kept, self._load.contents(table)))
        self._held[topic] = {
            partition: {r.offset: r.what for r in records if _event(r).op != "t"}
            for partition, records in seen.items()
        }
        return reruns

    def _lines(self) -> None:
        lines = self._ledger.lines
        self._verdict.counts["lines"] = len(lines)
        starts, at = {}, 0
        for line in lines:
            starts[line] = at
            at += len(line.encode()) + 1
        records = [evidence.line_of(message) for message in self._records(LINES)[0]]
        walked = checks.walk(f"{LINES}-0", lines, records)
        self._count(walked)
        stored = [
            (time_ms, ("", int(str(offset["position"]))))
            for time_ms, offset in self._stored(FILE_SOURCE)
        ]
        self._violate(
            checks.reruns_after_offset(
                walked.reruns, stored, lambda seen: ("", starts[str(seen.what)])
            )
        )
        self._held[LINES] = {0: {record.offset: record.what for record in records}}

    def _files(self, name: str, store: LocalFiles | HdfsFiles) -> None:
        count = held = 0
        for topic, partitions in self._held.items():
            if topic == LINES and name == "hdfs":
                continue
            files = evidence.stored_files(store, topic)
            for partition, records in partitions.items():
                found = files.pop(partition, [])
                count += len(found)
                held += sum(len(file.content) for file in found)
                where = f"{name} {topic}-{partition}"
                self._violate(checks.files_hold_once(where, found, records))
        self._verdict.counts[f"{name}: files"] = count
        self._verdict.counts[f"{name}: records"] = held

    def _line_sink(self) -> None:
        text = self._site.lines_out.read_text(encoding="utf-8", errors="replace")
        found = checks.lines_at_least_once("FileStreamSink", self._ledger.lines, text.splitlines())
        self._verdict.counts["repeated by FileStreamSink"] = found.repeated
        self._violate(found.violations)


def _event(seen: Seen) -> Event:
    """Give what a record of a table's topic says."""
    assert isinstance(seen.what, Event)
    return seen.what
