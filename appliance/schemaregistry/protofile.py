"""The text of a .proto file as a descriptor, and the files that every schema may import.

Takes proto2 and proto3: messages, enums, oneofs, maps, nested types, options. Groups, services, extensions
and reserved ranges are left out, as by Confluent's DynamicSchema. Options of a field are kept as parsed
values beside the descriptor, since Confluent writes what Connect needs to know there. Raises ProtoError.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)

from appliance.schemaregistry.protoelements import (
    Enum,
    Field,
    File,
    Message,
    Option,
    Primitive,
    ProtoError,
    is_map_entry,
)
from appliance.schemaregistry.protoparser import parse_elements

_F: Final = descriptor_pb2.FieldDescriptorProto
SCALARS: Final[Mapping[str, int]] = {
    "double": _F.TYPE_DOUBLE,
    "float": _F.TYPE_FLOAT,
    "int64": _F.TYPE_INT64,
    "uint64": _F.TYPE_UINT64,
    "int32": _F.TYPE_INT32,
    "fixed64": _F.TYPE_FIXED64,
    "fixed32": _F.TYPE_FIXED32,
    "bool": _F.TYPE_BOOL,
    "string": _F.TYPE_STRING,
    "bytes": _F.TYPE_BYTES,
    "uint32": _F.TYPE_UINT32,
    "sfixed32": _F.TYPE_SFIXED32,
    "sfixed64": _F.TYPE_SFIXED64,
    "sint32": _F.TYPE_SINT32,
    "sint64": _F.TYPE_SINT64,
}
DATE_TYPE: Final = "google.type.Date"
TIME_TYPE: Final = "google.type.TimeOfDay"
TIMESTAMP_TYPE: Final = "google.protobuf.Timestamp"
DECIMAL_TYPE: Final = "confluent.type.Decimal"


@dataclasses.dataclass
class ProtoFile:
    """A parsed file; `options` holds the options of fields by `Message.field`, nested names with dots."""

    descriptor: descriptor_pb2.FileDescriptorProto
    options: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)


def _known(name: str, package: str, message: str, *fields: tuple[str, str]) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    made = file.message_type.add(name=message)
    for number, (kind, field) in enumerate(fields, 1):
        made.field.add(name=field, number=number, type=SCALARS[kind], label=_F.LABEL_OPTIONAL)
    return file


def _bundled(module: Any) -> Any:
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


KNOWN_FILES: Final[Mapping[str, Any]] = {
    **{
        module.DESCRIPTOR.name: _bundled(module)
        for module in (
            any_pb2,
            api_pb2,
            descriptor_pb2,
            duration_pb2,
            empty_pb2,
            field_mask_pb2,
            source_context_pb2,
            struct_pb2,
            timestamp_pb2,
            type_pb2,
            wrappers_pb2,
        )
    },
    "google/type/date.proto": _known(
        "google/type/date.proto",
        "google.type",
        "Date",
        ("int32", "year"),
        ("int32", "month"),
        ("int32", "day"),
    ),
    "google/type/timeofday.proto": _known(
        "google/type/timeofday.proto",
        "google.type",
        "TimeOfDay",
        ("int32", "hours"),
        ("int32", "minutes"),
        ("int32", "seconds"),
        ("int32", "nanos"),
    ),
    "confluent/type/decimal.proto": _known(
        "confluent/type/decimal.proto",
        "confluent.type",
        "Decimal",
        ("bytes", "value"),
        ("uint32", "precision"),
        ("int32", "scale"),
    ),
    "confluent/meta.proto": descriptor_pb2.FileDescriptorProto(
        name="confluent/meta.proto", package="confluent", syntax="proto3"
    ),
}
"""Files that need no reference: the registry and every client know them."""


def parse_proto(text: str, name: str = "default") -> ProtoFile:
    """Give the descriptor of a file called `name`."""
    return file_of(parse_elements(text), name)


def file_of(elements: File, name: str = "default") -> ProtoFile:
    """Give the descriptor of a file's elements."""
    return _Builder(name, elements).built()


def pool_of(
    main: ProtoFile, references: Iterable[tuple[str, str]] = ()
) -> descriptor_pool.DescriptorPool:
    """Give a pool with a file, and with what it imports: name and text of references, needed ones first."""
    return pool_with(main, [parse_proto(text, name) for name, text in references])


def pool_with(main: ProtoFile, imported: Iterable[ProtoFile]) -> descriptor_pool.DescriptorPool:
    """Give a pool with a file, and with those of the others that it imports. Raises ProtoError."""
    pool = descriptor_pool.DescriptorPool()
    files = {file.descriptor.name: file.descriptor for file in imported}
    added: set[str] = set()

    def add(file: descriptor_pb2.FileDescriptorProto) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for name in file.dependency:
            found = files.get(name) or KNOWN_FILES.get(name)
            if found is None:
                raise ProtoError(f'the import "{name}" is not among the references')
            add(found)
        pool.Add(file)

    try:
        add(main.descriptor)
        pool.FindFileByName(main.descriptor.name)
    except (TypeError, KeyError) as error:
        raise ProtoError(str(error)) from error
    return pool


def name_at(file: ProtoFile, place: Iterable[int]) -> str:
    """Give the full name of the message at a place of a file, as messages are written in the text.

    Raises IndexError.
    """
    names = [file.descriptor.package] if file.descriptor.package else []
    messages: Any = file.descriptor.message_type
    for number in place:
        names.append(messages[number].name)
        messages = _written(messages[number])
    return ".".join(names)


def place_of(file: ProtoFile, name: str) -> tuple[int, ...]:
    """Give the place of a message by its name, in whichever package; the first one's for no such message."""
    messages: Any = file.descriptor.message_type
    place: list[int] = []
    for part in name.split("."):
        names = [message.name for message in messages]
        if part in names:
            place.append(names.index(part))
            messages = _written(messages[place[-1]])
    return tuple(place) or (0,)


def _written(message: Any) -> list[Any]:
    """Give the nested messages without those that stand for maps."""
    return [nested for nested in message.nested_type if not nested.options.map_entry]


class _Builder:
    """Makes the descriptor of one file's elements."""

    def __init__(self, name: str, file: File) -> None:
        self._elements = file
        self._file = ProtoFile(descriptor_pb2.FileDescriptorProto(name=name))

    def built(self) -> ProtoFile:
        elements, file = self._elements, self._file.descriptor
        file.syntax = elements.syntax or "proto2"
        if elements.package:
            file.package = elements.package
        imports = [*elements.imports, *elements.public_imports, *elements.weak_imports]
        file.dependency.extend(dict.fromkeys(imports))
        public = dict.fromkeys(elements.public_imports)
        file.public_dependency.extend(list(file.dependency).index(name) for name in public)
        for element in elements.types:
            if isinstance(element, Enum):
                _enum(file.enum_type.add(), element)
            else:
                self._message(file.message_type.add(), element, "")
        return self._file

    def _message(self, message: Any, element: Message, path: str) -> None:
        message.name = element.name
        path = f"{path}.{message.name}" if path else message.name
        if is_map_entry(element):
            message.options.map_entry = True
        for inner in element.types:
            if isinstance(inner, Enum):
                _enum(message.enum_type.add(), inner)
            else:
                self._message(message.nested_type.add(), inner, path)
        members: list[tuple[Field, int | None]] = [(field, None) for field in element.fields]
        for index, oneof in enumerate(one for one in element.oneofs if one.fields):
            message.oneof_decl.add(name=oneof.name)
            members += [(field, index) for field in oneof.fields]
        for field, place in members:
            self._field(message, field, path, place)
        # A field with presence is the only one of an artificial oneof, behind the written ones.
        for made in message.field:
            if made.proto3_optional:
                made.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{made.name}")

    def _field(self, message: Any, element: Field, path: str, oneof: int | None) -> None:
        field = message.field.add(name=element.name, number=element.number)
        field.label = _LABELS.get(element.label or "", _F.LABEL_OPTIONAL)
        if element.type.startswith("map<"):
            _map(message, field, element.type, path)
        else:
            _set_type(field, element.type)
        if oneof is not None:
            field.oneof_index = oneof
        elif element.label == "optional" and self._file.descriptor.syntax == "proto3":
            field.proto3_optional = True
        if element.default is not None:
            field.default_value = element.default
        options: dict[str, Any] = {}
        for option in element.options:
            name, value = _plain_option(option)
            options[name] = value
        if "packed" in options:
            field.options.packed = options["packed"] is True
        if options:
            self._file.options[f"{path}.{field.name}"] = options


_LABELS: Final = {"repeated": _F.LABEL_REPEATED, "required": _F.LABEL_REQUIRED}


def _map(message: Any, field: Any, kind: str, path: str) -> None:
    """Make a field a list of pairs."""
    key, _, value = kind.removeprefix("map<").removesuffix(">").partition(", ")
    entry = "".join(part[:1].upper() + part[1:] for part in field.name.split("_")) + "Entry"
    nested = message.nested_type.add(name=entry)
    nested.options.map_entry = True
    for number, (name, part_kind) in enumerate((("key", key), ("value", value)), 1):
        part = nested.field.add(name=name, number=number, label=_F.LABEL_OPTIONAL)
        _set_type(part, part_kind)
    field.label = _F.LABEL_REPEATED
    field.type = _F.TYPE_MESSAGE
    field.type_name = f"{path.rpartition('.')[2]}.{entry}"


def _enum(enum: Any, element: Enum) -> None:
    enum.name = element.name
    if any(o.name == "allow_alias" and o.value == "true" for o in element.options):
        enum.options.allow_alias = True
    for value in element.values:
        enum.value.add(name=value.name, number=value.number)


def _set_type(field: Any, word: str) -> None:
    scalar = SCALARS.get(word)
    if scalar is not None:
        field.type = scalar
    else:
        # Whether the name is a message's or an enum's is found when the pool resolves it.
        field.type_name = word


def _plain_option(option: Option) -> tuple[str, Any]:
    """Give the dotted name of an option with its value as a plain one."""
    name, kind, value = option.name.lstrip("."), option.kind, option.value
    while kind == "option":
        name, kind, value = f"{name}.{value.name}", value.kind, value.value
    return name, _plain(Primitive(kind, value) if isinstance(value, str) else value)


def _plain(value: Any) -> Any:
    if isinstance(value, Primitive):
        return value.value == "true" if value.kind == "boolean" else value.value
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
