"""Which columns of a table a source's offsets are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.connectors.jdbc import config as keys
from appliance.connectors.jdbc.database import TableColumn, TableId
from appliance.connectors.jdbc.selection import mapped_columns, split_mapping
from appliance.errors import ConnectError


def timestamp_columns(parsed: Mapping[str, Any], table: TableId | None) -> tuple[str, ...]:
    """Give the columns of the time of the last change; `table` None: of the query."""
    if not parsed[keys.MODE].startswith("timestamp"):
        return ()
    if table is not None and parsed[keys.TIMESTAMP_MAPPING]:
        entries = split_mapping(parsed[keys.TIMESTAMP_MAPPING])
        return tuple(mapped_columns(entries, table, keys.TIMESTAMP_MAPPING))
    return tuple(parsed[keys.TIMESTAMP])


def offset_columns(
    parsed: Mapping[str, Any], table: TableId, columns: Sequence[TableColumn]
) -> tuple[tuple[str, ...], str | None]:
    """Give the timestamp columns of a table and its incrementing column, as the mode needs them.

    Raises ConnectError with Confluent's text where a column does not exist or may be null.
    """
    times = timestamp_columns(parsed, table)
    number = (
        _number(parsed, table, columns) if parsed[keys.MODE].endswith("incrementing") else None
    )
    _check_columns(table, columns, times, number, strict=parsed[keys.VALIDATE_NON_NULL])
    return times, number


def _number(parsed: Mapping[str, Any], table: TableId, columns: Sequence[TableColumn]) -> str:
    if parsed[keys.INCREMENTING_MAPPING]:
        return mapped_columns(parsed[keys.INCREMENTING_MAPPING], table, keys.INCREMENTING_MAPPING)[
            0
        ]
    if parsed[keys.INCREMENTING]:
        name: str = parsed[keys.INCREMENTING]
        return name
    found = next((column.name for column in columns if column.auto_increment), None)
    if found is None:
        raise ConnectError(
            f"finding the incrementing column of table {table.fqn}: it has no auto-increment column; "
            f"name one in {keys.INCREMENTING}"
        )
    return found


def _check_columns(
    table: TableId,
    columns: Sequence[TableColumn],
    times: tuple[str, ...],
    number: str | None,
    *,
    strict: bool,
) -> None:
    """Check that the offset columns exist and are never null. Raises ConnectError with Confluent's text."""
    by_name = {column.name.lower(): column for column in columns}
    if number is not None and number.lower() not in by_name:
        raise ConnectError(f"Incrementing column: {number} does not exist in table '{table.fqn}'")
    missing = [name for name in times if name.lower() not in by_name]
    if missing:
        raise ConnectError(
            f"Timestamp columns: {', '.join(times)} do not exist in table '{table.fqn}'"
        )
    if strict and number is not None and by_name[number.lower()].nullable:
        raise ConnectError(
            f"Cannot make incremental queries using incrementing column {number} on {table.fqn} "
            "because this column is nullable."
        )
    if strict and times and all(by_name[name.lower()].nullable for name in times):
        raise ConnectError(
            f"Cannot make incremental queries using timestamp columns {','.join(times)} on {table.fqn} "
            "because all of these columns are nullable."
        )
