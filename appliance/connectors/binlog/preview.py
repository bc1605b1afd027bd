"""What a start at another offset would find on the server and in the schema history.

The checks are those of a start, made beforehand, and those of what a start passes over in silence. Runs in
a process of its own. Semantics: Debezium BinlogConnectorTask.start, BinlogHistoryRecordComparator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from appliance.api import OffsetChange, OffsetCheck, OffsetPreview
from appliance.connectors.binlog.distance import remaining
from appliance.connectors.binlog.gtid import MariaDbGtidSet
from appliance.connectors.binlog.history import MemoryHistory, Record, SchemaHistory
from appliance.connectors.binlog.order import at_or_before
from appliance.connectors.binlog.plan import make_plan
from appliance.connectors.binlog.server import DeniedError, Server
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.errors import ConnectError

PATIENCE_S: Final = 5
_SHOWN: Final = 60

Offset = Mapping[str, Any]


class Preview:
    """Asks server and history once, for all changes of a connector."""

    def __init__(
        self, dialect: Dialect, parsed: Mapping[str, Any], history: SchemaHistory
    ) -> None:
        """Take the parsed options; nothing is asked yet."""
        self._dialect = dialect
        self._parsed = parsed
        self._history = history
        self._records: list[Record] = []
        self._files: list[tuple[str, int]] = []

    def of(self, changes: Sequence[OffsetChange]) -> list[OffsetPreview]:
        """Give what each change means; what cannot be asked is a check that failed."""
        before = self._read_history()
        try:
            with Server(
                self._dialect, self._parsed, connect_timeout=PATIENCE_S, read_timeout=PATIENCE_S
            ) as server:
                self._files = server.binlog_sizes()
                end = server.position()
                on_server = _OnServer(
                    self._parsed, server, self._files, (end.file, end.pos), end.gtids
                )
                return [self._previewed(change, on_server, before) for change in changes]
        except ConnectError as error:
            away = OffsetCheck("the server answers", ok=False, detail=str(error))
            return [OffsetPreview((away, *before)) for _ in changes]

    def _read_history(self) -> tuple[OffsetCheck, ...]:
        try:
            prefix = self._parsed["topic.prefix"]
            self._records = [
                record
                for record in self._history.read()
                if (record.get("source") or {}).get("server") in (None, prefix)
            ]
        except ConnectError as error:
            return (OffsetCheck("the schema history can be read", ok=False, detail=str(error)),)
        finally:
            self._history.close()
        return ()

    def _previewed(
        self, change: OffsetChange, on_server: _OnServer, before: tuple[OffsetCheck, ...]
    ) -> OffsetPreview:
        after = change.after
        checks = list(before)
        prefix = self._parsed["topic.prefix"]
        if (change.partition or {}).get("server") != prefix:
            text = f"it reads the offset of server={prefix} alone"
            checks.append(OffsetCheck("the connector reads this partition", ok=False, detail=text))
        if after is None:
            checks.append(self._start(None, available=True, known=True))
            return OffsetPreview(tuple(checks))
        try:
            checks += on_server.checks(after, change.before)
            available = on_server.has(after)
        except ConnectError as error:
            checks.append(
                OffsetCheck("the server understands the offset", ok=False, detail=str(error))
            )
            return OffsetPreview(tuple(checks))
        if not before and not isinstance(self._history, MemoryHistory):
            checks.append(self._schemas(after))
        checks.append(self._start(after, available=available, known=bool(self._records)))
        return OffsetPreview(tuple(checks), self._moved(change.before, after))

    def _start(self, offset: Offset | None, *, available: bool, known: bool) -> OffsetCheck:
        """Give what the start decides, in its own words."""
        name = "the connector goes on there" if offset else "the connector starts anew"
        mode = f"snapshot.mode={self._parsed['snapshot.mode']}"
        unread = isinstance(self._history, MemoryHistory)
        try:
            plan = make_plan(
                self._parsed,
                offset,
                history_exists=lambda: known or unread,
                position_available=lambda _: available,
            )
        except ConnectError as error:
            return OffsetCheck(name, ok=False, detail=str(error))
        if plan.offset is not None:
            return OffsetCheck(name, ok=True)
        first = (
            "rows and definitions" if plan.data else "definitions" if plan.schema else "nothing"
        )
        then = "then the binlog" if plan.stream else "and no binlog"
        where = "" if plan.data or plan.schema else ", from its oldest file"
        text = f"{mode}: a snapshot of {first}, {then}{where}"
        return OffsetCheck(name, ok=offset is None, detail=text)

    def _schemas(self, offset: Offset) -> OffsetCheck:
        """Give whether the history's definitions are those of the events behind the offset."""
        name = "not older than the last schema change"
        later = [
            record
            for record in self._records
            if not at_or_before(record.get("position") or {}, offset)
        ]
        if not later:
            return OffsetCheck(name, ok=True)
        if len(later) == len(self._records):
            first = later[0].get("position") or {}
            text = f"the schema history begins at {_place(first)}: events before it have no definition"
            if first.get("gtids") and not offset.get("gtids"):
                text = (
                    "the places of the schema history have gtids, so this one needs them as well"
                )
            return OffsetCheck(name, ok=False, detail=text)
        last = later[-1]
        statement = " ".join(str(last.get("ddl") or "").split())
        shown = statement if len(statement) <= _SHOWN else f"{statement[:_SHOWN]}..."
        text = (
            f"{len(later)} of them come again, the last at {_place(last.get('position') or {})}: {shown}; "
            "events before it have the former columns"
        )
        return OffsetCheck(name, ok=False, detail=text)

    def _moved(self, before: Offset | None, after: Offset) -> int | None:
        """Give the bytes between two places, below zero when the second one is the earlier."""
        left = [
            remaining(self._files, str(offset.get("file")), int(offset.get("pos") or 0))
            for offset in (before or {}, after)
        ]
        if left[0] is None or left[1] is None:
            return None
        return left[0] - left[1]


class _OnServer:
    """The checks of a place that the server answers."""

    def __init__(
        self,
        parsed: Mapping[str, Any],
        server: Server,
        files: Sequence[tuple[str, int]],
        end: tuple[str, int],
        gtids: str | None,
    ) -> None:
        self._server = server
        self._sizes = dict(files)
        self._names = [name for name, _ in files]
        self._end = end
        self._gtids = gtids
        self._by_gtids = server.gtid_mode() and not parsed["gtid.ignore.on.recovery"]

    def has(self, offset: Offset) -> bool:
        """Whether the server can send everything after the offset, as a start asks. Raises ConnectError."""
        return self._server.has_position(offset)

    def checks(self, offset: Offset, before: Offset | None) -> Iterator[OffsetCheck]:
        """Give them. Raises ConnectError."""
        by_gtids = bool(offset.get("gtids")) and self._by_gtids
        file, pos = str(offset["file"]), int(offset["pos"])
        if by_gtids and self._server.dialect == "mysql":
            kept = self._server.keeps_after(str(offset["gtids"]))
            purged = self._server.one("SELECT @@GLOBAL.gtid_purged")
            yield OffsetCheck("GTIDs not purged", kept, None if kept else f"purged are {purged}")
        else:
            kept = file in self._sizes
            has = f"it has {self._names[0]} to {self._names[-1]}" if self._names else "it has none"
            yield OffsetCheck("file still on the server", kept, None if kept else has)
        if file in self._sizes:
            size = self._sizes[file]
            inside = 4 <= pos <= size
            detail = None if inside else f"{file} has {size} bytes and begins at 4"
            yield OffsetCheck("position inside its file", inside, detail)
            if inside and not by_gtids:
                yield from self._event(file, pos)
        yield self._not_ahead(offset, by_gtids=by_gtids)
        if by_gtids:
            yield from self._agreement(offset, before)

    def _event(self, file: str, pos: int) -> Iterator[OffsetCheck]:
        """Give whether the server finds an event there; a user who may not ask is told nothing."""
        name = "an event begins there"
        try:
            self._server.ask(
                f"SHOW BINLOG EVENTS IN {self._server.escaped(file)} FROM {pos} LIMIT 1"
            )
        except DeniedError:
            return
        except ConnectError as error:
            yield OffsetCheck(name, ok=False, detail=str(error))
            return
        yield OffsetCheck(name, ok=True)

    def _not_ahead(self, offset: Offset, *, by_gtids: bool) -> OffsetCheck:
        name = "not ahead of the server"
        file, pos = str(offset["file"]), int(offset["pos"])
        ahead = file == self._end[0] and pos > self._end[1]
        if by_gtids and self._gtids:
            wanted = str(offset["gtids"])
            if self._server.dialect == "mysql":
                ahead |= not self._server.has_executed(wanted)
            else:
                ahead |= not MariaDbGtidSet(self._gtids).contains_all(MariaDbGtidSet(wanted))
        where = f"it is at {self._end[0]}:{self._end[1]}"
        if by_gtids and self._gtids:
            where += f", {self._gtids}"
        return OffsetCheck(name, not ahead, where if ahead else None)

    def _agreement(self, offset: Offset, before: Offset | None) -> Iterator[OffsetCheck]:
        """Give whether gtids, which alone decide where such a start begins, are those of the place."""
        name = "gtids are those of file and position"
        file, pos = str(offset["file"]), int(offset["pos"])
        at = None
        if self._server.dialect == "mariadb" and file in self._sizes:
            at = self._server.one(f"SELECT BINLOG_GTID_POS({self._server.escaped(file)}, {pos})")
        if at:
            wanted, found = MariaDbGtidSet(str(offset["gtids"])), MariaDbGtidSet(str(at))
            known = found.only(wanted.sources)
            same = known.contains_all(wanted) and wanted.contains_all(known)
            text = f"those of the place are {at}; the start goes by gtids alone"
            yield OffsetCheck(name, same, None if same else text)
        elif before is not None and offset["gtids"] == before.get("gtids"):
            moved = any(offset.get(key) != before.get(key) for key in ("file", "pos"))
            text = "they are still the present ones, and the start goes by gtids alone"
            yield OffsetCheck(name, not moved, text if moved else None)


def _place(position: Offset) -> str:
    return f"{position.get('file')}:{position.get('pos')}"
