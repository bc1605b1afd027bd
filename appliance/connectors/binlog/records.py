"""Tables and changes in the forms of the schema history and of the schema change topic.

Semantics: Debezium JsonTableChangeSerializer, ConnectTableChangeSerializer, HistoryRecord, its pretty
printer (Jackson's) included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from appliance.connectors.binlog.catalog import Change
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.tables import Column, Table, TableId
from appliance.connectors.binlog.versions import (
    INT32,
    INT64,
    OPTIONAL_BOOLEAN,
    OPTIONAL_INT32,
    OPTIONAL_STRING,
    SOURCES,
    STRING,
    struct,
)
from appliance.data import Schema, Type
from appliance.errors import DataError

_JDBC: Final = {
    "BIT": -7, "TINYINT": 5, "INT1": 5, "SMALLINT": 5, "INT2": 5, "MEDIUMINT": 4, "INT3": 4, "MIDDLEINT": 4,
    "INT": 4, "INTEGER": 4, "INT4": 4, "BIGINT": -5, "INT8": -5, "FLOAT": 6, "FLOAT4": 6, "REAL": 7,
    "DOUBLE": 8, "DOUBLE PRECISION": 8, "FLOAT8": 8, "DECIMAL": 3, "DEC": 3, "FIXED": 3, "NUMERIC": 2,
    "BOOL": 16, "BOOLEAN": 16,
    "DATE": 91, "TIME": 92, "DATETIME": 93, "TIMESTAMP": 2014, "YEAR": 4, "CHAR": 1, "CHARACTER": 1,
    "NCHAR": -15, "NATIONAL CHAR": -15, "NATIONAL CHARACTER": -15, "NVARCHAR": -9, "NATIONAL VARCHAR": -9,
    "NCHAR VARCHAR": -9, "NATIONAL CHAR VARYING": -9, "NATIONAL CHARACTER VARYING": -9, "BINARY": -2,
    "VARBINARY": -3, "LONG VARBINARY": 2004, "TINYBLOB": 2004, "BLOB": 2004, "MEDIUMBLOB": 2004,
    "LONGBLOB": 2004, "ENUM": 1, "SET": 1, "JSON": 1111, "GEOMETRY": 1111, "POINT": 1111,
    "LINESTRING": 1111, "POLYGON": 1111, "MULTIPOINT": 1111, "MULTILINESTRING": 1111, "MULTIPOLYGON": 1111,
    "GEOMETRYCOLLECTION": 1111, "GEOMCOLLECTION": 1111, "UUID": 1111, "VECTOR": 1111, "INET4": 1111,
    "INET6": 1111,
}  # fmt: skip
_VARCHAR: Final = 12


def jdbc_type(column: Column) -> int:
    """Give the number of a column's JDBC type."""
    return _JDBC.get(column.base_type, _VARCHAR)


def _without_none(form: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in form.items() if value is not None or key not in keys}


def _column_form(column: Column) -> dict[str, Any]:
    form = {
        "name": column.name,
        "jdbcType": jdbc_type(column),
        "typeName": column.type_name,
        "typeExpression": column.type_name,
        "charsetName": column.charset,
        "length": column.length,
        "scale": column.scale,
        "position": column.position,
        "optional": column.optional,
        "autoIncremented": column.auto_increment,
        "generated": column.generated,
        "comment": column.comment,
        "hasDefaultValue": column.has_default,
        "defaultValueExpression": column.default_expression,
        "enumValues": list(column.enum_values),
    }
    return _without_none(form, "length", "scale", "defaultValueExpression")


def table_changes(change: Change) -> list[dict[str, Any]]:
    """Give the list `tableChanges` of a change's history record."""
    if change.table_id is None:
        return []
    form: dict[str, Any] = {"type": change.kind, "id": change.table_id.quoted}
    # an ALTER TABLE that renames says nothing of the old name, as in the peer's records
    if change.previous_id is not None and change.statement[:6].upper() == "RENAME":
        form["previousId"] = change.previous_id.quoted
    table = change.table
    if table is not None and change.kind != "DROP":
        form["table"] = {
            "defaultCharsetName": table.default_charset,
            "primaryKeyColumnNames": list(table.primary_key),
            "columns": [_column_form(column) for column in table.columns],
            "attributes": [],
        }
        form["comment"] = table.comment
    return [form]


def history_record(
    server: str, position: Mapping[str, Any], ts_ms: int, change: Change
) -> dict[str, Any]:
    """Give the history record of a change."""
    return {
        "source": {"server": server},
        "position": dict(position),
        "ts_ms": ts_ms,
        "databaseName": change.database,
        "ddl": change.statement,
        "tableChanges": table_changes(change),
    }


def pretty(value: Any, indent: str = "") -> str:
    """Write JSON as Jackson's pretty printer does."""
    deeper = indent + "  "
    if isinstance(value, dict):
        if not value:
            return "{ }"
        lines = [f"{deeper}{_text(key)} : {pretty(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list):
        items = ", ".join(pretty(item, indent) for item in value)
        return f"[ {items} ]" if items else "[ ]"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _table_of(form: Mapping[str, Any], id_: TableId) -> Table:
    table = form["table"]
    columns = tuple(
        Column(
            c["name"],
            c["position"],
            c["typeName"],
            c.get("length"),
            c.get("scale"),
            c.get("charsetName"),
            tuple(c.get("enumValues") or ()),
            bool(c.get("optional")),
            bool(c.get("autoIncremented")),
            bool(c.get("generated")),
            bool(c.get("hasDefaultValue")),
            c.get("defaultValueExpression"),
            c.get("comment"),
        )
        for c in sorted(table["columns"], key=lambda c: int(c["position"]))
    )
    return Table(
        id_.catalog,
        id_.table,
        columns,
        tuple(table.get("primaryKeyColumnNames") or ()),
        table.get("defaultCharsetName"),
        form.get("comment"),
    )


def read_id(quoted: str) -> TableId:
    """Read `"database"."table"`. Raises DataError."""
    parts = quoted.strip('"').split('"."')
    if len(parts) != 2:
        raise DataError(f"Reading the schema history failed: {quoted} is no name of a table")
    return TableId(parts[0].replace('""', '"'), parts[1].replace('""', '"'))


def read_changes(record: Mapping[str, Any]) -> list[Change]:
    """Give the changes that a history record lists; none where it only has a statement."""
    changes = []
    for form in record.get("tableChanges") or ():
        id_ = read_id(form["id"])
        table = _table_of(form, id_) if form.get("table") else None
        previous = read_id(form["previousId"]) if form.get("previousId") else None
        kind = form["type"]
        changes.append(Change(kind, id_.catalog, record.get("ddl") or "", id_, table, previous))
    return changes


_COLUMN: Final = struct(
    "io.debezium.connector.schema.Column",
    ("name", STRING),
    ("jdbcType", INT32),
    ("nativeType", OPTIONAL_INT32),
    ("typeName", STRING),
    ("typeExpression", OPTIONAL_STRING),
    ("charsetName", OPTIONAL_STRING),
    ("length", OPTIONAL_INT32),
    ("scale", OPTIONAL_INT32),
    ("position", INT32),
    ("optional", OPTIONAL_BOOLEAN),
    ("autoIncremented", OPTIONAL_BOOLEAN),
    ("generated", OPTIONAL_BOOLEAN),
    ("comment", OPTIONAL_STRING),
    ("defaultValueExpression", OPTIONAL_STRING),
    ("enumValues", Schema(Type.ARRAY, optional=True, value_schema=STRING)),
)
_TABLE: Final = struct(
    "io.debezium.connector.schema.Table",
    ("defaultCharsetName", OPTIONAL_STRING),
    ("primaryKeyColumnNames", Schema(Type.ARRAY, optional=True, value_schema=STRING)),
    ("columns", Schema(Type.ARRAY, value_schema=_COLUMN)),
    ("comment", OPTIONAL_STRING),
    optional=True,
)
_CHANGE: Final = struct(
    "io.debezium.connector.schema.Change", ("type", STRING), ("id", STRING), ("table", _TABLE)
)


def _schemas(dialect: Dialect) -> tuple[Schema, Schema]:
    package = f"io.debezium.connector.{dialect}"
    key = struct(f"{package}.SchemaChangeKey", ("databaseName", STRING))
    value = struct(
        f"{package}.SchemaChangeValue",
        ("source", SOURCES[dialect]),
        ("ts_ms", INT64),
        ("databaseName", OPTIONAL_STRING),
        ("schemaName", OPTIONAL_STRING),
        ("ddl", OPTIONAL_STRING),
        ("tableChanges", Schema(Type.ARRAY, value_schema=_CHANGE)),
    )
    return key, value


SCHEMA_CHANGES: Final[dict[Dialect, tuple[Schema, Schema]]] = {
    "mysql": _schemas("mysql"),
    "mariadb": _schemas("mariadb"),
}
"""Key and value schema of the records on the schema change topic."""


def schema_change_row(source: tuple[Any, ...], ts_ms: int, change: Change) -> tuple[Any, ...]:
    """Give the value of a change's record on the schema change topic."""
    changes: list[tuple[Any, ...]] = []
    if change.table_id is not None:
        table = change.table if change.kind != "DROP" else None
        changes.append((change.kind, change.table_id.quoted, table and _table_row(table)))
    return (source, ts_ms, change.database, None, change.statement, changes)


def _table_row(table: Table) -> tuple[Any, ...]:
    columns = [
        (
            column.name,
            jdbc_type(column),
            None,
            column.type_name,
            column.type_name,
            column.charset,
            column.length,
            column.scale,
            column.position,
            column.optional,
            column.auto_increment,
            column.generated,
            column.comment,
            column.default_expression,
            list(column.enum_values) or None,
        )
        for column in table.columns
    ]
    return (table.default_charset, list(table.primary_key), columns, table.comment)
