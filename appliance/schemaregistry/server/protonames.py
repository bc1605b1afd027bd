"""What names mean in a .proto file and what it imports, for its normal form.

Semantics: Confluent 8.5.0 diff.Context and ProtobufSchemaUtils.FormatContext.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from appliance.schemaregistry.protoelements import (
    Enum,
    Extend,
    Field,
    File,
    Message,
    Option,
    Primitive,
    ProtoError,
    is_map_entry,
)
from appliance.schemaregistry.protofile import KNOWN_FILES, SCALARS
from appliance.schemaregistry.protoparser import parse_elements
from appliance.schemaregistry.server.protodescriptor import elements_of

_META: Final = "confluent/meta.proto"
_META_TEXT: Final = """syntax = "proto3"; package confluent;
message Meta {
  string doc = 1; repeated .confluent.Meta.ParamsEntry params = 2; repeated string tags = 3;
  repeated .confluent.Rule rules = 4;
  message ParamsEntry { option map_entry = true; string key = 1; string value = 2; }
}
message Rule { string name = 1; string doc = 2; string expr = 3; string sql = 4; }
extend .google.protobuf.FileOptions { .confluent.Meta file_meta = 1088; }
extend .google.protobuf.MessageOptions { .confluent.Meta message_meta = 1088; }
extend .google.protobuf.FieldOptions { .confluent.Meta field_meta = 1088; }
extend .google.protobuf.EnumOptions { .confluent.Meta enum_meta = 1088; }
extend .google.protobuf.EnumValueOptions { .confluent.Meta enum_value_meta = 1088; }
"""
_MOST_DIGITS: Final = Decimal("0.001")


def is_scalar(kind: str) -> bool:
    """Whether a type is none that is defined."""
    return kind in SCALARS


class Names:
    """The types and extensions that a file may name; `enter` and `leave` tell where a name stands."""

    def __init__(self, file: File, imported: Iterable[File]) -> None:
        """Learn them from a file and what it imports."""
        known_types, known_extensions = _known()
        self._types = dict(known_types)
        self._extensions = dict(known_extensions)
        for other in (*imported, file):
            _collect(other, self._types, self._extensions)
        self._package = file.package.split(".") if file.package else []
        self._path: list[str] = []

    def enter(self, name: str) -> None:
        """Go into a definition."""
        self._path.append(name)

    def leave(self) -> None:
        """Leave it."""
        self._path.pop()

    def is_pair(self, name: str) -> bool:
        """Whether a type stands for a map's pairs."""
        found = self._type(name)
        return isinstance(found, Message) and is_map_entry(found)

    def resolved(self, name: str) -> str:
        """Give the full name of a type, with a dot before it. Raises ProtoError."""
        found = self._full(name, self._types)
        if found is None:
            raise ProtoError(f"Could not resolve type: {name}")
        return f".{found}"

    def field_type(self, kind: str) -> str:
        """Give the type of a field that is no scalar: a map for a list of pairs. Raises ProtoError."""
        if not kind.startswith("map<"):
            kind = self.resolved(kind)
            found = self._types[kind[1:]]
            if not isinstance(found, Message) or not is_map_entry(found):
                return kind
            parts = {field.name: field.type for field in found.fields}
            kind = f"map<{parts['key']}, {parts['value']}>"
        key, _, value = kind.removeprefix("map<").removesuffix(">").partition(", ")
        full = self._full(value, self._types)
        return kind if full is None else f"map<{key}, .{full}>"

    def _type(self, name: str) -> Message | Enum | None:
        full = self._full(name, self._types)
        return None if full is None else self._types[full]

    def _full(self, name: str, table: Mapping[str, Any]) -> str | None:
        if name.startswith("."):
            return name[1:] if name[1:] in table else None
        prefix = [*self._package, *self._path]
        for length in range(len(prefix), -1, -1):
            full = ".".join((*prefix[:length], name))
            if full in table:
                return full
        return None

    # Options.

    def normal_options(self, options: list[Option]) -> list[Option]:
        """Give options by name, dotted ones as maps; those for one extension that is no list as one."""
        grouped: dict[str, list[Option]] = {}
        for option in sorted(map(self._normal_option, options), key=lambda option: option.name):
            grouped.setdefault(option.name, []).append(option)
        found: list[Option] = []
        for name, same in grouped.items():
            extension = self._extensions.get(name.removeprefix("."))
            if extension is not None and extension.label != "repeated":
                found.append(functools.reduce(lambda a, b: self._merged(extension, a, b), same))
            else:
                found += same
        return found

    def _normal_option(self, option: Option) -> Option:
        full = self._full(option.name, self._extensions) if option.is_custom else None
        return option if full is None else _as_map(Option(full, option.kind, option.value, True))

    def normal_pairs(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Give an option's map without empty lists, by name, names of extensions resolved."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            if value == []:
                continue
            full = self._full(name[1:-1], self._extensions) if name.startswith("[") else None
            found.setdefault(name if full is None else f"[{full}]", value)
        return dict(sorted(found.items()))

    def _merged(self, field: Field | None, before: Option, after: Option) -> Option:
        after = _as_map(after)
        if before.kind == after.kind == "map":
            value = self._merged_maps(field, before.value, after.value)
            return Option(after.name, "map", value, after.is_custom)
        return after

    def _merged_maps(
        self, container: Field | None, before: dict[str, Any], after: dict[str, Any]
    ) -> dict[str, Any]:
        kind = None if container is None else self._type(container.type)
        members = (
            {
                field.name: field
                for field in (*(f for one in kind.oneofs for f in one.fields), *kind.fields)
            }
            if isinstance(kind, Message)
            else {}
        )
        found = dict(before)
        for name, value in after.items():
            found[name] = (
                self._merged_values(members.get(name), found[name], value)
                if name in found
                else value
            )
        return found

    def _merged_values(self, field: Field | None, before: Any, after: Any) -> Any:
        if field is not None and field.label != "repeated":
            is_nested = isinstance(before, dict) and isinstance(after, dict)
            if is_nested and isinstance(self._type(field.type), Message):
                return self._merged_maps(field, before, after)
            return after
        found: list[Any] = []
        for value in (before, after):
            for item in value if isinstance(value, list) else [value]:
                if item not in found:
                    found.append(item)
        return found


def _as_map(option: Option) -> Option:
    """Give an option with a dotted name as one whose value is a map."""
    if option.kind != "option":
        return option
    return Option(option.name, "map", _inner_map(option.value), option.is_custom)


def _inner_map(inner: Option) -> dict[str, Any]:
    value = inner.value
    if inner.kind in ("boolean", "enum", "number"):
        value = Primitive(inner.kind, value)
    elif inner.kind == "option":
        value = _inner_map(value)
    return {inner.name: value}


def _collect(file: File, types: dict[str, Message | Enum], extensions: dict[str, Field]) -> None:
    def extended(extends: list[Extend], path: tuple[str, ...]) -> None:
        for extend in extends:
            for field in extend.fields:
                extensions[".".join((*path, field.name))] = field

    def defined(kinds: list[Message | Enum], path: tuple[str, ...]) -> None:
        for kind in kinds:
            full = (*path, kind.name)
            types[".".join(full)] = kind
            if isinstance(kind, Message):
                extended(kind.extends, full)
                defined(kind.types, full)

    root = (file.package,) if file.package else ()
    extended(file.extends, root)
    defined(file.types, root)


@functools.cache
def _known() -> tuple[dict[str, Message | Enum], dict[str, Field]]:
    types: dict[str, Message | Enum] = {}
    extensions: dict[str, Field] = {}
    for name, descriptor in KNOWN_FILES.items():
        form = FileDescriptorProto()
        form.CopyFrom(descriptor)
        file = parse_elements(_META_TEXT) if name == _META else elements_of(form)
        _collect(file, types, extensions)
    return types, extensions


def normal_number(text: str) -> str:
    """Give a number of an option with three digits behind the point at most, as Java's DecimalFormat."""
    found = _number(text)
    if found is None:
        return text
    if found != found.to_integral_value() and found.as_tuple().exponent < -3:  # type: ignore[operator]  # finite
        found = _exact(text, found).quantize(_MOST_DIGITS, ROUND_HALF_EVEN)
    shown = f"{found:f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return shown


def _number(text: str) -> Decimal | None:
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    try:
        if digits[:2] in ("0x", "0X"):
            return Decimal(int(sign + digits[2:], 16))
        if digits.isdigit() and digits[0] == "0" and len(digits) > 1:
            return Decimal(int(sign + digits, 8))
        if digits[:1].isdigit() or digits[:1] == ".":
            found = Decimal(text)
            is_whole = not {".", "e", "E"} & set(digits)
            return Decimal(int(found)) if is_whole else found
    except (ValueError, InvalidOperation):
        pass
    return None


def _exact(text: str, found: Decimal) -> Decimal:
    """Give the number as Java holds it: a float where that has the digits, a double, or all digits."""
    double = float(text)
    try:
        (single,) = struct.unpack("f", struct.pack("f", double))
    except OverflowError:
        single = None
    if single is not None and _shortest(single) == double:
        return Decimal(single)
    return Decimal(double) if Decimal(repr(double)) == found else found


def _shortest(single: float) -> float:
    for digits in range(1, 10):
        shown = float(f"{single:.{digits}g}")
        if struct.unpack("f", struct.pack("f", shown))[0] == single:
            return shown
    return single
