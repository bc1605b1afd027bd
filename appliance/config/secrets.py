"""Secrets in configurations: which options hold one, how it is masked, and how it is kept out of logs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from appliance.config.types import HIDDEN
from appliance.telemetry import logs

_WORDS: Final = (
    "password",
    "secret",
    "token",
    "jaas",
    "credential",
    "ssl.key.pem",
    "ssl.keystore.key",
    "auth.user.info",
)
_IN_AUTHORITY: Final = re.compile(r"(://[^/?#@:\s]*:)([^/@\s]+)(?=@)")
_IN_QUERY: Final = re.compile(r"(?i)([?&;][\w.-]*(?:password|secret|token)[\w.-]*=)([^&;\s]+)")


def masked(config: Mapping[str, str | None]) -> dict[str, str | None]:
    """Give a configuration with the values of options that look secret hidden.

    Of an address the password in it is; what a provider will put there is no secret yet.
    """
    return {
        name: value if value is None or "${" in value else _masked(name, value)
        for name, value in config.items()
    }


def hide_in_logs(config: Mapping[str, str]) -> None:
    """Blot the secrets of a resolved configuration out of this process's later lines and traces."""
    for name, value in config.items():
        if _looks_secret(name):
            logs.hide(value)
        elif _is_address(value):
            for pattern in (_IN_AUTHORITY, _IN_QUERY):
                for found in pattern.finditer(value):
                    logs.hide(found[2])


def _masked(name: str, value: str) -> str:
    if _looks_secret(name):
        return HIDDEN if value else value
    if not _is_address(value):
        return value
    for pattern in (_IN_AUTHORITY, _IN_QUERY):
        value = pattern.sub(rf"\1{HIDDEN}", value)
    return value


def _is_address(value: str) -> bool:
    return "://" in value or value.startswith("jdbc:")


def _looks_secret(name: str) -> bool:
    lowered = name.lower()
    # where credentials come from is none
    return any(word in lowered for word in _WORDS) and not lowered.endswith(".source")
