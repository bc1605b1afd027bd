"""The source task of both binlog connectors: snapshot where one is needed, then the stream.

Runs on the task's thread; only `stop` is called from another one. Semantics: Debezium MySQL 3.6.1.Final
and MariaDB 3.5.0.Final BinlogConnectorTask and ChangeEventSourceCoordinator.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from appliance.api import Batch, SourceTask, SourceTaskContext
from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.connectors.binlog.batches import Options
from appliance.connectors.binlog.catalog import Catalog
from appliance.connectors.binlog.config import parse
from appliance.connectors.binlog.distance import Distance, Pace
from appliance.connectors.binlog.heartbeat import Heartbeat
from appliance.connectors.binlog.history import SchemaHistory, open_history
from appliance.connectors.binlog.neglected import warn_of_neglected
from appliance.connectors.binlog.plan import Plan, make_plan
from appliance.connectors.binlog.position import Mark, Position
from appliance.connectors.binlog.schemas import TableSchemas
from appliance.connectors.binlog.server import Server, connection_settings
from appliance.connectors.binlog.snapshot import Snapshot
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.stream import BinlogStream, ConnectionLostError, StartPoint
from appliance.connectors.binlog.streaming import Streaming
from appliance.connectors.binlog.versions import VERSIONS
from appliance.connectors.binlog.visibility import (
    NOTHING_CAPTURED,
    UnknownTableError,
    explained,
    missing_select,
)
from appliance.data import Header, Schema, Type
from appliance.errors import ConnectError, RetriableError

_LOG: Final = logging.getLogger("io.debezium.connector.binlog.BinlogConnectorTask")

_POLL_S: Final = 1.0
_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
_METRICS_MS: Final = 1000
_LISTS: Final = tuple(
    f"{of}.{kind}.list" for of in ("database", "table") for kind in ("include", "exclude")
)

_HEADER: Final = Schema(Type.STRING)


class BinlogSourceTask(SourceTask):
    """Reads one server; there is never more than one task."""

    dialect: ClassVar[Dialect]
    has_more = False

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        """Start with nothing open."""
        self._clock = clock
        self._stream: BinlogStream | None = None
        self._streaming: Streaming | None = None
        self._snapshot: Iterator[list[Batch]] | None = None
        self._history: SchemaHistory | None = None
        self._schemas: TableSchemas | None = None
        self._opened = False
        self._distance: Distance | None = None
        self._pace = Pace()
        self._heartbeat: Heartbeat | None = None
        self._not_before_s = 0.0
        self._stopped = False
        self._failures = 0
        self._most_tables = 0
        self._notice: str | None = None
        self._told: Mark | None = None

    def start(self, context: SourceTaskContext, config: Mapping[str, str]) -> None:
        """Take the configuration and open what it names; a server that is away is left to `poll`.

        Raises ConnectError.
        """
        self._context, self._config = context, config
        parsed = self._parsed = parse(self.dialect, config)
        warn_of_neglected(config, parsed)
        self._partition = {"server": parsed["topic.prefix"]}
        self._options = self.event_options(parsed)
        self._stored = context.offsets([self._partition])[0] or None
        self._history = open_history(
            parsed,
            context.client_config("schema.history.internal.producer."),
            context.client_config("schema.history.internal.consumer."),
        )
        self._measured_ms = 0
        silence_s = parsed["connect.keep.alive.interval.ms"] / 1000
        self._stream = BinlogStream(
            connection_settings(parsed),
            int(parsed["database.server.id"]),
            mariadb=self.dialect == "mariadb",
            heartbeat_s=min(silence_s * 0.8, 10.0),
            silence_s=silence_s if parsed["connect.keep.alive"] else None,
            net_timeouts_s={
                word: parsed[f"binlog.net.{word}.timeout"] for word in ("read", "write")
            },
            annotate=bool(parsed["include.query"]),
        )
        self._distance = Distance(self.dialect, parsed)
        self._open(self._history)

    def _open(self, history: SchemaHistory) -> None:
        """Check the server, decide about the snapshot, restore the schemas.

        What is away puts all of it off to the next attempt. Raises ConnectError.
        """
        try:
            plan = self._make_plan(history)
            self._context.set_trouble(None)
            self._begin(plan, self._config)
        except RetriableError as error:
            self._failed(error)
        else:
            self._opened = True

    def _make_plan(self, history: SchemaHistory) -> Plan:
        parsed = self._parsed
        with Server(self.dialect, parsed) as server:
            problems = server.problems()
            if problems:
                raise ConnectError("The server cannot be captured: " + "; ".join(problems))
            catalog = Catalog(
                ignore_case=server.ignores_case,
                server_charset=server.variable("character_set_server"),
            )
            schemas = TableSchemas(
                self.dialect, self._config, parsed, history, catalog=catalog, clock=self._clock
            )
            plan = make_plan(
                parsed,
                self._stored,
                history_exists=history.exists,
                position_available=server.has_position,
            )
            unread = missing_select(server, parsed) if plan.schema or plan.data else []
            if unread:
                raise ConnectError("The server cannot be captured: " + "; ".join(unread))
            if parsed["guardrail.collections.max"] > 0:
                schemas.check_guardrail(server.tables())
            self._uses_gtids = server.gtid_mode() and not parsed["gtid.ignore.on.recovery"]
        self._plan, self._schemas = plan, schemas
        self._heartbeat = Heartbeat(self.dialect, parsed, schemas.names.heartbeat)
        return plan

    def event_options(self, parsed: Mapping[str, Any]) -> Options:
        """Give what all events of a configuration have in common; its run id is new at each call."""
        prefix = parsed["topic.prefix"]
        context = {
            "connectorLogicalName": prefix,
            "taskId": "0",
            "connectorName": self.dialect,
            "runId": run_id(self._clock),
        }
        skipped = {word.strip() for word in parsed["skipped.operations"] or ()} - {"none"}
        headers = tuple(
            Header(f"__debezium.context.{name}", _HEADER, value) for name, value in context.items()
        )
        return Options(
            version=VERSIONS[self.dialect],
            connector=self.dialect,
            name=prefix,
            partition={"server": prefix},
            headers=headers if parsed["extended.headers.enabled"] else (),
            tombstones=bool(parsed["tombstones.on.delete"]),
            skipped=frozenset(skipped),
            skip_unchanged=bool(parsed["skip.messages.without.change"]),
            metadata=bool(parsed["provide.transaction.metadata"]),
            unavailable=parsed["unavailable.value.placeholder"]
            if self.dialect == "mysql"
            else None,
            converting=parsed["event.converting.failure.handling.mode"],
        )

    def _begin(self, plan: Plan, config: Mapping[str, str]) -> None:
        schemas = self._schemas
        assert schemas is not None  # noqa: S101  set by start
        if plan.schema or plan.data:
            self._taken = Snapshot(
                schemas,
                config,
                self._parsed,
                plan,
                headers=self._options.headers,
                clock=self._clock,
            )
            self._snapshot = self._taken.batches()
            self._delay("snapshot.delay.ms", "the snapshot")
            return
        if plan.offset is not None:
            count = schemas.recover(plan.offset)
            _LOG.info("Restored the definitions of %d tables", count)
            self._note_captured()
        if plan.stream:
            self._start_streaming(plan.offset or self._beginning())

    def _beginning(self) -> dict[str, Any]:
        """Give the oldest place of the binlog, for a start without snapshot and offset."""
        with Server(self.dialect, self._parsed) as server:
            return {"file": server.binlogs()[0], "pos": 4}

    def _start_streaming(self, offset: Mapping[str, Any]) -> None:
        schemas = self._schemas
        assert schemas is not None  # noqa: S101  set by start
        mariadb = self.dialect == "mariadb"
        position = Position(offset, mariadb=mariadb, metadata=self._options.metadata)
        self._streaming = Streaming(
            schemas, position, self._options, self._parsed, self._clock, mariadb=mariadb
        )
        _LOG.info("Streaming starts at %s", dict(offset))

    def poll(self) -> list[Batch]:
        """Give snapshot rows, then events. Raises ConnectError when trying again has not helped."""
        rest_s = self._not_before_s - self._clock.monotonic_s()
        if rest_s > 0:
            self._context.wait(min(rest_s, _POLL_S))
            return []
        if not self._opened:
            assert self._history is not None  # noqa: S101  set by start
            self._open(self._history)
            return []
        if self._snapshot is not None:
            try:
                return self._poll_snapshot(self._snapshot)
            except RetriableError as error:
                self._snapshot_failed(error)
                return []
        if self._streaming is None:
            self._context.wait(_POLL_S)
            return []
        return self._poll_stream(self._streaming)

    def _poll_snapshot(self, snapshot: Iterator[list[Batch]]) -> list[Batch]:
        self.has_more = True
        for batches in snapshot:
            if batches and self._taken.position is not None:
                self._context.set_trouble(None)
            if len(self._taken.rows_read) > self._most_tables:
                self._failures = 0
            return batches
        self._snapshot = None
        self._failures = 0
        self._note_captured()
        if self._plan.stream:
            self._start_streaming(self._plan.offset or self._taken.offset)
            self._delay("streaming.delay.ms", "streaming")
        return []

    def _snapshot_failed(self, error: RetriableError) -> None:
        """Put off the next attempt: long where it locks the server, and sends what was sent, once more.

        Failures count until an attempt has read more tables than all before it. Raises ConnectError.
        """
        self._most_tables = max(self._most_tables, len(self._taken.rows_read))
        self._failed(error, soon=self._taken.position is None)

    def _note_captured(self) -> None:
        """Tell while no table is captured; a statement may make one later."""
        schemas, noted = self._schemas, self._notice
        assert schemas is not None  # noqa: S101  set by start
        self._notice = None
        if not schemas.tables():
            lists = [f"{name}={self._config[name]}" for name in _LISTS if self._config.get(name)]
            known = f"{len(schemas.catalog)} tables are known"
            self._notice = f"{NOTHING_CAPTURED} ({', '.join([*lists, known])})"
            if not noted:
                _LOG.warning("%s", self._notice)
        self._context.set_trouble(self._notice)

    def _delay(self, option: str, what: str) -> None:
        delay_s = self._parsed[option] / 1000
        if delay_s > 0:
            self._not_before_s = self._clock.monotonic_s() + delay_s
            _LOG.info("The connector waits %.1f s (%s) before %s", delay_s, option, what)

    def _poll_stream(self, streaming: Streaming) -> list[Batch]:
        stream = self._stream
        assert stream is not None  # noqa: S101  set by start
        streaming.begin_poll(self._clock.now_ns())
        limit = int(self._parsed["max.batch.size"])
        try:
            if not stream.connected:
                self._connect(stream, streaming)
            began_s, before_s = self._clock.monotonic_s(), stream.waited_s
            while not self._stopped and not streaming.take(stream.events(), limit):
                if not stream.fill(0 if streaming.has_records else _POLL_S):
                    break
                self._beats.heard()
                if self._clock.monotonic_s() >= began_s + _POLL_S:
                    break
            ended_s, waited_s = self._clock.monotonic_s(), stream.waited_s - before_s
            self._pace.polled(stream.received, streaming.rows, began_s, waited_s, ended_s)
            self._context.set_trouble(self._notice)
        except ConnectionLostError as error:
            self._lost(error, stream)
        except UnknownTableError as error:
            raise self._explained(error) from error
        self.has_more = streaming.rows >= limit
        return self._finished(streaming)

    def _explained(self, error: UnknownTableError) -> ConnectError:
        try:
            with Server(self.dialect, self._parsed) as server:
                return ConnectError(explained(error, server))
        except ConnectError:
            return error

    def _lost(self, error: ConnectionLostError, stream: BinlogStream) -> None:
        stream.disconnect()
        # how far it is behind is not known from now on
        self._measured_ms = 0
        self._failed(error)

    def _failed(self, error: RetriableError, *, soon: bool = True) -> None:
        """Put off the next attempt, longer each time in a row. Raises ConnectError after the last.

        The first attempts follow `soon`, or wait as long as the later ones.
        """
        most = self._parsed["errors.max.retries"]
        if 0 <= most <= self._failures:
            raise ConnectError(f"{error} (errors.max.retries={most} is used up)") from error
        longest_s = self._parsed["retriable.restart.connector.wait.ms"] / 1000
        waits_s = [*(wait_s for wait_s in _BACKOFF_S if wait_s < longest_s), longest_s]
        delay_s = waits_s[min(self._failures, len(waits_s) - 1)] if soon else longest_s
        self._failures += 1
        _LOG.warning("%s; next attempt in %.1f s", error, delay_s)
        self._context.set_trouble(str(error))
        self._not_before_s = self._clock.monotonic_s() + delay_s

    def _connect(self, stream: BinlogStream, streaming: Streaming) -> None:
        position = streaming.position
        offset = position.rewind()
        gtids = position.gtids if self._uses_gtids else None
        if gtids is not None and gtids.tagged:
            gtids = None
        start = StartPoint(position.file, position.pos, gtids.text if gtids else None)
        stream.connect(start)
        streaming.restart(offset)

    def _finished(self, streaming: Streaming) -> list[Batch]:
        """Give what the poll collected, with the position after it."""
        ready = streaming.end_poll()
        mark = streaming.position.mark()
        now_ms = self._clock.now_ms()
        moved = mark != self._told
        if moved:
            self._told = mark
            self._failures = 0
        if self._beats.due(now_ms):
            ready.append(self._beats.beat(streaming.offsets.map(mark), now_ms))
        elif moved:
            offset = streaming.offsets.map(mark)
            ready.append(Batch("", [], source_partition=self._partition, source_offset=offset))
        if now_ms - self._measured_ms >= _METRICS_MS:
            self._measured_ms = now_ms
            self._measure(streaming, now_ms)
            if self._notice:
                self._note_captured()
        return ready

    @property
    def _beats(self) -> Heartbeat:
        assert self._heartbeat is not None  # noqa: S101  set by start
        return self._heartbeat

    def _measure(self, streaming: Streaming, now_ms: int) -> None:
        ts_sec = streaming.position.ts_sec
        behind_ms: float = max(0, now_ms - ts_sec * 1000) if streaming.busy and ts_sec else 0
        if self._stream is None or not self._stream.connected:
            behind_ms = float("nan")
        self._context.set_metric("milliseconds_behind_source", behind_ms)
        self._context.set_metric("source_event_position", streaming.position.pos)
        assert self._distance is not None  # noqa: S101  set by start
        size = self._distance.bytes(streaming.position.file, streaming.position.pos, now_ms)
        if size is not None:
            self._context.set_metric("bytes_behind_source", size)
        for name, value in (
            ("source_bytes_per_second", self._pace.bytes_per_second),
            ("source_bytes_per_record", self._pace.bytes_per_record),
        ):
            if value is not None:
                self._context.set_metric(name, round(value, 1))

    def stop(self) -> None:
        """Make a waiting poll return; any thread."""
        self._stopped = True
        if self._stream is not None:
            self._stream.wake()

    def close(self) -> None:
        """Close all connections."""
        self._snapshot = None  # ends the generator, which holds locks
        for helper in (self._distance, self._heartbeat):
            if helper is not None:
                helper.close()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        if self._history is not None:
            self._history.close()


class MySqlConnectorTask(BinlogSourceTask):
    """The task of `io.debezium.connector.mysql.MySqlConnector`."""

    dialect = "mysql"


class MariaDbConnectorTask(BinlogSourceTask):
    """The task of `io.debezium.connector.mariadb.MariaDbConnector`."""

    dialect = "mariadb"


def run_id(clock: Clock) -> str:
    """Give a UUID of version 7: 48 bits of milliseconds, the rest random."""
    random = int.from_bytes(os.urandom(10), "big")
    number = clock.now_ms() << 80 | 7 << 76 | (random >> 68 & 0xFFF) << 64
    number |= 2 << 62 | random & (1 << 62) - 1
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
