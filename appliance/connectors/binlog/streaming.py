"""The walk from binlog events to batches: transactions, filters, schema changes, position.

`Streaming.take` handles one event; batches collect in `ready`. Semantics: Debezium MySQL 3.6.1.Final
BinlogStreamingChangeEventSource. Where it loses or invents data silently this stops or does right: a
statement in place of row events, an INCIDENT, unknown event types. Task thread.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from appliance.api import Batch
from appliance.clock import Clock
from appliance.connectors.binlog import events
from appliance.connectors.binlog.batches import (
    SMALL,
    Gathered,
    Options,
    Origin,
    TableBatches,
    truncate_batch,
)
from appliance.connectors.binlog.events import UPDATE, EventType, TableMap
from appliance.connectors.binlog.position import Mark, Offsets, Position
from appliance.connectors.binlog.schemas import TableSchemas
from appliance.connectors.binlog.stream import Event
from appliance.connectors.binlog.tables import TableId
from appliance.connectors.binlog.transactions import TransactionTopic
from appliance.connectors.binlog.visibility import UnknownTableError
from appliance.errors import ConnectError, DataError

_LOG: Final = logging.getLogger("io.debezium.connector.binlog.BinlogStreamingChangeEventSource")

_WORD: Final = re.compile(
    r"(?:\s|--[ \t][^\n]*\n|#[^\n]*\n|/\*(?![!M]).*?\*/)*([A-Za-z]+)(?:\s+([A-Za-z]+))?", re.DOTALL
)
_DML: Final = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"})
_QUALIFIED: Final = re.compile(r"(?:`([^`]+)`|([\w$]+))\s*\.")
_IN_TRANSACTION: Final = frozenset({"SAVEPOINT", "RELEASE"})


_SEQUENCE: Final = bytes((8, 8, 8, 8, 8, 8, 1, 8))
"""Types of the columns of MariaDB's sequences, which step by rows of a table no statement defines."""
_ROWS: Final = {int(kind): meaning for kind, meaning in events.ROWS.items()}


class _Target:
    """What a table id stands for: its TABLE_MAP body, and how to make batches (None: not captured)."""

    __slots__ = ("batches", "body")

    def __init__(self, body: bytes, batches: TableBatches | None) -> None:
        self.body = body
        self.batches = batches


class Streaming:
    """Turns the events of one stream into batches; see the module's text."""

    def __init__(
        self,
        schemas: TableSchemas,
        position: Position,
        options: Options,
        parsed: Mapping[str, Any],
        clock: Clock,
        *,
        mariadb: bool,
    ) -> None:
        """Start at `position`; schemas must be those of that position."""
        self.position = position
        self.ready: list[Batch] = []
        self.rows = 0
        self.now_ns = 0
        self.busy = False
        self._schemas = schemas
        self._options = options
        self._skipped = options.skipped
        self._clock = clock
        self._mariadb = mariadb
        self._on_failure = parsed["event.processing.failure.handling.mode"]
        self._on_unknown = parsed["inconsistent.schema.handling.mode"]
        self._wants_query = bool(parsed["include.query"])
        self._passes_source = _source_filter(parsed)
        self._targets: dict[bytes, _Target] = {}
        self._offsets = position.offsets()
        self._gathered: Gathered | None = None
        self._gathered_of: TableBatches | None = None
        self._sent_rows = False
        self._transactions = (
            TransactionTopic(schemas.names.transactions, options.partition)
            if options.metadata
            else None
        )
        self._row = 0
        self._thread: int | None = None
        self._query: str | None = None
        self._ts_us = 0
        handlers: dict[int, Callable[[Event], None]] = {
            EventType.TABLE_MAP: self._table_map,
            EventType.XID: self._xid,
            EventType.XA_PREPARE: self._xid,
            EventType.GTID: self._mysql_gtid,
            EventType.GTID_TAGGED: self._mysql_gtid,
            EventType.ANONYMOUS_GTID: self._anonymous_gtid,
            EventType.MARIADB_GTID: self._mariadb_gtid,
            EventType.QUERY: self._query_event,
            EventType.QUERY_COMPRESSED: self._query_event,
            EventType.ROTATE: self._rotate,
            EventType.FORMAT_DESCRIPTION: self._format_description,
            EventType.HEARTBEAT: self._heartbeat,
            EventType.HEARTBEAT_V2: self._heartbeat,
            EventType.ROWS_QUERY: self._rows_query,
            EventType.ANNOTATE_ROWS: self._rows_query,
            EventType.TRANSACTION_PAYLOAD: self._payload,
            EventType.INCIDENT: self._incident,
            **dict.fromkeys(events.ROWS, self._rows_event),
            **dict.fromkeys(events.IGNORED, self._ignored),
        }
        # plain ints: an enum member would be compared by value at every event
        self._handlers = {int(kind): handler for kind, handler in handlers.items()}

    def begin_poll(self, now_ns: int) -> None:
        """Start collecting anew."""
        self.now_ns = now_ns
        self.ready = []
        self.busy = self.rows > 0
        self.rows = 0
        self._offsets = self.position.offsets()

    def end_poll(self) -> list[Batch]:
        """Give what was collected, in order."""
        self._close_gathered()
        ready, self.ready = self.ready, []
        return ready

    @property
    def offsets(self) -> Offsets:
        """Give the maker of offset maps of this poll."""
        return self._offsets

    @property
    def has_records(self) -> bool:
        """Whether this poll has anything to give."""
        return bool(self.ready) or self._gathered is not None

    def restart(self, offset: Mapping[str, Any]) -> None:
        """Go on over a new connection, opened at `offset`: what was done of its transaction is skipped."""
        self._close_gathered()
        self.position = Position(offset, mariadb=self._mariadb, metadata=self._options.metadata)
        self._offsets = self.position.offsets()
        self._targets.clear()
        self._thread = self._query = None
        self._ts_us = 0

    def take(self, events: Iterable[Event], limit: float = math.inf) -> bool:
        """Handle events until the poll has `limit` rows, and tell whether it has. Raises ConnectError."""
        handler_of = self._handlers.get
        for event in events:
            (handler_of(event[0]) or self._unknown)(event)
            if self.rows >= limit:
                return True
        return False

    def _unknown(self, event: Event) -> None:
        raise ConnectError(
            f"The binlog event of type {event[0]} at {self.position.file}:{event[3]} is not known; "
            "it may hold changes, so it is not passed over. Check the server's version, and that "
            "binlog_row_value_options is empty"
        )

    def _ignored(self, event: Event) -> None:
        self._done(event)

    def _done(self, event: Event) -> None:
        """Count a handled event; between transactions the position moves on."""
        position = self.position
        if position.in_transaction:
            position.event += 1
        elif event[4]:
            position.pos = event[4]

    def _format_description(self, event: Event) -> None:
        self._targets.clear()
        if not self.position.in_transaction and event[4] > self.position.pos:
            self.position.pos = event[4]

    def _rotate(self, event: Event) -> None:
        file, pos = events.read_rotate(event[5])
        position = self.position
        if file != position.file or (pos != position.pos and event[1]):
            self._close_gathered()
            position.rotate(file, pos)
        self._targets.clear()

    def _heartbeat(self, event: Event) -> None:
        position = self.position
        if not position.in_transaction and event[4] > position.pos:
            position.pos = event[4]

    def _incident(self, event: Event) -> None:
        raise ConnectError(
            f"The server reports an incident at {self.position.file}:{event[3]}: events were lost there. "
            "Take a new snapshot (snapshot.mode=when_needed after resetting the offsets)"
        )

    def _mysql_gtid(self, event: Event) -> None:
        tagged = event[0] == EventType.GTID_TAGGED
        body = event[5]
        gtid = events.read_tagged_gtid(body) if tagged else events.read_mysql_gtid(body)
        self.position.gtid = gtid
        self._ts_us = gtid.commit_micros or 0
        self._done(event)

    def _anonymous_gtid(self, event: Event) -> None:
        self.position.gtid = None
        self._ts_us = 0
        self._done(event)

    def _mariadb_gtid(self, event: Event) -> None:
        position = self.position
        position.gtid = events.read_mariadb_gtid(event[5], event[2])
        self._begin(event)

    def _begin(self, event: Event) -> None:
        position = self.position
        # a restart behind the record of a BEGIN repeats it: a change of tables may follow, whose place in
        # the history is that of the BEGIN
        before = None if self._transactions is None else position.mark()
        position.ts_sec = self._ts_us // 1_000_000 or event[1]
        position.server_id = event[2]
        position.begin(event[3])
        self._sent_rows = False
        if self._transactions is None or before is None or position.transaction is None:
            return
        if not position.skip_events:
            self._close_gathered()
            ts_ms = self._ts_us // 1000 or event[1] * 1000
            offset = self._offsets.map(before)
            self.ready.append(self._transactions.begin(position.transaction, ts_ms, offset))

    def _xid(self, event: Event) -> None:
        position = self.position
        transaction = position.transaction
        position.complete(event[4])
        if self._transactions is not None and transaction is not None:
            self._close_gathered()
            offset = self._offsets.map(position.mark())
            ts_ms = self._ts_us // 1000 or event[1] * 1000
            self.ready.append(self._transactions.end(transaction, ts_ms, offset))
        self._query = None
        self._ts_us = 0

    def _table_map(self, event: Event) -> None:
        body = event[5]
        target = self._targets.get(body[:6])
        if target is None or target.body != body:
            self._targets[body[:6]] = _Target(body, self._batches(events.read_table_map(body)))
        self.position.event += 1

    def _batches(self, table_map: TableMap) -> TableBatches | None:
        database, table = table_map.database, table_map.table
        schemas = self._schemas
        if not schemas.captures(database, table):
            return None
        version = schemas.get(database, table)
        if version is None:
            if self._mariadb and table_map.types == _SEQUENCE:
                _LOG.info("%s.%s is a sequence; its steps are passed over", database, table)
                return None
            unknown = UnknownTableError(TableId(database, table))
            if self._on_unknown == "fail":
                raise unknown
            level = logging.WARNING if self._on_unknown == "warn" else logging.DEBUG
            _LOG.log(level, "%s", unknown)
            return None
        return TableBatches(version, table_map, self._options)

    def _rows_event(self, event: Event) -> None:
        kind, ts, server_id, start, _, body = event
        position = self.position
        skip = position.skips() if position.skip_events or position.skip_rows else 0
        target = self._targets.get(body[:6])
        if target is None:
            raise ConnectError(
                f"The rows at {position.file}:{start} belong to a table id that was not announced; "
                "the stream is damaged, restart the task"
            )
        batches = target.batches
        passes = self._passes_source
        if batches is not None and skip >= 0 and (passes is None or passes(position.gtid)):
            op, extra, compressed = _ROWS[kind]
            at = 8
            if extra:
                at += body[8] | body[9] << 8
            if compressed:
                body = _inflated(body, at, two=op == UPDATE)
            position.ts_sec = self._ts_us // 1_000_000 or ts
            position.server_id = server_id
            if op not in self._skipped:
                self._take_rows(batches, op, body, at, skip, start)
        if skip > 0:
            position.skip_events = position.skip_rows = 0
        position.event += 1

    def _take_rows(
        self, batches: TableBatches, op: str, body: bytes, at: int, skip: int, start: int
    ) -> None:
        position = self.position
        try:
            decoded = batches.decoder.decode(body, at, op == UPDATE)
        except DataError as error:
            self._failed(error, start)
            return
        if skip:
            keys, rows, old = decoded
            decoded = keys[skip:], rows[skip:], old and old[skip:]
        keys, rows, old = decoded
        if rows:
            self._row = rows[-1][-1]
        if op == UPDATE and self._options.skip_unchanged:
            decoded = keys, rows, old = _changed(decoded)
        rekeys = old is not None and old != keys
        if not rows:
            return
        ts_us = self._ts_us or position.ts_sec * 1_000_000
        gtid = position.gtid
        text = None if gtid is None else gtid.text
        self._sent_rows = True
        self.rows += len(rows)
        mark = position.place()
        if rekeys or len(rows) < SMALL:
            into = self._gathered
            if (
                into is None
                or self._gathered_of is not batches
                or into.server_id != position.server_id
                or into.ts_us not in (0, ts_us)
                or (rekeys and into.extra is None)
            ):
                self._close_gathered()
                into = self._gathered = Gathered(
                    position.file, position.server_id, ts_us if self._mariadb else 0
                )
                self._gathered_of = batches
            shared: tuple[Any, ...]
            if self._mariadb:
                shared = (text, start, self._query)
            else:
                shared = (
                    text, start, self._query, ts_us // 1000, ts_us, ts_us * 1000, self._thread
                )  # fmt: skip
            batches.gather(into, op, decoded, shared, mark, position.transaction)
        else:
            self._close_gathered()
            origin = Origin(
                ts_us, position.server_id, text, position.file, start, self._thread, self._query,
                self.now_ns,
            )  # fmt: skip
            self.ready.append(
                batches.whole(
                    op, decoded, origin, self._offsets, Mark(*mark), position.transaction
                )
            )

    def _failed(self, error: DataError, start: int) -> None:
        text = f"{error} (event at {self.position.file}:{start})"
        if self._on_failure == "fail":
            raise ConnectError(text) from error
        _LOG.log(logging.WARNING if self._on_failure == "warn" else logging.DEBUG, text)

    def _close_gathered(self) -> None:
        found, batches = self._gathered, self._gathered_of
        if found is not None and batches is not None and found.values:
            self.ready.append(batches.gathered(found, self._offsets, self.now_ns))
        self._gathered = self._gathered_of = None

    def _rows_query(self, event: Event) -> None:
        if self._wants_query:
            body = event[5]
            text = body[1:] if event[0] == EventType.ROWS_QUERY else body
            self._query = text.decode("utf-8", "replace")
        self._done(event)

    def _payload(self, event: Event) -> None:
        """Handle a compressed transaction; its events all have the position of the payload."""
        payload = events.read_payload(event[5])
        at, packed = 0, []
        while at < len(payload):
            ts, kind, server, size, _, _ = events.HEADER.unpack_from(payload, at)
            body = payload[at + events.HEADER_SIZE : at + size]
            at += size
            packed.append((kind, ts, server, event[3], event[4], body))
        self.take(packed)

    def _query_event(self, event: Event) -> None:
        if event[5].endswith(b"\0BEGIN") and not self._mariadb:
            self._begin(event)  # once per transaction: not worth reading whole
            self._thread = int.from_bytes(event[5][:4], "little")
            return
        compressed = event[0] == EventType.QUERY_COMPRESSED
        query = (events.read_compressed_query if compressed else events.read_query)(event[5])
        match = _WORD.match(query.sql)
        first, second = (match[1].upper(), (match[2] or "").upper()) if match else ("", "")
        position = self.position
        if first == "BEGIN" or (first == "XA" and second == "START"):
            if not self._mariadb or not position.in_transaction:
                self._begin(event)
            else:
                position.event += 1
            self._thread = query.thread
        elif first == "COMMIT" or (first == "ROLLBACK" and second != "TO"):
            if first == "ROLLBACK" and self._sent_rows:
                _LOG.warning(
                    "A transaction at %s:%s was rolled back after changes of non-transactional tables: "
                    "its events were sent, those of transactional tables included",
                    position.file,
                    position.pos,
                )
            self._xid(event)
        elif first in _IN_TRANSACTION or first in ("ROLLBACK", "XA"):
            self._statement_done(event)
        elif first in _DML:
            self._refuse_statement(query.database, first, query.sql, event)
        else:
            self._schema_change(query.database, query.sql, event)

    def _statement_done(self, event: Event) -> None:
        """End the one-statement transaction of a DDL; inside a transaction only count it."""
        position = self.position
        gtid = position.gtid
        if position.in_transaction and not (
            self._mariadb and gtid is not None and gtid.standalone
        ):
            position.event += 1
        else:
            position.complete(event[4])

    def _is_about_captured(self, database: str, sql: str) -> bool:
        """Whether a statement may change tables of a captured database: its own or one that it names."""
        captured = self._schemas.filters.database
        named = [quoted or plain for quoted, plain in _QUALIFIED.findall(sql)]
        return captured(database) or any(captured(name) for name in named)

    def _refuse_statement(self, database: str, word: str, sql: str, event: Event) -> None:
        if self._is_about_captured(database, sql):
            raise ConnectError(
                f"The binlog holds a statement ({word}) instead of rows at {self.position.file}:"
                f"{event[3]}: its changes cannot be captured. Set binlog_format=ROW for every session "
                "and take a new snapshot"
            )
        self._statement_done(event)

    def _schema_change(self, database: str, sql: str, event: Event) -> None:
        position, options = self.position, self._options
        self._close_gathered()
        position.ts_sec = self._ts_us // 1_000_000 or event[1]
        position.server_id = event[2]
        if position.in_transaction and position.event < position.skip_events:
            self._statement_done(event)
            return
        mark = position.mark()
        if not position.in_transaction:
            mark = mark._replace(pos=event[4])
        offset = self._offsets.map(mark)
        # schema changes show the time in ms
        ts_us = (self._ts_us or event[1] * 1_000_000) // 1000 * 1000
        gtid = position.gtid
        text = gtid.text if gtid else None
        thread = self._thread if position.in_transaction else None
        row = self._row  # the peer leaves the last row's number standing
        origin = Origin(
            ts_us, event[2], text, position.file, event[3], None, None, self._clock.now_ns()
        )

        def source(database: str, table: str | None) -> tuple[Any, ...]:
            return (
                options.version, options.connector, options.name, ts_us // 1000, None, database, None,
                ts_us, ts_us * 1000, table, event[2], text, position.file, event[3], row, thread, None,
            )  # fmt: skip

        applied = self._schemas.apply_ddl(offset, database, sql, source)
        found = [applied.batch] if applied.batch is not None else []
        for id_ in applied.truncated if "t" not in options.skipped else ():
            version = self._schemas.get(id_.catalog, id_.table)
            if version is not None:
                found.append(truncate_batch(version, options, origin, row, position.transaction))
        if applied.changes:
            self._targets.clear()
        self._statement_done(event)
        self._add_step(found, offset)

    def _add_step(self, found: list[Batch], before: Mapping[str, Any]) -> None:
        """Add the records of one statement; only the offset of the last one is behind it."""
        after = self._offsets.map(self.position.mark())
        for batch in found:
            last = len(batch) - 1 if batch is found[-1] else -1
            batch.headers = self._options.headers
            batch.source_partition = self._options.partition
            batch.source_offset = lambda row, last=last: after if row == last else before
            self.ready.append(batch)


def _changed(decoded: Any) -> Any:
    """Leave out updates whose value stays the same."""
    keys, rows, old = decoded
    kept = [
        place
        for place, row in enumerate(rows)
        if row[: (len(row) - 1) // 2] != row[(len(row) - 1) // 2 : -1]
    ]
    if len(kept) == len(rows):
        return decoded
    return (
        [keys[place] for place in kept] if keys else keys,
        [rows[place] for place in kept],
        [old[place] for place in kept] if old else old,
    )


def _inflated(body: bytes, at: int, *, two: bool) -> bytes:
    """Give a compressed rows body uncompressed: count and bitmaps are plain, rows are not."""
    count, behind = events.length_encoded(body, at)
    behind += (count + 7) // 8 * (2 if two else 1)
    return body[:behind] + events.inflate(body[behind:])


def _source_filter(parsed: Mapping[str, Any]) -> Callable[[Any], bool] | None:
    includes, excludes = parsed["gtid.source.includes"], parsed["gtid.source.excludes"]
    if not parsed["gtid.source.filter.dml.events"] or not (includes or excludes):
        return None
    patterns = [re.compile(text, re.IGNORECASE) for text in (includes or excludes)]
    wanted = bool(includes)

    def passes(gtid: Any) -> bool:
        if gtid is None:
            return True
        source = gtid.source.partition(":")[0]
        return any(pattern.fullmatch(source) for pattern in patterns) == wanted

    return passes
