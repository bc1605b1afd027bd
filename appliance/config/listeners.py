"""Addresses on which REST is served."""

from __future__ import annotations

import re
from typing import NamedTuple

from appliance.errors import ConfigError


class Listener(NamedTuple):
    """One address; `host` is empty for all interfaces, port 0 takes any free one."""

    scheme: str
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def parse_listener(name: str, text: str) -> Listener:
    """Read `protocol://host:port`, the value of option `name`. Raises ConfigError in Connect's words."""
    found = re.fullmatch(r"(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)", text)
    if found is None:
        raise ConfigError.invalid(
            name, text, "Listener doesn't have the right format (protocol://hostname:port)."
        )
    scheme = found[1].lower()
    if scheme not in ("http", "https"):
        raise ConfigError.invalid(
            name, text, 'Listener protocol must be either "http" or "https".'
        )
    port = int(found[3])
    if not 0 <= port <= 65535:
        raise ConfigError.invalid(name, text, "The port must be between 0 and 65535.")
    return Listener(scheme, found[2], port)
