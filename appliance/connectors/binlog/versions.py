"""The schemas of records: key, row, envelope and the rest, built once per version of a table.

`TableVersion` is what snapshot and stream need to make records of a table: which columns to decode, how
to cut key and value out of a decoded row, and the schemas and topic of the records.
Semantics: Debezium TableSchemaBuilder, SchemaFactory, MySQL 3.6.1.Final and MariaDB 3.5.0.Final.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from appliance.connectors.binlog.custom import CustomConverters
from appliance.connectors.binlog.filters import Filters
from appliance.connectors.binlog.mappers import ColumnMappers, Convert
from appliance.connectors.binlog.names import ADJUSTERS, FIELD_ADJUSTERS, TopicNames
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.tables import Column, Table, TableId
from appliance.connectors.binlog.types import ColumnType, Modes, column_type
from appliance.data import Schema, Type
from appliance.data.regex import java_compiled, regex_fault
from appliance.data.schema import Field
from appliance.errors import ConfigError

_LOG: Final = logging.getLogger("io.debezium.relational.TableSchemaBuilder")

VERSIONS: Final[dict[Dialect, str]] = {"mysql": "3.6.1.Final", "mariadb": "3.5.0.Final"}
"""The release that each connector's records are those of."""

Row = tuple[Any, ...]


def struct(
    name: str | None,
    *members: tuple[str, Schema],
    version: int | None = 1,
    optional: bool = False,
) -> Schema:
    """Give a STRUCT schema."""
    fields = tuple(Field(field, index, schema) for index, (field, schema) in enumerate(members))
    return Schema(Type.STRUCT, name=name, version=version, optional=optional, fields=fields)


STRING: Final = Schema(Type.STRING)
OPTIONAL_STRING: Final = Schema(Type.STRING, optional=True)
INT32: Final = Schema(Type.INT32)
INT64: Final = Schema(Type.INT64)
OPTIONAL_INT32: Final = Schema(Type.INT32, optional=True)
OPTIONAL_INT64: Final = Schema(Type.INT64, optional=True)
OPTIONAL_BOOLEAN: Final = Schema(Type.BOOLEAN, optional=True)

_SNAPSHOT: Final = Schema(
    Type.STRING,
    optional=True,
    default="false",
    name="io.debezium.data.Enum",
    version=1,
    parameters={
        "allowed": "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"
    },
)

TRANSACTION_BLOCK: Final = struct(
    "event.block",
    ("id", STRING),
    ("total_order", INT64),
    ("data_collection_order", INT64),
    optional=True,
)


def source_schema(dialect: Dialect) -> Schema:
    """Give the schema of the block `source`."""
    return struct(
        f"io.debezium.connector.{dialect}.Source",
        ("version", STRING),
        ("connector", STRING),
        ("name", STRING),
        ("ts_ms", INT64),
        ("snapshot", _SNAPSHOT),
        ("db", STRING),
        ("sequence", OPTIONAL_STRING),
        ("ts_us", OPTIONAL_INT64),
        ("ts_ns", OPTIONAL_INT64),
        ("table", OPTIONAL_STRING),
        ("server_id", INT64),
        ("gtid", OPTIONAL_STRING),
        ("file", STRING),
        ("pos", INT64),
        ("row", INT32),
        ("thread", OPTIONAL_INT64),
        ("query", OPTIONAL_STRING),
    )


SOURCES: Final[dict[Dialect, Schema]] = {
    "mysql": source_schema("mysql"),
    "mariadb": source_schema("mariadb"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class DecodedColumn:
    """A column that rows are decoded for: its place in the table from 0, itself, and its type."""

    index: int
    column: Column
    type: ColumnType


@dataclasses.dataclass(frozen=True, slots=True)
class TableVersion:
    """Everything that records of one table need until its next change.

    A decoded row is a tuple with one value per element of `columns`. `key_of` gives the key's row of a
    decoded row (None: records have no key), `value_of` the value's row (None: it is the decoded row).
    `key_places` and `value_places` say the same as places in the decoded row, for code that is generated:
    a value's place comes with what a mask or cut does to it. `key_constant` is the value of a further key
    field that all rows share. Versions are never changed; a later one is
    another object.
    """

    table: Table
    topic: str
    key_schema: Schema | None
    value_schema: Schema
    envelope_schema: Schema
    columns: tuple[DecodedColumn, ...]
    key_of: Callable[[Row], Row] | None
    value_of: Callable[[Row], Row] | None
    key_places: tuple[int, ...] | None
    key_constant: str | None
    value_places: tuple[tuple[int, Convert | None], ...]

    @property
    def id(self) -> TableId:
        """Give the table's name."""
        return self.table.id


class VersionBuilder:
    """Makes versions of tables under one connector's options."""

    def __init__(
        self, dialect: Dialect, config: Mapping[str, str], parsed: dict[str, Any], filters: Filters
    ) -> None:
        """Read names, modes and column rules. Raises ConfigError."""
        self.dialect = dialect
        self.names = TopicNames.of(parsed)
        self._filters = filters
        self._adjust = ADJUSTERS[parsed["schema.name.adjustment.mode"]]
        self._adjust_field = FIELD_ADJUSTERS[parsed["field.name.adjustment.mode"]]
        self._mappers = ColumnMappers(config, parsed)
        self._custom = CustomConverters(config)
        self._keys = _message_keys(parsed["message.key.columns"])
        self._modes = Modes(
            parsed["decimal.handling.mode"].lower(),
            parsed["time.precision.mode"].lower(),
            parsed["bigint.unsigned.handling.mode"].lower(),
            parsed["binary.handling.mode"].lower(),
            comments=parsed["include.schema.comments"] or dialect == "mariadb",
            literal_years=not parsed["enable.time.adjuster"],
        )
        self._topics: dict[str, TableId] = {}

    def build(self, table: Table) -> TableVersion:
        """Give the version of `table`. Raises DataError for a column that cannot be captured."""
        topic = self._topic(table.id)
        key_names = self._key_names(table)
        wanted = [
            (index, column)
            for index, column in enumerate(table.columns)
            if column.name in key_names or self._filters.column(table.id, column)
        ]
        columns = tuple(
            DecodedColumn(
                index, column, column_type(self._custom.seen_as(table.id, column), self._modes)
            )
            for index, column in wanted
        )
        included = [i for i, c in enumerate(columns) if self._filters.column(table.id, c.column)]
        members: list[tuple[str, Schema]] = []
        converts: list[Convert | None] = []
        for place in included:
            decoded = columns[place]
            shaped, convert = self._mappers.shaped(table.id, decoded.column, decoded.type)
            members.append((self._adjust_field(decoded.column.name), shaped.schema))
            converts.append(convert)
        places = {c.column.name: place for place, c in enumerate(columns)}
        key_places = tuple(places[name] for name in key_names if name in places)
        constant = self.names.key_value(table.id)
        value = struct(self._adjust(f"{topic}.Value"), *members, version=None, optional=True)
        return TableVersion(
            table,
            topic,
            self._key_schema(topic, columns, key_names, constant=constant is not None),
            value,
            self._envelope(topic, value),
            columns,
            _key_of(key_places, constant),
            _value_of(len(columns), included, converts),
            None if not key_places and constant is None else key_places,
            constant,
            tuple(zip(included, converts, strict=True)),
        )

    def _topic(self, id_: TableId) -> str:
        topic = self.names.of_table(id_)
        other = self._topics.setdefault(topic, id_)
        if other != id_ and self.names.regex is None:
            _LOG.warning("Tables %s and %s share the topic %s", other, id_, topic)
        return topic

    def _key_names(self, table: Table) -> tuple[str, ...]:
        chosen: list[str] = []
        for pattern, columns in self._keys:
            if not pattern.fullmatch(str(table.id)):
                continue
            for part in columns:
                chosen += [c.name for c in table.columns if part.fullmatch(c.name)]
        return tuple(dict.fromkeys(chosen)) or table.primary_key

    def _key_schema(
        self, topic: str, columns: Sequence[DecodedColumn], names: Sequence[str], *, constant: bool
    ) -> Schema | None:
        by_name = {c.column.name: c.type.schema for c in columns}
        members = [(self._adjust_field(n), by_name[n]) for n in names if n in by_name]
        if constant:
            members.append((self.names.key_field, STRING))
        return struct(self._adjust(f"{topic}.Key"), *members, version=None) if members else None

    def _envelope(self, topic: str, value: Schema) -> Schema:
        return struct(
            self._adjust(f"{topic}.Envelope"),
            ("before", value),
            ("after", value),
            ("source", SOURCES[self.dialect]),
            ("transaction", TRANSACTION_BLOCK),
            ("op", STRING),
            ("ts_ms", OPTIONAL_INT64),
            ("ts_us", OPTIONAL_INT64),
            ("ts_ns", OPTIONAL_INT64),
            version=2,
        )


_Keys = list[tuple[re.Pattern[str], list[re.Pattern[str]]]]


def _message_keys(option: str | None) -> _Keys:
    keys: _Keys = []
    for part in (option or "").split(";"):
        if not part.strip():
            continue
        match = re.fullmatch(r"\s*([^:]+):([^:,]+(,[^:,]+)*)\s*", part)
        if match is None:
            raise ConfigError(
                f"message.key.columns has the part {part!r}; write it as <table>:<column>,<column>"
            )
        try:
            columns = [java_compiled(n.strip(), re.IGNORECASE) for n in match[2].split(",")]
            keys.append((java_compiled(match[1], re.IGNORECASE), columns))
        except re.error as error:
            raise ConfigError(
                f"message.key.columns has a part with a wrong expression: {regex_fault(error)}"
            ) from error
    return keys


def _key_of(places: Sequence[int], constant: str | None) -> Callable[[Row], Row] | None:
    if constant is not None:
        return lambda row: (*[row[place] for place in places], constant)
    if not places:
        return None
    if len(places) == 1:
        (place,) = places
        return itemgetter(slice(place, place + 1))
    return itemgetter(*places)


def _value_of(
    width: int, included: Sequence[int], converts: Sequence[Convert | None]
) -> Callable[[Row], Row] | None:
    if not any(converts):
        if len(included) == width:
            return None
        return lambda row: tuple([row[place] for place in included])
    steps = [(place, convert or _same) for place, convert in zip(included, converts, strict=True)]
    return lambda row: tuple([convert(row[place]) for place, convert in steps])


def _same(value: Any) -> Any:
    return value
