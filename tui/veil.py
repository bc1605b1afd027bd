"""Secrets on the screen: dots in their place. What a provider will put there is no secret, and stays."""

from __future__ import annotations

import re
from typing import Any, Final

_WORDS: Final = (
    "password",
    "secret",
    "token",
    "jaas",
    "credential",
    "keystore.key",
    "ssl.key.pem",
    "auth.user.info",
)
_IN_AUTHORITY: Final = re.compile(r"(://[^/?#@:\s]*:)([^/@\s]+)(?=@)")
_IN_QUERY: Final = re.compile(r"(?i)([?&;][\w.-]*(?:password|secret|token)[\w.-]*=)([^&;\s]+)")
_DOTS: Final = "••••••"
_STARS: Final = "******"


def is_secret(name: str, type_: str = "") -> bool:
    """Tell whether an option holds a secret: by its declared type, else by its name."""
    lowered = name.lower()
    # where credentials come from is none
    named = any(word in lowered for word in _WORDS) and not lowered.endswith(".source")
    return named or type_.upper() == "PASSWORD"


def veiled(name: str, value: Any, type_: str = "", *, ascii: bool) -> str:
    """Give an option's value as it may be shown; of an address the password in it is hidden."""
    text = str(value)
    dots = _STARS if ascii else _DOTS
    if not text or "${" in text:
        return text
    if is_secret(name, type_):
        return dots
    if "://" not in text and not text.startswith("jdbc:"):
        return text
    for pattern in (_IN_AUTHORITY, _IN_QUERY):
        text = pattern.sub(rf"\1{dots}", text)
    return text
