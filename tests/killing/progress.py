"""How far everything has come: the newest of the topics, of the sink files, and when that is enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import orjson
from confluent_kafka import Consumer, Message, TopicPartition

from tests.killing.evidence import HdfsFiles, LocalFiles, committed_ends, envelope_event
from tests.killing.ledger import Ledger
from tests.killing.site import LINES, TOPICS, Site

POLL_S = 0.1


class Watch:
    """Follows the topics on a thread of its own."""

    def __init__(self, site: Site) -> None:
        self._lock = threading.Lock()
        self.newest_seq = 0
        self.newest_line = -1
        self.offsets: dict[tuple[str, int], int] = {}
        """Topic and partition -> offset of the newest record with a value."""
        level = "read_committed" if site.options.exactly_once else "read_uncommitted"
        self._consumer = Consumer(
            {
                "bootstrap.servers": site.broker.bootstrap,
                "group.id": "watch",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": level,
                "reconnect.backoff.max.ms": 500,
                "log_level": 2,
            }
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Follow from now on; the topics must exist."""
        topics = (*TOPICS.values(), LINES)
        known = self._consumer.list_topics(timeout=30).topics
        self._consumer.assign(
            [TopicPartition(t, number, 0) for t in topics for number in known[t].partitions]
        )
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self._consumer.close()

    def ends(self) -> dict[tuple[str, int], int]:
        """Give topic and partition -> newest offset with a value."""
        with self._lock:
            return dict(self.offsets)

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, POLL_S):
                if message.error() is None:
                    self._take(message)

    def _take(self, message: Message) -> None:
        value = message.value()
        if value is None:
            return
        payload = orjson.loads(value)["payload"]
        with self._lock:
            where = message.topic() or "", message.partition() or 0
            self.offsets[where] = message.offset() or 0
            if message.topic() == LINES:
                self.newest_line = max(self.newest_line, int(payload.split()[0]))
            else:
                self.newest_seq = max(self.newest_seq, envelope_event(payload).seq)


class Mark(NamedTuple):
    """How far the ledger was at a moment."""

    seq: int
    line: int


class Goal(NamedTuple):
    """A name for the report, and whether it is reached."""

    name: str
    reached: Callable[[], bool]


class Progress:
    """Tells what of the ledger has come through."""

    def __init__(self, site: Site, ledger: Ledger, watch: Watch) -> None:
        self._site = site
        self._ledger = ledger
        self._watch = watch
        self._stores: tuple[tuple[str, LocalFiles | HdfsFiles, tuple[str, ...]], ...] = (
            ("hdfs", site.lake_files, tuple(TOPICS.values())),
            ("files", site.local_files, (*TOPICS.values(), LINES)),
        )

    def mark(self) -> Mark:
        return Mark(self._ledger.newest_seq, self._ledger.line_count)

    def goals(self, mark: Mark) -> Iterator[list[Goal]]:
        """Give what must be reached for all after `mark` to flow: the topics first, then the sinks."""
        yield [
            Goal("cdc", lambda: self._watch.newest_seq > mark.seq),
            Goal("lines", lambda: self._watch.newest_line > mark.line),
            Goal("line sink", lambda: self._last_line() > mark.line),
        ]
        ends = self._watch.ends()
        yield [
            Goal(name, partial(self._files_reach, store, topics, ends))
            for name, store, topics in self._stores
        ]
        # last, since a state may be one from before the kill
        yield [Goal("status", lambda: not self._site.troubles())]

    def all_through(self, mark: Mark) -> Iterator[list[Goal]]:
        """The same for a load that has stopped: everything up to `mark` itself is through."""
        return self.goals(Mark(mark.seq - 1, mark.line - 2))

    def _files_reach(
        self,
        store: LocalFiles | HdfsFiles,
        topics: tuple[str, ...],
        ends: dict[tuple[str, int], int],
    ) -> bool:
        return all(
            committed_ends(store, topic, partition) >= end
            for (topic, partition), end in ends.items()
            if topic in topics
        )

    def _last_line(self) -> int:
        try:
            with self._site.lines_out.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - 4096))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return -1
        return int(lines[-2].split()[0]) if len(lines) > 1 and lines[-2] else -1


def wait_for(
    stages: Iterator[list[Goal]], timeout_s: float
) -> tuple[dict[str, float], str | None]:
    """Give seconds until each goal was reached, and one that was not within the time."""
    began = time.monotonic()
    took: dict[str, float] = {}
    for stage in stages:
        left = stage
        while left:
            for goal in left:
                if _holds(goal):
                    took[goal.name] = round(time.monotonic() - began, 2)
            left = [goal for goal in left if goal.name not in took]
            if left and time.monotonic() - began > timeout_s:
                return took, left[0].name
            time.sleep(POLL_S)
    return took, None


def _holds(goal: Goal) -> bool:
    try:
        return goal.reached()
    except Exception:
        # a server or the daemon that was killed does not answer yet
        return False
