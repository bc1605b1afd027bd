"""The filter line: words that must all hold: `hdfs !staging /ord.*s/ state:failed lag>1k`.

`level:warn` means at least that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tui.text import magnitude

_COMPARED: Final = re.compile(r"(\w+)([<>])(\S+)")
_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_NAMED: Final = re.compile(r"(state|worker|type|plugin|topic|connector|stage|level):(\S*)")


class Filter:
    """A parsed filter; one without words matches everything."""

    def __init__(self, text: str = "") -> None:
        self.text = text.strip()
        self._words = self.text.split()

    def matches(self, fields: Mapping[str, object]) -> bool:
        """Tell whether a row with these fields is wanted."""
        return all(self._holds(word, fields) for word in self._words)

    def _holds(self, word: str, fields: Mapping[str, object]) -> bool:
        if len(word) > 1 and word.startswith("!"):
            return not self._holds(word[1:], fields)
        if len(word) > 2 and word.startswith("/") and word.endswith("/"):
            try:
                return re.search(word[1:-1], _text(fields), re.IGNORECASE) is not None
            except re.error:
                return False
        compared = _COMPARED.fullmatch(word)
        if compared is not None:
            value = fields.get(compared[1])
            if not isinstance(value, (int, float)):
                return False
            limit = magnitude(compared[3])[1]
            return value > limit if compared[2] == ">" else value < limit
        named = _NAMED.fullmatch(word)
        if named is not None:
            if named[1] == "level":
                return _reaches(str(fields.get("level", "")), named[2].upper())
            return named[2].lower() in str(fields.get(named[1], "")).lower()
        return word.lower() in _text(fields).lower()


def literal(word: str) -> str:
    """Give the filter word that finds exactly this text, whatever its signs mean to a filter."""
    return word if word.isalnum() else f"/{re.escape(word)}/"


def _reaches(level: str, lowest: str) -> bool:
    """Tell whether a line's level is at least this one, of which the beginning may be typed so far."""
    at = next((at for at, name in enumerate(_LEVELS) if name.startswith(lowest)), None)
    return at is not None and level in _LEVELS[at:]


def _text(fields: Mapping[str, object]) -> str:
    return " ".join(str(value) for value in fields.values() if value is not None)
