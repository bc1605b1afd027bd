"""What every view works with: the model, how to draw, whom to ask, and the time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tui.client import ServerEvent
from tui.contexts import Contexts
from tui.feed import Feed
from tui.model import Model
from tui.palette import Palette

# the daemon's roles, each of which may do what those before it may
ROLES: Final = ("view", "operate", "administer")
NO_FILES: Final = "no files are written for a browser; c copies the row"


class Asker(Protocol):
    """Asks the daemon; a Client, or what stands for one in a picture."""

    @property
    def url(self) -> str:
        """Give the daemon's address."""

    async def get(self, path: str) -> Any:
        """GET a resource. Raises ClientError."""

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Give the answer's JSON. Raises ClientError."""

    def stream(self, path: str) -> AsyncGenerator[ServerEvent | None]:
        """Give server-sent events, None for a heartbeat. Raises ClientError."""


@dataclass
class Scene:
    """One daemon as the console shows it; `clock` gives wall-clock seconds."""

    model: Model
    theme: Palette
    client: Asker
    feed: Feed | None
    clock: Callable[[], float]
    name: str = ""
    read_only: bool = False
    guarded: bool = False
    """Whether each confirmation is one tier stricter, as for production."""
    colour: str = ""
    """The context's own colour, one of COLOURS, empty for none."""
    who: dict[str, Any] = field(default_factory=dict)
    queues: list[dict[str, Any]] = field(default_factory=list)
    counted: bool = False
    """Whether `queues` has been asked for: before that it is empty because nobody has."""
    explain: bool = True
    contexts: Contexts | None = None
    in_browser: bool = False
    """Whether somebody looks through a browser, who writes no files here."""
    keymap: dict[str, str] = field(default_factory=dict)
    """Other keys than the usual ones, by the names of `keys.NAMES`."""
    _faded: tuple[Palette, Palette] | None = None

    @property
    def palette(self) -> Palette:
        """Give the colours to draw data with: those of the theme, faded while the link is lost."""
        if not self.stale:
            return self.theme
        if self._faded is None or self._faded[0] is not self.theme:
            self._faded = self.theme, self.theme.faded()
        return self._faded[1]

    @property
    def stale(self) -> bool:
        """Tell whether what is shown is no longer current."""
        return self.lost and self.feed is not None and self.feed.heard_s is not None

    @property
    def lost(self) -> bool:
        """Tell whether there is no link now."""
        return self.feed is not None and not self.feed.live

    @property
    def stock(self) -> bool:
        """Tell whether Kafka Connect itself answers, which knows less."""
        return self.feed is not None and self.feed.stock

    @property
    def role(self) -> str:
        """Give what the user may do here: the daemon's word, no more than this console was started for."""
        told = str(self.who.get("role") or ("view" if self.who.get("read_only") else ROLES[-1]))
        return "view" if self.read_only else told

    def refusal(self, needs: str = ROLES[-1]) -> str | None:
        """Say why what needs a role cannot be done now, None when it can."""
        if self.lost:
            return (
                "no link to the daemon: nothing can be changed until it is back (ctrl+r tries now)"
            )
        if self.read_only:
            return "this console is read-only (--read-only, or read_only in the context)"
        if self.role in ROLES and ROLES.index(self.role) < ROLES.index(needs):
            who = self.who.get("principal") or self.who.get("user") or "you"
            return f"this needs the role {needs}; the daemon gives {who} the role {self.role}"
        return None

    @property
    def title(self) -> str:
        """Give the context's name, or the address."""
        return self.name or self.client.url.split("://")[-1].rstrip("/")
