"""Whether messages written with one .proto file can be read with another, and why not.

Semantics: Confluent ProtobufSchema.isBackwardCompatible and the classes of its package `protobuf.diff`.
Fields are matched by number, messages by name; messages of other files, which a field is of, are compared
too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from appliance.schemaregistry.protofile import file_of, pool_with
from appliance.schemaregistry.protoparser import parse_elements
from appliance.schemaregistry.server.protodescriptor import read_elements
from appliance.schemaregistry.server.protonames import Names
from appliance.schemaregistry.server.prototext import normalized, printed

_D: Final = FieldDescriptor
_NUMBER: Final = "number"
_TEXT: Final = "text"
_KINDS: Final[Mapping[int, str]] = {
    **dict.fromkeys((_D.TYPE_INT32, _D.TYPE_INT64, _D.TYPE_UINT32, _D.TYPE_UINT64), _NUMBER),
    **dict.fromkeys((_D.TYPE_BOOL, _D.TYPE_ENUM), _NUMBER),
    **dict.fromkeys((_D.TYPE_SINT32, _D.TYPE_SINT64), "signed number"),
    **dict.fromkeys((_D.TYPE_STRING, _D.TYPE_BYTES), _TEXT),
    **dict.fromkeys((_D.TYPE_FIXED32, _D.TYPE_SFIXED32), "fixed32"),
    **dict.fromkeys((_D.TYPE_FIXED64, _D.TYPE_SFIXED64), "fixed64"),
    _D.TYPE_FLOAT: "float",
    _D.TYPE_DOUBLE: "double",
}
_WORDS: Final = {
    "PACKAGE_CHANGED": (
        "The package at '{}' in the %s schema does not match the package in the %s schema"
    ),
    "MESSAGE_REMOVED": "The %s schema is missing a MESSAGE type at path '{}' in the %s schema",
    "FIELD_KIND_CHANGED": (
        "The type of a field at path '{}' in the %s schema does not match the %s schema"
    ),
    "FIELD_SCALAR_KIND_CHANGED": (
        "The kind of a SCALAR field at path '{}' in the %s schema does not match its kind in the "
        "%s schema"
    ),
    "FIELD_NAMED_TYPE_CHANGED": (
        "The type of a MESSAGE field at path '{}' in the %s schema does not match its type in the "
        "%s schema"
    ),
    "FIELD_NUMERIC_LABEL_CHANGED": (
        "The label for a NUMERIC field at path '{}' in the %s schema does not match its label in "
        "the %s schema"
    ),
    "REQUIRED_FIELD_ADDED": (
        "A required field  at path '{}' in the %s schema is missing in the %s schema"
    ),
    "REQUIRED_FIELD_REMOVED": (
        "The %s schema is missing a required field at path: '{}' in the %s schema"
    ),
    "ONEOF_FIELD_REMOVED": "The %s schema is missing a oneof field at path '{}' in the %s schema",
    "MULTIPLE_FIELDS_MOVED_TO_ONEOF": (
        "Multiple fields in the oneof at path '{}' in the %s schema are outside a oneof in the %s "
        "schema"
    ),
    "FIELD_MOVED_TO_EXISTING_ONEOF": (
        "A field in the oneof at path '{}' in the %s schema is outside an existing oneof in the %s "
        "schema"
    ),
}


class ProtoText(NamedTuple):
    """A .proto file as it is kept, in its normal form, and as it is compared."""

    text: str
    normal: str
    file: FileDescriptor


def parse_protobuf(text: str, references: Sequence[tuple[str, str]]) -> ProtoText:
    """Give a file, or a descriptor in base64, with everything it imports resolved. Raises ProtoError."""
    elements = read_elements(text)
    imported = [(name, read_elements(content)) for name, content in references]
    normal = normalized(elements, Names(elements, [other for _, other in imported]))
    # A default that the normal form does not quote is refused, as by the peer.
    parse_elements(normal)
    file = file_of(elements)
    pool = pool_with(file, [file_of(other, name) for name, other in imported])
    return ProtoText(printed(elements), normal, pool.FindFileByName(file.descriptor.name))


def protobuf_incompatibilities(reader: ProtoText, writer: ProtoText) -> list[str]:
    """Give why `reader` cannot read what `writer` wrote; empty when it can."""
    comparison = _Comparison(writer.file, reader.file)
    comparison.files()
    return [
        f'{{errorType:"{kind}", description:"{_WORDS[kind].replace("{}", f"#/{path}")}"}}'
        for kind, path in comparison.found
    ]


class _Comparison:
    """Walks an older and a newer file together; `found` holds kinds of change with their paths."""

    def __init__(self, old: FileDescriptor, new: FileDescriptor) -> None:
        self._old = old
        self._new = new
        self._above: set[str] = set()
        self.found: list[tuple[str, str]] = []

    def files(self) -> None:
        if self._old.package != self._new.package:
            self.found.append(("PACKAGE_CHANGED", ""))
        self._messages(
            self._old.message_types_by_name.values(), self._new.message_types_by_name.values(), ""
        )

    def _messages(self, olds: Any, news: Any, path: str) -> None:
        after = {message.name: message for message in news}
        for old in olds:
            if old.GetOptions().map_entry:
                continue
            at = f"{path}/{old.name}" if path else old.name
            if old.name in after:
                self._message(old, after[old.name], at)
            else:
                self.found.append(("MESSAGE_REMOVED", at))

    def _message(self, old: Descriptor, new: Descriptor, path: str) -> None:
        if old.full_name not in self._above:
            self._above.add(old.full_name)
            self.found += _exclusions(old, new, path)
            for number, before in sorted(old.fields_by_number.items()):
                after = new.fields_by_number.get(number)
                if after is None:
                    self.found += _removed(before, new, path)
                else:
                    self._field(before, after, f"{path}/{_place(after)}")
            for number, after in sorted(new.fields_by_number.items()):
                if after.is_required and number not in old.fields_by_number:
                    self.found.append(("REQUIRED_FIELD_ADDED", f"{path}/{number}"))
            self._above.discard(old.full_name)
        self._messages(old.nested_types, new.nested_types, path)

    def _field(self, before: FieldDescriptor, after: FieldDescriptor, path: str) -> None:
        maps = _entry(before), _entry(after)
        messages = before.message_type, after.message_type
        if (maps[0] is None) != (maps[1] is None) or (messages[0] is None) != (
            messages[1] is None
        ):
            self.found.append(("FIELD_KIND_CHANGED", path))
        elif maps[0] is not None and maps[1] is not None:
            for name in ("key", "value"):
                self._field(maps[0].fields_by_name[name], maps[1].fields_by_name[name], path)
        elif messages[0] is not None:
            self._named(messages[0], messages[1], path)
        elif _KINDS[before.type] != _KINDS[after.type]:
            self.found.append(("FIELD_SCALAR_KIND_CHANGED", path))
        elif _KINDS[before.type] != _TEXT and {_label(before), _label(after)} in _OTHER_LABELS:
            self.found.append(("FIELD_NUMERIC_LABEL_CHANGED", path))

    def _named(self, old: Descriptor, new: Descriptor, path: str) -> None:
        """Compare the messages that a field is of; those of the two files are compared anyway."""
        name = _local_name(old)
        if name != _local_name(new):
            self.found.append(("FIELD_NAMED_TYPE_CHANGED", path))
        elif old.file.name != self._old.name or new.file.name != self._new.name:
            so_far = len(self.found)
            self._message(old, new, name.replace(".", "/"))
            if len(self.found) > so_far:
                self.found.append(("FIELD_NAMED_TYPE_CHANGED", path))


_OTHER_LABELS: Final = (
    {"optional", "repeated"},
    {"optional", "required"},
    {"repeated", "required"},
)


def _label(field: FieldDescriptor) -> str | None:
    """Give the label that is written before a field."""
    if field.is_repeated:
        return "repeated"
    if field.is_required:
        return "required"
    if _oneof(field) is not None:
        return None
    return "optional" if field.containing_oneof is not None or _is_proto2(field.file) else None


def _is_proto2(file: FileDescriptor) -> bool:
    form = FileDescriptorProto()
    file.CopyToProto(form)
    return bool(form.syntax != "proto3")


def _oneof(field: FieldDescriptor) -> str | None:
    """Give the oneof that a field is written in."""
    oneof = field.containing_oneof
    if oneof is None or (oneof.name == f"_{field.name}" and len(oneof.fields) == 1):
        return None
    return str(oneof.name)


def _oneofs(message: Descriptor) -> Iterator[tuple[str, list[FieldDescriptor]]]:
    for oneof in message.oneofs:
        if _oneof(oneof.fields[0]) is not None:
            yield oneof.name, list(oneof.fields)


def _place(field: FieldDescriptor) -> str:
    oneof = _oneof(field)
    return str(field.number) if oneof is None else f"{oneof}/{field.number}"


def _exclusions(old: Descriptor, new: Descriptor, path: str) -> Iterator[tuple[str, str]]:
    """Give the oneofs of fields that were independent of each other."""
    for name, fields in _oneofs(new):
        known = [
            old.fields_by_number[f.number] for f in fields if f.number in old.fields_by_number
        ]
        outside = [field.number for field in known if _oneof(field) is None]
        oneofs = {_oneof(field) for field in known} - {None}
        if len(outside) + len(oneofs) > 1:
            kind = "MULTIPLE_FIELDS_MOVED_TO" if len(outside) > 1 else "FIELD_MOVED_TO_EXISTING"
            yield f"{kind}_ONEOF", f"{path}/{name}"


def _removed(before: FieldDescriptor, new: Descriptor, path: str) -> list[tuple[str, str]]:
    """Give what the removal of a field breaks; a oneof may go as a whole."""
    oneof = _oneof(before)
    if oneof is None:
        required = [("REQUIRED_FIELD_REMOVED", f"{path}/{before.number}")]
        return required if before.is_required else []
    stays = oneof in dict(_oneofs(new)) or any(
        field.number in new.fields_by_number for field in before.containing_oneof.fields
    )
    return [("ONEOF_FIELD_REMOVED", f"{path}/{oneof}/{before.number}")] if stays else []


def _entry(field: FieldDescriptor) -> Descriptor | None:
    message = field.message_type
    return message if message is not None and message.GetOptions().map_entry else None


def _local_name(message: Descriptor) -> str:
    package = message.file.package
    full = str(message.full_name)
    return full.removeprefix(f"{package}.") if package else full
