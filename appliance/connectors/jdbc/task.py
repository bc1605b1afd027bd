"""The JDBC source task: serves its tables in turn, one result at a time, each read to its end.

Semantics: kafka-connect-jdbc 10.10 JdbcSourceTask; transient errors are told from fatal ones by
SQLSTATE or error number instead of by exception class.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from appliance.api.batch import Batch
from appliance.api.task import SourceTask, SourceTaskContext
from appliance.clock import SYSTEM_CLOCK
from appliance.connectors.jdbc import config as keys
from appliance.connectors.jdbc.columns import Shape
from appliance.connectors.jdbc.connector import configured_query, parse_target
from appliance.connectors.jdbc.database import Database, TableId, first_line, open_database
from appliance.connectors.jdbc.guard import RECHECK_S, VisibilityGuard
from appliance.connectors.jdbc.offsetcolumns import offset_columns, timestamp_columns
from appliance.connectors.jdbc.querier import Plan, Querier
from appliance.connectors.jdbc.rights import is_refused, lacking_rights, lacking_select
from appliance.connectors.jdbc.selection import quoted_fqn, split_fqns
from appliance.connectors.jdbc.url import Target
from appliance.errors import ConnectError

_LOG = logging.getLogger("io.confluent.connect.jdbc.source.JdbcSourceTask")
_LONGEST_WAIT_S = 1.0
_NO_TABLES = "Task is being killed because it was not assigned a table nor a query to execute. "


class JdbcSourceTask(SourceTask):
    """Polls the tables of one task, or the query."""

    has_more = False

    def start(self, context: SourceTaskContext, config: Mapping[str, str]) -> None:
        """Connect, check the offset columns and find the stored offsets. Raises ConnectError."""
        self._context = context
        self._parsed = parsed = keys.CONFIG_DEF.parse(config)
        target = parse_target(parsed)
        for name in target.unknown:
            _LOG.warning("connection.url has a parameter that is not used here parameter=%s", name)
        self._database: Database = open_database(
            target, parsed[keys.ISOLATION], parsed[keys.TIMEZONE]
        )
        self._current: Querier | None = None
        self._troubled: Querier | None = None
        """What failed last and has not worked since."""
        self._shape = Shape(
            numeric_mapping=parsed[keys.NUMERIC_MAPPING] or "none",
            granularity=parsed[keys.GRANULARITY],
            timezone=parsed[keys.TIMEZONE],
            zero_dates=target.options.get("zerodatetimebehavior", "EXCEPTION").upper(),
        )
        query = configured_query(parsed)
        tables = split_fqns(config.get(keys.TASK_TABLES, ""), self._database.quote)
        if query is None and not tables and config.get(keys.TASK_TABLES_FETCHED) != "false":
            raise ConnectError(_NO_TABLES + self._why_no_tables(target))
        self._connect()
        plans = (
            [self._query_plan(query)]
            if query is not None
            else [self._table_plan(t) for t in tables]
        )
        self._queriers = [
            Querier(plan, self._stored(plan), self._guard(plan.described, plan.mode))
            for plan in plans
        ]

    def _why_no_tables(self, target: Target) -> str:
        with suppress(Exception):  # what the server answers at once, if it does
            if lacking := lacking_rights(self._database, target, self._parsed):
                return " ".join(f"{text}." for text in lacking.values())
        return "Create a table that matches table.whitelist, or correct the option."

    def _guard(self, described: str, mode: str) -> VisibilityGuard | None:
        wanted = self._parsed[keys.GUARD] and self._database.writers_overlap and mode != "bulk"
        if not wanted:
            return None
        hold_s = self._parsed[keys.GUARD_HOLD_MS] / 1000
        return VisibilityGuard(described, hold_s, self._context.wait)

    def _connect(self) -> None:
        attempts = self._parsed[keys.ATTEMPTS]
        for attempt in range(1, attempts + 1):
            try:
                self._database.now()
                self._database.commit()
                return
            except Exception as error:
                self._database.close()
                if attempt == attempts:
                    raise ConnectError(
                        f"connecting to the database: {first_line(error)}; gave up after {attempts} attempts"
                    ) from error
                if self._context.wait(self._parsed[keys.BACKOFF_MS] / 1000):
                    return

    def _plan(self, **parts: Any) -> Plan:
        parsed = self._parsed
        return Plan(
            mode=parsed[keys.MODE],
            quote=self._quote(),
            suffix=parsed[keys.QUERY_SUFFIX].strip(),
            delay_ms=parsed[keys.TIMESTAMP_DELAY],
            initial_ms=parsed[keys.TIMESTAMP_INITIAL],
            batch_rows=parsed[keys.BATCH_ROWS],
            shape=self._shape,
            **parts,
        )

    def _quote(self) -> str:
        return self._database.quote if self._parsed[keys.QUOTE].lower() == "always" else ""

    def _query_plan(self, query: str) -> Plan:
        parsed = self._parsed
        incremental = parsed[keys.MODE].endswith("incrementing")
        return self._plan(
            topic=parsed[keys.TOPIC_PREFIX],
            query=query,
            select=query,
            timestamp_columns=timestamp_columns(parsed, None),
            incrementing_column=parsed[keys.INCREMENTING] if incremental else None,
        )

    def _table_plan(self, table: TableId) -> Plan:
        columns = self._database.table_columns(table)
        times, number = offset_columns(self._parsed, table, columns)
        name = quoted_fqn(table, self._quote()) if self._quote() else table.fqn
        return self._plan(
            topic=self._parsed[keys.TOPIC_PREFIX] + table.name,
            table=table,
            select=f"SELECT * FROM {name}",  # noqa: S608 - quoted by quoted_fqn
            reference=f"{name}.",
            timestamp_columns=times,
            incrementing_column=number,
        )

    def _stored(self, plan: Plan) -> Mapping[str, Any] | None:
        partitions = [plan.partition]
        if plan.table is not None and plan.mode != "bulk":
            partitions.append({"table": plan.table.name})
        return next((offset for offset in self._context.offsets(partitions) if offset), None)

    def poll(self) -> list[Batch]:
        """Give the next rows of the running result, or begin with the table that waited longest."""
        querier = self._current or self._next_due()
        if querier is None:
            return []
        try:
            if not querier.running and not querier.open(self._database):
                querier.failures = 0
                self._works(querier)
                self._rest(querier)
                return []
            batch = querier.next_batch()
            if batch is None:
                self._database.commit()
        except ConnectError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers share no base class
            self._failed(querier, error)
            return []
        self._works(querier)
        self._current = querier
        self.has_more = batch is not None
        if batch is not None:
            return [batch]
        querier.failures = 0
        querier.polled_ms = SYSTEM_CLOCK.now_ms()
        self._context.set_metric("last_poll_ms", min(one.polled_ms for one in self._queriers))
        self._rest(querier)
        return []

    def _next_due(self) -> Querier | None:
        """Give the querier whose turn it is, after waiting for it up to a second."""
        if not self._queriers:
            self._context.wait(_LONGEST_WAIT_S)
            return None
        querier = min(self._queriers, key=lambda q: q.due_s)
        pause_s = querier.due_s - SYSTEM_CLOCK.monotonic_s()
        if pause_s > 0 and self._context.wait(min(pause_s, _LONGEST_WAIT_S)):
            return None
        return querier if querier.due_s <= SYSTEM_CLOCK.monotonic_s() else None

    def _rest(self, querier: Querier) -> None:
        held = querier.guard is not None and querier.guard.waiting
        pause_s = RECHECK_S if held else self._parsed[keys.POLL_MS] / 1000
        querier.due_s = SYSTEM_CLOCK.monotonic_s() + pause_s
        self._current = None

    def _works(self, querier: Querier) -> None:
        if self._troubled is querier:
            self._troubled = None
            self._context.set_trouble(None)

    def _failed(self, querier: Querier, error: Exception) -> None:
        what = f"reading {querier.plan.described}: {first_line(error)}"
        querier.abandon()
        transient = self._database.is_transient(error)
        self._database.close()
        if not transient:
            cure = "correct the cause"
            if is_refused(error) and querier.plan.table is not None:
                with suppress(Exception):  # a server that went away in between
                    cure = lacking_select(self._database, querier.plan.table)
            raise ConnectError(f"{what}; {cure}; restart the task then") from error
        querier.failures += 1
        limit = self._parsed[keys.QUERY_RETRIES]
        if 0 < limit < querier.failures:
            raise ConnectError(f"Failed to query table after retries: {what}") from error
        _LOG.warning("%s; trying again in %d ms", what, self._parsed[keys.POLL_MS])
        self._troubled = querier
        self._context.set_trouble(what)
        self._rest(querier)

    def close(self) -> None:
        """Close the connection."""
        database = getattr(self, "_database", None)
        if database is not None:
            database.close()
