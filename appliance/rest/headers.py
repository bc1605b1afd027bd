"""Header rules: `response.http.headers.config`.

Semantics: Kafka Connect 4.3.1 RestServer.parseHttpResponseHeader (Jetty's HeaderFilter).
"""

from __future__ import annotations

import csv
import email.utils
from typing import Final

from starlette.responses import Response

from appliance.clock import SYSTEM_CLOCK
from appliance.errors import ConfigError

_ACTIONS: Final = ("set", "add", "setDate", "addDate")
OPTION: Final = "response.http.headers.config"


class HeaderRules:
    """Headers that every answer gets."""

    def __init__(self, text: str) -> None:
        """Read the rules. Raises ConfigError for one that has not the form `[action] name: value`."""
        rules = next(csv.reader([text], skipinitialspace=True), []) if text.strip() else []
        self._rules = [_rule(rule.strip()) for rule in rules]

    def apply(self, response: Response) -> None:
        """Set or add the headers."""
        for action, name, value in self._rules:
            if action.endswith("Date"):
                moment_ms = SYSTEM_CLOCK.now_ms() + int(value)
                shown = email.utils.formatdate(moment_ms / 1000, usegmt=True)
            else:
                shown = value
            if action.startswith("set"):
                response.headers[name] = shown
            else:
                response.headers.append(name, shown)


def _rule(text: str) -> tuple[str, str, str]:
    head, colon, value = text.partition(":")
    action, _, name = head.strip().partition(" ")
    if action not in _ACTIONS or not name.strip():
        raise ConfigError.invalid(
            OPTION,
            text,
            "The header rule must have the form [action] [header name]:[header value] with an action "
            f"of {', '.join(_ACTIONS)}",
        )
    return action, name.strip(), value.strip() if colon else ""
