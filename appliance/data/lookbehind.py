"""Look-behind groups of variable width, spelled out as groups of fixed width, which Python's engine takes.

`(?<=ab|c)` becomes `(?:(?<=ab)|(?<=c))`, `(?<!ab|c)` becomes `(?<!ab)(?<!c)`. What stands first in the group
needs its least number of repetitions only: where more of them end at a place, the last ones do too.
"""

from __future__ import annotations

import itertools
import re
from typing import Final

_MOST: Final = 1000
_ITEM: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?<[=!]|[()|]|[^\\()|\[]", re.DOTALL)
_COUNT: Final = re.compile(r"(?:([?*+])|\{(\d+)(?:(,)(\d*))?\})[?+]?")


def fixed_width(pattern: str) -> str:
    """Spell the look-behind groups out. Raises re.error for those that have no greatest width."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        match = _ITEM.match(pattern, at)
        token = pattern[at] if match is None else match.group()
        at += len(token)
        if token not in ("(?<=", "(?<!"):
            parts.append(token)
            continue
        end = _closing(pattern, at)
        variants = _Widths(pattern).of(pattern[at:end])
        if token == "(?<!":
            parts += [f"(?<!{variant})" for variant in variants]
        else:
            parts.append(f"(?:{'|'.join(f'(?<={variant})' for variant in variants)})")
        at = end + 1
    return "".join(parts)


def _closing(pattern: str, at: int) -> int:
    """Give the place of the parenthesis that ends the group whose inside begins at `at`."""
    depth = 1
    while at < len(pattern):
        match = _ITEM.match(pattern, at)
        token = pattern[at] if match is None else match.group()
        depth += token.startswith("(") - (token == ")")
        if not depth:
            return at
        at += len(token)
    raise re.error("missing ), unterminated subpattern", pattern, at)


class _Widths:
    """The texts of fixed width that a look-behind of a pattern stands for."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def of(self, body: str) -> list[str]:
        """Give the variants of the inside of a group."""
        found = [v for branch in self._branches(body) for v in self._sequence(branch)]
        if len(found) > _MOST:
            raise self._error()
        return list(dict.fromkeys(found))

    def _error(self) -> re.error:
        return re.error("Look-behind group does not have an obvious maximum length", self._pattern)

    def _branches(self, body: str) -> list[str]:
        branches, begin, at = [], 0, 0
        while at < len(body):
            end = self._item_end(body, at)
            if body[at] == "|":
                branches.append(body[begin:at])
                begin = end
            at = end
        return [*branches, body[begin:]]

    def _item_end(self, body: str, at: int) -> int:
        match = _ITEM.match(body, at)
        end = at + 1 if match is None else match.end()
        return _closing(body, end) + 1 if body[at] == "(" else end

    def _sequence(self, branch: str) -> list[str]:
        variants = [""]
        first, at = True, 0
        while at < len(branch):
            end = self._item_end(branch, at)
            atoms = self._atoms(branch[at:end])
            least, most, at = self._counts(branch, end)
            if first:
                most, first = least, least == 0
            if most is None or most > _MOST:
                raise self._error()
            ways = sum(len(atoms) ** count for count in range(least, most + 1))
            if len(variants) * ways > _MOST:
                raise self._error()
            choices = [
                "".join(chosen)
                for count in range(least, most + 1)
                for chosen in itertools.product(atoms, repeat=count)
            ]
            variants = [before + choice for before in variants for choice in choices]
        return variants

    def _atoms(self, atom: str) -> list[str]:
        if not atom.startswith("("):
            return [atom]
        if atom.startswith("(?:"):
            return [f"(?:{variant})" for variant in self.of(atom[3:-1])]
        if atom.startswith("(?"):
            return [atom]
        inside = self.of(atom[1:-1])
        if len(inside) > 1:
            raise self._error()
        return [f"({inside[0]})"]

    def _counts(self, branch: str, at: int) -> tuple[int, int | None, int]:
        match = _COUNT.match(branch, at)
        if match is None:
            return 1, 1, at
        sign, least, comma, most = match.groups()
        if sign:
            return int(sign == "+"), 1 if sign == "?" else None, match.end()
        highest = int(most) if most else None if comma else int(least)
        return int(least), highest, match.end()
