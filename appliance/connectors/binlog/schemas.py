"""TableSchemas: the definitions of all tables at the stream's position, and the records of their changes.

Snapshot and stream ask it for versions of tables and hand it every statement; it keeps the catalog,
writes the schema history before anything else happens, and gives the records for the schema change
topic. Semantics: Debezium BinlogDatabaseSchema, HistorizedRelationalDatabaseSchema. Task thread.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from appliance.api.batch import Batch
from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.connectors.binlog.catalog import Catalog, Change
from appliance.connectors.binlog.config import split_regexes
from appliance.connectors.binlog.ddl import DdlError, parse_ddl
from appliance.connectors.binlog.filters import Filters, Patterns
from appliance.connectors.binlog.history import SchemaHistory
from appliance.connectors.binlog.names import java_set_order
from appliance.connectors.binlog.order import at_or_before, is_replayed
from appliance.connectors.binlog.records import (
    SCHEMA_CHANGES,
    history_record,
    read_changes,
    schema_change_row,
)
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.tables import Table, TableId
from appliance.connectors.binlog.versions import TableVersion, VersionBuilder
from appliance.errors import ConnectError

__all__ = ["Applied", "SourceOf", "TableSchemas", "TableVersion"]

_LOG: Final = logging.getLogger("io.debezium.connector.binlog.BinlogDatabaseSchema")

_COMPUTED: Final = re.compile(r"\bAS\s*\(", re.IGNORECASE)

SourceOf = Callable[[str, str | None], tuple[Any, ...]]
"""Gives the `source` block of a change in a database and table (names; None: no table)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Applied:
    """What a statement did: its changes, and the batch for the schema change topic (None: nothing).

    The batch has topic, partition, keys, values and schemas; offsets and headers are the caller's.
    """

    changes: tuple[Change, ...] = ()
    batch: Batch | None = None

    @property
    def truncated(self) -> list[TableId]:
        """Give the tables that the statement emptied."""
        return [
            c.table_id for c in self.changes if c.kind == "TRUNCATE" and c.table_id is not None
        ]


class TableSchemas:
    """The tables of one connector; see the module's text."""

    def __init__(
        self,
        dialect: Dialect,
        config: Mapping[str, str],
        parsed: dict[str, Any],
        history: SchemaHistory,
        *,
        catalog: Catalog | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Read the options that matter. Raises ConfigError."""
        self.dialect = dialect
        self.filters = Filters(parsed)
        self.history = history
        self.catalog = catalog or Catalog()
        self._clock = clock
        self._builder = VersionBuilder(dialect, config, parsed, self.filters)
        self.names = self._builder.names
        self._prefix = parsed["topic.prefix"]
        self._comments = parsed["include.schema.comments"]
        self._emits = parsed["include.schema.changes"]
        kept = "schema.history.internal"
        self._skips_unparseable = parsed[f"{kept}.skip.unparseable.ddl"]
        self._only_captured_tables = parsed[f"{kept}.store.only.captured.tables.ddl"]
        self._only_captured_databases = parsed[f"{kept}.store.only.captured.databases.ddl"]
        self._most_tables = parsed["guardrail.collections.max"]
        self._over_limit = parsed["guardrail.collections.limit.action"]
        self._unkept: Patterns = split_regexes(parsed[f"{kept}.ddl.filter"] or "")
        self._versions: dict[TableId, TableVersion | None] = {}
        self._replayed: dict[tuple[Any, Any], list[Change]] = {}

    def get(self, catalog: str, table: str) -> TableVersion | None:
        """Give the present version of a captured table; None when not captured or not known.

        Raises DataError for a column whose type cannot be captured.
        """
        id_ = TableId(catalog, table)
        if id_ not in self._versions:
            known = self.catalog.get(id_) if self.filters.table(id_) else None
            self._versions[id_] = self._builder.build(known) if known is not None else None
        return self._versions[id_]

    def captures(self, catalog: str, table: str) -> bool:
        """Whether changes of a table are wanted, known or not."""
        return self.filters.table(TableId(catalog, table))

    def keeps(self, id_: TableId) -> bool:
        """Whether a snapshot reads the definition of a table: more than what is captured, by default."""
        if not self.filters.known(id_.catalog):
            return False
        if self._only_captured_tables:
            return self.filters.table(id_)
        return not self._only_captured_databases or self.filters.database(id_.catalog)

    def check_guardrail(self, ids: Sequence[TableId]) -> None:
        """Compare how many of the server's tables are kept with guardrail.collections.max.

        Raises ConnectError where guardrail.collections.limit.action says so.
        """
        most, count = self._most_tables, sum(map(self.keeps, ids))
        if count <= most:
            return
        text = (
            f"Guardrail limit exceeded: {count} tables/collections configured for capture, but maximum "
            f"allowed is {most}."
        )
        if not self._only_captured_tables:
            text += (
                " The definitions of tables that are not captured count too, unless "
                "schema.history.internal.store.only.captured.tables.ddl=true."
            )
        if self._over_limit == "fail":
            raise ConnectError(text)
        _LOG.warning("%s", text)

    def tables(self) -> list[Table]:
        """Give all captured tables that are known."""
        return [table for table in self.catalog if self.filters.table(table.id)]

    def recover(self, position: Mapping[str, Any]) -> int:
        """Rebuild the catalog from the history up to a stored offset; give the number of tables.

        Raises ConnectError for a history that cannot be read.
        """
        for record in self.history.read():
            source = record.get("source") or {}
            recorded = record.get("position") or {}
            if source.get("server") not in (None, self._prefix):
                continue
            if at_or_before(recorded, position):
                changes = self._restore(record)
                if is_replayed(recorded, position):
                    self._replayed.setdefault(_place(recorded), []).extend(changes)
        self._versions.clear()
        return len(self.catalog)

    def _restore(self, record: Mapping[str, Any]) -> Sequence[Change]:
        statement = record.get("ddl") or ""
        changes: Sequence[Change] = self._with_computed(read_changes(record), record, statement)
        if not changes and statement:
            try:
                changes = self._parse(record.get("databaseName") or "", statement)
            except DdlError as error:
                if not self._passes_over(error):
                    raise
        for change in changes:
            self.catalog.apply(change)
        return changes

    def _with_computed(
        self, changes: Sequence[Change], record: Mapping[str, Any], statement: str
    ) -> Sequence[Change]:
        """Give the changes with what their records leave out: which columns are computed."""
        if not _COMPUTED.search(statement) and not any(
            column.computed
            for change in changes
            if change.table_id is not None
            for known in (self.catalog.get(change.previous_id or change.table_id),)
            if known is not None
            for column in known.columns
        ):
            return changes
        try:
            parsed = self._parse(record.get("databaseName") or "", statement)
        except DdlError:
            return changes
        computed = {
            (change.table_id, column.name)
            for change in parsed
            if change.table is not None
            for column in change.table.columns
            if column.computed
        }
        return [_marked_computed(change, computed) for change in changes]

    def apply_ddl(
        self,
        position: Mapping[str, Any],
        database: str,
        statement: str,
        source: SourceOf,
        *,
        snapshot: bool = False,
    ) -> Applied:
        """Apply a statement run in `database`, keep it in the history, give the records for it.

        `position` is the offset map of the statement. Raises DdlError for a statement about captured
        tables that is not understood, ConnectError when the history cannot be written.
        """
        return self.apply_all(position, [(database, statement)], source, snapshot=snapshot)

    def apply_all(
        self,
        position: Mapping[str, Any],
        statements: Sequence[tuple[str, str]],
        source: SourceOf,
        *,
        snapshot: bool = False,
    ) -> Applied:
        """Do the same for several statements at one position, with one write of the history.

        A statement that the catalog has from the history already, because the stream starts before its
        end, is not applied twice.
        """
        all_changes: list[Change] = []
        records: list[dict[str, Any]] = []
        rows: list[tuple[str, tuple[Any, ...]]] = []
        for database, statement in statements:
            known = self._replayed.pop(_place(position), None)
            changes = self._effects(database, statement) if known is None else known
            tables = _tables_by_database(changes)
            for change in changes:
                if known is None:
                    self._take(change)
                if self._keeps(change, statement):
                    ts_ms = self._clock.now_ms()
                    if known is None and self._remembers(change):
                        records.append(history_record(self._prefix, position, ts_ms, change))
                    table = tables.get(change.database) if change.table_id else None
                    table = table or _no_table(change, snapshot=snapshot)
                    block = source(change.database, table)
                    rows.append((change.database, schema_change_row(block, ts_ms, change)))
            all_changes += changes
        if records:
            self.history.append(records)
        return Applied(tuple(all_changes), self._batch(rows))

    def _effects(self, database: str, statement: str) -> list[Change]:
        try:
            return self._parse(database, statement)
        except DdlError as error:
            if not self._passes_over(error):
                raise
            if error.target is not None:
                self.catalog.remove(error.target)
            _LOG.warning("Passing over a statement that is not understood: %s", error)
            return []

    def _parse(self, database: str, statement: str) -> list[Change]:
        return parse_ddl(statement, database, self.catalog, self.dialect, comments=self._comments)

    def _passes_over(self, error: DdlError) -> bool:
        """Whether a statement does no harm unread: it is about a table that is not captured."""
        target = error.target
        return self._skips_unparseable or (target is not None and not self.filters.table(target))

    def _take(self, change: Change) -> None:
        self.catalog.apply(change)
        if change.kind == "DROP DATABASE":
            self._versions.clear()
        elif change.kind != "TRUNCATE":
            for id_ in (change.table_id, change.previous_id):
                if id_ is not None:
                    self._versions.pop(id_, None)

    def _keeps(self, change: Change, statement: str) -> bool:
        """Whether the schema change topic gets a change, and with it the history, most of the time."""
        if change.kind == "TRUNCATE" or any(p.fullmatch(statement) for p in self._unkept):
            return False
        if change.database and not self.filters.known(change.database):
            return False
        if self._only_captured_databases and change.database:
            return self.filters.database(change.database) and self._about_captured(change)
        return self._about_captured(change)

    def _about_captured(self, change: Change) -> bool:
        if not self._only_captured_tables or change.table_id is None:
            return True
        ids = [change.table_id, *([change.previous_id] if change.previous_id else [])]
        return any(self.filters.table(id_) for id_ in ids)

    def _remembers(self, change: Change) -> bool:
        """Whether the history gets it too: a statement about no table only if all are kept."""
        return (
            not self._only_captured_tables or change.table_id is not None or change.kind == "SET"
        )

    def _batch(self, rows: Sequence[tuple[str, tuple[Any, ...]]]) -> Batch | None:
        if not rows or not self._emits:
            return None
        key_schema, value_schema = SCHEMA_CHANGES[self.dialect]
        return Batch(
            topic=self.names.schema_changes,
            values=[value for _, value in rows],
            value_schema=value_schema,
            keys=[(database,) for database, _ in rows],
            key_schema=key_schema,
            partition=0,
        )


def _marked_computed(change: Change, computed: set[tuple[TableId | None, str]]) -> Change:
    if change.table is None:
        return change
    columns = tuple(
        dataclasses.replace(column, computed=(change.table_id, column.name) in computed)
        for column in change.table.columns
    )
    return dataclasses.replace(change, table=dataclasses.replace(change.table, columns=columns))


def _place(position: Mapping[str, Any]) -> tuple[Any, Any]:
    return position.get("file"), position.get("pos")


def _tables_by_database(changes: Sequence[Change]) -> dict[str, str]:
    """Give what `source.table` is for changes of tables: all those of a database, in Java's set order."""
    found: dict[str, dict[str, TableId]] = {}
    for change in changes:
        if change.table_id is not None:
            found.setdefault(change.database, {})[str(change.table_id)] = change.table_id
    joined = {}
    for database, ids in found.items():
        joined[database] = ",".join(ids[name].table for name in java_set_order(ids))
    return joined


def _no_table(change: Change, *, snapshot: bool) -> str | None:
    """Give what `source.table` is for a change of no table: "" for a streamed statement about none."""
    altered = change.kind == "OTHER" or (
        change.kind == "DATABASE" and change.statement[:5].upper() == "ALTER"
    )
    return "" if altered and not snapshot else None
