"""What is wrong with a text that is not JSON, in Jackson's words.

Semantics: Jackson 2.21 UTF8StreamJsonParser, as Kafka Connect 4.3.1 answers with it. Python's reader finds
the place; what stands there decides the words.
"""

from __future__ import annotations

import json
import re
from typing import Final

_IN_TEXT: Final = ("Unterminated", "Invalid control", "Invalid \\")
_NUMERIC: Final = "in numeric value"
_KINDS: Final = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'"
_VALUE: Final = f"expected a valid value ({_KINDS})"
_TOKENS_OF: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}:,]|[^\s\[\]{}:,"]+', re.DOTALL)
_TOKENS: Final = {"{": "START_OBJECT", "[": "START_ARRAY", '"': "VALUE_STRING"}


def source_at(line: int = 1, column: int = 1) -> str:
    """Give Jackson's name of a place in the body."""
    return (
        "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); "
        f"line: {line}, column: {column}]"
    )


def fault_text(error: json.JSONDecodeError, bound: str) -> str:
    """Give the message for `error`; `bound` is the Java class that the body stands for."""
    return f"{_fault(error.doc, error.pos, error.msg, bound)}\n at {_place(error.doc, error.pos)}"


def read_so_far(error: json.JSONDecodeError) -> tuple[str, list[str]]:
    """Give what stands whole before a fault, closed, and the steps to where the fault is.

    The steps are those into the containers that are open there; into a text as well, since Jackson reads
    it only when it binds it. Nothing whole: "".
    """
    if error.msg == "Extra data":
        return error.doc[: error.pos], []
    whole, in_text = 0, False
    stack: list[_Open] = []
    for found in _TOKENS_OF.finditer(error.doc):
        token = found[0]
        if found.end() > error.pos:
            in_text = token[0] == '"' and error.msg.startswith(_IN_TEXT)
            break
        if token in ("{", "["):
            stack.append(_Open(token))
        elif token in ("}", "]"):
            stack.pop()
        elif token == ",":
            stack[-1].next()
            continue
        elif token == ":":
            stack[-1].awaits_name = False
            continue
        elif stack and stack[-1].awaits_name:
            stack[-1].step = f"[{token}]"
            continue
        whole = found.end()
    into = stack if in_text and stack and not stack[-1].awaits_name else stack[:-1]
    closed = error.doc[:whole] + "".join(opened.close for opened in reversed(stack))
    return (closed if whole else ""), [opened.step for opened in into]


class _Open:
    """A container that is being read."""

    def __init__(self, bracket: str) -> None:
        self.close = "}" if bracket == "{" else "]"
        self.awaits_name = bracket == "{"
        self.step = "" if self.awaits_name else "[0]"

    def next(self) -> None:
        """Go on to the next member."""
        if self.close == "}":
            self.awaits_name = True
        else:
            self.step = f"[{int(self.step[1:-1]) + 1}]"


def _fault(text: str, pos: int, message: str, bound: str) -> str:
    rest = text[pos:].lstrip()
    char, opened = rest[:1], _open_container(text, pos)
    if message.startswith("Unterminated string"):
        if pos + 1 == len(text) and _is_name(text, pos):
            return "Unexpected end-of-input: was expecting closing '\"' for name"
        where = "field name" if _is_name(text, pos) else "VALUE_STRING"
        return f"Unexpected end-of-input in {where}"
    if message.startswith("Invalid control character"):
        where = "name" if _is_name(text, text.rfind('"', 0, pos)) else "string value"
        return (
            f"Illegal unquoted character ((CTRL-CHAR, code {ord(text[pos])})): has to be "
            f"escaped using backslash to be included in {where}"
        )
    if "escape" in message:
        escaped = text[pos + 1 : pos + 2] or "u"
        return f"Unrecognized character escape '{escaped}' (code {ord(escaped)})"
    if message == "Extra data" and opened is None and (char in _TOKENS or char.isdigit()):
        token = _TOKENS.get(char, "VALUE_NUMBER_INT")
        return (
            f"Trailing token (of type {token}) found after value (bound as `{bound}`): not allowed as "
            "per `DeserializationFeature.FAIL_ON_TRAILING_TOKENS`"
        )
    if not char:
        return _end(text, opened, after_value="',' delimiter" in message)
    if "property name" in message or message.startswith("Illegal trailing comma"):
        char = "}" if message.startswith("Illegal") else char
        return _unexpected(char, "was expecting double-quote to start field name")
    if "':' delimiter" in message:
        return _unexpected(char, "was expecting a colon to separate field name and value")
    if "',' delimiter" in message:
        return _between(text, pos, char, opened)
    if char == "}" and opened is not None and text[:pos].rstrip()[-1:] == "[":
        return _wrong_close(text, char, opened)
    return _no_value(rest, opened)


def _end(text: str, opened: tuple[str, int] | None, *, after_value: bool) -> str:
    kind = "Array" if opened is not None and opened[0] == "[" else "Object"
    if not after_value and text.rstrip()[-1:] not in ("{", "["):
        return f"Unexpected end-of-input within/between {kind} entries"
    start = _place(text, opened[1]) if opened is not None else source_at()
    return f"Unexpected end-of-input: expected close marker for {kind} (start marker at {start})"


def _between(text: str, pos: int, char: str, opened: tuple[str, int] | None) -> str:
    before, after = text[pos - 1 : pos], text[pos + 1 : pos + 2] or "}"
    if before == "0" and char.isdigit():
        return "Invalid numeric value: Leading zeroes not allowed"
    if before.isdigit() and char == ".":
        return _unexpected(after, "Decimal point not followed by a digit", _NUMERIC)
    if before.isdigit() and char in "eE":
        return _unexpected(after, "Exponent indicator not followed by a digit", _NUMERIC)
    if char in "}]" and opened is not None:
        return _wrong_close(text, char, opened)
    literal = re.search(r"(?:null|true|false)$", text[:pos])
    word = re.match(r"\w+", text[pos:])
    if literal is not None and word is not None:
        return f"Unrecognized token '{literal[0]}{word[0]}': was expecting ({_KINDS})"
    kind = "Array" if opened is not None and opened[0] == "[" else "Object"
    return _unexpected(char, f"was expecting comma to separate {kind} entries")


def _wrong_close(text: str, char: str, opened: tuple[str, int]) -> str:
    kind, close = ("Array", "]") if opened[0] == "[" else ("Object", "}")
    start = _place(text, opened[1])
    return f"Unexpected close marker '{char}': expected '{close}' (for {kind} starting at {start})"


def _no_value(rest: str, opened: tuple[str, int] | None) -> str:
    char, after = rest[:1], rest[1:2]
    if char == ",":
        return _unexpected(char, "expected a value")
    if char in "}]":
        if opened is not None and char == "]" and opened[0] == "{":
            return _unexpected(char, _VALUE)
        if opened is not None:
            return _unexpected(char, "expected a value")
        kind = "Object" if char == "}" else "Array"
        return f"Unexpected close marker '{char}': no open {kind} to close"
    if char == "-":
        why = "expected digit (0-9) to follow minus sign, for valid numeric value"
        return _unexpected(after, why, _NUMERIC) if after else "Unexpected end-of-input in null"
    if char == "+":
        why = (
            "JSON spec does not allow numbers to have plus signs: enable "
            "`JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow"
        )
        return _unexpected(char, why, _NUMERIC)
    if char == "/":
        why = (
            "maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' not "
            "enabled for parser)"
        )
        return _unexpected(char, why)
    word = re.match(r"\w+", rest)
    if word is not None and char.isalpha():
        return f"Unrecognized token '{word[0]}': was expecting ({_KINDS})"
    return _unexpected(char, _VALUE)


def _unexpected(char: str, why: str, where: str = "") -> str:
    shown = f"'{char}' (code {ord(char)})"
    return f"Unexpected character ({shown}){' ' + where if where else ''}: {why}"


def _open_container(text: str, end: int) -> tuple[str, int] | None:
    """Give the innermost bracket that is open before `end`, and where it stands."""
    stack: list[tuple[str, int]] = []
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', text[:end]):
        if found[0] in ("{", "["):
            stack.append((found[0], found.start()))
        elif found[0] in ("}", "]") and stack:
            stack.pop()
    return stack[-1] if stack else None


def _is_name(text: str, start: int) -> bool:
    """Tell whether the string that begins at `start` is a member's name."""
    opened = _open_container(text, start)
    return opened is not None and opened[0] == "{" and text[:start].rstrip()[-1:] in ("{", ",")


def _place(text: str, pos: int) -> str:
    line = text.count("\n", 0, pos) + 1
    return source_at(line, pos - text.rfind("\n", 0, pos))
