"""EventRouter: rows inserted into an outbox table become events of their own topics.

Semantics: Debezium 3.6.1 io.debezium.transforms.outbox.EventRouter. Works record by record: an outbox is
no mass data, and each row has its topic, key and headers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple

from appliance.api import Transform
from appliance.config import ConfigDef, ConfigType, Importance, Width
from appliance.config.validators import Check
from appliance.data import Header, Schema, SchemaBuilder, Struct, Type
from appliance.data.record import ConnectRecord
from appliance.data.regex import JavaPattern
from appliance.errors import ConfigError, ConnectError, DataError
from appliance.transforms.debezium.jsonexpand import expanded
from appliance.transforms.debezium.options import parsed_untrimmed, refused
from appliance.transforms.debezium.unwrap import is_envelope

_LOG = logging.getLogger("io.debezium.transforms.outbox.EventRouterDelegate")
_S, _B, _L = ConfigType.STRING, ConfigType.BOOLEAN, ConfigType.LIST
_MEDIUM, _LOW, _HIGH = Importance.MEDIUM, Importance.LOW, Importance.HIGH
_PER_MS: Final = {
    "io.debezium.time.Timestamp": 1,
    "io.debezium.time.MicroTimestamp": 1000,
    "io.debezium.time.NanoTimestamp": 1_000_000,
}
_BOOLEANS: Final = (
    "table.expand.json.payload",
    "route.tombstone.on.empty.payload",
    "tracing.with.context.field.only",
)
_PLACEMENTS: Final = ("header", "envelope", "partition")


def _one_of(*values: str) -> Check:
    def check(name: str, value: Any) -> None:
        if value is None or value.strip().lower() not in values:
            raise refused(name, value, f"Value must be one of {', '.join(values)}")

    return Check(check, f"one of {', '.join(values)}")


def _check_regex(name: str, value: Any) -> None:
    try:
        JavaPattern.option(name, value)
    except ConfigError as error:
        fault = str(error).partition("Invalid regex: ")[2]
        raise refused(
            name, value, f"A valid regular expressions is expected, but {fault}"
        ) from error


_OPTIONS: Final[tuple[tuple[str, Any, Any, Importance, str, str, Any, str], ...]] = (
    ("table.field.event.id", _S, "id", _LOW, "Table", "Event ID Field", None,
     "Column with the id of the event, which becomes the header `id`."),
    ("table.field.event.key", _S, "aggregateid", _LOW, "Table", "Event Key Field", None,
     "Column with the key of the event."),
    ("table.field.event.type", _S, "type", _LOW, "Table", "Event Type Field", None,
     "Column with the type of the event."),
    ("table.field.event.payload", _S, "payload", _LOW, "Table", "Event Payload Field", None,
     "Column with the payload of the event."),
    ("table.field.event.timestamp", _S, None, _MEDIUM, "Table", "Event Timestamp Field", None,
     "Column with the time of the event; without it the time of the change is used."),
    ("table.fields.additional.placement", _L, None, _HIGH, "Table",
     "Settings for each additional column in the outbox table", None,
     "Further columns as `column:placement[:name]`; placements: `header`, `envelope`, `partition`."),
    ("table.field.additional.missing", _S, "error", _MEDIUM, "Table",
     "Behavior when an additional field is missing in the change data", _one_of("ignore", "error"),
     "What to do when such a column does not exist: `error` or `ignore`."),
    ("table.field.event.schema.version", _S, None, _LOW, "Table", "Event Schema Version Field", None,
     "Column with the version for the schema of the envelope."),
    ("table.op.invalid.behavior", _S, "warn", _MEDIUM, "Table",
     "Behavior when capturing an unexpected outbox event", _one_of("warn", "error", "fatal"),
     "What to do with an updated row: drop it with a line in the log (`warn`, `error`), or `fatal`: fail."),
    ("table.expand.json.payload", _B, False, _MEDIUM, "Table",
     "Expand Payload escaped string as real JSON", None,
     "Turn a payload of JSON text into a struct."),
    ("table.json.payload.null.behavior", _S, "ignore", _MEDIUM, "Table",
     "Behavior when json payload including null value", _one_of("ignore", "optional_bytes"),
     "What to do with null in such text: leave it out, or make it optional bytes."),
    ("route.by.field", _S, "aggregatetype", _HIGH, "Router", "Field to route events by", None,
     "Column whose value decides the topic."),
    ("route.topic.regex", _S, "(?<routedByValue>.*)", _LOW, "Router",
     "The name of the routed topic", Check(_check_regex, "valid regex"),
     "A Java regular expression on that value."),
    ("route.topic.replacement", _S, "outbox.event.${routedByValue}", _HIGH, "Router",
     "The name of the routed topic", None,
     "The topic, with groups of the expression."),
    ("route.tombstone.on.empty.payload", _B, False, _HIGH, "Router",
     "Empty payloads cause a tombstone message", None,
     "Make an empty payload a tombstone."),
    ("tracing.span.context.field", _S, "tracingspancontext", _HIGH, "Tracing",
     "Serialized tracing span context field", None, "Accepted; there is no tracing."),
    ("tracing.operation.name", _S, "debezium-read", _HIGH, "Tracing", "Tracing operation name", None,
     "Accepted; there is no tracing."),
    ("tracing.with.context.field.only", _B, False, _HIGH, "Tracing",
     "Trace only events with context field present", None, "Accepted; there is no tracing."),
)  # fmt: skip


def _definition() -> ConfigDef:
    definition = ConfigDef()
    orders: dict[str, int] = {}
    for name, type_, default, importance, group, label, _, doc in _OPTIONS:
        orders[group] = orders.get(group, 0) + 1
        definition.define(
            name,
            type_,
            default,
            importance=importance,
            group=group,
            order=orders[group],
            width=Width.MEDIUM,
            display_name=label,
            doc=doc,
        )
    return definition


class _Additional(NamedTuple):
    column: str
    placement: str
    name: str


def _additional(text: str) -> list[_Additional]:
    items = [item.strip() for item in text.split(",")]
    while len(items) > 1 and not items[-1]:
        items.pop()
    found = []
    for item in items:
        column, *rest = item.split(":")
        placement = rest[0].lower() if rest else ""
        if not 1 <= len(rest) <= 2 or placement not in _PLACEMENTS:
            raise refused(
                "table.fields.additional.placement",
                text,
                "A comma-separated list of valid String pairs or trios is expected but got: "
                f"[{', '.join(items)}]",
            )
        found.append(_Additional(column, placement, rest[1] if len(rest) > 1 else column))
    return found


class EventRouter(Transform):
    """Makes one event of each inserted row."""

    config_def: ClassVar[ConfigDef] = _definition()

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        for name in _BOOLEANS:
            if config.get(name, "true").strip().lower() not in ("true", "false"):
                raise refused(name, config[name], "Either 'true' or 'false' is expected")
        parsed = parsed_untrimmed(self.config_def, config)
        # Checked here and not by the declarations: the peer's validation does not report these either.
        for name, *_, check, _doc in _OPTIONS:
            if check is not None:
                check(name, parsed[name])
        self._parsed = parsed
        self._invalid_op = parsed["table.op.invalid.behavior"].strip().lower()
        self._ignores_missing = (
            parsed["table.field.additional.missing"].strip().lower() == "ignore"
        )
        self._nulls_as_bytes = (
            parsed["table.json.payload.null.behavior"].strip().lower() != "ignore"
        )
        self._regex = JavaPattern.option("route.topic.regex", parsed["route.topic.regex"])
        placements = config.get("table.fields.additional.placement")
        self._additional = [] if placements is None else _additional(placements)
        self._encloses = any(placement == "envelope" for _, placement, _ in self._additional)

    def apply(self, record: ConnectRecord) -> Any:
        """Give the event of an inserted row, None for a tombstone, delete or update."""
        if record.value is None:
            return None
        schema = record.value_schema
        if schema is None or not is_envelope(schema):
            return record
        event: Struct = record.value
        if event.get("op") in ("d", "u"):
            self._unexpected(record, event)
            return None
        row: Struct | None = event.get("after")
        if row is None:
            raise DataError("Only Struct objects supported for [Read Outbox Event], found: null")
        return self._event(record, event, row)

    def _unexpected(self, record: ConnectRecord, event: Struct) -> None:
        if event.get("op") != "u":
            _LOG.debug(
                "An event of an outbox that is no insert is dropped: op=%s", event.get("op")
            )
        elif self._invalid_op == "fatal":
            raise ConnectError(f"Unexpected update message received {record.key}, fail.")
        else:
            level = logging.ERROR if self._invalid_op == "error" else logging.WARNING
            _LOG.log(
                level, "A row of an outbox was updated, which makes no event: key=%s", record.key
            )

    def _event(self, record: ConnectRecord, event: Struct, row: Struct) -> ConnectRecord:
        parsed = self._parsed
        field = row.schema.field(parsed["table.field.event.payload"])
        if field is None:
            raise ConnectError(
                f"Unable to find payload field {parsed['table.field.event.payload']} in event"
            )
        timestamp = self._timestamp(event, row)
        headers = [*record.headers, Header("id", *_column(row, parsed["table.field.event.id"]))]
        payload_schema: Schema | None = field.schema
        payload = row.get(field.name)
        if parsed["table.expand.json.payload"] and isinstance(payload, str):
            found = expanded(payload, nulls_as_bytes=self._nulls_as_bytes)
            payload_schema, payload = found or (payload_schema, payload)
        value: Any = payload
        if self._encloses and payload_schema is not None:
            payload_schema, value = self._enveloped(row, payload_schema, payload)
        partition = self._place(row, headers)
        if parsed["route.tombstone.on.empty.payload"] and payload in (None, ""):
            payload_schema, value = None, None
        key_schema, key = _column(row, parsed["table.field.event.key"])
        return record.replace(
            topic=self._topic(self._routed_by(row)),
            partition=partition,
            key_schema=key_schema,
            key=key,
            value_schema=payload_schema,
            value=value,
            timestamp=timestamp,
            headers=tuple(headers),
        )

    def _routed_by(self, row: Struct) -> Any:
        return row.get_typed(self._parsed["route.by.field"], Type.STRING)

    def _topic(self, routed_by: str) -> str:
        if not self._regex.matches(routed_by):
            return routed_by
        try:
            return self._regex.replace_first(routed_by, self._parsed["route.topic.replacement"])
        except IndexError as error:
            raise ValueError(str(error)) from error

    def _place(self, row: Struct, headers: list[Header]) -> int | None:
        """Append the headers of columns; give the partition that one names."""
        partition: int | None = None
        for column, placement, name in self._additional:
            if row.schema.field(column) is None and self._ignores_missing:
                continue
            if placement == "header":
                headers.append(Header(name, *_column(row, column)))
            elif placement == "partition":
                partition = row.get_typed(column, Type.INT32)
        return partition

    def _enveloped(self, row: Struct, schema: Schema, payload: Any) -> tuple[Schema, Struct]:
        """Give the payload with the columns placed beside it."""
        number: int | None = None
        version = self._parsed["table.field.event.schema.version"]
        if version is not None:
            number = row.get_typed(version, Type.INT32)
        outer, _, last = (row.schema.name or "").rpartition(".")
        builder = SchemaBuilder.struct().name(f"{outer}.{self._routed_by(row)}.{last}")
        if number is not None:
            builder.version(number)
        builder.field("payload", schema)
        columns = [(c, name) for c, placement, name in self._additional if placement == "envelope"]
        for column, name in columns:
            field = row.schema.field(column)
            if field is not None:
                builder.field(name, field.schema)
            elif not self._ignores_missing:
                raise ConnectError(f"Unable to find field {column} in event")
        struct = Struct(builder.build())
        struct.put("payload", payload)
        for column, name in columns:
            if row.schema.field(column) is not None:
                struct.put(name, row.get(column))
        return struct.schema, struct

    def _timestamp(self, event: Struct, row: Struct) -> int | None:
        name = self._parsed["table.field.event.timestamp"]
        changed: int | None = event.get("ts_ms")
        if not name:
            return changed
        if row.schema.field(name) is None:
            raise ConnectError(f"Unable to find timestamp field {name} in event")
        value = row.get_typed(name, Type.INT64)
        if value is None:
            return changed
        schema, _ = _column(row, name)
        if schema.name is None:
            raise ConnectError(
                "Unsupported field type INT64 (without logical schema name) for event timestamp"
            )
        per_ms = _PER_MS.get(schema.name)
        if per_ms is None:
            raise ConnectError(f"Unsupported field type {schema.name} for event timestamp")
        return int(value) // per_ms


def _column(row: Struct, name: str) -> tuple[Schema, Any]:
    field = row.schema.field(name)
    if field is None:
        raise DataError(f"{name} is not a valid field name")
    return field.schema, row.get(name)
