"""Java's regular expressions on Python's engine: syntax and replacement texts translated.

Covers what topics and table names need: named groups, possessive forms and classes that both engines
share. Semantics: java.util.regex.Pattern, Matcher.replaceFirst.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from typing import Self

from appliance.data.lookbehind import fixed_width
from appliance.errors import ConfigError


def regex_fault(error: re.error) -> str:
    """Give Java's words for the common faults of a regular expression, Python's for the others."""
    pattern = str(error.pattern)
    at = error.pos or 0
    if error.msg.startswith("missing ), unterminated"):
        what, at = "Unclosed group", len(pattern)
    elif error.msg.startswith("unterminated character set"):
        what, at = "Unclosed character class", len(pattern) - 1
    elif error.msg.startswith("nothing to repeat"):
        what = f"Dangling meta character '{pattern[at]}'"
    elif error.msg.startswith("unbalanced parenthesis"):
        what, at = "Unmatched closing ')'", max(at - 1, 0)
    elif error.msg in ("Illegal repetition", "Unclosed counted closure"):
        what = error.msg
    else:
        return str(error)
    caret = f"\n{' ' * at}^" if at < len(pattern) else ""
    return f"{what} near index {at}\n{pattern}{caret}"


_NAMED_GROUP = re.compile(r"\(\?<([A-Za-z][A-Za-z0-9]*)>")
_NAMED_REFERENCE = re.compile(r"\\k<([A-Za-z][A-Za-z0-9]*)>")
_POSIX = {
    "Alpha": "a-zA-Z",
    "Lower": "a-z",
    "Upper": "A-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r" \t\n\x0b\f\r",
    "Blank": r" \t",
    "XDigit": "0-9a-fA-F",
    "ASCII": r"\x00-\x7f",
}
_TOKEN = re.compile(r"\\([pP])(?:\{([^}]*)\}|([A-Z]))|\\.|\[\^?\]?|\]", re.DOTALL)


_BRACE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?:\d+(?:,\d*)?(\})?)?", re.DOTALL)


def java_compiled(text: str, flags: int = 0) -> re.Pattern[str]:
    """Give a Java regular expression as Python's pattern. Raises re.error."""
    translated = _translated(text)
    for match in _BRACE.finditer(translated):
        if match.group()[0] == "{" and match.group(1) is None:
            bare = match.group() == "{"
            what = "Illegal repetition" if bare else "Unclosed counted closure"
            raise re.error(what, text, match.end())
    try:
        return re.compile(translated, re.ASCII | flags)
    except re.error as error:
        if "fixed-width" not in error.msg:
            raise
        return re.compile(fixed_width(translated), re.ASCII | flags)


class JavaPattern:
    """A compiled Java regular expression."""

    def __init__(self, text: str) -> None:
        """Translate and compile. Raises re.error."""
        self.text = text
        self._pattern = java_compiled(text)

    @classmethod
    def option(cls, name: str, text: str | None) -> Self:
        """Compile the value of an option. Raises ConfigError."""
        if text is None:
            raise ConfigError.invalid(
                name,
                text,
                'Invalid regex: Cannot invoke "String.isEmpty()" because "this.pattern" is null',
            )
        try:
            return cls(text)
        except re.error as error:
            raise ConfigError.invalid(
                name, text, f"Invalid regex: {regex_fault(error)}"
            ) from error
        except (OverflowError, RecursionError) as error:
            raise ConfigError.invalid(name, text, f"Invalid regex: {error}") from error

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        return self._pattern.fullmatch(text) is not None

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """Give the match of the whole text."""
        return self._pattern.fullmatch(text)

    @property
    def groups(self) -> int:
        """Count the groups."""
        return self._pattern.groups

    def find(self, text: str) -> re.Match[str] | None:
        """Give the first match anywhere."""
        return self._pattern.search(text)

    def replace_first(self, text: str, replacement: str) -> str:
        """Replace the first match. Raises IndexError for a group that does not exist, ValueError."""
        match = self._pattern.search(text)
        if match is None:
            return text
        return text[: match.start()] + expanded(match, replacement) + text[match.end() :]

    def replace_all(self, text: str, replacement: str) -> str:
        """Replace every match. Raises IndexError, ValueError."""
        return self._pattern.sub(lambda match: expanded(match, replacement), text)


def expanded(match: re.Match[str], replacement: str) -> str:
    """Put groups into a Java replacement text (`$1`, `${name}`, backslash quotes)."""
    parts: list[str] = []
    at = 0
    while at < len(replacement):
        char = replacement[at]
        at += 1
        if char == "\\":
            if at == len(replacement):
                raise ValueError("character to be escaped is missing")
            parts.append(replacement[at])
            at += 1
        elif char == "$":
            group, at = _reference(match, replacement, at)
            parts.append(match.group(group) or "")
        else:
            parts.append(char)
    return "".join(parts)


def _reference(match: re.Match[str], replacement: str, at: int) -> tuple[int | str, int]:
    if replacement[at : at + 1] == "{":
        end = replacement.find("}", at)
        if end < 0:
            raise ValueError("named capturing group is missing trailing '}'")
        return replacement[at + 1 : end], end + 1
    if not "0" <= replacement[at : at + 1] <= "9":
        raise ValueError("Illegal group reference")
    group = int(replacement[at])
    at += 1
    if group > match.re.groups:
        raise IndexError(f"No group {group}")
    while "0" <= replacement[at : at + 1] <= "9":
        longer = group * 10 + int(replacement[at])
        if longer > match.re.groups:
            break
        group, at = longer, at + 1
    return group, at


def _translated(text: str) -> str:
    text = _quoted(_NAMED_REFERENCE.sub(r"(?P=\1)", _NAMED_GROUP.sub(r"(?P<\1>", text)))
    depth = 0

    def translate(match: re.Match[str]) -> str:
        nonlocal depth
        token = match.group()
        if token[0] == "[":
            depth += 1
            return token
        if token == "]":
            depth = max(0, depth - 1)
            return token
        if match.group(1) is None:
            return _ESCAPES.get(token, token)
        members = _property(match.group(2) or match.group(3))
        if depth and match.group(1) == "p":
            return members
        return f"[{'^' if match.group(1) == 'P' else ''}{members}]"

    return _TOKEN.sub(translate, text)


_ESCAPES = {r"\z": r"\Z", r"\h": r"[ \t]"}


@functools.lru_cache(maxsize=64)
def _property(name: str) -> str:
    """Give the members of a POSIX class or Unicode category, as the inside of a class."""
    if name in _POSIX:
        return _POSIX[name]
    name = {"IsAlphabetic": "L", "IsLetter": "L", "IsUppercase": "Lu", "IsLowercase": "Ll"}.get(
        name, name.removeprefix("Is")
    )
    ranges: list[str] = []
    start: int | None = None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code)).startswith(name)
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            ranges.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    if not ranges:
        raise re.error(f"Unknown character property name {{{name}}}")
    return "".join(ranges)


def _quoted(text: str) -> str:
    r"""Turn `\Q...\E` into escaped text."""
    pieces = text.split(r"\Q")
    for i, piece in enumerate(pieces[1:], 1):
        literal, _, rest = piece.partition(r"\E")
        pieces[i] = re.escape(literal) + rest
    return "".join(pieces)
