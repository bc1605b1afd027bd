"""The name that somebody meant who wrote an option's name with a slip."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

_ALIKE: Final = 0.88
"""Of nine letters two swapped still are."""


def meant(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that is nearest and hardly another; None when there is none, or it is known."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
    return nearest[0] if nearest and nearest[0] != name else None
