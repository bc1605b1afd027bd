"""What trying a configuration's places found: by option for the form, and as a text to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.text import Text

from tui.palette import Palette
from tui.widgets.grid import Cell

Finding = Mapping[str, str]
"""One thing that the daemon checked: `level`, `option` (empty for none), `text` and `remedy`."""

# level: (glyph, ASCII glyph, word, role), the worst first
_LEVELS: Final = {
    "problem": ("✗", "X", "fails", "red"),
    "warning": ("▲", "!", "warns", "amber"),
    "ok": ("●", "+", "works", "green"),
}
_RANK: Final = {level: at for at, level in enumerate(_LEVELS)}


class Tested:
    """The findings of one test, worst first."""

    def __init__(self, findings: Sequence[Finding] = ()) -> None:
        self.findings = sorted(findings, key=lambda finding: _RANK[finding["level"]])

    def of(self, option: str) -> list[Finding]:
        """Give what was found about an option, worst first."""
        return [finding for finding in self.findings if finding["option"] == option]

    @property
    def faults(self) -> list[str]:
        """Give the options that something is wrong with."""
        wrong = [finding for finding in self.findings if finding["level"] == "problem"]
        return list(dict.fromkeys(finding["option"] for finding in wrong if finding["option"]))

    @property
    def summary(self) -> str:
        """Give how many findings of each level there are."""
        if not self.findings:
            return "nothing in it names a place to try"
        counts = [
            (sum(finding["level"] == level for finding in self.findings), word)
            for level, (_, _, word, _) in _LEVELS.items()
        ]
        return ", ".join(f"{count} {word}" for count, word in counts if count)

    def note(self, option: str, palette: Palette) -> Cell | None:
        """Give the mark of an option's worst finding, None where nothing was tried."""
        found = self.of(option)
        if not found:
            return None
        glyph, word, role = _sign(found[0], palette)
        return Cell(f"{glyph} {word}", role)

    def text(self, palette: Palette) -> Text:
        """Give all findings with what mends them."""
        text = Text(style=palette.text)
        text.append(f"{self.summary}\n\n", "bold")
        for finding in self.findings:
            put_finding(text, finding, palette)
        return text


def put_finding(text: Text, finding: Finding, palette: Palette) -> None:
    """Append one finding and what mends it."""
    glyph, word, role = _sign(finding, palette)
    text.append(f"{glyph} {word:<6} ", palette.style(role))
    if finding["option"]:
        text.append(f"{finding['option']}\n  ", "bold")
    text.append(f"{finding['text']}\n")
    for line in finding["remedy"].splitlines():
        text.append(f"  > {line}\n", palette.accent)


def _sign(finding: Finding, palette: Palette) -> tuple[str, str, str]:
    glyph, plain, word, role = _LEVELS[finding["level"]]
    return (plain if palette.ascii else glyph), word, role
