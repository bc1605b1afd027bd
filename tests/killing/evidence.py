"""What topics, stored offsets and sink files hold."""

from __future__ import annotations

import io
import json
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fastavro
import orjson
from confluent_kafka import Consumer, Message, TopicPartition
from hdfs import InsecureClient

from appliance.connectors.storage.names import parse_committed
from tests.killing.checks import Seen, StoredFile
from tests.killing.ledger import Event

READ_TIMEOUT_S = 60.0


def records(bootstrap: str, topic: str, *, committed: bool = False) -> dict[int, list[Message]]:
    """Give all records of a topic by partition; `committed`: those of finished transactions."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "evidence",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
        }
    )
    try:
        known = consumer.list_topics(topic, timeout=READ_TIMEOUT_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in known])
        found: dict[int, list[Message]] = {number: [] for number in known}
        open_ends: set[int | None] = set(known)
        deadline = time.monotonic() + READ_TIMEOUT_S
        while open_ends:
            for message in consumer.consume(1000, 0.2):
                deadline = time.monotonic() + READ_TIMEOUT_S
                if message.error() is None:
                    found[message.partition() or 0].append(message)
                else:
                    open_ends.discard(message.partition())
            assert time.monotonic() < deadline, f"nothing came of {topic} for {READ_TIMEOUT_S} s"
        return found
    finally:
        consumer.close()


class EventReader:
    """Reads the envelopes of one partition in order: a tombstone belongs to its key's last delete."""

    def __init__(self) -> None:
        self._deleted: dict[int, int] = {}

    def read(self, message: Message) -> Seen:
        """Give the record with its event; `place` is where in the binlog it stands."""
        key = orjson.loads(message.key() or b"")["payload"]["id"]
        value = message.value()
        place = ("", 0)
        if value is None:
            event = Event("t", key, self._deleted.get(key, -1))
        else:
            payload = orjson.loads(value)["payload"]
            event = envelope_event(payload)
            source = payload["source"]
            place = (source["file"], source["pos"])
            if event.op == "d":
                self._deleted[key] = event.seq
        return Seen(message.offset() or 0, message.timestamp()[1], event, place)


def envelope_event(payload: dict[str, Any]) -> Event:
    """Give the event of an envelope."""
    op = payload["op"]
    row = payload["before"] if op == "d" else payload["after"]
    return Event(op, row["id"], row["seq"])


def table_row(message: Message) -> tuple[int, str] | None:
    """Give (seq, note) of the row after the event, None when it is gone."""
    if message.value() is None:
        return None
    row = orjson.loads(message.value() or b"")["payload"]["after"]
    return None if row is None else (row["seq"], row["note"])


def line_of(message: Message) -> Seen:
    """Give a record of the lines' topic."""
    what = orjson.loads(message.value() or b"")["payload"]
    return Seen(message.offset() or 0, message.timestamp()[1], what)


def stored_offsets(
    bootstrap: str, topic: str, connector: str, *, committed: bool
) -> list[tuple[int, dict[str, Any]]]:
    """Give what a connector with one source partition stored: (time, offset) in order."""
    return [
        (message.timestamp()[1], json.loads(message.value() or b"{}"))
        for messages in records(bootstrap, topic, committed=committed).values()
        for message in messages
        if message.value() is not None and orjson.loads(message.key() or b"[0]")[0] == connector
    ]


Contents = Callable[[str], bytes]
Key = tuple[str, int]


class LocalFiles:
    """The files of the local sink: JSON."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, topic: str, partition: int | None = None) -> Iterator[str]:
        """Give the paths of a topic's files; of one partition where it is known."""
        folder = "*" if partition is None else f"partition={partition}"
        for path in (self._root / topic).glob(f"{folder}/*"):
            yield str(path)

    def read(self, name: str) -> list[Hashable]:
        """Give what the records of a file say."""
        return [json_content(line) for line in Path(name).read_bytes().splitlines()]


class HdfsFiles:
    """The files of the HDFS sink: Avro."""

    def __init__(self, url: str, user: str, root: str) -> None:
        self._client = InsecureClient(url, user=user)
        self._root = root

    def names(self, topic: str, partition: int | None = None) -> Iterator[str]:
        """Give the paths of a topic's files; of one partition where it is known."""
        base = f"{self._root}/{topic}"
        folders = self._list(base) if partition is None else [f"partition={partition}"]
        for folder in folders:
            for name in self._list(f"{base}/{folder}"):
                yield f"{base}/{folder}/{name}"

    def _list(self, folder: str) -> list[str]:
        found: list[str] | None
        if self._client.status(folder, strict=False) is None:
            return []
        found = self._client.list(folder)
        return found or []

    def read(self, name: str) -> list[Hashable]:
        """Give what the records of a file say."""
        with self._client.read(name) as reader:
            data = reader.read()
        found: list[Hashable] = []
        for record in fastavro.reader(io.BytesIO(data)):
            assert isinstance(record, dict)
            found.append(envelope_event(record))
        return found


def json_content(line: bytes) -> Hashable:
    """Give what a line of a JSON file says: an event or a text."""
    value = json.loads(line)
    return envelope_event(value) if isinstance(value, dict) else str(value)


def committed_ends(store: LocalFiles | HdfsFiles, topic: str, partition: int) -> int:
    """Give the last offset that a file of the partition holds by its name, -1 for none."""
    found = (parse_committed(name.rpartition("/")[2]) for name in store.names(topic, partition))
    return max((file.end for file in found if file is not None), default=-1)


def stored_files(store: LocalFiles | HdfsFiles, topic: str) -> dict[int, list[StoredFile]]:
    """Read all committed files of a topic, by partition."""
    named = []
    for name in store.names(topic):
        file = parse_committed(name.rpartition("/")[2])
        if file is not None:
            named.append((name, file))
    found: dict[int, list[StoredFile]] = defaultdict(list)
    with ThreadPoolExecutor(4) as pool:
        contents = pool.map(store.read, [name for name, _ in named])
        for (name, file), content in zip(named, contents, strict=True):
            found[file.partition].append(
                StoredFile(name.rpartition("/")[2], file.start, file.end, content)
            )
    return found
