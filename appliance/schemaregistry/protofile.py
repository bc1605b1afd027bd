"""The text of a .proto file as a descriptor, and the files that every schema may import.

Takes proto2 and proto3: messages, enums, oneofs, maps, nested types, options. Services, extensions and
reserved ranges are skipped. Options of a field are kept as parsed values beside the descriptor, since
Confluent writes what Connect needs to know there. Raises ProtoError.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

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
_TOKEN: Final = re.compile(
    r"\s+|//[^\n]*|/\*.*?\*/|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+))"
    r"|(?P<name>\.?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)|(?P<sign>[-{}\[\]()<>=;,:])",
    re.DOTALL,
)
_MAX_DEPTH: Final = 50
DATE_TYPE: Final = "google.type.Date"
TIME_TYPE: Final = "google.type.TimeOfDay"
TIMESTAMP_TYPE: Final = "google.protobuf.Timestamp"
DECIMAL_TYPE: Final = "confluent.type.Decimal"


class ProtoError(ValueError):
    """A text is no .proto file; the message says why."""


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
            descriptor_pb2,
            duration_pb2,
            empty_pb2,
            field_mask_pb2,
            struct_pb2,
            timestamp_pb2,
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
    return _Parser(text, name).parse()


def pool_of(
    main: ProtoFile, references: Iterable[tuple[str, str]] = ()
) -> descriptor_pool.DescriptorPool:
    """Give a pool with a file, and with what it imports: name and text of references, needed ones first."""
    pool = descriptor_pool.DescriptorPool()
    files = {name: parse_proto(text, name).descriptor for name, text in references}
    added: set[str] = set()

    def add(file: descriptor_pb2.FileDescriptorProto) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for imported in file.dependency:
            found = files.get(imported) or KNOWN_FILES.get(imported)
            if found is None:
                raise ProtoError(f'the import "{imported}" is not among the references')
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


class _Parser:
    """Reads one file; `self._at` is the place of the next token."""

    def __init__(self, text: str, name: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._file = ProtoFile(descriptor_pb2.FileDescriptorProto(name=name))

    def parse(self) -> ProtoFile:
        file = self._file.descriptor
        while (word := self._peek()) is not None:
            if word == ";":
                self._next()
            elif word == "message":
                self._next()
                self._message(file.message_type.add(), "", 0)
            elif word == "enum":
                self._next()
                self._enum(file.enum_type.add())
            elif word in ("service", "extend"):
                self._next()
                self._next()
                self._skip_block()
            else:
                self._statement(file)
        if not file.syntax:
            file.syntax = "proto2"
        return self._file

    def _statement(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        word = self._next()
        if word == "syntax":
            self._expect("=")
            file.syntax = self._text()
            if file.syntax not in ("proto2", "proto3"):
                raise ProtoError(f"the syntax {file.syntax} is not known")
        elif word == "package":
            file.package = self._next()
        elif word == "import":
            if self._peek() in ("public", "weak"):
                self._next()
            file.dependency.append(self._text())
        elif word == "option":
            self._option({})
        else:
            raise ProtoError(f"a file does not hold '{word}'")
        self._expect(";")

    # Tokens.

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> str:
        token = self._peek()
        if token is None:
            raise ProtoError("the text ends too early")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise ProtoError(f"'{token}' is expected before '{found}'")

    def _text(self) -> str:
        parts = []
        while (token := self._peek()) is not None and token[0] in "\"'":
            parts.append(_unquoted(self._next()))
        if not parts:
            raise ProtoError(f"a text is expected before '{self._peek()}'")
        return "".join(parts)

    def _number(self) -> int:
        token = self._next()
        try:
            return int(token, 0)
        except ValueError as error:
            raise ProtoError(f"a number is expected, not '{token}'") from error

    def _skip_block(self) -> None:
        while self._next() != "{":
            pass
        depth = 1
        while depth:
            depth += {"{": 1, "}": -1}.get(self._next(), 0)

    # Definitions.

    def _message(self, message: Any, path: str, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ProtoError("messages are nested too deeply")
        message.name = self._next()
        path = f"{path}.{message.name}" if path else message.name
        self._expect("{")
        while (word := self._next()) != "}":
            if word == "message":
                self._message(message.nested_type.add(), path, depth + 1)
            elif word == "enum":
                self._enum(message.enum_type.add())
            elif word == "oneof":
                self._oneof(message, path)
            elif word == "option":
                self._option({})
                self._expect(";")
            elif word in ("reserved", "extensions"):
                while self._next() != ";":
                    pass
            elif word == "extend":
                self._next()
                self._skip_block()
            elif word != ";":
                self._field(message, path, word)
        # A field with presence is the only one of an artificial oneof, behind the written ones.
        for field in message.field:
            if field.proto3_optional:
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field.name}")

    def _field(self, message: Any, path: str, word: str, oneof: int | None = None) -> None:
        label = None
        if word in ("optional", "required", "repeated"):
            label, word = word, self._next()
        if word == "group":
            raise ProtoError("groups are not taken")
        if word == "map" and self._peek() == "<":
            self._map(message, path)
            return
        field = message.field.add(name=self._next())
        field.label = {"repeated": _F.LABEL_REPEATED, "required": _F.LABEL_REQUIRED}.get(
            label or "", _F.LABEL_OPTIONAL
        )
        _set_type(field, word)
        self._numbered(field, path)
        if oneof is not None:
            field.oneof_index = oneof
        elif label == "optional" and self._file.descriptor.syntax == "proto3":
            field.proto3_optional = True

    def _numbered(self, field: Any, path: str) -> None:
        self._expect("=")
        field.number = self._number()
        options = self._bracketed()
        if "packed" in options:
            field.options.packed = options["packed"] is True
        if "default" in options:
            value = options["default"]
            field.default_value = str(value).lower() if isinstance(value, bool) else str(value)
        if options:
            self._file.options[f"{path}.{field.name}"] = options
        self._expect(";")

    def _map(self, message: Any, path: str) -> None:
        self._expect("<")
        key = self._next()
        self._expect(",")
        value = self._next()
        self._expect(">")
        field = message.field.add(name=self._next(), label=_F.LABEL_REPEATED)
        entry = "".join(part[:1].upper() + part[1:] for part in field.name.split("_")) + "Entry"
        nested = message.nested_type.add(name=entry)
        nested.options.map_entry = True
        for number, (name, kind) in enumerate((("key", key), ("value", value)), 1):
            part = nested.field.add(name=name, number=number, label=_F.LABEL_OPTIONAL)
            _set_type(part, kind)
        field.type = _F.TYPE_MESSAGE
        field.type_name = f"{path.rpartition('.')[2]}.{entry}"
        self._numbered(field, path)

    def _oneof(self, message: Any, path: str) -> None:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=self._next())
        self._expect("{")
        while (word := self._next()) != "}":
            if word == "option":
                self._option({})
                self._expect(";")
            elif word != ";":
                self._field(message, path, word, index)

    def _enum(self, enum: Any) -> None:
        enum.name = self._next()
        self._expect("{")
        while (word := self._next()) != "}":
            if word == "option":
                options: dict[str, Any] = {}
                self._option(options)
                if options.get("allow_alias") is True:
                    enum.options.allow_alias = True
                self._expect(";")
            elif word == "reserved":
                while self._next() != ";":
                    pass
            elif word != ";":
                self._expect("=")
                enum.value.add(name=word, number=self._number())
                self._bracketed()
                self._expect(";")

    # Options.

    def _bracketed(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._peek() != "[":
            return options
        self._next()
        while True:
            self._option(options)
            if self._next() == "]":
                return options

    def _option(self, into: dict[str, Any]) -> None:
        name = self._next()
        if name == "(":
            name = self._next().lstrip(".")
            self._expect(")")
            if (more := self._peek()) is not None and more.startswith("."):
                name += self._next()
        self._expect("=")
        into[name] = self._value(0)

    def _value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise ProtoError("an option is nested too deeply")
        token = self._peek() or ""
        if token[:1] in ("'", '"'):
            return self._text()
        self._next()
        if token == "{":
            return self._aggregate(depth)
        if token == "[":
            return self._list(depth)
        if token == "-":
            return f"-{self._next()}"
        if token in ("true", "false"):
            return token == "true"
        try:
            return int(token, 0)
        except ValueError:
            return token

    def _aggregate(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (name := self._next()) != "}":
            if name in (",", ";"):
                continue
            if self._peek() == ":":
                self._next()
            value = self._value(depth + 1)
            if name in found:
                known = found[name]
                found[name] = [*(known if isinstance(known, list) else [known]), value]
            else:
                found[name] = value
        return found

    def _list(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while self._peek() != "]":
            found.append(self._value(depth + 1))
            if self._peek() == ",":
                self._next()
        self._next()
        return found


def _set_type(field: Any, word: str) -> None:
    scalar = SCALARS.get(word)
    if scalar is not None:
        field.type = scalar
    else:
        # Whether the name is a message's or an enum's is found when the pool resolves it.
        field.type_name = word


def _tokens(text: str) -> Iterable[str]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            line = text.count("\n", 0, at) + 1
            raise ProtoError(f"line {line}: '{text[at : at + 10]}' is not understood")
        at = match.end()
        if match.lastgroup is not None:
            yield match.group()


_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def _unquoted(token: str) -> str:
    return re.sub(
        r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)",
        lambda m: (
            chr(int(m[1][1:], 16))
            if m[1][0] == "x"
            else chr(int(m[1], 8))
            if m[1][0].isdigit()
            else _ESCAPES.get(m[1], m[1])
        ),
        token[1:-1],
    )
