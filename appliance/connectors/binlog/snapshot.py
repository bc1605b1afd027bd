"""Snapshot: definitions and rows of the captured tables as of one position of the binlog.

Lock, open a consistent view, note the position, unlock, read. Locks are held by a connection of their
own, so that the view outlives them. `batches` is a generator that the task drains poll by poll; what it
gives carries offsets marked `snapshot`, until the last one completes it.
Semantics: Debezium BinlogSnapshotChangeEventSource, RelationalSnapshotChangeEventSource.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pymysql.constants import ER

from appliance.api.batch import Batch, Const, Layout, Var
from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.connectors.binlog.catalog import Catalog
from appliance.connectors.binlog.grants import grant_statement
from appliance.connectors.binlog.notifications import INITIAL, Notifications
from appliance.connectors.binlog.plan import Plan
from appliance.connectors.binlog.schemas import Applied, TableSchemas
from appliance.connectors.binlog.server import BinlogPosition, DeniedError, Server
from appliance.connectors.binlog.tables import TableId, quote
from appliance.connectors.binlog.textrows import RowReader, select_expression
from appliance.connectors.binlog.versions import VERSIONS, Row, TableVersion
from appliance.data import Header
from appliance.errors import ConnectError

_LOG: Final = logging.getLogger("io.debezium.relational.RelationalSnapshotChangeEventSource")
_BATCH_ROWS: Final = 2048
_OVERRIDES: Final = "snapshot.select.statement.overrides"
_NO_RIGHT: Final = frozenset(
    {ER.DBACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR}
)
_PASSING: Final = frozenset({ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK, ER.TABLE_DEF_CHANGED})
"""Errors of a SELECT that another snapshot need not meet."""


class Snapshot:
    """One snapshot of one connector; `position` is set once the view is open."""

    def __init__(
        self,
        schemas: TableSchemas,
        config: Mapping[str, str],
        parsed: Mapping[str, Any],
        plan: Plan,
        *,
        headers: tuple[Header, ...] = (),
        connect: Callable[[], Server] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Prepare; `headers` go on every record but notifications."""
        self._headers = headers
        self._partition = {"server": schemas.names.prefix}
        self._schemas = schemas
        self._config = config
        self._parsed = parsed
        self._plan = plan
        self._connect = connect or (lambda: Server(schemas.dialect, parsed))
        self._clock = clock
        self._notify = Notifications(parsed, clock)
        self._layouts: dict[int, Layout] = {}
        self._account = ""
        self.position: BinlogPosition | None = None
        self.ts_sec = 0
        self.rows_read: dict[str, int] = {}

    @property
    def offset(self) -> dict[str, Any]:
        """Give the offset to stream from once the snapshot is complete."""
        position = self._at()
        offset: dict[str, Any] = {
            "ts_sec": self.ts_sec,
            "file": position.file,
            "pos": position.pos,
        }
        if position.gtids:
            offset["gtids"] = position.gtids
        return offset

    def _at(self) -> BinlogPosition:
        if self.position is None:
            raise ConnectError("The snapshot has not begun")
        return self.position

    def batches(self) -> Iterator[list[Batch]]:
        """Give the snapshot, step by step, each with batches in order.

        A step raises ConnectError or RetriableError; the one after it begins the snapshot anew, so that a
        part of it never passes for the whole.
        """
        return _Restarting(self._steps)

    def _steps(self) -> Iterator[list[Batch]]:
        self.position = None
        self.rows_read = {}
        yield self._notify.batch(INITIAL, "STARTED")
        with self._connect() as view:
            self._account = view.account()
            lock = self._lock()
            try:
                view.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                view.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
                self._note_position(view)
                known = view.tables()
                definitions: list[Batch] = []
                if self._plan.schema:
                    definitions = [self._marked(batch) for batch in self._definitions(view, known)]
                if self._notify.enabled and definitions:
                    yield definitions
                    definitions = []
                if self._mode != "extended":
                    _close(lock)
                    lock = None
                for batches in self._data(view, known) if self._plan.data else ():
                    if batches:
                        yield definitions + batches
                        definitions = []
                if definitions:  # no row came: the last record of the snapshot is among them
                    (source, *rest) = definitions[-1].values[-1]
                    definitions[-1].values[-1] = ((*source[:4], "last", *source[5:]), *rest)
                    yield definitions
            finally:
                _close(lock)
        yield self._notify.batch(INITIAL, "COMPLETED")
        yield [self._completion()]

    @property
    def _mode(self) -> str:
        return str(self._parsed["snapshot.locking.mode"]).lower()

    def _lock(self) -> Server | None:
        """Keep everybody from committing, as the locking mode says; the connection holds the locks."""
        if self._mode == "none":
            return None
        lock = self._connect()
        try:
            seconds = max(1, self._parsed["snapshot.lock.timeout.ms"] // 1000)
            lock.run(f"SET SESSION lock_wait_timeout = {seconds}")
            if self._mode.startswith("minimal_percona"):
                lock.run("LOCK TABLES FOR BACKUP")
                return lock
            try:
                lock.run("FLUSH TABLES WITH READ LOCK")
            except DeniedError:
                self._lock_tables(lock)
        except BaseException:
            lock.close()
            raise
        return lock

    def _lock_tables(self, lock: Server) -> None:
        """Lock the captured tables one by one, for a user who may not lock the server."""
        tables = [id_ for id_ in lock.tables() if self._schemas.filters.table(id_)]
        _LOG.warning(
            "The user may not lock all tables (RELOAD); locking the %d captured ones", len(tables)
        )
        if not tables:
            return
        names = [id_.sql for id_ in tables]
        try:
            lock.run(f"FLUSH TABLES {', '.join(names)} WITH READ LOCK")
        except DeniedError:
            # that wants RELOAD too; this one LOCK TABLES alone
            lock.run(f"LOCK TABLES {', '.join(f'{name} READ' for name in names)}")

    def _note_position(self, view: Server) -> None:
        self.ts_sec = self._clock.now_ms() // 1000
        self.position = view.position()
        stored = self._plan.offset
        if stored is not None:
            self.position = BinlogPosition(
                stored["file"], int(stored.get("pos") or 0), stored.get("gtids")
            )
        _LOG.info("Snapshot at %s position %d", self.position.file, self.position.pos)

    def _running_offset(self) -> dict[str, Any]:
        if self._plan.offset is not None:
            return dict(self._plan.offset)
        return {**self.offset, "snapshot": "INITIAL"}

    def _completion(self) -> Batch:
        offset = dict(self._plan.offset) if self._plan.offset is not None else self.offset
        return Batch("", [], source_partition=self._partition, source_offset=offset)

    def _marked(self, batch: Batch) -> Batch:
        return dataclasses.replace(
            batch,
            headers=self._headers,
            source_partition=self._partition,
            source_offset=self._running_offset(),
        )

    def _source(self, marker: str, db: str, table: str | None, moment_ns: int) -> Row:
        position = self._at()
        dialect = self._schemas.dialect
        return (
            VERSIONS[dialect],
            dialect,
            self._schemas.names.prefix,
            moment_ns // 1_000_000,
            marker,
            db,
            None,
            moment_ns // 1000,
            moment_ns,
            table,
            0,
            None,
            position.file,
            position.pos,
            0,
            None,
            None,
        )

    def _definitions(self, view: Server, known: Sequence[TableId]) -> list[Batch]:
        """Read the definitions of tables; into catalog, history and the schema change topic."""
        schemas = self._schemas
        schemas.catalog = Catalog(ignore_case=view.ignores_case)
        if not schemas.history.exists():
            schemas.history.create()
        statements = self._statements(view, known)
        applied: Applied = schemas.apply_all(
            self._running_offset(),
            statements,
            lambda db, table: self._source("true", db, table, self._clock.now_ns()),
            snapshot=True,
        )
        return [applied.batch] if applied.batch is not None else []

    def _statements(self, view: Server, known: Sequence[TableId]) -> list[tuple[str, str]]:
        """Give the statements that make the tables anew, each with its database."""
        kept = [id_ for id_ in known if self._schemas.keeps(id_)]
        charset = view.variable("character_set_server")
        collation = view.variable("collation_server")
        server = f"SET character_set_server={charset}, collation_server={collation}"
        statements = [("", server)]
        statements += [(id_.catalog, f"DROP TABLE IF EXISTS {id_.sql}") for id_ in kept]
        for database in dict.fromkeys(id_.catalog for id_ in kept):
            name = quote(database)
            charset, collation = view.database_charset(database)
            statements.append((database, f"DROP DATABASE IF EXISTS {name}"))
            made = f"CREATE DATABASE {name} CHARSET {charset} COLLATE {collation}"
            statements.append((database, made))
            statements.append((database, f"USE {name}"))
            for id_ in kept:
                if id_.catalog == database and (text := self._create_statement(view, id_)):
                    statements.append((database, text))
        return statements

    def _create_statement(self, view: Server, id_: TableId) -> str | None:
        """Give what makes a table, None where it is gone, or not captured and out of reach."""
        try:
            return view.create_statement(id_)
        except DeniedError as error:
            if self._schemas.filters.table(id_):
                grant = grant_statement("SELECT", id_.sql, self._account)
                raise DeniedError(f"{error}: {grant}, or leave the table out") from error
            _LOG.warning("Passing over a table that is not captured: %s", error)
            return None

    def _data(self, view: Server, known: Sequence[TableId]) -> Iterator[list[Batch]]:
        filters = self._schemas.filters
        captured = [id_ for id_ in known if filters.table(id_)]
        names = ",".join(str(id_) for id_ in captured)
        scanned = [
            id_
            for id_ in filters.snapshot_order(captured)
            if str(id_) != filters.signal_table and filters.snapshotted(id_)
        ]
        scanned = self._by_row_count(view, scanned)
        chosen = ",".join(str(id_) for id_ in scanned)
        for number, id_ in enumerate(scanned):
            version = self._schemas.get(id_.catalog, id_.table)
            if version is None:
                continue
            progress = {"current_collection_in_progress": str(id_), "data_collections": chosen}
            yield self._notify.batch(INITIAL, "IN_PROGRESS", progress)
            first, last = number == 0, number == len(scanned) - 1
            yield from self._table(view, version, first=first, last=last)
            done = {
                "scanned_collection": str(id_),
                "total_rows_scanned": str(self.rows_read[str(id_)]),
                "status": "SUCCEEDED",
                "data_collections": names,
            }
            yield self._notify.batch(INITIAL, "TABLE_SCAN_COMPLETED", done)

    def _by_row_count(self, view: Server, tables: list[TableId]) -> list[TableId]:
        order = str(self._parsed["snapshot.tables.order.by.row.count"]).lower()
        if order == "disabled":
            return tables
        counts = view.row_counts(tables)
        return sorted(tables, key=lambda id_: counts[id_], reverse=order == "descending")

    def _table(
        self, view: Server, version: TableVersion, *, first: bool, last: bool
    ) -> Iterator[list[Batch]]:
        """Give the rows of one table; the last one is held back until it is known to be the last."""
        moment_ns = view.now_ms() * 1_000_000
        total, held, opened = 0, None, False
        for rows in self._rows(view, version):
            total += len(rows)
            ready = [held, *rows] if held is not None else rows
            held = ready.pop()
            if ready:
                yield self._batches(version, moment_ns, ready, opening=not opened, first=first)
                opened = True
        self.rows_read[str(version.id)] = total
        if held is not None:
            marker = (
                "last" if last else "first" if first and total == 1 else "last_in_data_collection"
            )
            batch = self._batch(version, marker, moment_ns, [held])
            if last:
                batch.source_offset = self._completion().source_offset
            yield [batch]
        _LOG.info("Snapshot of %s: %d rows", version.id, total)

    def _rows(self, view: Server, version: TableVersion) -> Iterator[list[Row]]:
        statement, id_ = self._select(version), version.id
        # a table that is gone is not in the list of the next attempt
        passing = _PASSING if self._override(id_) else {*_PASSING, ER.NO_SUCH_TABLE}
        doing = f"Reading the rows of {id_} by {statement!r}"
        with view.errors(doing, lambda code: self._remedy(id_, code), passing):
            yield from RowReader(view.connection, version.columns).rows(statement, _BATCH_ROWS)

    def _remedy(self, id_: TableId, code: int) -> str | None:
        grant = grant_statement("SELECT", id_.sql, self._account)
        if self._override(id_) is not None:
            correct = f"correct {_OVERRIDES}.{id_}: it must give every captured column by its name"
            return f"{grant}, or {correct}" if code in _NO_RIGHT else correct
        if code == ER.COLUMNACCESS_DENIED_ERROR:
            return f"{grant}, or leave the column out with column.exclude.list"
        return grant if code in _NO_RIGHT else None

    def _batches(
        self,
        version: TableVersion,
        moment_ns: int,
        rows: list[Row],
        *,
        opening: bool,
        first: bool,
    ) -> list[Batch]:
        batches = []
        if opening:
            marker = "first" if first else "first_in_data_collection"
            batches.append(self._batch(version, marker, moment_ns, rows[:1]))
            rows = rows[1:]
        if rows:
            batches.append(self._batch(version, "true", moment_ns, rows))
        return batches

    def _batch(self, version: TableVersion, marker: str, moment_ns: int, rows: list[Row]) -> Batch:
        now_ns = self._clock.now_ns()
        source = self._source(marker, version.id.catalog, version.id.table, moment_ns)
        value_of, key_of = version.value_of, version.key_of
        values = rows if value_of is None else [value_of(row) for row in rows]
        return Batch(
            topic=version.topic,
            values=values,
            value_schema=version.envelope_schema,
            keys=None if key_of is None else [key_of(row) for row in rows],
            key_schema=version.key_schema,
            layout=self._layout(len(version.value_schema.fields)),
            constants=(None, source, None, "r", now_ns // 1_000_000, now_ns // 1000, now_ns),
            headers=self._headers,
            source_partition=self._partition,
            source_offset=self._running_offset(),
        )

    def _layout(self, width: int) -> Layout:
        """Give the layout of an envelope around short rows of `width` columns."""
        layout = self._layouts.get(width)
        if layout is None:
            after = Layout(tuple(Var(index) for index in range(width)))
            rest = tuple(Const(index) for index in range(1, 7))
            layout = self._layouts[width] = Layout((Const(0), after, *rest))
        return layout

    def _select(self, version: TableVersion) -> str:
        """Give the SELECT for a table's rows, or the override's columns by name."""
        columns = ", ".join(select_expression(c, quote(c.column.name)) for c in version.columns)
        columns = columns or "NULL"
        override = self._override(version.id)
        if override is not None:
            return f"SELECT {columns} FROM ({override.strip().rstrip(';')}) AS snapshot_rows"  # noqa: S608  the operator's own
        return f"SELECT {columns} FROM {version.id.sql}"  # noqa: S608  quoted names

    def _override(self, id_: TableId) -> str | None:
        listed = self._parsed[_OVERRIDES] or ""
        if str(id_) not in [name.strip() for name in listed.split(",")]:
            return None
        text = self._config.get(f"{_OVERRIDES}.{id_}")
        if not text:
            raise ConnectError(f"{_OVERRIDES} names {id_}, but {_OVERRIDES}.{id_} is missing")
        return text


class _Restarting:
    """An iterator that begins again after an error, unlike a generator, which would be at its end."""

    def __init__(self, begin: Callable[[], Iterator[list[Batch]]]) -> None:
        self._begin = begin
        self._current: Iterator[list[Batch]] | None = None

    def __iter__(self) -> Iterator[list[Batch]]:
        return self

    def __next__(self) -> list[Batch]:
        if self._current is None:
            self._current = self._begin()
        try:
            return next(self._current)
        except StopIteration:
            raise
        except BaseException:
            self._current = None
            raise


def _close(server: Server | None) -> None:
    if server is not None:
        server.close()
