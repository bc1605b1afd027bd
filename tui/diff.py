"""The difference between two configurations as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from tui.palette import Palette
from tui.revisions import changes
from tui.veil import veiled


def put_changes(
    text: Text, palette: Palette, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """Append the difference, old lines with -, new ones with +."""
    changed = changes(before, after)
    for key in sorted(changed):
        text.append(f"{key}\n", "bold")
        if key in before:
            old = veiled(key, before[key], ascii=palette.ascii)
            text.append(f"  - {old}\n", palette.style("red"))
        if changed[key] is not None:
            new = veiled(key, changed[key], ascii=palette.ascii)
            text.append(f"  + {new}\n", palette.style("green"))
    if not changed:
        text.append("nothing\n", palette.grey)
