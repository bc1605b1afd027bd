"""OffsetStore: source offsets, kept in the offset topic (or a file), and the bytes they have there.

A record's key is `["<connector>",<partition>]` and its value `<offset>`, both compact JSON without schema;
a null value forgets the partition. Kafka compares keys as bytes while two workers may write the members
of one partition in different order: a partition is looked up by what it says, and written again in the
form in which it was read.

Task processes import this module for the byte forms alone, so it pulls in nothing else of storage's.
Semantics: Kafka Connect 4.3.1 OffsetStorageWriter, ConnectorOffsetBackingStore and OffsetUtils.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from appliance.storage.log import KeyValue, Log

logger = logging.getLogger("org.apache.kafka.connect.storage.KafkaOffsetBackingStore")

WRITE_TIMEOUT_S = 30.0

Partition = Mapping[str, Any]
Offset = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class StoredOffset:
    """A partition of a connector and where it stands, parsed and in the bytes that were read."""

    partition: Partition
    offset: Offset
    key: bytes
    value: bytes


def offset_key(connector: str, partition: Partition | None) -> bytes:
    """Give the key under which the offset of `partition` is stored, members in the order given."""
    return orjson.dumps([connector, partition])


def offset_value(offset: Offset | None) -> bytes | None:
    """Give the stored form of an offset; None forgets the partition."""
    return None if offset is None else orjson.dumps(offset)


def parse_offset_key(key: bytes) -> tuple[str, Partition]:
    """Give connector and partition. Raises ValueError for a key that no worker writes."""
    parsed = orjson.loads(key)
    if not isinstance(parsed, list) or len(parsed) != 2:
        raise ValueError("the key is no array of two")
    connector, partition = parsed
    if isinstance(connector, str) and isinstance(partition, dict):
        return connector, partition
    raise ValueError("the key is not a connector's name and a partition")


def partition_id(partition: Partition | None) -> bytes:
    """Give what is equal for equal partitions, whatever the order of their members."""
    return orjson.dumps(partition, option=orjson.OPT_SORT_KEYS)


class OffsetStore:
    """The one copy of the offset topic in a worker; any thread."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._stored: dict[str, dict[bytes, StoredOffset]] = {}
        self._forms: dict[str, dict[bytes, bytes]] = {}
        log.subscribe(self._on_record)

    def refresh(self, timeout_s: float, *, decided: bool = False) -> None:
        """Read to the end, with `decided` of transactions under way too. Raises RetriableError."""
        self._log.read_to_end(timeout_s, decided=decided)

    def all_of(self, connector: str) -> list[StoredOffset]:
        """Give all offsets of a connector that were read so far."""
        with self._lock:
            return list(self._stored.get(connector, {}).values())

    def get(self, connector: str, partition: Partition) -> Offset | None:
        """Give the offset of one partition."""
        with self._lock:
            stored = self._stored.get(connector, {}).get(partition_id(partition))
        return None if stored is None else stored.offset

    def key_for(self, connector: str, partition: Partition | None) -> bytes:
        """Give the key of a partition, in the form in which it was last read if it ever was."""
        with self._lock:
            form = self._forms.get(connector, {}).get(partition_id(partition))
        return form if form is not None else offset_key(connector, partition)

    def put(
        self, connector: str, offsets: Iterable[tuple[Partition | None, Offset | None]]
    ) -> None:
        """Write offsets (None forgets) and read them back. Raises RetriableError."""
        records = [
            (self.key_for(connector, partition), offset_value(offset))
            for partition, offset in offsets
        ]
        self.append(records)
        self.refresh(WRITE_TIMEOUT_S)

    def append(self, records: Sequence[KeyValue]) -> None:
        """Write records as they are and wait until they are safe. Raises RetriableError."""
        if records:
            self._log.write(records, WRITE_TIMEOUT_S)

    def _on_record(self, key: bytes, value: bytes | None, offset: int) -> None:
        try:
            connector, partition = parse_offset_key(key)
            parsed = None if value is None else orjson.loads(value)
            if parsed is not None and not isinstance(parsed, dict):
                raise TypeError("the value is no object")
        except (TypeError, ValueError) as error:
            logger.error(
                "A record of the offset topic cannot be read and is ignored. key=%r offset=%d error=%r",
                key,
                offset,
                error,
            )
            return
        name = partition_id(partition)
        with self._lock:
            self._forms.setdefault(connector, {})[name] = key
            of_connector = self._stored.setdefault(connector, {})
            if value is None or parsed is None:
                of_connector.pop(name, None)
            else:
                of_connector[name] = StoredOffset(partition, parsed, key, value)
