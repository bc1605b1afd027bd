"""Java properties: text to a dictionary and back.

Semantics: java.util.Properties (Java 17) `load` and `store`, UTF-8 instead of Latin-1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from appliance.errors import ConfigError

_BLANK: Final = " \t\f"
_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def parse_properties(text: str) -> dict[str, str]:
    r"""Give the pairs of `text`, a later key replacing an earlier one. Raises ConfigError.

    The only fault there is in this grammar is a `\\u` without four hexadecimal digits.
    """
    return dict(_pair(line) for line in _logical_lines(text))


def load_properties(path: Path) -> dict[str, str]:
    """Give the pairs of the file at `path`. Raises ConfigError naming the file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"Reading {path}: {error.strerror}. Check the path and who may read it."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"Reading {path}: it is not UTF-8 text ({error.reason}).") from error
    try:
        return parse_properties(text)
    except ConfigError as error:
        raise ConfigError(f"Reading {path}: {error}") from error


def render_properties(pairs: Mapping[str, str]) -> str:
    """Give text that `parse_properties` reads back as `pairs`."""
    return "".join(
        f"{_escaped(key, is_key=True)}={_escaped(value, is_key=False)}\n"
        for key, value in pairs.items()
    )


def _logical_lines(text: str) -> Iterator[str]:
    pending = ""
    for natural in re.split(r"\r\n|\r|\n", text):
        stripped = natural.lstrip(_BLANK)
        if not pending and (not stripped or stripped[0] in "#!"):
            continue
        line = pending + stripped
        trailing = len(line) - len(line.rstrip("\\"))
        if trailing % 2:
            pending = line[:-1]
            continue
        pending = ""
        yield line
    if pending:
        yield pending


def _pair(line: str) -> tuple[str, str]:
    end = 0
    while end < len(line) and line[end] not in "=:" + _BLANK:
        end += 2 if line[end] == "\\" else 1
    end = min(end, len(line))
    start = end
    while start < len(line) and line[start] in _BLANK:
        start += 1
    if start < len(line) and line[start] in "=:":
        start += 1
        while start < len(line) and line[start] in _BLANK:
            start += 1
    return _unescaped(line[:end]), _unescaped(line[start:])


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char != "\\" or at == len(text):
            if char != "\\":
                out.append(char)
            continue
        char = text[at]
        at += 1
        if char == "u":
            digits = text[at : at + 4]
            if not re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                raise ConfigError(
                    f"Malformed \\uxxxx encoding in {text!r}: give four hexadecimal digits."
                )
            out.append(chr(int(digits, 16)))
            at += 4
        else:
            out.append(_ESCAPES.get(char, char))
    # Characters above U+FFFF are written as two surrogates.
    return "".join(out).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped(text: str, *, is_key: bool) -> str:
    out: list[str] = []
    names = {value: key for key, value in _ESCAPES.items()}
    for at, char in enumerate(text):
        if char in names:
            out.append("\\" + names[char])
        elif char in "\\=:#!" or (char == " " and (is_key or at == 0)):
            out.append("\\" + char)
        else:
            out.append(char)
    return "".join(out)
