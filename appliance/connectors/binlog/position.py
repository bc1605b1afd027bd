"""Where the stream is: the restart point, and the offset maps that stand for it.

An offset names the start of a transaction (or, between transactions, the end of the last one) and how
much of it is done: `event` events counted from its BEGIN, and `row` rows of the next one. Semantics:
Debezium MySQL 3.6.1.Final BinlogOffsetContext; other than there, the position moves on at commits and
server heartbeats. Task thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from appliance.connectors.binlog.events import Gtid
from appliance.connectors.binlog.gtid import GtidSet, MariaDbGtidSet, MySqlGtidSet
from appliance.errors import ConnectError

_COUNTS: Final = "transaction_data_collection_order_"


class Transaction:
    """What `provide.transaction.metadata` tells of the present transaction."""

    __slots__ = ("counts", "id", "total")

    def __init__(self, id_: str, counts: dict[str, int] | None = None) -> None:
        """Start counting, or go on with what an offset says."""
        self.id = id_
        self.counts = counts or {}
        self.total = sum(self.counts.values())

    @property
    def counted(self) -> tuple[str, tuple[tuple[str, int], ...]]:
        """Give id and counts as a mark keeps them."""
        return self.id, tuple(self.counts.items())

    def next(self, table: str) -> tuple[str, int, int]:
        """Count one event of a table; give the row of the `transaction` block."""
        self.total += 1
        count = self.counts[table] = self.counts.get(table, 0) + 1
        return self.id, self.total, count


class Mark(NamedTuple):
    """A place in the stream, as cheap as can be; `Position.offset` makes a map of it.

    `completed` is the number of transactions completed since the base set, `transaction` the id and
    counts of the transaction metadata or None.
    """

    file: str
    pos: int
    event: int
    row: int
    ts_sec: int
    server_id: int
    completed: int
    transaction: tuple[str, tuple[tuple[str, int], ...]] | None

    def after_rows(self, row: int, table: str, count: int) -> Mark:
        """Give the place after row number `row` of an event, the `count`th sent of it."""
        if self.transaction is None:
            return self._replace(row=row)
        id_, counts = self.transaction
        counted = dict(counts)
        counted[table] = counted.get(table, 0) + count
        return self._replace(row=row, transaction=(id_, tuple(counted.items())))


class Offsets:
    """Makes offset maps of the marks of one stretch of the stream, whose base GTID set is fixed."""

    __slots__ = ("_base", "_completed", "_count", "_reached")

    def __init__(self, base: GtidSet | None, completed: list[Gtid]) -> None:
        """Take the set at the beginning, and the (still growing) list of transactions after it."""
        self._base = base
        self._completed = completed
        self._reached = base
        self._count = 0

    def gtids(self, count: int) -> GtidSet | None:
        """Give the set after `count` transactions of the stretch; good until the next call."""
        if self._base is None or not count:
            return self._base
        # marks come in order: each goes on from the set of the one before
        if self._count == 0 or count < self._count:
            self._reached, self._count = self._base.copy(), 0
        if self._reached is not None:
            self._reached.add_all(self._completed[self._count : count])
        self._count = count
        return self._reached

    def map(self, mark: Mark) -> dict[str, Any]:
        """Give the offset map of a mark."""
        found: dict[str, Any] = {}
        if mark.transaction is not None:
            found["transaction_id"] = mark.transaction[0]
        if mark.ts_sec:
            found["ts_sec"] = mark.ts_sec
        found["file"] = mark.file
        found["pos"] = mark.pos
        if mark.transaction is not None:
            found.update((_COUNTS + table, count) for table, count in mark.transaction[1])
        gtids = self.gtids(mark.completed)
        if gtids:
            found["gtids"] = gtids.text
        if mark.row:
            found["row"] = mark.row
        if mark.server_id:
            found["server_id"] = mark.server_id
        if mark.event:
            found["event"] = mark.event
        return found


class Position:
    """The state that event handlers move on."""

    def __init__(self, offset: Mapping[str, Any], *, mariadb: bool, metadata: bool) -> None:
        """Begin at a stored offset. Raises ConnectError when it is none of these connectors'."""
        self._mariadb = mariadb
        self._metadata = metadata
        try:
            self.file = str(offset["file"])
            self.pos = int(offset["pos"])
            self.skip_events = int(offset.get("event") or 0)
            self.skip_rows = int(offset.get("row") or 0)
            self.ts_sec = int(offset.get("ts_sec") or 0)
            self.server_id = int(offset.get("server_id") or 0)
        except (KeyError, TypeError, ValueError) as error:
            raise ConnectError(
                f"The stored offset {dict(offset)} has no usable file and pos; correct it with "
                "PATCH /connectors/<name>/offsets"
            ) from error
        text = offset.get("gtids")
        kind = MariaDbGtidSet if mariadb else MySqlGtidSet
        self._base: GtidSet | None = kind(str(text)) if text else None
        self._completed: list[Gtid] = []
        self.event = 0
        self.in_transaction = False
        self.gtid: Gtid | None = None
        self.transaction: Transaction | None = None
        self._resumed = self._stored_transaction(offset)

    def _stored_transaction(self, offset: Mapping[str, Any]) -> Transaction | None:
        id_ = offset.get("transaction_id")
        if not self._metadata or id_ is None or not self.skip_events:
            return None
        counts = {
            key.removeprefix(_COUNTS): int(value)
            for key, value in offset.items()
            if key.startswith(_COUNTS)
        }
        return Transaction(str(id_), counts)

    @property
    def gtids(self) -> GtidSet | None:
        """Give the completed transactions; not to be changed."""
        return self.offsets().gtids(len(self._completed))

    def offsets(self) -> Offsets:
        """Give the maker of offset maps for marks from now on."""
        if self._completed and self._base is not None:
            self._base = self._base.copy()
            self._base.add_all(self._completed)
        self._completed = []
        return Offsets(self._base, self._completed)

    def mark(self) -> Mark:
        """Give the place after the last complete event."""
        return Mark(*self.place())

    def place(self) -> tuple[Any, ...]:
        """Give the same as a plain tuple, which costs a third.

        While a resumed transaction is still skipped, the place is where skipping ends.
        """
        event, row = self.event, 0
        if event <= self.skip_events:
            event, row = self.skip_events, self.skip_rows
        transaction = self.transaction or self._resumed
        return (
            self.file,
            self.pos,
            event,
            row,
            self.ts_sec,
            self.server_id,
            len(self._completed),
            None if transaction is None else transaction.counted,
        )

    def begin(self, pos: int) -> None:
        """Start a transaction whose BEGIN (MariaDB: GTID event), the first event, starts at `pos`."""
        self.pos = pos
        self.event = 1
        self.in_transaction = True
        if self._metadata:
            id_ = self.gtid.text if self.gtid else f"file={self.file},pos={pos}"
            resumed, self._resumed = self._resumed, None
            same = resumed is not None and resumed.id == id_
            self.transaction = resumed if same else Transaction(id_)

    def complete(self, end: int) -> None:
        """End the transaction (or a statement outside one) at `end`."""
        if self.gtid is not None:
            if self._base is None:
                self._base = MariaDbGtidSet() if self._mariadb else MySqlGtidSet()
            self._completed.append(self.gtid)
            self.gtid = None
        if end:
            self.pos = end
        self.event = self.skip_events = self.skip_rows = 0
        self.in_transaction = False
        self.transaction = self._resumed = None

    def rotate(self, file: str, pos: int) -> None:
        """Go on in another file. A transaction never spans files."""
        self.file = file
        self.pos = pos
        self.event = 0

    def skips(self) -> int:
        """Give how many rows of the present event are done: -1 for all of them."""
        if not self.skip_events and not self.skip_rows:
            return 0
        if self.event < self.skip_events:
            return -1
        return self.skip_rows if self.event == self.skip_events else 0

    def rewind(self) -> dict[str, Any]:
        """Give the offset map to reconnect at."""
        return self.offsets().map(self.mark())
