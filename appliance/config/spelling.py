"""The name that somebody meant who wrote an option's name with a slip."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_SLIPS: Final = 2
_SHORT: Final = 6
"""Of a name that is no longer, more than one letter is another word."""


def meant(name: str, known: Iterable[str]) -> str | None:
    """Give the nearest of the known names, one or two letters away; None when there is none."""
    slips = 1 if len(name) <= _SHORT else _SLIPS
    near = ((apart(name, one), one) for one in known if abs(len(one) - len(name)) <= slips)
    distance, nearest = min(near, default=(slips + 1, ""))
    return nearest if 0 < distance <= slips else None


def apart(one: str, other: str) -> int:
    """Give how many letters must be put in, left out, changed or swapped with the next."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
