"""The text of a .proto file as its elements.

Semantics: Wire 5.3.1 ProtoParser, which Confluent's registry and converters read files with: what it
refuses (a field of proto2 without a label, editions, a `required` in proto3) is refused here. Comments are
left out. Raises ProtoError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from appliance.schemaregistry.protoelements import (
    MAX_TAG,
    Enum,
    EnumValue,
    Extend,
    Field,
    File,
    Group,
    Message,
    Oneof,
    Option,
    Primitive,
    ProtoError,
    Ranges,
    Rpc,
    Service,
)

_TOKEN: Final = re.compile(
    r"[ \t\r\n]+|//[^\n]*|/\*.*?\*/|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<word>[A-Za-z0-9_.-]+)|(?P<sign>[^/\"'\s])",
    re.DOTALL,
)
_MAX_DEPTH: Final = 50
_LABELS: Final = ("required", "optional", "repeated")


def parse_elements(text: str) -> File:
    """Give the elements of a file."""
    return _Parser(text).file()


class _Parser:
    """Reads one file; `self._at` is the place of the next token."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0
        self._file = File()

    def file(self) -> File:
        file = self._file
        is_first = True
        while self._at < len(self._tokens):
            if not self._takes(";"):
                self._declaration(file, self._word(), is_first=is_first)
            is_first = False
        for named in (file.types, file.services):
            names = [element.name for element in named]
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise ProtoError(f"{twice} is already defined")
        return file

    def _declaration(self, file: File, word: str, *, is_first: bool) -> None:
        if word == "syntax":
            if not is_first:
                raise ProtoError("'syntax' element must be the first declaration in a file")
            self._expect("=")
            file.syntax = self._text()
            if file.syntax not in ("proto2", "proto3"):
                raise ProtoError(f"unexpected syntax: {file.syntax}")
            self._expect(";")
        elif word == "package":
            file.package = self._name()
            self._expect(";")
        elif word == "import":
            self._import()
        elif word == "option":
            file.options.append(self._option_statement())
        elif word in ("message", "enum"):
            file.types.append(self._message() if word == "message" else self._enum())
        elif word == "service":
            file.services.append(self._service())
        elif word == "extend":
            file.extends.append(self._extend())
        elif word == "edition":
            raise ProtoError("edition is not currently supported")
        else:
            raise ProtoError(f"unexpected label: {word}")

    def _import(self) -> None:
        into = self._file.imports
        if self._peek()[:1] not in ("'", '"'):
            word = self._word()
            if word not in ("public", "weak"):
                raise ProtoError(f"a file is imported by its name in quotes, not {word}")
            into = self._file.public_imports if word == "public" else self._file.weak_imports
        parts = self._text().replace("\\", "/").split("/")
        into.append("/".join(part for part in parts if part not in ("", ".")))
        self._expect(";")

    # Tokens.

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            raise ProtoError("unexpected end of file")
        return self._tokens[self._at]

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _takes(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise ProtoError(f"expected '{token}' but was '{found}'")

    def _word(self) -> str:
        token = self._next()
        if not _is_word(token):
            raise ProtoError(f"expected a word, not '{token}'")
        return token

    def _name(self) -> str:
        """Read a name, which may stand in parentheses or brackets."""
        for opening, closing in ("()", "[]"):
            if self._takes(opening):
                word = self._word()
                self._expect(closing)
                return word
        return self._word()

    def _text(self) -> str:
        parts = []
        while self._at < len(self._tokens) and self._tokens[self._at][0] in "\"'":
            parts.append(_unquoted(self._next()))
        if not parts:
            raise ProtoError(f"a text is expected before '{self._peek()}'")
        return "".join(parts)

    def _number(self) -> int:
        word = self._word()
        try:
            is_hex = word[:2] in ("0x", "0X")
            found = int(word, 0 if is_hex else 10)
        except ValueError as error:
            raise ProtoError(f"expected an integer but was {word}") from error
        if "_" in word or not -(2**31) <= found < 2**31:
            raise ProtoError(f"expected an integer but was {word}")
        return found

    def _type(self, word: str | None = None) -> str:
        word = word or self._word()
        if word != "map":
            return word
        self._expect("<")
        key = self._type()
        self._expect(",")
        value = self._type()
        self._expect(">")
        if key not in _KEYS:
            raise ProtoError(f"a map's key is no {key}")
        return f"map<{key}, {value}>"

    def _block(self) -> Iterator[str]:
        """Give the first word of each statement between braces."""
        self._expect("{")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ProtoError("the file is nested too deeply")
        while not self._takes("}"):
            if not self._takes(";"):
                yield self._word()
        self._depth -= 1

    # Definitions.

    def _message(self) -> Message:
        message = Message(self._name())
        read: dict[str, Callable[[], None]] = {
            "option": lambda: message.options.append(self._option_statement()),
            "reserved": lambda: message.reserved.append(self._reserved()),
            "message": lambda: message.types.append(self._message()),
            "enum": lambda: message.types.append(self._enum()),
            "extend": lambda: message.extends.append(self._extend()),
            "oneof": lambda: message.oneofs.append(self._oneof()),
            "extensions": lambda: message.extensions.append(self._extensions()),
        }
        for word in self._block():
            if word in read:
                read[word]()
                continue
            found = self._member(word)
            if isinstance(found, Group):
                message.groups.append(found)
            else:
                message.fields.append(found)
        return message

    def _member(self, word: str) -> Field | Group:
        """Read a field or a group with its label."""
        label = word if word in _LABELS else None
        is_proto3 = self._file.syntax == "proto3"
        if label == "required" and is_proto3:
            raise ProtoError("'required' label forbidden in proto3 field declarations")
        if label is None and not is_proto3 and not (word == "map" and self._peek() == "<"):
            raise ProtoError(f"unexpected label: {word}")
        kind = self._type(None if label else word)
        if label and kind.startswith("map<"):
            raise ProtoError("'map' type cannot have label")
        return self._group(label) if kind == "group" else self._field(label, kind)

    def _field(self, label: str | None, kind: str) -> Field:
        name = self._name()
        if name[0].isdigit():
            raise ProtoError("field and constant names cannot start with a digit")
        self._expect("=")
        number = self._number()
        found = Field(label, kind, name, number)
        for option in self._options():
            if option.name == "default":
                found.default = _written(option.value)
            elif option.name == "json_name":
                found.json_name = _written(option.value)
            else:
                found.options.append(option)
        self._expect(";")
        return found

    def _group(self, label: str | None) -> Group:
        name = self._word()
        self._expect("=")
        group = Group(label, name, self._number())
        for word in self._block():
            member = self._member(word)
            if isinstance(member, Group):
                raise ProtoError("expected field declaration, was a group")
            group.fields.append(member)
        return group

    def _oneof(self) -> Oneof:
        oneof = Oneof(self._name())
        for word in self._block():
            kind = self._type(word)
            if kind == "group":
                oneof.groups.append(self._group(None))
            elif kind == "option":
                oneof.options.append(self._option_statement())
            else:
                oneof.fields.append(self._field(None, kind))
        return oneof

    def _enum(self) -> Enum:
        enum = Enum(self._name())
        for word in self._block():
            if word == "option":
                enum.options.append(self._option_statement())
            elif word == "reserved":
                enum.reserved.append(self._reserved())
            else:
                if word[0].isdigit():
                    raise ProtoError("field and constant names cannot start with a digit")
                self._expect("=")
                enum.values.append(EnumValue(word, self._number(), self._options()))
                self._expect(";")
        return enum

    def _extend(self) -> Extend:
        extend = Extend(self._name())
        for word in self._block():
            if word == "option":
                self._option_statement()
            elif isinstance(member := self._member(word), Field):
                extend.fields.append(member)
        return extend

    def _service(self) -> Service:
        service = Service(self._name())
        for word in self._block():
            if word == "option":
                service.options.append(self._option_statement())
            elif word == "rpc":
                service.rpcs.append(self._rpc())
            else:
                raise ProtoError(f"unexpected label: {word}")
        return service

    def _rpc(self) -> Rpc:
        name = self._name()
        takes_stream, request = self._streamed()
        if self._word() != "returns":
            raise ProtoError("expected 'returns'")
        gives_stream, response = self._streamed()
        rpc = Rpc(name, request, response, takes_stream, gives_stream)
        if self._takes(";"):
            return rpc
        for word in self._block():
            if word != "option":
                raise ProtoError(f"unexpected label: {word}")
            rpc.options.append(self._option_statement())
        return rpc

    def _streamed(self) -> tuple[bool, str]:
        self._expect("(")
        word = self._word()
        found = (True, self._type()) if word == "stream" else (False, self._type(word))
        self._expect(")")
        return found

    def _reserved(self) -> Ranges:
        found = Ranges([])
        while True:
            if self._peek()[0] in "\"'":
                found.values.append(self._text())
            else:
                found.values.append(self._range(",;"))
            if self._takes(";"):
                return found
            self._expect(",")

    def _extensions(self) -> Ranges:
        found = Ranges([])
        while True:
            found.values.append(self._range(",;["))
            if self._peek() == "[":
                found.options = self._options()
                self._expect(";")
                return found
            if self._takes(";"):
                return found
            self._expect(",")

    def _range(self, ends: str) -> int | tuple[int, int]:
        first = self._number()
        if self._peek() in ends:
            return first
        if self._word() != "to":
            raise ProtoError("expected ',', ';', or 'to'")
        if self._takes("max"):
            return first, MAX_TAG
        return first, self._number()

    # Options.

    def _option_statement(self) -> Option:
        option = self._option("=")
        self._expect(";")
        return option

    def _options(self) -> list[Option]:
        found: list[Option] = []
        if not self._takes("["):
            return found
        while True:
            found.append(self._option("="))
            if self._takes("]"):
                return found
            self._expect(",")

    def _option(self, sign: str) -> Option:
        is_key, is_custom = self._peek() == "[", self._peek() == "("
        name = self._name()
        if is_key:
            name = f"[{name}]"
        inner: list[tuple[str, bool]] = []
        while self._peek().startswith("."):
            rest = self._next()[1:]
            if rest:
                inner += [(part, False) for part in rest.split(".")]
            elif self._peek() == "[":
                inner.append((f"[{self._name()}]", False))
            else:
                inner.append((self._name(), True))
        if sign == "=" or self._peek() != "{":
            self._expect(sign)
        kind, value = self._value()
        for part, is_inner_custom in reversed(inner):
            kind, value = "option", Option(part, kind, value, is_inner_custom)
        return Option(name, kind, value, is_custom)

    def _value(self) -> tuple[str, Any]:
        token = self._peek()
        if token in ("{", "["):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise ProtoError("an option is nested too deeply")
            self._at += 1
            found = ("map", self._map()) if token == "{" else ("list", self._list())
            self._depth -= 1
            return found
        if token[0] in "\"'":
            return "string", self._text()
        word = self._word()
        if word[0].isdigit() or word[0] == "-":
            return "number", word
        return ("boolean" if word in ("true", "false") else "enum"), word

    def _map(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self._takes("}"):
            option = self._option(":")
            value = _in_map(option.kind, option.value)
            known = found.get(option.name)
            if isinstance(value, Option):
                if not isinstance(known, dict):
                    known = found[option.name] = {}
                known[value.name] = value.value
            elif known is None:
                found[option.name] = value
            else:
                before = known if isinstance(known, list) else [known]
                found[option.name] = [*before, *(value if isinstance(value, list) else [value])]
            if not self._takes(","):
                self._takes(";")
        return found

    def _list(self) -> list[Any]:
        found: list[Any] = []
        while not self._takes("]"):
            found.append(_in_map(*self._value()))
            if not self._takes(",") and self._peek() != "]":
                raise ProtoError("expected ',' or ']'")
        return found


_KEYS: Final = frozenset(
    {
        *("int32", "int64", "uint32", "uint64", "sint32", "sint64", "bool", "string"),
        *("fixed32", "fixed64", "sfixed32", "sfixed64"),
    }
)


def _in_map(kind: str, value: Any) -> Any:
    return Primitive(kind, value) if kind in ("boolean", "enum", "number") else value


def _written(value: Any) -> str:
    """Give a default as text."""
    if isinstance(value, str):
        return value
    raise ProtoError("a default or json_name is a single value")


def _is_word(token: str) -> bool:
    return token[0].isascii() and (token[0].isalnum() or token[0] in "_.-")


def _tokens(text: str) -> Iterator[str]:
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
    def plain(match: re.Match[str]) -> str:
        found = match[1]
        if found[0] in "xX":
            if len(found) == 1:
                raise ProtoError("expected a digit after \\x or \\X")
            return chr(int(found[1:], 16))
        return chr(int(found, 8)) if found[0] in "01234567" else _ESCAPES.get(found, found)

    return re.sub(r"\\([xX][0-9a-fA-F]{0,2}|[0-7]{1,3}|.)", plain, token[1:-1], flags=re.DOTALL)
