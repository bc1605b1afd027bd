"""A topic in memory that fences writers as a broker does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appliance.errors import NotLeaderError
from appliance.schemaregistry.server.records import Record

OnRecord = Callable[[bytes, bytes | None, int], None]


class Topic:
    """The records, and which of its logs may write."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.writer: MemoryLog | None = None


class MemoryLog:
    """One host's view of a topic."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.read = 0
        self.on_record: OnRecord = lambda _key, _value, _offset: None

    def subscribe(self, on_record: OnRecord) -> None:
        self.on_record = on_record

    def read_to_end(self, timeout_s: float) -> None:
        while self.read < len(self.topic.records):
            self.on_record(*self.topic.records[self.read], self.read)
            self.read += 1

    def claim(self, timeout_s: float) -> None:
        self.topic.writer = self

    def write(self, records: Sequence[Record], timeout_s: float) -> None:
        if self.topic.writer is not self:
            raise NotLeaderError("another host writes", None)
        self.topic.records += records
