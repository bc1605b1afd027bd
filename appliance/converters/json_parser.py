"""Parser of JSON that takes exactly what the peer takes, for documents the fast parser does not settle.

Semantics: Jackson 2.21 as Kafka Connect 4.3.1 sets it up: leading zeros, anything after a closed first
value, encodings by their first bytes, lone surrogates; numbers with a fraction or exponent as Decimal.
"""

from __future__ import annotations

import codecs
import decimal
import re
from typing import Any, Final

from appliance.errors import SerializationError

MAX_DEPTH: Final = 1000
MAX_NUMBER: Final = 1000
MAX_NAME: Final = 50_000
MISSING: Final[Any] = object()
"""What an empty or blank document holds."""

_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]*')
_WORD: Final = re.compile(r"[^\W]|\$")
_LITERALS: Final = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}
_ESCAPES: Final = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
_HEX: Final = re.compile(r"[0-9a-fA-F]{4}")
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def parse(data: bytes) -> Any:
    """Give the first JSON value in `data`, MISSING when there is none. Raises SerializationError."""
    return _Document(_decode(data)).root()


def _fail(what: str) -> SerializationError:
    return SerializationError(f"com.fasterxml.jackson.core.JsonParseException: {what}")


def _decode(data: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
    ):
        if data.startswith(mark):
            return _decode_as(data[len(mark) :], encoding)
    zeros = tuple(byte == 0 for byte in data[:4])
    if len(data) >= 4:
        if zeros[:3] == (True, True, True):
            return _decode_as(data, "utf-32-be")
        if zeros[1:] == (True, True, True):
            return _decode_as(data, "utf-32-le")
    if len(data) >= 2 and zeros[0] != zeros[1]:
        return _decode_as(data, "utf-16-be" if zeros[0] else "utf-16-le")
    return _decode_as(data, "utf-8")


def _decode_as(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        if encoding == "utf-8":
            return _lenient_utf8(data)
        return data.decode(encoding, "replace")


def _lenient_utf8(data: bytes) -> str:
    """Decode UTF-8 as Jackson does: overlong forms pass, code points beyond Unicode become surrogates.

    Raises SerializationError for what Jackson refuses.
    """
    chars: list[str] = []
    at = 0
    while at < len(data):
        code, size = _code_point(data, at)
        if code >= 0x10000:
            code -= 0x10000
            chars.append(chr(0xD800 + ((code >> 10) & 0x7FF)) + chr(0xDC00 + (code & 0x3FF)))
        else:
            chars.append(chr(code))
        at += size
    return _PAIR.sub(_join_pair, "".join(chars))


def _code_point(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 0x80:
        return first, 1
    if first & 0xE0 == 0xC0:
        size, code = 2, first & 0x1F
    elif first & 0xF0 == 0xE0:
        size, code = 3, first & 0x0F
    elif first & 0xF8 == 0xF0:
        size, code = 4, first & 0x07
    else:
        raise _fail(f"Invalid UTF-8 start byte 0x{first:x}")
    tail = data[at + 1 : at + size]
    if len(tail) < size - 1:
        raise _fail("Unexpected end-of-input in a multi-byte character")
    for byte in tail:
        if byte & 0xC0 != 0x80:
            raise _fail(f"Invalid UTF-8 middle byte 0x{byte:x}")
        code = code << 6 | byte & 0x3F
    if size == 3 and 0xD800 <= code < 0xE000:
        raise _fail(f"Invalid UTF-8: Illegal surrogate character 0x{code:x}")
    return code, size


def _join_pair(match: re.Match[str]) -> str:
    pair = match.group()
    return chr(0x10000 + ((ord(pair[0]) - 0xD800) << 10) + (ord(pair[1]) - 0xDC00))


class _Open:
    """A container being read: `name` is the member whose value comes next."""

    __slots__ = ("container", "filled", "name")

    def __init__(self, container: Any) -> None:
        self.container = container
        self.filled = False
        self.name = ""

    def put(self, value: Any) -> None:
        self.filled = True
        if isinstance(self.container, dict):
            self.container[self.name] = value
        else:
            self.container.append(value)


class _Document:
    """One document; containers being read are kept on a stack, so that depth costs no Python stack."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        """Give the next character that is not blank ("" at the end)."""
        match = _BLANKS.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def unexpected(self, char: str, wanted: str) -> SerializationError:
        if not char:
            return SerializationError(
                f"com.fasterxml.jackson.core.io.JsonEOFException: Unexpected end-of-input: {wanted}"
            )
        return _fail(f"Unexpected character ('{char}' (code {ord(char)})): {wanted}")

    def root(self) -> Any:
        if not self.peek():
            return MISSING
        holder = _Open([])
        stack = [holder]
        while True:
            self.value(stack)
            while len(stack) > 1 and self.closes(stack[-1]):
                stack.pop()
            if len(stack) == 1:
                return holder.container[0]

    def value(self, stack: list[_Open]) -> None:
        """Read one scalar, or open a container and push it."""
        char = self.peek()
        if char in ("{", "["):
            self.at += 1
            if len(stack) > MAX_DEPTH:
                raise SerializationError(
                    "com.fasterxml.jackson.core.exc.StreamConstraintsException: Document nesting "
                    f"depth ({len(stack)}) exceeds the maximum allowed ({MAX_DEPTH})"
                )
            opened = _Open({} if char == "{" else [])
            stack[-1].put(opened.container)
            stack.append(opened)
            if self.peek() == ("}" if char == "{" else "]"):
                opened.filled = True
            elif char == "{":
                opened.name = self.member_name()
        elif char == '"':
            self.at += 1
            stack[-1].put(self.string())
        elif char in _LITERALS:
            stack[-1].put(self.literal(char))
        else:
            stack[-1].put(self.number(char, at_root=len(stack) == 1))

    def closes(self, opened: _Open) -> bool:
        """After a value: whether the container ends here; if not, move on to its next value."""
        if not opened.filled:
            return False
        is_object = isinstance(opened.container, dict)
        char = self.peek()
        if char == ("}" if is_object else "]"):
            self.at += 1
            return True
        if char != ",":
            kind = "Object" if is_object else "Array"
            raise self.unexpected(char, f"was expecting comma to separate {kind} entries")
        self.at += 1
        opened.filled = False
        if is_object:
            opened.name = self.member_name()
        return False

    def member_name(self) -> str:
        char = self.peek()
        if char != '"':
            raise self.unexpected(char, "was expecting double-quote to start field name")
        self.at += 1
        name = self.string()
        if len(name) > MAX_NAME:
            raise SerializationError(
                "com.fasterxml.jackson.core.exc.StreamConstraintsException: Name length "
                f"({len(name)}) exceeds the maximum allowed ({MAX_NAME})"
            )
        colon = self.peek()
        if colon != ":":
            raise self.unexpected(colon, "was expecting a colon to separate field name and value")
        self.at += 1
        return name

    def literal(self, char: str) -> Any:
        word, value = _LITERALS[char]
        end = self.at + len(word)
        if self.text[self.at : end] != word or _WORD.match(self.text, end):
            raise _fail(f"Unrecognized token '{self.text[self.at : end]}'")
        self.at = end
        return value

    def number(self, char: str, *, at_root: bool) -> Any:
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            raise self.unexpected(char, "expected a valid value")
        text = match.group()
        self.at = match.end()
        after = self.text[self.at : self.at + 1]
        if after in (".", "e", "E") and after:
            raise self.unexpected(self.text[self.at + 1 : self.at + 2], "in numeric value")
        if at_root and after and after not in " \t\r\n":
            raise self.unexpected(after, "Expected space separating root-level values")
        if len(text.lstrip("-")) > MAX_NUMBER:
            raise SerializationError(
                "com.fasterxml.jackson.core.exc.StreamConstraintsException: Number value length "
                f"({len(text)}) exceeds the maximum allowed ({MAX_NUMBER})"
            )
        if match.group(1) is None and match.group(2) is None:
            return int(text)
        try:
            found = decimal.Decimal(text)
        except decimal.InvalidOperation as error:
            raise _fail(f"Malformed numeric value ({text})") from error
        return abs(found) if found.is_zero() else found

    def string(self) -> str:
        parts: list[str] = []
        while True:
            match = _PLAIN.match(self.text, self.at)
            end = match.end() if match else self.at
            parts.append(self.text[self.at : end])
            char = self.text[end : end + 1]
            self.at = end + 1
            if char == '"':
                text = "".join(parts)
                return _PAIR.sub(_join_pair, text) if len(parts) > 1 else text
            if char != "\\":
                raise self.unexpected(char, "in a string")
            parts.append(self.escape())

    def escape(self) -> str:
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if char == "u":
            match = _HEX.match(self.text, self.at)
            if match is None:
                raise _fail("expected a hex-digit for character escape sequence")
            self.at += 4
            return chr(int(match.group(), 16))
        known = _ESCAPES.get(char)
        if known is None:
            raise self.unexpected(char, "Unrecognized character escape")
        return known
