"""ExtractNewRecordState: the row state in the place of the whole change event.

Semantics: Debezium 3.6.1 io.debezium.transforms.ExtractNewRecordState. A batch whose layout spells out
`after` keeps its short rows: only the layout changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

from appliance.api import NULL, Batch, Const, Layout, Stage, Var
from appliance.config import ConfigDef, ConfigType, Importance, Width
from appliance.config.validators import Check
from appliance.data import Header, Schema, SchemaBuilder, Type
from appliance.data.struct import unwrap, wrap
from appliance.errors import ConfigError, ConnectError, DataError
from appliance.transforms.base import CompiledTransform, copied_basics, runs_of, with_headers
from appliance.transforms.debezium.options import parsed_untrimmed

_MODES: Final = ("drop", "tombstone", "rewrite-with-tombstone", "rewrite", "delete-to-tombstone")
_ROOT: Final = ("op", "ts_ms", "ts_us", "ts_ns")
_TRANSACTION: Final = ("id", "total_order", "data_collection_order")
_DELETED: Final = "__deleted"


class Reference(NamedTuple):
    """A field of the envelope: the struct it is in (None: the root), its name, and its new name."""

    struct: str | None
    field: str
    name: str


def parse_reference(text: str, prefix: str) -> Reference:
    """Read `field`, `struct.field` or either with `:NEW`. Raises ValueError."""
    parts = text.split(":")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    if len(parts) > 2:
        raise ValueError(f"Unexpected field name: {text}")
    path = parts[0].split(".")
    if len(path) == 1:
        field = path[0]
        struct = None if field in _ROOT else "transaction" if field in _TRANSACTION else "source"
        default = field
    else:
        struct, field = path[0], path[1]
        default = f"{struct}_{field}"
    return Reference(struct, field, prefix + (parts[1] if len(parts) == 2 else default))


class Added(NamedTuple):
    """A field to add, found in an envelope's schema: the way to it, its schema, and its new name."""

    way: tuple[int, ...]
    schema: Schema
    name: str


def find_added(schema: Schema, references: list[Reference]) -> list[Added]:
    """Find the referred fields; those that do not exist are left out. Raises DataError."""
    found: list[Added] = []
    for reference in references:
        way: tuple[int, ...] = ()
        inside = schema
        if reference.struct is not None:
            outer = schema.field(reference.struct)
            if outer is None:
                raise DataError(f"A change event has no field {reference.struct} to add fields of")
            way, inside = (outer.index,), outer.schema
        field = inside.field(reference.field)
        if field is not None:
            optional = copied_basics(field.schema).optional().build()
            found.append(Added((*way, field.index), optional, reference.name))
    return found


def value_at(row: Any, way: tuple[int, ...]) -> Any:
    """Follow places through nested rows, None where one is null."""
    for place in way:
        if row is None:
            return None
        row = row[place]
    return row


def is_envelope(schema: Schema | None) -> bool:
    """Whether values of the schema are change events."""
    return (
        schema is not None
        and schema.type is Type.STRUCT
        and (schema.name or "").endswith(".Envelope")
    )


def _check_mode(name: str, value: Any) -> None:
    if value is None or value.strip().lower() not in _MODES:
        raise ConfigError.invalid(name, value, f"Value must be one of {', '.join(_MODES)}")


def _option(
    name: str, type_: ConfigType, default: Any, label: str, doc: str, **more: Any
) -> dict[str, Any]:
    known = {"importance": Importance.LOW, "width": Width.SHORT}
    return {
        **known,
        "name": name,
        "type_": type_,
        "default": default,
        "display_name": label,
        "doc": doc,
        "order": 1,
        **more,
    }


_OPTIONS: Final = (
    _option(
        "delete.tombstone.handling.mode",
        ConfigType.STRING,
        "tombstone",
        "Handle delete and tombstone records",
        "What becomes of deletes and of the tombstones behind them: `drop` drops both, `tombstone` "
        "gives one null, `rewrite` the last state with `__deleted`, `rewrite-with-tombstone` that and "
        "the tombstone, `delete-to-tombstone` a null without schema.",
        importance=Importance.MEDIUM,
        width=Width.MEDIUM,
        validator=Check(_check_mode, f"one of {', '.join(_MODES)}"),
    ),
    _option(
        "route.by.field",
        ConfigType.STRING,
        "",
        "Route by field name",
        "Name of a text field of the row whose value becomes the topic.",
        width=Width.LONG,
    ),
    _option(
        "add.fields.prefix",
        ConfigType.STRING,
        "__",
        "Field prefix to be added to each field.",
        "Stands before the names of added fields.",
    ),
    _option(
        "add.fields",
        ConfigType.LIST,
        "",
        "Adds the specified field(s) to the message if they exist.",
        "Fields of the event to add to the row: `op`, `source.ts_ms`, either with `:NEW` for a name.",
        width=Width.LONG,
    ),
    _option(
        "add.headers.prefix",
        ConfigType.STRING,
        "__",
        "Header prefix to be added to each header.",
        "Stands before the names of added headers.",
    ),
    _option(
        "add.headers",
        ConfigType.LIST,
        "",
        "Adds the specified fields to the header if they exist.",
        "Fields of the event to add as headers, written as in `add.fields`.",
        width=Width.LONG,
    ),
    _option(
        "drop.fields.header.name",
        ConfigType.STRING,
        None,
        "Specifies a header that contains a list of field names to be removed",
        "Name of a header that lists fields to drop from the row.",
    ),
    _option(
        "drop.fields.from.key",
        ConfigType.BOOLEAN,
        False,
        "Specifies whether the fields to be dropped should also be omitted from the key",
        "Drop these fields from the key too.",
    ),
    _option(
        "drop.fields.keep.schema.compatible",
        ConfigType.BOOLEAN,
        True,
        "Specifies if fields are dropped, will the event's schemas be compatible",
        "Drop only optional fields, so that the schemas stay compatible.",
    ),
)


def _definition() -> ConfigDef:
    definition = ConfigDef()
    for option in _OPTIONS:
        definition.define(**option)
    return definition


class ExtractNewRecordState(CompiledTransform):
    """Gives `after`, and for deletes what the mode says."""

    config_def: ClassVar[ConfigDef] = _definition()

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConnectError, ValueError for a wrong field reference."""
        try:
            parsed = parsed_untrimmed(self.config_def, config)
        except ConfigError as error:
            raise ConnectError("Unable to validate config.") from error
        self._mode = parsed["delete.tombstone.handling.mode"].strip().lower()
        self._rewrites = self._mode.startswith("rewrite")
        self._route_by = parsed["route.by.field"]
        self._fields = [
            parse_reference(text, parsed["add.fields.prefix"]) for text in parsed["add.fields"]
        ]
        self._headers = [
            parse_reference(text, parsed["add.headers.prefix"]) for text in parsed["add.headers"]
        ]
        self._drop_header = parsed["drop.fields.header.name"]
        self._drop_from_key = parsed["drop.fields.from.key"]
        self._compatible = parsed["drop.fields.keep.schema.compatible"]
        self._replace_null = config.get("replace.null.with.default", "true").lower() != "false"

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage; other records than change events pass, but for tombstones."""
        if value_schema is None or not is_envelope(value_schema):
            return self._pass
        event = _Event(value_schema)
        added = find_added(value_schema, self._fields)
        headers = find_added(value_schema, self._headers)
        states: dict[frozenset[str], _State] = {}
        layouts: dict[Layout, _Short | None] = {}

        def state(dropped: frozenset[str]) -> _State:
            if dropped not in states:
                states[dropped] = self._state(event, added, dropped)
            return states[dropped]

        def run(batch: Batch) -> list[Batch]:
            layout = batch.layout
            if layout is not None and not headers and not self._drop_header and not self._route_by:
                if layout not in layouts:
                    layouts[layout] = self._short(layout, event, added)
                short = layouts[layout]
                if short is not None and short.fits(batch):
                    return [short.apply(batch, state(frozenset()).schema)]
            return self._by_row(batch.expanded(), event, headers, state)

        return run

    def _pass(self, batch: Batch) -> list[Batch]:
        rows = batch.values
        if None not in rows and NULL not in rows:
            return [batch]
        if self._mode == "rewrite-with-tombstone":
            return [batch]
        live = [i for i, row in enumerate(rows) if row is not None and row is not NULL]
        return [batch.take(live)] if live else []

    def _state(self, event: _Event, added: list[Added], dropped: frozenset[str]) -> _State:
        """Compile the schema and the row of the emitted state without the dropped fields."""
        builder = copied_basics(event.row_schema)
        parts: list[tuple[int, Any]] = []
        for field in event.row_schema.fields:
            if field.name in dropped and (field.schema.optional or not self._compatible):
                continue
            builder.field(field.name, field.schema)
            fills = bool(dropped) or (self._rewrites and self._replace_null)
            parts.append((field.index, unwrap(field.schema.default) if fills else None))
        if self._rewrites:
            builder.field(_DELETED, Schema(Type.STRING, optional=True))
        for one in added:
            builder.field(one.name, one.schema)
        schema, ways, rewrites = builder.build(), [one.way for one in added], self._rewrites

        def convert(row: tuple[Any, ...], event_row: Any, deleted: str) -> tuple[Any, ...]:
            values = [
                default if row[index] is None and default is not None else row[index]
                for index, default in parts
            ]
            if rewrites:
                values.append(deleted)
            values += [value_at(event_row, way) for way in ways]
            return tuple(values)

        return _State(schema, convert)

    def _short(self, layout: Layout, event: _Event, added: list[Added]) -> _Short | None:
        """Give the change of layout, None when rows have to be looked at."""
        after, op = layout.fields[event.after], layout.fields[event.op]
        if not isinstance(after, Layout) or not isinstance(op, Const) or self._rewrites:
            return None
        ways = []
        for one in added:
            part: Any = layout.fields[one.way[0]]
            rest = one.way[1:]
            while rest and isinstance(part, Layout):
                part, rest = part.fields[rest[0]], rest[1:]
            if isinstance(part, Var) and rest:
                return None
            ways.append((part, rest))
        return _Short(op.index, after.fields, ways)

    def _by_row(
        self,
        batch: Batch,
        event: _Event,
        headers: list[Added],
        state: Callable[[frozenset[str]], _State],
    ) -> list[Batch]:
        kept: list[int] = []
        found: list[tuple[Schema | None, Any]] = []
        topics: list[str] = []
        blocks: list[tuple[Header, ...]] = []
        keys: dict[int, frozenset[str]] = {}
        for i, row in enumerate(batch.values):
            if row is None or row is NULL:
                if self._mode == "rewrite-with-tombstone":
                    kept.append(i)
                    found.append((None if row is None else batch.value_schema, None))
                    topics.append(batch.topic_at(i))
                    blocks.append(())
                continue
            dropped = self._dropped(batch, i)
            outcome = self._outcome(row, event, state(dropped))
            if outcome is None:
                continue
            kept.append(i)
            found.append(outcome)
            if dropped and self._drop_from_key:
                keys[i] = dropped
            topics.append(self._topic(batch, i, row, event))
            blocks.append(
                tuple(
                    [
                        Header(h.name, h.schema, wrap(h.schema, value_at(row, h.way)))
                        for h in headers
                    ]
                )
            )
        return self._assembled(batch, kept, found, topics, blocks, keys)

    def _outcome(self, row: Any, event: _Event, state: _State) -> tuple[Schema | None, Any] | None:
        if row[event.op] == "t":
            return None
        after, before = row[event.after], row[event.before]
        if after is None and before is None:
            return None
        if after is not None:
            return state.schema, state.convert(after, row, "false")
        if self._mode == "drop":
            return None
        if self._mode == "delete-to-tombstone":
            return None, None
        if self._rewrites and before is not None:
            return state.schema, state.convert(before, row, "true")
        return event.row_schema, None

    def _dropped(self, batch: Batch, row: int) -> frozenset[str]:
        if not self._drop_header:
            return frozenset()
        values = [h.value for h in batch.headers_at(row) if h.key == self._drop_header]
        if not values or not isinstance(values[-1], list):
            return frozenset()
        return frozenset(values[-1])

    def _topic(self, batch: Batch, i: int, row: Any, event: _Event) -> str:
        if not self._route_by:
            return batch.topic_at(i)
        state = row[event.after] if row[event.after] is not None else row[event.before]
        field = event.row_schema.field(self._route_by)
        if field is None:
            raise DataError(f"{self._route_by} is not a valid field name")
        if field.schema.type is not Type.STRING:
            raise DataError(f"Field '{self._route_by}' is not of type STRING")
        topic: str | None = None if state is None else state[field.index]
        return batch.topic_at(i) if topic is None else topic

    def _assembled(
        self,
        batch: Batch,
        kept: list[int],
        found: list[tuple[Schema | None, Any]],
        topics: list[str],
        blocks: list[tuple[Header, ...]],
        keys: dict[int, frozenset[str]],
    ) -> list[Batch]:
        batches: list[Batch] = []
        for schema, run in runs_of(
            [(*one, keys.get(i)) for one, i in zip(found, kept, strict=True)]
        ):
            some = batch.take([kept[j] for j in run])
            values = [
                NULL if found[j][1] is None and found[j][0] is not None else found[j][1]
                for j in run
            ]
            some = dataclasses.replace(some, values=values, value_schema=schema, raw_values=None)
            if self._route_by:
                some = dataclasses.replace(some, topic=[topics[j] for j in run])
            if any(blocks[j] for j in run):
                some = with_headers(some, [blocks[j] for j in run])
            dropped = keys.get(kept[run[0]])
            batches.append(self._without_key_fields(some, dropped) if dropped else some)
        return batches

    def _without_key_fields(self, batch: Batch, dropped: frozenset[str]) -> Batch:
        schema = batch.key_schema
        if schema is None or schema.type is not Type.STRUCT or batch.keys is None:
            return batch
        kept = [
            field
            for field in schema.fields
            if field.name not in dropped or (self._compatible and not field.schema.optional)
        ]
        if len(kept) == len(schema.fields):
            return batch
        builder: SchemaBuilder = copied_basics(schema)
        for field in kept:
            builder.field(field.name, field.schema)
        keys = [
            row if row is None or row is NULL else tuple([row[f.index] for f in kept])
            for row in batch.keys
        ]
        return dataclasses.replace(batch, keys=keys, key_schema=builder.build(), raw_keys=None)


class _Event:
    """Where the parts of an envelope are."""

    def __init__(self, schema: Schema) -> None:
        places = {}
        for name in ("after", "before", "op"):
            field = schema.field(name)
            if field is None:
                raise ValueError(f"Unknown field: {name}")
            places[name] = field
        self.after = places["after"].index
        self.before = places["before"].index
        self.op = places["op"].index
        self.row_schema = places["after"].schema


class _State(NamedTuple):
    """The emitted state: its schema, and the function (row, event, deleted) to its row."""

    schema: Schema
    convert: Callable[[tuple[Any, ...], Any, str], tuple[Any, ...]]


class _Short(NamedTuple):
    """The change of a layout that spells out `after`; `ways` lead to added fields through a part."""

    op: int
    after: tuple[Var | Const | Layout, ...]
    ways: list[tuple[Any, tuple[int, ...]]]

    def fits(self, batch: Batch) -> bool:
        """Whether all rows are inserts, updates or reads."""
        return (
            batch.constants[self.op] in ("c", "u", "r")
            and None not in batch.values
            and NULL not in batch.values
        )

    def apply(self, batch: Batch, schema: Schema) -> Batch:
        """Give the batch of states, the same short rows under the smaller layout."""
        constants = list(batch.constants)
        parts = list(self.after)
        for part, way in self.ways:
            if way:
                constants.append(value_at(constants[part.index], way))
                parts.append(Const(len(constants) - 1))
            else:
                parts.append(part)
        return dataclasses.replace(
            batch,
            layout=Layout(tuple(parts)),
            constants=tuple(constants),
            value_schema=schema,
            raw_values=None,
        )
