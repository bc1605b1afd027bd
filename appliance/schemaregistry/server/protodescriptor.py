"""The elements of a file that is given as a descriptor, in base64, instead of as text.

Semantics: Confluent 8.5.0 ProtobufSchema.toProtoFile. Custom options are left out: what they mean stands in
other files.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError

from appliance.schemaregistry.protoelements import (
    Enum,
    EnumValue,
    Extend,
    Field,
    File,
    Message,
    Oneof,
    Option,
    Primitive,
    ProtoError,
    Ranges,
    Rpc,
    Service,
)
from appliance.schemaregistry.protofile import SCALARS
from appliance.schemaregistry.protoparser import parse_elements

_F: Final = FieldDescriptorProto
_TYPES: Final = {number: name for name, number in SCALARS.items()}
_LABELS: Final = {
    _F.LABEL_REQUIRED: "required",
    _F.LABEL_OPTIONAL: "optional",
    _F.LABEL_REPEATED: "repeated",
}
_FILE: Final = (
    "java_package",
    "java_outer_classname",
    "java_multiple_files",
    "java_generate_equals_and_hash",
    "java_string_check_utf8",
    "optimize_for",
    "go_package",
    "cc_generic_services",
    "java_generic_services",
    "py_generic_services",
    "deprecated",
    "cc_enable_arenas",
    "objc_class_prefix",
    "csharp_namespace",
    "swift_prefix",
    "php_class_prefix",
    "php_namespace",
    "php_metadata_namespace",
    "ruby_package",
    "features",
)
_MESSAGE: Final = ("no_standard_descriptor_accessor", "deprecated", "map_entry", "features")
_FIELD: Final = (
    "ctype",
    "packed",
    "jstype",
    "deprecated",
    "debug_redact",
    "retention",
    "targets",
    "edition_defaults",
    "features",
    "feature_support",
)
_ENUM: Final = ("allow_alias", "deprecated", "features")
_VALUE: Final = ("deprecated", "debug_redact", "features", "feature_support")
_METHOD: Final = ("deprecated", "idempotency_level", "features")
_SERVICE: Final = ("deprecated", "features")
_EXTENSIONS: Final = ("declaration", "features", "verification")
_ORDERS: Final = {
    "edition_defaults": ("edition", "value"),
    "feature_support": (
        "edition_introduced",
        "edition_deprecated",
        "deprecation_warning",
        "edition_removed",
    ),
}


def read_elements(text: str) -> File:
    """Give the elements of a text, or of a descriptor in base64. Raises ProtoError."""
    try:
        return parse_elements(text)
    except ProtoError as error:
        try:
            return elements_of(
                FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
            )
        except (binascii.Error, ValueError, DecodeError):
            raise error from None


def elements_of(file: FileDescriptorProto) -> File:
    """Give the elements of a descriptor."""
    public, weak = set(file.public_dependency), set(file.weak_dependency)
    named = list(enumerate(file.dependency))
    return File(
        file.syntax if file.syntax in ("proto2", "proto3") else None,
        file.package or None,
        [name for i, name in named if i not in public | weak],
        [name for i, name in named if i in public],
        [name for i, name in named if i in weak],
        _types(file, file.message_type, file.enum_type),
        [_service(service) for service in file.service],
        _extends(file, file.extension),
        _options(file.options, _FILE),
    )


def _types(file: FileDescriptorProto, messages: Any, enums: Any) -> list[Message | Enum]:
    return [*(_message(file, message) for message in messages), *map(_enum, enums)]


def _message(file: FileDescriptorProto, message: Any) -> Message:
    fields: list[Field] = []
    oneofs = [
        Oneof(oneof.name, options=_options(oneof.options, ("features",)))
        for oneof in message.oneof_decl
    ]
    for field in message.field:
        if field.HasField("oneof_index") and not field.proto3_optional:
            oneofs[field.oneof_index].fields.append(_field(file, field, in_oneof=True))
        else:
            fields.append(_field(file, field))
    reserved = [Ranges([_limits(r.start, r.end - 1)]) for r in message.reserved_range]
    return Message(
        message.name,
        fields,
        [oneof for oneof in oneofs if oneof.fields],
        [],
        _types(file, message.nested_type, message.enum_type),
        _options(message.options, _MESSAGE),
        [*reserved, *(Ranges([name]) for name in message.reserved_name)],
        [
            Ranges([_limits(r.start, r.end - 1)], _options(r.options, _EXTENSIONS))
            for r in message.extension_range
        ],
        _extends(file, message.extension),
    )


def _field(file: FileDescriptorProto, field: Any, *, in_oneof: bool = False) -> Field:
    is_proto3 = file.syntax == "proto3"
    label = _LABELS[field.label]
    is_plain = is_proto3 and not field.proto3_optional and label != "repeated"
    kind = field.type_name or _TYPES.get(field.type, "group")
    has_default = not is_proto3 and field.HasField("default_value")
    return Field(
        None if in_oneof or is_plain else label,
        kind,
        field.name,
        field.number,
        _options(field.options, _FIELD),
        field.default_value if has_default else None,
        field.json_name if field.HasField("json_name") else None,
    )


def _enum(enum: Any) -> Enum:
    reserved = [Ranges([_limits(r.start, r.end)]) for r in enum.reserved_range]
    return Enum(
        enum.name,
        [EnumValue(v.name, v.number, _options(v.options, _VALUE)) for v in enum.value],
        _options(enum.options, _ENUM),
        [*reserved, *(Ranges([name]) for name in enum.reserved_name)],
    )


def _extends(file: FileDescriptorProto, fields: Iterable[Any]) -> list[Extend]:
    found: dict[str, Extend] = {}
    for field in fields:
        extend = found.setdefault(field.extendee, Extend(field.extendee))
        extend.fields.append(_field(file, field))
    return list(found.values())


def _service(service: Any) -> Service:
    rpcs = [
        Rpc(
            method.name,
            method.input_type,
            method.output_type,
            method.client_streaming,
            method.server_streaming,
            _options(method.options, _METHOD),
        )
        for method in service.method
    ]
    return Service(service.name, rpcs, _options(service.options, _SERVICE))


def _limits(first: int, last: int) -> int | tuple[int, int]:
    return first if first == last else (first, last)


def _options(options: Any, names: Iterable[str]) -> list[Option]:
    found: list[Option] = []
    for name in names:
        field = options.DESCRIPTOR.fields_by_name.get(name)
        if field is None:
            continue
        value = getattr(options, name)
        if field.is_repeated:
            found += [_option(field, item) for item in value]
        elif options.HasField(name):
            found.append(_option(field, value))
    return found


def _option(field: Any, value: Any) -> Option:
    if field.message_type is not None:
        return Option(field.name, "map", _map(field.name, value))
    kind, shown = _simple(field, value)
    return Option(field.name, kind, shown)


def _simple(field: Any, value: Any) -> tuple[str, str]:
    if field.enum_type is not None:
        return "enum", field.enum_type.values_by_number[value].name
    if isinstance(value, bool):
        return "boolean", str(value).lower()
    return ("string", value) if isinstance(value, str) else ("number", str(value))


def _map(name: str, message: Any) -> dict[str, Any]:
    fields = message.DESCRIPTOR.fields_by_name
    found: dict[str, Any] = {}
    for part in _ORDERS.get(name) or [field.name for field, _ in message.ListFields()]:
        if message.HasField(part):
            kind, value = _simple(fields[part], getattr(message, part))
            found[part] = value if kind == "string" else Primitive(kind, value)
    return found
