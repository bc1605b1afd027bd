"""How a column's value lies in a row image: size and kind by the type code and metadata of TABLE_MAP."""

from __future__ import annotations

import dataclasses
from typing import Final

from appliance.connectors.binlog.events import TableMap
from appliance.connectors.binlog.tables import Column
from appliance.errors import ConnectError


@dataclasses.dataclass(frozen=True, slots=True)
class WireColumn:
    """One column of a TABLE_MAP.

    `size` is the number of bytes of a value of fixed size, else 0 and `length_size` the number of bytes
    of the length before the value. `old` marks the layouts of before MySQL 5.6. `large` columns may be
    missing under binlog_row_image=NOBLOB.
    """

    index: int
    code: int
    kind: str
    nullable: bool
    size: int = 0
    length_size: int = 0
    precision: int = 0
    scale: int = 0
    old: bool = False
    large: bool = False
    compressed: bool = False
    name: str | None = None
    unsigned: bool | None = None


def wire_columns(table_map: TableMap) -> tuple[WireColumn, ...]:
    """Give the columns of a TABLE_MAP. Raises ConnectError for an unknown type code."""
    found = []
    for index, code in enumerate(table_map.types):
        column = _column(index, code, table_map.metadata[index], table_map)
        found.append(
            dataclasses.replace(
                column,
                name=table_map.names[index] if table_map.names else None,
                unsigned=table_map.unsigned[index] if table_map.unsigned else None,
            )
        )
    return tuple(found)


_INTEGER_SIZES: Final = {1: 1, 2: 2, 3: 4, 8: 8, 9: 3}
_FRACTION_SIZES: Final = (0, 1, 1, 2, 2, 3, 3)


def _column(index: int, code: int, meta: int, table_map: TableMap) -> WireColumn:
    null = table_map.nullable[index]

    def fixed(
        kind: str, size: int, precision: int = 0, scale: int = 0, *, old: bool = False
    ) -> WireColumn:
        return WireColumn(index, code, kind, null, size, 0, precision, scale, old)

    def variable(
        kind: str, length_size: int, *, large: bool = False, compressed: bool = False
    ) -> WireColumn:
        return WireColumn(
            index, code, kind, null, 0, length_size, large=large, compressed=compressed
        )

    if code in _INTEGER_SIZES:
        column = fixed("integer", _INTEGER_SIZES[code])
    elif code == 4:
        column = fixed("float", 4)
    elif code == 5:
        column = fixed("float", 8)
    elif code == 246:
        precision, scale = meta & 255, meta >> 8
        column = fixed("decimal", _decimal_size(precision, scale), precision, scale)
    elif code in (15, 253):
        column = variable("text", 2 if meta > 255 else 1)
    elif code == 141:
        column = variable("text", 2 if meta > 255 else 1, compressed=True)
    elif code == 254:
        column = _string(index, code, meta, null)
    elif code in (245, 252, 255, 242):
        kind = {245: "json", 252: "text", 255: "text", 242: "text"}[code]
        column = variable(kind, meta, large=True)
    elif code == 140:
        column = variable("text", meta, large=True, compressed=True)
    elif code in (10, 14):
        column = fixed("date", 3)
    elif code == 18:
        column = fixed("datetime", 5 + _FRACTION_SIZES[meta], meta)
    elif code == 17:
        column = fixed("timestamp", 4 + _FRACTION_SIZES[meta], meta)
    elif code == 19:
        column = fixed("time", 3 + _FRACTION_SIZES[meta], meta)
    elif code == 13:
        column = fixed("year", 1)
    elif code == 16:
        column = fixed("bit", (meta >> 8) + bool(meta & 255))
    elif code == 7:
        column = fixed("timestamp", 4, old=True)
    elif code == 11:
        column = fixed("time", 3, old=True)
    elif code == 12:
        column = fixed("old datetime", 8, old=True)
    else:
        raise ConnectError(
            f"Table {table_map.database}.{table_map.table} has a column of the binlog type {code}, which "
            "is not known; leave the table out with table.exclude.list"
        )
    assert isinstance(column, WireColumn)  # noqa: S101  narrows the helpers' type
    return column


def _string(index: int, code: int, meta: int, null: bool) -> WireColumn:
    """Read the metadata of CHAR, BINARY, ENUM and SET, which share a code.

    Two bits of a length of more than 255 bytes are hidden, inverted, in the real type.
    """
    real, size = meta & 255, meta >> 8
    if real == 247:
        return WireColumn(index, code, "enum", null, size)
    if real == 248:
        return WireColumn(index, code, "set", null, size)
    if real & 0x30 != 0x30:
        size |= ((real & 0x30) ^ 0x30) << 4
    return WireColumn(index, code, "text", null, 0, 2 if size > 255 else 1)


def _decimal_size(precision: int, scale: int) -> int:
    sizes = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
    whole = precision - scale
    return whole // 9 * 4 + sizes[whole % 9] + scale // 9 * 4 + sizes[scale % 9]


_INTEGERS: Final = {
    1: {"TINYINT", "INT1", "BOOL", "BOOLEAN"},
    2: {"SMALLINT", "INT2"},
    3: {"MEDIUMINT", "INT3", "MIDDLEINT"},
    4: {"INT", "INTEGER", "INT4"},
    8: {"BIGINT", "INT8", "SERIAL"},
}
_KINDS: Final = {
    "float": {"FLOAT", "FLOAT4", "REAL", "DOUBLE", "DOUBLE PRECISION", "FLOAT8"},
    "decimal": {"DECIMAL", "DEC", "FIXED", "NUMERIC", "NUMBER"},
    "date": {"DATE"},
    "datetime": {"DATETIME"},
    "old datetime": {"DATETIME"},
    "timestamp": {"TIMESTAMP"},
    "time": {"TIME"},
    "year": {"YEAR"},
    "bit": {"BIT"},
    "enum": {"ENUM"},
    "set": {"SET"},
    "json": {"JSON"},
}
_NAMED: Final = frozenset().union(*_KINDS.values(), *_INTEGERS.values()) - {"JSON"}


def mismatch(column: Column, wire: WireColumn) -> str | None:
    """Say how a known column differs from what the server sends, None when they agree."""
    base = column.base_type
    if wire.name is not None and wire.name.casefold() != column.name.casefold():
        return f"column {wire.index + 1} is {wire.name}, known as {column.name}"
    expected = _INTEGERS[wire.size] if wire.kind == "integer" else _KINDS.get(wire.kind)
    fits = base in expected if expected is not None else base not in _NAMED
    if not fits:
        return (
            f"column {column.name} is known as {column.type_name}, the server sends a {wire.kind}"
        )
    if wire.unsigned is not None and wire.kind == "integer" and wire.unsigned != column.unsigned:
        return f"column {column.name} is {'' if wire.unsigned else 'not '}unsigned on the server"
    return None
