"""From Connect schemas to .proto text, and the function that encodes rows as its messages.

Semantics: Confluent ProtobufData.fromConnectSchema. One message per struct, nested where it is used; what
proto3 cannot say stands in Confluent's field options. Raises DataError.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from google.protobuf import message_factory

from appliance.api.batch import NULL
from appliance.data import DATE_NAME, DECIMAL_NAME, TIME_NAME, TIMESTAMP_NAME, Field, Schema, Type
from appliance.data.logical import MILLIS_PER_DAY
from appliance.data.recursive import BackReference, Later, node_of
from appliance.errors import DataError
from appliance.schemaregistry.avrodata import GENERAL_ENUM, GENERAL_UNION, scrub, unscaled_bytes
from appliance.schemaregistry.protofile import (
    DATE_TYPE,
    DECIMAL_TYPE,
    KNOWN_FILES,
    SCALARS,
    TIME_TYPE,
    TIMESTAMP_TYPE,
    parse_proto,
    pool_of,
)

PREFIX: Final = "io.confluent.connect.protobuf."
TAG: Final = f"{PREFIX}Tag"
ENUM: Final = f"{PREFIX}Enum"
UNION: Final = f"{PREFIX}Union"
DECLARED: Final = f"{PREFIX}Type"
"""The parameter that names the scalar type of a field, where it is not the usual one."""
WRAPPER: Final = f"{PREFIX}Wrapper"
"""The parameter of a member of a oneof that is in a wrapper message."""
_SCALARS: Final = {
    Type.INT8: "int32",
    Type.INT16: "int32",
    Type.INT32: "int32",
    Type.INT64: "int64",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "bool",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}
WRAPPERS: Final = {
    Type.INT8: "Int32Value",
    Type.INT16: "Int32Value",
    Type.INT32: "Int32Value",
    Type.INT64: "Int64Value",
    Type.FLOAT32: "FloatValue",
    Type.FLOAT64: "DoubleValue",
    Type.BOOLEAN: "BoolValue",
    Type.STRING: "StringValue",
    Type.BYTES: "BytesValue",
}
_LOGICAL: Final = {
    DECIMAL_NAME: (DECIMAL_TYPE, "confluent/type/decimal.proto"),
    DATE_NAME: (DATE_TYPE, "google/type/date.proto"),
    TIME_NAME: (TIME_TYPE, "google/type/timeofday.proto"),
    TIMESTAMP_NAME: (TIMESTAMP_TYPE, "google/protobuf/timestamp.proto"),
}
_UNSIGNED_BITS: Final = {"uint32": 32, "fixed32": 32, "uint64": 64, "fixed64": 64}
_KEYS: Final = (Type.INT8, Type.INT16, Type.INT32, Type.INT64, Type.BOOLEAN, Type.STRING)
_WRAPPER_FILE: Final = "google/protobuf/wrappers.proto"
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EPOCH_DAY: Final = dt.date(1970, 1, 1).toordinal()
Fill = Callable[[Any, Any], None]


@dataclasses.dataclass(frozen=True, slots=True)
class ProtoOptions:
    """The options that decide how schemas correspond, by their names in the converter."""

    enhanced: bool = False
    scrub_invalid_names: bool = False
    int_for_enums: bool = False
    optional_for_nullables: bool = False
    wrapper_for_nullables: bool = False
    wrapper_for_raw_primitives: bool = True
    generate_index_for_unions: bool = True
    flatten_unions: bool = False
    optional_for_proto2: bool = True
    generate_struct_for_nulls: bool = False
    generalized_sum_types: bool = False


class ProtoWriter(NamedTuple):
    """The text of a schema, the full name and the place of its message, and the encoder of live rows."""

    text: str
    record: str
    place: tuple[int, ...]
    encode: Callable[[Sequence[Any]], list[bytes]]


def proto_writer(schema: Schema, options: ProtoOptions) -> ProtoWriter:
    """Give what writes rows of a schema. Raises DataError for one that protobuf cannot hold."""
    if schema.type is Type.STRUCT:
        return _struct_writer(schema, options)
    wrapper = WRAPPERS.get(schema.type)
    if wrapper is None or schema.name in _LOGICAL or not options.wrapper_for_raw_primitives:
        raise DataError(f"Unsupported root schema of type {schema.type.name}")
    return _scalar_writer(wrapper)


def _scalar_writer(wrapper: str) -> ProtoWriter:
    file = KNOWN_FILES[_WRAPPER_FILE]
    names = [message.name for message in file.message_type]
    lines = ['syntax = "proto3";', "package google.protobuf;", ""]
    kinds = ("double", "float", "int64", "uint64", "int32", "uint32", "bool", "string", "bytes")
    for name, kind in zip(names, kinds, strict=True):
        lines += [f"message {name} {{", f"  {kind} value = 1;", "}"]
    text = "\n".join(lines) + "\n"
    full = f"google.protobuf.{wrapper}"
    made = message_factory.GetMessageClass(pool_of(parse_proto(text)).FindMessageTypeByName(full))
    return ProtoWriter(
        text,
        full,
        (names.index(wrapper),),
        lambda rows: [made(value=row).SerializeToString(deterministic=True) for row in rows],
    )


def _struct_writer(schema: Schema, options: ProtoOptions) -> ProtoWriter:
    text = _Printer(options)
    package, _, name = (schema.name or "ConnectDefault1").rpartition(".")
    name, package = text.name(name), ".".join(text.name(p) for p in package.split(".") if p)
    body = text.message(schema, name, 0, {})
    lines = ['syntax = "proto3";']
    lines += [f"package {package};"] if package else []
    lines += ["", *(f'import "{file}";' for file in sorted(text.imports))]
    source = "\n".join([*lines, *([""] if text.imports else []), *body]) + "\n"
    full = f"{package}.{name}" if package else name
    pool = pool_of(parse_proto(source))
    descriptor = pool.FindMessageTypeByName(full)
    made = message_factory.GetMessageClass(descriptor)
    fill = _message_fill(schema, text, options)

    def encode(rows: Sequence[Any]) -> list[bytes]:
        found = []
        for row in rows:
            message = made()
            fill(message, row)
            found.append(message.SerializeToString(deterministic=True))
        return found

    return ProtoWriter(source, full, (0,), encode)


def is_union(schema: Schema) -> bool:
    """Whether a struct stands for a oneof."""
    return schema.type is Type.STRUCT and (
        (schema.name or "").startswith(UNION) or GENERAL_UNION in (schema.parameters or {})
    )


def is_enum(schema: Schema) -> bool:
    """Whether a schema stands for an enum."""
    return _enum_word(schema) is not None


def _enum_word(schema: Schema) -> str | None:
    return next((w for w in (ENUM, GENERAL_ENUM) if w in (schema.parameters or {})), None)


def scalar_word(schema: Schema) -> str:
    """Give the scalar type that a schema is written as."""
    declared = (schema.parameters or {}).get(DECLARED)
    if schema.type in (Type.INT32, Type.INT64) and declared in SCALARS:
        return str(declared)
    return _SCALARS[schema.type]


def _is_wrapped(schema: Schema, options: ProtoOptions, *, is_member: bool = False) -> bool:
    """Whether a scalar is written in a wrapper message; members of a oneof may be null anyway."""
    return (
        options.wrapper_for_nullables
        and schema.optional
        and schema.type in WRAPPERS
        and schema.name not in _LOGICAL
        and not is_enum(schema)
        and (not is_member or (schema.parameters or {}).get(WRAPPER) == "true")
    )


def _wrapper(schema: Schema) -> str:
    word = scalar_word(schema)
    unsigned = {"uint32": "UInt32", "fixed32": "UInt32", "uint64": "UInt64", "fixed64": "UInt64"}
    return f"{unsigned[word]}Value" if word in unsigned else WRAPPERS[schema.type]


def symbols_of(schema: Schema) -> dict[str, int]:
    """Give the symbols of an enum with their numbers."""
    found: dict[str, int] = {}
    prefix = f"{_enum_word(schema)}."
    for name, value in (schema.parameters or {}).items():
        if name.startswith(prefix):
            number = int(value) if value.lstrip("-").isdigit() else len(found)
            found[name.removeprefix(prefix)] = number
    return found


class _Printer:
    """Writes messages and keeps what they import."""

    def __init__(self, options: ProtoOptions) -> None:
        self._options = options
        self.imports: set[str] = set()
        self.fills: dict[int, Later] = {}

    def name(self, name: str) -> str:
        if self._options.scrub_invalid_names:
            name = scrub(name)
        if not _IDENTIFIER.fullmatch(name):
            raise DataError(
                f"'{name}' cannot be a name in a .proto file; set scrub.invalid.names=true"
            )
        return name

    def message(
        self, schema: Schema, name: str, depth: int, above: dict[str, Schema]
    ) -> list[str]:
        indent = "  " * depth
        scope: dict[str, Schema] = {**above, name: schema}
        nested: list[str] = []
        lines: list[str] = []
        tags = _Tags(schema)
        for field in schema.fields:
            if is_union(field.schema):
                oneof = (field.schema.name or "").rpartition(".")[2] or field.name
                lines.append(f"{indent}  oneof {self.name(oneof)} {{")
                for member in field.schema.fields:
                    line = self._field(
                        member, tags, scope, nested, depth, optional=False, is_member=True
                    )
                    lines.append(f"  {line}")
                lines.append(f"{indent}  }}")
            else:
                optional = self._options.optional_for_nullables and field.schema.optional
                lines.append(self._field(field, tags, scope, nested, depth, optional=optional))
        return [f"{indent}message {name} {{", *lines, *nested, f"{indent}}}"]

    def _field(
        self,
        field: Field,
        tags: _Tags,
        scope: dict[str, Schema],
        nested: list[str],
        depth: int,
        *,
        optional: bool,
        is_member: bool = False,
    ) -> str:
        schema = field.schema
        kind = self.type(schema, field.name, scope, nested, depth, is_member=is_member)
        label = "optional " if optional and schema.type not in (Type.ARRAY, Type.MAP) else ""
        return (
            f"{'  ' * depth}  {label}{kind} {self.name(field.name)} = {tags.of(schema)}"
            f"{self._meta(schema)};"
        )

    def _meta(self, schema: Schema) -> str:
        inner = schema.value_schema if schema.type is Type.ARRAY else schema
        if inner is None:
            return ""
        params: dict[str, str] = {}
        if inner.type in (Type.INT8, Type.INT16):
            params["connect.type"] = inner.type.value
        elif inner.name == DECIMAL_NAME:
            parameters = inner.parameters or {}
            params["precision"] = parameters.get("connect.decimal.precision", "64")
            params["scale"] = parameters.get("scale", "0")
        if not params:
            return ""
        self.imports.add("confluent/meta.proto")
        shown = ", ".join(f'{{key: "{k}", value: "{v}"}}' for k, v in params.items())
        return f" [(confluent.field_meta) = {{params: [{shown}]}}]"

    def type(
        self,
        schema: Schema,
        field: str,
        scope: dict[str, Schema],
        nested: list[str],
        depth: int,
        *,
        is_member: bool = False,
    ) -> str:
        logical = _LOGICAL.get(schema.name or "")
        if logical is not None:
            self.imports.add(logical[1])
            return f".{logical[0]}"
        if is_enum(schema):
            return self._enum(schema, scope, nested, depth)
        if schema.type is Type.STRUCT:
            return self._nested(schema, scope, nested, depth)
        if schema.type is Type.ARRAY:
            item = schema.value_schema
            if item is None or item.type in (Type.ARRAY, Type.MAP):
                raise DataError(f"The field {field} is a list of lists or maps: protobuf has none")
            return f"repeated {self.type(item, field, scope, nested, depth)}"
        if schema.type is Type.MAP:
            return self._map(schema, field, scope, nested, depth)
        if _is_wrapped(schema, self._options, is_member=is_member):
            self.imports.add(_WRAPPER_FILE)
            return f".google.protobuf.{_wrapper(schema)}"
        return scalar_word(schema)

    def _map(
        self,
        schema: Schema,
        field: str,
        scope: dict[str, Schema],
        nested: list[str],
        depth: int,
    ) -> str:
        key, value = schema.key_schema, schema.value_schema
        if key is None or value is None or key.type not in _KEYS or key.name in _LOGICAL:
            raise DataError(f"The keys of the map {field} cannot be those of a protobuf map")
        if value.type in (Type.ARRAY, Type.MAP):
            raise DataError(f"The field {field} is a map of lists or maps: protobuf has none")
        inner = self.type(value, field, scope, nested, depth)
        return f"map<{scalar_word(key)}, {inner}>"

    def _nested(
        self, schema: Schema, scope: dict[str, Schema], nested: list[str], depth: int
    ) -> str:
        wanted = self.name((schema.name or "").rpartition(".")[2] or f"ConnectDefault{depth + 2}")
        name, number = wanted, 1
        if isinstance(schema, BackReference):
            same = [n for n, known in scope.items() if _is_same_message(known, schema)]
            if same:
                return same[-1]
        plain = _bare(schema)
        while name in scope and _bare(scope[name]) != plain:
            number += 1
            name = f"{wanted}{number}"
        if name not in scope:
            scope[name] = schema
            nested += self.message(schema, name, depth + 1, scope)
        return name

    def _enum(
        self, schema: Schema, scope: dict[str, Schema], nested: list[str], depth: int
    ) -> str:
        name = self.name((schema.parameters or {})[_enum_word(schema) or ENUM].rpartition(".")[2])
        if name not in scope:
            scope[name] = schema
            indent = "  " * (depth + 1)
            symbols = sorted(symbols_of(schema).items(), key=lambda item: (item[1] != 0, item[1]))
            nested += [
                f"{indent}enum {name} {{",
                *(f"{indent}  {self.name(symbol)} = {number};" for symbol, number in symbols),
                f"{indent}}}",
            ]
        return name


def _bare(schema: Schema) -> Schema:
    """Give a struct without what its place says of it."""
    return schema.replace(optional=False, default=None, parameters=None)


def _is_same_message(known: Schema, schema: Schema) -> bool:
    return known.type is Type.STRUCT and node_of(known) == node_of(schema)


class _Tags:
    """Numbers of a message's fields: those the schema names, then the next free ones."""

    def __init__(self, schema: Schema) -> None:
        members = [
            inner
            for field in schema.fields
            for inner in (field.schema.fields if is_union(field.schema) else (field,))
        ]
        self._taken = {
            int(tag)
            for member in members
            if (tag := (member.schema.parameters or {}).get(TAG, "")).isdigit()
        }
        self._next = 1

    def of(self, schema: Schema) -> int:
        tag = (schema.parameters or {}).get(TAG, "")
        if tag.isdigit():
            return int(tag)
        while self._next in self._taken or 19000 <= self._next < 20000:
            self._next += 1
        self._taken.add(self._next)
        return self._next


def _message_fill(schema: Schema, names: _Printer, options: ProtoOptions) -> Fill:
    """Give what fills a message; one that contains itself has what fills it once it is made."""
    around = names.fills.get(node_of(schema)) if isinstance(schema, BackReference) else None
    if around is not None:
        return around
    own = names.fills[node_of(schema)] = Later()
    own.made = _members_fill(schema, names, options)
    return own.made


def _members_fill(schema: Schema, names: _Printer, options: ProtoOptions) -> Fill:
    parts: list[Fill] = [
        _union_fill(field.schema, names, options)
        if is_union(field.schema)
        else _field_fill(field.schema, names.name(field.name), names, options)
        for field in schema.fields
    ]
    required = [field.name if not field.schema.optional else None for field in schema.fields]
    defaults = [field.schema.default for field in schema.fields]

    def fill(message: Any, row: Any) -> None:
        for part, value, name, default in zip(parts, row, required, defaults, strict=True):
            if value is not None and value is not NULL:
                part(message, value)
            elif default is not None:
                part(message, default)
            elif name is not None:
                raise DataError(f"The field {name} is required and null")

    return fill


def _union_fill(schema: Schema, names: _Printer, options: ProtoOptions) -> Fill:
    parts = [
        _field_fill(field.schema, names.name(field.name), names, options, is_member=True)
        for field in schema.fields
    ]

    def fill(message: Any, row: Any) -> None:
        for part, value in zip(parts, row, strict=True):
            if value is not None:
                part(message, value)
                return

    return fill


def _field_fill(
    schema: Schema, name: str, names: _Printer, options: ProtoOptions, *, is_member: bool = False
) -> Fill:
    inside = _submessage_fill(schema, names, options, is_member=is_member)
    if inside is not None:

        def fill_message(message: Any, value: Any) -> None:
            part = getattr(message, name)
            part.SetInParent()
            inside(part, value)

        return fill_message
    if schema.type is Type.ARRAY:
        return _list_fill(_inner(schema), name, names, options)
    if schema.type is Type.MAP:
        return _map_fill(_inner(schema), name, names, options)
    convert = _scalar(schema)
    return lambda message, value: setattr(message, name, convert(value))


def _inner(schema: Schema) -> Schema:
    if schema.value_schema is None:
        raise DataError(f"The elements of {schema} have no schema")
    return schema.value_schema


def _list_fill(item: Schema, name: str, names: _Printer, options: ProtoOptions) -> Fill:
    inside = _submessage_fill(item, names, options)
    if inside is None:
        convert = _scalar(item)
        return lambda message, values: getattr(message, name).extend(map(convert, values))

    def fill(message: Any, values: Any) -> None:
        target = getattr(message, name)
        for value in values:
            inside(target.add(), value)

    return fill


def _map_fill(item: Schema, name: str, names: _Printer, options: ProtoOptions) -> Fill:
    inside = _submessage_fill(item, names, options)
    convert = _scalar(item)

    def fill(message: Any, values: Any) -> None:
        target = getattr(message, name)
        for key, value in values.items():
            if inside is None:
                target[key] = convert(value)
            else:
                inside(target[key], value)

    return fill


def _scalar(schema: Schema) -> Callable[[Any], Any]:
    if is_enum(schema) and schema.type is Type.STRING:
        numbers = symbols_of(schema)

        def number(value: Any) -> int:
            if value not in numbers:
                raise DataError(f"'{value}' is not a symbol of the enum {schema.name}")
            return numbers[value]

        return number
    if schema.type is Type.BYTES:
        return bytes
    bits = _UNSIGNED_BITS.get(scalar_word(schema)) if schema.type in _SCALARS else None
    return (lambda value: value) if bits is None else (lambda value: value & (1 << bits) - 1)


def _submessage_fill(
    schema: Schema, names: _Printer, options: ProtoOptions, *, is_member: bool = False
) -> Fill | None:
    if _is_wrapped(schema, options, is_member=is_member):
        convert = _scalar(schema)
        return lambda message, value: setattr(message, "value", convert(value))
    if schema.type is Type.STRUCT:
        return _message_fill(schema, names, options)
    if schema.name == DECIMAL_NAME:
        scale = int((schema.parameters or {}).get("scale", "0"))
        return lambda message, value: _fill_decimal(message, value, scale)
    return {DATE_NAME: _fill_date, TIME_NAME: _fill_time, TIMESTAMP_NAME: _fill_timestamp}.get(
        schema.name or ""
    )


def _fill_decimal(message: Any, value: decimal.Decimal, scale: int) -> None:
    message.value = unscaled_bytes(value, scale)
    message.precision = len(value.as_tuple().digits)
    message.scale = scale


def _fill_date(message: Any, value: int) -> None:
    day = dt.date.fromordinal(value // MILLIS_PER_DAY + _EPOCH_DAY)
    message.year, message.month, message.day = day.year, day.month, day.day


def _fill_time(message: Any, value: int) -> None:
    seconds, ms = divmod(value, 1000)
    message.hours, message.minutes, message.seconds = (
        seconds // 3600,
        seconds // 60 % 60,
        seconds % 60,
    )
    message.nanos = ms * 1_000_000


def _fill_timestamp(message: Any, value: int) -> None:
    message.seconds, message.nanos = value // 1000, value % 1000 * 1_000_000
