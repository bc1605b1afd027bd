"""What a forked process imported by itself, so that its spawner can do it for those after it."""

from __future__ import annotations

import sys
from typing import Final

_OURS: Final = "appliance."
_WITH_THREADS: Final = ("pyarrow",)
_inherited: set[str] = set()


def note_birth() -> None:
    """Take all modules that are there now as inherited."""
    _inherited.update(sys.modules)


def own_imports() -> list[str]:
    """Give the product's modules imported since the birth.

    None beside a library that may have begun threads, which no fork survives.
    """
    if any(name in sys.modules for name in _WITH_THREADS):
        return []
    # copied in one step: another thread may be importing
    names = list(sys.modules)
    return [name for name in names if name.startswith(_OURS) and name not in _inherited]
