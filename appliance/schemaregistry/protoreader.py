"""From .proto files to Connect schemas, and the function that decodes messages into rows.

Semantics: Confluent ProtobufData.toConnectSchema and toConnectData. A message that contains itself becomes a
struct with back references. Raises DataError.
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError

from appliance.data import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Field,
    Schema,
    Type,
)
from appliance.data.logical import MILLIS_PER_DAY
from appliance.data.recursive import Knot, Later
from appliance.errors import DataError
from appliance.schemaregistry.avrodata import GENERAL_ENUM, GENERAL_UNION
from appliance.schemaregistry.protoelements import ProtoError
from appliance.schemaregistry.protofile import (
    DATE_TYPE,
    DECIMAL_TYPE,
    SCALARS,
    TIME_TYPE,
    TIMESTAMP_TYPE,
    ProtoFile,
    name_at,
    parse_proto,
    pool_of,
)
from appliance.schemaregistry.protowriter import (
    DECLARED,
    ENUM,
    TAG,
    UNION,
    WRAPPER,
    WRAPPERS,
    ProtoOptions,
)

_D: Final = FieldDescriptor
_EPOCH_DAY: Final = dt.date(1970, 1, 1).toordinal()
_TYPES: Final = {
    _D.TYPE_DOUBLE: Type.FLOAT64,
    _D.TYPE_FLOAT: Type.FLOAT32,
    _D.TYPE_INT32: Type.INT32,
    _D.TYPE_SINT32: Type.INT32,
    _D.TYPE_SFIXED32: Type.INT32,
    _D.TYPE_BOOL: Type.BOOLEAN,
    _D.TYPE_STRING: Type.STRING,
    _D.TYPE_BYTES: Type.BYTES,
}
_UNSIGNED: Final = (_D.TYPE_UINT64, _D.TYPE_FIXED64)
_DECLARED: Final = {
    number: word
    for word, number in SCALARS.items()
    if word not in ("int32", "int64", "double", "float", "bool", "string", "bytes")
}
_WRAPPERS: Final = frozenset(
    f"google.protobuf.{name}" for name in (*WRAPPERS.values(), *"UInt32Value", "UInt64Value")
)
_WORD: Final = re.compile(r"(?<!^)([A-Z])")
_LOGICAL: Final = {
    DATE_TYPE: (Type.INT32, DATE_NAME),
    TIME_TYPE: (Type.INT32, TIME_NAME),
    TIMESTAMP_TYPE: (Type.INT64, TIMESTAMP_NAME),
}
Read = Callable[[Any], Any]
Part = tuple[Field, Read]


class ProtoReader(NamedTuple):
    """The Connect schema of a message, its full name, and the function from a payload to a row."""

    schema: Schema
    record: str
    read: Callable[[bytes], Any]


def proto_reader(
    text: str,
    references: Iterable[tuple[str, str]],
    index: tuple[int, ...],
    options: ProtoOptions,
) -> ProtoReader:
    """Give what reads the message at a place of a file. Raises DataError."""
    try:
        file = parse_proto(text)
        pool = pool_of(file, references)
        name = name_at(file, index)
    except (ProtoError, IndexError, RecursionError) as error:
        raise DataError(f"Reading a protobuf schema: {error}") from error
    descriptor = pool.FindMessageTypeByName(name)
    made = message_factory.GetMessageClass(descriptor)
    if _is_wrapper(descriptor) and options.wrapper_for_raw_primitives:
        schema, convert = _Reader(file, options).wrapped(descriptor)
        get: Read = lambda message: convert(message.value)
    else:
        schema, get = _Reader(file, options).message(descriptor)

    def read(payload: bytes) -> Any:
        try:
            return get(made.FromString(payload))
        except (DecodeError, ValueError, OverflowError) as error:
            raise DataError(f"The bytes are no {descriptor.full_name}: {error}") from error
        except RecursionError as error:
            raise DataError(f"A {descriptor.full_name} is nested too deeply") from error

    return ProtoReader(schema, descriptor.full_name, read)


class _Reader:
    """Makes schemas and getters of one file's messages."""

    def __init__(self, file: ProtoFile, options: ProtoOptions) -> None:
        self._options = options
        self._meta = file.options
        self._package = file.descriptor.package
        self._open: dict[str, tuple[Knot, Later]] = {}
        self._made: dict[str, tuple[Schema, Read]] = {}
        self._needed: dict[str, list[tuple[int, Field]]] = {}

    def message(self, descriptor: Descriptor) -> tuple[Schema, Read]:
        """Give schema and getter of a message, made once; inside itself it is a back reference."""
        full = descriptor.full_name
        if full in self._open:
            knot, late = self._open[full]
            return knot.reference(), late
        if full not in self._made:
            knot, late = self._open[full] = (Knot(), Later())
            schema, get = self._message(descriptor)
            late.made = get
            del self._open[full]
            self._made[full] = (knot.tie(schema), get)
        return self._made[full]

    def _message(self, descriptor: Descriptor) -> tuple[Schema, Read]:
        parts: list[tuple[str, Schema, Read]] = []
        oneofs = [oneof for oneof in descriptor.oneofs if not _artificial(oneof)]
        for number, oneof in enumerate(oneofs):
            if self._options.flatten_unions:
                parts += [
                    (field.name, *self._field(field, is_member=True)) for field in oneof.fields
                ]
            else:
                parts.append(self._union(oneof, number))
        parts += [
            (field.name, *self._field(field))
            for field in descriptor.fields
            if field.containing_oneof not in oneofs
        ]
        fields = tuple([Field(name, i, schema) for i, (name, schema, _) in enumerate(parts)])
        gets = [get for *_, get in parts]
        self._needed[descriptor.full_name] = [
            (i, field) for i, field in enumerate(fields) if not field.schema.optional
        ]
        return (
            Schema(Type.STRUCT, name=self._name(descriptor), fields=fields),
            lambda message: tuple([get(message) for get in gets]),
        )

    def _name(self, descriptor: Any) -> str:
        return str(descriptor.full_name if self._options.enhanced else descriptor.name)

    def _union(self, oneof: OneofDescriptor, number: int) -> tuple[str, Schema, Read]:
        members = [(field.name, *self._field(field, is_member=True)) for field in oneof.fields]
        fields = tuple([Field(name, i, schema) for i, (name, schema, _) in enumerate(members)])
        general = self._options.generalized_sum_types
        schema = Schema(
            Type.STRUCT,
            optional=True,
            name=oneof.name if general else f"{UNION}.{self._name(oneof)}",
            parameters={GENERAL_UNION: oneof.name} if general else None,
            fields=fields,
        )
        gets = [get for *_, get in members]
        name = oneof.name

        def get(message: Any) -> Any:
            if message.WhichOneof(name) is None:
                return None
            return tuple([one(message) for one in gets])

        indexed = self._options.generate_index_for_unions
        return (f"{name}_{number}" if indexed else name), schema, get

    def _field(self, field: FieldDescriptor, *, is_member: bool = False) -> tuple[Schema, Read]:
        schema, convert = self._plain(field)
        schema, name = self._as_field(schema, field, is_member=is_member), field.name
        if field.is_repeated or not self._may_be_unset(field, is_member=is_member):
            return schema, lambda message: convert(getattr(message, name))
        if self._options.generate_struct_for_nulls and not is_member:
            return schema, lambda message: convert(getattr(message, name))
        return (
            schema,
            lambda message: convert(getattr(message, name)) if message.HasField(name) else None,
        )

    def _may_be_unset(self, field: FieldDescriptor, *, is_member: bool) -> bool:
        """Whether a field that is not set is null, and not its default."""
        if is_member or field.message_type is not None or _is_optional_of_proto3(field):
            return True
        return self._options.optional_for_proto2 and _says_optional(field)

    def _as_field(self, schema: Schema, field: FieldDescriptor, *, is_member: bool) -> Schema:
        """Give the schema of a value as that of its field: optional as the options say, with the number."""
        options = self._options
        parameters = dict(schema.parameters or {})
        message = field.message_type
        if is_member:
            optional = True
            if options.wrapper_for_nullables and message is not None and _is_wrapper(message):
                parameters[WRAPPER] = "true"
        elif options.optional_for_nullables:
            optional = schema.optional or _says_optional(field)
        else:
            optional = schema.optional or not options.wrapper_for_nullables
        parameters[TAG] = str(field.number)
        return schema.replace(optional=optional, parameters=parameters)

    def _plain(self, field: FieldDescriptor) -> tuple[Schema, Read]:
        if not field.is_repeated:
            return self._value(field)
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            return self._map(entry)
        item, convert = self._value(field)
        return (
            Schema(Type.ARRAY, optional=True, value_schema=item.replace(optional=True)),
            lambda found: [convert(v) for v in found],
        )

    def _map(self, entry: Descriptor) -> tuple[Schema, Read]:
        keys, values = entry.fields_by_name["key"], entry.fields_by_name["value"]
        (key, _), (value, convert) = self._value(keys), self._value(values)
        scope, _, name = self._name(entry).rpartition(".")
        name = _WORD.sub(r"_\1", name.removesuffix("Entry")).lower()
        schema = Schema(
            Type.MAP,
            optional=True,
            name=f"{scope}.{name}" if scope else name,
            key_schema=self._as_field(key, keys, is_member=False),
            value_schema=self._as_field(value, values, is_member=False),
        )
        return schema, lambda found: {k: convert(v) for k, v in found.items()}

    def _value(self, field: FieldDescriptor) -> tuple[Schema, Read]:
        message = field.message_type
        if message is None:
            return self.scalar(field)
        name = message.full_name
        if name == DECIMAL_TYPE:
            return self._decimal(field)
        if name in _LOGICAL:
            kind, logical = _LOGICAL[name]
            read = {DATE_NAME: _date, TIME_NAME: _time, TIMESTAMP_NAME: _timestamp}[logical]
            return Schema(kind, optional=True, name=logical, version=1), read
        options = self._options
        unwraps = options.wrapper_for_nullables or options.wrapper_for_raw_primitives
        if unwraps and _is_wrapper(message):
            schema, convert = self.wrapped(message)
            return schema.replace(optional=True), lambda found: convert(found.value)
        schema, get = self.message(message)
        needed = self._needed.get(name)
        return schema.replace(optional=True), _complete(get, needed) if needed else get

    def wrapped(self, message: Descriptor) -> tuple[Schema, Read]:
        """Give schema and conversion of what a wrapper message holds."""
        schema, convert = self.scalar(message.fields_by_name["value"])
        return schema.replace(parameters=None), convert

    def scalar(self, field: FieldDescriptor) -> tuple[Schema, Read]:
        """Give schema and conversion of a scalar or an enum."""
        if field.type == _D.TYPE_ENUM:
            return self._enum(field)
        kind = _TYPES.get(field.type, Type.INT64)
        narrow = self._params(field).get("connect.type")
        if kind is Type.INT32 and narrow in ("int8", "int16"):
            return Schema(Type(narrow)), _same
        declared = _DECLARED.get(field.type)
        parameters = None if declared is None else {DECLARED: declared}
        convert = _signed if field.type in _UNSIGNED else _same
        return Schema(kind, parameters=parameters), convert

    def _enum(self, field: FieldDescriptor) -> tuple[Schema, Read]:
        enum = field.enum_type
        if enum is None:
            raise DataError(f"The field {field.full_name} is an enum without a definition")
        word = GENERAL_ENUM if self._options.generalized_sum_types else ENUM
        parameters = {
            word: enum.name,
            **{f"{word}.{value.name}": str(value.number) for value in enum.values},
        }
        kind = Type.INT32 if self._options.int_for_enums else Type.STRING
        schema = Schema(kind, optional=True, name=self._name(enum), parameters=parameters)
        if self._options.int_for_enums:
            return schema, _same
        names = {value.number: value.name for value in enum.values}
        return schema, lambda number: names.get(number, str(number))

    def _decimal(self, field: FieldDescriptor) -> tuple[Schema, Read]:
        params = self._params(field)
        parameters = {"scale": params.get("scale", "0")}
        if params.get("precision", "64") != "64":
            parameters["connect.decimal.precision"] = params["precision"]
        schema = Schema(
            Type.BYTES, optional=True, name=DECIMAL_NAME, version=1, parameters=parameters
        )
        return schema, _decimal_of

    def _params(self, field: FieldDescriptor) -> dict[str, str]:
        path = field.full_name.removeprefix(f"{self._package}.")
        meta = self._meta.get(path, {}).get("confluent.field_meta", {})
        params = meta.get("params", []) if isinstance(meta, dict) else []
        listed = params if isinstance(params, list) else [params]
        return {
            str(one.get("key")): str(one.get("value")) for one in listed if isinstance(one, dict)
        }


def _is_wrapper(message: Descriptor) -> bool:
    return message.full_name in _WRAPPERS


def _is_optional_of_proto3(field: FieldDescriptor) -> bool:
    return field.containing_oneof is not None and _artificial(field.containing_oneof)


def _says_optional(field: FieldDescriptor) -> bool:
    """Whether a field is written with the word `optional`."""
    if field.is_repeated or field.is_required:
        return False
    if field.containing_oneof is not None:
        return _artificial(field.containing_oneof)
    form = FileDescriptorProto()
    field.file.CopyToProto(form)
    return bool(form.syntax != "proto3")


def _artificial(oneof: OneofDescriptor) -> bool:
    return len(oneof.fields) == 1 and oneof.name == f"_{oneof.fields[0].name}"


def _complete(get: Read, needed: Iterable[tuple[int, Field]]) -> Read:
    """Give a getter that refuses a row without what its schema requires, as the peer does inside others."""

    def read(message: Any) -> Any:
        row = get(message)
        for i, field in needed:
            if row[i] is None:
                raise DataError(
                    f'Invalid value: null used for required field: "{field.name}", schema type: '
                    f"{field.schema.type.name}"
                )
        return row

    return read


def _same(value: Any) -> Any:
    return value


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _decimal_of(message: Any) -> decimal.Decimal:
    unscaled = int.from_bytes(message.value, "big", signed=True)
    digits = tuple(map(int, str(abs(unscaled))))
    return decimal.Decimal((int(unscaled < 0), digits, -message.scale))


def _date(message: Any) -> int:
    day = dt.date(message.year, message.month, message.day)
    return (day.toordinal() - _EPOCH_DAY) * MILLIS_PER_DAY


def _time(message: Any) -> int:
    seconds = (message.hours * 60 + message.minutes) * 60 + message.seconds
    return int(seconds * 1000 + message.nanos // 1_000_000)


def _timestamp(message: Any) -> int:
    return int(message.seconds * 1000 + message.nanos // 1_000_000)
