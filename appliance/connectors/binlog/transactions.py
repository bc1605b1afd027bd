"""Transaction metadata: the records that say where a transaction begins and ends, and what it changed.

Semantics: Debezium TransactionMonitor with DefaultTransactionStructMaker. Like there, a statement that
MariaDB logs under a GTID of its own begins a transaction that never ends. Other than there, a BEGIN
has the time of its own event, not that of the event before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appliance.api import Batch
from appliance.connectors.binlog.names import java_set_order
from appliance.connectors.binlog.position import Transaction
from appliance.connectors.binlog.versions import INT64, OPTIONAL_INT64, STRING, struct
from appliance.data import Schema, Type

_COUNT: Final = struct(
    "event.collection", ("data_collection", STRING), ("event_count", INT64), optional=True
)
_KEY: Final = struct("io.debezium.connector.common.TransactionMetadataKey", ("id", STRING))
_VALUE: Final = struct(
    "io.debezium.connector.common.TransactionMetadataValue",
    ("status", STRING),
    ("id", STRING),
    ("event_count", OPTIONAL_INT64),
    ("data_collections", Schema(Type.ARRAY, optional=True, value_schema=_COUNT)),
    ("ts_ms", INT64),
)


class TransactionTopic:
    """Makes the records of one connector's transaction topic; without the option there are none."""

    def __init__(self, topic: str, partition: Mapping[str, Any]) -> None:
        """Take the topic's name and the source partition."""
        self._topic = topic
        self._partition = partition

    def begin(self, transaction: Transaction, ts_ms: int, offset: Mapping[str, Any]) -> Batch:
        """Give the record of a transaction that begins."""
        return self._batch(("BEGIN", transaction.id, None, None, ts_ms), offset)

    def end(self, transaction: Transaction, ts_ms: int, offset: Mapping[str, Any]) -> Batch:
        """Give the record of one that is committed."""
        counts = transaction.counts
        collections = [(table, counts[table]) for table in java_set_order(counts)]
        return self._batch(("END", transaction.id, transaction.total, collections, ts_ms), offset)

    def _batch(self, value: tuple[Any, ...], offset: Mapping[str, Any]) -> Batch:
        return Batch(
            topic=self._topic,
            values=[value],
            value_schema=_VALUE,
            keys=[(value[1],)],
            key_schema=_KEY,
            partition=0,
            source_partition=self._partition,
            source_offset=offset,
        )
