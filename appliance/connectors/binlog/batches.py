"""Decoded rows of a table to batches of change events.

A large binlog event becomes a batch of its own, whose layout holds the block `source` and all else that
the event's rows share as constants. Small events, neighbours in the stream and of the same table, are
put together: there the position in `source` differs from row to row. Semantics of the records:
Debezium MySQL 3.6.1.Final RelationalChangeRecordEmitter and EventDispatcher. Task thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from appliance.api import Batch, Const, Layout, Var
from appliance.connectors.binlog.decoder import Decoded, RowDecoder, Shape, Wanted, check_columns
from appliance.connectors.binlog.events import DELETE, INSERT, UPDATE, TableMap
from appliance.connectors.binlog.position import Mark, Offsets, Transaction
from appliance.connectors.binlog.versions import TableVersion
from appliance.data import Header
from appliance.data.struct import Struct

SMALL: Final = 16
"""Events of fewer rows are put together with their neighbours."""

_AT_END: Final = {
    "mariadb": ("gtid", "pos", "query"),
    "mysql": ("gtid", "pos", "query", "ts_ms", "ts_us", "ts_ns", "thread"),
}
"""What differs between gathered events, behind the row's number; MariaDB has no fractions of seconds."""

_CONSTANTS: Final = (
    "none", "version", "connector", "name", "ts_ms", "db", "ts_us", "ts_ns", "table", "server_id",
    "gtid", "file", "pos", "thread", "query", "op", "now_ms", "now_us", "now_ns", "transaction_id",
)  # fmt: skip
_CONST: Final = {name: Const(index) for index, name in enumerate(_CONSTANTS)}


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What every batch of a connector depends on."""

    version: str
    connector: str
    name: str
    partition: Mapping[str, Any]
    headers: tuple[Header, ...]
    tombstones: bool
    skipped: frozenset[str]
    skip_unchanged: bool
    metadata: bool
    unavailable: str | None
    converting: str = "warn"


@dataclasses.dataclass(slots=True)
class Origin:
    """What the rows of one event share: its `source` figures and its place in the transaction."""

    ts_us: int
    server_id: int
    gtid: str | None
    file: str
    pos: int
    thread: int | None
    query: str | None
    now_ns: int

    def constants(
        self, options: Options, version: TableVersion, op: str, id_: str | None
    ) -> tuple[Any, ...]:
        """Give the constants of a layout."""
        ts_us, now_ns, table = self.ts_us, self.now_ns, version.table
        return (
            None, options.version, options.connector, options.name, ts_us // 1000, table.catalog, ts_us,
            ts_us * 1000, table.name, self.server_id, self.gtid, self.file, self.pos, self.thread,
            self.query, op, now_ns // 1_000_000, now_ns // 1000, now_ns, id_,
        )  # fmt: skip


def _source(row: int, spread: tuple[str, ...]) -> Layout:
    const = _CONST
    varying: dict[str, Var | Const] = dict(const)
    varying.update((name, Var(row + 1 + place)) for place, name in enumerate(spread))
    return Layout(
        (
            const["version"],
            const["connector"],
            const["name"],
            varying["ts_ms"],
            const["none"],
            const["db"],
            const["none"],
            varying["ts_us"],
            varying["ts_ns"],
            const["table"],
            const["server_id"],
            varying["gtid"],
            const["file"],
            varying["pos"],
            Var(row),
            varying["thread"],
            varying["query"],
        )
    )


def _layout(
    before: Var | Const | Layout,
    after: Var | Const | Layout,
    op: Var | Const,
    row: int,
    *,
    metadata: bool,
    spread: tuple[str, ...] = (),
) -> Layout:
    transaction: Const | Layout = _CONST["none"]
    if metadata:
        after_row = row + 1 + len(spread)
        transaction = Layout((_CONST["transaction_id"], Var(after_row), Var(after_row + 1)))
        if spread:
            transaction = Layout((Var(after_row), Var(after_row + 1), Var(after_row + 2)))
    return Layout(
        (
            before,
            after,
            _source(row, spread),
            transaction,
            op,
            _CONST["now_ms"],
            _CONST["now_us"],
            _CONST["now_ns"],
        )
    )


def _fields(first: int, count: int) -> Layout:
    return Layout(tuple(Var(first + i) for i in range(count)))


class Gathered:
    """Records of neighbouring small events of one table, until a batch is made of them.

    `flat`: they are inserts and nothing else, so that their rows need not say what was done.
    """

    __slots__ = ("extra", "file", "flat", "keys", "marks", "server_id", "ts_us", "values")

    def __init__(self, file: str, server_id: int, ts_us: int) -> None:
        """Start with nothing; file, server id and time (0: each has its own) hold for all events."""
        self.file = file
        self.server_id = server_id
        self.ts_us = ts_us
        self.keys: list[Any] = []
        self.values: list[Any] = []
        self.marks: list[tuple[Any, ...]] = []
        self.extra: dict[int, tuple[Header, ...]] | None = None
        self.flat = True

    def spread(self, count: int) -> None:
        """Turn rows of `count` columns into what holds other changes than inserts too."""
        if self.flat:
            self.flat = False
            self.values = [(None, row[:count], INSERT, *row[count:]) for row in self.values]


class TableBatches:
    """Makes the batches of one table version under one TABLE_MAP."""

    def __init__(self, version: TableVersion, table_map: TableMap, options: Options) -> None:
        """Check the map against the version. Raises ConnectError."""
        check_columns(str(version.id), version.table.columns, table_map)
        self.version = version
        self.name = str(version.id)
        self._options = options
        self.decoder = RowDecoder(
            shape_of(version), table_map, options.unavailable, options.converting
        )
        count = len(version.value_schema.fields)
        none, op, metadata = _CONST["none"], _CONST["op"], options.metadata
        fields, later = _fields(0, count), _fields(count, count)
        self._layouts = {
            INSERT: _layout(none, fields, op, count, metadata=metadata),
            DELETE: _layout(fields, none, op, count, metadata=metadata),
            UPDATE: _layout(fields, later, op, 2 * count, metadata=metadata),
        }
        self._count = count
        spread = _AT_END[options.connector]
        self._spread = _layout(Var(0), Var(1), Var(2), 3, metadata=metadata, spread=spread)
        self._flat = _layout(none, fields, op, count, metadata=False, spread=spread)
        self._keyed = version.key_schema is not None

    def whole(
        self,
        op: str,
        decoded: Decoded,
        origin: Origin,
        offsets: Offsets,
        mark: Mark,
        transaction: Transaction | None,
    ) -> Batch:
        """Give the batch of one event, whose keys do not change; `mark` is the place before it."""
        keys, rows, _ = decoded
        first = rows[0][-1] if rows else 0
        if transaction is not None:
            rows = [row + transaction.next(self.name)[1:] for row in rows]
        each = 1
        if op == DELETE and self._options.tombstones:
            each = 2
            rows = [part for row in rows for part in (row, None)]
            keys = [key for key in keys for _ in (0, 1)]
        version = self.version
        return Batch(
            topic=version.topic,
            values=rows,
            value_schema=version.envelope_schema,
            keys=keys if self._keyed else None,
            key_schema=version.key_schema,
            headers=self._options.headers,
            layout=self._layouts[op],
            constants=origin.constants(
                self._options, version, op, transaction.id if transaction else None
            ),
            source_partition=self._options.partition,
            source_offset=lambda row: offsets.map(
                mark.after_rows(first + (row + 1) // each, self.name, (row + 1) // each)
            ),
        )

    def gather(
        self,
        into: Gathered,
        op: str,
        decoded: Decoded,
        shared: tuple[Any, ...],
        mark: tuple[Any, ...],
        transaction: Transaction | None,
    ) -> None:
        """Add the records of a small event, or of one whose keys change.

        `shared` is what `_AT_END` names, `mark` the place before the event.
        """
        keys, rows, old = decoded
        count, keyed = self._count, self._keyed
        file, pos, event, _, ts_sec, server_id, completed, counts = mark
        if into.flat and op == INSERT and transaction is None:
            into.keys += keys
            for row in rows:
                into.values.append(row + shared)
                into.marks.append(
                    (file, pos, event, row[-1] + 1, ts_sec, server_id, completed, counts)
                )
            return
        into.spread(count)
        add_key, add_value, add_mark = into.keys.append, into.values.append, into.marks.append
        for place, row in enumerate(rows):
            number = row[-1]
            key = keys[place] if keyed else None
            if old is not None and keyed and old[place] != key:
                self._rekey(into, old[place], key, row, shared, Mark(*mark), transaction)
                continue
            tail: tuple[Any, ...] = (number, *shared)
            if transaction is not None:
                tail += transaction.next(self.name)
                counts = transaction.counted
            here = (file, pos, event, number + 1, ts_sec, server_id, completed, counts)
            if op == INSERT:
                value: tuple[Any, ...] | None = (None, row[:-1], INSERT, *tail)
            elif op == UPDATE:
                value = (row[:count], row[count:-1], UPDATE, *tail)
            else:
                value = (row[:-1], None, DELETE, *tail)
                if self._options.tombstones:
                    # the first record of a row says "not done": a restart repeats it rather than lose
                    # the tombstone
                    partly = (file, pos, event, number, ts_sec, server_id, completed, mark[7])
                    self._add(into, key, value, partly)
                    value = None
            add_key(key)
            add_value(value)
            add_mark(here)

    @staticmethod
    def _add(into: Gathered, key: Any, value: Any, mark: tuple[Any, ...]) -> None:
        into.keys.append(key)
        into.values.append(value)
        into.marks.append(mark)

    def _rekey(
        self,
        into: Gathered,
        old: Any,
        new: Any,
        row: Any,
        shared: tuple[Any, ...],
        mark: Mark,
        transaction: Transaction | None,
    ) -> None:
        """Add delete, tombstone and create in the place of an update that changes the key.

        Skipped operations are those of events: an update is sent whole, or not at all.
        """
        options, count, number = self._options, self._count, row[-1]
        extra = into.extra = {} if into.extra is None else into.extra

        def tail() -> tuple[Any, ...]:
            ids = () if transaction is None else transaction.next(self.name)
            return (number, *shared, *ids)

        header = self._key_header("__debezium.newkey", new)
        extra[len(into.keys)] = header
        self._add(into, old, (row[:count], None, DELETE, *tail()), mark._replace(row=number))
        if options.tombstones:
            extra[len(into.keys)] = header
            self._add(into, old, None, into.marks[-1])
        extra[len(into.keys)] = self._key_header("__debezium.oldkey", old)
        self._add(into, new, (None, row[count:-1], INSERT, *tail()), mark)
        counts = mark.transaction if transaction is None else transaction.counted
        into.marks[-1:] = [mark._replace(row=number + 1, transaction=counts)]

    def _key_header(self, name: str, key: Any) -> tuple[Header, ...]:
        schema = self.version.key_schema
        assert schema is not None  # noqa: S101  only tables with a key get here
        return (Header(name, schema, Struct.of_row(schema, key)), *self._options.headers)

    def gathered(self, found: Gathered, offsets: Offsets, now_ns: int) -> Batch:
        """Give the batch of what was gathered."""
        origin = Origin(found.ts_us, found.server_id, None, found.file, 0, None, None, now_ns)
        version, marks, extra = self.version, found.marks, found.extra
        headers = self._options.headers
        if extra is not None and headers:
            # header order: the other key comes before what all records carry
            extra = {row: extra.get(row, headers) for row in range(len(found.values))}
            headers = ()
        return Batch(
            topic=version.topic,
            values=found.values,
            value_schema=version.envelope_schema,
            keys=found.keys if self._keyed else None,
            key_schema=version.key_schema,
            headers=headers,
            extra_headers=extra,
            layout=self._flat if found.flat else self._spread,
            constants=origin.constants(self._options, version, INSERT if found.flat else "", None),
            source_partition=self._options.partition,
            source_offset=lambda row: offsets.map(Mark(*marks[row])),
        )


def truncate_batch(
    version: TableVersion,
    options: Options,
    origin: Origin,
    row: int,
    transaction: Transaction | None,
) -> Batch:
    """Give the record of a TRUNCATE, without headers and offset: no key, no rows.

    `row` is the number of the last row before it, which the peer leaves standing.
    """
    none = _CONST["none"]
    id_, *counts = transaction.next(str(version.id)) if transaction else (None,)
    constants = origin.constants(options, version, "t", id_)
    layout = _layout(none, none, _CONST["op"], 0, metadata=bool(transaction))
    return Batch(
        topic=version.topic,
        values=[(row, *counts)],
        value_schema=version.envelope_schema,
        layout=layout,
        constants=constants,
    )


def shape_of(version: TableVersion) -> Shape:
    """Give the way a version cuts key and value out of rows."""
    columns = tuple(
        Wanted(c.index, c.column, c.type.form, c.type.fallback, c.type.literal_years)
        for c in version.columns
    )
    return Shape(columns, version.key_places, version.value_places, version.key_constant)
