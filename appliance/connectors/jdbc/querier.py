"""One table or query, polled: its statement, its offsets, and batches of its rows.

Semantics: kafka-connect-jdbc 10.10 BulkTableQuerier, TimestampIncrementingTableQuerier and
TimestampTableQuerier: strict bounds, `-1` and the epoch at the first run, and for timestamp mode an
offset that only moves past a group of equal timestamps once the group is complete.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from appliance.api import Batch
from appliance.clock import SYSTEM_CLOCK
from appliance.connectors.jdbc.columns import (
    Column,
    RowFunction,
    Shape,
    epoch_micros,
    parse_moment,
    row_function,
    row_schema,
)
from appliance.connectors.jdbc.database import BIND, Database, Rows, TableId
from appliance.connectors.jdbc.guard import VisibilityGuard
from appliance.data import Schema
from appliance.errors import ConnectError

Offset = Mapping[str, Any]
INCREMENTING_FIELD: Final = "incrementing"
TIMESTAMP_FIELD: Final = "timestamp"
NANOS_FIELD: Final = "timestamp_nanos"
MAX_INCREMENTING: Final = 2**63 - 1
_LONGEST_COUNT: Final = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What to read and how; `table` or `query` is set. `reference` is the text before column names."""

    topic: str
    mode: str
    table: TableId | None = None
    query: str | None = None
    select: str = ""
    reference: str = ""
    quote: str = ""
    timestamp_columns: tuple[str, ...] = ()
    incrementing_column: str | None = None
    suffix: str = ""
    delay_ms: int = 0
    initial_ms: int | None = None
    batch_rows: int = 1000
    shape: Shape = dataclasses.field(default_factory=Shape)

    @property
    def partition(self) -> dict[str, str]:
        """Give the source partition."""
        if self.table is None:
            return {"query": "query"}
        if self.mode == "bulk":
            return {"table": self.table.name}
        return {"protocol": "1", "table": self.table.fqn}

    @property
    def described(self) -> str:
        """Give what is read, for messages."""
        return f"table {self.table.fqn}" if self.table else "the configured query"

    def column(self, name: str) -> str:
        """Give the reference to a column."""
        return f"{self.reference}{self.quote}{name}{self.quote}"

    def timestamp(self) -> str:
        """Give the expression for a row's timestamp."""
        columns = ",".join(self.column(name) for name in self.timestamp_columns)
        return columns if len(self.timestamp_columns) == 1 else f"COALESCE({columns})"

    def statement(self, *, bounded: bool = False) -> str:
        """Give the SELECT with its binds; `bounded` adds an upper bound for numbers."""
        number = self.column(self.incrementing_column) if self.incrementing_column else ""
        parts = [self.select]
        if self.mode == "incrementing":
            upper = f" AND {number} <= {BIND}" if bounded else ""
            parts.append(f"WHERE {number} > {BIND}{upper} ORDER BY {number} ASC")
        elif self.mode == "timestamp":
            time = self.timestamp()
            parts.append(f"WHERE {time} > {BIND} AND {time} < {BIND} ORDER BY {time} ASC")
        elif self.mode == "timestamp+incrementing":
            time = self.timestamp()
            parts.append(
                f"WHERE {time} < {BIND}"
                f" AND (({time} = {BIND} AND {number} > {BIND}) OR {time} > {BIND})"
                f" ORDER BY {time},{number} ASC"
            )
        if self.suffix:
            parts.append(self.suffix)
        return " ".join(parts)

    def newest_statement(self) -> str:
        """Give the SELECT, with one bind, of the largest number beyond a given one."""
        number = self.column(self.incrementing_column or "")
        if self.table is not None:
            source = f"{self.reference.removesuffix('.')} WHERE {number} > {BIND}"
        else:
            source = f"({self.select} WHERE {number} > {BIND}) AS guarded"
        return f"SELECT MAX({number}) FROM {source}"  # noqa: S608 - names are quoted by the caller

    def count_statement(self) -> str:
        """Give the SELECT, with two binds, of how many rows lie above a number and up to another."""
        number = self.column(self.incrementing_column or "")
        source = self.reference.removesuffix(".")
        span = f"{number} > {BIND} AND {number} <= {BIND}"
        return f"SELECT COUNT(*) FROM {source} WHERE {span}"  # noqa: S608 - as above


class Querier:
    """Runs a Plan again and again; one result at a time."""

    def __init__(
        self, plan: Plan, offset: Offset | None, guard: VisibilityGuard | None = None
    ) -> None:
        """Begin after `offset` (None: at the beginning); `guard` gives upper bounds."""
        self.plan = plan
        self.guard = guard
        self.due_s = 0.0
        self.failures = 0
        self.polled_ms = SYSTEM_CLOCK.now_ms()
        """When the last complete answer ended, the start before the first one."""
        offset = offset or {}
        self._number: int = offset.get(INCREMENTING_FIELD, -1)
        self._micros: int = _offset_micros(offset, plan.initial_ms)
        self._committable: Offset = dict(offset)
        self._rows: Rows | None = None
        self._ahead: list[tuple[Any, ...]] = []
        self._columns: tuple[Column, ...] = ()
        self._schema: Schema | None = None
        self._convert: RowFunction | None = None
        self._time_at: tuple[int, ...] = ()
        self._number_at: int | None = None

    @property
    def running(self) -> bool:
        """Whether a result is open."""
        return self._rows is not None

    def open(self, database: Database) -> bool:
        """Run the statement; False when the guard has nothing to read yet. Raises the driver's error."""
        plan = self.plan
        if (
            plan.initial_ms == -1
            and not self._committable
            and self._micros == 0
            and plan.timestamp_columns
        ):
            self._micros = self._database_micros(database)
        bound = None
        if self.guard is not None:
            bound = self.guard.bound(
                database,
                lambda: self._newest(database),
                lambda upper: self._complete(database, upper),
            )
            database.commit()
            if bound is None:
                return False
        statement = plan.statement(bounded=bound is not None)
        rows = database.query(statement, self._binds(database, bound), plan.table, plan.batch_rows)
        if rows.columns != self._columns:
            self._use_columns(rows.columns)
        self._rows = rows
        self._ahead = []
        return True

    def _newest(self, database: Database) -> Any | None:
        """Give the largest number beyond those read, in timestamp modes the end of the range in ms."""
        if self.plan.mode == "incrementing":
            return _single(database, self.plan.newest_statement(), [self._number])
        return self._end_ms(database)

    def _complete(self, database: Database, upper: Any) -> bool:
        """Whether no number is missing up to `upper`; not looked at when that may take long."""
        if self.plan.mode != "incrementing" or self.plan.table is None:
            return False
        span = int(upper) - self._number
        if span > _LONGEST_COUNT:
            return False
        binds = [self._number, upper]
        return bool(_single(database, self.plan.count_statement(), binds) == span)

    def _end_ms(self, database: Database) -> int:
        return self._database_micros(database) // 1000 - self.plan.delay_ms

    def _database_micros(self, database: Database) -> int:
        return epoch_micros(database.now(), self.plan.shape.timezone)

    def _binds(self, database: Database, bound: Any | None) -> list[Any]:
        plan, zone = self.plan, self.plan.shape.timezone
        if plan.mode == "incrementing":
            return [self._number] if bound is None else [self._number, bound]
        if plan.mode not in ("timestamp", "timestamp+incrementing"):
            return []
        end_ms = self._end_ms(database) if bound is None else bound
        end = database.timestamp_bind(end_ms * 1000, zone)
        begin = database.timestamp_bind(self._micros, zone)
        return [begin, end] if plan.mode == "timestamp" else [end, begin, self._number, begin]

    def _use_columns(self, columns: tuple[Column, ...]) -> None:
        plan = self.plan
        labels = [column.label for column in columns]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ConnectError(
                f"reading {plan.described}: the result has more than one column "
                f"{', '.join(twice)}; name them apart"
            )
        self._schema = row_schema(columns, plan.table.name if plan.table else None, plan.shape)
        self._convert = row_function(columns, plan.shape)
        self._time_at = tuple(_index(labels, name, plan) for name in plan.timestamp_columns)
        self._number_at = (
            _index(labels, plan.incrementing_column, plan) if plan.incrementing_column else None
        )
        self._columns = columns

    def next_batch(self) -> Batch | None:
        """Give the next rows of the open result, None at its end. Raises the driver's error."""
        rows = self._rows
        if rows is None:
            return None
        want = self.plan.batch_rows
        raw = self._ahead + rows.fetch(want + 1 - len(self._ahead))
        self._ahead = raw[want:]
        raw = raw[:want]
        if not raw:
            self.close()
            return None
        offset = self._offsets(raw)
        values = raw if self._convert is None else self._convert(raw)
        return Batch(
            self.plan.topic,
            values,
            self._schema,
            source_partition=self.plan.partition,
            source_offset=offset,
        )

    def _offsets(self, raw: list[tuple[Any, ...]]) -> Any:
        mode = self.plan.mode
        if mode == "incrementing":
            return self._incrementing_offsets(raw)
        if mode == "timestamp":
            return self._timestamp_offsets(raw)
        if mode == "timestamp+incrementing":
            offsets = [
                {INCREMENTING_FIELD: self._row_number(row), **_time_fields(self._row_micros(row))}
                for row in raw
            ]
            self._number, self._micros = self._row_number(raw[-1]), self._row_micros(raw[-1])
            self._committable = offsets[-1]
            return offsets
        return None

    def _incrementing_offsets(self, raw: list[tuple[Any, ...]]) -> Any:
        at = self._number_at
        number = self._number = self._row_number(raw[-1])
        self._committable = {INCREMENTING_FIELD: number}
        return lambda row: {INCREMENTING_FIELD: int(raw[row][at])}  # type: ignore[index]  # set by the plan

    def _timestamp_offsets(self, raw: list[tuple[Any, ...]]) -> list[Offset]:
        micros = [self._row_micros(row) for row in raw]
        following = [*micros[1:], self._row_micros(self._ahead[0]) if self._ahead else -1]
        offsets = []
        for own, after in zip(micros, following, strict=True):
            if after != own:
                self._micros, self._committable = own, _time_fields(own)
            offsets.append(self._committable)
        return offsets

    def _row_number(self, row: tuple[Any, ...]) -> int:
        value = row[self._number_at]  # type: ignore[index]  # set by the plan
        name = self.plan.incrementing_column
        if value is None:
            raise ConnectError(
                f"Null value for incrementing column of type: {name} in {self.plan.described}"
            )
        try:
            number = int(value)
        except (TypeError, ValueError) as error:
            raise ConnectError(
                f"Invalid type for incrementing column: {name} in {self.plan.described}"
            ) from error
        if number != value or number > MAX_INCREMENTING:
            raise ConnectError(
                f"reading {self.plan.described}: {value} in incrementing column {name} "
                "is no whole 64-bit number"
            )
        return number

    def _row_micros(self, row: tuple[Any, ...]) -> int:
        value = next((row[at] for at in self._time_at if row[at] is not None), None)
        moment = value if isinstance(value, dt.datetime) else self._as_datetime(value)
        return epoch_micros(moment, self.plan.shape.timezone)

    @staticmethod
    def _as_datetime(value: Any) -> dt.datetime:
        if isinstance(value, dt.date):
            return dt.datetime(value.year, value.month, value.day)
        return parse_moment(value)

    def close(self) -> None:
        """Close the open result."""
        rows, self._rows = self._rows, None
        if rows is not None:
            rows.close()

    def abandon(self) -> None:
        """Forget the open result of a broken connection.

        The next run begins after the last row given, in timestamp mode after the last complete group of
        equal timestamps.
        """
        self._rows = None
        self._ahead = []
        if self.guard is not None:
            self.guard.forget()


def _single(database: Database, statement: str, binds: list[Any]) -> Any:
    rows = database.query(statement, binds, None, 1)
    ((value,),) = rows.fetch(2)
    rows.close()
    return value


def _index(labels: list[str], name: str, plan: Plan) -> int:
    folded = [label.lower() for label in labels]
    if name.lower() not in folded:
        raise ConnectError(
            f"reading {plan.described}: column {name} is not in the result; "
            "check the names of the offset columns"
        )
    return folded.index(name.lower())


def _time_fields(micros: int) -> dict[str, int]:
    return {TIMESTAMP_FIELD: micros // 1000, NANOS_FIELD: micros % 1_000_000 * 1000}


def _offset_micros(offset: Offset, initial_ms: int | None) -> int:
    if TIMESTAMP_FIELD in offset:
        millis: int = offset[TIMESTAMP_FIELD]
        nanos = offset.get(NANOS_FIELD)
        return millis * 1000 if nanos is None else millis // 1000 * 1_000_000 + nanos // 1000
    if offset or initial_ms is None or initial_ms < 0:
        return 0
    return initial_ms * 1000
