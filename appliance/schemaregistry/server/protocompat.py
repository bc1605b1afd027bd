"""Whether messages written with one .proto file can be read with another, and why not.

Fields are matched by number: what changes the bytes of a number, or takes a message away, is refused; new
fields and new names are not. Findings are in Confluent's form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

from appliance.schemaregistry.protofile import parse_proto, pool_of
from appliance.schemaregistry.server.avrocompat import finding

_D: Final = FieldDescriptor
_INTERCHANGEABLE: Final = (
    {_D.TYPE_INT32, _D.TYPE_UINT32, _D.TYPE_INT64, _D.TYPE_UINT64, _D.TYPE_BOOL, _D.TYPE_ENUM},
    {_D.TYPE_SINT32, _D.TYPE_SINT64},
    {_D.TYPE_STRING, _D.TYPE_BYTES},
    {_D.TYPE_FIXED32, _D.TYPE_SFIXED32},
    {_D.TYPE_FIXED64, _D.TYPE_SFIXED64},
)


def parse_protobuf(text: str, references: Sequence[tuple[str, str]]) -> FileDescriptor:
    """Give a file with everything it imports resolved. Raises ProtoError."""
    file = parse_proto(text)
    found: FileDescriptor = pool_of(file, references).FindFileByName(file.descriptor.name)
    return found


def protobuf_incompatibilities(reader: FileDescriptor, writer: FileDescriptor) -> list[str]:
    """Give why `reader` cannot read what `writer` wrote; empty when it can."""
    if reader.package != writer.package:
        why = f"The package of the new schema is {reader.package}"
        return [finding("PACKAGE_CHANGED", why, writer.package)]
    news = {message.full_name: message for message in _messages(reader)}
    found: list[str] = []
    for old in _messages(writer):
        new = news.get(old.full_name)
        if new is None:
            why = f"The new schema has no message at path {old.full_name}"
            found.append(finding("MESSAGE_REMOVED", why, old.full_name))
        else:
            found += _fields(new, old)
    return found


def _messages(file: FileDescriptor) -> Iterator[Descriptor]:
    pending = list(file.message_types_by_name.values())
    while pending:
        message = pending.pop(0)
        yield message
        pending += message.nested_types


def _fields(new: Descriptor, old: Descriptor) -> list[str]:
    found: list[str] = []
    for number, before in old.fields_by_number.items():
        after = new.fields_by_number.get(number)
        path = f"{old.full_name}/{number}"
        if after is None:
            if before.containing_oneof is not None and not before.containing_oneof.name.startswith(
                "_"
            ):
                why = f"The new schema has no field of a oneof at path {path}"
                found.append(finding("ONEOF_FIELD_REMOVED", why, before.name))
            continue
        if not _same_kind(after, before):
            why = f"The field at path {path} has another type in the new schema"
            found.append(finding("FIELD_SCALAR_KIND_CHANGED", why, before.name))
        elif before.is_repeated != after.is_repeated and not _packable(after, before):
            why = f"The field at path {path} is repeated in one schema only"
            found.append(finding("FIELD_LABEL_CHANGED", why, before.name))
    return found


def _packable(after: FieldDescriptor, before: FieldDescriptor) -> bool:
    return all(
        field.type in (_D.TYPE_STRING, _D.TYPE_BYTES, _D.TYPE_MESSAGE) for field in (after, before)
    )


def _same_kind(after: Any, before: Any) -> bool:
    if after.message_type is not None and before.message_type is not None:
        return bool(after.message_type.full_name == before.message_type.full_name)
    if after.type == before.type:
        return True
    return any({after.type, before.type} <= kinds for kinds in _INTERCHANGEABLE)
