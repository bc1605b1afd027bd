"""Colours and glyphs: a state is always glyph, word and colour, never colour alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

# state: (glyph, ASCII glyph, word, role); the order is that of "problems first"
STATES: Final[Mapping[str, tuple[str, str, str, str]]] = MappingProxyType(
    {
        "FAILED": ("✗", "X", "FAIL", "red"),
        "DEGRADED": ("▲", "!", "DEGR", "amber"),
        "UNASSIGNED": ("○", "o", "UNAS", "amber"),
        "RESTARTING": ("↻", "~", "RSTR", "violet"),
        "PAUSED": ("‖", "=", "PAUS", "blue"),
        "STOPPED": ("■", "#", "STOP", "grey"),
        "RUNNING": ("●", "+", "RUN", "green"),
    }
)
# what happens and is no state: (glyph, ASCII glyph, role)
SIGNS: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "REBALANCE": ("↻", "~", "violet"),
        "CONFIG": ("✎", "*", "blue"),
        "DLQ": ("▪", "!", "amber"),
        "CALL": ("·", ".", "grey"),
    }
)
_HEX: Final = re.compile(r"#[0-9a-f]{6}")
RANK: Final[Mapping[str, int]] = MappingProxyType({name: at for at, name in enumerate(STATES)})


@dataclass(frozen=True, slots=True)
class Palette:
    """Rich styles by role; `ascii` asks for the ASCII glyphs and frames."""

    name: str
    background: str = "#0f141a"
    chrome: str = "#1b2530"
    cursor: str = "#1d384c"
    alarm: str = "#5c2f33"
    text: str = "#d3dce6"
    grey: str = "#7c8a99"
    line: str = "#3a4652"
    accent: str = "#4fb3bf"
    sink: str = "#8fabd3"
    roles: Mapping[str, str] = field(
        default_factory=lambda: {
            "red": "bold #f2726b",
            "amber": "#e8b552",
            "green": "#7fc97a",
            "blue": "#6cb6ff",
            "violet": "#b79cf0",
            "grey": "#7c8a99",
        }
    )
    # red and grey on the cursor's own background, where the usual ones are too dark
    lifted: Mapping[str, str] = field(
        default_factory=lambda: {"red": "bold #ff9d97", "grey": "#d3dce6"}
    )
    ascii: bool = False
    sixteen: bool = False
    """Whether the terminal's own sixteen colours are meant, each by the one that it usually is."""

    def style(self, role: str, *, on_cursor: bool = False) -> str:
        """Give the style of a role."""
        if on_cursor and role in self.lifted:
            return self.lifted[role]
        return self.roles.get(role, role)

    def faded(self) -> Palette:
        """Give the colours for data that is no longer current: halfway into the background."""

        def pale(style: str) -> str:
            return _HEX.sub(lambda found: _between(found[0], self.background), style)

        return replace(
            self,
            text=pale(self.text),
            grey=pale(self.grey),
            line=pale(self.line),
            cursor=pale(self.cursor),
            accent=pale(self.accent),
            sink=pale(self.sink),
            roles={role: pale(style) for role, style in self.roles.items()},
            lifted={role: pale(style) for role, style in self.lifted.items()},
        )

    def with_glyphs(self, *, ascii: bool) -> Palette:
        """Give the same colours with glyphs of ASCII or not."""
        return replace(self, ascii=ascii)

    def state(self, state: str) -> tuple[str, str, str]:
        """Give glyph, word and role of a state."""
        glyph, plain, word, role = STATES.get(state, ("?", "?", state[:4], "grey"))
        return (plain if self.ascii else glyph), word, role

    def sign(self, name: str) -> tuple[str, str]:
        """Give glyph and role of an event: of the state that it brought, or of what it is."""
        if name not in SIGNS:
            glyph, _, role = self.state(name)
            return glyph, role
        glyph, plain, role = SIGNS[name]
        return (plain if self.ascii else glyph), role


def _between(colour: str, other: str) -> str:
    """Give the colour in the middle, a little nearer to the first one."""
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + "".join(f"{round(0.55 * one + 0.45 * two):02x}" for one, two in pairs)


DARK: Final = Palette("dark")
LIGHT: Final = Palette(
    "light",
    background="#fbfcfd",
    chrome="#e6ebf0",
    cursor="#cfe3f2",
    alarm="#f6d5d3",
    text="#1d2733",
    grey="#55616e",
    line="#b4bec8",
    accent="#0b6670",
    sink="#3f5c86",
    roles={
        "red": "bold #b3261e",
        "amber": "#7a5200",
        "green": "#1f6b2a",
        "blue": "#0b5cad",
        "violet": "#6340b0",
        "grey": "#55616e",
    },
    lifted={"red": "bold #8f1d17", "grey": "#1d2733"},
)
MONO: Final = Palette(
    "mono",
    background="#101010",
    chrome="#202020",
    cursor="#404040",
    alarm="#202020",
    text="#d8d8d8",
    grey="#9a9a9a",
    line="#6a6a6a",
    accent="bold #f0f0f0",
    sink="#b8b8b8",
    roles={
        "red": "bold reverse",
        "amber": "bold",
        "green": "#d8d8d8",
        "blue": "#d8d8d8",
        "violet": "underline",
        "grey": "dim",
    },
    lifted={"grey": "#d8d8d8"},
)
CONTRAST: Final = Palette(
    "contrast",
    background="#000000",
    chrome="#1a1a1a",
    cursor="#00335c",
    alarm="#7a0000",
    text="#ffffff",
    grey="#c8c8c8",
    line="#8a8a8a",
    accent="#5ff0ff",
    sink="#c4d8ff",
    roles={
        "red": "bold #ff9088",
        "amber": "#ffd75f",
        "green": "#8cff8c",
        "blue": "#8fc8ff",
        "violet": "#dcc0ff",
        "grey": "#c8c8c8",
    },
    lifted={"red": "bold #ffb0aa", "grey": "#ffffff"},
)
# for eyes that do not tell red from green: what runs is blue, what failed is orange
BLUE_ORANGE: Final = replace(
    DARK,
    name="blue-orange",
    roles={
        "red": "bold #ff9e3d",
        "amber": "#e6d36b",
        "green": "#6cb6ff",
        "blue": "#b5c7d9",
        "violet": "#c9b8f5",
        "grey": "#7c8a99",
    },
    lifted={"red": "bold #ffbf7a", "grey": "#d3dce6"},
)
ANSI: Final = Palette(
    "ansi",
    background="#000000",
    chrome="#0000aa",
    cursor="#0000aa",
    alarm="#aa0000",
    text="#ffffff",
    grey="#aaaaaa",
    line="#555555",
    accent="#55ffff",
    sink="#aaaaaa",
    roles={
        "red": "bold #ff5555",
        "amber": "#ffff55",
        "green": "#55ff55",
        "blue": "#55ffff",
        "violet": "#ff55ff",
        "grey": "#aaaaaa",
    },
    lifted={"red": "bold #ffff55", "grey": "#ffffff"},
    sixteen=True,
)
THEMES: Final = (DARK, LIGHT, CONTRAST, BLUE_ORANGE, ANSI, MONO)


def chosen(theme: str | None, environ: Mapping[str, str], *, ascii: bool) -> Palette:
    """Give the palette for a wish, the environment and the locale; decided before the App is made."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    asked = environ.get("INGEST_TUI_ASCII", "") not in {"", "0"}
    plain = ascii or asked or "utf" not in locale.lower()
    if environ.get("NO_COLOR"):
        theme = "mono"
    found = next((palette for palette in THEMES if palette.name == theme), DARK)
    return replace(found, ascii=plain)
