"""Prints a .proto file as the registry keeps it, so that blanks and comments make no other version.

Semantics: Confluent 8.5.0 ProtobufSchemaUtils.toString and toNormalizedString, its quirks included: blank
lines inside a message carry its indentation, and numbers of options lose digits when they are normalized.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from appliance.schemaregistry.protoelements import (
    MAX_TAG,
    Enum,
    Extend,
    Field,
    File,
    Group,
    Message,
    Oneof,
    Option,
    Primitive,
    Ranges,
    Rpc,
    Service,
)
from appliance.schemaregistry.server.protonames import Names, is_scalar, normal_number

_ESCAPED: Final = str.maketrans(
    {
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\\": "\\\\",
        "'": "\\'",
        '"': '\\"',
    }
)
_KINDS: Final = {"bool": "boolean", "string": "string"}


def printed(file: File) -> str:
    """Give a file's canonical text."""
    return _Printer(None).file(file)


def normalized(file: File, names: Names) -> str:
    """Give a file's text with names resolved and everything that may be sorted sorted.

    Raises ProtoError for a name that is not known.
    """
    return _Printer(names).file(file)


class _Printer:
    """With names of types, it prints the normal form."""

    def __init__(self, names: Names | None) -> None:
        self._names = names

    def file(self, file: File) -> str:
        lines: list[str] = []
        if file.syntax and (self._names is None or file.syntax == "proto3"):
            lines.append(f'syntax = "{file.syntax}";')
        if file.package is not None:
            lines.append(f"package {file.package};")
        imports = [f'import "{name}";' for name in self._names_of(file.imports)]
        imports += [f'import public "{name}";' for name in self._names_of(file.public_imports)]
        types = self._types(file.types)
        extends = [line for extend in self._extends(file.extends) for line in self._extend(extend)]
        services = [line for service in file.services for line in self._service(service)]
        for block in (imports, self._statements(file.options), types, extends, services):
            if block:
                lines += ["", *block]
        return "".join(f"{line}\n" for line in lines)

    def _names_of(self, imports: list[str]) -> list[str]:
        return imports if self._names is None else sorted(set(imports))

    def _types(self, types: Iterable[Message | Enum]) -> list[str]:
        lines: list[str] = []
        kept = [
            kind for kind in types if self._names is None or not self._names.is_pair(kind.name)
        ]
        for printed_kind in (Message, Enum):
            for kind in kept:
                if not isinstance(kind, printed_kind):
                    continue
                if self._names is not None:
                    self._names.enter(kind.name)
                lines += self._message(kind) if isinstance(kind, Message) else self._enum(kind)
                if self._names is not None:
                    self._names.leave()
        return lines

    def _message(self, message: Message) -> list[str]:
        fields = self._by_number(message.fields)
        oneofs, groups = message.oneofs, self._by_number(message.groups)
        if self._names is not None:
            oneofs = [
                Oneof(one.name, self._by_number(one.fields), one.groups, one.options)
                for one in oneofs
                if one.fields
            ]
            oneofs.sort(key=lambda one: one.fields[0].number)
        blocks = [
            [self._range("reserved", r) for r in self._ranges(message.reserved)],
            self._statements(message.options),
            _joined(self._field(field) for field in fields),
            _joined(self._oneof(oneof) for oneof in oneofs),
            _joined(self._group(group) for group in groups),
            _joined(self._extensions(r) for r in self._ranges(message.extensions)),
            _joined(self._extend(extend) for extend in self._extends(message.extends)),
            self._types(message.types),
        ]
        written = (
            message.reserved,
            blocks[1],
            message.fields,
            message.oneofs,
            message.groups,
            message.extensions,
            message.extends,
            blocks[7],
        )
        return _braced(
            f"message {message.name}",
            [["", *block] for block, has in zip(blocks, written, strict=True) if has],
        )

    def _oneof(self, oneof: Oneof) -> list[str]:
        blocks = [
            self._statements(oneof.options),
            _joined(self._field(field) for field in oneof.fields),
            _joined(self._group(group) for group in self._by_number(oneof.groups)),
        ]
        return _braced(f"oneof {oneof.name}", [["", *block] for block in blocks if block])

    def _group(self, group: Group) -> list[str]:
        label = f"{group.label} " if group.label else ""
        fields = _joined(self._field(field) for field in self._by_number(group.fields))
        head = f"{label}group {group.name} = {group.number}"
        return _braced(head, [["", *fields]] if fields else [])

    def _extend(self, extend: Extend) -> list[str]:
        fields = _joined(self._field(field) for field in self._by_number(extend.fields))
        return _braced(f"extend {extend.name}", [["", *fields]] if fields else [])

    def _enum(self, enum: Enum) -> list[str]:
        values = enum.values
        if self._names is not None:
            values = sorted(values, key=lambda value: (value.number, value.name))
        lines = [self._range("reserved", r) for r in self._ranges(enum.reserved)]
        lines += self._statements(enum.options)
        for value in values:
            lines += self._ended(f"{value.name} = {value.number}", value.options)
        has_any = bool(enum.reserved or enum.options or enum.values)
        return _braced(f"enum {enum.name}", [["", *lines]] if has_any else [])

    def _service(self, service: Service) -> list[str]:
        blocks = [
            self._statements(service.options),
            _joined(self._rpc(rpc) for rpc in service.rpcs),
        ]
        return _braced(f"service {service.name}", [["", *block] for block in blocks if block])

    def _rpc(self, rpc: Rpc) -> list[str]:
        request, response = (
            kind if self._names is None else self._names.resolved(kind)
            for kind in (rpc.request, rpc.response)
        )
        head = (
            f"rpc {rpc.name} ({'stream ' if rpc.takes_stream else ''}{request}) returns "
            f"({'stream ' if rpc.gives_stream else ''}{response})"
        )
        options = self._statements(rpc.options)
        return [f"{head} {{", *_indented(options), "};"] if options else [f"{head};"]

    def _extends(self, extends: list[Extend]) -> list[Extend]:
        if self._names is None:
            return extends
        fields: dict[str, list[Field]] = {}
        for extend in extends:
            for field in extend.fields:
                fields.setdefault(self._names.resolved(extend.name), []).append(field)
        return [Extend(name, members) for name, members in fields.items()]

    def _by_number(self, members: list[Any]) -> list[Any]:
        if self._names is None:
            return members
        return sorted(members, key=lambda member: member.number)

    def _field(self, field: Field) -> list[str]:
        label, kind = field.label, field.type
        if self._names is not None:
            if not is_scalar(kind):
                kind = self._names.field_type(kind)
            if kind.startswith("map<"):
                label = None
        options = list(field.options)
        if field.default is not None:
            simple = kind.rpartition(".")[2]
            default_kind = _KINDS.get(simple, "number" if is_scalar(simple) else "enum")
            options.append(Option("default", default_kind, field.default))
        if field.json_name is not None:
            options.append(Option("json_name", "string", field.json_name))
        head = f"{label} " if label else ""
        return self._ended(f"{head}{kind} {field.name} = {field.number}", options)

    # Ranges.

    def _ranges(self, ranges: list[Ranges]) -> list[Ranges]:
        if self._names is None:
            return ranges
        single = [Ranges([value], r.options) for r in ranges for value in r.values]
        return sorted(single, key=_range_order)

    def _extensions(self, ranges: Ranges) -> list[str]:
        return self._ended(self._range("extensions", ranges)[:-1], ranges.options)

    def _range(self, word: str, ranges: Ranges) -> str:
        return f"{word} {', '.join(map(self._limits, ranges.values))};"

    def _limits(self, value: int | str | tuple[int, int]) -> str:
        if isinstance(value, tuple):
            first, last = value
            if self._names is not None and first == last:
                return str(first)
            return f"{first} to {last if last < MAX_TAG else 'max'}"
        return f'"{value}"' if isinstance(value, str) else str(value)

    # Options.

    def _ended(self, head: str, options: list[Option]) -> list[str]:
        """Give a statement with its options in brackets."""
        options = self._filtered(options)
        text = f"{head} {self._bracketed(options)}" if options else head
        return f"{text};".split("\n")

    def _statements(self, options: list[Option]) -> list[str]:
        found: list[str] = []
        for option in self._filtered(options):
            found += f"option {self._option(option)};".split("\n")
        return found

    def _filtered(self, options: list[Option]) -> list[Option]:
        return options if self._names is None else self._names.normal_options(options)

    def _option(self, option: Option) -> str:
        name = f"({option.name})" if option.is_custom else option.name
        value = option.value
        match option.kind:
            case "string":
                return f'{name} = "{value.translate(_ESCAPED)}"'
            case "number":
                return f"{name} = {self._number(value)}"
            case "option":
                return f"{name}.{self._option(value)}"
            case "map":
                return f"{name} = {self._map(value)}"
            case "list":
                return f"{name} = {self._bracketed(value)}"
            case _:
                return f"{name} = {value}"

    def _bracketed(self, values: Sequence[Any]) -> str:
        if len(values) == 1:
            return f"[{self._value(values[0])}]"
        return self._listed(values)

    def _listed(self, values: Sequence[Any]) -> str:
        return f"[\n{_lines([self._value(value) for value in values])}]"

    def _map(self, values: dict[str, Any]) -> str:
        pairs = values.items()
        if self._names is not None:
            pairs = self._names.normal_pairs(values).items()
        return f"{{\n{_lines([f'{name}: {self._value(value)}' for name, value in pairs])}}}"

    def _value(self, value: Any) -> str:
        if isinstance(value, Primitive):
            return self._number(value.value) if value.kind == "number" else value.value
        if isinstance(value, Option):
            return self._option(value)
        if isinstance(value, dict):
            return self._map(value)
        if isinstance(value, list):
            is_single = self._names is not None and len(value) == 1
            return self._value(value[0]) if is_single else self._listed(value)
        return f'"{value.translate(_ESCAPED)}"'

    def _number(self, text: str) -> str:
        return text if self._names is None else normal_number(text)


def _joined(parts: Iterable[list[str]]) -> list[str]:
    return [line for part in parts for line in part]


def _braced(head: str, blocks: list[list[str]]) -> list[str]:
    """Give a definition: the first line of its first block stands behind the brace."""
    if not blocks:
        return [f"{head} {{}}"]
    first, *rest = blocks
    return [f"{head} {{", *_indented(first[1:]), *_blocks(rest), "}"]


def _blocks(blocks: list[list[str]]) -> list[str]:
    return [line for block in blocks for line in ("", *_indented(block[1:]))]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _lines(values: list[str]) -> str:
    """Give values on lines of their own, commas between them."""
    text = ",\n".join(values)
    return "".join(f"  {line}\n" for line in text.split("\n")) if values else ""


def _range_order(ranges: Ranges) -> tuple[int, str]:
    (value,) = ranges.values
    if isinstance(value, tuple):
        return value[0], f"{value[0]}..{value[1]}"
    return (2**31 - 1 if isinstance(value, str) else value), str(value)
