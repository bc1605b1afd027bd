"""What a start at another offset would find in the database: the table, its columns, and their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from appliance.api import OffsetChange, OffsetCheck, OffsetPreview
from appliance.connectors.jdbc import config as keys
from appliance.connectors.jdbc.columns import epoch_micros
from appliance.connectors.jdbc.connector import configured_query, parse_target
from appliance.connectors.jdbc.database import Database, TableId, first_line, open_database
from appliance.connectors.jdbc.offsetcolumns import offset_columns
from appliance.connectors.jdbc.querier import INCREMENTING_FIELD, NANOS_FIELD, TIMESTAMP_FIELD
from appliance.connectors.jdbc.selection import Selection, quoted_fqn
from appliance.errors import ConnectError

_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "incrementing": frozenset({INCREMENTING_FIELD}),
    "timestamp": frozenset({TIMESTAMP_FIELD}),
    "timestamp+incrementing": frozenset({TIMESTAMP_FIELD, INCREMENTING_FIELD}),
}


def preview(parsed: Mapping[str, Any], changes: Sequence[OffsetChange]) -> list[OffsetPreview]:
    """Give what each change means. Raises ConfigError; a database that does not answer is a check."""
    database = open_database(parse_target(parsed), timezone=parsed[keys.TIMEZONE])
    try:
        return [
            OffsetPreview(tuple(_checks(parsed, database, change)), records=_records(change))
            for change in changes
        ]
    finally:
        database.close()


def _records(change: OffsetChange) -> int | None:
    """Give the numbers between two offsets, as many rows as there are without gaps."""
    old, new = ((offset or {}).get(INCREMENTING_FIELD) for offset in (change.before, change.after))
    return new - old if isinstance(old, int) and isinstance(new, int) else None


def _checks(
    parsed: Mapping[str, Any], database: Database, change: OffsetChange
) -> Iterator[OffsetCheck]:
    after = change.after
    if after is not None:
        yield from _form(parsed[keys.MODE], after)
    try:
        if configured_query(parsed) is not None:
            database.now()
            yield OffsetCheck("the database answers", ok=True)
            return
        yield from _in_table(parsed, database, str((change.partition or {}).get("table")), after)
    except Exception as error:  # noqa: BLE001 - whatever the driver raises is the finding
        yield OffsetCheck("the database answers", ok=False, detail=first_line(error))


def _form(mode: str, offset: Mapping[str, Any]) -> Iterator[OffsetCheck]:
    """Give whether the offset's members are those of the mode, and whole numbers."""
    wanted = _FIELDS.get(mode)
    if wanted is None:
        text = f"mode={mode} reads everything at each poll, whatever the offset"
        yield OffsetCheck("the mode goes by offsets", ok=False, detail=text)
        return
    fits = wanted <= offset.keys() and offset.keys() <= wanted | {NANOS_FIELD}
    text = f"mode={mode} reads {' and '.join(sorted(wanted))}"
    yield OffsetCheck("its members are those of the mode", fits, None if fits else text)
    wrong = [
        f"{name}={value!r}"
        for name, value in offset.items()
        if isinstance(value, bool) or not isinstance(value, int) or value < -1
    ]
    text = f"{', '.join(wrong)}; it takes whole numbers from -1, a time in milliseconds since 1970"
    yield OffsetCheck("values are whole numbers", not wrong, text if wrong else None)


def _in_table(
    parsed: Mapping[str, Any], database: Database, name: str, offset: Mapping[str, Any] | None
) -> Iterator[OffsetCheck]:
    found = database.tables(
        parsed[keys.TABLE_TYPES], parsed[keys.CATALOG_PATTERN], parsed[keys.SCHEMA_PATTERN]
    )
    chosen = Selection.of(parsed).choose(found, database.quote)
    table = next((table for table in chosen if name in (table.fqn, table.name)), None)
    if table is None:
        there = any(name in (one.fqn, one.name) for one in found)
        text = "the options do not choose it" if there else "the user sees no such table"
        yield OffsetCheck(f"table {name} is copied", ok=False, detail=text)
        return
    yield OffsetCheck(f"table {name} is copied", ok=True)
    columns = database.table_columns(table)
    try:
        times, number = offset_columns(parsed, table, columns)
    except ConnectError as error:
        yield OffsetCheck("its columns are there", ok=False, detail=str(error))
        return
    if times or number:
        named = ", ".join([*times, *([number] if number else [])])
        yield OffsetCheck(f"column {named} is there", ok=True)
    if offset is None:
        return
    indexed = {column.name for column in columns if column.auto_increment}
    value = offset.get(INCREMENTING_FIELD)
    # of another column the largest value may take long to find
    if number in indexed and isinstance(value, int):
        most = _largest(database, table, number)
        ahead = most is not None and value > most
        text = f"the largest {number} is {most}; rows up to {value} would be left out"
        yield OffsetCheck("not ahead of the table", not ahead, text if ahead else None)
    moment = offset.get(TIMESTAMP_FIELD)
    if times and isinstance(moment, int):
        now_ms = epoch_micros(database.now(), parsed[keys.TIMEZONE]) // 1000
        text = f"the database's clock is at {now_ms}; rows up to {moment} would be left out"
        yield OffsetCheck(
            "not ahead of the database's clock",
            moment <= now_ms,
            text if moment > now_ms else None,
        )


def _largest(database: Database, table: TableId, column: str) -> int | None:
    quote = database.quote
    name = quote + column.replace(quote, quote * 2) + quote
    statement = f"SELECT MAX({name}) FROM {quoted_fqn(table, quote)}"  # noqa: S608 - quoted
    rows = database.query(statement, [], None, 1)
    ((value,),) = rows.fetch(2)
    rows.close()
    return None if value is None else int(value)
